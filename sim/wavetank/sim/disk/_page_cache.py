"""The page cache: files, directories and links as programs see them, over a durable image.

A page is clean or dirty, and one more thing: after a failed write the kernel takes a page for clean
that never reached the disk (`CachedFile.unsaved`). Left out: the record of what was done
(sim_disk.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from wavetank.sim.attributes import Attributes
from wavetank.sim.image import DirectoryContent, DiskImage, FileContent, LinkContent

__all__ = ["CachedFile", "CachedNode", "PageCache"]


class CachedFile:
    """A file in the page cache.

    Attributes:
        size: length in bytes.
        blocks: content; there may be stale bytes beyond `size`.
        unsaved: blocks that are taken for clean and are not on disk as they are here.
    """

    __slots__ = ("blocks", "size", "unsaved")

    def __init__(self, size: int, blocks: Sequence[bytes]) -> None:
        self.size = size
        self.blocks = list(blocks)
        self.unsaved: set[int] | None = None

    def copy(self) -> CachedFile:
        """Return an equal file with a future of its own."""
        twin = CachedFile(self.size, self.blocks)
        twin.unsaved = set(self.unsaved) if self.unsaved else None
        return twin


CachedNode: TypeAlias = CachedFile | dict[str, int] | str
"""A file, a directory's inodes by name, or where a symbolic link points."""


class PageCache:
    """What programs see of a disk; filled from its image as they look.

    Args:
        image: the durable content.

    Attributes:
        image: the same; whoever adds what has been on disk all along puts a new one here.
        made: the attributes that inodes were made with which the image does not have.
    """

    __slots__ = ("_attributes", "_nodes", "image", "made")

    def __init__(self, image: DiskImage) -> None:
        self.image = image
        self.made: dict[int, Attributes] = {}
        self._nodes: dict[int, CachedNode] = {}
        self._attributes: dict[int, Attributes] = {}

    def copy(self) -> PageCache:
        """Return an equal cache with a future of its own."""
        twin = PageCache(self.image)
        twin.made = dict(self.made)
        twin._attributes = dict(self._attributes)
        for inode, node in self._nodes.items():
            if isinstance(node, str):
                twin._nodes[inode] = node
            else:
                twin._nodes[inode] = node.copy()
        return twin

    def put(self, inode: int, node: CachedNode, made: Attributes | None = None) -> None:
        """Let an inode be what `node` says, made with these attributes."""
        self._nodes[inode] = node
        if made is not None:
            self.made[inode] = self._attributes[inode] = made

    def attributes(self, inode: int) -> Attributes:
        """Return the attributes of an inode."""
        known = self._attributes.get(inode)
        if known is None:
            node = self.image.node(inode)
            known = self._attributes[inode] = (node and node.attributes) or Attributes()
        return known

    def set_attributes(self, inode: int, change: Attributes) -> None:
        """Change attributes of an inode."""
        self._attributes[inode] = self.attributes(inode).changed_by(change).without_removed()

    def node(self, inode: int) -> CachedNode:
        """Return what an inode is; to be changed only by whoever records it."""
        node = self._nodes.get(inode)
        if node is None:
            node = self._nodes[inode] = self._load(inode)
        return node

    def file(self, inode: int) -> CachedFile:
        """Return an inode that is a file."""
        node = self._nodes.get(inode)
        if node is None:
            node = self._nodes[inode] = self._load(inode)
        assert isinstance(node, CachedFile)
        return node

    def unsaved(self) -> Iterator[int]:
        """Yield the files that differ from what clean pages should be: what is on disk."""
        yield from [
            inode
            for inode, node in self._nodes.items()
            if isinstance(node, CachedFile) and node.unsaved
        ]

    def _load(self, inode: int) -> CachedNode:
        durable = self.image.node(inode)
        assert durable is not None, f"inode {inode} was never made"
        if isinstance(durable, FileContent):
            return CachedFile(durable.size, durable.blocks)
        if isinstance(durable, LinkContent):
            return durable.target
        assert isinstance(durable, DirectoryContent)
        return dict(durable.entries)
