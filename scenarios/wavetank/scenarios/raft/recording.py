"""Running a workload once, without crashes, and writing down all that a crash needs to know.

The result, a `Recording`, holds the op log of the simulated disk and, for every stretch of it, what
was known of the store then. It depends on the workload and the backend alone: every profile and
every crash point is explored from the same recording.

The run is itself checked: after each step the store is asked everything and held against the model,
so that a store that is wrong without any crash is found here. Where the workload has faults, a step
that fails with a typed error after one has struck may have happened or not; the store is opened
again, which shows what it was, and the run goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from attrs import Factory, evolve, field, frozen

from wavetank.faults import CrashEnd
from wavetank.scenarios.exploration.causes import BrokenPromise, PromiseKind
from wavetank.scenarios.exploration.subject import NO_FAULTS, FaultCourse, Interval
from wavetank.scenarios.raft.driving.driver import LiveRun
from wavetank.scenarios.raft.driving.history import LiveProblem
from wavetank.scenarios.raft.judging.oracle import Knowledge
from wavetank.scenarios.raft.model import settles_log
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
    Interrupted,
    SaveSnapshot,
    SaveState,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.scenarios.raft.workloads.fitted_workload import undeclared_invariants
from wavetank.scenarios.stores.adapter import StoreAdapter, StoreFactory, adapter_of
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.sim import DiskImage, OpLog
from wavetank.sim.scheduling.schedule import Schedule

__all__ = ["LiveProblem", "Recording", "record"]


@frozen(kw_only=True)
class Recording:
    """One run of a workload on a backend.

    Attributes:
        workload: what was run.
        backend: on what.
        image: the disk before the first step.
        log: everything done to it.
        history: what was known, by position.
        problems: what was wrong without a crash.
        compactions: how often the first log index rose.
        steps_run: how many steps ran before the run ended or had to be given up.
        faults_fired: how often each fault of the workload fired, by its line.
        fault_course: where the faults stood, by position of the op log.
        ended_by: the crash of the plan that took the power, which is then the only crash there is;
            None if none did.
        schedule: how the tasks of the workload were switched; None if it has none.
    """

    workload: Workload
    backend: StoreAdapter
    image: DiskImage
    log: OpLog
    history: tuple[Interval[Knowledge], ...]
    problems: tuple[LiveProblem, ...]
    compactions: int
    steps_run: int
    faults_fired: Mapping[str, int] = MappingProxyType({})
    fault_course: FaultCourse = NO_FAULTS
    ended_by: CrashEnd | None = None
    schedule: Schedule | None = None
    _positions: tuple[int, ...] = field(
        init=False,
        repr=False,
        default=Factory(
            lambda self: tuple(each.position for each in self.history), takes_self=True
        ),
    )

    @contextmanager
    def runnable(self) -> Iterator[Recording]:
        """Give this recording with a store that opens on simulated disks; see `on_simulated_disk`.

        Raises:
            PlainStoreError: the workload has faults, and the store is one of plain Python.
        """
        faults = bool(self.workload.faults.faults)
        with on_simulated_disk(self.backend, faults=faults) as store:
            yield self if store is self.backend else evolve(self, backend=store)

    def interval_at(self, position: int) -> Interval[Knowledge]:
        """Return what was known when `position` records had been written."""
        return self.history[bisect_right(self._positions, position) - 1]

    def subject(self, disabled: frozenset[str] = frozenset()) -> RaftSubject:
        """Return what opens this store on crash images.

        Args:
            disabled: invariants that are not judged, to test the tester; those that the store does
                not declare are never judged.
        """
        undeclared = undeclared_invariants(self.backend.held_to)
        return RaftSubject(self.workload, self.backend, disabled | undeclared)

    def tell_step(self, step: int) -> str:
        """Return a step of the workload in words."""
        return self.workload.tell_step(step)

    def promising_step(self, broken: BrokenPromise, last: int) -> int | None:
        """Return the step that made a promise, `last` or an earlier one; None if none did."""
        calls = [
            each.call if isinstance(each, TaskStep) else each for each in self.workload.all_steps
        ]
        for step in range(min(last, len(calls) - 1), -1, -1):
            if _makes(calls[step], broken):
                return step
        return None

    def due_step(self, step: int) -> int | None:
        """Return the step by whose end what a step wrote is promised to be durable."""
        calls = [
            each.call if isinstance(each, TaskStep) else each for each in self.workload.all_steps
        ]
        if not isinstance(calls[step], Append):
            return step
        if self.workload.promises.appends_durable:
            return step
        later = range(step + 1, len(calls))
        return next((each for each in later if settles_log(calls[each])), None)


def _makes(step: object, broken: BrokenPromise) -> bool:
    """Whether a step made a promise, if it returned."""
    if isinstance(step, (Cancelled, Interrupted)):
        return _makes(step.step, broken)
    if broken.kind is PromiseKind.VOTE:
        wanted = (broken.term, broken.voted_for)
        return isinstance(step, SaveState) and wanted == (
            step.state.current_term,
            step.state.voted_for or "",
        )
    if broken.kind is PromiseKind.SNAPSHOT:
        return isinstance(step, SaveSnapshot) and step.metadata.last_included_index == broken.first
    if broken.kind is PromiseKind.REMOVAL:
        return isinstance(step, (TruncateSuffix, TruncatePrefix, SaveSnapshot))
    return isinstance(step, Append) and any(entry.index == broken.first for entry in step.entries)


def record(workload: Workload, backend: StoreAdapter | StoreFactory) -> Recording:
    """Run `workload` on a new simulated disk and write everything down.

    Args:
        workload: what is run.
        backend: the store, or what opens it at a `Site` (see `adapter_of`).

    Raises:
        PlainStoreError: the workload has faults, and the store is one of plain Python.
        PythonFilesError: a store of plain Python cannot be put on the simulated disk.
    """
    store = adapter_of(backend)
    with on_simulated_disk(store, faults=bool(workload.faults.faults)) as simulated:
        run = LiveRun(workload, simulated)
        for number, step in enumerate(workload.steps):
            if not run.take(number, step):
                break
        log = run.machine.disk.log.fork()
        faults_fired, course = dict(run.machine.faults.fired()), run.machine.faults.course()
        run.finish()
    return Recording(
        workload=workload,
        backend=store,
        image=run.machine.image,
        log=log,
        history=tuple(run.history.intervals),
        problems=tuple(each for each in run.problems if workload.checks(each.problem.invariant)),
        compactions=run.compactions,
        steps_run=run.steps_run,
        faults_fired=MappingProxyType(faults_fired),
        fault_course=course,
        ended_by=run.ended_by,
    )
