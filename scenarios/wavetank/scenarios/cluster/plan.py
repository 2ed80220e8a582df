"""What a cluster run is like, as a value that a stored failure can hold."""

from __future__ import annotations

from attrs import field, frozen, validators

__all__ = ["ClusterPlan"]

_PROBABILITY = (validators.ge(0.0), validators.le(1.0))


@frozen(kw_only=True)
class ClusterPlan:
    """A cluster, its clients, its network, and the faults that strike it.

    Attributes:
        nodes: how many there are; odd.
        clients: how many send commands, each one at a time.
        faulty_s: virtual seconds during which faults strike.
        calm_s: virtual seconds after the faults within which the cluster must elect a leader,
            commit a new command, and bring every node up to date.
        snapshot_every: entries that a node applies between two snapshots; 0: it takes none.
        keeps_majority: whether faults leave a majority of the nodes running. If not, any number is
            down at once, and only safety is checked.
        loss: how likely a message is lost.
        duplication: how likely it comes twice.
        delay: how likely it comes late, behind others sent after it.
        run: which of the runs of its seed.

    Raises:
        ValueError: fewer than three nodes, an even number of them, or no probability.
    """

    nodes: int = field(default=3, validator=validators.ge(3))
    clients: int = field(default=3, validator=validators.ge(1))
    faulty_s: float = 20.0
    calm_s: float = 10.0
    snapshot_every: int = field(default=0, validator=validators.ge(0))
    keeps_majority: bool = True
    loss: float = field(default=0.02, validator=_PROBABILITY)
    duplication: float = field(default=0.02, validator=_PROBABILITY)
    delay: float = field(default=0.05, validator=_PROBABILITY)
    run: int = field(default=0, validator=validators.ge(0))

    def __attrs_post_init__(self) -> None:
        if not self.nodes % 2:
            raise ValueError(f"nodes: expected an odd number but got {self.nodes}")

    @property
    def majority(self) -> int:
        """How many nodes make a majority."""
        return self.nodes // 2 + 1

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return tuple(f"node-{chr(ord('a') + number)}" for number in range(self.nodes))

    @property
    def client_names(self) -> tuple[str, ...]:
        """The names of the clients."""
        return tuple(f"client-{number}" for number in range(1, self.clients + 1))
