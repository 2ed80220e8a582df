"""Combine matcher, effect and trigger into a `Fault`, and faults into a `FaultPlan`.

`str` of a `Fault` is its line, of a `FaultPlan` its lines; language.py reads them back. A value
that makes no sense is refused when it is made, so every value has a line.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias

from attrs import Factory, field, frozen

from wavetank.faults.damages import (
    BlockDamage,
    Damage,
    FileDamage,
    FlipBit,
    LostWrite,
    Misdirected,
    Missing,
    SyncLie,
    TornWrite,
    Unreadable,
)
from wavetank.faults.environment import Crash, EnvironmentFault
from wavetank.faults.failures import Fail, Failure, FillUp, OpenLimit, ReadOnly, Short
from wavetank.faults.matching import OperationMatcher, Trigger
from wavetank.faults.operations import OperationKind
from wavetank.sim import FsyncFailure

__all__ = ["Fault", "FaultFamily", "FaultPlan", "OperationFault", "What"]


class FaultFamily(Enum):
    """What a store has to cope with.

    FAILURE: the operation reports that it went wrong. DAMAGE: the disk lies. CRASH: the process
    ends. ENVIRONMENT: cache or clock change, and nothing is wrong.
    """

    FAILURE = "failure"
    DAMAGE = "damage"
    CRASH = "crash"
    ENVIRONMENT = "environment"


What: TypeAlias = Failure | Damage | Crash | EnvironmentFault
"""What a fault does."""

OperationFault: TypeAlias = Fail | Short | TornWrite | LostWrite | Misdirected | SyncLie | Crash
"""What decides how one operation ends."""

_LIMITS: Final = (FillUp, OpenLimit)
_LASTING: Final = (*_LIMITS, FlipBit, ReadOnly)


def _default_trigger(fault: Fault) -> Trigger:
    return Trigger() if fault.takes_trigger else Trigger(times=None)


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        matcher: which operations it looks at.
        what: what it does to them.
        trigger: which of those that match it fires at. Damage to bytes counts only reads that
            return some of them, damage to files only operations on files that it changes, a
            `ReadOnly` only operations that change something. A `FillUp` and an `OpenLimit` have a
            measure of their own and take no other. These two, a `FlipBit` and a `ReadOnly` never
            end.

    Raises:
        ValueError: these do not go together.

    >>> from wavetank.faults import Fail, FaultErrno, OperationKind
    >>> from wavetank.sim import FsyncFailure
    >>> print(
    ...     Fault(
    ...         matcher=OperationMatcher(kind=OperationKind.FSYNC, path="log.dat"),
    ...         what=Fail(error=FaultErrno.EIO, machine=FsyncFailure.EXT4),
    ...         trigger=Trigger(first=3),
    ...     )
    ... )
    fsync log.dat #3: fail EIO ext4
    """

    matcher: OperationMatcher
    what: What
    trigger: Trigger = field(default=Factory(_default_trigger, takes_self=True))

    def __attrs_post_init__(self) -> None:
        self._check_matcher()
        self._check_trigger()

    def _check_matcher(self) -> None:
        what = self.what
        kinds = [] if what.kinds is None else [kind.value for kind in what.kinds]
        if isinstance(what, FileDamage | ReadOnly):
            kinds.append("any")
        if kinds and self.matcher.word not in kinds:
            expected = " or ".join(kinds)
            raise ValueError(f"kind: expected {expected} for '{what}' but got {self.matcher.word}")
        offset = self.matcher.offset
        if offset is not None and isinstance(what, FlipBit | BlockDamage | FileDamage):
            raise ValueError(
                f"offset: expected none for '{what}', which says where, but got {offset}"
            )

    def _check_trigger(self) -> None:
        what, trigger = self.what, self.trigger
        if not self.takes_trigger and (trigger.times is not None or trigger.chance is not None):
            raise ValueError(f"times: expected None for '{what}', which never ends")
        if isinstance(what, _LIMITS) and trigger.first != 1:
            raise ValueError(f"first: expected 1 for '{what}' but got {trigger.first}")

    @property
    def takes_trigger(self) -> bool:
        """Whether a line may say how often it fires; what never ends takes no such words."""
        return not isinstance(self.what, _LASTING)

    @property
    def family(self) -> FaultFamily:
        """What a store has to cope with."""
        if isinstance(self.what, Crash):
            return FaultFamily.CRASH
        if isinstance(self.what, EnvironmentFault):
            return FaultFamily.ENVIRONMENT
        return FaultFamily.DAMAGE if self.damages else FaultFamily.FAILURE

    @property
    def damages(self) -> bool:
        """Whether the disk lies: content or durability is not what was reported.

        A sync that leaves its error to the next one lies, too.
        """
        if isinstance(self.what, Fail):
            return self.what.machine is FsyncFailure.EXT4_DATA_JOURNAL
        return isinstance(self.what, Damage)

    @property
    def fails(self) -> bool:
        """Whether operations report that they have not done what they were asked to."""
        return isinstance(self.what, Failure) and not self.is_lying_sync

    @property
    def is_lying_sync(self) -> bool:
        """Whether a sync reports that everything is durable when it is not."""
        return self.damages and isinstance(self.what, SyncLie | Fail)

    @property
    def damages_content(self) -> bool:
        """Whether the disk shows other content than was written."""
        return self.damages and not self.is_lying_sync

    @property
    def damages_for_good(self) -> bool:
        """Whether the true content may be gone when the fault is lifted.

        What is written to a file that seems to be missing, or of another length, replaces it.
        """
        if isinstance(self.what, Misdirected):
            return self.matcher.kind is OperationKind.WRITE
        return isinstance(self.what, TornWrite | LostWrite | FileDamage)

    @property
    def hides_content(self) -> bool:
        """Whether operations fail for content that is there: it seems gone or unreadable."""
        return isinstance(self.what, Unreadable | Missing)

    @property
    def fails_late(self) -> bool:
        """Whether an operation fails for what an earlier one has not done."""
        return self.damages and isinstance(self.what, Fail)

    def __str__(self) -> str:
        number = "" if self.trigger.first == 1 else f" #{self.trigger.first}"
        how_long = str(self.trigger) if self.takes_trigger else ""
        return f"{self.matcher}{number}: {self.what}{how_long}"


@frozen
class FaultPlan:
    """Faults in order; `str` gives one line for each.

    Attributes:
        faults: one that decides how an operation ends hides the operation from those behind it.
    """

    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))
