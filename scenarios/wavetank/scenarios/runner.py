"""Running a plan: scenarios by seeds by profiles, one after the other or spread over processes.

The unit of work is one scenario with one seed: it is recorded once and swept under each profile.
Units share nothing, so that the result, and its digest, is the same however they are spread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from hashlib import blake2b
from itertools import product
from typing import Final

from attrs import evolve, frozen

from wavetank.faults import fault_plan
from wavetank.scenarios.case import Case
from wavetank.scenarios.catalogue import ALL_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import (
    ConcurrentRun,
    Start,
    require_schedulable,
    start_of,
)
from wavetank.scenarios.concurrency.exploration import CrashedRun, TasksExploration, explore_tasks
from wavetank.scenarios.concurrency.scenarios import CONCURRENT_SCENARIOS
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.concurrency.stories import crash_story, live_story
from wavetank.scenarios.events import (
    Event,
    FindingFound,
    Listener,
    OwnProfile,
    RunningEvent,
    RunPlan,
    RunResult,
    ScenarioFinished,
    ScenarioProgress,
    ScenarioResult,
)
from wavetank.scenarios.exploration.explain import Violation, explain, explain_live
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.fitted_workload import fitted
from wavetank.scenarios.raft.option_choices import with_overrides
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.recovery import RaftSubject
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.raft.workloads import SCENARIOS
from wavetank.scenarios.replay import live_problems
from wavetank.scenarios.reproduction import limits_of, log_digest, trace_digest
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import find_store
from wavetank.sim import PROFILES, Profile
from wavetank.sim.scheduling.strategies import UntilItWaits

__all__ = [
    "ProgressSink",
    "UnknownNameError",
    "profile_named",
    "run",
    "workload_of",
]

ProgressSink = Callable[[RunningEvent], None]
"""Where progress goes while a unit runs; it must be picklable if the executor needs that."""


_PAIR_SHARE: Final = 8
"""Of the schedules of one scenario, each of its workloads has this share at most, if many."""


class UnknownNameError(LookupError):
    """No scenario or profile of this name."""


@frozen(kw_only=True)
class _Unit:
    scenario: str
    seed: int
    options: tuple[str, ...]
    faults: tuple[str, ...]
    profiles: tuple[OwnProfile, ...]
    backend: str
    depth: int | None
    max_images: int | None
    max_after_first: int | None
    schedules: int


def run(
    plan: RunPlan,
    *,
    listeners: Sequence[Listener] = (),
    executor: Executor | None = None,
    progress: ProgressSink | None = None,
) -> RunResult:
    """Run a plan and return everything that was found.

    Args:
        plan: what to run.
        listeners: told of the start, each event and the end.
        executor: where the units run; None runs them here, one after the other.
        progress: told of progress from inside the units; for units that run here it may be left
            out, the listeners are told anyway.

    Raises:
        UnknownNameError: the plan names something that does not exist; nothing was run.
        StoreNotFoundError: there is no store of that name.
        TypeError: what has that name is no store; or it is one of plain Python, and the plan has
            faults (`PlainStoreError`).
        OptionError: the plan turns an option that does not exist, or to what it does not take.
        FaultSyntaxError: a line of the plan is no fault.
        UnschedulableStoreError: a scenario has tasks, and the store takes its threads from
            somewhere else than its site.
    """
    units = list(_units(plan))
    for listener in listeners:
        listener.start(plan)
    done: dict[int, tuple[ScenarioResult, ...]] = {}
    for number, results in _run_units(units, listeners, executor, progress):
        done[number] = results
        for result in results:
            _tell(listeners, ScenarioFinished(result))
    ordered = tuple(result for number in sorted(done) for result in done[number])
    digest = blake2b(digest_size=16)
    for result in ordered:
        turned_words = "".join(f" {option}" for option in result.options)
        fired = "".join(f" {line!r} {count}" for line, count in result.faults_fired)
        line = (
            f"{result.name} {result.seed} {result.profile} {result.digest}{turned_words}{fired}\n"
        )
        digest.update(line.encode())
    outcome = RunResult(plan=plan, results=ordered, digest=digest.hexdigest())
    for listener in listeners:
        listener.finish(outcome)
    return outcome


def profile_named(name: str, own_profiles: Iterable[OwnProfile] = ()) -> Profile:
    """Return the profile of that name, among those that ship and those of one's own.

    Raises:
        UnknownNameError: there is none.
    """
    profiles = (*PROFILES, *(own.profile for own in own_profiles))
    for profile in profiles:
        if profile.name == name:
            return profile
    raise UnknownNameError(f"profile: expected one of {[p.name for p in profiles]}, got {name!r}")


def _units(plan: RunPlan) -> Iterator[_Unit]:
    store = find_store(plan.backend)
    if plan.faults:
        store.require_simulated(faults=True)
    files = {own.profile.name: own.file for own in plan.own_profiles}
    profiles = tuple(
        OwnProfile(profile_named(name, plan.own_profiles), files.get(name, ""))
        for name in plan.profiles
    )
    for scenario, options in product(plan.scenarios, plan.option_sets):
        if workload_of(scenario, plan.seeds[0], options, plan.faults).tasks:
            require_schedulable(store)
    for scenario, seed, options in product(plan.scenarios, plan.seeds, plan.option_sets):
        yield _Unit(
            scenario=scenario,
            seed=seed,
            options=options,
            faults=plan.faults,
            profiles=profiles,
            backend=plan.backend,
            depth=plan.depth,
            max_images=plan.max_images,
            max_after_first=plan.max_after_first,
            schedules=plan.schedules,
        )


def _run_units(
    units: list[_Unit],
    listeners: Sequence[Listener],
    executor: Executor | None,
    progress: ProgressSink | None,
) -> Iterator[tuple[int, tuple[ScenarioResult, ...]]]:
    if executor is None:
        sink = progress or (lambda event: _tell(listeners, event))
        for number, unit in enumerate(units):
            yield number, _run_unit(unit, sink)
        return
    futures = {executor.submit(_run_unit, unit, progress): n for n, unit in enumerate(units)}
    for future in as_completed(futures):
        yield futures[future], future.result()


def workload_of(
    scenario: str, seed: int, options: tuple[str, ...] = (), faults: tuple[str, ...] = ()
) -> Workload:
    """Return a scenario's workload, with overrides of its options, and faults; the first of many.

    Raises:
        UnknownNameError: there is no such scenario.
        OptionError: there is no such option, or it does not take that value.
        FaultSyntaxError: a line is no fault.
    """
    return workloads_of(scenario, seed, options, faults)[0]


def workloads_of(
    scenario: str, seed: int, options: tuple[str, ...] = (), faults: tuple[str, ...] = ()
) -> tuple[Workload, ...]:
    """Return all workloads of a scenario: some have many; arguments and errors as `workload_of`."""
    if scenario in SCENARIOS:
        found: tuple[Workload, ...] = (SCENARIOS[scenario].workload(seed),)
    elif scenario in CONCURRENT_SCENARIOS:
        found = CONCURRENT_SCENARIOS[scenario].workloads(seed)
    else:
        raise UnknownNameError(f"scenario: expected one of {list(ALL_SCENARIOS)}, got {scenario!r}")
    return tuple(
        evolve(
            each,
            options=with_overrides(each.options, options),
            overrides=options,
            faults=fault_plan(faults),
        )
        for each in found
    )


def _run_unit(unit: _Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    workload = workload_of(unit.scenario, unit.seed, unit.options, unit.faults)
    # A worker process is told the store's name, since a store itself cannot be sent there.
    if workload.tasks:
        return _run_tasks(unit, progress)
    with on_simulated_disk(find_store(unit.backend), faults=bool(unit.faults)) as store:
        recording = record(fitted(workload, store), store)
        # What the store does on an image is the same under every profile.
        subject = recording.subject()
        return tuple(_explore(unit, recording, each, subject, progress) for each in unit.profiles)


def _explore(
    unit: _Unit,
    recording: Recording,
    profile: OwnProfile,
    subject: RaftSubject,
    progress: ProgressSink | None,
) -> ScenarioResult:
    """Explore one recording under one profile, and tell what comes of it."""
    workload = recording.workload
    case = Case(
        workload=workload,
        store=unit.backend,
        profile=profile.profile,
        profile_file=profile.file,
        depth=unit.depth,
    )
    tell = progress or (lambda _: None)

    def tell_judged(judged: int) -> None:
        tell(
            ScenarioProgress(
                name=workload.name,
                seed=workload.seed,
                profile=profile.profile.name,
                judged=judged,
                options=workload.overrides,
            )
        )

    def tell_finding(finding: Finding) -> None:
        tell(FindingFound(_case_of(case, recording, finding), finding.problem, finding.judged))

    live = live_problems(recording, profile.profile)
    live_cases = tuple(
        evolve(case, invariant=each.problem.invariant, kind=each.problem.kind) for each in live
    )
    for each, found in zip(live, live_cases, strict=True):
        tell(FindingFound(found, each.problem, 0))
    limits = evolve(
        limits_of(case, max_images=unit.max_images), max_after_first=unit.max_after_first
    )
    seen = explore(
        recording,
        profile.profile,
        limits=limits,
        on_progress=tell_judged,
        on_finding=tell_finding,
        subject=subject,
    )
    cases = (*live_cases, *(_case_of(case, recording, each) for each in seen.findings))
    stories = (
        *(explain_live(recording, profile.profile, each.step, each.problem) for each in live),
        *(explain(recording, profile.profile, each) for each in seen.findings),
    )
    return ScenarioResult(
        name=workload.name,
        seed=workload.seed,
        backend=unit.backend,
        profile=profile.profile.name,
        steps=recording.steps_run,
        compactions=recording.compactions,
        crash_points=seen.crash_points,
        legal=seen.legal,
        distinct=seen.distinct,
        judged=seen.judged,
        unjudged=seen.unjudged,
        cache_hits=seen.cache_hits,
        recoveries=seen.recoveries,
        depth=seen.depth,
        complete=seen.complete,
        forked_points=seen.forked_points,
        choice=seen.choice,
        stopped_after_first=seen.stopped_after_first,
        violations=tuple(
            evolve(story, id=found.id) for story, found in zip(stories, cases, strict=True)
        ),
        cases=cases,
        options=workload.overrides,
        relaxed=Contract.of(workload.options, workload.faults).relaxed,
        faults_fired=tuple(
            (line, count + seen.faults_fired.get(line, 0))
            for line, count in recording.faults_fired.items()
        ),
        digest=blake2b((log_digest(recording) + seen.digest).encode(), digest_size=16).hexdigest(),
    )


def _run_tasks(unit: _Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    """Explore a scenario whose tasks run beside one another."""
    store = find_store(unit.backend)
    workloads = [
        fitted(each, store) for each in workloads_of(unit.scenario, unit.seed, unit.options)
    ]
    starts = [start_of(each, store) for each in workloads]
    # All are opened with the same options, so that one subject remembers for all.
    subject = RaftSubject(workloads[0], store)
    share = -(-unit.schedules // len(unit.profiles))
    return tuple(
        _explore_tasks(evolve(unit, schedules=share), starts, number, subject, progress)
        for number in range(len(unit.profiles))
    )


def _explore_tasks(
    unit: _Unit,
    starts: Sequence[Start],
    number: int,
    subject: RaftSubject,
    progress: ProgressSink | None,
) -> ScenarioResult:
    profile = unit.profiles[number]
    telling = _TasksTelling(unit, profile, progress)
    explored: list[TasksExploration] = []
    for start in starts:
        with Player(start) as player:
            seen = explore_tasks(
                player,
                profile.profile,
                seed=unit.seed * len(unit.profiles) + number,
                schedules=unit.schedules if len(starts) == 1 else -(-unit.schedules // _PAIR_SHARE),
                every=len(starts) > 1,
                limits=evolve(
                    limits_of(telling.case(start), max_images=unit.max_images),
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

    def __init__(self, unit: _Unit, profile: OwnProfile, progress: ProgressSink | None) -> None:
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
        return Case(
            workload=start.workload,
            store=self._unit.backend,
            profile=self._profile.profile,
            profile_file=self._profile.file,
            depth=self._unit.depth,
        )

    def progress(self, runs: int, judged: int) -> None:
        """See `TasksListener`."""
        self._now = runs, judged
        self._tell(
            ScenarioProgress(
                name=self._unit.scenario,
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
            self._tell(FindingFound(self._live_case(run), run.problem, 0))

    def finding(self, crashed: CrashedRun, finding: Finding) -> None:
        """See `TasksListener`."""
        if self._is_new(finding.problem):
            case = self._crash_case(crashed, finding)
            self._tell(FindingFound(case, finding.problem, finding.judged))

    def _is_new(self, problem: Problem) -> bool:
        return (problem.invariant, problem.kind) not in self._kinds

    def _live_case(self, run: ConcurrentRun) -> Case:
        assert run.problem is not None
        return evolve(
            self.case(run.start),
            invariant=run.problem.invariant,
            kind=run.problem.kind,
            trace=run.digest,
            schedule=run.schedule,
        )

    def _crash_case(self, crashed: CrashedRun, finding: Finding) -> Case:
        found = _case_of(self.case(crashed.run.start), crashed.recording, finding)
        return evolve(found, schedule=crashed.run.schedule)

    def finish(self, player: Player, seen: TasksExploration) -> None:
        """Take the stories of a workload that has been explored."""
        for problem in player.start.problems:
            case = evolve(self.case(player.start), invariant=problem.invariant, kind=problem.kind)
            run = player.run(UntilItWaits(), sites=True)
            self._take(problem, case, live_story(run, problem))
        for failed in seen.schedules.failures:
            assert failed.problem is not None
            if self._is_new(failed.problem):
                run = player.replay(failed.schedule, sites=True)
                self._take(failed.problem, self._live_case(failed), live_story(run, failed.problem))
        for crashed, finding in seen.findings():
            if self._is_new(finding.problem):
                told = explain(crashed.recording, self._profile.profile, finding)
                story = crash_story(crashed.run, finding.crash.position, told)
                self._take(finding.problem, self._crash_case(crashed, finding), story)
        self._runs_before += self._now[0]
        self._judged_before += self._now[1]

    def _take(self, problem: Problem, case: Case, story: Violation) -> None:
        if self._is_new(problem):
            self._kinds.add((problem.invariant, problem.kind))
            self._cases.append(case)
            self._stories.append(evolve(story, id=case.id))

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
            name=self._unit.scenario,
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
            relaxed=Contract.of(workload.options, workload.faults).relaxed,
            digest=digest.hexdigest(),
            schedules=sum(one.schedules.runs for one in explored),
            every_schedule=sum(
                one.schedules.certificate is not None and one.schedules.certificate.complete
                for one in explored
            ),
        )


def _case_of(case: Case, recording: Recording, finding: Finding) -> Case:
    """Return the case of a finding of an exploration."""
    return evolve(
        case,
        crash=finding.crash,
        invariant=finding.problem.invariant,
        kind=finding.problem.kind,
        trace=trace_digest(recording, case.profile, finding.crash),
        is_reproduced=finding.is_reproduced,
    )


def _tell(listeners: Sequence[Listener], event: Event) -> None:
    for listener in listeners:
        listener.handle(event)
