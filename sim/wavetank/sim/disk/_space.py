"""Which blocks of a disk of limited size are taken, and by which file.

Each block of content takes one from the moment it is written or reserved; holes take none. Each
file, directory and link takes one more for itself, as where inodes come from the same space as data
(XFS, btrfs). Names take none, and neither does writing over what is there. A file's blocks come
back as a truncation cuts them off, and all of them with its last name and last descriptor.

Left out: delayed allocation that fails only at a sync, and copies that a copy-on-write filesystem
needs to write over a block.

Sources: write(2) ("the number of bytes written may be less than count if, for example, there is
insufficient space"), fallocate(2), unlink(2).
"""

from __future__ import annotations

import errno
from collections import Counter

from wavetank.sim.disk._errno import fail
from wavetank.sim.image import DiskImage, FileContent, Node
from wavetank.sim.ops import BLOCK_SIZE

__all__ = ["Space"]


class Space:
    """The room on a disk.

    Args:
        capacity_bytes: how much there is, rounded down to whole blocks.
        image: what takes room already; it may be more than there is.
    """

    __slots__ = ("_blocks", "_descriptors", "_free", "_names")

    def __init__(self, capacity_bytes: int, image: DiskImage) -> None:
        self._free = capacity_bytes // BLOCK_SIZE
        self._names: Counter[int] = Counter()
        self._descriptors: Counter[int] = Counter()
        # Blocks of content by inode; an inode that is not here has given back its own block too.
        self._blocks: dict[int, set[int]] = {}
        for _, inode, node in image.walk():
            self.adopt(inode, node)

    @property
    def free_bytes(self) -> int:
        """Bytes that can still be taken."""
        return max(0, self._free) * BLOCK_SIZE

    def after_kill(self) -> Space:
        """Return the room as the next process finds it: without descriptors, and what they held."""
        twin = Space(0, DiskImage.empty())
        twin._free = self._free
        twin._names = self._names.copy()
        twin._blocks = {inode: set(blocks) for inode, blocks in self._blocks.items()}
        for inode in self._blocks:
            twin._give_back(inode)
        return twin

    def adopt(self, inode: int, node: Node) -> None:
        """Count what has been on disk all along, under one name; it may be more than fits."""
        self._names[inode] += 1
        self._hold(inode, node)

    def make(self, inode: int, path: str) -> None:
        """Take the block of a new inode; ENOSPC if there is none."""
        if self._free <= 0:
            fail(errno.ENOSPC, path)
        self._free -= 1
        self._blocks[inode] = set()

    def name(self, inode: int) -> None:
        """Count one more name."""
        self._names[inode] += 1

    def unname(self, inode: int) -> None:
        """Count one name less."""
        self._names[inode] -= 1
        self._give_back(inode)

    def open(self, inode: int) -> None:
        """Count one more descriptor."""
        self._descriptors[inode] += 1

    def close(self, inode: int) -> None:
        """Count one descriptor less."""
        self._descriptors[inode] -= 1
        self._give_back(inode)

    def take(self, inode: int, offset: int, length: int, path: str) -> int:
        """Take what a write needs, and return for how many of its bytes there is room.

        A write that fits only in part is taken in part, up to the end of a block; ENOSPC comes
        where not one byte fits.
        """
        mine, end = self._blocks[inode], offset + length
        for block in range(offset // BLOCK_SIZE, -(-end // BLOCK_SIZE)):
            if block in mine:
                continue
            if self._free <= 0:
                end = block * BLOCK_SIZE
                break
            self._free -= 1
            mine.add(block)
        if end <= offset:
            fail(errno.ENOSPC, path)
        return end - offset

    def reserve(self, inode: int, offset: int, length: int, path: str) -> None:
        """Take every block of a range, or none and raise ENOSPC."""
        mine = self._blocks[inode]
        wanted = range(offset // BLOCK_SIZE, -(-(offset + length) // BLOCK_SIZE))
        missing = set(wanted) - mine
        if missing and len(missing) > self._free:
            fail(errno.ENOSPC, path)
        self._free -= len(missing)
        mine |= missing

    def cut(self, inode: int, size: int) -> None:
        """Give back what lies wholly beyond `size`."""
        mine, first = self._blocks[inode], -(-size // BLOCK_SIZE)
        beyond = {block for block in mine if block >= first}
        self._free += len(beyond)
        mine -= beyond

    def _hold(self, inode: int, node: Node) -> None:
        if inode not in self._blocks:
            blocks = self._blocks[inode] = _written(node)
            self._free -= 1 + len(blocks)

    def _give_back(self, inode: int) -> None:
        if not self._names[inode] and not self._descriptors[inode] and inode in self._blocks:
            self._free += 1 + len(self._blocks.pop(inode))


def _written(node: Node) -> set[int]:
    """Return the blocks of a file that hold something within its size."""
    if not isinstance(node, FileContent):
        return set()
    within = -(-node.size // BLOCK_SIZE)
    return {number for number, content in enumerate(node.blocks[:within]) if content}
