"""Which operations the faults of a plan strike, and how often each has fired.

A `FaultInjector` belongs to one run: it counts matches and fired faults, also across restarts, for
which each process gets a `FaultyFileSystem` of its own with the same injector. Left out: doing what
is struck (faulty_filesystem.py), and damage that lies on the disk (_at_rest.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from attrs import field, frozen

from wavetank.engine import FileSystem, Lock
from wavetank.faults._at_rest import DamageAtRest
from wavetank.faults._matching import matches, matches_a_path
from wavetank.faults._tally import Tally
from wavetank.faults.at_rest import AtRest
from wavetank.faults.damages import FlipBit
from wavetank.faults.failures import Fail, FaultErrno, FillUp, OpenLimit, ReadOnly, Short
from wavetank.faults.fault import Disturbance, Fault, FaultPlan, Struck
from wavetank.faults.operation import Operation
from wavetank.faults.operations import FaultClass, OperationKind, kinds_of

__all__ = ["FaultInjector", "InjectorState"]

_NEEDS_ROOM: Final = (
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
    """All that decides what an injector strikes from now on, fault by fault.

    Two injectors of one plan that stand alike strike alike. What no longer makes a difference is
    left out, so that states that behave alike are equal.

    Attributes:
        matches: operations that matched; no longer counted once that changes nothing.
        has_fired: whether it ever struck.
        written_bytes: bytes taken, towards the limit of a `FillUp`.
        at_rest: the damage that lies on the disk.
        seed: of the run, for faults that strike by chance.
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
        seed: of the run, for faults that strike by chance; with `since`, that of the other one.
        since: the state of another injector of this plan, from which to go on; what that one has
            struck is not in `fired`.
        on_count: called after each operation that was looked at.

    Attributes:
        plan: what goes wrong.
        at_rest: the damage that lies on the disk.

    >>> from wavetank.faults import parse_plan
    >>> from wavetank.sim import SimDisk, SimFileSystem
    >>> below = SimFileSystem(SimDisk())
    >>> injector = FaultInjector(parse_plan("stat #2: fail EIO"))
    >>> look = Operation(kind=OperationKind.STAT, paths=("/store",))
    >>> injector.strike(look, below), str(injector.strike(look, below))
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
        nothing = [0] * len(plan.faults)
        self._seed = seed if since is None else since.seed
        self._tally = Tally(plan, seed=self._seed, matches=None if since is None else since.matches)
        self._written = list(nothing if since is None else since.written_bytes)
        self._fired_before = tuple(map(bool, nothing)) if since is None else since.has_fired
        self._on_count = on_count
        self.at_rest = DamageAtRest(
            self._tally,
            AtRest() if since is None else since.at_rest,
            lock=self._lock,
            on_count=self._tell,
        )

    @property
    def lifted(self) -> bool:
        """Whether nothing is struck and nothing counted; the truth is seen, and can be set."""
        return self._tally.lifted

    @lifted.setter
    def lifted(self, lifted: bool) -> None:
        self._tally.lifted = lifted

    @property
    def damage_only(self) -> bool:
        """Whether only damage strikes; whatever else a fault does is neither done nor counted."""
        return self._tally.damage_only

    @damage_only.setter
    def damage_only(self, damage_only: bool) -> None:
        self._tally.damage_only = damage_only

    @property
    def state(self) -> InjectorState:
        """Where it stands, for an injector that is to go on from here."""
        return InjectorState(
            matches=self._tally.settled(),
            has_fired=tuple(
                before or count > 0
                for before, count in zip(self._fired_before, self._tally.fired, strict=True)
            ),
            written_bytes=tuple(map(_room_taken, self.plan.faults, self._written)),
            at_rest=self.at_rest.state,
            seed=self._seed,
        )

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault has fired, by its line, in the order of the plan.

        That is how many operations it has changed; of damage to a file as a whole, how often it
        began.
        """
        counts: dict[str, int] = {}
        for fault, fired in zip(self.plan.faults, self._tally.fired, strict=True):
            counts[str(fault)] = counts.get(str(fault), 0) + fired
        return counts

    def strike(self, operation: Operation, below: FileSystem) -> Struck | None:
        """Return what is to go wrong with an operation that begins now; None for nothing.

        Args:
            operation: what begins.
            below: the filesystem without faults, for conditions.
        """
        with self._lock:
            try:
                return self._first_strike(operation, below)
            finally:
                self._tell()

    def disturbances(self, operation: Operation, below: FileSystem) -> tuple[Disturbance, ...]:
        """Return what is to happen beside an operation that begins now; see `strike`."""
        happening = []
        with self._lock:
            for number, fault in self._tally.standing():
                if (
                    isinstance(fault.what, Disturbance)
                    and matches(fault.where, operation, below)
                    and self._tally.is_struck(number, fault)
                ):
                    self._tally.fired[number] += 1
                    happening.append(fault.what)
            self._tell()
        return tuple(happening)

    def wrote(self, operation: Operation, count: int) -> None:
        """Note that `count` bytes of a write were taken."""
        with self._lock:
            for number, fault in self._tally.standing():
                if isinstance(fault.what, FillUp) and matches_a_path(fault.where, operation):
                    self._written[number] += count
            self._tell()

    def shown(self, operation: Operation, data: bytes, below: FileSystem) -> bytes:
        """Return what a read shows of the bytes that it found: with its bits flipped."""
        damaged: bytearray | None = None
        with self._lock:
            for number, fault in self._tally.standing():
                if not isinstance(fault.what, FlipBit):
                    continue
                place = fault.what.position - operation.offset
                if (
                    0 <= place < len(data)
                    and matches(fault.where, operation, below)
                    and self._tally.is_struck(number, fault)
                ):
                    self._tally.fired[number] += 1
                    damaged = bytearray(data) if damaged is None else damaged
                    damaged[place] ^= fault.what.mask
            self._tell()
        return data if damaged is None else bytes(damaged)

    def _tell(self) -> None:
        if self._on_count is not None and not self.lifted:
            self._on_count()

    def _first_strike(self, operation: Operation, below: FileSystem) -> Struck | None:
        for number, fault in self._tally.standing():
            what = fault.what
            if not isinstance(what, Struck | FillUp | OpenLimit | ReadOnly):
                continue
            if not matches(fault.where, operation, below):
                continue
            strike = self._strike(number, fault, operation)
            if strike is not None:
                self._tally.fired[number] += 1
                return strike
        return None

    def _strike(self, number: int, fault: Fault, operation: Operation) -> Struck | None:
        what = fault.what
        if isinstance(what, FillUp):
            is_named = fault.where.kind is not None
            return _without_room(what, self._written[number], operation, is_named=is_named)
        if isinstance(what, OpenLimit):
            return Fail(error=what.error) if operation.open_files >= what.open_files else None
        if isinstance(what, ReadOnly):
            changes = operation.kind in _CHANGES or operation.writes
            if changes and self._tally.is_struck(number, fault):
                return Fail(error=FaultErrno.EROFS)
            return None
        assert isinstance(what, Struck), "it does not decide how operations end"
        return what if self._tally.is_struck(number, fault) else None


def _without_room(
    limit: FillUp, written_bytes: int, operation: Operation, *, is_named: bool
) -> Struck | None:
    if not is_named and operation.kind not in _NEEDS_ROOM:
        return None
    room = limit.written_bytes - written_bytes
    if operation.kind is OperationKind.WRITE:
        if operation.length <= room:
            return None
        return Short(room) if room > 0 else Fail(error=limit.error)
    return Fail(error=limit.error) if room <= 0 else None


def _room_taken(fault: Fault, written_bytes: int) -> int:
    return min(written_bytes, fault.what.written_bytes) if isinstance(fault.what, FillUp) else 0
