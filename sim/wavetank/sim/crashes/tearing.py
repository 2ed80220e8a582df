"""What a device may do below a block: how a write is torn, and what unwritten bytes show.

A `Tearing` is data beside the profile: a profile says which blocks and sizes a crash may keep, a
tearing says what a block looks like that was being written when the power went, and what stands in
a block that belongs to a file and was never written. Sectors are aligned to the start of the file,
never to the start of a write. Left out: how the images are made (_tears.py, _apply.py).

Source: the device characteristics of SQLite's VFS: powersafe overwrite, safe append, atomic write.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import Attribute, field, frozen
from attrs.validators import instance_of

from wavetank.sim.ops import BLOCK_SIZE

__all__ = ["SECTOR_SIZE", "AppendFill", "AtomicUnit", "TearShape", "Tearing"]

SECTOR_SIZE: Final = 512
"""Bytes in the smallest sector; larger ones are whole multiples of it."""


class AtomicUnit(Enum):
    """What a device writes whole or not at all."""

    BYTE = "byte"
    SECTOR = "sector"
    BLOCK = "block"
    WRITE = "whole write"


class TearShape(Enum):
    """What may be left of a block that was torn; which blocks are there is the profile's business.

    PREFIX: its first sectors. SUFFIX: its last. SUBSET: any of them. GARBAGE: its first (or none),
    then one sector that holds neither the old bytes nor the new.
    """

    PREFIX = "prefix"
    SUFFIX = "suffix"
    SUBSET = "subset"
    GARBAGE = "garbage"


class AppendFill(Enum):
    """What a file that has grown may show where its new bytes were lost.

    NEVER: it has not grown then. ZERO_TAIL: zeros, but only in a block that was written before.
    ZEROS: zeros. STALE: zeros, or what somebody else once wrote to that block.
    """

    NEVER = "never"
    ZERO_TAIL = "zero tail"
    ZEROS = "zeros"
    STALE = "stale"


def _is_sector_size(_: object, attribute: Attribute[int], value: int) -> None:
    sizes = [SECTOR_SIZE << shift for shift in range(4)]
    if value not in sizes:
        raise ValueError(f"{attribute.name}: expected one of {sizes} but got {value!r}")


def _is_not_negative(_: object, attribute: Attribute[int], value: int) -> None:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{attribute.name}: expected bytes >= 0 but got {value!r}")


def _are_shapes(_: object, attribute: Attribute[frozenset[TearShape]], value: object) -> None:
    if not isinstance(value, frozenset) or not all(isinstance(each, TearShape) for each in value):
        raise ValueError(f"{attribute.name}: expected a frozenset of TearShape but got {value!r}")


@frozen(kw_only=True)
class Tearing:
    """A device's promises about writes that a power cut interrupts.

    Attributes:
        sector_bytes: bytes in a sector: 512, 1024, 2048 or 4096.
        atomic_unit: what is written whole or not at all.
        shapes: what may be left of a torn block.
        powersafe_overwrite: bytes that a write does not touch are never harmed, and garbage stands
            only where old and new bytes differ; if off, a torn sector may be garbage as a whole,
            even if the write has changed no byte of it.
        append_fill: what a grown file shows where its bytes were lost.
        atomic_write_max_bytes: writes of at most so many bytes are never torn, across blocks
            neither.

    Raises:
        ValueError: a field that is none of these.

    >>> Tearing(atomic_unit=AtomicUnit.BLOCK).tears_blocks
    False
    """

    sector_bytes: int = field(default=SECTOR_SIZE, validator=_is_sector_size)
    atomic_unit: AtomicUnit = field(default=AtomicUnit.SECTOR, validator=instance_of(AtomicUnit))
    shapes: frozenset[TearShape] = field(default=frozenset(TearShape), validator=_are_shapes)
    powersafe_overwrite: bool = field(default=True, validator=instance_of(bool))
    append_fill: AppendFill = field(default=AppendFill.STALE, validator=instance_of(AppendFill))
    atomic_write_max_bytes: int = field(default=0, validator=_is_not_negative)

    @property
    def tears_blocks(self) -> bool:
        """Whether a block can be written in part."""
        return self.atomic_unit in (AtomicUnit.BYTE, AtomicUnit.SECTOR)

    @property
    def makes_garbage(self) -> bool:
        """Whether a torn sector can hold what nobody wrote."""
        return TearShape.GARBAGE in self.shapes or not self.powersafe_overwrite

    @property
    def harms_equal_bytes(self) -> bool:
        """Whether a torn write can destroy bytes that it does not change."""
        return self.tears_blocks and not self.powersafe_overwrite

    def is_atomic(self, write_bytes: int) -> bool:
        """Whether a write of so many bytes reaches the disk whole or not at all."""
        if not write_bytes:
            return False
        return self.atomic_unit is AtomicUnit.WRITE or write_bytes <= self.atomic_write_max_bytes

    def sectors(self, start: int, length: int) -> tuple[int, ...]:
        """Return the sectors that bytes of one block touch, each as a mask of 512-byte sectors."""
        step = self.sector_bytes // SECTOR_SIZE
        first, last = start // self.sector_bytes, (start + length - 1) // self.sector_bytes
        assert (last + 1) * self.sector_bytes <= BLOCK_SIZE
        return tuple(((1 << step) - 1) << sector * step for sector in range(first, last + 1))
