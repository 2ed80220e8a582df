"""The pending ops by what they change, so that a sync finds those it covers without asking all."""

from __future__ import annotations

from collections.abc import Iterable

from wavetank.sim.ops import Attribute, Dirent, MicroOp, Size, Sync, SyncKind
from wavetank.sim.profiles.profile import DirentCover, Profile

__all__ = ["PendingIndex", "holder"]

_Ops = dict[int, MicroOp]


def holder(op: MicroOp) -> int:
    """Return the inode that an op changes: a file, or the directory of a name."""
    return op.directory if isinstance(op, Dirent) else op.inode


class PendingIndex:
    """Pending ops by the inodes that syncs name.

    Args:
        profile: what syncs cover.
    """

    __slots__ = ("_attributes", "_by_holder", "_by_subject", "_names", "_ops", "_profile", "_sizes")

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._ops: _Ops = {}
        self._names: _Ops = {}
        self._sizes: _Ops = {}
        self._attributes: _Ops = {}
        self._by_holder: dict[int, _Ops] = {}
        self._by_subject: dict[int, _Ops] = {}

    def copy(self) -> PendingIndex:
        """Return an equal value with a future of its own."""
        twin = PendingIndex(self._profile)
        for op in self._ops.values():
            twin.add(op)
        return twin

    def add(self, op: MicroOp) -> None:
        """Add an op."""
        self._ops[op.number] = op
        self._by_holder.setdefault(holder(op), {})[op.number] = op
        if isinstance(op, Dirent):
            self._names[op.number] = op
            self._by_subject.setdefault(op.subject, {})[op.number] = op
        elif isinstance(op, Size):
            self._sizes[op.number] = op
        elif isinstance(op, Attribute):
            self._attributes[op.number] = op

    def remove(self, op: MicroOp) -> None:
        """Remove an op if it is here."""
        if self._ops.pop(op.number, None) is None:
            return
        _remove(self._by_holder, holder(op), op.number)
        if isinstance(op, Dirent):
            del self._names[op.number]
            _remove(self._by_subject, op.subject, op.number)
        elif isinstance(op, Size):
            del self._sizes[op.number]
        elif isinstance(op, Attribute):
            del self._attributes[op.number]

    def clear(self) -> None:
        """Remove every op."""
        for each in (self._ops, self._names, self._sizes, self._attributes):
            each.clear()
        self._by_holder.clear()
        self._by_subject.clear()

    def covered(self, sync: Sync) -> list[int]:
        """Return the numbers of the ops that a completed sync names; see `Profile.covers`."""
        covers = self._profile.covers
        found: _Ops = {}
        for ops in self._candidates(sync):
            found.update(ops)
        return [number for number, op in found.items() if covers(sync, op)]

    def _candidates(self, sync: Sync) -> Iterable[_Ops]:
        """Yield ops, all that the sync covers among them."""
        profile, nothing = self._profile, _Ops()
        if sync.kind is SyncKind.EVERYTHING:
            yield self._ops
        elif sync.kind is SyncKind.DIRECTORY:
            if profile.fsync_dir_covers is DirentCover.ALL:
                yield self._names
                yield self._attributes
            else:
                yield self._by_holder.get(sync.inode, nothing)
        else:
            yield self._by_holder.get(sync.inode, nothing)
            if profile.fsync_file_covers_sizes:
                yield self._sizes
            if profile.fsync_file_covers is DirentCover.ALL:
                yield self._names
                yield self._attributes
            elif profile.fsync_file_covers is DirentCover.OWN:
                yield self._by_subject.get(sync.inode, nothing)


def _remove(index: dict[int, _Ops], inode: int, number: int) -> None:
    ops = index[inode]
    del ops[number]
    if not ops:
        del index[inode]
