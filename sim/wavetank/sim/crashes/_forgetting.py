"""A disk on which a truncation frees what it cuts off, as `Profile.truncate_discards` allows.

By the micro-op table content beyond a file's size stays where it is, and a later size shows it
again. A filesystem that frees blocks gives the file other ones when it grows: they read zeros until
they are written, or what somebody else left there. This is the durable content of such a disk, next
to the one that discards nothing (pending.py). Which images are tried on both is decided in
crash_images.py; torn writes are tried on the other one only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeGuard

from wavetank.sim.crashes._apply import STALE_BLOCK, Changes, ChangingFile
from wavetank.sim.image import DiskImage, FileContent, Node, write_blocks
from wavetank.sim.ops import BLOCK_SIZE, Attribute, Data, Dirent, MicroOp, Size

__all__ = ["ForgettingDisk"]


class ForgettingDisk:
    """The durable content of such a disk.

    Args:
        image: its content before the first op; what lies beyond a file's size is gone.

    """

    __slots__ = ("_cut_files", "_durable", "_waiting", "_written")

    def __init__(self, image: DiskImage) -> None:
        cut = _without_cut_content(image)
        self._durable = image.derive(cut)
        # What has become durable, batch by batch, since somebody last asked for the content.
        self._waiting: list[tuple[MicroOp, ...]] = []
        # Inodes whose durable content may be another one than where nothing is discarded.
        self._cut_files = frozenset(cut)
        # Number of the last durable op that wrote to a block, by inode and block.
        self._written: Mapping[tuple[int, int], int] = {}

    @property
    def durable(self) -> DiskImage:
        """What is on disk if no pending op is kept."""
        if self._waiting:
            changes, written = Changes(self._durable, {}), dict(self._written)
            for ops in self._waiting:
                _apply(changes, ops, written)
                written.update(
                    {(op.inode, op.block): op.number for op in ops if isinstance(op, Data)}
                )
            cut = {op.inode for ops in self._waiting for op in ops if _is_truncation(op)}
            self._cut_files |= cut
            self._durable = self._durable.derive(changes.nodes())
            self._written = written
            self._waiting = []
        return self._durable

    def fork(self) -> ForgettingDisk:
        """Return an equal value with a future of its own."""
        twin = ForgettingDisk(DiskImage.empty())
        twin._durable = self.durable
        twin._written = self._written
        twin._cut_files = self._cut_files
        return twin

    def settle(self, ops: Iterable[MicroOp]) -> None:
        """Take ops, in program order, that have become durable."""
        self._waiting.append(tuple(ops))

    def may_differ(self, kept: DiskImage, pending: Iterable[MicroOp]) -> bool:
        """Whether a crash can leave another image here than on a disk that discards nothing.

        Args:
            kept: the durable content of that disk, with the same ops settled.
            pending: the ops that a crash may keep or lose, in program order.
        """
        durable = self.durable
        self._cut_files = frozenset(
            inode for inode in self._cut_files if durable.node(inode) != kept.node(inode)
        )
        if self._cut_files:
            return True
        # Sizes of one file never swap, so each pending one follows the one before it.
        sizes: dict[int, int] = {}
        for op in pending:
            if isinstance(op, Size):
                if not op.extends and op.size < sizes.get(op.inode, _size(kept, op.inode)):
                    return True
                sizes[op.inode] = op.size
        return False

    def image(self, ops: Iterable[MicroOp], *, stale: Iterable[tuple[int, int]] = ()) -> DiskImage:
        """Return the disk with pending ops on it.

        Args:
            ops: what reached it whole, in program order.
            stale: blocks, by inode and number, that show foreign bytes in the end.
        """
        changes = Changes(self.durable, {})
        _apply(changes, ops, self._written)
        for inode, block in stale:
            changes.file(inode).write(block, 0, STALE_BLOCK)
        return self.durable.derive(changes.nodes())


def _apply(
    changes: Changes, ops: Iterable[MicroOp], written: Mapping[tuple[int, int], int]
) -> None:
    """Apply ops; `written` has the number of the last durable op that wrote to a block."""
    for op in ops:
        if isinstance(op, Dirent):
            changes.set_entry(op)
        elif isinstance(op, Attribute):
            changes.set_attributes(op.inode, op.change)
        elif isinstance(op, Data):
            changes.touch(op.inode, op.modified_ns)
            changes.file(op.inode).write(op.block, op.start, op.content)
        else:
            changes.touch(op.inode, op.modified_ns)
            file = changes.file(op.inode)
            file.size = op.size
            if _is_truncation(op):
                _cut(file, op, written)


def _is_truncation(op: MicroOp) -> TypeGuard[Size]:
    return isinstance(op, Size) and not op.extends


def _cut(file: ChangingFile, truncation: Size, written: Mapping[tuple[int, int], int]) -> None:
    """Free what lies beyond a size, but for what was written after it and came before it."""
    blocks = list(file.blocks)
    spared = {
        block: blocks[block]
        for block in range(truncation.size // BLOCK_SIZE, len(blocks))
        if written.get((truncation.inode, block), -1) > truncation.number
    }
    _cut_at(blocks, truncation.size)
    for block, content in spared.items():
        write_blocks(blocks, block, 0, content)
    file.replace(blocks)


def _size(image: DiskImage, inode: int) -> int:
    node = image.node(inode)
    return node.size if isinstance(node, FileContent) else 0


def _without_cut_content(image: DiskImage) -> dict[int, Node]:
    """Return each file that holds content beyond its size, without that, by inode."""
    changes: dict[int, Node] = {}
    for _, inode, node in image.walk():
        if isinstance(node, FileContent):
            blocks = list(node.blocks)
            if _cut_at(blocks, node.size):
                changes[inode] = FileContent(node.size, tuple(blocks), node.attributes)
    return changes


def _cut_at(blocks: list[bytes], size: int) -> bool:
    """Drop what lies beyond a size; return whether there was anything."""
    whole, rest = divmod(size, BLOCK_SIZE)
    beyond = blocks[whole:]
    if not beyond or (len(beyond) == 1 and len(beyond[0]) <= rest):
        return False
    tail = beyond[0][:rest]
    blocks[whole:] = [tail] if tail else []
    return True
