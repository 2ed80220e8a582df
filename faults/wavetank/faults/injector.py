"""Which operations the faults of a plan strike, and how often each has fired.

A `FaultInjector` belongs to one run: it counts matches and fired faults, also across restarts, for
which each process gets a `FaultyFileSystem` of its own with the same injector. Left out: doing what
is struck (faulty_filesystem.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

from attrs import frozen

from wavetank.engine import Lock
from wavetank.faults.damages import FlipBit
from wavetank.faults.failures import Fail, FillUp, Short
from wavetank.faults.fault import Disturbance, Fault, FaultPlan, Struck
from wavetank.faults.operations import OperationKind

__all__ = ["FaultInjector", "InjectorState", "Operation"]

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

    def __str__(self) -> str:
        return " ".join((self.kind.value, *self.paths))


@frozen(kw_only=True)
class InjectorState:
    """All that decides what an injector strikes from now on, fault by fault.

    Two injectors of one plan that stand alike strike alike. What no longer makes a difference is
    left out, so that states that behave alike are equal.

    Attributes:
        matches: operations that matched; no longer counted once that changes nothing.
        has_fired: whether it ever struck.
        written_bytes: bytes taken, towards the limit of a `FillUp`.
    """

    matches: tuple[int, ...]
    has_fired: tuple[bool, ...]
    written_bytes: tuple[int, ...]


class FaultInjector:
    """The faults of one run.

    Args:
        plan: what goes wrong.
        lock: held while counting, from the run's `Runtime`; None where only one thread works.
        since: the state of another injector of this plan, from which to go on; what that one has
            struck is not in `fired`.
        on_count: called after each operation that was looked at.

    Attributes:
        plan: what goes wrong.
        lifted: nothing is struck and nothing counted while it is set.
        damage_only: while it is set, only damage to content strikes; whatever else a fault does
            is neither done nor counted.

    >>> from wavetank.faults import parse_plan
    >>> injector = FaultInjector(parse_plan("stat #2: fail EIO"))
    >>> look = Operation(kind=OperationKind.STAT, paths=("/store",))
    >>> injector.strike(look), str(injector.strike(look))
    (None, 'fail EIO')
    >>> injector.fired()
    {'stat #2: fail EIO': 1}
    """

    def __init__(
        self,
        plan: FaultPlan,
        lock: Lock | None = None,
        *,
        since: InjectorState | None = None,
        on_count: Callable[[], None] | None = None,
    ) -> None:
        self.plan = plan
        self.lifted = False
        self.damage_only = False
        self._lock: AbstractContextManager[object] = nullcontext() if lock is None else lock
        nothing = [0] * len(plan.faults)
        self._matches = list(nothing if since is None else since.matches)
        self._written = list(nothing if since is None else since.written_bytes)
        self._fired_before = tuple(map(bool, nothing)) if since is None else since.has_fired
        self._fired = nothing
        self._on_count = on_count

    @property
    def state(self) -> InjectorState:
        """Where it stands, for an injector that is to go on from here."""
        faults = self.plan.faults
        return InjectorState(
            matches=tuple(map(_settled, faults, self._matches)),
            has_fired=tuple(
                before or count > 0
                for before, count in zip(self._fired_before, self._fired, strict=True)
            ),
            written_bytes=tuple(map(_room_taken, faults, self._written)),
        )

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault has fired, by its line, in the order of the plan."""
        counts: dict[str, int] = {}
        for fault, fired in zip(self.plan.faults, self._fired, strict=True):
            counts[str(fault)] = counts.get(str(fault), 0) + fired
        return counts

    def strike(self, operation: Operation) -> Struck | None:
        """Return what is to go wrong with an operation that begins now; None for nothing."""
        with self._lock:
            try:
                return self._first_strike(operation)
            finally:
                self._tell()

    def disturbances(self, operation: Operation) -> tuple[Disturbance, ...]:
        """Return what is to happen beside an operation that begins now."""
        happening = []
        with self._lock:
            for number, fault in self._standing():
                if isinstance(fault.what, Disturbance) and _matches(fault, operation):
                    self._matches[number] += 1
                    if fault.which.holds(self._matches[number]):
                        self._fired[number] += 1
                        happening.append(fault.what)
            self._tell()
        return tuple(happening)

    def wrote(self, operation: Operation, count: int) -> None:
        """Note that `count` bytes of a write were taken."""
        with self._lock:
            for number, fault in self._standing():
                if isinstance(fault.what, FillUp) and _matches_a_path(fault, operation):
                    self._written[number] += count
            self._tell()

    def shown(self, operation: Operation, data: bytes) -> bytes:
        """Return what a read shows of the bytes that it found."""
        damaged: bytearray | None = None
        with self._lock:
            for number, fault in self._standing():
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
            self._tell()
        return data if damaged is None else bytes(damaged)

    def _standing(self) -> Iterator[tuple[int, Fault]]:
        for number, fault in enumerate(self.plan.faults):
            if not self.lifted and (not self.damage_only or fault.damages):
                yield number, fault

    def _tell(self) -> None:
        if self._on_count is not None and not self.lifted:
            self._on_count()

    def _first_strike(self, operation: Operation) -> Struck | None:
        for number, fault in self._standing():
            if isinstance(fault.what, Struck | FillUp) and _matches(fault, operation):
                strike = self._strike(number, fault, operation)
                if strike is not None:
                    self._fired[number] += 1
                    return strike
        return None

    def _strike(self, number: int, fault: Fault, operation: Operation) -> Struck | None:
        if isinstance(fault.what, FillUp):
            return self._without_room(number, fault.what, fault, operation)
        assert isinstance(fault.what, Struck), "it does not decide how operations end"
        self._matches[number] += 1
        return fault.what if fault.which.holds(self._matches[number]) else None

    def _without_room(
        self, number: int, limit: FillUp, fault: Fault, operation: Operation
    ) -> Struck | None:
        if fault.where.kind is None and operation.kind not in _NEEDS_ROOM:
            return None
        room = limit.written_bytes - self._written[number]
        if operation.kind is OperationKind.WRITE:
            if operation.length <= room:
                return None
            return Short(room) if room > 0 else Fail(error=limit.error)
        return Fail(error=limit.error) if room <= 0 else None


def _settled(fault: Fault, matches: int) -> int:
    """Return a count of matches, or the first one from which on nothing changes any more."""
    which = fault.which
    return min(matches, which.first if which.times is None else which.first + which.times - 1)


def _room_taken(fault: Fault, written_bytes: int) -> int:
    return min(written_bytes, fault.what.written_bytes) if isinstance(fault.what, FillUp) else 0


def _matches(fault: Fault, operation: Operation) -> bool:
    where = fault.where
    if not where.matches_kind(operation.kind) or not _matches_a_path(fault, operation):
        return False
    return where.offset is None or where.offset.overlaps(operation.offset, operation.length)


def _matches_a_path(fault: Fault, operation: Operation) -> bool:
    return any(fault.where.matches_path(path) for path in operation.paths)
