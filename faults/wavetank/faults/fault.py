"""Faults and plans of them as values; they print as text.

`str` of a `Fault` is its line, of a `FaultPlan` its lines; syntax.py reads them back. A value that
makes no sense is refused when it is made, so that every value has a line. Left out: doing it
(injector.py).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias

from attrs import Factory, field, frozen

from wavetank.faults.crashes import Crash
from wavetank.faults.damages import FlipBit, LostWrite, Misdirected, SyncLie, TornWrite
from wavetank.faults.damages_at_rest import (
    Lengthened,
    Missing,
    Shortened,
    Stale,
    Unreadable,
    Zeroed,
)
from wavetank.faults.disturbances import ClockJump, Evict, Stall
from wavetank.faults.failures import Fail, FillUp, OpenLimit, ReadOnly, Short
from wavetank.faults.where import Where
from wavetank.faults.which import Which
from wavetank.sim import FsyncFailure

__all__ = [
    "BlockDamage",
    "Damage",
    "Disturbance",
    "Failure",
    "Fault",
    "FaultFamily",
    "FaultPlan",
    "FileDamage",
    "Struck",
    "What",
]

Failure: TypeAlias = Fail | FillUp | OpenLimit | ReadOnly | Short
"""The operation does less than it was asked to, and says so."""

BlockDamage: TypeAlias = Unreadable | Zeroed | Stale
"""Bytes of a file are not what was written."""

FileDamage: TypeAlias = Missing | Shortened | Lengthened
"""A file is gone, or not as long as it was written."""

Damage: TypeAlias = (
    FlipBit | TornWrite | LostWrite | Misdirected | SyncLie | BlockDamage | FileDamage
)
"""The disk says that all is well, and what it shows or keeps is not what was written."""

Disturbance: TypeAlias = Evict | Stall | ClockJump
"""Cache or clock do beside the operation what they may do at any time; it goes on."""


class FaultFamily(Enum):
    """What a fault leaves its judge to ask.

    FAILURE: the operation says that it went wrong. DAMAGE: the disk lies. CRASH: the process ends.
    DISTURBANCE: nothing is wrong but time and the cache.
    """

    FAILURE = "failure"
    DAMAGE = "damage"
    CRASH = "crash"
    DISTURBANCE = "disturbance"


What: TypeAlias = Failure | Damage | Crash | Disturbance
"""What a fault does."""

Struck: TypeAlias = Fail | Short | TornWrite | LostWrite | Misdirected | SyncLie | Crash
"""What decides how an operation ends."""

_LASTING: Final = (FillUp, FlipBit, OpenLimit, ReadOnly)
_LIMITS: Final = (FillUp, OpenLimit)


def _default_which(fault: Fault) -> Which:
    return Which() if fault.takes_which else Which(times=None)


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        where: which operations it looks at.
        what: what it does to them.
        which: which of those that match. Damage to bytes counts only reads that return some of
            them, damage to files only operations on files that it changes, a `ReadOnly` only
            operations that change something. A `FillUp` and an `OpenLimit` have their own measure
            and take no other. These two, a `FlipBit` and a `ReadOnly` last.

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
    which: Which = field(default=Factory(_default_which, takes_self=True))

    def __attrs_post_init__(self) -> None:
        self._check_what()
        self._check_which()

    def _check_what(self) -> None:
        what = self.what
        kinds = [] if what.kinds is None else [kind.value for kind in what.kinds]
        if isinstance(what, FileDamage | ReadOnly):
            kinds.append("any")
        if kinds and self.where.word not in kinds:
            expected = " or ".join(kinds)
            raise ValueError(f"where: expected {expected} for '{what}' but got {self.where.word}")
        if isinstance(what, FlipBit | BlockDamage | FileDamage) and self.where.offset is not None:
            raise ValueError(f"where: expected no offset, for '{what}' has its own place")

    def _check_which(self) -> None:
        which = self.which
        if not self.takes_which and (which.times is not None or which.chance is not None):
            raise ValueError(f"which: expected times=None for '{self.what}', which lasts")
        if isinstance(self.what, _LIMITS) and which.first != 1:
            raise ValueError(f"which: expected first=1 for '{self.what}', got {which.first}")

    @property
    def takes_which(self) -> bool:
        """Whether it can be said how long it goes on; what lasts anyway takes no such words."""
        return not isinstance(self.what, _LASTING)

    @property
    def family(self) -> FaultFamily:
        """What its judge has to ask."""
        if isinstance(self.what, Crash):
            return FaultFamily.CRASH
        if isinstance(self.what, Disturbance):
            return FaultFamily.DISTURBANCE
        return FaultFamily.DAMAGE if self.damages else FaultFamily.FAILURE

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
        lasts = str(self.which) if self.takes_which else ""
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
