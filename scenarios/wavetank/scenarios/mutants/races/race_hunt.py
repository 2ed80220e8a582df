"""The hunt for a race: concurrent scenarios in turn, one schedule each, until one of them fails.

Runs that are right are crashed at a glance if their effects are new: what is shown before it is
durable is wrong only after a power cut. A glance takes fifty times as long as a run, so that many
runs come first, and then the glances at them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Final

from attrs import field, frozen

from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun, Start, start_of
from wavetank.scenarios.concurrency.exploration import glance
from wavetank.scenarios.concurrency.schedules import Player, portfolio_runs, shrunk
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import POSIX

__all__ = ["MOST_RUNS", "RaceHunt", "Sighting", "hunt_race"]

MOST_RUNS: Final = 2_000
"""Schedules of all scenarios together after which a hunt is given up."""
_RUNS_AT_ONCE: Final = 510
"""Runs of all scenarios together before the first glance at any of them."""
_SHRINK_RUNS: Final = 60
"""Enough to leave out most departures; `small_race_repro` leaves out all that can be."""
_MOST_GLANCES: Final = 60
"""Runs of one scenario that are crashed."""


@frozen(kw_only=True)
class Sighting:
    """The run in which a race showed.

    Attributes:
        scenario: what was run.
        schedule: replays the run.
        runs: schedules that were run until it came, itself included.
        invariant: which was broken.
        kind: how, without particulars.
        summary: how, with particulars.
        crash: the power cut that it needs, by the records of the op log before it and those that
            are kept; "" if it needs none.
    """

    scenario: str
    schedule: str
    runs: int
    invariant: str
    kind: str
    summary: str
    crash: str = ""


@frozen(kw_only=True)
class RaceHunt:
    """What came of one hunt.

    Attributes:
        id: of the race.
        runs: schedules that were run.
        sighting: where it showed; None if it did not.
    """

    id: str
    runs: int
    sighting: Sighting | None


def hunt_race(
    name: str,
    backend: StoreAdapter,
    *,
    scenarios: Sequence[str] = tuple(CONCURRENT_SCENARIOS),
    seed: int = 0,
    most_runs: int = MOST_RUNS,
    shrink_runs: int = _SHRINK_RUNS,
) -> RaceHunt:
    """Hunt a race.

    Args:
        name: its id.
        backend: the variant.
        scenarios: names of the scenarios that take turns.
        seed: of the schedules.
        most_runs: schedules after which it is given up.
        shrink_runs: runs that making the schedule small may take; 0: it stays as it was found.
    """
    starts = [start_of(CONCURRENT_SCENARIOS[each].workload(seed), backend) for each in scenarios]
    with Player(starts[0]) as player:
        runs = 0
        waiting: list[tuple[int, _Track, ConcurrentRun]] = []
        for runs, (track, run) in enumerate(_turns(player, starts, seed, most_runs), 1):
            if run.problem is not None:
                told = shrunk(player, run, budget=shrink_runs) if shrink_runs else run
                return _found(name, runs, told, (run.problem, ""))
            if track.is_new(run):
                waiting.append((runs, track, run))
            if runs % _RUNS_AT_ONCE and runs < most_runs:
                continue
            for number, its_track, each in waiting:
                seen = its_track.crashed(each)
                if seen is not None:
                    return _found(name, number, each, seen)
            waiting.clear()
    return RaceHunt(id=name, runs=runs, sighting=None)


def _found(name: str, runs: int, told: ConcurrentRun, seen: tuple[Problem, str]) -> RaceHunt:
    problem, crash = seen
    sighting = Sighting(
        scenario=told.start.workload.name,
        schedule=str(told.schedule),
        runs=runs,
        invariant=problem.invariant,
        kind=problem.kind,
        summary=problem.summary,
        crash=crash,
    )
    return RaceHunt(id=name, runs=runs, sighting=sighting)


@frozen
class _Track:
    """One scenario of a hunt."""

    start: Start
    runs: Iterator[ConcurrentRun]
    subject: RaftSubject
    effects: set[str] = field(factory=set)

    def is_new(self, run: ConcurrentRun) -> bool:
        """Whether a run is to be crashed: its effects are new, and not too many were before."""
        if len(self.effects) >= _MOST_GLANCES or run.effects in self.effects:
            return False
        self.effects.add(run.effects)
        return True

    def crashed(self, run: ConcurrentRun) -> tuple[Problem, str] | None:
        """Return what is wrong after a crash of a run, and the crash."""
        for finding in glance(run, POSIX, Limits(), self.subject).findings:
            return finding.problem, str(finding.crash)
        return None


def _turns(
    player: Player, starts: Sequence[Start], seed: int, most_runs: int
) -> Iterator[tuple[_Track, ConcurrentRun]]:
    tracks = [
        _Track(
            start,
            portfolio_runs(player, seed, most_runs),
            RaftSubject(start.workload, start.backend),
        )
        for start in starts
    ]
    for _, track in zip(range(most_runs), cycle(tracks), strict=False):
        player.start = track.start
        yield track, next(track.runs)
