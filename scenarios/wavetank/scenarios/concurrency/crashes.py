"""Crashes at every point of a concurrent run: what may be on the disk while calls are in flight.

A power cut between any two ops of the run's op log leaves the calls that have returned, and any of
those in flight: exactly the states that linearizing them can lead to. So one run, whose tasks were
switched as its schedule says, is explored as any recorded run is.
"""

from __future__ import annotations

from wavetank.engine import LogEntry
from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun
from wavetank.scenarios.concurrency.history import EventKind
from wavetank.scenarios.concurrency.possibilities import Possibilities
from wavetank.scenarios.concurrency.specification import StoreState
from wavetank.scenarios.exploration.subject import Interval
from wavetank.scenarios.raft.judging.oracle import Knowledge
from wavetank.scenarios.raft.model import ModelState, Possible
from wavetank.scenarios.raft.recording import Recording

__all__ = ["recording_of"]


def recording_of(run: ConcurrentRun) -> Recording:
    """Return a run without problems as a recording, whose crashes can be explored.

    Args:
        run: whose history is linearizable.
    """
    start = run.start
    return Recording(
        workload=start.workload,
        backend=start.backend,
        image=start.image,
        log=run.log,
        history=_intervals(run),
        problems=(),
        compactions=0,
        steps_run=len(start.workload.all_steps),
        schedule=run.schedule,
    )


def _intervals(run: ConcurrentRun) -> tuple[Interval[Knowledge], ...]:
    possibilities = Possibilities(run.start.specification)
    known = _Known((run.start.specification.initial,))
    intervals = [Interval(position=0, step=0, acknowledged=True, knowledge=known.knowledge)]
    for event in run.history.events():
        if event.call is None:
            continue
        position = run.moments[event.position - 1].log
        is_return = event.kind is EventKind.RETURN
        if is_return:
            possibilities.return_(event.call.number, event.call.result)
        else:
            possibilities.invoke(event.call)
            position += 1  # a call that has done nothing yet has no effect
        known = known.after(possibilities.states())
        while intervals and intervals[-1].position > position:
            intervals.pop()
        intervals.append(
            Interval(
                position=position,
                step=run.steps_of[event.call.number],
                acknowledged=is_return,
                knowledge=known.knowledge,
            )
        )
    return tuple(intervals)


class _Known:
    """What is known at one event.

    Args:
        states: in which the store may be.
        removed: entries that are in none of them and were in one before.
    """

    def __init__(
        self, states: tuple[StoreState, ...], removed: frozenset[LogEntry] = frozenset()
    ) -> None:
        self._states = states
        self._removed = removed
        possible: dict[ModelState, None] = {}
        for state in states:
            possible.update(dict.fromkeys(state.after_crash()))
        self._possible: Possible = tuple(possible)

    @property
    def knowledge(self) -> Knowledge:
        """What a recovery is judged by."""
        return Knowledge(possible=self._possible, removed=self._removed)

    def after(self, states: tuple[StoreState, ...]) -> _Known:
        """Return what is known when these states have become possible."""
        if states == self._states:
            return self
        later = _Known(states)
        gone = self._entries() - later._entries()
        removed = (self._removed | gone) - later._entries()
        return _Known(states, removed)

    def _entries(self) -> frozenset[LogEntry]:
        return frozenset(entry for state in self._possible for entry in state.entries)
