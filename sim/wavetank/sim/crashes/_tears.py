"""Every way in which one write can be torn, under a `Tearing`.

A write is given as its data ops, one per block, as far as a crash kept them. Up to `TORN_SECTORS`
sectors, all their subsets are tried; beyond, each block is cut in front of and behind each sector
boundary. Left out: two writes torn at once, and what a torn op leaves on the disk (_apply.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final

from wavetank.sim.crashes._apply import Tear
from wavetank.sim.crashes.tearing import AtomicUnit, Tearing, TearShape
from wavetank.sim.ops import Data

__all__ = ["TORN_SECTORS", "tears"]

TORN_SECTORS: Final = 6
"""Sectors of a torn write up to which all their subsets are tried."""

_NEAR: Final = 8
"""Bytes from each end of a write, and from each sector boundary, at which byte cuts are tried."""


def tears(writes: Iterable[tuple[Data, ...]], tearing: Tearing) -> Iterator[tuple[Tear, ...]]:
    """Yield each way in which one of the writes is torn; some may come twice."""
    if not tearing.tears_blocks:
        return
    for ops in writes:
        if tearing.is_atomic(ops[0].write_bytes):
            continue
        touched = [tearing.sectors(op.start, len(op.content)) for op in ops]
        if TearShape.SUBSET in tearing.shapes and sum(map(len, touched)) <= TORN_SECTORS:
            yield from _subsets(ops, touched)
        else:
            yield from _cuts(ops, touched, tearing)
        if tearing.atomic_unit is AtomicUnit.BYTE:
            yield from _byte_cuts(ops, tearing)
        if tearing.makes_garbage:
            yield from _garbage(ops, touched, spills=not tearing.powersafe_overwrite)


def _subsets(ops: tuple[Data, ...], touched: list[tuple[int, ...]]) -> Iterator[tuple[Tear, ...]]:
    # An op of which nothing was written is a lost op, and belongs to another closed set.
    for parts in product(*(_unions(sectors)[1:] for sectors in touched)):
        torn = tuple(
            Tear(op.number, part)
            for op, part, sectors in zip(ops, parts, touched, strict=True)
            if part != sum(sectors)
        )
        if torn:
            yield torn


def _unions(sectors: tuple[int, ...]) -> list[int]:
    unions = [0]
    for sector in sectors:
        unions += [union | sector for union in unions]
    return unions


def _cuts(
    ops: tuple[Data, ...], touched: list[tuple[int, ...]], tearing: Tearing
) -> Iterator[tuple[Tear, ...]]:
    any_shape = TearShape.SUBSET in tearing.shapes
    for op, sectors in zip(ops, touched, strict=True):
        for cut in range(1, len(sectors)):
            if any_shape or TearShape.PREFIX in tearing.shapes:
                yield (Tear(op.number, sum(sectors[:cut])),)
            if any_shape or TearShape.SUFFIX in tearing.shapes:
                yield (Tear(op.number, sum(sectors[cut:])),)


def _byte_cuts(ops: tuple[Data, ...], tearing: Tearing) -> Iterator[tuple[Tear, ...]]:
    any_shape = TearShape.SUBSET in tearing.shapes
    for op in ops:
        everything = sum(tearing.sectors(op.start, len(op.content)))
        end = op.start + len(op.content)
        for cut in _cut_bytes(op, tearing.sector_bytes):
            if any_shape or TearShape.PREFIX in tearing.shapes:
                yield (Tear(op.number, everything, span=(op.start, cut)),)
            if any_shape or TearShape.SUFFIX in tearing.shapes:
                yield (Tear(op.number, everything, span=(cut, end)),)


def _cut_bytes(op: Data, sector_bytes: int) -> Sequence[int]:
    end = op.start + len(op.content)
    edges = [op.start, end, *range(0, end + 1, sector_bytes)]
    near = {edge + step for edge in edges for step in range(-_NEAR, _NEAR + 1)}
    return sorted(cut for cut in near if op.start < cut < end)


def _garbage(
    ops: tuple[Data, ...], touched: list[tuple[int, ...]], *, spills: bool
) -> Iterator[tuple[Tear, ...]]:
    for op, sectors in zip(ops, touched, strict=True):
        for place, sector in enumerate(sectors):
            yield (Tear(op.number, sum(sectors[:place]), garbage=sector, spills=spills),)
