"""A finding of a concurrent run again: the same schedule first, then many others.

Steps of a schedule are counted, so that another version of the store may come elsewhere at the same
step. What its schedule no longer shows is looked for among as many schedules as a run explores.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.concurrency.concurrent_run import (
    ConcurrentRun,
    require_schedulable,
    start_of,
)
from wavetank.scenarios.concurrency.crashes import recording_of
from wavetank.scenarios.concurrency.exploration import CrashedRun, explore_tasks
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.concurrency.stories import crash_story, live_story
from wavetank.scenarios.exploration.explaining.explain import explain
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.exploration.judging import judge_crash
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.reproduction import (
    ReplayResult,
    ReplayVerdict,
    diverged,
    fixed,
    limits_of,
    trace_digest,
)
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.registry import find_store
from wavetank.sim.scheduling.schedule import Schedule

__all__ = ["judge_tasks_again", "replay_tasks", "tell_tasks"]

_OTHERWISE: Final = "another schedule shows it"
SEARCHED: Final = 1_200
"""Schedules that are run where the stored one no longer shows the problem."""


@frozen
class _Again:
    """A problem that showed again, and how."""

    problem: Problem
    how: str
    violation: Violation | None = None


def replay_tasks(case: Case) -> ReplayResult:
    """Look again for the finding of a case whose workload has tasks.

    Args:
        case: of a finding.

    Raises:
        UnschedulableStoreError: the store does not take its threads from its site.
    """
    with _player(case) as player:
        schedule = case.schedule or Schedule()
        once, twice = player.replay(schedule), player.replay(schedule)
        if (once.digest, once.log_digest) != (twice.digest, twice.log_digest):
            return diverged("two runs of the same schedule differ")
        for again in _looks(case, player, schedule):
            return ReplayResult(
                verdict=ReplayVerdict.FAILED,
                explanation=f"{again.how}: it breaks {case.invariant} again",
                violation=again.violation,
            )
    return fixed(
        case,
        f"the schedule in which it was found no longer shows it, nor do {SEARCHED} others",
    )


def judge_tasks_again(case: Case, store: StoreAdapter | None = None) -> tuple[Problem, ...]:
    """Return the problem of a case with tasks as it shows today; () if it is gone.

    Args:
        case: of a finding.
        store: on which it shows; None for the one that the case names.
    """
    with _player(case, store) as player:
        return tuple(again.problem for again in _looks(case, player, case.schedule or Schedule()))[
            :1
        ]


def tell_tasks(
    case: Case, problem: Problem, store: StoreAdapter | None = None, *, thorough: bool = False
) -> Violation:
    """Return the story of a finding that was told when it was found.

    Args:
        case: of the finding.
        problem: what was wrong.
        store: on which it shows; None for the one that the case names.
        thorough: see `explain`.
    """
    with _player(case, store) as player:
        run = player.replay(case.schedule or Schedule(), sites=True)
    if case.crash is None:
        return live_story(run, problem)
    recording = recording_of(run)
    position = case.crash.position if case.crash.killed_at is None else case.crash.killed_at
    finding = Finding(
        problem=problem,
        crash=case.crash,
        lost=(),
        step=recording.interval_at(position).step,
        is_reproduced=case.is_reproduced,
    )
    story = explain(recording, case.profile, finding, thorough=thorough)
    return crash_story(run, position, story)


def _player(case: Case, store: StoreAdapter | None = None) -> Player:
    store = store or find_store(case.store)
    require_schedulable(store)
    return Player(start_of(case.workload, store))


def _looks(case: Case, player: Player, schedule: Schedule) -> Iterator[_Again]:
    """Yield the problem of a case each time it shows: under its schedule, then under others."""
    for problem in player.start.problems:
        if case.is_shown_by(problem.invariant, problem.kind):
            yield _Again(problem, "the steps before the tasks ran again")
    run = player.replay(schedule, sites=True)
    if run.problem is not None and case.is_shown_by(run.problem.invariant, run.problem.kind):
        yield _Again(run.problem, "the same schedule ran again")
    elif run.problem is None and case.crash is not None:
        yield from _crashed_again(case, run)
    yield from _search(case, player)


def _crashed_again(case: Case, run: ConcurrentRun) -> Iterator[_Again]:
    assert case.crash is not None
    recording = recording_of(run)
    try:
        if trace_digest(recording, case.profile, case.crash) != case.trace:
            return
        problems = judge_crash(recording, case.profile, case.crash)
    except ValueError:
        return  # the profile no longer allows the image
    for problem in problems:
        if case.is_shown_by(problem.invariant, problem.kind):
            yield _Again(problem, "the same schedule ran again, and the same image was judged")


class _FoundError(Exception):
    """Ends a search early."""

    def __init__(self, again: _Again) -> None:
        super().__init__()
        self.again = again


class _Search:
    """Ends an exploration at the first finding like that of a case.

    Args:
        case: the case.
        player: runs its schedules.
    """

    def __init__(self, case: Case, player: Player) -> None:
        self._case = case
        self._player = player

    def failure(self, run: ConcurrentRun) -> None:
        """See `TasksListener`."""
        problem = run.problem
        if problem is not None and self._case.is_shown_by(problem.invariant, problem.kind):
            noted = self._player.replay(run.schedule, sites=True)
            raise _FoundError(_Again(problem, _OTHERWISE, live_story(noted, problem)))

    def finding(self, crashed: CrashedRun, finding: Finding) -> None:
        """See `TasksListener`."""
        if self._case.is_shown_by(finding.problem.invariant, finding.problem.kind):
            told = explain(crashed.recording, self._case.profile, finding)
            story = crash_story(crashed.run, finding.crash.position, told)
            raise _FoundError(_Again(finding.problem, _OTHERWISE, story))

    def progress(self, runs: int, judged: int) -> None:
        """See `TasksListener`."""


def _search(case: Case, player: Player) -> Iterator[_Again]:
    try:
        explore_tasks(
            player,
            case.profile,
            seed=case.workload.seed,
            schedules=SEARCHED,
            limits=limits_of(case),
            listener=_Search(case, player),
        )
    except _FoundError as found:
        yield found.again
