"""How micro-ops change a disk's durable content, whole or torn.

Left out: which of them a crash keeps (pending.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import shake_128
from typing import Final

from attrs import frozen

from wavetank.sim.attributes import Attributes
from wavetank.sim.crashes.tearing import SECTOR_SIZE
from wavetank.sim.image import (
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
    write_blocks,
)
from wavetank.sim.ops import BLOCK_SIZE, Attribute, Data, Dirent, MicroOp, Size

__all__ = ["STALE_BLOCK", "STALE_WORD", "Changes", "Tear", "apply"]

STALE_WORD: Final = b"what somebody else once wrote here. "
"""What a block shows, over and over, that belongs to a file and was never written, if not zeros."""


@frozen
class Tear:
    """One data op that reached the disk in part.

    Attributes:
        number: the op.
        sectors: bit k set: the k-th sector of 512 bytes of its block was written.
        garbage: bit k set: that sector holds neither what was there nor what was to be written.
        spills: whether garbage fills its sector, and not only bytes that were to change.
        span: only the bytes from the first to before the second, counted from the start of the
            block, were written; None sets no such bound.
    """

    number: int
    sectors: int
    garbage: int = 0
    spills: bool = False
    span: tuple[int, int] | None = None


def apply(
    image: DiskImage,
    ops: Iterable[MicroOp],
    tears: tuple[Tear, ...] = (),
    *,
    start: Mapping[int, Node] | None = None,
    stale: Iterable[tuple[int, int]] = (),
) -> DiskImage:
    """Return `image` with `ops` applied in order, the torn ones among them in part.

    Args:
        image: the disk before.
        ops: what reached it.
        tears: which of them did so in part.
        start: inodes that begin with this content instead of the image's.
        stale: blocks, by inode and number, that hold foreign bytes before any op.
    """
    torn = {tear.number: tear for tear in tears}
    changes = Changes(image, start or {})
    file = changes.file
    for inode, block in stale:
        file(inode).write(block, 0, STALE_BLOCK)
    for op in ops:
        if isinstance(op, Dirent):
            changes.set_entry(op)
        elif isinstance(op, Attribute):
            changes.set_attributes(op.inode, op.change)
        else:
            changes.touch(op.inode, op.modified_ns)
            if isinstance(op, Size):
                file(op.inode).size = op.size
            elif op.number in torn:
                _write_torn(file(op.inode), op, torn[op.number])
            else:
                file(op.inode).write(op.block, op.start, op.content)
    return image.derive(changes.nodes())


STALE_BLOCK: Final = (STALE_WORD * BLOCK_SIZE)[:BLOCK_SIZE]
"""Such a block, whole."""


class ChangingFile:
    """A copy of a file, to be changed.

    Args:
        content: what it begins with; empty if that is no file.

    Attributes:
        size: length in bytes.
    """

    __slots__ = ("_before", "_blocks", "_changed", "size")

    def __init__(self, content: Node | None) -> None:
        self._before = content if isinstance(content, FileContent) else FileContent(0, ())
        self.size = self._before.size
        self._blocks = list(self._before.blocks)
        self._changed: set[int] = set()

    @property
    def blocks(self) -> Sequence[bytes]:
        """Its content by block number."""
        return self._blocks

    def write(self, block: int, start: int, content: bytes) -> None:
        """Put bytes into a block."""
        if block > len(self._blocks):
            self._changed.update(range(len(self._blocks), block))
        self._changed.add(block)
        write_blocks(self._blocks, block, start, content)

    def replace(self, blocks: Sequence[bytes]) -> None:
        """Let all its content be another."""
        self._before = FileContent(0, (), self._before.attributes)
        self._blocks = list(blocks)
        self._changed = set(range(len(self._blocks)))

    def content(self) -> FileContent:
        """Return what it has become."""
        before = self._before
        if not self._changed and self.size == before.size:
            return before
        return before.derive(self.size, tuple(self._blocks), self._changed)


class Changes:
    """Copies of the files and directories that a run of ops touches."""

    __slots__ = ("_attributes", "_directories", "_files", "_image", "_made")

    def __init__(self, image: DiskImage, start: Mapping[int, Node]) -> None:
        self._image = image
        self._files: dict[int, ChangingFile] = {}
        self._directories: dict[int, dict[str, int]] = {}
        self._made: dict[int, Node] = dict(start)
        self._attributes: dict[int, Attributes] = {}

    def file(self, inode: int) -> ChangingFile:
        known = self._files.get(inode)
        if known is None:
            known = self._files[inode] = ChangingFile(
                self._made.get(inode) or self._image.node(inode)
            )
        return known

    def set_entry(self, op: Dirent) -> None:
        names = self._directories.get(op.directory)
        if names is None:
            node = self._made.get(op.directory) or self._image.node(op.directory)
            names = dict(node.entries) if isinstance(node, DirectoryContent) else {}
            self._directories[op.directory] = names
        self.touch(op.directory, op.modified_ns)
        if op.inode is None:
            names.pop(op.name, None)
            return
        names[op.name] = op.inode
        if self._image.node(op.inode) is None:
            # A name can be kept while all of its inode's own ops are lost.
            self._made.setdefault(op.inode, _first_content(op))

    def touch(self, inode: int, modified_ns: int | None) -> None:
        """Set the time at which an inode was changed, where times are kept."""
        if modified_ns is not None:
            self.set_attributes(inode, Attributes(modified_ns=modified_ns))

    def set_attributes(self, inode: int, change: Attributes) -> None:
        """Change attributes of an inode."""
        known = self._attributes.get(inode)
        self._attributes[inode] = change if known is None else known.changed_by(change)

    def nodes(self) -> dict[int, Node]:
        made = self._made
        for inode, file in self._files.items():
            content = file.content()
            first = made.get(inode)
            if content.attributes is None and first is not None and first.attributes is not None:
                content = content.with_attributes(first.attributes)
            made[inode] = content
        for inode, names in self._directories.items():
            node = made.get(inode) or self._image.node(inode)
            made[inode] = DirectoryContent(names, None if node is None else node.attributes)
        for inode, change in self._attributes.items():
            node = made.get(inode) or self._image.node(inode)
            if node is not None:
                known = node.attributes or Attributes()
                made[inode] = node.with_attributes(known.changed_by(change).without_removed())
        return made


def _first_content(op: Dirent) -> Node:
    if op.symlink_target is not None:
        return LinkContent(op.symlink_target, op.made)
    return DirectoryContent({}, op.made) if op.is_directory else FileContent(0, (), op.made)


def _write_torn(file: ChangingFile, op: Data, tear: Tear) -> None:
    """Write those parts of a block that made it, and garbage where the tear has some."""
    first, last = tear.span or (0, BLOCK_SIZE)
    for sector in range(BLOCK_SIZE // SECTOR_SIZE):
        start = max(op.start, sector * SECTOR_SIZE, first)
        stop = min(op.start + len(op.content), (sector + 1) * SECTOR_SIZE, last)
        if start >= stop:
            continue
        if tear.garbage >> sector & 1:
            _write_garbage(file, op, (sector, start, stop), spills=tear.spills)
        elif tear.sectors >> sector & 1:
            piece = op.content[start - op.start : stop - op.start]
            file.write(op.block, start, piece)


def _write_garbage(
    file: ChangingFile, op: Data, place: tuple[int, int, int], *, spills: bool
) -> None:
    """Put bytes into a sector that depend on nothing but where it lies."""
    sector, start, stop = place
    noise = shake_128(f"{op.block} {sector}".encode()).digest(SECTOR_SIZE)
    if spills:
        file.write(op.block, sector * SECTOR_SIZE, noise)
        return
    old = file.blocks[op.block][start:stop] if op.block < len(file.blocks) else b""
    new = op.content[start - op.start : stop - op.start]
    noise = noise[start - sector * SECTOR_SIZE :]
    old = old.ljust(len(new), b"\0")
    mixed = bytes(
        [
            was if was == becomes else between
            for was, becomes, between in zip(old, new, noise, strict=False)
        ]
    )
    file.write(op.block, start, mixed)
