"""Who runs next: the strategies that choose among the tasks that are ready.

A strategy is asked where the running task has to wait, at the step after another task has become
ready, and from the step on that it names itself; between those the running task goes on. Each
strategy serves one run. No single one finds every bug: `portfolio` takes turns.

Sources: priorities and their changes are those of PCT (Burckhardt et al., *A Randomized Scheduler
with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from random import Random  # noqa: TID251 - seeded by the run
from typing import Final, Protocol

from wavetank.sim.scheduling.schedule import Grain, Schedule

__all__ = [
    "NEVER",
    "Pct",
    "RandomChoice",
    "Replay",
    "RoundRobin",
    "Sticky",
    "Strategy",
    "UntilItWaits",
    "at_both_grains",
    "portfolio",
]

NEVER: Final = sys.maxsize
"""The step that does not come: a strategy that need not be asked."""
_STAYS: Final = 8
_FEWEST_TURNS: Final = 16
"""Turns of a short run, on the average."""
_DEPTHS: Final = (2, 3, 5)


class Strategy(Protocol):
    """Chooses who runs next."""

    def next_look(self, step: int) -> int:
        """Return the first step from `step` on at which it wants to be asked; `NEVER` if none."""
        ...

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """Return the task that runs next.

        Args:
            step: number of this pause or wait.
            running: the task that pauses; None if it has to wait or has ended.
            ready: numbers of the tasks that can run, the running one among them; never empty.
            usual: which of them runs where nobody departs.
        """
        ...


class UntilItWaits:
    """Let each task run until it waits: no departure at all."""

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        del step
        return NEVER

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`."""
        del step, running, ready
        return usual


class Replay:
    """Depart where a schedule does. A departure to a task that is not ready there is left out.

    Args:
        schedule: of an earlier run.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._task_at = {each.step: each.task for each in schedule.departures}
        self._steps = sorted(self._task_at, reverse=True)

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        while self._steps and self._steps[-1] < step:
            self._steps.pop()
        return self._steps[-1] if self._steps else NEVER

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`."""
        del running
        task = self._task_at.get(step, usual)
        return task if task in ready else usual


class RandomChoice:
    """Choose among all that are ready, each alike, at each step.

    Args:
        seed: of the choices.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - reproducible on purpose

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        return step

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`."""
        del step, running, usual
        return ready[int(self._random.random() * len(ready))]


class Sticky:
    """Stay with the running task for a while, then choose among all that are ready.

    Args:
        seed: of the choices.
        stays: steps for which it stays, on the average.
    """

    def __init__(self, seed: int, stays: int = _STAYS) -> None:
        self._random = Random(seed)  # noqa: S311 - reproducible on purpose
        self._stays = stays
        self._leaves_at = 0

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        if self._leaves_at < step:
            self._leaves_at = step + int(self._random.expovariate(1 / self._stays))
        return self._leaves_at

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`."""
        del usual
        if running is not None and step < self._leaves_at:
            return running
        return ready[int(self._random.random() * len(ready))]


class Pct:
    """Run the task of the highest priority; at a few steps the running one gets the lowest.

    Args:
        seed: of the priorities, and of the steps where they change.
        begin: step before which there is nothing to switch.
        steps: how many steps follow in which there is, about.
        depth: one more than the changes of priority; a bug that needs `depth` steps of certain
            tasks in a certain order is found with a known probability (PCT).
    """

    def __init__(self, seed: int, *, steps: int, depth: int, begin: int = 0) -> None:
        self._random = Random(seed)  # noqa: S311 - reproducible on purpose
        self._changes = sorted(
            (begin + 1 + int(self._random.random() * max(steps, 1)) for _ in range(depth - 1)),
            reverse=True,
        )
        self._priorities: dict[int, float] = {}
        self._lowest = 0.0

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        return max(step, self._changes[-1]) if self._changes else NEVER

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`."""
        del usual
        priorities = self._priorities
        while self._changes and self._changes[-1] <= step:
            self._changes.pop()
            if running is not None:
                self._lowest -= 1
                priorities[running] = self._lowest
        for task in ready:
            if task not in priorities:
                priorities[task] = self._random.random()
        return max(ready, key=priorities.__getitem__)


class RoundRobin:
    """Let the tasks take turns, so many steps each.

    Args:
        steps: of one turn.
    """

    def __init__(self, steps: int = 1) -> None:
        self._steps = steps

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        return step + -step % self._steps

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`."""
        if running is None:
            return usual
        if step % self._steps:
            return running
        return min(ready, key=lambda task: (task <= running, task))


def portfolio(grain: Grain, seed: int, *, steps: int, begin: int = 0) -> Iterator[Strategy]:
    """Yield strategies without end, each for one run.

    Args:
        grain: where the tasks pause.
        seed: of all choices.
        steps: how many steps there are in which several tasks go on, at this grain, about.
        begin: step before the first of them.
    """
    seeds = Random(seed)  # noqa: S311 - reproducible on purpose
    yield UntilItWaits()
    yield RoundRobin()
    while True:
        for depth in _DEPTHS:
            yield Pct(seeds.getrandbits(32), steps=steps, depth=depth, begin=begin)
            if grain is not Grain.STATEMENTS:
                yield RandomChoice(seeds.getrandbits(32))
                yield Sticky(seeds.getrandbits(32))
            else:
                # Where statements are many, a task must stay for long to come anywhere.
                stays = min(_STAYS * _STAYS, max(steps // _FEWEST_TURNS, 2))
                yield Sticky(seeds.getrandbits(32), stays)
                yield Sticky(seeds.getrandbits(32), stays // 2)


def at_both_grains(
    count: int, seed: int, last_steps: Callable[[], int]
) -> Iterator[tuple[Grain, Strategy]]:
    """Yield so many strategies of the portfolio, at both grains in turn.

    Args:
        count: how many.
        seed: of all choices.
        last_steps: how many steps the run before had.
    """
    chosen: dict[Grain, Iterator[Strategy]] = {}
    for number in range(count):
        grain = Grain.STATEMENTS if number % 2 else Grain.CALLS
        if grain not in chosen:
            yield grain, UntilItWaits()
            chosen[grain] = portfolio(grain, seed, steps=last_steps())
            next(chosen[grain])
        else:
            yield grain, next(chosen[grain])
