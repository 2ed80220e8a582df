"""Every filesystem operation of a recovery fails once, in every way, and nothing may be lost.

The power is cut at each point of a workload, with the least kept, with the most, and with the
newest write torn: that leaves tails to cut off, snapshots half replaced, prepared logs, and litter.
On each different image a store is opened again and again, each time with a fault at
another operation, until every operation has been struck by every kind. What is asked then:

- the opening raises a `StorageError` that was caused by the fault, or shows what was known;
- it keeps no lock if it fails;
- without the fault the store opens on the same disk, and on what a power cut leaves at the least
  and at the most, shows what was known, and takes an append and a new term, which survive.

Reads and writes that are short are no failure: no opening may fail for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.faults import Fault, FaultInjector, FaultPlan
from wavetank.scenarios.fault_sweep.faulty_run import open_store, what_is_untyped, wrong
from wavetank.scenarios.fault_sweep.operation_faults import (
    OPERATION_FAULTS,
    OperationCounts,
    OperationProblem,
    OperationSweep,
)
from wavetank.scenarios.raft.driving.live_checks import descriptor_problems
from wavetank.scenarios.raft.judging.observation import Observation, observe
from wavetank.scenarios.raft.model import Possible
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.steps import Step, Workload
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import POSIX, DiskImage, PendingOps, SimDisk, Tear, Tearing

__all__ = ["sweep_recoveries"]

_TEARING: Final = Tearing()
_Left: TypeAlias = tuple[bytes, bytes, Observation | None]
"""What a struck recovery has left: at the least, at the most, and what it showed if it opened."""


def sweep_recoveries(
    workload: Workload,
    backend: StoreAdapter,
    faults: Iterable[Fault] = OPERATION_FAULTS,
    *,
    names_cause: bool = True,
) -> OperationSweep:
    """Let each operation fail of each recovery from a power cut in a workload.

    Args:
        workload: what runs until the power goes; it runs once.
        backend: the store; one that is wrong without any fault is reported here, too.
        faults: what goes wrong; which operation they strike first is replaced.
        names_cause: whether the store has promised that its errors name the system's as their
            cause.
    """
    sweep = _Sweep(workload, backend, names_cause=names_cause)
    faults = tuple(faults)
    kinds = {str(fault): OperationCounts() for fault in faults}
    images = 0
    for crashed in _crashes(record(workload, backend)):
        images += 1
        for fault, counts in zip(faults, sweep.strike_each(crashed, faults), strict=True):
            kinds[str(fault)] += counts
    return OperationSweep(kinds=kinds, problems=tuple(sweep.problems), images=images)


@frozen(kw_only=True)
class _Crashed:
    """What a power cut has left.

    Attributes:
        image: the disk.
        step: in which the power went first with this left.
        told: the crash, in words.
        known: what was possible at each moment with this left, each once.
    """

    image: DiskImage
    step: Step
    told: str
    known: tuple[Possible, ...]


def _crashes(recording: Recording) -> Iterator[_Crashed]:
    """Yield each different image once, in the order of the op log."""
    found: dict[bytes, _Crashed] = {}
    pending = PendingOps(recording.image, POSIX)
    for position, taken in enumerate((None, *recording.log)):
        if taken is not None:
            pending.take(taken)
        if not pending.whole:
            continue
        moment = recording.interval_at(position)
        known = moment.knowledge.possible
        for told, image in _kept(pending):
            new = _Crashed(
                image=image,
                step=recording.workload.steps[moment.step],
                told=f"a power cut at record {position} {told}",
                known=(known,),
            )
            before = found.setdefault(image.digest(), new)
            if known not in before.known:
                found[image.digest()] = evolve(before, known=(*before.known, known))
    yield from found.values()


def _kept(pending: PendingOps) -> Iterator[tuple[str, DiskImage]]:
    yield "with the least kept", pending.durable
    yield "with the most kept", pending.full
    writes = pending.writes_in(pending.everything)
    if not writes:
        return
    newest = writes[-1][0]
    left = pending.everything & ~pending.dependents(newest.number)
    yield "with a block of the newest write lost", pending.image(pending.kept(left))
    first, *others = _TEARING.sectors(newest.start, len(newest.content))
    if others:
        torn = (Tear(newest.number, first),)
        yield "with the newest write torn", pending.image(pending.kept(pending.everything, torn))


class _Sweep:
    """The recoveries of one workload, each with one fault."""

    def __init__(self, workload: Workload, backend: StoreAdapter, *, names_cause: bool) -> None:
        self._names_cause = names_cause
        self._workload = workload
        self._backend = backend
        self._recovery = RaftSubject(workload, backend)
        self.problems: list[OperationProblem] = []

    def strike_each(self, crashed: _Crashed, faults: Iterable[Fault]) -> Iterator[OperationCounts]:
        """Recover with each fault at each operation in turn, and judge each; counts by fault."""
        judged: dict[_Left, tuple[str, ...]] = {}
        for fault in faults:
            counts, number = OperationCounts(), 1
            while one := self._strike(crashed, _at(fault, number), judged):
                counts += one
                number += 1
            yield counts

    def _strike(
        self, crashed: _Crashed, fault: Fault, judged: dict[_Left, tuple[str, ...]]
    ) -> OperationCounts | None:
        """Recover with a fault and judge it; None if there was no such operation any more."""
        disk = SimDisk(crashed.image)
        injector = FaultInjector(FaultPlan((fault,)))
        problems: list[str] = []
        shown: Observation | None = None
        try:
            store = open_store(disk, self._workload, self._backend, injector=injector)
            injector.lifted = True
            shown = observe(store)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is judged
            if injector.lifted:
                problems.append(f"opened, it cannot be read: {type(error).__name__}: {error}")
            else:
                problems += filter(
                    None, [what_is_untyped(error, fault, names_cause=self._names_cause)]
                )
        if not any(injector.fired().values()):
            return None
        known = crashed.known
        if shown is not None:
            problems += self._wrong(shown, known)
            known = ((shown.as_model(),),)
        elif not injector.lifted:
            held = descriptor_problems(disk, "after a failed open")
            problems += (f"{each.invariant}: {each.summary}" for each in held)
        pending = PendingOps(crashed.image, POSIX)
        pending.take_all(disk.log)
        left = pending.durable.digest(), pending.full.digest(), shown
        if left not in judged:
            judged[left] = tuple(self._judge(pending, len(disk.log), known))
        problems += judged[left]
        self.problems += (
            OperationProblem(fault, crashed.step, problem, crashed.told) for problem in problems
        )
        refused = int(shown is None)
        return OperationCounts(faults=1, refused=refused, problems=len(problems))

    def _judge(self, left: PendingOps, first: int, known: tuple[Possible, ...]) -> Iterator[str]:
        """Open a store without a fault on what a struck recovery has left, and let it work."""
        for when, image, pending in (
            ("opened again", left.full, left.fork()),
            ("after a power cut", left.durable, PendingOps(left.durable, POSIX)),
        ):
            recovered = self._recovery.recover(image, first=first)
            problems = [f"{each.invariant}: {each.summary}" for each in recovered.problems]
            if recovered.observation is not None:
                problems += self._wrong(recovered.observation, known)
                pending.take_all(recovered.log)
                worked = self._recovery.work(image, recovered, pending)
                problems += [f"{each.invariant}: {each.summary}" for each in worked]
            yield from (f"{when}: {problem}" for problem in dict.fromkeys(problems))

    def _wrong(self, seen: Observation, known: tuple[Possible, ...]) -> Iterator[str]:
        for possible in known:
            yield from wrong(seen, possible, self._workload)


def _at(fault: Fault, number: int) -> Fault:
    return evolve(fault, trigger=evolve(fault.trigger, first=number))
