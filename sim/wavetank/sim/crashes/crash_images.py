"""Which images at a crash point are looked at: every legal one, or a choice where they explode.

Every closed set of pending ops gives an image, and so does each way in which one write among them
can be torn (_tears.py); a set that leaves a block unwritten which its file shows gives one more,
with foreign bytes there. Content of files that lose their names is left out: no program can see it.
Where there are more sets than the budget allows, images are chosen by what a reader looks at
(forking.py), so that they still stand for all. Without a reader, or where even these are too many,
a choice of sets stands in, and the answer says that it is not complete: combinations of ops that
were made alike (representatives.py), then each op alone lost and alone kept.

Where a truncation may have discarded what it cut off, each set is tried once more, without that.

At a point where the op log grew, only the images that hold the newest op are new.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from attrs import frozen

from wavetank.sim.crashes._tears import tears
from wavetank.sim.crashes._unwritten import UnwrittenBlocks
from wavetank.sim.crashes.closed_sets import closed_sets
from wavetank.sim.crashes.forking import Reader, forked_images
from wavetank.sim.crashes.pending import Kept, PendingOps
from wavetank.sim.crashes.representatives import Choice, OpGroups
from wavetank.sim.crashes.tearing import AppendFill, AtomicUnit, Tearing
from wavetank.sim.ops import Data

__all__ = ["CrashImages", "all_images", "newest_images"]

_DEFAULT: Final = Tearing()
_FEWEST_CHOSEN: Final = 4
"""Everything and nothing kept are looked at under any limit, and two sets between."""


@frozen
class CrashImages:
    """The images to look at, at one crash point.

    Attributes:
        images: each once, in a fixed order.
        forked: whether each stands for all images that are equal in what the reader looked at.
        choice: where they are too many: what was chosen from; None else.
    """

    images: tuple[Kept, ...]
    forked: bool = False
    choice: Choice | None = None

    @property
    def complete(self) -> bool:
        """Whether these are all legal images that were asked for, or stand for all."""
        return self.choice is None


def all_images(
    pending: PendingOps, *, limit: int, tearing: Tearing = _DEFAULT, reader: Reader | None = None
) -> CrashImages:
    """Return the images of this point.

    Args:
        pending: what is durable and what is not.
        limit: closed sets that are enumerated at most; of more than these, images are chosen by
            what the reader looks at, and of more than `limit` such images `limit` are chosen.
        tearing: what the device does below a block.
        reader: opens an image and tells what it looked at; None if nobody can.
    """
    return _images(pending, 0, limit, tearing, reader)


def newest_images(
    pending: PendingOps, *, limit: int, tearing: Tearing = _DEFAULT, reader: Reader | None = None
) -> CrashImages:
    """Return the images that the newest op made possible; arguments as for `all_images`."""
    if pending.newest_is_hidden or (pending.nothing_new and not tearing.harms_equal_bytes):
        return CrashImages(())
    return _images(pending, pending.newest_needs, limit, tearing, reader)


def _images(
    pending: PendingOps, holding: int, limit: int, tearing: Tearing, reader: Reader | None
) -> CrashImages:
    # Overwrites that change nothing are kept in every set, unless their tears can be seen.
    always = 0 if tearing.harms_equal_bytes else pending.idle
    sets = closed_sets(pending, holding=holding, always=always, limit=limit, visible_only=True)
    choice: Choice | None = None
    if sets is None and reader is not None:
        forked = forked_images(pending, reader, holding=holding, limit=limit, tearing=tearing)
        if forked is not None:
            return CrashImages(forked, forked=True)
    whole = torn = pending.everything
    if sets is None:
        # As many sets as ops, with each op torn in each, would be too many again.
        torn = pending.newest_needs
        whole = torn if holding else whole
        groups = OpGroups(pending, holding=holding, always=always)
        sets = _chosen(pending, groups, holding, always, limit)
        choice = Choice(points=1, ops=len(pending), groups=len(groups), sets=len(sets))
    sets = _without_parts(sets, _atomic_writes(pending, tearing, always))
    unwritten = pending.unwritten()
    kept = [
        image
        for mask in sets
        for image in _below_blocks(
            pending, mask, unwritten, tearing, torn=whole if mask == pending.everything else torn
        )
    ]
    if pending.may_discard:
        unwritten = pending.unwritten(forgotten=True)
        kept += [image for mask in sets for image in _forgotten(pending, mask, unwritten, tearing)]
    return CrashImages(tuple(kept), choice=choice)


def _forgotten(
    pending: PendingOps, mask: int, unwritten: UnwrittenBlocks, tearing: Tearing
) -> Iterator[Kept]:
    """Yield a set of ops on a disk that has forgotten what was cut off, and with foreign bytes."""
    if not _may_show(unwritten, mask, tearing.append_fill):
        return
    yield pending.kept(mask, forgotten=True)
    if tearing.append_fill is AppendFill.STALE and unwritten.exposed(mask):
        yield pending.kept(mask, stale=True, forgotten=True)


def _below_blocks(
    pending: PendingOps, mask: int, unwritten: UnwrittenBlocks, tearing: Tearing, *, torn: int
) -> Iterator[Kept]:
    """Yield a set of ops as it is, with each way to tear a write, and with foreign bytes.

    Only writes with an op among those of `torn` are torn.
    """
    if not _may_show(unwritten, mask, tearing.append_fill):
        return
    yield pending.kept(mask)
    writes = (
        ops
        for ops in pending.writes_in(mask, idle=tearing.harms_equal_bytes)
        if any(pending.bit(op.number) & torn for op in ops)
    )
    for torn_ops in tears(writes, tearing):
        yield pending.kept(mask, torn_ops)
    if tearing.append_fill is AppendFill.STALE and unwritten.exposed(mask):
        yield pending.kept(mask, stale=True)


def _may_show(unwritten: UnwrittenBlocks, mask: int, fill: AppendFill) -> bool:
    if fill is AppendFill.NEVER:
        return not unwritten.shows_growth_without_data(mask)
    return fill is not AppendFill.ZERO_TAIL or not unwritten.exposed(mask)


def _atomic_writes(pending: PendingOps, tearing: Tearing, always: int) -> list[tuple[int, bool]]:
    """Return each write that is whole or not there: its data as a mask, and whether all is there.

    Of the newest write, blocks may still be to come. Ops that are always kept are in no mask.
    """
    if tearing.atomic_unit is not AtomicUnit.WRITE and not tearing.atomic_write_max_bytes:
        return []
    masks: dict[int, int] = {}
    last: dict[int, Data] = {}
    newest = 0
    for op in pending.ops:
        newest = op.call
        if isinstance(op, Data) and tearing.is_atomic(op.write_bytes):
            own = pending.needs(op.number) & pending.dependents(op.number) & ~always
            masks[op.call] = masks.get(op.call, 0) | own
            last[op.call] = op
    return [(mask, not (call == newest and last[call].continues)) for call, mask in masks.items()]


def _without_parts(sets: list[int], writes: list[tuple[int, bool]]) -> list[int]:
    if not writes:
        return sets
    return [
        kept
        for kept in sets
        if all(not kept & mask or (ended and not mask & ~kept) for mask, ended in writes)
    ]


def _chosen(
    pending: PendingOps, groups: OpGroups, holding: int, always: int, limit: int
) -> list[int]:
    """Return sets to stand for too many: combinations of groups, then single ops, up to a limit.

    There are about as many of the first as of the second, and room is left for the second.
    """
    limit = max(limit, _FEWEST_CHOSEN)
    alone = map(pending.without_hidden, _each_alone(pending, holding, always))
    single = dict.fromkeys(each for each in alone if not holding & ~each)
    most = min(max(len(single), limit // 8), limit - limit // 4)
    return list(islice(dict.fromkeys(chain(groups.sets(most), single)), limit))


def _each_alone(pending: PendingOps, holding: int, always: int) -> Iterator[int]:
    """Yield everything, nothing, and each op alone lost or alone kept, the newest first."""
    everything = pending.everything
    yield holding | always
    yield everything
    for op in reversed(tuple(pending.ops)):
        if not pending.bit(op.number) & holding:
            yield everything & ~pending.dependents(op.number) | always
        yield pending.needs(op.number) | holding | always
