"""What one process of a run is given: a unit of a plan, and what its findings become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.catalogue import UnknownNameError, scenario_named
from wavetank.scenarios.events import OwnProfile, RunningEvent, RunPlan
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.reproduction import trace_digest
from wavetank.scenarios.scenario_files.scenario import FIXPOINT, Scenario, turned
from wavetank.sim import PROFILES, Profile

__all__ = ["ProgressSink", "Unit", "found_case", "profile_named", "units_of"]

ProgressSink = Callable[[RunningEvent], None]
"""Where progress goes while a unit runs; it must be picklable if the executor needs that."""


@frozen(kw_only=True)
class Unit:
    """One scenario with one seed and one set of options, under all its profiles.

    Attributes are those of `RunPlan`, one of each.
    """

    scenario: Scenario
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

    def workloads(self) -> Iterator[Workload]:
        """Yield the workloads of the scenario, with the unit's options and faults."""
        for each in self.scenario.workloads(self.seed):
            yield turned(each, self.options, self.faults)


def units_of(plan: RunPlan) -> Iterator[Unit]:
    """Yield the units of a plan, in its order; what a scenario says for itself wins.

    Raises:
        UnknownNameError: there is no such scenario or profile.
    """
    own = tuple(each.scenario for each in plan.own_scenarios)
    for name in plan.scenarios:
        scenario = scenario_named(name, own)
        # Nothing in a family is drawn.
        seeds = (scenario.seeds or plan.seeds)[: 1 if scenario.family else None]
        profiles = tuple(_profiles(plan, scenario))
        for seed, options in product(seeds, plan.option_sets):
            yield Unit(
                scenario=scenario,
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
            )


def _profiles(plan: RunPlan, scenario: Scenario) -> Iterator[OwnProfile]:
    files = {own.profile.name: own.file for own in plan.own_profiles}
    for own in plan.own_scenarios:
        if own.scenario is scenario:
            files.update((profile.name, own.file) for profile in scenario.own_profiles)
    own_profiles = (
        *(OwnProfile(profile, "") for profile in scenario.own_profiles),
        *plan.own_profiles,
    )
    for name in scenario.profiles or plan.profiles:
        yield OwnProfile(profile_named(name, own_profiles), files.get(name, ""))


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
