"""What an exploration of tasks has found, each with the case that brings it back and its story."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun
from wavetank.scenarios.concurrency.exploration import CrashedRun, TasksExploration
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.concurrency.stories import crash_story, live_story
from wavetank.scenarios.exploration.explaining.explain import explain
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.runs.unit import found_case
from wavetank.sim.scheduling.strategies import UntilItWaits

__all__ = ["TaskFinding", "crash_case", "schedule_case", "task_findings"]


@frozen
class TaskFinding:
    """One problem of tasks beside one another.

    Attributes:
        problem: what is wrong.
        step: in which it showed; that of no step in particular: the last.
        case: brings it back.
        tell: makes the story, which takes another run or two.
    """

    problem: Problem
    step: int
    case: Case
    tell: Callable[[], Violation]

    def give_case(self) -> Case:
        """Return the case."""
        return self.case


def schedule_case(case: Case, run: ConcurrentRun) -> Case:
    """Return the case of a schedule that fails without a crash.

    Args:
        case: of all schedules.
        run: with a problem.
    """
    assert run.problem is not None, "only failures are told"
    return evolve(
        case,
        invariant=run.problem.invariant,
        kind=run.problem.kind,
        trace=run.digest,
        schedule=run.schedule,
    )


def crash_case(case: Case, crashed: CrashedRun, finding: Finding) -> Case:
    """Return the case of a crash under one schedule.

    Args:
        case: of all schedules.
        crashed: the run.
        finding: of its crashes.
    """
    return evolve(found_case(case, crashed.recording, finding), schedule=crashed.run.schedule)


def task_findings(case: Case, player: Player, seen: TasksExploration) -> Iterator[TaskFinding]:
    """Yield all that was found: before the tasks, without a crash, and after one.

    Args:
        case: of all schedules and crashes.
        player: of the workload.
        seen: what came of it.
    """
    last = len(case.workload.all_steps) - 1
    for problem in player.start.problems:
        told = evolve(case, invariant=problem.invariant, kind=problem.kind)
        yield TaskFinding(problem, last, told, _live(player, None, problem))
    for failed in seen.schedules.failures:
        assert failed.problem is not None, "only failures are kept"
        told = schedule_case(case, failed)
        yield TaskFinding(failed.problem, last, told, _live(player, failed, failed.problem))
    for crashed, finding in seen.findings():
        told = crash_case(case, crashed, finding)
        yield TaskFinding(finding.problem, finding.step, told, _crash(case, crashed, finding))


def _live(player: Player, run: ConcurrentRun | None, problem: Problem) -> Callable[[], Violation]:
    def tell() -> Violation:
        if run is None:
            return live_story(player.run(UntilItWaits(), sites=True), problem)
        return live_story(player.replay(run.schedule, sites=True), problem)

    return tell


def _crash(case: Case, crashed: CrashedRun, finding: Finding) -> Callable[[], Violation]:
    def tell() -> Violation:
        told = explain(crashed.recording, case.profile, finding)
        return crash_story(crashed.run, finding.crash.position, told)

    return tell
