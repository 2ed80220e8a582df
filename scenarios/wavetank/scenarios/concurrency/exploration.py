"""One concurrent workload under one profile: schedules, and crashes at every point of some of them.

Schedules that fail without a crash are told first. Of those that pass, the first few whose effects
differ are explored as recorded runs are: a crash between any two ops, every image that the profile
allows. Of more of them each crash leaves a few images only: what callers had been told by then
differs from run to run, more than what is pending does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from attrs import evolve, frozen

from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun, Start
from wavetank.scenarios.concurrency.crashes import recording_of
from wavetank.scenarios.concurrency.schedules import (
    Player,
    Schedules,
    explore_every_schedule,
    explore_schedules,
)
from wavetank.scenarios.exploration.explorer import Exploration, Finding, explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.sim import Profile

__all__ = ["CrashedRun", "TasksExploration", "TasksListener", "explore_tasks", "glance"]

_CRASHED_RUNS: Final = 2
"""Runs whose crashes are explored, of those whose effects differ."""
_CRASHED_OF_EVERY: Final = 2
"""The same where every schedule that can differ is run: of each small workload."""
_GLANCED_RUNS: Final = 4
"""Runs whose crashes are explored with a few images each, behind those."""
_RUNS_FOR_ONE_CRASHED: Final = 60
_RUNS_FOR_ONE_GLANCE: Final = 16
"""Where few schedules are run, crashes of fewer runs are explored."""
_SETS_AT_A_GLANCE: Final = 2
"""Of the sets of pending ops that a crash may keep: none of them, and one more."""


@frozen(kw_only=True)
class CrashedRun:
    """One run, and what its crashes left.

    Attributes:
        run: the run.
        recording: the same, as crashes are explored.
        seen: what came of that.
    """

    run: ConcurrentRun
    recording: Recording
    seen: Exploration


@frozen(kw_only=True)
class TasksExploration:
    """What came of a workload under one profile.

    Attributes:
        start: of the workload.
        schedules: all that were run.
        crashed: those of which every crash was explored.
    """

    start: Start
    schedules: Schedules
    crashed: tuple[CrashedRun, ...]

    def findings(self) -> Iterator[tuple[CrashedRun, Finding]]:
        """Yield the first finding of each kind that needs a crash, with its run."""
        kinds: set[tuple[str, str]] = set()
        for crashed in self.crashed:
            for finding in crashed.seen.findings:
                key = finding.problem.invariant, finding.problem.kind
                if key not in kinds:
                    kinds.add(key)
                    yield crashed, finding


class TasksListener(Protocol):
    """Told of an exploration while it goes on."""

    def failure(self, run: ConcurrentRun) -> None:
        """Take the first run of each kind of problem that needs no crash, made small."""
        ...

    def finding(self, crashed: CrashedRun, finding: Finding) -> None:
        """Take the first finding of each kind that needs a crash."""
        ...

    def progress(self, runs: int, judged: int) -> None:
        """Take the schedules run and the images judged so far, now and then."""
        ...


def glance(
    run: ConcurrentRun, profile: Profile, limits: Limits, subject: RaftSubject
) -> Exploration:
    """Explore the crashes of a run with a few images each.

    Args:
        run: without a problem.
        profile: what a crash may lose.
        limits: of an exploration of all of its images.
        subject: recovers, to share what it remembers.
    """
    few = evolve(limits, depth=0, max_sets_per_point=_SETS_AT_A_GLANCE)
    return explore(recording_of(run), profile, limits=few, subject=subject)


def explore_tasks(
    player: Player,
    profile: Profile,
    *,
    seed: int,
    schedules: int,
    every: bool = False,
    limits: Limits,
    subject: RaftSubject | None = None,
    listener: TasksListener | None = None,
    on_step: Callable[[int], None] | None = None,
) -> TasksExploration:
    """Run schedules, and crash some of them at every point.

    Args:
        player: of the workload.
        profile: what a crash may lose.
        seed: of the schedules.
        schedules: how many at most.
        every: whether all that can differ are run.
        limits: of the exploration of one run's crashes.
        subject: recovers, to share what it remembers.
        listener: told of what is found, and of progress.
        on_step: told of the step in which crashes are judged from then on.
    """
    judged = 0
    crashed_runs = min(_CRASHED_RUNS, 1 + schedules // _RUNS_FOR_ONE_CRASHED)
    on_failure = None if listener is None else listener.failure

    def tell(runs: int) -> None:
        if listener is not None:
            listener.progress(runs, judged)

    seen = (
        explore_every_schedule(
            player, limit=schedules, keep=_CRASHED_OF_EVERY, on_failure=on_failure, on_progress=tell
        )
        if every
        else explore_schedules(
            player,
            seed=seed,
            count=schedules,
            keep=crashed_runs + min(_GLANCED_RUNS, schedules // _RUNS_FOR_ONE_GLANCE),
            keep_going=limits.max_after_first is None,
            on_failure=on_failure,
            on_progress=tell,
        )
    )
    subject = subject or RaftSubject(player.start.workload, player.start.backend)
    told: set[tuple[str, str]] = set()
    crashed: list[CrashedRun] = []
    for number, run in enumerate(seen.distinct):
        if (
            number >= crashed_runs
            and not every
            and not glance(run, profile, limits, subject).findings
        ):
            continue
        # Once more, with the lines that stories need.
        noted = player.replay(run.schedule, sites=True)
        recording = recording_of(noted)
        explored = explore(recording, profile, limits=limits, subject=subject, on_step=on_step)
        each = CrashedRun(run=noted, recording=recording, seen=explored)
        crashed.append(each)
        judged += explored.judged
        tell(seen.runs)
        for finding in explored.findings:
            key = finding.problem.invariant, finding.problem.kind
            if key not in told and listener is not None:
                told.add(key)
                listener.finding(each, finding)
    return TasksExploration(start=player.start, schedules=seen, crashed=tuple(crashed))
