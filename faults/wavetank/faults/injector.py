"""Which operations the faults of a plan strike, and how often each has fired.

A `FaultInjector` belongs to one run: it counts matches and fired faults, also across restarts, for
which each process gets a `FaultyFileSystem` of its own with the same injector. Left out: doing what
is struck (faulty_filesystem.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from attrs import frozen

from wavetank.engine import Lock
from wavetank.faults.fault import Fail, Fault, FaultPlan, FillUp, FlipBit, Short
from wavetank.faults.operations import OperationKind

__all__ = ["FaultInjector", "Operation"]

_NEEDS_ROOM = (
    OperationKind.WRITE,
    OperationKind.PREALLOCATE,
    OperationKind.MKDIR,
    OperationKind.LINK,
)


@frozen(kw_only=True)
class Operation:
    """A call on the filesystem seam.

    Attributes:
        kind: of it.
        paths: the names it is about; of an open file, the one under which it was opened.
        offset: where a read or write begins, in bytes.
        length: bytes that it is asked to move.
    """

    kind: OperationKind
    paths: tuple[str, ...]
    offset: int = 0
    length: int = 0


class FaultInjector:
    """The faults of one run.

    Args:
        plan: what goes wrong.
        lock: held while counting, from the run's `Runtime`; None where only one thread works.

    Attributes:
        plan: what goes wrong.
        lifted: nothing is struck and nothing counted while it is set.

    >>> from wavetank.faults import parse_plan
    >>> injector = FaultInjector(parse_plan("stat #2: fail EIO"))
    >>> look = Operation(kind=OperationKind.STAT, paths=("/store",))
    >>> injector.strike(look), str(injector.strike(look))
    (None, 'fail EIO')
    >>> injector.fired()
    {'stat #2: fail EIO': 1}
    """

    def __init__(self, plan: FaultPlan, lock: Lock | None = None) -> None:
        self.plan = plan
        self.lifted = False
        self._lock: AbstractContextManager[object] = nullcontext() if lock is None else lock
        self._matches = [0] * len(plan.faults)
        self._fired = [0] * len(plan.faults)
        self._written = [0] * len(plan.faults)

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault has fired, by its line, in the order of the plan."""
        counts: dict[str, int] = {}
        for fault, fired in zip(self.plan.faults, self._fired, strict=True):
            counts[str(fault)] = counts.get(str(fault), 0) + fired
        return counts

    def strike(self, operation: Operation) -> Fail | Short | None:
        """Return what is to go wrong with an operation that begins now; None for nothing."""
        with self._lock:
            for number, fault in enumerate(self._standing()):
                if not isinstance(fault.what, FlipBit) and _matches(fault, operation):
                    strike = self._strike(number, fault, operation)
                    if strike is not None:
                        self._fired[number] += 1
                        return strike
            return None

    def failure(self, operation: Operation) -> Fail | None:
        """As `strike`, for an operation that moves no bytes, so that it can only fail."""
        strike = self.strike(operation)
        assert not isinstance(strike, Short), "only reads and writes are short"
        return strike

    def wrote(self, operation: Operation, count: int) -> None:
        """Note that `count` bytes of a write were taken."""
        with self._lock:
            for number, fault in enumerate(self._standing()):
                if isinstance(fault.what, FillUp) and _matches_a_path(fault, operation):
                    self._written[number] += count

    def shown(self, operation: Operation, data: bytes) -> bytes:
        """Return what a read shows of the bytes that it found."""
        damaged: bytearray | None = None
        with self._lock:
            for number, fault in enumerate(self._standing()):
                if not isinstance(fault.what, FlipBit) or not _matches(fault, operation):
                    continue
                place = fault.what.position - operation.offset
                if not 0 <= place < len(data):
                    continue
                self._matches[number] += 1
                if fault.which.holds(self._matches[number]):
                    self._fired[number] += 1
                    damaged = bytearray(data) if damaged is None else damaged
                    damaged[place] ^= fault.what.mask
        return data if damaged is None else bytes(damaged)

    def _standing(self) -> tuple[Fault, ...]:
        return () if self.lifted else self.plan.faults

    def _strike(self, number: int, fault: Fault, operation: Operation) -> Fail | Short | None:
        if isinstance(fault.what, FillUp):
            return self._without_room(number, fault.what, fault, operation)
        assert not isinstance(fault.what, FlipBit), "a flipped bit strikes what a read returns"
        self._matches[number] += 1
        return fault.what if fault.which.holds(self._matches[number]) else None

    def _without_room(
        self, number: int, limit: FillUp, fault: Fault, operation: Operation
    ) -> Fail | Short | None:
        if fault.where.kind is None and operation.kind not in _NEEDS_ROOM:
            return None
        room = limit.written_bytes - self._written[number]
        if operation.kind is OperationKind.WRITE:
            if operation.length <= room:
                return None
            return Short(room) if room > 0 else Fail(error=limit.error)
        return Fail(error=limit.error) if room <= 0 else None


def _matches(fault: Fault, operation: Operation) -> bool:
    where = fault.where
    if not where.matches_kind(operation.kind) or not _matches_a_path(fault, operation):
        return False
    return where.offset is None or where.offset.overlaps(operation.offset, operation.length)


def _matches_a_path(fault: Fault, operation: Operation) -> bool:
    return any(fault.where.matches_path(path) for path in operation.paths)
