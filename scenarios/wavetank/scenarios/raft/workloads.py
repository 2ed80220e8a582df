"""The catalogue: the workloads that every backend is held against, made from a seed.

The first eight look each like one phase of a Raft node's life (docs/scenarios.md), have at least
30 operations of at least 5 kinds, and end with a snapshot and at least 20 entries in 8 frames
behind it. Those behind them are short, and take values at their boundaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from wavetank.engine import FileStorageOptions
from wavetank.faults import fault_plan
from wavetank.scenarios.raft.boundary_values import DEEP_DIRECTORY
from wavetank.scenarios.raft.boundary_workloads import (
    CHUNK_BYTES,
    boundary_commands,
    boundary_snapshots,
    boundary_state,
    far_indices,
    large_batches,
)
from wavetank.scenarios.raft.scripted_node import ScriptedNode
from wavetank.scenarios.raft.steps import AfterFailure, Workload
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY

__all__ = ["SCENARIOS", "Scenario"]


@frozen(kw_only=True)
class Scenario:
    """A named way to make a workload from a seed.

    Attributes:
        name: what the command line calls it.
        summary: one sentence on what it is like in a cluster.
        script: writes the node's life.
        retained_entries: how many entries a compaction keeps: few, so that it really happens.
        chunk_bytes: how much of a large file is read or written at once.
        directory: of the store.
        faults: lines of the fault language, for a caller that goes on after each failure.
        unusual: why it does not end with 20 entries in 8 frames; "" if it does.

    >>> SCENARIOS["mixed"].workload(seed=7).kinds()[:3]
    ('Append', 'KillProcess', 'OpenStore')
    """

    name: str
    summary: str
    script: Callable[[ScriptedNode], None]
    retained_entries: int = 4
    chunk_bytes: int = FileStorageOptions().chunk_size
    directory: str = STORE_DIRECTORY
    faults: tuple[str, ...] = ()
    unusual: str = ""

    def workload(self, seed: int) -> Workload:
        """Return the steps for `seed`, always the same for the same seed."""
        node = ScriptedNode(self.name, seed)
        self.script(node)
        if not self.unusual:
            node.fill()
        return Workload(
            name=self.name,
            seed=seed,
            steps=tuple(node.steps),
            options=FileStorageOptions(
                retained_log_size=self.retained_entries, chunk_size=self.chunk_bytes
            ),
            summary=self.summary,
            unusual=self.unusual,
            directory=self.directory,
            faults=fault_plan(self.faults),
            after_failure=AfterFailure.RETRY if self.faults else AfterFailure.REOPEN,
            crashes_from=node.crashes_from,
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


def _going_on(node: ScriptedNode) -> None:
    for number in range(3):
        node.campaign()
        node.append_sizes(40, 3)
        node.read_back(6)
        node.take_snapshot(behind=1, size_bytes=CHUNK_BYTES + number)
        node.append_sizes(1)
        node.conflict(back=1)
        node.grant_vote()
        node.append_sizes(5)
        node.compact()
    node.read_back(3)
    node.reopen()
    node.kill()


_SMALL: Final = "each of its values is there once, so that every crash of it can be judged"

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
    Scenario(
        name="boundary-commands",
        summary="frames end at, before and behind sectors, blocks and transfer chunks",
        script=boundary_commands,
        chunk_bytes=CHUNK_BYTES,
        unusual=_SMALL,
    ),
    Scenario(
        name="boundary-state",
        summary="terms need one more bit, names are of every kind, directories are deep",
        script=boundary_state,
        directory=DEEP_DIRECTORY,
        unusual=_SMALL,
    ),
    Scenario(
        name="boundary-snapshots",
        summary="snapshots are empty, or as large as a transfer chunk, give or take a byte",
        script=boundary_snapshots,
        retained_entries=1,
        chunk_bytes=CHUNK_BYTES,
        unusual=_SMALL,
    ),
    Scenario(
        name="far-indices",
        summary="snapshots lie far beyond the log, up to the last index",
        script=far_indices,
        retained_entries=0,
        unusual=_SMALL,
    ),
    Scenario(
        name="large-batches",
        summary="batches hold thousands of small entries",
        script=large_batches,
        retained_entries=2,
        chunk_bytes=CHUNK_BYTES,
        unusual=_SMALL,
    ),
    Scenario(
        name="full-disk",
        summary="now and then there is no room, and the same process tries again and goes on",
        script=_going_on,
        retained_entries=1,
        chunk_bytes=CHUNK_BYTES,
        faults=(
            "write state.json.tmp #2: fail ENOSPC",
            "open state.json.tmp #4: fail ENOSPC",
            "write snapshot.dat.tmp #2: fail ENOSPC after 7 bytes",
            "write snapshot_meta.json.tmp #2: fail ENOSPC",
            "open snapshot.marker #3: fail ENOSPC after effect",
            "write log.dat.tmp #4: fail ENOSPC",
            "write log.dat in append_log_entries #9: fail ENOSPC after 7 bytes",
        ),
        unusual=_SMALL,
    ),
    Scenario(
        name="failing-disk",
        summary="reads, writes and syncs fail once each, and the same process tries again",
        script=_going_on,
        retained_entries=1,
        chunk_bytes=CHUNK_BYTES,
        faults=(
            "read log.dat in get_log_entries #2: fail EIO",
            "open snapshot.dat.tmp #2: fail EMFILE",
            "write log.dat in append_log_entries #4: fail EIO",
            "fsync log.dat in append_log_entries #6: fail EIO after effect",
            "open state.json.tmp #8: fail EMFILE",
            "fsync_dir in save_state #9: fail EIO",
            "open snapshot_meta.json in recovery #2: fail EMFILE",
        ),
        unusual=_SMALL,
    ),
)

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {scenario.name: scenario for scenario in _ALL}
)
"""Every scenario that ships, by name."""
