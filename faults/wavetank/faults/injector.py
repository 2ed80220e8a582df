"""Decide which operations the faults of a plan fire at, and count how often each has fired.

A `FaultInjector` belongs to one run and counts across restarts: each process gets a
`FaultyFileSystem` of its own with the same injector. Doing what a fault says is in
faulty_filesystem.py, damage at rest in at_rest.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from attrs import field, frozen

from wavetank.engine import FileSystem, Lock
from wavetank.faults.at_rest import AtRest, DamageAtRest
from wavetank.faults.counting import Tally
from wavetank.faults.damages import FlipBit
from wavetank.faults.environment import EnvironmentFault
from wavetank.faults.failures import Fail, FaultErrno, FillUp, OpenLimit, ReadOnly, Short
from wavetank.faults.fault import Fault, FaultPlan, OperationFault
from wavetank.faults.operations import FaultClass, Operation, OperationKind, kinds_of

__all__ = ["FaultInjector", "InjectorState"]

_NEEDS_SPACE: Final = (
    OperationKind.WRITE,
    OperationKind.PREALLOCATE,
    OperationKind.MKDIR,
    OperationKind.LINK,
)
_CHANGES: Final = (
    *kinds_of(FaultClass.WRITING, FaultClass.SYNCING, FaultClass.SIZING),
    *(kind for kind in kinds_of(FaultClass.NAMING) if kind is not OperationKind.OPEN),
)


@frozen(kw_only=True)
class InjectorState:
    """Everything that decides where an injector fires from now on, fault by fault.

    Two injectors of one plan in equal states fire alike. Counts stop where they no longer make a
    difference, so states that behave alike are equal.

    Attributes:
        matches: operations that matched; no longer counted once that changes nothing.
        has_fired: whether the fault ever fired.
        written_bytes: bytes taken, towards the limit of a `FillUp`.
        at_rest: the damage that lies on the disk.
        seed: of the run, for faults that fire by chance.
    """

    matches: tuple[int, ...]
    has_fired: tuple[bool, ...]
    written_bytes: tuple[int, ...]
    at_rest: AtRest = field(factory=AtRest)
    seed: int = 0


class FaultInjector:
    """The faults of one run.

    Args:
        plan: what goes wrong.
        lock: held while counting, from the run's `Runtime`; None where only one thread works.
        seed: of the run, for faults that fire by chance; with `since`, the seed in there counts.
        since: the state of another injector of this plan, to continue from; what that one has fired
            is not in `fired`.
        on_count: called after each operation that was looked at.

    Attributes:
        plan: what goes wrong.
        at_rest: the damage that lies on the disk.

    >>> from wavetank.faults import parse_plan
    >>> from wavetank.sim import SimDisk, SimFileSystem
    >>> below = SimFileSystem(SimDisk())
    >>> injector = FaultInjector(parse_plan("stat #2: fail EIO"))
    >>> stat = Operation(kind=OperationKind.STAT, paths=("/store",))
    >>> injector.operation_fault(stat, below), str(injector.operation_fault(stat, below))
    (None, 'fail EIO')
    >>> injector.fired()
    {'stat #2: fail EIO': 1}
    """

    def __init__(
        self,
        plan: FaultPlan,
        lock: Lock | None = None,
        *,
        seed: int = 0,
        since: InjectorState | None = None,
        on_count: Callable[[], None] | None = None,
    ) -> None:
        self.plan = plan
        self._lock: AbstractContextManager[object] = nullcontext() if lock is None else lock
        count = len(plan.faults)
        self._seed = seed if since is None else since.seed
        self._tally = Tally(plan, seed=self._seed, matches=None if since is None else since.matches)
        self._written = [0] * count if since is None else list(since.written_bytes)
        self._fired_before = (False,) * count if since is None else since.has_fired
        self._on_count = on_count
        self.at_rest = DamageAtRest(
            self._tally,
            AtRest() if since is None else since.at_rest,
            lock=self._lock,
            on_count=self._counted,
        )

    @property
    def lifted(self) -> bool:
        """Whether nothing fires and nothing counts; the truth is visible. Can be set."""
        return self._tally.lifted

    @lifted.setter
    def lifted(self, lifted: bool) -> None:
        self._tally.lifted = lifted

    @property
    def damage_only(self) -> bool:
        """Whether only damage fires; the other faults neither fire nor count. Can be set."""
        return self._tally.damage_only

    @damage_only.setter
    def damage_only(self, damage_only: bool) -> None:
        self._tally.damage_only = damage_only

    @property
    def state(self) -> InjectorState:
        """Where this injector is, for another one that is to continue from here."""
        return InjectorState(
            matches=self._tally.settled(),
            has_fired=tuple(
                before or count > 0
                for before, count in zip(self._fired_before, self._tally.fired, strict=True)
            ),
            written_bytes=tuple(map(_space_taken, self.plan.faults, self._written)),
            at_rest=self.at_rest.state,
            seed=self._seed,
        )

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault has fired, by its line, in the order of the plan.

        That is how many operations it has changed; for damage to a whole file, how often it began.
        """
        counts: dict[str, int] = {}
        for fault, fired in zip(self.plan.faults, self._tally.fired, strict=True):
            counts[str(fault)] = counts.get(str(fault), 0) + fired
        return counts

    def operation_fault(self, operation: Operation, below: FileSystem) -> OperationFault | None:
        """Return what goes wrong with an operation that begins now; None for nothing.

        Args:
            operation: that begins now.
            below: the filesystem without faults, for conditions.
        """
        with self._lock:
            try:
                return self._first_operation_fault(operation, below)
            finally:
                self._counted()

    def environment_faults(
        self, operation: Operation, below: FileSystem
    ) -> tuple[EnvironmentFault, ...]:
        """Return what happens to cache and clock as an operation begins; see `operation_fault`."""
        happening = []
        with self._lock:
            for number, fault in self._tally.in_force():
                if (
                    isinstance(fault.what, EnvironmentFault)
                    and fault.matcher.matches(operation, below)
                    and self._tally.match(number)
                ):
                    self._tally.fired[number] += 1
                    happening.append(fault.what)
            self._counted()
        return tuple(happening)

    def wrote(self, operation: Operation, count: int) -> None:
        """Count `count` bytes that a write has taken."""
        with self._lock:
            for number, fault in self._tally.in_force():
                if isinstance(fault.what, FillUp) and fault.matcher.matches_a_path_of(operation):
                    self._written[number] += count
            self._counted()

    def flip_bits(self, operation: Operation, data: bytes, below: FileSystem) -> bytes:
        """Return the bytes that a read has found with the bits flipped that it shows flipped."""
        flipped: bytearray | None = None
        with self._lock:
            for number, fault in self._tally.in_force():
                if not isinstance(fault.what, FlipBit):
                    continue
                place = fault.what.position - operation.offset
                if (
                    0 <= place < len(data)
                    and fault.matcher.matches(operation, below)
                    and self._tally.match(number)
                ):
                    self._tally.fired[number] += 1
                    flipped = bytearray(data) if flipped is None else flipped
                    flipped[place] ^= fault.what.mask
            self._counted()
        return data if flipped is None else bytes(flipped)

    def _counted(self) -> None:
        if self._on_count is not None and not self.lifted:
            self._on_count()

    def _first_operation_fault(
        self, operation: Operation, below: FileSystem
    ) -> OperationFault | None:
        for number, fault in self._tally.in_force():
            if not isinstance(fault.what, OperationFault | FillUp | OpenLimit | ReadOnly):
                continue
            if not fault.matcher.matches(operation, below):
                continue
            result = self._result(number, fault, operation)
            if result is not None:
                self._tally.fired[number] += 1
                return result
        return None

    def _result(self, number: int, fault: Fault, operation: Operation) -> OperationFault | None:
        """Return how an operation ends that a fault matches; None if the fault does not fire."""
        what = fault.what
        if isinstance(what, FillUp):
            if fault.matcher.kind is None and operation.kind not in _NEEDS_SPACE:
                return None
            return _when_full(what, self._written[number], operation)
        if isinstance(what, OpenLimit):
            return Fail(error=what.error) if operation.open_files >= what.open_files else None
        if isinstance(what, ReadOnly):
            changes = operation.kind in _CHANGES or operation.writes
            if changes and self._tally.match(number):
                return Fail(error=FaultErrno.EROFS)
            return None
        assert isinstance(what, OperationFault), "the caller passes no others"
        return what if self._tally.match(number) else None


def _when_full(limit: FillUp, written_bytes: int, operation: Operation) -> OperationFault | None:
    space = limit.written_bytes - written_bytes
    if operation.kind is OperationKind.WRITE:
        if operation.length <= space:
            return None
        return Short(space) if space > 0 else Fail(error=limit.error)
    return Fail(error=limit.error) if space <= 0 else None


def _space_taken(fault: Fault, written_bytes: int) -> int:
    return min(written_bytes, fault.what.written_bytes) if isinstance(fault.what, FillUp) else 0
