"""Running a plan: scenarios by seeds by profiles, one after the other or spread over processes.

The unit of work is one scenario with one seed: it is recorded once and swept under each profile.
Units share nothing, so that the result, and its digest, is the same however they are spread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from hashlib import blake2b
from itertools import product

from attrs import evolve, frozen

from wavetank.faults import fault_plan
from wavetank.scenarios.case import Case
from wavetank.scenarios.catalogue import ALL_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import (
    ConcurrentRun,
    require_schedulable,
    start_of,
)
from wavetank.scenarios.concurrency.exploration import CrashedRun, explore_tasks
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
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.fitted_workload import fitted
from wavetank.scenarios.raft.option_choices import with_overrides
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.recovery import RaftSubject
from wavetank.scenarios.raft.steps import Workload
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
    """Return a scenario's workload, with overrides of its options, and faults.

    Raises:
        UnknownNameError: there is no such scenario.
        OptionError: there is no such option, or it does not take that value.
        FaultSyntaxError: a line is no fault.
    """
    if scenario not in ALL_SCENARIOS:
        raise UnknownNameError(f"scenario: expected one of {list(ALL_SCENARIOS)}, got {scenario!r}")
    workload = ALL_SCENARIOS[scenario].workload(seed)
    return evolve(
        workload,
        options=with_overrides(workload.options, options),
        overrides=options,
        faults=fault_plan(faults),
    )


def _run_unit(unit: _Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    workload = workload_of(unit.scenario, unit.seed, unit.options, unit.faults)
    # A worker process is told the store's name, since a store itself cannot be sent there.
    if workload.tasks:
        return _run_tasks(unit, workload, progress)
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


def _run_tasks(
    unit: _Unit, workload: Workload, progress: ProgressSink | None
) -> tuple[ScenarioResult, ...]:
    """Explore a workload whose tasks run beside one another."""
    store = find_store(unit.backend)
    start = start_of(fitted(workload, store), store)
    subject = RaftSubject(start.workload, store)
    share = -(-unit.schedules // len(unit.profiles))
    with Player(start) as player:
        return tuple(
            _explore_tasks(evolve(unit, schedules=share), player, number, subject, progress)
            for number in range(len(unit.profiles))
        )


def _explore_tasks(
    unit: _Unit,
    player: Player,
    number: int,
    subject: RaftSubject,
    progress: ProgressSink | None,
) -> ScenarioResult:
    workload, profile = player.start.workload, unit.profiles[number]
    case = Case(
        workload=workload,
        store=unit.backend,
        profile=profile.profile,
        profile_file=profile.file,
        depth=unit.depth,
    )
    tell = progress or (lambda _: None)

    def tell_progress(runs: int, judged: int) -> None:
        tell(
            ScenarioProgress(
                name=workload.name,
                seed=workload.seed,
                profile=profile.profile.name,
                judged=judged,
                options=workload.overrides,
                schedules=runs,
            )
        )

    def live_case(run: ConcurrentRun) -> Case:
        assert run.problem is not None
        return evolve(
            case,
            invariant=run.problem.invariant,
            kind=run.problem.kind,
            trace=run.digest,
            schedule=run.schedule,
        )

    def crash_case(crashed: CrashedRun, finding: Finding) -> Case:
        found = _case_of(case, crashed.recording, finding)
        return evolve(found, schedule=crashed.run.schedule)

    def tell_failure(run: ConcurrentRun) -> None:
        assert run.problem is not None
        tell(FindingFound(live_case(run), run.problem, 0))

    def tell_finding(crashed: CrashedRun, finding: Finding) -> None:
        tell(FindingFound(crash_case(crashed, finding), finding.problem, finding.judged))

    limits = evolve(
        limits_of(case, max_images=unit.max_images), max_after_first=unit.max_after_first
    )
    seen = explore_tasks(
        player,
        profile.profile,
        seed=workload.seed * len(unit.profiles) + number,
        schedules=unit.schedules,
        limits=limits,
        subject=subject,
        on_failure=tell_failure,
        on_finding=tell_finding,
        on_progress=tell_progress,
    )
    cases: list[Case] = []
    violations: list[Violation] = []
    for problem in player.start.problems if not number else ():
        cases.append(evolve(case, invariant=problem.invariant, kind=problem.kind))
        run = player.run(UntilItWaits(), sites=True)
        violations.append(live_story(run, problem))
    for run in seen.schedules.failures:
        assert run.problem is not None
        cases.append(live_case(run))
        violations.append(live_story(player.replay(run.schedule, sites=True), run.problem))
    for crashed, finding in seen.findings():
        cases.append(crash_case(crashed, finding))
        told = explain(crashed.recording, profile.profile, finding)
        violations.append(crash_story(crashed.run, finding.crash.position, told))
    explored = [each.seen for each in seen.crashed]
    legal = [each.legal for each in explored]
    digest = blake2b(seen.schedules.digest.encode(), digest_size=16)
    for each in explored:
        digest.update(each.digest.encode())
    return ScenarioResult(
        name=workload.name,
        seed=workload.seed,
        backend=unit.backend,
        profile=profile.profile.name,
        steps=len(workload.all_steps),
        compactions=0,
        crash_points=sum(each.crash_points for each in explored),
        legal=None if None in legal else sum(each or 0 for each in legal),
        distinct=sum(each.distinct for each in explored),
        judged=sum(each.judged for each in explored),
        unjudged=sum(each.unjudged for each in explored),
        cache_hits=sum(each.cache_hits for each in explored),
        recoveries=sum(each.recoveries for each in explored),
        depth=max((each.depth for each in explored), default=0),
        complete=all(each.complete for each in explored),
        forked_points=sum(each.forked_points for each in explored),
        stopped_after_first=any(each.stopped_after_first for each in explored),
        violations=tuple(
            evolve(story, id=found.id) for story, found in zip(violations, cases, strict=True)
        ),
        cases=tuple(cases),
        options=workload.overrides,
        relaxed=Contract.of(workload.options, workload.faults).relaxed,
        digest=digest.hexdigest(),
        schedules=seen.schedules.runs,
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
