"""`AddedSync`: a sync that is put into an op log, and the places where one can be."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from wavetank.scenarios.exploration.explaining.lost_ops import LostOp
from wavetank.sim import Mark, PendingOps, Record, Sync

__all__ = ["AddedSync", "begins_call", "put_in"]


@frozen(kw_only=True)
class AddedSync:
    """One sync that is put in.

    Attributes:
        stretch: number of the stretch.
        position: of the record before which it comes.
        sync: itself.
        lost: the op that it saves.
        added: how often a sync at such a place would run.
    """

    stretch: int
    position: int
    sync: Sync
    lost: LostOp
    added: int

    @property
    def cost(self) -> tuple[int, bool, int]:
        """What to prefer: few syncs, of what holds the lost op, soon after it."""
        return self.added, self.sync.inode != self.lost.sync.inode, self.position


def put_in(pending: PendingOps, chosen: Sequence[AddedSync], position: int) -> None:
    """Sync what is put in at a position."""
    for each in chosen:
        if each.position == position:
            pending.sync(each.sync)


def begins_call(log: Sequence[Record], position: int) -> bool:
    """Whether a record is the first of its call: nobody can write anything inside a call."""
    record, before = log[position], log[position - 1]
    if isinstance(record, Mark) or isinstance(before, Mark):
        return True
    return record.call != before.call
