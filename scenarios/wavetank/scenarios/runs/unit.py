"""What one process of a run is given: a unit of a plan, and what its findings become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.catalogue import UnknownNameError, scenario_named
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.reproduction import trace_digest
from wavetank.scenarios.runs.listening import RunningNews
from wavetank.scenarios.runs.plan import OwnProfile, RunPlan
from wavetank.scenarios.scenario_files.scenario import FIXPOINT, Scenario, turned
from wavetank.sim import PROFILES, Profile

__all__ = ["ProgressSink", "Unit", "case_of", "found_case", "profile_named", "units_of"]

ProgressSink = Callable[[RunningNews], None]
"""Where progress goes while a unit runs; it must be picklable if the executor needs that."""


@frozen(kw_only=True)
class Unit:
    """One scenario with one seed and one set of options, under all its profiles.

    Attributes are those of `RunPlan`, one of each, and the file of the scenario.
    """

    scenario: Scenario
    file: str
    seed: int
    options: tuple[str, ...]
    faults: tuple[str, ...]
    profiles: tuple[OwnProfile, ...]
    backend: str
    depth: int | None
    max_images: int | None
    max_after_first: int | None
    schedules: int
    cluster_runs: int
    part_images: int | None

    def workloads(self) -> Iterator[Workload]:
        """Yield the workloads of the scenario, with the unit's options and faults."""
        for each in self.scenario.workloads(self.seed):
            yield turned(each, self.options, self.faults)


def units_of(plan: RunPlan) -> Iterator[Unit]:
    """Yield the units of a plan, in its order; what a scenario says for itself wins.

    Raises:
        UnknownNameError: there is no such scenario or profile.
    """
    own = {each.scenario.name: each for each in reversed(plan.own_scenarios)}
    for name in plan.profiles:
        profile_named(name, plan.own_profiles)
    for name in plan.scenarios:
        scenario = own[name].scenario if name in own else scenario_named(name)
        file = own[name].file if name in own else ""
        # Nothing in a family is drawn.
        seeds = (scenario.seeds or plan.seeds)[: 1 if scenario.family else None]
        profiles = tuple(_profiles(plan, scenario, file))
        for seed, options in product(seeds, plan.option_sets):
            yield Unit(
                scenario=scenario,
                file=file,
                seed=seed,
                options=options,
                faults=plan.faults,
                profiles=profiles,
                backend=scenario.store or plan.backend,
                depth=_depth(plan, scenario),
                max_images=scenario.max_images or plan.max_images,
                max_after_first=plan.max_after_first,
                schedules=scenario.schedules or plan.schedules,
                cluster_runs=scenario.cluster_runs or plan.cluster_runs,
                part_images=plan.part_images,
            )


def _profiles(plan: RunPlan, scenario: Scenario, file: str) -> Iterator[OwnProfile]:
    own = (*(OwnProfile(each, file) for each in scenario.own_profiles), *plan.own_profiles)
    files = {each.profile.name: each.file for each in reversed(own)}
    for name in scenario.profiles or plan.profiles:
        yield OwnProfile(profile_named(name, own), files.get(name, ""))


def _depth(plan: RunPlan, scenario: Scenario) -> int | None:
    if scenario.depth is None:
        return plan.depth
    return None if scenario.depth == FIXPOINT else int(scenario.depth)


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


def case_of(unit: Unit, workload: Workload, profile: OwnProfile) -> Case:
    """Return the case of all crashes of a workload of a unit under one of its profiles."""
    return Case(
        workload=workload,
        store=unit.backend,
        profile=profile.profile,
        profile_file=profile.file,
        scenario_file=unit.file,
        depth=unit.depth,
    )


def found_case(case: Case, recording: Recording, finding: Finding) -> Case:
    """Return the case of a finding of an exploration."""
    return evolve(
        case,
        crash=finding.crash,
        invariant=finding.problem.invariant,
        kind=finding.problem.kind,
        trace=trace_digest(recording, case.profile, finding.crash),
        is_reproduced=finding.is_reproduced,
    )
