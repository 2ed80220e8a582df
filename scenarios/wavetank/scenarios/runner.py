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

from wavetank.scenarios.events import (
    Listener,
    OwnProfile,
    RunPlan,
    RunResult,
    ScenarioFinished,
    ScenarioProgress,
    ScenarioResult,
)
from wavetank.scenarios.exploration.explain import explain, explain_live
from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.crash_cycles import crash_cycle_problems
from wavetank.scenarios.raft.fault_families import lies
from wavetank.scenarios.raft.fault_lines import fault_plan
from wavetank.scenarios.raft.option_choices import turned
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.recovery_run import Openings
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.raft.workloads import SCENARIOS
from wavetank.scenarios.stores.backend import BACKENDS, Backend
from wavetank.sim import PROFILES, Profile

__all__ = [
    "ProgressSink",
    "UnknownNameError",
    "backend_named",
    "log_digest",
    "profile_named",
    "run",
    "workload_of",
]

_UNSYNCED_SETS: Final = 16
"""Where appends are not synced, ops pile up, and every point would have all the sets it may."""

ProgressSink = Callable[[ScenarioProgress], None]
"""Where progress goes while a unit runs; it must be picklable if the executor needs that."""


class UnknownNameError(LookupError):
    """No scenario, profile or backend of this name."""


@frozen(kw_only=True)
class _Unit:
    scenario: str
    seed: int
    options: tuple[str, ...]
    faults: tuple[str, ...]
    profiles: tuple[Profile, ...]
    backend: str
    limits: Limits


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
        OptionError: the plan turns an option that does not exist, or to what it does not take.
        FaultSyntaxError: a line of the plan is no fault.
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


def backend_named(name: str) -> Backend:
    """Return the backend of that name.

    Raises:
        UnknownNameError: there is none.
    """
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise UnknownNameError(f"backend: expected one of {[b.name for b in BACKENDS]}, got {name!r}")


def log_digest(recording: Recording) -> str:
    """Return a hash of everything a recorded run did to its disk."""
    digest = blake2b(digest_size=16)
    for entry in recording.log:
        digest.update(repr(entry).encode())
    return digest.hexdigest()


def _units(plan: RunPlan) -> Iterator[_Unit]:
    backend_named(plan.backend)
    profiles = tuple(profile_named(name, plan.own_profiles) for name in plan.profiles)
    for scenario, options in product(plan.scenarios, plan.option_sets):
        workload_of(scenario, plan.seeds[0], options, plan.faults)
    for scenario, seed, options in product(plan.scenarios, plan.seeds, plan.option_sets):
        yield _Unit(
            scenario=scenario,
            seed=seed,
            options=options,
            faults=plan.faults,
            profiles=profiles,
            backend=plan.backend,
            limits=_limits(plan, scenario, seed, options),
        )


def _limits(plan: RunPlan, scenario: str, seed: int, options: tuple[str, ...]) -> Limits:
    limits = Limits(depth=plan.depth, max_images=plan.max_images)
    contract = Contract.of(workload_of(scenario, seed, options).options)
    # Ops pile up just the same where every sync lies.
    lies_on = any(
        lies(fault) and fault.which.times is None for fault in fault_plan(plan.faults).faults
    )
    if contract.appends_durable and not lies_on:
        return limits
    return evolve(limits, max_sets_per_point=_UNSYNCED_SETS)


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
    """Return a scenario's workload, with some of its options turned, and faults.

    Raises:
        UnknownNameError: there is no such scenario.
        OptionError: there is no such option, or it does not take that value.
        FaultSyntaxError: a line is no fault.
    """
    if scenario not in SCENARIOS:
        raise UnknownNameError(f"scenario: expected one of {list(SCENARIOS)}, got {scenario!r}")
    workload = SCENARIOS[scenario].workload(seed)
    return evolve(
        workload,
        options=turned(workload.options, options),
        turned=options,
        faults=fault_plan(faults),
    )


def _run_unit(unit: _Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    workload = workload_of(unit.scenario, unit.seed, unit.options, unit.faults)
    recording = record(workload, backend_named(unit.backend))
    openings = Openings(workload, recording.backend)
    return tuple(
        _sweep(recording, profile, unit.limits, openings, progress) for profile in unit.profiles
    )


def _sweep(
    recording: Recording,
    profile: Profile,
    limits: Limits,
    openings: Openings,
    progress: ProgressSink | None,
) -> ScenarioResult:
    workload = recording.workload

    def tell(judged: int) -> None:
        if progress is not None:
            progress(
                ScenarioProgress(
                    name=workload.name,
                    seed=workload.seed,
                    profile=profile.name,
                    judged=judged,
                    options=workload.turned,
                )
            )

    sweep = explore(recording, profile, limits=limits, on_progress=tell, openings=openings)
    live = (*recording.problems, *crash_cycle_problems(recording, profile))
    violations = (
        *(explain_live(recording, profile, problem) for problem in live),
        *(explain(recording, profile, finding) for finding in sweep.findings),
    )
    return ScenarioResult(
        name=workload.name,
        seed=workload.seed,
        backend=recording.backend.name,
        profile=profile.name,
        steps=recording.steps_run,
        compactions=recording.compactions,
        crash_points=sweep.crash_points,
        legal=sweep.legal,
        distinct=sweep.distinct,
        judged=sweep.judged,
        unjudged=sweep.unjudged,
        cache_hits=sweep.cache_hits,
        recoveries=sweep.recoveries,
        depth=sweep.depth,
        complete=sweep.complete,
        forked_points=sweep.forked_points,
        violations=violations,
        options=workload.turned,
        relaxed=Contract.of(workload.options, workload.faults).relaxed,
        faults_fired=tuple(
            (line, count + sweep.faults_fired.get(line, 0))
            for line, count in recording.faults_fired.items()
        ),
        digest=blake2b((log_digest(recording) + sweep.digest).encode(), digest_size=16).hexdigest(),
    )


def _tell(listeners: Sequence[Listener], event: ScenarioProgress | ScenarioFinished) -> None:
    for listener in listeners:
        listener.handle(event)
