"""A unit whose tasks run beside one another: schedules, crashes, and what comes of both."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import blake2b
from typing import Final

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun, Start, start_of
from wavetank.scenarios.concurrency.exploration import CrashedRun, TasksExploration, explore_tasks
from wavetank.scenarios.concurrency.findings import (
    TaskFinding,
    crash_case,
    schedule_case,
    task_findings,
)
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.reproduction import limits_of
from wavetank.scenarios.runs.listening import FindingFound, ScenarioProgress
from wavetank.scenarios.runs.plan import OwnProfile
from wavetank.scenarios.runs.results import ScenarioResult
from wavetank.scenarios.runs.unit import ProgressSink, Unit, case_of
from wavetank.scenarios.stores.registry import find_store

__all__ = ["run_tasks_of"]

_PAIR_SHARE: Final = 8
"""Of the schedules of one scenario, each of its workloads has this share at most, if many."""


def run_tasks_of(unit: Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    """Explore a scenario whose tasks run beside one another."""
    store = find_store(unit.backend)
    workloads = [fitted(each, store) for each in unit.workloads()]
    starts = [start_of(each, store) for each in workloads]
    # All are opened with the same options, so that one subject remembers for all.
    subject = RaftSubject(workloads[0], store)
    share = -(-unit.schedules // len(unit.profiles))
    with ExitStack() as stack:
        players = [stack.enter_context(Player(start)) for start in starts]
        return tuple(
            _explore_tasks(evolve(unit, schedules=share), players, number, subject, progress)
            for number in range(len(unit.profiles))
        )


def _explore_tasks(
    unit: Unit,
    players: Sequence[Player],
    number: int,
    subject: RaftSubject,
    progress: ProgressSink | None,
) -> ScenarioResult:
    profile = unit.profiles[number]
    telling = _TasksTelling(unit, profile, progress)
    explored: list[TasksExploration] = []
    for player in players:
        seen = explore_tasks(
            player,
            profile.profile,
            seed=unit.seed * len(unit.profiles) + number,
            schedules=unit.schedules if len(players) == 1 else -(-unit.schedules // _PAIR_SHARE),
            every=len(players) > 1,
            limits=evolve(
                limits_of(telling.case(player.start), max_images=unit.max_images),
                max_after_first=unit.max_after_first,
            ),
            subject=subject,
            listener=telling,
        )
        telling.finish(player, seen)
        explored.append(seen)
    return telling.result(explored)


class _TasksTelling:
    """Tells of the exploration of a scenario with tasks under one profile, and sums it up.

    Args:
        unit: what is run.
        profile: under which.
        progress: where progress goes.
    """

    def __init__(self, unit: Unit, profile: OwnProfile, progress: ProgressSink | None) -> None:
        self._unit = unit
        self._profile = profile
        self._tell = progress or (lambda _: None)
        self._cases: list[Case] = []
        self._stories: list[Violation] = []
        self._kinds: set[tuple[str, str]] = set()
        self._runs_before = self._judged_before = 0
        self._now = (0, 0)

    def case(self, start: Start) -> Case:
        """Return the case of all crashes and schedules of a workload."""
        return case_of(self._unit, start.workload, self._profile)

    def progress(self, runs: int, judged: int) -> None:
        """See `TasksListener`."""
        self._now = runs, judged
        self._tell(
            ScenarioProgress(
                name=self._unit.scenario.name,
                seed=self._unit.seed,
                profile=self._profile.profile.name,
                judged=self._judged_before + judged,
                options=self._unit.options,
                schedules=self._runs_before + runs,
            )
        )

    def failure(self, run: ConcurrentRun) -> None:
        """See `TasksListener`."""
        assert run.problem is not None
        if self._is_new(run.problem):
            case = schedule_case(self.case(run.start), run)
            self._tell(FindingFound(case, run.problem, 0))

    def finding(self, crashed: CrashedRun, finding: Finding) -> None:
        """See `TasksListener`."""
        if self._is_new(finding.problem):
            case = crash_case(self.case(crashed.run.start), crashed, finding)
            self._tell(FindingFound(case, finding.problem, finding.judged))

    def _is_new(self, problem: Problem) -> bool:
        return (problem.invariant, problem.kind) not in self._kinds

    def finish(self, player: Player, seen: TasksExploration) -> None:
        """Take the stories of a workload that has been explored."""
        for found in task_findings(self.case(player.start), player, seen):
            self._take(found)
        self._runs_before += self._now[0]
        self._judged_before += self._now[1]

    def _take(self, found: TaskFinding) -> None:
        problem = found.problem
        if self._is_new(problem):
            self._kinds.add((problem.invariant, problem.kind))
            self._cases.append(found.case)
            self._stories.append(evolve(found.tell(), id=found.case.id))

    def result(self, explored: Sequence[TasksExploration]) -> ScenarioResult:
        """Sum up all workloads of the scenario."""
        seen = [each.seen for one in explored for each in one.crashed]
        legal = [each.legal for each in seen]
        workload = explored[0].start.workload
        digest = blake2b(digest_size=16)
        for one in explored:
            digest.update(one.schedules.digest.encode())
        for each in seen:
            digest.update(each.digest.encode())
        return ScenarioResult(
            name=self._unit.scenario.name,
            seed=self._unit.seed,
            backend=self._unit.backend,
            profile=self._profile.profile.name,
            steps=sum(len(one.start.workload.all_steps) for one in explored),
            compactions=0,
            crash_points=sum(each.crash_points for each in seen),
            legal=None if None in legal else sum(each or 0 for each in legal),
            distinct=sum(each.distinct for each in seen),
            judged=sum(each.judged for each in seen),
            unjudged=sum(each.unjudged for each in seen),
            cache_hits=sum(each.cache_hits for each in seen),
            recoveries=sum(each.recoveries for each in seen),
            depth=max((each.depth for each in seen), default=0),
            complete=all(each.complete for each in seen),
            forked_points=sum(each.forked_points for each in seen),
            stopped_after_first=any(each.stopped_after_first for each in seen),
            violations=tuple(self._stories),
            cases=tuple(self._cases),
            options=workload.overrides,
            relaxed=workload.promises.relaxed,
            digest=digest.hexdigest(),
            events=tuple(event for one in explored for event in one.schedules.events),
            workloads=len(explored),
            schedules=sum(one.schedules.runs for one in explored),
            every_schedule=sum(
                one.schedules.certificate is not None and one.schedules.certificate.complete
                for one in explored
            ),
        )
