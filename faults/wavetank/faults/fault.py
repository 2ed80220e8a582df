"""Faults and plans of them as values; they print as text.

`str` of a `Fault` is its line, of a `FaultPlan` its lines; syntax.py reads them back. A value that
makes no sense is refused when it is made, so that every value has a line. Left out: doing it
(injector.py).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from attrs import field, frozen

from wavetank.faults.crashes import Crash
from wavetank.faults.damages import FlipBit, LostWrite, Misdirected, SyncLie, TornWrite
from wavetank.faults.disturbances import ClockJump, Evict, Stall
from wavetank.faults.failures import Fail, FillUp, Short
from wavetank.faults.where import Where
from wavetank.faults.which import Which
from wavetank.sim import FsyncFailure

__all__ = ["Damage", "Disturbance", "Failure", "Fault", "FaultPlan", "Struck", "What"]

Failure: TypeAlias = Fail | FillUp | Short
"""The operation does less than it was asked to, and says so."""

Damage: TypeAlias = FlipBit | TornWrite | LostWrite | Misdirected | SyncLie
"""The disk says that all is well, and what it shows or keeps is not what was written."""

Disturbance: TypeAlias = Evict | Stall | ClockJump
"""Cache or clock do beside the operation what they may do at any time; it goes on."""

What: TypeAlias = Failure | Damage | Crash | Disturbance
"""What a fault does."""

Struck: TypeAlias = Fail | Short | TornWrite | LostWrite | Misdirected | SyncLie | Crash
"""What decides how an operation ends."""

_LASTING: Final = (FillUp, FlipBit)


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        where: which operations it looks at.
        what: what it does to them.
        which: which of those that match; a `FlipBit` counts only reads that return its byte. A
            `FillUp` has its own measure and takes no other; it and a `FlipBit` last.

    Raises:
        ValueError: these do not go together.

    >>> from wavetank.faults import Fail, FaultErrno, OperationKind
    >>> from wavetank.sim import FsyncFailure
    >>> print(
    ...     Fault(
    ...         where=Where(kind=OperationKind.FSYNC, path="log.dat"),
    ...         what=Fail(error=FaultErrno.EIO, machine=FsyncFailure.EXT4),
    ...         which=Which(first=3),
    ...     )
    ... )
    fsync log.dat #3: fail EIO ext4
    """

    where: Where
    what: What = field()
    which: Which = field()

    @which.default
    def _default_which(self) -> Which:
        return Which(times=None) if isinstance(self.what, _LASTING) else Which()

    @what.validator
    def _check_what(self, _: object, what: What) -> None:
        kinds = what.kinds
        if kinds is not None and self.where.kind not in kinds:
            expected = " or ".join(kind.value for kind in kinds)
            raise ValueError(f"where: expected {expected} for '{what}' but got {self.where.word}")
        if isinstance(what, FlipBit) and self.where.offset is not None:
            raise ValueError("where: expected no offset beside that of the bit")

    @which.validator
    def _check_which(self, _: object, which: Which) -> None:
        if isinstance(self.what, _LASTING) and which.times is not None:
            raise ValueError(f"which: expected times=None for '{self.what}', which lasts")
        if isinstance(self.what, FillUp) and which.first != 1:
            raise ValueError(f"which: expected first=1 for '{self.what}', got {which.first}")

    @property
    def damages(self) -> bool:
        """Whether the disk lies: content or durability is not what was reported.

        So does a sync that reports its error only to the next.
        """
        if isinstance(self.what, Fail):
            return self.what.machine is FsyncFailure.EXT4_DATA_JOURNAL
        return isinstance(self.what, Damage)

    def __str__(self) -> str:
        number = "" if self.which.first == 1 else f" #{self.which.first}"
        lasts = "" if isinstance(self.what, _LASTING) else str(self.which)
        return f"{self.where}{number}: {self.what}{lasts}"


@frozen
class FaultPlan:
    """Faults in order; `str` gives one line for each.

    Attributes:
        faults: an operation that one of them strikes is not seen by those behind it.
    """

    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))
