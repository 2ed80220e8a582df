"""A crashable in-memory filesystem: a crash keeps each unsynced block and name with a chance.

This is how in-memory filesystems for crash tests work, Pebble's `MemFS` among them: a file keeps
what its last sync covered, and each 4 KiB block of what programs see is put on top with 50 %; a
directory keeps the names of its last sync, and each name that programs see is added with 50 %.
Nothing is enumerated, so an image may be drawn again, and another never.
"""

from __future__ import annotations

from random import Random  # noqa: TID251 - seeded by the caller
from typing import Final

from wavetank.sim import (
    BLOCK_SIZE,
    ROOT_INODE,
    SEQUENTIAL,
    DirectoryContent,
    DiskImage,
    FileContent,
    Mark,
    Node,
    PendingOps,
    Record,
    Sync,
    SyncKind,
)

__all__ = ["CrashableFiles"]

_KEPT: Final = 0.5
_NOTHING: Final = FileContent(0, ())


class CrashableFiles:
    """What programs see of a disk, and what of it was synced.

    Args:
        image: the durable disk before the first record.

    >>> from wavetank.sim import SimDisk
    >>> disk = SimDisk()
    >>> inode = disk.create(ROOT_INODE, "f", path="/f")
    >>> files = CrashableFiles(DiskImage.empty())
    >>> for record in disk.log:
    ...     files.take(record)
    >>> sorted({len(files.draw(Random(seed)).files()) for seed in range(9)})
    [0, 1]
    """

    def __init__(self, image: DiskImage) -> None:
        # It only follows what programs see, which is the same under every profile.
        self._ops = PendingOps(image, SEQUENTIAL)
        self._durable = image
        self._synced: dict[int, Node] = {}

    def take(self, record: Record) -> None:
        """Take the next record of an op log; a mark changes nothing."""
        if not isinstance(record, (Mark, Sync)):
            self._ops.add(record)
        elif isinstance(record, Sync) and not record.failed:
            seen = self.seen
            if record.kind is SyncKind.EVERYTHING:
                self._durable, self._synced = seen, {}
            elif (node := seen.node(record.inode)) is not None:
                self._synced[record.inode] = node

    @property
    def seen(self) -> DiskImage:
        """What programs see."""
        return self._ops.full

    def copy(self) -> CrashableFiles:
        """Return the same with a future of its own."""
        twin = CrashableFiles(self._durable)
        twin._ops = self._ops.fork()
        twin._synced = dict(self._synced)
        return twin

    def draw(self, chance: Random) -> DiskImage:
        """Return the disk after a crash here, drawn by `chance`."""
        seen = self.seen
        drawn: dict[int, Node] = {}
        todo = [ROOT_INODE]
        while todo:
            inode = todo.pop()
            if inode in drawn:  # by another name
                continue
            now, synced = seen.node(inode), self._synced.get(inode) or self._durable.node(inode)
            if isinstance(now, DirectoryContent):
                kept = _names(synced, now, chance)
                drawn[inode] = DirectoryContent(kept)
                todo += kept.values()
            elif isinstance(now, FileContent):
                drawn[inode] = _content(synced, now, chance)
            elif now is not None:
                drawn[inode] = now
        return DiskImage(drawn, next_inode=seen.next_inode)


def _names(synced: Node | None, now: DirectoryContent, chance: Random) -> dict[str, int]:
    """Return the synced names, and some of those that programs see; a removed name stays.

    A rename within a directory is kept or lost as a whole, since most filesystems promise that:
    without it, right stores would be reported.
    """
    old = dict(synced.entries) if isinstance(synced, DirectoryContent) else {}
    kept = dict(old)
    for name, inode in sorted(now.entries.items()):
        if kept.get(name) != inode and chance.random() < _KEPT:
            kept[name] = inode
            for before, moved in old.items():
                if moved == inode and before not in now.entries:
                    kept.pop(before, None)
    return kept


def _content(synced: Node | None, now: FileContent, chance: Random) -> FileContent:
    """Return the synced bytes with some of the blocks that programs see put on top."""
    if synced is now:
        return now
    before = synced if isinstance(synced, FileContent) else _NOTHING
    blocks = list(before.blocks)
    size = before.size
    for number, block in enumerate(now.blocks):
        start = number * BLOCK_SIZE
        if start >= now.size:
            break
        if (
            number < len(blocks)
            and blocks[number] == block
            and size >= min(start + BLOCK_SIZE, now.size)
        ):
            continue
        if chance.random() < _KEPT:
            blocks += [b""] * (number + 1 - len(blocks))
            blocks[number] = block
            size = max(size, min(start + BLOCK_SIZE, now.size))
    return FileContent(size, tuple(blocks))
