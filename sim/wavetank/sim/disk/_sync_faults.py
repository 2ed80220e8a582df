"""Which syncs of a disk are to fail, who has been told of those that did, and what they drop.

The kernel counts write errors per file. Each descriptor remembers the count up to which it has been
told; one that is opened later begins where anybody has been told. Left out: what a failure does to
the images (crashes/pending.py).
"""

from __future__ import annotations

import errno

from attrs import define, evolve

from wavetank.sim.crashes._apply import apply
from wavetank.sim.disk._errno import fail
from wavetank.sim.disk._page_cache import PageCache
from wavetank.sim.disk.fsync_failure import FsyncFailure
from wavetank.sim.image import FileContent
from wavetank.sim.ops import Attribute, Data, Dirent, OpLog, Size, Sync, SyncKind

__all__ = ["SyncFaults"]


@define
class _ArmedFailure:
    """A failure that waits for its sync.

    Attributes:
        machine: what it will leave; None lets the journal's own write fail.
        inode: only this file or directory; None for any.
        path: only under this name; None for any.
        skip: matching syncs that succeed first.
        blocks: the blocks whose write fails; None for all.
    """

    machine: FsyncFailure | None
    inode: int | None
    path: str | None
    skip: int
    blocks: frozenset[int] | None

    def matches(self, sync: Sync) -> bool:
        if self.machine is not None and not _is_of_file(sync.kind):
            return False
        return self.inode in (None, sync.inode) and self.path in (None, sync.path)


class SyncFaults:
    """Which syncs are to fail on a disk, and what comes of those that do.

    Args:
        log: what was done since the cache's image.
        cache: what programs see.

    Attributes:
        journal_failed: whether the filesystem has given up writing.
    """

    __slots__ = ("_armed", "_cache", "_errors", "_log", "_told", "journal_failed")

    def __init__(self, log: OpLog, cache: PageCache) -> None:
        self.journal_failed = False
        self._log = log
        self._cache = cache
        self._armed: list[_ArmedFailure] = []
        self._errors: dict[int, int] = {}
        self._told: dict[int, int] = {}

    def copy(self, log: OpLog, cache: PageCache) -> SyncFaults:
        """Return the faults of a disk that goes on with copies of log and cache."""
        twin = SyncFaults(log, cache)
        twin.journal_failed = self.journal_failed
        twin._armed = [evolve(armed) for armed in self._armed]
        twin._errors = dict(self._errors)
        twin._told = dict(self._told)
        return twin

    def arm(
        self,
        machine: FsyncFailure | None,
        *,
        inode: int | None,
        path: str | None,
        skip: int,
        blocks: frozenset[int] | None,
    ) -> None:
        """Let a sync fail; see `SimDisk.fail_next_sync`."""
        self._armed.append(_ArmedFailure(machine, inode, path, skip, blocks))

    def count(self, inode: int) -> int:
        """Return how many errors there have been."""
        return self._errors.get(inode, 0)

    def told(self, inode: int) -> int:
        """Return how many errors a descriptor that is opened now need not be told of."""
        return self._told.get(inode, 0)

    def evict(self, inode: int | None) -> None:
        """Drop the clean pages of a file, or of all."""
        for each in list(self._cache.unsaved()):
            if inode in (None, each):
                self._reload(each)

    def sync(self, sync: Sync, told: int | None) -> None:
        """Write a sync down, or let it fail; see `SimDisk.sync`."""
        inode = sync.inode
        known = self.count(inode) if told is None else told
        armed = self._due(sync)
        if armed is not None and armed.machine is None:
            dropped = _uncommitted_metadata(self._log)
            self._log.append(evolve(sync, failed=True, dropped=dropped))
            self.journal_failed = True
            fail(errno.EIO, sync.path)
        dropped = () if armed is None else self._lose(inode, armed)
        late = armed is not None and armed.machine is FsyncFailure.EXT4_DATA_JOURNAL
        if armed is not None and not late:
            self._note(inode)
        failed = _is_of_file(sync.kind) and self.count(inode) > known
        self._log.append(evolve(sync, failed=failed, dropped=dropped))
        if armed is not None and armed.machine is FsyncFailure.BTRFS:
            self._reload(inode)
        if late:
            self._note(inode)
        if failed:
            self._told[inode] = self.count(inode)
            fail(errno.EIO, sync.path)

    def _lose(self, inode: int, armed: _ArmedFailure) -> tuple[int, ...]:
        """Return the ops that will never reach the disk, and remember where the cache is alone."""
        writes = _unsynced_writes(self._log, inode)
        if armed.machine is FsyncFailure.BTRFS:
            return tuple(op.number for op in writes if isinstance(op, Data) or op.extends)
        lost = [
            op
            for op in writes
            if isinstance(op, Data) and (armed.blocks is None or op.block in armed.blocks)
        ]
        node = self._cache.file(inode)
        node.unsaved = (node.unsaved or set()) | {op.block for op in lost}
        return tuple(op.number for op in lost)

    def _reload(self, inode: int) -> None:
        """Let a file show what the disk holds, or will hold once what is pending has come."""
        records = list(self._log)
        lost = {
            number for record in records if isinstance(record, Sync) for number in record.dropped
        }
        ops = [
            record
            for record in records
            if isinstance(record, (Data, Size))
            and record.inode == inode
            and record.number not in lost
        ]
        content = apply(self._cache.image, ops).node(inode)
        assert content is None or isinstance(content, FileContent)
        known = content or FileContent(0, ())
        node = self._cache.file(inode)
        node.size, node.blocks, node.unsaved = known.size, list(known.blocks), None

    def _note(self, inode: int) -> None:
        self._errors[inode] = self.count(inode) + 1

    def _due(self, sync: Sync) -> _ArmedFailure | None:
        """Return the failure that is due at this sync, and forget it."""
        for place, armed in enumerate(self._armed):
            if not armed.matches(sync):
                continue
            if not armed.skip:
                return self._armed.pop(place)
            armed.skip -= 1
        return None


def _is_of_file(kind: SyncKind) -> bool:
    """Whether a sync names a file and writes its pages."""
    return kind in (SyncKind.FILE, SyncKind.DATA, SyncKind.FULL)


def _unsynced_writes(log: OpLog, inode: int) -> list[Data | Size]:
    """Return a file's data and sizes since somebody last asked for its durability."""
    found: list[Data | Size] = []
    for record in log:
        if isinstance(record, (Data, Size)):
            if record.inode == inode:
                found.append(record)
        elif isinstance(record, Sync) and (
            record.kind is SyncKind.EVERYTHING
            or (record.inode == inode and _is_of_file(record.kind))
        ):
            found.clear()
    return found


def _uncommitted_metadata(log: OpLog) -> tuple[int, ...]:
    """Return the numbers of all names, sizes and attributes since everything was last synced."""
    found: list[int] = []
    for record in log:
        if isinstance(record, (Dirent, Size, Attribute)):
            found.append(record.number)
        elif isinstance(record, Sync) and record.kind is SyncKind.EVERYTHING:
            found.clear()
    return tuple(found)
