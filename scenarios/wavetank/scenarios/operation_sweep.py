"""Every filesystem operation of a workload fails once, in every way, and the store must cope.

For each kind of fault and each operation, the workload runs on a new disk until a call fails. What
is asked then:

- the call, and the next one if it fails too, raise a `StorageError` that was caused by the fault;
- the store shows what was acknowledged, with or without the failed call: reopened on the same disk
  once the fault is lifted, and reopened after a power cut; as it runs on, in each of its parts;
- reopened, it takes an append and a new term, which survive a power cut.

Reads and writes that are short are no failure: no call may fail for them. Left out: failed syncs
that leave page cache and disk apart, damage, and several faults at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import LogEntry, PersistentState
from wavetank.faults import Fault, Which, parse_fault
from wavetank.scenarios._faulty_run import FaultyRun, call, open_store, wrong
from wavetank.scenarios.backend import Backend
from wavetank.scenarios.model import Possible, acknowledge
from wavetank.scenarios.observation import Observation, check_points, observe
from wavetank.scenarios.steps import Append, KillProcess, Reopen, SaveState, Step, Workload
from wavetank.sim import POSIX, DiskImage, PendingOps, SimDisk

__all__ = [
    "OPERATION_FAULTS",
    "OperationProblem",
    "OperationSweep",
    "shorten",
    "sweep_operations",
]

OPERATION_FAULTS: Final = tuple(
    parse_fault(f"{line}{howlong}")
    for line in (
        "any: fail EIO",
        "any: fail EIO after effect",
        "any: fail ENOSPC",
        "any: fail ENOSPC after effect",
        "open: fail EMFILE",
        "write: fail EIO after 7 bytes",
        "write: fail ENOSPC after 7 bytes",
        "write: short 7 bytes",
        "read: short 7 bytes",
    )
    for howlong in ("", " from now on")
)
"""What goes wrong with each operation in turn; from it on, too."""


@frozen
class OperationProblem:
    """What was wrong after a fault.

    Attributes:
        fault: with the number of the operation that it struck.
        step: of the workload, in which it first showed itself.
        problem: one sentence.
    """

    fault: Fault
    step: Step
    problem: str

    def __str__(self) -> str:
        return f"'{self.fault}' in '{self.step}': {self.problem}"


@frozen(kw_only=True)
class OperationSweep:
    """What came of a sweep.

    Attributes:
        faults: how many were injected, one a run.
        refused: in how many of those runs a call failed for it.
        problems: what was wrong.
    """

    faults: int
    refused: int
    problems: tuple[OperationProblem, ...]


def shorten(workload: Workload, backend: Backend, operations: int = 150) -> Workload:
    """Return the first steps of a workload, as many as need no more filesystem operations.

    Args:
        workload: a longer one.
        backend: the store on which they are counted.
        operations: how many there may be.

    Raises:
        ValueError: opening the store takes more.
    """
    fault = evolve(parse_fault("any: fail EIO"), which=Which(first=operations + 1))
    run = FaultyRun(workload, backend, fault)
    taken = 0
    for step in workload.steps:
        run.take(step)
        if run.has_fired:
            break
        taken += 1
    if not taken:
        raise ValueError(
            f"operations: expected enough for opening the store but got {operations}; ask for more"
        )
    return evolve(workload, steps=workload.steps[:taken])


def sweep_operations(
    workload: Workload,
    backend: Backend,
    faults: Iterable[Fault] = OPERATION_FAULTS,
    *,
    names_cause: bool = True,
) -> OperationSweep:
    """Let each operation of a workload fail, and of a recovery and a clean restart after it.

    Args:
        workload: a short one; the work grows with the square of its operations.
        backend: the store.
        faults: what goes wrong; which operation they strike first is replaced.
        names_cause: whether the store has promised that its errors name the system's as their
            cause.
    """
    workload = evolve(workload, steps=(*workload.steps, KillProcess(), Reopen()))
    sweep = _Sweep(workload, backend, names_cause=names_cause)
    for fault in faults:
        number = 1
        while sweep.strike(evolve(fault, which=evolve(fault.which, first=number))):
            number += 1
    return OperationSweep(
        faults=sweep.faults, refused=sweep.refused, problems=tuple(sweep.problems)
    )


class _Sweep:
    """The runs of one workload, each with one fault."""

    def __init__(self, workload: Workload, backend: Backend, *, names_cause: bool) -> None:
        self._names_cause = names_cause
        self._workload = workload
        self._backend = backend
        self._cuts: dict[tuple[DiskImage, Possible], tuple[str, ...]] = {}
        self.faults = 0
        self.refused = 0
        self.problems: list[OperationProblem] = []

    def strike(self, fault: Fault) -> bool:
        """Run with a fault and judge it; False if there was no such operation any more."""
        run = FaultyRun(self._workload, self._backend, fault, names_cause=self._names_cause)
        at = self._workload.steps[-1]
        for step in self._workload.steps:
            if not run.take(step):
                at = step
                break
        if not run.has_fired and not run.problems:
            return False
        self.faults += 1
        self.refused += run.refused
        self.problems += (OperationProblem(fault, at, text) for text in self._judge(run))
        return True

    def _judge(self, run: FaultyRun) -> Iterator[str]:
        run.go_on()
        yield from run.problems
        pending = PendingOps(run.disk.image, POSIX)
        pending.take_all(run.disk.log)
        for image in dict.fromkeys((pending.durable, pending.full)):
            key = image, run.possible
            if key not in self._cuts:
                self._cuts[key] = tuple(self._reopen(SimDisk(image), run.possible, cut=False))
            yield from (f"after a power cut: {problem}" for problem in self._cuts[key])
        yield from (f"when closed: {problem}" for problem in run.close())
        problems = self._reopen(run.disk, run.possible, cut=True)
        yield from (f"opened again: {problem}" for problem in problems)

    def _reopen(self, disk: SimDisk, possible: Possible, *, cut: bool) -> Iterator[str]:
        """Open a store without a fault, let it work, and perhaps cut the power then."""
        steps: tuple[Step, ...] = ()
        try:
            store = open_store(disk, self._workload, self._backend)
            seen = observe(store)
            seen = evolve(seen, problems=(*seen.problems, *check_points(store, seen)))
            yield from wrong(seen, possible, self._workload)
            possible = (seen.as_model(),)
            steps = _new_work(seen, has_votes=self._workload.has_votes)
            for step in steps:
                call(store, step)
                possible = acknowledge(possible, step, self._workload.options)
            yield from wrong(observe(store), possible, self._workload)
            if cut:
                pending = PendingOps(disk.image, POSIX)
                pending.take_all(disk.log)
                store = open_store(SimDisk(pending.durable), self._workload, self._backend)
                yield from wrong(observe(store), possible, self._workload)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            doing = "its new work" if steps else "opening"
            yield f"{doing} ended in {type(error).__name__}: {error}"


def _new_work(seen: Observation, *, has_votes: bool) -> tuple[Step, ...]:
    term = max(seen.state.current_term, seen.bounds.last_term) + 1
    entry = LogEntry(seen.bounds.last_index + 1, term, b"after the fault")
    append = Append((entry,))
    vote = SaveState(PersistentState(term, "second-generation"))
    return (append, vote) if has_votes else (append,)
