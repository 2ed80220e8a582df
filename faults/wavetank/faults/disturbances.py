"""Disturbances: beside an operation, the cache or the clock does what it may do at any time.

The operation itself goes on as if nothing had been. Left out: doing it (faulty_filesystem.py).
"""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, instance_of

from wavetank.faults.operations import OperationKind

__all__ = ["ClockJump", "Evict", "Stall"]


@frozen
class Evict:
    """Before the operation, the page cache drops its clean pages.

    >>> print(Evict())
    evict
    """

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return None

    def __str__(self) -> str:
        return "evict"


@frozen
class Stall:
    """The operation begins late.

    Attributes:
        duration_ms: by how much, in milliseconds of the run's own time.

    >>> print(Stall(250))
    stall 250 ms
    """

    duration_ms: int = field(validator=[instance_of(int), ge(1)])

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return None

    def __str__(self) -> str:
        return f"stall {self.duration_ms} ms"


@frozen
class ClockJump:
    """Before the operation, the wall clock is set; the monotonic clock goes on.

    Attributes:
        jump_s: by how many seconds, forwards if positive.

    Raises:
        ValueError: by none.

    >>> print(ClockJump(3600), ClockJump(-5), sep="; ")
    clock jumps +3600 s; clock jumps -5 s
    """

    jump_s: int = field(validator=instance_of(int))

    def __attrs_post_init__(self) -> None:
        self._check_jump()

    def _check_jump(self) -> None:
        jump_s = self.jump_s
        if not jump_s:
            raise ValueError(f"jump_s: expected seconds other than 0 but got {jump_s}")

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return None

    def __str__(self) -> str:
        return f"clock jumps {self.jump_s:+} s"
