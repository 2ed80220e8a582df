"""How micro-ops change a disk's durable content, whole or torn.

Left out: which of them a crash keeps (pending.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from wavetank.sim.image import DirectoryContent, DiskImage, FileContent, Node, write_blocks
from wavetank.sim.ops import BLOCK_SIZE, Data, Dirent, MicroOp, Size

__all__ = ["SECTOR_SIZE", "Tear", "apply"]

SECTOR_SIZE: Final = 512
"""Bytes that a device writes whole or not at all."""


@frozen
class Tear:
    """One data op that reached the disk in part.

    Attributes:
        number: the op.
        sectors: bit k set: the k-th sector of its block was written.
    """

    number: int
    sectors: int


def apply(image: DiskImage, ops: Iterable[MicroOp], tears: tuple[Tear, ...] = ()) -> DiskImage:
    """Return `image` with `ops` applied in order, the torn ones among them in part."""
    torn = {tear.number: tear.sectors for tear in tears}
    changes = _Changes(image)
    for op in ops:
        if isinstance(op, Dirent):
            changes.set_entry(op)
        elif isinstance(op, Size):
            changes.file(op.inode).size = op.size
        elif op.number in torn:
            _write_torn(changes.file(op.inode).blocks, op, torn[op.number])
        else:
            write_blocks(changes.file(op.inode).blocks, op.block, op.start, op.content)
    return image.derive(changes.nodes())


class _ChangingFile:
    __slots__ = ("blocks", "size")

    def __init__(self, content: Node | None) -> None:
        known = content if isinstance(content, FileContent) else FileContent(0, ())
        self.size = known.size
        self.blocks = list(known.blocks)


class _Changes:
    """Copies of the files and directories that a run of ops touches."""

    __slots__ = ("_directories", "_files", "_image", "_made")

    def __init__(self, image: DiskImage) -> None:
        self._image = image
        self._files: dict[int, _ChangingFile] = {}
        self._directories: dict[int, dict[str, int]] = {}
        self._made: dict[int, Node] = {}

    def file(self, inode: int) -> _ChangingFile:
        known = self._files.get(inode)
        if known is None:
            known = self._files[inode] = _ChangingFile(self._image.node(inode))
        return known

    def set_entry(self, op: Dirent) -> None:
        names = self._directories.get(op.directory)
        if names is None:
            node = self._image.node(op.directory)
            names = dict(node.entries) if isinstance(node, DirectoryContent) else {}
            self._directories[op.directory] = names
        if op.inode is None:
            names.pop(op.name, None)
            return
        names[op.name] = op.inode
        if self._image.node(op.inode) is None:
            # A name can be kept while all of its inode's own ops are lost.
            empty = DirectoryContent({}) if op.is_directory else FileContent(0, ())
            self._made.setdefault(op.inode, empty)

    def nodes(self) -> dict[int, Node]:
        made = self._made
        for inode, file in self._files.items():
            made[inode] = FileContent(file.size, tuple(file.blocks))
        for inode, names in self._directories.items():
            made[inode] = DirectoryContent(names)
        return made


def _write_torn(blocks: list[bytes], op: Data, sectors: int) -> None:
    """Write those parts of a block that lie in the sectors that made it."""
    for sector in range(BLOCK_SIZE // SECTOR_SIZE):
        if not sectors >> sector & 1:
            continue
        start = max(op.start, sector * SECTOR_SIZE)
        stop = min(op.start + len(op.content), (sector + 1) * SECTOR_SIZE)
        if start < stop:
            piece = op.content[start - op.start : stop - op.start]
            write_blocks(blocks, op.block, start, piece)
