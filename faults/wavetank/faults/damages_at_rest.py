"""Damage at rest: what lies on the disk is not what was written, until it is written again.

It begins with an operation that finds it, as `Which` says, lies over the file from then on whoever
looks, and leaves what is below alone: lift the faults, and the truth is seen. Left out: what an
operation spoils as it runs (damages.py), and how it lies over a file (_at_rest.py).
"""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, instance_of

from wavetank.faults.operations import FaultClass, OperationKind, kinds_of
from wavetank.faults.where import ByteRange

__all__ = ["Lengthened", "Missing", "Shortened", "Stale", "Unreadable", "Zeroed"]


@frozen
class Unreadable:
    """Latent sector errors: reading any of these bytes fails with EIO until they are rewritten.

    Attributes:
        place: the bytes.

    >>> print(Unreadable(ByteRange(4096, 4608)))
    unreadable 4096..4608
    """

    place: ByteRange = field(validator=instance_of(ByteRange))

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """The kinds of operation that can find it."""
        return kinds_of(FaultClass.READING)

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

    place: ByteRange = field(validator=instance_of(ByteRange))

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """The kinds of operation that can find it."""
        return kinds_of(FaultClass.READING)

    def __str__(self) -> str:
        return f"zeroed {self.place}"


@frozen
class Stale:
    """These bytes are what they were before they were last written, until they are rewritten.

    Before a file grew so far, its bytes were zeros; those of a file that took another's name by a
    rename were the other's. Bytes that were not written while the plan stood have no older content.

    Attributes:
        place: the bytes.

    >>> print(Stale(ByteRange(0, 4096)))
    stale 0..4096
    """

    place: ByteRange = field(validator=instance_of(ByteRange))

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """The kinds of operation that can find it."""
        return kinds_of(FaultClass.READING)

    def __str__(self) -> str:
        return f"stale {self.place}"


@frozen
class Missing:
    """The name is gone, until something is made under it; who has the file open keeps it.

    >>> print(Missing())
    missing
    """

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """The kinds of operation that can find it."""
        return OperationKind.OPEN, OperationKind.STAT

    def __str__(self) -> str:
        return "missing"


_LOOKS = (OperationKind.OPEN, OperationKind.STAT, OperationKind.SIZE, OperationKind.READ)


@frozen
class Shortened:
    """The file has lost its end. What is then written is written to the shorter file.

    Attributes:
        size_bytes: how long it still is, if it was longer.

    >>> print(Shortened(100), Shortened(0), sep="; ")
    shortened to 100 bytes; emptied
    """

    size_bytes: int = field(validator=[instance_of(int), ge(0)])

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """The kinds of operation that can find it."""
        return _LOOKS

    def size_of(self, size_bytes: int) -> int:
        """Return how long a file is that should be `size_bytes` long."""
        return min(size_bytes, self.size_bytes)

    def __str__(self) -> str:
        return f"shortened to {self.size_bytes} bytes" if self.size_bytes else "emptied"


@frozen
class Lengthened:
    """The file has garbage behind its end. What is then written is written to the longer file.

    Attributes:
        added_bytes: how much.

    >>> print(Lengthened(100))
    lengthened by 100 bytes
    """

    added_bytes: int = field(validator=[instance_of(int), ge(1)])

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """The kinds of operation that can find it."""
        return _LOOKS

    def size_of(self, size_bytes: int) -> int:
        """Return how long a file is that should be `size_bytes` long."""
        return size_bytes + self.added_bytes

    def __str__(self) -> str:
        return f"lengthened by {self.added_bytes} bytes"
