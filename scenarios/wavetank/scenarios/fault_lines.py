"""The faults that a run can judge, from their lines.

Left out: faults after which what is lost is the disk's and not the store's. A flipped bit may
stand where damage and a torn tail cannot be told apart, and a sync that reports its error late has
already said that all is well: neither has a verdict here yet.
"""

from __future__ import annotations

from collections.abc import Iterable

from wavetank.faults import Fail, Failure, Fault, FaultPlan, FlipBit, parse_fault
from wavetank.sim import FsyncFailure

__all__ = ["UnjudgedFaultError", "fault_plan"]


class UnjudgedFaultError(ValueError):
    """A fault that can be injected, but after which a run cannot tell right from wrong."""


def fault_plan(lines: Iterable[str]) -> FaultPlan:
    """Return the plan of some lines; a fault that is said twice is one.

    Raises:
        FaultSyntaxError: a line is no fault.
        UnjudgedFaultError: a run cannot judge what a store makes of it.

    >>> print(fault_plan(["fsync log.dat  #3 : fail EIO xfs"]))
    fsync log.dat #3: fail EIO ext4
    """
    faults = tuple(dict.fromkeys(parse_fault(line) for line in lines))
    for fault in faults:
        reason = _why_unjudged(fault)
        if reason:
            raise UnjudgedFaultError(
                f"fault: expected one that a run can judge but got '{fault}': {reason}"
            )
    return FaultPlan(faults)


def _why_unjudged(fault: Fault) -> str:
    if not isinstance(fault.what, Failure | FlipBit):
        return "runs do not take it up yet"
    if isinstance(fault.what, FlipBit):
        return "what a store may make of damaged content is not judged here yet"
    if isinstance(fault.what, Fail) and fault.what.machine is FsyncFailure.EXT4_DATA_JOURNAL:
        return "its first sync succeeds and writes nothing, so that what is lost is the disk's"
    return ""
