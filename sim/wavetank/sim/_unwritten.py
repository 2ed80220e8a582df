"""Blocks that belong to a file and were never written: what a size shows whose data was lost.

A write that grows a file gets its block first. If a crash keeps the size without the data, or the
data could not be written at all, the block shows zeros, or what it held before it was given to the
file. Left out: holes, which programs make by growing a file without data; they are always zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wavetank.sim.image import DiskImage, FileContent
from wavetank.sim.ops import BLOCK_SIZE, Data, MicroOp, Size

__all__ = ["UnwrittenBlocks"]


class UnwrittenBlocks:
    """What sets of pending ops leave unwritten; sets are masks.

    Args:
        pending: each pending op by its bit, in program order.
        dropped: data ops that can never reach the disk.
        durable: the disk without the pending ops.
    """

    __slots__ = ("_durable", "_fresh", "_grown", "_sizes")

    def __init__(
        self, pending: Mapping[int, MicroOp], dropped: Iterable[Data], durable: DiskImage
    ) -> None:
        self._durable = durable
        self._sizes: dict[int, list[tuple[int, int]]] = {}
        # Each growing write by its bit, and the file and byte where it begins.
        self._grown: list[tuple[int, int, int]] = []
        # Each block that was never durably written, and the ops that write to it.
        self._fresh: dict[tuple[int, int], int] = {}
        for op in dropped:
            self._add(0, op)
        for bit, op in pending.items():
            if isinstance(op, Size):
                self._sizes.setdefault(op.inode, []).append((bit, op.size))
            elif isinstance(op, Data):
                self._add(bit, op)

    def exposed(self, kept: int) -> tuple[tuple[int, int], ...]:
        """Return the unwritten blocks inside their file's size, by inode and number."""
        return tuple(
            (inode, block)
            for (inode, block), writers in self._fresh.items()
            if not kept & writers and self._size(inode, kept) > block * BLOCK_SIZE
        )

    def shows_growth_without_data(self, kept: int) -> bool:
        """Whether some file shows bytes that a lost write should have brought."""
        return any(
            not kept & bit and self._size(inode, kept) > first for bit, inode, first in self._grown
        )

    def _add(self, bit: int, op: Data) -> None:
        place = (op.inode, op.block)
        if op.extends:
            self._grown.append((bit, op.inode, op.block * BLOCK_SIZE + op.start))
            if place not in self._fresh and self._never_written(op):
                self._fresh[place] = 0
        if place in self._fresh:
            self._fresh[place] |= bit

    def _never_written(self, op: Data) -> bool:
        node = self._durable.node(op.inode)
        known = node.blocks if isinstance(node, FileContent) else ()
        return len(known) <= op.block or not known[op.block]

    def _size(self, inode: int, kept: int) -> int:
        for bit, size in reversed(self._sizes.get(inode, ())):
            if kept & bit:
                return size
        node = self._durable.node(inode)
        return node.size if isinstance(node, FileContent) else 0
