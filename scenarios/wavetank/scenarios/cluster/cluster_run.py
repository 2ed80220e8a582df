"""One run of a cluster: nodes, clients, faults, and then calm.

Everything happens in one thread and in the order of virtual time, and is drawn from streams that
are named after the run; the same plan, store and profile give the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Final

from attrs import frozen

from wavetank.engine import LogEntry, SnapshotMetadata
from wavetank.scenarios.cluster.client import Client
from wavetank.scenarios.cluster.disruption import Disruption
from wavetank.scenarios.cluster.invariants import ClusterInvariants, Violated, cause_of
from wavetank.scenarios.cluster.machine import Interruption, Machine, StorageLoss
from wavetank.scenarios.cluster.messages import Message
from wavetank.scenarios.cluster.network import Network, Timeline
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.cluster.state_machine import AppliedState
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import Profile

__all__ = ["ClusterRun", "Told", "UnfitForClusterError", "require_fit", "run_cluster"]

_NEEDED: Final = (
    Capability.SITE_FILESYSTEM,
    Capability.SITE_RUNTIME,
    Capability.VOTES,
    Capability.TRUNCATE_SUFFIX,
    Capability.TRUNCATE_PREFIX,
    Capability.SNAPSHOTS,
)


class UnfitForClusterError(TypeError):
    """A store cannot do what a node of a cluster run asks of it."""


def require_fit(store: StoreAdapter) -> None:
    """Raise `UnfitForClusterError` unless a store can be that of a node."""
    for needed in _NEEDED:
        if not store.has(needed):
            raise UnfitForClusterError(
                f"{store.name}: expected a store that declares {needed.value!r}, for cluster runs"
            )


@frozen
class Told:
    """Something that happened: when, to whom, and what."""

    time_s: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.time_s:.3f} s {self.who}: {self.what}"


@frozen(kw_only=True)
class ClusterRun:
    """What came of one run.

    Attributes:
        simulated_s: virtual seconds.
        cuts: power cuts.
        kills: processes killed or closed.
        restarts: processes started again.
        elections: leaders elected.
        commits: entries committed.
        latencies_s: virtual seconds from when a command was sent first until its client was told
            that it is applied, in the order of these answers.
        steps: calls that changed stores.
        told: what happened, in order.
        violated: the first violation; None if all held.
        cause: the loss of a store with which it began; None if none did.
        digest: a hash of everything that happened.
    """

    simulated_s: float
    cuts: int
    kills: int
    restarts: int
    elections: int
    commits: int
    latencies_s: tuple[float, ...]
    steps: int
    told: tuple[Told, ...]
    violated: Violated | None
    cause: StorageLoss | None
    digest: str


def run_cluster(workload: Workload, backend: StoreAdapter, profile: Profile) -> ClusterRun:
    """Run a cluster once.

    Args:
        workload: with the plan of a cluster.
        backend: the store under each node.
        profile: what a power cut may lose.

    Raises:
        UnfitForClusterError: the store cannot do what a node asks of it.
        ValueError: the workload has no plan of a cluster.
    """
    if workload.cluster is None:
        raise ValueError(f"workload: expected one with a cluster but got {workload.name!r}")
    require_fit(backend)
    run = _Run(workload, workload.cluster, backend, profile)
    run.run()
    return run.result()


class _Run:
    """The state of one run, and the watcher of its machines."""

    def __init__(
        self, workload: Workload, plan: ClusterPlan, backend: StoreAdapter, profile: Profile
    ) -> None:
        self._plan = plan
        self._stream = f"{workload.name}/{workload.seed}/{profile.name}/{plan.run}"
        self._timeline = Timeline()
        self._network: Network[Message] = Network(self._timeline, plan, self._random("network"))
        self._invariants = ClusterInvariants(lambda: self._timeline.now_s, workload.checks)
        self._told: list[Told] = []
        self._losses: list[StorageLoss] = []
        self._machines = [
            Machine(
                name,
                plan=plan,
                backend=backend,
                options=workload.options,
                profile=profile,
                timeline=self._timeline,
                network=self._network,
                watcher=self,
                random=self._random(name),
            )
            for name in plan.node_names
        ]
        self._disruption = Disruption(
            plan, self._timeline, self._network, self._machines, self._random("faults")
        )
        self._clients = [
            Client(
                name,
                nodes=plan.node_names,
                timeline=self._timeline,
                network=self._network,
                random=self._random(name),
                on_applied=self.acknowledged,
            )
            for name in plan.client_names
        ]
        self._calm_since: float | None = None
        self._committed_when_calm = False
        self._latencies_s: list[float] = []

    def _random(self, purpose: str) -> Random:
        return Random(f"{self._stream}/{purpose}")  # noqa: S311 - a simulation

    def run(self) -> None:
        """Let it run to its end."""
        for machine in self._machines:
            machine.start()
        for client in self._clients:
            client.begin()
        self._disruption.begin()
        self._timeline.run_until(self._plan.faulty_s, self._is_broken)
        if self._is_broken():
            return
        self.told("the cluster", "faults stop")
        self._disruption.stop()
        self._calm_since = self._timeline.now_s
        self._timeline.run_until(self._plan.faulty_s + self._plan.calm_s, self._is_over)
        if not self._is_broken() and self._plan.keeps_majority:
            self._require_life()
        for machine in self._machines:
            if machine.node is not None and self._has_caught_up(machine):
                self._invariants.calm(machine.name, machine.node.state, self._acknowledged())

    def _acknowledged(self) -> dict[str, int]:
        return {client.name: client.acknowledged for client in self._clients}

    def _is_broken(self) -> bool:
        return self._invariants.violated is not None

    def _is_over(self) -> bool:
        if self._is_broken():
            return True
        return self._committed_when_calm and all(map(self._has_caught_up, self._machines))

    def _has_caught_up(self, machine: Machine) -> bool:
        return machine.node is not None and machine.node.state.index >= self._invariants.commits

    def _require_life(self) -> None:
        """Check C6: all that must have come about when faults have stopped."""
        calm_s = self._plan.calm_s
        for machine in self._machines:
            if machine.refuses:
                problem = Problem(
                    "C6",
                    "a node never comes back",
                    f"the store of {machine.name} does not open again, though faults have stopped",
                )
                self._invariants.stuck(problem, machine.name)
        if not self._committed_when_calm:
            summary = f"no new command was committed within {calm_s:g} s after faults had stopped"
            self._invariants.stuck(Problem("C6", "nothing is committed any more", summary))
        for machine in self._machines:
            if not self._has_caught_up(machine):
                summary = f"{machine.name} has not caught up {calm_s:g} s after faults had stopped"
                self._invariants.stuck(
                    Problem("C6", "a node never catches up", summary), machine.name
                )

    # What is watched

    def told(self, who: str, what: str) -> None:
        """See `Watcher.told`."""
        self._told.append(Told(self._timeline.now_s, who, what))

    def appended(self, node: str, previous_term: int | None, entries: Sequence[LogEntry]) -> None:
        """See `Watcher.appended`."""
        self._invariants.appended(node, previous_term, entries)

    def elected(
        self, node: str, term: int, snapshot: SnapshotMetadata, log: Sequence[LogEntry]
    ) -> None:
        """See `Watcher.elected`."""
        self.told(node, f"is elected leader of term {term}")
        self._invariants.elected(node, term, snapshot, log)

    def applied(self, node: str, term: int, entry: LogEntry, fingerprint: bytes) -> None:
        """See `Watcher.applied`."""
        self._invariants.applied(node, term, entry, fingerprint)

    def restored(self, node: str, metadata: SnapshotMetadata, state: AppliedState) -> None:
        """See `Watcher.restored`."""
        self.told(node, f"takes its state from a snapshot of {metadata.last_included_index}")
        self._invariants.restored(node, metadata, state)

    def lost(self, loss: StorageLoss) -> None:
        """See `Watcher.lost`; what a store shows again and again is one loss."""
        earlier = [each for each in self._losses if each.node == loss.node]
        if earlier and not loss.acknowledged and earlier[-1].problem.kind == loss.problem.kind:
            return
        self.told(loss.node, f"its store broke {loss.problem.invariant}: {loss.problem.summary}")
        self._losses.append(loss)

    def cut_at(self, machine: Machine, began_at: int) -> Interruption | None:
        """See `Watcher.cut_at`."""
        return self._disruption.cut_at(machine, began_at)

    def ended(self, machine: Machine) -> None:
        """See `Watcher.ended`."""
        self._disruption.ended(machine)

    def acknowledged(self, client: str, number: int, sent_at: float) -> None:
        """See a client told that its command is applied."""
        self._invariants.acknowledged(client, number)
        self._latencies_s.append(self._timeline.now_s - sent_at)
        if self._calm_since is not None and sent_at >= self._calm_since:
            self._committed_when_calm = True

    def result(self) -> ClusterRun:
        """Return what came of it."""
        violated = self._invariants.violated
        digest = blake2b(digest_size=16)
        for told in self._told:
            digest.update(f"{told.time_s!r} {told.who} {told.what}\n".encode())
        told_last = (self._timeline.now_s, self._network.sent, self._invariants.commits, violated)
        digest.update(repr(told_last).encode())
        return ClusterRun(
            simulated_s=self._timeline.now_s,
            cuts=self._disruption.cuts,
            kills=self._disruption.kills,
            restarts=sum(max(machine.restarts, 0) for machine in self._machines),
            elections=self._invariants.elections,
            commits=self._invariants.commits,
            latencies_s=tuple(self._latencies_s),
            steps=sum(machine.steps for machine in self._machines),
            told=tuple(self._told),
            violated=violated,
            cause=None if violated is None else cause_of(violated, self._losses),
            digest=digest.hexdigest(),
        )
