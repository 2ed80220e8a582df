"""Every filesystem operation of a workload fails once, in every way, and the store must cope.

For each kind of fault and each operation, the workload runs on a new disk until a call fails. After
a fault that strikes once, the same process calls once more and, if that succeeds, goes on with the
whole workload, where it must show all that was acknowledged after each step. What is asked then:

- the call, and the next one if it fails too, raise a `StorageError` that was caused by the fault;
- the store shows what was acknowledged, with or without the failed call: reopened on the same disk
  once the fault is lifted, and reopened after a power cut; as it runs on, in each of its parts;
- reopened, it takes an append and a new term, which survive a power cut.

Reads and writes that are short are no failure: no call may fail for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from attrs import evolve

from wavetank.faults import Fault, Trigger, parse_fault
from wavetank.scenarios.fault_sweep.faulty_run import FaultyRun, open_store, wrong
from wavetank.scenarios.fault_sweep.operation_faults import (
    OPERATION_FAULTS,
    OperationCounts,
    OperationProblem,
    OperationSweep,
)
from wavetank.scenarios.raft.driving.step_calls import call
from wavetank.scenarios.raft.judging.observation import check_points, observe
from wavetank.scenarios.raft.model import Possible, acknowledge
from wavetank.scenarios.raft.steps import KillProcess, Reopen, Step, Workload
from wavetank.scenarios.raft.workloads.actions import new_work
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import POSIX, PendingOps, SimDisk

__all__ = ["shorten", "sweep_operations"]


def shorten(workload: Workload, backend: StoreAdapter, operations: int = 150) -> Workload:
    """Return the first steps of a workload, as many as need no more filesystem operations.

    Args:
        workload: a longer one.
        backend: the store on which they are counted.
        operations: how many there may be.

    Raises:
        ValueError: opening the store takes more.
    """
    fault = evolve(parse_fault("any: fail EIO"), trigger=Trigger(first=operations + 1))
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
    backend: StoreAdapter,
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
    kinds = {str(fault): sweep.strike_each(fault) for fault in faults}
    return OperationSweep(kinds=kinds, problems=tuple(sweep.problems))


class _Sweep:
    """The runs of one workload, each with one fault."""

    def __init__(self, workload: Workload, backend: StoreAdapter, *, names_cause: bool) -> None:
        self._names_cause = names_cause
        self._workload = workload
        self._backend = backend
        self._cuts: dict[tuple[bytes, Possible], tuple[str, ...]] = {}
        self.problems: list[OperationProblem] = []

    def strike_each(self, fault: Fault) -> OperationCounts:
        """Run with a fault at each operation in turn, and judge each run."""
        counts, number = OperationCounts(), 1
        while one := self._strike(evolve(fault, trigger=evolve(fault.trigger, first=number))):
            counts += one
            number += 1
        return counts

    def _strike(self, fault: Fault) -> OperationCounts | None:
        """Run with a fault and judge it; None if there was no such operation any more."""
        run = FaultyRun(self._workload, self._backend, fault, names_cause=self._names_cause)
        at = self._workload.steps[-1]
        for step in self._workload.steps:
            has_taken = run.take(step)
            if has_taken and run.refused:
                run.look()
            if not has_taken and not run.try_again(step):
                at = step
                break
        if not run.has_fired and not run.problems:
            return None
        problems = [OperationProblem(fault, at, text) for text in self._judge(run)]
        self.problems += problems
        return OperationCounts(faults=1, refused=int(run.refused), problems=len(problems))

    def _judge(self, run: FaultyRun) -> Iterator[str]:
        run.go_on()
        yield from run.problems
        pending = PendingOps(run.disk.image, POSIX)
        pending.take_all(run.disk.log)
        taken = len(run.disk.log)
        for image in dict.fromkeys((pending.durable, pending.full)):
            key = image.digest(), run.possible
            if key not in self._cuts:
                self._cuts[key] = tuple(self._reopen(SimDisk(image), run.possible))
            yield from (f"after a power cut: {problem}" for problem in self._cuts[key])
        yield from (f"when closed: {problem}" for problem in run.close())
        problems = self._reopen(run.disk, run.possible, (pending, taken))
        yield from (f"opened again: {problem}" for problem in problems)

    def _reopen(
        self, disk: SimDisk, possible: Possible, cut: tuple[PendingOps, int] | None = None
    ) -> Iterator[str]:
        """Open a store without a fault, let it work, and perhaps cut the power then.

        Args:
            disk: of the store.
            possible: the states that it may show.
            cut: what is pending, and how much of the disk's log that counts; None: no power cut.
        """
        steps: tuple[Step, ...] = ()
        try:
            store = open_store(disk, self._workload, self._backend)
            seen = observe(store)
            seen = evolve(seen, problems=(*seen.problems, *check_points(store, seen)))
            yield from wrong(seen, possible, self._workload)
            possible = (seen.as_model(),)
            steps = new_work(
                seen.as_model(), b"after the fault", has_votes=self._workload.has_votes
            )
            for step in steps:
                call(store, step)
                possible = acknowledge(possible, step, self._workload.options)
            yield from wrong(observe(store), possible, self._workload)
            if cut is not None:
                pending, taken = cut
                pending.take_all(islice(disk.log, taken, None))
                store = open_store(SimDisk(pending.durable), self._workload, self._backend)
                yield from wrong(observe(store), possible, self._workload)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            doing = "its new work" if steps else "opening"
            yield f"{doing} ended in {type(error).__name__}: {error}"
