"""Which of the legal images at a crash point are looked at.

For now a fixed catalogue: nothing pending kept, everything kept, each single pending op lost with
all that depends on it, each single one kept with all that it needs, and the newest write torn at
every sector boundary. At a point where the op log grew, only the images that hold the newest op are
new; `newest_images` gives those, `all_images` the whole catalogue.

Left out: the full set of closed subsets; a verdict over this catalogue is not exhaustive.
"""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.sim._apply import SECTOR_SIZE, Tear
from wavetank.sim.ops import BLOCK_SIZE, Data, MicroOp
from wavetank.sim.pending import Kept, PendingOps

__all__ = ["all_images", "newest_images"]


def all_images(pending: PendingOps) -> Iterator[Kept]:
    """Yield the catalogue at this point, each set once, in a fixed order."""
    yield from _distinct(_catalogue(pending, newest=None))


def newest_images(pending: PendingOps) -> Iterator[Kept]:
    """Yield the part of the catalogue that holds the newest op, each set once."""
    newest = None
    for newest in pending.ops:  # noqa: B007 - the last one is wanted
        pass
    if newest is not None:
        yield from _distinct(_catalogue(pending, newest=newest))


def _catalogue(pending: PendingOps, *, newest: MicroOp | None) -> Iterator[Kept]:
    everything = pending.everything
    held = 0 if newest is None else pending.needs(newest.number)
    if newest is None:
        yield pending.kept(0)
    yield pending.kept(everything)
    last_data: Data | None = None
    for op in pending.ops:
        without = everything & ~pending.dependents(op.number)
        if not held & ~without:
            yield pending.kept(without)
        needed = pending.needs(op.number)
        if not held & ~needed:
            yield pending.kept(needed)
        last = op
        if isinstance(op, Data):
            last_data = op
    if last_data is not None and last.call == last_data.call:
        yield from _torn(pending, last_data, everything, held)


def _torn(pending: PendingOps, op: Data, everything: int, held: int) -> Iterator[Kept]:
    """Yield the newest data op cut short and cut open at each sector boundary inside it."""
    first = op.start // SECTOR_SIZE
    last = (op.start + len(op.content) - 1) // SECTOR_SIZE
    whole = everything & ~pending.dependents(op.number) | pending.needs(op.number)
    for mask in (whole, pending.needs(op.number) | held):
        if not pending.can_tear(op, mask) or held & ~mask:
            continue
        for cut in range(first + 1, last + 1):
            prefix = (1 << cut) - (1 << first)
            suffix = (1 << BLOCK_SIZE // SECTOR_SIZE) - (1 << cut)
            yield pending.kept(mask, Tear(op.number, prefix))
            yield pending.kept(mask, Tear(op.number, suffix))


def _distinct(images: Iterator[Kept]) -> Iterator[Kept]:
    seen: set[Kept] = set()
    for kept in images:
        if kept not in seen:
            seen.add(kept)
            yield kept
