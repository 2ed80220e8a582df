"""The catalogue: the eight workloads that every backend is held against, made from a seed.

Each looks like one phase of a Raft node's life (docs/scenarios.md), has at least 30 operations of
at least 5 kinds, and ends with a snapshot and at least 20 entries in 8 frames behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.raft.scripted_node import ScriptedNode
from wavetank.scenarios.raft.steps import Workload

__all__ = ["SCENARIOS", "Scenario"]


@frozen(kw_only=True)
class Scenario:
    """A named way to make a workload from a seed.

    Attributes:
        name: what the command line calls it.
        summary: one sentence on what it is like in a cluster.
        script: writes the node's life.
        retained_entries: how many entries a compaction keeps: few, so that it really happens.

    >>> SCENARIOS["mixed"].workload(seed=7).kinds()[:3]
    ('Append', 'KillProcess', 'OpenStore')
    """

    name: str
    summary: str
    script: Callable[[ScriptedNode], None]
    retained_entries: int = 4

    def workload(self, seed: int) -> Workload:
        """Return the steps for `seed`, always the same for the same seed."""
        node = ScriptedNode(self.name, seed)
        self.script(node)
        node.fill()
        return Workload(
            name=self.name,
            seed=seed,
            steps=tuple(node.steps),
            options=FileStorageOptions(retained_log_size=self.retained_entries),
            summary=self.summary,
        )


def _leader_steady(node: ScriptedNode) -> None:
    node.campaign()
    for number in range(1, 19):
        node.append(1)
        if number % 3 == 0:
            node.read_back(10)
        if number % 9 == 0:
            node.take_snapshot()
            node.compact()


def _follower_catchup(node: ScriptedNode) -> None:
    node.grant_vote()
    sizes = node.stream("batch")
    for number in range(1, 13):
        node.append(sizes.randint(2, 12))
        node.read_back(1)
        if number % 5 == 0:
            node.take_snapshot(behind=2)
            node.compact()


def _election_storm(node: ScriptedNode) -> None:
    moves = node.stream("election")
    node.append(3)
    for number in range(1, 17):
        move = moves.randrange(3)
        if move == 0:
            node.campaign()
        elif move == 1:
            node.see_term(1 + moves.randrange(3))
        else:
            node.grant_vote()
        if number % 4 == 0:
            node.append(2)
            node.read_back(3)
            node.stale_vote_request()
    node.take_snapshot()
    node.compact()


def _log_conflict(node: ScriptedNode) -> None:
    depth = node.stream("conflict")
    node.append(4)
    for number in range(1, 8):
        node.append(3)
        node.conflict(back=depth.randint(1, 5))
        node.read_back(1)
        node.append(2)
        if number % 3 == 0:
            node.take_snapshot(behind=1)
            node.compact()


def _snapshot_compaction(node: ScriptedNode) -> None:
    node.campaign()
    for behind in (1, 0, 2, 0, 1):
        node.append(3)
        node.append(2)
        node.take_snapshot(behind=behind)
        if behind:
            node.append(1)
        node.compact()
        node.append(1)
        node.read_back(10)


def _install_snapshot(node: ScriptedNode) -> None:
    ahead = node.stream("ahead")
    node.see_term()
    for beyond in (True, True, False, True):
        node.append(3)
        node.append(2)
        node.read_back(5)
        if not beyond:
            node.replace_branch(back=2)
        else:
            node.install_snapshot(ahead=ahead.randint(1, 20))
        node.append(1)
        node.append(6)
        node.stale_snapshot()
        node.take_snapshot(behind=1)
        node.compact()


def _restart_loop(node: ScriptedNode) -> None:
    node.campaign()
    for number in range(1, 7):
        node.append(2)
        node.kill()
        node.grant_vote()
        node.append(3)
        node.read_back(5)
        node.reopen()
        if number % 2 == 0:
            node.take_snapshot()
            node.kill()
            node.compact()


def _mixed(node: ScriptedNode) -> None:
    dice = node.stream("mixed")
    node.campaign()
    moves: tuple[tuple[int, Callable[[], None]], ...] = (
        (8, lambda: node.append(dice.randint(1, 4))),
        (3, lambda: node.read_back(10)),
        (2, node.campaign),
        (2, node.grant_vote),
        (2, lambda: node.conflict(back=dice.randint(1, 4))),
        (2, lambda: node.take_snapshot(behind=dice.randint(0, 2))),
        (2, node.compact),
        (1, lambda: node.install_snapshot(ahead=dice.randint(1, 9))),
        (1, node.reopen),
        (1, node.kill),
    )
    weights = [weight for weight, _ in moves]
    for _ in range(36):
        dice.choices(moves, weights)[0][1]()
    # Whatever the dice said, each kind of operation comes at least once, and compaction does.
    node.append(6)
    node.conflict(back=1)
    node.kill()
    node.append(6)
    node.take_snapshot()
    node.compact()
    node.read_back(3)


_ALL: Final = (
    Scenario(
        name="leader-steady",
        summary="a leader takes one proposal after the other and snapshots now and then",
        script=_leader_steady,
    ),
    Scenario(
        name="follower-catchup",
        summary="a follower that was away takes large batches",
        script=_follower_catchup,
    ),
    Scenario(
        name="election-storm",
        summary="terms and votes change faster than the log grows",
        script=_election_storm,
    ),
    Scenario(
        name="log-conflict",
        summary="leaders change, and the ends of the log are replaced again and again",
        script=_log_conflict,
    ),
    Scenario(
        name="snapshot-compaction",
        summary="frequent snapshots, whose background compaction races with an explicit one",
        script=_snapshot_compaction,
        retained_entries=0,
    ),
    Scenario(
        name="install-snapshot",
        summary="snapshots arrive from beyond the log, or from another branch of it",
        script=_install_snapshot,
    ),
    Scenario(
        name="restart-loop",
        summary="the process is killed and restarted between a few operations each",
        script=_restart_loop,
    ),
    Scenario(
        name="mixed",
        summary="everything a node does, in random order",
        script=_mixed,
    ),
)

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {scenario.name: scenario for scenario in _ALL}
)
"""Every scenario that ships, by name."""
