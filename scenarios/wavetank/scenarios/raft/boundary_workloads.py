"""What the boundary scenarios do: lives of a node in which sizes and numbers lie at boundaries."""

from __future__ import annotations

from itertools import cycle
from typing import Final

from wavetank.scenarios.raft.boundary_values import (
    COMMAND_SIZES,
    INDICES,
    LARGEST,
    NAMES,
    TERMS,
    LogFill,
    around,
    command_size_to_end_at,
    snapshot_sizes,
)
from wavetank.scenarios.raft.scripted_node import ScriptedNode
from wavetank.sim import BLOCK_SIZE, SECTOR_SIZE

__all__ = [
    "CHUNK_BYTES",
    "boundary_commands",
    "boundary_snapshots",
    "boundary_state",
    "far_indices",
    "large_batches",
]

CHUNK_BYTES: Final = 1024
"""The transfer chunk of these scenarios: neither a sector nor a block, and small."""

_MANY: Final = 2**11 + 1


def boundary_commands(node: ScriptedNode) -> None:
    """Append frames that end at, one byte before and one behind each unit, and odd batches."""
    node.append_sizes(0)  # of term 0, as in no real cluster; stores take it
    node.grant_vote()
    fill = LogFill()
    fill.add(0)
    for past in (-1, 0, 1):
        node.append_sizes(fill.to_end_at(BLOCK_SIZE, past=past))
        node.append_sizes(*fill.add(1))
        node.kill()
    for batch in ((0, 0), (0, 1, 0), (1, 0)):
        node.append_sizes(*fill.add(*batch))
    node.reopen()
    # A new log: behind a long one so much space is filled that a crash leaves thousands of images.
    node.install_snapshot(ahead=1, size_bytes=0)
    fill = LogFill()
    node.begin_crashes()
    for unit in (SECTOR_SIZE, CHUNK_BYTES):
        for past in (-1, 0, 1):
            node.append_sizes(fill.to_end_at(unit, past=past))
    node.append_sizes(*fill.add(0, 1, 0))
    node.append_sizes(fill.to_end_at(BLOCK_SIZE))
    node.read_back(10)
    node.kill()
    node.conflict(back=2)
    # Kept by the compaction, whose new log holds frames of just a chunk and its neighbours.
    kept = [command_size_to_end_at(0, CHUNK_BYTES, past=past) for past in (0, -1, 1)]
    for size in (*kept, 0):
        node.append_sizes(size)
    node.take_snapshot(behind=len(kept) + 1, size_bytes=1)
    node.compact()
    node.kill()
    node.read_back(5)


def boundary_state(node: ScriptedNode) -> None:
    """Save each term with a vote for each kind of name, and read them back in another process."""
    names = cycle(NAMES)
    next(names)  # nobody is voted for in each term, before somebody is
    for number, term in enumerate(TERMS[1:]):
        node.save_state(term, "")
        node.append_sizes(1)
        name = next(names) or next(names)
        node.save_state(term, name)
        node.append_sizes(0, 1)
        node.stale_vote_request()
        if number % 2:
            node.kill()
        else:
            node.reopen()
        node.read_back(3)
    node.take_snapshot(behind=1, size_bytes=1)
    node.compact()
    node.kill()


def boundary_snapshots(node: ScriptedNode) -> None:
    """Save snapshots around the size of a transfer chunk, and read each in another process."""
    node.campaign()
    for number, size in enumerate(snapshot_sizes(CHUNK_BYTES)):
        node.append_sizes(1)
        node.append_sizes(0)
        if number % 2:
            node.install_snapshot(ahead=1, size_bytes=size)
            node.see_term()
            node.append_sizes(1)
            node.conflict(back=1)  # empties the log, whose last term is then the snapshot's
            node.reopen()
        else:
            node.take_snapshot(behind=number // 2 % 2, size_bytes=size)
            node.kill()
        node.append_sizes(1)
        node.stale_snapshot()
        node.compact()


def far_indices(node: ScriptedNode) -> None:
    """Install snapshots far beyond the log, up to the last index but one, and fill that one."""
    node.campaign()
    for number, index in enumerate(INDICES):
        if number == len(INDICES) - 2:
            node.begin_crashes()
        node.append_sizes(1)
        node.install_snapshot(ahead=index - node.last_index, size_bytes=SECTOR_SIZE)
        node.append_sizes(1)
        if number < len(INDICES) - 1:
            node.append_sizes(0, 1)
            node.conflict(back=1)
        node.read_back(3)
        if number % 2:
            node.kill()
        else:
            node.reopen()
    assert node.last_index == LARGEST
    node.take_snapshot(size_bytes=1)
    node.compact()
    node.reopen()
    node.kill()


def large_batches(node: ScriptedNode) -> None:
    """Append large commands and batches of thousands; cut one of these in two, and compact it."""
    node.campaign()
    for size in COMMAND_SIZES:
        node.append_sizes(size)
    node.reopen()
    node.append_sizes(*[1, 0] * (_MANY // 2), 1)
    node.read_back(_MANY)
    node.kill()
    node.conflict(back=_MANY // 2)
    node.append_sizes(*around(2))
    node.reopen()
    node.take_snapshot(behind=5)
    node.compact()
    node.reopen()
    # The log is short again: each crash of what follows can be judged.
    node.begin_crashes()
    node.append_sizes(*[0, 1] * 9)
    node.conflict(back=3)
    node.append_sizes(1)
    node.take_snapshot(behind=2)
    node.kill()
