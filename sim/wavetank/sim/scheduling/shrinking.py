"""The fewest departures with which a run still fails.

A departure names a step of the whole run, so leaving one out shifts all that follow. Here a place
is a task and how often it has paused or waited itself: it stays the same where other tasks run
earlier or later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import takewhile
from typing import Final, NamedTuple

from attrs import frozen

from wavetank.sim.scheduling.schedule import Departure

__all__ = ["Place", "ReplaySwitches", "Switch", "Switches", "fewest_departures"]

_COST: Final = 3
"""One departure more costs as much as one that is so many turns away from a known place."""


class Place(NamedTuple):
    """Where a departure is possible: a task, and its own pause or wait there, from 1."""

    task: int
    turn: int


class Switch(NamedTuple):
    """A departure by its place: which task runs from there on."""

    place: Place
    task: int


@frozen
class Switches:
    """What a run under `ReplaySwitches` did.

    Attributes:
        departures: those that it made.
        made: the same by place.
        possible: all that it could have made, in the order of the run.
    """

    departures: tuple[Departure, ...] = ()
    made: tuple[Switch, ...] = ()
    possible: tuple[Switch, ...] = ()


class ReplaySwitches:
    """The strategy that departs at given steps or places, and notes what it could do.

    Args:
        departures: by step of the run.
        switches: by place.
    """

    def __init__(
        self, departures: Sequence[Departure] = (), switches: Sequence[Switch] = ()
    ) -> None:
        self._at_step = {each.step: each.task for each in departures}
        self._at_place = dict(switches)
        self._turns: dict[int, int] = {}
        self._running = 0
        self._departures: list[Departure] = []
        self._made: list[Switch] = []
        self._possible: list[Switch] = []

    @property
    def switches(self) -> Switches:
        """What the run has done so far."""
        return Switches(tuple(self._departures), tuple(self._made), tuple(self._possible))

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        return step

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`."""
        del running
        turn = self._turns[self._running] = self._turns.get(self._running, 0) + 1
        place = Place(self._running, turn)
        self._possible += [Switch(place, task) for task in ready if task != usual]
        task = self._at_place.get(place, self._at_step.get(step, usual))
        if task not in ready:
            task = usual
        if task != usual:
            self._departures.append(Departure(step, task))
            self._made.append(Switch(place, task))
        self._running = task
        return task


def fewest_departures(
    departures: Sequence[Departure],
    replay: Callable[[ReplaySwitches], tuple[bool, Switches]],
    *,
    runs: int,
) -> tuple[Departure, ...]:
    """Look for a run that fails in the same way with fewer departures, until none is found.

    First departures are left out, many at once and then one by one. Then few departures are put
    together anew, those nearest to the given ones first: with enough runs, no schedule with fewer
    departures than the result fails.

    Args:
        departures: of a run that fails.
        replay: runs under a strategy; returns whether the run failed in the same way, and what the
            strategy did. A run that failed has no more departures than the one that failed before.
        runs: how often it is called at most.

    >>> from wavetank.sim.scheduling.runtime import SimRuntime
    >>> def replay(strategy):
    ...     order = []
    ...     with SimRuntime(strategy) as runtime:
    ...         for name in "abc":
    ...             runtime.spawn(name, lambda name=name: order.append(name))
    ...         runtime.sleep(1)
    ...     return order[0] == "c", strategy.switches
    >>> found = [Departure(step, task) for step, task in ((4, 3), (5, 1), (6, 2), (7, 3))]
    >>> fewest_departures(found, replay, runs=99)
    (Departure(step=4, task=3),)
    """
    search = _Search(departures, replay, runs)
    search.leave_out()
    search.put_together()
    return search.departures


class _Search:
    """The run with the fewest departures so far, and how many runs are left to look for a better.

    Args:
        departures: of the run that was found.
        replay: see `fewest_departures`.
        runs: the same.

    Attributes:
        departures: of the best run.
    """

    def __init__(
        self,
        departures: Sequence[Departure],
        replay: Callable[[ReplaySwitches], tuple[bool, Switches]],
        runs: int,
    ) -> None:
        self.departures = tuple(departures)
        self._made: tuple[Switch, ...] = ()
        self._known: tuple[Switch, ...] = ()
        self._replay = replay
        self._runs = runs
        if self._is_open:
            fails, first = self._run(ReplaySwitches(departures))
            # A program that does not do the same again is left as it is.
            self._runs = self._runs if fails else 0
            self._known = first.made

    @property
    def _is_open(self) -> bool:
        """Whether a better run can be looked for."""
        return self._runs > 0 and bool(self.departures)

    def leave_out(self) -> None:
        """Leave out departures, many at once and then one by one."""
        size = len(self._made)
        while size and self._is_open:
            start = 0
            while start < len(self._made) and self._is_open:
                fewer = self._made[:start] + self._made[start + size :]
                fails, _ = self._run_with(fewer)
                start += 0 if fails else size
            size //= 2

    def put_together(self) -> None:
        """Try fewer departures, in the order of their number and distance from the known ones."""
        queue: list[tuple[int, int, tuple[Switch, ...]]] = [(0, 0, ())]
        number = 0
        while queue and self._is_open:
            cost, _, switches = heappop(queue)
            if len(switches) >= len(self.departures):
                continue
            fails, run = self._run_with(switches)
            if fails or len(switches) + 1 >= len(self.departures):
                continue
            for each in _behind(switches, run.possible):
                number += 1
                heappush(queue, (cost + self._cost(each), number, (*switches, each)))

    def _cost(self, switch: Switch) -> int:
        task, turn = switch.place
        turns = (each.place.turn for each in self._known if each.place.task == task)
        distance = min((abs(turn - known) for known in turns), default=turn)
        return _COST + distance + (switch not in self._known)

    def _run_with(self, switches: Sequence[Switch]) -> tuple[bool, Switches]:
        return self._run(ReplaySwitches(switches=switches))

    def _run(self, strategy: ReplaySwitches) -> tuple[bool, Switches]:
        self._runs -= 1
        fails, run = self._replay(strategy)
        if fails:
            self.departures, self._made = run.departures, run.made
        return fails, run


def _behind(switches: Sequence[Switch], possible: Sequence[Switch]) -> list[Switch]:
    """Return what is possible behind the last switch of a run."""
    last = switches[-1].place if switches else None
    return list(takewhile(lambda each: each.place != last, reversed(possible)))[::-1]
