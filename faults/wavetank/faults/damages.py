"""Describe damage: the disk reports success, and keeps or shows something else than was written.

Damage by an operation (`TornWrite`, `LostWrite`, `Misdirected`, `SyncLie`, `FlipBit`): what a write
or a sync has done wrongly is on the disk below for good, and lifting the faults does not mend it; a
read leaves the disk alone.

Damage at rest (`Unreadable`, `Zeroed`, `Stale`, `Missing`, `Shortened`, `Lengthened`): it begins
with the operation that finds it, and from then on everybody sees it until the bytes are written
again. The disk below keeps the truth: lift the faults, and it shows.

`kinds` of each value names the operations it can apply to.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final, TypeAlias

from attrs import field, frozen
from attrs.validators import deep_iterable, ge, instance_of, min_len

from wavetank.faults.matching import ByteRange
from wavetank.faults.operations import FaultClass, Kinds, OperationKind, kinds_of
from wavetank.sim import SECTOR_SIZE

__all__ = [
    "BlockDamage",
    "Damage",
    "FileDamage",
    "FlipBit",
    "Lengthened",
    "LostWrite",
    "Misdirected",
    "Missing",
    "Shortened",
    "Stale",
    "SyncLie",
    "TornShape",
    "TornWrite",
    "Unreadable",
    "Zeroed",
]

_READS: Final = kinds_of(FaultClass.READING)
_WRITES: Final = kinds_of(FaultClass.WRITING)
_SHOW_LENGTHS: Final = (
    OperationKind.OPEN,
    OperationKind.STAT,
    OperationKind.SIZE,
    OperationKind.READ,
)


@frozen
class FlipBit:
    """Every read shows one bit as its opposite.

    Attributes:
        bit: counted from the lowest bit of the byte at `offset`.
        offset: in bytes.

    >>> FlipBit(17, 1000).position, FlipBit(17, 1000).mask
    (1002, 2)
    """

    kinds: ClassVar[Kinds] = _READS

    bit: int = field(validator=[instance_of(int), ge(0)])
    offset: int = field(validator=[instance_of(int), ge(0)])

    @property
    def position(self) -> int:
        """The offset of the byte that holds the bit."""
        return self.offset + self.bit // 8

    @property
    def mask(self) -> int:
        """The bit in its byte."""
        return 1 << self.bit % 8

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
    """Only some sectors of a write land; it reports that all did.

    A file that grows gets its full length, with zeros where nothing landed.

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

    kinds: ClassVar[Kinds] = _WRITES

    shape: TornShape
    numbers: tuple[int, ...] = field(
        validator=[deep_iterable([instance_of(int), ge(0)]), min_len(1)]
    )

    def __attrs_post_init__(self) -> None:
        numbers = self.numbers
        if self.shape in _LISTED:
            if list(numbers) != sorted(set(numbers)):
                raise ValueError(f"numbers: expected sectors in order, each once, got {numbers}")
        elif len(numbers) != 1:
            raise ValueError(f"numbers: expected one, how many sectors, but got {numbers}")

    def pieces(self, data: bytes, offset: int) -> tuple[tuple[int, bytes], ...]:
        """Return what lands of `data`, written at `offset`: offsets in the file, and bytes."""
        first, end = offset // SECTOR_SIZE, offset + len(data)
        count = -(-end // SECTOR_SIZE) - first
        landed = []
        for sector in range(count):
            start = max(offset, (first + sector) * SECTOR_SIZE)
            piece = data[start - offset : min(end, (first + sector + 1) * SECTOR_SIZE) - offset]
            if self.shape is TornShape.GARBAGE and sector == self.numbers[0]:
                landed.append((start, bytes(byte ^ 0xA5 for byte in piece)))
            elif self._lands(sector, count):
                landed.append((start, piece))
        return tuple(landed)

    def _lands(self, sector: int, count: int) -> bool:
        if self.shape is TornShape.ONLY:
            return sector in self.numbers
        if self.shape is TornShape.ALL_BUT:
            return sector not in self.numbers
        if self.shape is TornShape.LAST:
            return sector >= count - self.numbers[0]
        return sector < self.numbers[0]

    def __str__(self) -> str:
        numbers = ",".join(map(str, self.numbers))
        after = "" if self.shape in _LISTED else " sectors"
        return f"torn {self.shape.value} {numbers}{after}"


@frozen
class LostWrite:
    """Nothing of a write lands; it reports that all did. A file that grows shows zeros.

    >>> print(LostWrite())
    lost
    """

    kinds: ClassVar[Kinds] = _WRITES

    def pieces(self, data: bytes, offset: int) -> tuple[tuple[int, bytes], ...]:
        """Return what lands: nothing."""
        del data, offset
        return ()

    def __str__(self) -> str:
        return "lost"


@frozen
class Misdirected:
    """A write lands elsewhere in its file, or a read shows bytes from elsewhere.

    The intended place is left as by a lost write. A read shows as many bytes as it should, zeros
    where there are none.

    Attributes:
        offset: where instead, in bytes.

    >>> print(Misdirected(8192))
    misdirected to 8192
    """

    kinds: ClassVar[Kinds] = (*_READS, *_WRITES)

    offset: int = field(validator=[instance_of(int), ge(0)])

    def pieces(self, data: bytes, offset: int) -> tuple[tuple[int, bytes], ...]:
        """Return what lands of `data`, intended for `offset`: all of it, elsewhere."""
        del offset
        return ((self.offset, data),)

    def __str__(self) -> str:
        return f"misdirected to {self.offset}"


@frozen
class SyncLie:
    """A sync of a file or of a directory does nothing, and reports success.

    >>> print(SyncLie())
    lie
    """

    kinds: ClassVar[Kinds] = kinds_of(FaultClass.SYNCING)

    def __str__(self) -> str:
        return "lie"


@frozen
class Unreadable:
    """Latent sector errors: reading any of these bytes fails with EIO until they are rewritten.

    Attributes:
        place: the bytes.

    >>> print(Unreadable(ByteRange(4096, 4608)))
    unreadable 4096..4608
    """

    kinds: ClassVar[Kinds] = _READS

    place: ByteRange = field(validator=instance_of(ByteRange))

    def __str__(self) -> str:
        return f"unreadable {self.place}"


@frozen
class Zeroed:
    """These bytes are zeros until they are rewritten.

    Attributes:
        place: the bytes.

    >>> print(Zeroed(ByteRange(0, 4096)))
    zeroed 0..4096
    """

    kinds: ClassVar[Kinds] = _READS

    place: ByteRange = field(validator=instance_of(ByteRange))

    def __str__(self) -> str:
        return f"zeroed {self.place}"


@frozen
class Stale:
    """These bytes are what they were before their last write, until they are rewritten.

    Bytes that the file did not have then were zeros; those of a file that took another's name by a
    rename were the other's. Bytes not written while the plan was in force have no older content.

    Attributes:
        place: the bytes.

    >>> print(Stale(ByteRange(0, 4096)))
    stale 0..4096
    """

    kinds: ClassVar[Kinds] = _READS

    place: ByteRange = field(validator=instance_of(ByteRange))

    def __str__(self) -> str:
        return f"stale {self.place}"


@frozen
class Missing:
    """The name is gone until something is created under it; open descriptors keep the file.

    >>> print(Missing())
    missing
    """

    kinds: ClassVar[tuple[OperationKind, ...]] = (OperationKind.OPEN, OperationKind.STAT)

    def __str__(self) -> str:
        return "missing"


@frozen
class Shortened:
    """The file has lost its end. Later writes go to the shorter file.

    Attributes:
        size_bytes: how long it still is, if it was longer.

    >>> print(Shortened(100), Shortened(0), sep="; ")
    shortened to 100 bytes; emptied
    """

    kinds: ClassVar[tuple[OperationKind, ...]] = _SHOW_LENGTHS

    size_bytes: int = field(validator=[instance_of(int), ge(0)])

    def size_of(self, size_bytes: int) -> int:
        """Return how long a file of `size_bytes` shows itself."""
        return min(size_bytes, self.size_bytes)

    def __str__(self) -> str:
        return f"shortened to {self.size_bytes} bytes" if self.size_bytes else "emptied"


@frozen
class Lengthened:
    """The file has garbage behind its end. Later writes go to the longer file.

    Attributes:
        added_bytes: how much.

    >>> print(Lengthened(100))
    lengthened by 100 bytes
    """

    kinds: ClassVar[tuple[OperationKind, ...]] = _SHOW_LENGTHS

    added_bytes: int = field(validator=[instance_of(int), ge(1)])

    def size_of(self, size_bytes: int) -> int:
        """Return how long a file of `size_bytes` shows itself."""
        return size_bytes + self.added_bytes

    def __str__(self) -> str:
        return f"lengthened by {self.added_bytes} bytes"


BlockDamage: TypeAlias = Unreadable | Zeroed | Stale
"""Bytes of a file are not what was written."""

FileDamage: TypeAlias = Missing | Shortened | Lengthened
"""A file is gone, or not as long as it was written."""

Damage: TypeAlias = (
    FlipBit | TornWrite | LostWrite | Misdirected | SyncLie | BlockDamage | FileDamage
)
"""The disk reports success, and shows or keeps something else than was written."""
