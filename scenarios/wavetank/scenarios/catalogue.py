"""Every scenario that ships: store lives, families of them, tasks, and clusters."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve

from wavetank.faults import FaultPlan, fault_plan
from wavetank.scenarios.cluster.scenarios import CLUSTER_SCENARIOS, ClusterScenario
from wavetank.scenarios.concurrency.scenarios import CONCURRENT_SCENARIOS, ConcurrentScenario
from wavetank.scenarios.raft.exhaustive import FAMILIES, Family
from wavetank.scenarios.raft.option_choices import with_overrides
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.raft.workloads import SCENARIOS, Scenario

__all__ = ["ALL_SCENARIOS", "UnknownNameError", "turned", "workload_of", "workloads_of"]

ALL_SCENARIOS: Final[Mapping[str, Scenario | Family | ConcurrentScenario | ClusterScenario]] = (
    MappingProxyType({**SCENARIOS, **FAMILIES, **CONCURRENT_SCENARIOS, **CLUSTER_SCENARIOS})
)
"""By name, in the order in which they run."""


class UnknownNameError(LookupError):
    """No scenario or profile of this name."""


def workload_of(
    scenario: str, seed: int, options: tuple[str, ...] = (), faults: tuple[str, ...] = ()
) -> Workload:
    """Return a scenario's workload, with overrides of its options, and faults; the first of many.

    Raises:
        UnknownNameError: there is no such scenario.
        OptionError: there is no such option, or it does not take that value.
        FaultSyntaxError: a line is no fault.
    """
    if scenario in FAMILIES:
        return turned(next(FAMILIES[scenario].workloads()), options, faults)
    return workloads_of(scenario, seed, options, faults)[0]


def workloads_of(
    scenario: str, seed: int, options: tuple[str, ...] = (), faults: tuple[str, ...] = ()
) -> tuple[Workload, ...]:
    """Return all workloads of a scenario; arguments and errors are those of `workload_of`."""
    if scenario in SCENARIOS:
        found: tuple[Workload, ...] = (SCENARIOS[scenario].workload(seed),)
    elif scenario in CONCURRENT_SCENARIOS:
        found = CONCURRENT_SCENARIOS[scenario].workloads(seed)
    elif scenario in CLUSTER_SCENARIOS:
        found = (CLUSTER_SCENARIOS[scenario].workload(seed),)
    elif scenario in FAMILIES:
        found = tuple(FAMILIES[scenario].workloads())
    else:
        raise UnknownNameError(f"scenario: expected one of {list(ALL_SCENARIOS)}, got {scenario!r}")
    return tuple(turned(each, options, faults) for each in found)


def turned(workload: Workload, options: tuple[str, ...], faults: tuple[str, ...]) -> Workload:
    """Return a workload with overrides of its options, and more faults; errors as `workload_of`."""
    return evolve(
        workload,
        options=with_overrides(workload.options, options),
        overrides=options,
        faults=FaultPlan((*workload.faults.faults, *fault_plan(faults).faults)),
    )
