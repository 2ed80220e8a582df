"""What a fault does to the truth: nothing, or the disk lies about content, or a sync lies.

A store is held to other promises after a lie (contract.py).
"""

from __future__ import annotations

from wavetank.faults import (
    Fail,
    Failure,
    Fault,
    FileDamage,
    LostWrite,
    Misdirected,
    Missing,
    OperationKind,
    SyncLie,
    TornWrite,
    Unreadable,
)

__all__ = ["damages", "fails", "fails_late", "hides_content", "lies", "lies_on_disk"]


def fails(fault: Fault) -> bool:
    """Whether operations report that they have not done what they were asked to."""
    return isinstance(fault.what, Failure) and not lies(fault)


def damages(fault: Fault) -> bool:
    """Whether the disk shows other content than was written."""
    return fault.damages and not lies(fault)


def lies_on_disk(fault: Fault) -> bool:
    """Whether it damages content so that the truth may be gone when the fault is lifted.

    What is written to a file that seems to be missing, or of another length, lands in its place.
    """
    if isinstance(fault.what, Misdirected):
        return fault.where.kind is OperationKind.WRITE
    return isinstance(fault.what, TornWrite | LostWrite | FileDamage)


def hides_content(fault: Fault) -> bool:
    """Whether operations fail on what was there: it is gone, or cannot be read."""
    return isinstance(fault.what, Unreadable | Missing)


def fails_late(fault: Fault) -> bool:
    """Whether an operation fails for what an earlier one has not done."""
    return fault.damages and isinstance(fault.what, Fail)


def lies(fault: Fault) -> bool:
    """Whether a sync says that all is durable when it is not."""
    return fault.damages and isinstance(fault.what, SyncLie | Fail)
