"""Which syncs of a disk are to fail, who has been told of those that did, and what they drop.

The kernel counts write errors per file. Each descriptor remembers the count up to which it has been
told; one that is opened later begins where anybody has been told. Left out: what a failure leaves
(fsync_failure.py says it, disk.py does it).
"""

from __future__ import annotations

from attrs import define

from wavetank.sim.fsync_failure import FsyncFailure
from wavetank.sim.ops import Data, Dirent, OpLog, Size, Sync, SyncKind

__all__ = ["ArmedFailure", "SyncFaults", "is_of_file", "uncommitted_metadata", "unsynced_writes"]


@define
class ArmedFailure:
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

    def matches(self, kind: SyncKind, inode: int, path: str) -> bool:
        if self.machine is not None and not is_of_file(kind):
            return False
        return self.inode in (None, inode) and self.path in (None, path)


class SyncFaults:
    """Which syncs are to fail on a disk, and who has been told of those that did."""

    __slots__ = ("_armed", "_errors", "_told")

    def __init__(self) -> None:
        self._armed: list[ArmedFailure] = []
        self._errors: dict[int, int] = {}
        self._told: dict[int, int] = {}

    def copy(self) -> SyncFaults:
        """Return an equal value with a future of its own."""
        twin = SyncFaults()
        twin._armed = [
            ArmedFailure(each.machine, each.inode, each.path, each.skip, each.blocks)
            for each in self._armed
        ]
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
        self._armed.append(ArmedFailure(machine, inode, path, skip, blocks))

    def take(self, kind: SyncKind, inode: int, path: str) -> ArmedFailure | None:
        """Return the failure that is due at this sync, and forget it."""
        for place, armed in enumerate(self._armed):
            if not armed.matches(kind, inode, path):
                continue
            if not armed.skip:
                return self._armed.pop(place)
            armed.skip -= 1
        return None

    def note(self, inode: int) -> None:
        """Count an error that came while writing a file."""
        self._errors[inode] = self._errors.get(inode, 0) + 1

    def count(self, inode: int) -> int:
        """Return how many errors there have been."""
        return self._errors.get(inode, 0)

    def told(self, inode: int) -> int:
        """Return how many errors a descriptor that is opened now need not be told of."""
        return self._told.get(inode, 0)

    def tell(self, inode: int) -> None:
        """Somebody has been told of all errors so far."""
        self._told[inode] = self.count(inode)


def is_of_file(kind: SyncKind) -> bool:
    """Whether a sync names a file and writes its pages."""
    return kind in (SyncKind.FILE, SyncKind.DATA, SyncKind.FULL)


def unsynced_writes(log: OpLog, inode: int) -> list[Data | Size]:
    """Return a file's data and sizes since somebody last asked for its durability."""
    found: list[Data | Size] = []
    for record in log:
        if isinstance(record, (Data, Size)):
            if record.inode == inode:
                found.append(record)
        elif isinstance(record, Sync) and (
            record.kind is SyncKind.EVERYTHING
            or (record.inode == inode and is_of_file(record.kind))
        ):
            found.clear()
    return found


def uncommitted_metadata(log: OpLog) -> tuple[int, ...]:
    """Return the numbers of all names and sizes since everything was last synced."""
    found: list[int] = []
    for record in log:
        if isinstance(record, (Dirent, Size)):
            found.append(record.number)
        elif isinstance(record, Sync) and record.kind is SyncKind.EVERYTHING:
            found.clear()
    return tuple(found)
