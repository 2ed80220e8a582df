"""The faults of a run, from their lines."""

from __future__ import annotations

from collections.abc import Iterable

from wavetank.faults import FaultPlan, parse_fault

__all__ = ["fault_plan"]


def fault_plan(lines: Iterable[str]) -> FaultPlan:
    """Return the plan of some lines; a fault that is said twice is one.

    Raises:
        FaultSyntaxError: a line is no fault.

    >>> print(fault_plan(["fsync log.dat  #3 : fail EIO xfs"]))
    fsync log.dat #3: fail EIO ext4
    """
    return FaultPlan(tuple(dict.fromkeys(parse_fault(line) for line in lines)))
