"""The catalogue of cluster scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.raft.steps import Workload

__all__ = ["CLUSTER_SCENARIOS", "ClusterScenario"]


@frozen(kw_only=True)
class ClusterScenario:
    """A named cluster.

    Attributes:
        name: what the command line calls it.
        summary: one sentence on what it is like.
        plan: of each of its runs, but for the run's number.
        options: of the stores.
    """

    name: str
    summary: str
    plan: ClusterPlan
    options: FileStorageOptions = field(factory=FileStorageOptions)

    def workload(self, seed: int) -> Workload:
        """Return the workload of the first run."""
        return Workload(
            name=self.name,
            seed=seed,
            steps=(),
            options=self.options,
            summary=self.summary,
            unusual="a cluster runs instead of steps",
            cluster=self.plan,
        )


_ALL: Final = (
    ClusterScenario(
        name="cluster-3",
        summary="three nodes; a majority stays up",
        plan=ClusterPlan(nodes=3),
        # A log without space ahead of it ends anywhere in a block: what is torn off can be short.
        options=FileStorageOptions(preallocate=0),
    ),
    ClusterScenario(
        name="cluster-5",
        summary="five nodes; a majority stays up",
        plan=ClusterPlan(nodes=5),
    ),
    ClusterScenario(
        name="cluster-snapshots",
        summary="three nodes that compact their logs early and install snapshots on one another",
        plan=ClusterPlan(nodes=3, snapshot_every=12),
        options=FileStorageOptions(retained_log_size=2),
    ),
    ClusterScenario(
        name="cluster-lossy",
        summary="three nodes on a network that loses, doubles and delays a good part of all",
        plan=ClusterPlan(nodes=3, loss=0.15, duplication=0.1, delay=0.25, snapshot_every=40),
        options=FileStorageOptions(retained_log_size=10),
    ),
    ClusterScenario(
        name="cluster-blackouts",
        summary="three nodes of which any number is down at once; only safety is checked",
        plan=ClusterPlan(nodes=3, keeps_majority=False, snapshot_every=40),
        options=FileStorageOptions(retained_log_size=10),
    ),
)

CLUSTER_SCENARIOS: Final[Mapping[str, ClusterScenario]] = MappingProxyType(
    {scenario.name: scenario for scenario in _ALL}
)
"""Every cluster scenario that ships, by name."""
