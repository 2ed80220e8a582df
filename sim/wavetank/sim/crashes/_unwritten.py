"""Blocks that belong to a file and were never written: what a size shows whose data was lost.

A write that grows a file gets its block first. If a crash keeps the size without the data, or the
data could not be written at all, the block shows zeros, or what it held before it was given to the
file. Where truncations forget, a block that was cut off has never been written since.

Left out: holes, which programs make by growing a file without data; they are always zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define

from wavetank.sim.image import DiskImage, FileContent
from wavetank.sim.ops import BLOCK_SIZE, Data, MicroOp, Size

__all__ = ["UnwrittenBlocks"]


@define
class _FreshBlock:
    """A block that was never durably written.

    Attributes:
        writers: the ops that write to it.
        publishers: the sizes that made it the file's.
        published: whether such a size is durable.
    """

    writers: int = 0
    publishers: int = 0
    published: bool = False


class UnwrittenBlocks:
    """What sets of pending ops leave unwritten; sets are masks.

    Args:
        pending: each pending op by its bit, in program order.
        dropped: data ops that can never reach the disk.
        durable: the disk without the pending ops.
        newest: number of the op that was issued last.
        cuts: whether a truncation takes what was written away from the file.
    """

    __slots__ = ("_cuts", "_durable", "_forgets", "_fresh", "_grown", "_newest", "_sizes")

    def __init__(
        self,
        pending: Mapping[int, MicroOp],
        dropped: Iterable[Data],
        durable: DiskImage,
        newest: int,
        *,
        cuts: bool = False,
    ) -> None:
        self._durable = durable
        self._forgets = cuts
        # Truncations by their bits, of each file.
        self._cuts: dict[int, list[tuple[int, int]]] = {}
        self._newest = newest
        self._sizes: dict[int, list[tuple[int, int]]] = {}
        # Each growing write by its bit, and the file and byte where it begins.
        self._grown: list[tuple[int, int, int]] = []
        # By inode, block, and the truncation that cut it off last: 0 if none did.
        self._fresh: dict[tuple[int, int, int], _FreshBlock] = {}
        bits = {op.number: bit for bit, op in pending.items()}
        for gone in dropped:
            self._add(0, gone, bits)
        for bit, op in pending.items():
            if isinstance(op, Size):
                self._sizes.setdefault(op.inode, []).append((bit, op.size))
                if self._forgets and not op.extends:
                    self._cuts.setdefault(op.inode, []).append((bit, op.size))
            elif isinstance(op, Data):
                self._add(bit, op, bits)

    def exposed(self, kept: int) -> tuple[tuple[int, int], ...]:
        """Return the unwritten blocks inside their file's size, by inode and number."""
        if not self._fresh:
            return ()
        return tuple(
            (inode, block)
            for (inode, block, cut), fresh in self._fresh.items()
            if not kept & fresh.writers
            and self._last_cut(inode, block, kept) == cut
            and (fresh.published or kept & fresh.publishers)
            and self._size(inode, kept) > block * BLOCK_SIZE
        )

    def shows_growth_without_data(self, kept: int) -> bool:
        """Whether some file shows bytes that a lost write should have brought."""
        return any(
            not kept & bit and self._size(inode, kept) > first for bit, inode, first in self._grown
        )

    def _add(self, bit: int, op: Data, bits: Mapping[int, int]) -> None:
        cut = self._last_cut(op.inode, op.block, ~0)
        place = (op.inode, op.block, cut)
        if op.extends:
            self._grown.append((bit, op.inode, op.block * BLOCK_SIZE + op.start))
            if place not in self._fresh and (cut or self._never_written(op)):
                self._fresh[place] = _FreshBlock()
        fresh = self._fresh.get(place)
        if fresh is None:
            return
        fresh.writers |= bit
        if op.extends:
            # The block belongs to the file once the write's own size is on disk: the next op.
            publisher = bits.get(op.number + 1)
            fresh.publishers |= publisher or 0
            fresh.published |= publisher is None and op.number != self._newest

    def _last_cut(self, inode: int, block: int, kept: int) -> int:
        """Return the last kept truncation that cut a block off, as its bit; 0 if none did."""
        for bit, size in reversed(self._cuts.get(inode, ())):
            if kept & bit and size <= block * BLOCK_SIZE:
                return bit
        return 0

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
