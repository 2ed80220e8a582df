"""Damage by an operation: the disk says that all is well, and does something else.

What a write or a sync has spoilt is spoilt below, for good: a power cut finds it so, and lifting
the faults does not mend it. A read that is spoilt leaves the disk alone. Left out: operations that
report an error (failures.py).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import field, frozen
from attrs.validators import deep_iterable, ge, instance_of, min_len

from wavetank.faults.operations import FaultClass, OperationKind, kinds_of
from wavetank.sim import SECTOR_SIZE

__all__ = ["FlipBit", "LostWrite", "Misdirected", "SyncLie", "TornShape", "TornWrite"]


@frozen
class FlipBit:
    """A read shows one bit as its opposite, each time again.

    Attributes:
        bit: counted from the lowest bit of the byte at `offset`.
        offset: in bytes.

    >>> FlipBit(17, 1000).position, FlipBit(17, 1000).mask
    (1002, 2)
    """

    bit: int = field(validator=[instance_of(int), ge(0)])
    offset: int = field(validator=[instance_of(int), ge(0)])

    @property
    def position(self) -> int:
        """Where the byte is that holds the bit."""
        return self.offset + self.bit // 8

    @property
    def mask(self) -> int:
        """The bit in its byte."""
        return 1 << self.bit % 8

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return kinds_of(FaultClass.READING)

    def __str__(self) -> str:
        return f"flip bit {self.bit} at {self.offset}"


class TornShape(Enum):
    """Which sectors of a torn write land.

    GARBAGE: the first ones, then one that holds neither the old bytes nor the new.
    """

    ONLY = "sectors"
    ALL_BUT = "all but sectors"
    FIRST = "first"
    LAST = "last"
    GARBAGE = "garbage after"


_LISTED: Final = (TornShape.ONLY, TornShape.ALL_BUT)


@frozen
class TornWrite:
    """A write of which only some sectors land; it says that all did.

    A file that grows is as long as it should be, with zeros where nothing landed.

    Attributes:
        shape: which.
        numbers: for ONLY and ALL_BUT the sectors, in order; else one number, how many. Sectors of
            512 bytes are aligned to the start of the file; 0 is the first that the write touches.

    Raises:
        ValueError: the numbers do not fit the shape.

    >>> print(TornWrite(TornShape.ONLY, (0, 2)))
    torn sectors 0,2
    >>> print(TornWrite(TornShape.LAST, (1,)))
    torn last 1 sectors
    """

    shape: TornShape
    numbers: tuple[int, ...] = field(
        validator=[deep_iterable([instance_of(int), ge(0)]), min_len(1)]
    )

    def __attrs_post_init__(self) -> None:
        self._check_numbers()

    def _check_numbers(self) -> None:
        numbers = self.numbers
        if self.shape in _LISTED:
            if list(numbers) != sorted(set(numbers)):
                raise ValueError(f"numbers: expected sectors in order, each once, got {numbers}")
        elif len(numbers) != 1:
            raise ValueError(f"numbers: expected one, how many sectors, but got {numbers}")

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return kinds_of(FaultClass.WRITING)

    def lands(self, sector: int, count: int) -> bool:
        """Whether a sector lands of a write that touches `count`."""
        if self.shape is TornShape.ONLY:
            return sector in self.numbers
        if self.shape is TornShape.ALL_BUT:
            return sector not in self.numbers
        if self.shape is TornShape.LAST:
            return sector >= count - self.numbers[0]
        return sector < self.numbers[0]

    def is_garbage(self, sector: int) -> bool:
        """Whether a sector holds what nobody wrote."""
        return self.shape is TornShape.GARBAGE and sector == self.numbers[0]

    def pieces(self, data: bytes, offset: int) -> tuple[tuple[int, bytes], ...]:
        """Return what lands of `data`, written at `offset`: offsets in the file, and bytes."""
        first, end = offset // SECTOR_SIZE, offset + len(data)
        count = -(-end // SECTOR_SIZE) - first
        landed = []
        for sector in range(count):
            start = max(offset, (first + sector) * SECTOR_SIZE)
            piece = data[start - offset : min(end, (first + sector + 1) * SECTOR_SIZE) - offset]
            if self.is_garbage(sector):
                landed.append((start, bytes(byte ^ 0xA5 for byte in piece)))
            elif self.lands(sector, count):
                landed.append((start, piece))
        return tuple(landed)

    def __str__(self) -> str:
        numbers = ",".join(map(str, self.numbers))
        after = "" if self.shape in _LISTED else " sectors"
        return f"torn {self.shape.value} {numbers}{after}"


@frozen
class LostWrite:
    """A write of which nothing lands; it says that all did. A file that grows shows zeros.

    >>> print(LostWrite())
    lost
    """

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return kinds_of(FaultClass.WRITING)

    def pieces(self, data: bytes, offset: int) -> tuple[tuple[int, bytes], ...]:
        """Return what lands: nothing."""
        del data, offset
        return ()

    def __str__(self) -> str:
        return "lost"


@frozen
class Misdirected:
    """A write lands elsewhere in its file, or a read shows what is elsewhere.

    The place that was meant is as after a lost write. A read shows as many bytes as it should,
    zeros where there are none.

    Attributes:
        offset: where instead, in bytes.

    >>> print(Misdirected(8192))
    misdirected to 8192
    """

    offset: int = field(validator=[instance_of(int), ge(0)])

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return kinds_of(FaultClass.READING, FaultClass.WRITING)

    def pieces(self, data: bytes, offset: int) -> tuple[tuple[int, bytes], ...]:
        """Return what lands of `data`, which was to be written at `offset`."""
        del offset
        return ((self.offset, data),)

    def __str__(self) -> str:
        return f"misdirected to {self.offset}"


@frozen
class SyncLie:
    """A sync of a file or of a directory does nothing, and says that it has.

    >>> print(SyncLie())
    lie
    """

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return kinds_of(FaultClass.SYNCING)

    def __str__(self) -> str:
        return "lie"
