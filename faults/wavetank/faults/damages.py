"""Damage: the disk says that all is well, and what it shows or keeps is not what was written.

Left out: operations that report an error (failures.py).
"""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, instance_of

from wavetank.faults.operations import FaultClass, OperationKind, kinds_of

__all__ = ["FlipBit"]


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
