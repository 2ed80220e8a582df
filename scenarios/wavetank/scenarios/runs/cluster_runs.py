"""A unit that is a cluster, run many times."""

from __future__ import annotations

from attrs import evolve

from wavetank.scenarios.cluster.exploration import explore_cluster
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.runs.results import ScenarioResult
from wavetank.scenarios.runs.unit import ProgressSink, Unit, case_of

__all__ = ["run_clusters_of"]


def run_clusters_of(
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
