"""Which images at a crash point are looked at: every legal one, or a catalogue where they explode.

Every closed set of pending ops gives an image, and so does each way in which one write among them
can be torn: all subsets of its sectors up to `TORN_SECTORS`, beyond that its front and its back cut
at each sector boundary. Content of files that lose their names is left out: no program can see it.
Where there are more sets than the budget allows, a fixed catalogue stands in, and the answer says
that it is not complete.

At a point where the op log grew, only the images that hold the newest op are new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from attrs import frozen

from wavetank.sim._apply import Tear
from wavetank.sim.tearing import SECTOR_SIZE
from wavetank.sim.closed_sets import closed_sets
from wavetank.sim.ops import BLOCK_SIZE, Data
from wavetank.sim.pending import Kept, PendingOps

__all__ = ["TORN_SECTORS", "CrashImages", "all_images", "newest_images"]

TORN_SECTORS: Final = 6
"""Sectors of a torn write up to which all their subsets are tried."""

_ALL_SECTORS: Final = (1 << BLOCK_SIZE // SECTOR_SIZE) - 1


@frozen
class CrashImages:
    """The images to look at, at one crash point.

    Attributes:
        images: each once, in a fixed order.
        complete: whether these are all legal images (that hold the newest op, if so asked).
    """

    images: tuple[Kept, ...]
    complete: bool


def all_images(pending: PendingOps, *, limit: int) -> CrashImages:
    """Return the images of this point.

    Args:
        pending: what is durable and what is not.
        limit: more closed sets than this, and a catalogue stands in for them.
    """
    return _images(pending, 0, limit)


def newest_images(pending: PendingOps, *, limit: int) -> CrashImages:
    """Return the images that the newest op made possible; arguments as for `all_images`."""
    return _images(pending, pending.newest_needs, limit)


def _images(pending: PendingOps, holding: int, limit: int) -> CrashImages:
    sets = closed_sets(pending, holding=holding, limit=limit, visible_only=True)
    complete = sets is not None
    if sets is None:
        sets = _catalogue(pending, holding)
    kept = (image for mask in sets for image in _with_tears(pending, mask))
    return CrashImages(tuple(kept), complete)


def _catalogue(pending: PendingOps, holding: int) -> list[int]:
    """Return everything, nothing, and each op alone lost or alone kept, as far as legal."""
    everything = pending.everything
    masks = [holding, everything]
    for op in pending.ops:
        masks.append(everything & ~pending.dependents(op.number))
        masks.append(pending.needs(op.number) | holding)
    return [mask for mask in dict.fromkeys(masks) if not holding & ~mask]


def _with_tears(pending: PendingOps, mask: int) -> Iterator[Kept]:
    yield pending.kept(mask)
    for tears in _tears(pending.writes_in(mask)):
        yield pending.kept(mask, tears)


def _tears(writes: Iterable[tuple[Data, ...]]) -> Iterator[tuple[Tear, ...]]:
    """Yield each way in which one of the writes is torn; each is given as its data ops."""
    for ops in writes:
        touched = [_sectors_of(op) for op in ops]
        count = sum(sectors.bit_count() for sectors in touched)
        if count <= TORN_SECTORS:
            yield from _every_subset(ops, touched)
        else:
            yield from _cuts(ops, touched)


def _every_subset(ops: tuple[Data, ...], touched: list[int]) -> Iterator[tuple[Tear, ...]]:
    # An op of which nothing was written is a lost op, and belongs to another closed set.
    choices = [[part for part in range(1, full + 1) if part & ~full == 0] for full in touched]
    for parts in product(*choices):
        torn = tuple(
            Tear(op.number, part)
            for op, part, full in zip(ops, parts, touched, strict=True)
            if part != full
        )
        if torn:
            yield torn


def _cuts(ops: tuple[Data, ...], touched: list[int]) -> Iterator[tuple[Tear, ...]]:
    for op, full in zip(ops, touched, strict=True):
        for cut in range(1, BLOCK_SIZE // SECTOR_SIZE):
            front = full & ((1 << cut) - 1)
            back = full & ~((1 << cut) - 1) & _ALL_SECTORS
            if front and back:
                yield (Tear(op.number, front),)
                yield (Tear(op.number, back),)


def _sectors_of(op: Data) -> int:
    first = op.start // SECTOR_SIZE
    last = (op.start + len(op.content) - 1) // SECTOR_SIZE
    return (1 << last + 1) - (1 << first)
