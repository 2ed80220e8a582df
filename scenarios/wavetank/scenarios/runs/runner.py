"""Running a plan: scenarios by seeds by profiles, one after the other or spread over processes.

The unit of work is one scenario with one seed: it is recorded once and swept under each profile.
Units share nothing, so that the result, and its digest, is the same however they are spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from hashlib import blake2b
from typing import Final

from attrs import evolve

from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS, SCENARIOS
from wavetank.scenarios.cluster.cluster_run import require_fit
from wavetank.scenarios.cluster.exploration import explore_cluster
from wavetank.scenarios.concurrency.concurrent_run import is_schedulable, require_schedulable
from wavetank.scenarios.exploration.explaining.explain import explain_all, explain_live
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.raft.recording import LiveProblem, Recording, record
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.replay import live_problems
from wavetank.scenarios.reproduction import limits_of, log_digest
from wavetank.scenarios.runs.damage_run import run_damage_of
from wavetank.scenarios.runs.events import WorkEvent
from wavetank.scenarios.runs.family_run import FamilyRun
from wavetank.scenarios.runs.listening import (
    FindingFound,
    Listener,
    News,
    RunningNews,
    ScenarioFinished,
    ScenarioProgress,
)
from wavetank.scenarios.runs.plan import OwnProfile, RunPlan
from wavetank.scenarios.runs.results import RunResult, ScenarioResult
from wavetank.scenarios.runs.stream import recorded_events
from wavetank.scenarios.runs.tasks_run import run_tasks_of
from wavetank.scenarios.runs.unit import ProgressSink, Unit, case_of, found_case, units_of
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import BUILTIN, find_store

__all__ = ["default_scenarios", "run", "runnable_scenarios"]

DEFAULT_FAMILY: Final = "exhaustive-2"
"""Of all families the one that runs in less than half a minute."""


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
        UnfitForClusterError: a scenario is a cluster, and the store cannot be that of a node.
    """
    units = _checked_units(plan)
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


def _checked_units(plan: RunPlan) -> list[Unit]:
    """Return the units of a plan, all of which their stores can run; errors as of `run`."""
    units = list(units_of(plan))
    for unit in {(unit.scenario.name, unit.options): unit for unit in units}.values():
        workload = next(unit.workloads())
        store = find_store(unit.backend)
        if workload.faults.faults:
            store.require_simulated(faults=True)
        if workload.tasks:
            require_schedulable(store)
        if workload.cluster is not None:
            require_fit(store)
    return units


def _run_units(
    units: list[Unit],
    listeners: Sequence[Listener],
    executor: Executor | None,
    progress: ProgressSink | None,
) -> Iterator[tuple[int, tuple[ScenarioResult, ...]]]:
    if executor is None:
        sink = progress or (lambda news: _tell(listeners, news))
        for number, unit in enumerate(units):
            yield number, _run_unit(unit, sink)
        return
    # A family takes longest, and begins first, so that all processes end together.
    order = sorted(enumerate(units), key=lambda pair: pair[1].scenario.family is None)
    futures = {executor.submit(_run_unit, unit, progress): number for number, unit in order}
    for future in as_completed(futures):
        yield futures[future], future.result()


def runnable_scenarios(store: StoreAdapter) -> tuple[str, ...]:
    """Return the names of the scenarios that a store can run: faults strike `site.fs` alone.

    One that names a store of its own, or damages files, looks at the engine alone.

    >>> runnable_scenarios(BUILTIN) == tuple(SCENARIOS)
    True
    """
    strikes = store.has(Capability.SITE_FILESYSTEM)
    return tuple(
        name
        for name, each in SCENARIOS.items()
        if (strikes or not each.faults) and (not each.is_of_engine or store.name == BUILTIN.name)
    )


def default_scenarios(store: StoreAdapter) -> tuple[str, ...]:
    """Return what runs if nobody says what to: all that a store can run, but of families one."""
    beside = tuple(CONCURRENT_SCENARIOS) if is_schedulable(store) else ()
    return (*runnable_scenarios(store), DEFAULT_FAMILY, *beside)


def _run_unit(unit: Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    if unit.scenario.family is not None:
        return _run_family(unit, progress)
    if unit.scenario.has_tasks:
        return run_tasks_of(unit, progress)
    workload = next(unit.workloads())
    if workload.cluster is not None:
        return _run_clusters(unit, workload, progress)
    if unit.scenario.damaged is not None:
        return (run_damage_of(unit, workload, progress),)
    faults = bool(workload.faults.faults)
    # A worker process is told the store's name, since a store itself cannot be sent there.
    with on_simulated_disk(find_store(unit.backend), faults=faults) as store:
        recording = record(fitted(workload, store), store)
        # What the store does on an image is the same under every profile.
        subject = recording.subject()
        events = recorded_events(recording)
        return tuple(
            _explore(unit, recording, each, subject, progress, events=() if number else events)
            for number, each in enumerate(unit.profiles)
        )


def _run_family(unit: Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    """Run each workload of a family, and explore what it does not share with the one before."""
    results: list[ScenarioResult] = []
    faults = bool(unit.faults or unit.scenario.faults)
    with on_simulated_disk(find_store(unit.backend), faults=faults) as store:
        asked = [
            workload
            for each in unit.workloads()
            if len((workload := fitted(each, store)).steps) == len(each.steps)
        ]
        recordings: list[Recording] = [record(asked[0], store)]
        subject = recordings[0].subject()
        for profile in unit.profiles:
            subject.images.clear()
            together = FamilyRun(unit.max_after_first)
            told = _each_kind_once(progress)
            for number, workload in enumerate(asked):
                # Recorded as far as it is explored: a run may end with its first finding.
                if number == len(recordings):
                    recordings.append(record(workload, store))
                recording = recordings[number]
                live = recording.problems
                together.add(_explore(unit, recording, profile, subject, told, live=live))
                if together.is_over:
                    break
            one = together.as_one(planned=len(asked), distinct=len(subject.images))
            # Positions in many op logs, one after the other, name no crash point.
            results.append(evolve(one, points=()))
        events = tuple(
            event
            for number, recording in enumerate(recordings)
            for event in recorded_events(recording, number)
        )
        results[0] = evolve(results[0], events=events)
    return tuple(results)


def _each_kind_once(progress: ProgressSink | None) -> ProgressSink:
    """Return a sink that passes on of each kind of finding the first alone."""
    kinds: set[tuple[str, str]] = set()

    def tell(news: RunningNews) -> None:
        if isinstance(news, FindingFound):
            kind = news.case.invariant, news.case.kind
            if kind in kinds:
                return
            kinds.add(kind)
        if progress is not None:
            progress(news)

    return tell


def _explore(
    unit: Unit,
    recording: Recording,
    profile: OwnProfile,
    subject: RaftSubject,
    progress: ProgressSink | None,
    *,
    live: tuple[LiveProblem, ...] | None = None,
    events: tuple[WorkEvent, ...] = (),
) -> ScenarioResult:
    """Explore one recording under one profile, and tell what comes of it.

    What is wrong without a chosen crash is found out here if it is not given. The first profile is
    given the events of the recording.
    """
    workload = recording.workload
    case = case_of(unit, workload, profile)
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
        tell(FindingFound(found_case(case, recording, finding), finding.problem, finding.judged))

    live = live_problems(recording, profile.profile) if live is None else live
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
        # Who wants no image behind the first problem has it already.
        is_over=lambda: bool(live) and unit.max_after_first == 0,
        subject=subject,
    )
    cases = (*live_cases, *(found_case(case, recording, each) for each in seen.findings))
    stories = (
        *(explain_live(recording, profile.profile, each.step, each.problem) for each in live),
        *explain_all(recording, profile.profile, seen.findings),
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
        relaxed=workload.promises.relaxed,
        faults_fired=tuple(
            (line, count + seen.faults_fired.get(line, 0))
            for line, count in recording.faults_fired.items()
        ),
        digest=blake2b((log_digest(recording) + seen.digest).encode(), digest_size=16).hexdigest(),
        points=seen.points,
        events=events,
    )


def _run_clusters(
    unit: Unit, workload: Workload, progress: ProgressSink | None
) -> tuple[ScenarioResult, ...]:
    """Run a cluster many times; each profile has a share of the runs."""
    share = -(-unit.cluster_runs // len(unit.profiles))
    return tuple(
        explore_cluster(
            evolve(case_of(unit, workload, profile), depth=0),
            range(share),
            tell=progress or (lambda _: None),
        )
        for profile in unit.profiles
    )


def _tell(listeners: Sequence[Listener], news: News) -> None:
    for listener in listeners:
        listener.handle(news)
