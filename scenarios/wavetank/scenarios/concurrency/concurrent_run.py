"""One run of tasks on one store under one schedule, and what is wrong with it.

The steps of the workload are done once, one after the other, and the store is closed: every run
begins on the disk that this leaves. The run itself opens the store, lets the tasks loose, waits for
them, does what comes after them, and asks the store everything. Its calls make a history, which
must be linearizable (O13), and it must end (O14).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final

from attrs import evolve, field, frozen

from wavetank.scenarios.concurrency.history import Call, EventKind, History
from wavetank.scenarios.concurrency.linearizability import Verdict, check
from wavetank.scenarios.concurrency.specification import (
    DONE,
    Raised,
    StoreSpecification,
    StoreState,
)
from wavetank.scenarios.concurrency.store_tasks import SharedStore
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.driver import LiveRun
from wavetank.scenarios.raft.judging.observation import observe
from wavetank.scenarios.raft.judging.oracle import Knowledge, judge
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.raft.steps import (
    Reopen,
    TaskStep,
    Workload,
)
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import (
    DeadlockError,
    DiskImage,
    OpLog,
    SimDisk,
    SimFileSystem,
    call_site,
)
from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.schedule import Grain, Schedule
from wavetank.sim.scheduling.scheduled_filesystem import ScheduledFileSystem, Stall
from wavetank.sim.scheduling.scheduler import Access
from wavetank.sim.scheduling.strategies import Strategy
from wavetank.sim.scheduling.switching import Switching

__all__ = [
    "ConcurrentRun",
    "Moment",
    "Start",
    "UnschedulableStoreError",
    "is_schedulable",
    "require_schedulable",
    "run_tasks",
    "start_of",
    "start_on",
]

_MAIN: Final = "the run"
_CALL: Final = Access.to("calls")
_STEP_LIMIT: Final = 200_000
"""Steps after which a run is taken for one that never ends; a right one has a few thousand."""
_NEEDED: Final = (Capability.SITE_RUNTIME, Capability.SITE_FILESYSTEM, Capability.THREAD_SAFE)
_BACKGROUND_S: Final = 3600.0
_DRIVER: Final = f"{__name__.rpartition('.')[0]}."


@frozen(kw_only=True)
class Start:
    """Where every run of a workload begins.

    Attributes:
        workload: with tasks.
        backend: the store.
        image: the disk when its steps are done and the store is closed.
        model: what it holds.
        problems: what was wrong so far, without any concurrency.
        specification: what the histories of all runs are held to.
    """

    workload: Workload
    backend: StoreAdapter
    image: DiskImage
    model: ModelState
    problems: tuple[Problem, ...]
    specification: StoreSpecification


@frozen
class Moment:
    """How many records the op log had at an event of the history, by the event's position."""

    event: int
    log: int


@frozen(kw_only=True)
class ConcurrentRun:
    """What came of one run.

    Attributes:
        start: where it began.
        schedule: replays it.
        history: the calls, and what they returned.
        moments: where the disk was at each event, ascending.
        steps_of: which step of `Workload.all_steps` each call is, by its number.
        log: everything done to the disk.
        steps: pauses and waits of all tasks.
        beside: the first of them at which tasks could go on beside one another, and the last.
        problem: what was wrong; None if nothing was.
        impossible: the calls that no order explains, if that is what was wrong.
        switches: for each departure of the schedule from which task to which, and where; only of
            runs that note lines.
    """

    start: Start
    schedule: Schedule
    history: History
    moments: tuple[Moment, ...]
    steps_of: dict[int, int] = field(repr=False)
    log: OpLog = field(repr=False)
    steps: int
    beside: tuple[int, int]
    problem: Problem | None
    impossible: History | None = None
    switches: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of the schedule, of every call and its result, and of the size of the op log."""
        calls = [
            (call.number, call.task, call.invoked_at, call.returned_at, str(call.result))
            for call in self.history.calls
        ]
        told = repr((str(self.schedule), self.steps, calls, self.moments))
        return blake2b(told.encode(), digest_size=16).hexdigest()

    @property
    def log_digest(self) -> str:
        """A hash of the op log."""
        digest = blake2b(digest_size=16)
        for record in self.log:
            digest.update(repr(record).encode())
        return digest.hexdigest()

    @property
    def effects(self) -> str:
        """A hash of the op log, and of what callers had been told at each point of it.

        Runs with equal effects leave the same to every crash, and are held to the same.
        """
        told = [
            (event.position, event.call.operation, str(event.call.result))
            for event in self.history.events()
            if event.call is not None and event.kind is EventKind.RETURN
        ]
        at = {moment.event: moment.log for moment in self.moments}
        digest = blake2b(self.log_digest.encode(), digest_size=16)
        for position, operation, result in told:
            digest.update(f"{at[position]} {operation} {result}\n".encode())
        return digest.hexdigest()


class UnschedulableStoreError(TypeError):
    """Tasks were to be scheduled on a store that does not take its threads from its site."""


def is_schedulable(store: StoreAdapter) -> bool:
    """Whether a store may be called by any task, and takes all that it waits for from its site."""
    return store.has(*_NEEDED)


def require_schedulable(store: StoreAdapter) -> None:
    """Raise `UnschedulableStoreError` unless `is_schedulable`."""
    for needed in _NEEDED:
        if not store.has(needed):
            raise UnschedulableStoreError(
                f"{store.name}: expected a store that declares {needed.value!r}, for scenarios "
                f"whose tasks run beside one another under a scheduler; `wavetank check` tries "
                f"this store with real threads"
            )


def start_of(workload: Workload, backend: StoreAdapter) -> Start:
    """Do the steps of a workload, close the store, and return where its tasks begin.

    Args:
        workload: with tasks.
        backend: a store that takes its filesystem and its runtime from its site.
    """
    live = LiveRun(workload, backend)
    for number, step in enumerate((*workload.steps, Reopen())):
        if not live.take(number, step):
            break
    start = start_on(live.machine.surviving, live.history.possible[-1], workload, backend)
    checked = (each.problem for each in live.problems if workload.checks(each.problem.invariant))
    return evolve(start, problems=tuple(checked))


def start_on(
    image: DiskImage, model: ModelState, workload: Workload, backend: StoreAdapter
) -> Start:
    """Return a beginning on a disk that is already there.

    Args:
        image: the disk; no store is open on it.
        model: what the store there holds.
        workload: its steps are not done, only its tasks and what comes after them.
        backend: a store that takes its filesystem and its runtime from its site.
    """
    return Start(
        workload=workload,
        backend=backend,
        image=image,
        model=model,
        problems=(),
        specification=StoreSpecification(
            initial=StoreState(model),
            options=workload.options,
            promises=workload.promises,
            may_time_out=bool(workload.slow_calls),
            may_fail=bool(workload.faults.faults),
            refuses_second_opener=Capability.REFUSES_SECOND_OPENER in backend.held_to,
        ),
    )


def run_tasks(
    start: Start,
    strategy: Strategy,
    *,
    grain: Grain = Grain.CALLS,
    switching: Switching | None = None,
    thorough: bool = True,
    sites: bool = False,
    on_runtime: Callable[[SimRuntime], None] | None = None,
) -> ConcurrentRun:
    """Run the tasks of a workload once.

    Args:
        start: where to begin.
        strategy: chooses who runs.
        grain: where tasks pause; told in the run's schedule.
        switching: what carries the tasks.
        thorough: whether the store is also asked everything once more when it is opened again.
        sites: whether each op and each switch note the line where it was made, for stories.
        on_runtime: told of the runtime before anything runs, to pause at statements too.
    """
    site = partial(call_site, _DRIVER) if sites else None
    disk = SimDisk(start.image) if site is None else SimDisk(start.image, site=site)
    runtime = SimRuntime(strategy, seed=start.workload.seed, grain=grain, switching=switching)
    if sites:
        runtime.keep_places()
    if on_runtime is not None:
        on_runtime(runtime)
    run = _Run(start, disk, runtime, thorough=thorough)
    try:
        run.run()
    finally:
        runtime.stop()
    return run.result()


class _Run:
    """The state of one run."""

    def __init__(self, start: Start, disk: SimDisk, runtime: SimRuntime, *, thorough: bool) -> None:
        self._start = start
        self._thorough = thorough
        self._disk = disk
        self._runtime = runtime
        self._calls: list[Call] = []
        self._moments: list[Moment] = []
        self._step_of: dict[int, int] = {}
        self._events = 0
        self._beside = (0, 0)
        self._problems: list[Problem] = []
        self._never_ends = False
        self._verdict: Verdict[StoreState] | None = None

    def run(self) -> None:
        runtime, workload = self._runtime, self._start.workload
        runtime.cut_power_at(_STEP_LIMIT, self._give_up)
        stalls = [
            Stall(call=c.call, nth=c.nth, duration_s=c.duration_s) for c in workload.slow_calls
        ]
        fs = ScheduledFileSystem(SimFileSystem(self._disk), runtime, stalls)
        site = Site(fs=fs, runtime=runtime, directory=workload.directory, options=workload.options)
        try:
            self._run_at(site)
        except DeadlockError as error:
            self._problems.append(Problem("O14", "deadlock", str(error)))
        except Exception as error:  # noqa: BLE001 - whatever a store raises is a finding
            kind = type(error).__name__
            self._problems.append(
                Problem("O13", f"broken beside others: {kind}", f"{kind}: {error}")
            )
        except BaseException:
            if not self._never_ends:
                raise
        if self._never_ends:
            summary = f"the tasks were still running after {_STEP_LIMIT} steps"
            self._problems.append(Problem("O14", "the tasks never end", summary))

    def _give_up(self) -> None:
        self._never_ends = True

    def _run_at(self, site: Site) -> None:
        workload = self._start.workload
        store = SharedStore(self._start.backend, site)
        number = len(workload.steps)
        tasks = []
        begin = self._runtime.steps
        for plan in workload.tasks:
            work = partial(self._work, store, plan.name, number, plan.steps)
            tasks.append(self._runtime.spawn(plan.name, work))
            number += len(plan.steps)
        for task in tasks:
            task.join()
        self._beside = begin, self._runtime.steps
        self._work(store, _MAIN, number, workload.after)
        self._look_at_clock()
        self._look(store)

    def _work(self, store: SharedStore, task: str, first: int, steps: Sequence[TaskStep]) -> None:
        for number, step in enumerate(steps, first):
            invoked_at = self._event()
            place = len(self._calls)
            call = Call(number=place, task=task, operation=step, invoked_at=invoked_at)
            self._calls.append(call)
            self._step_of[place] = number
            # A store may take a free lock, and give it back, without any call of its runtime: calls
            # that begin or end in another order differ.
            self._runtime.pause(_CALL)
            result = store.perform(step)
            self._runtime.pause(_CALL)
            self._calls[place] = evolve(call, returned_at=self._event(), result=result)

    def _event(self) -> int:
        self._events += 1
        self._moments.append(Moment(self._events, len(self._disk.log)))
        return self._events

    def _look_at_clock(self) -> None:
        """Hold the store to this: while nothing is slow, no call waits until its time is over."""
        idle_s = self._runtime.now_s - self._runtime.slept_s
        if idle_s > 0:
            self._problems.append(
                Problem(
                    "O14",
                    "all tasks waited, and only the time limit of a lock ended that",
                    f"expected that no time passes but {self._runtime.slept_s:g} s of waiting that "
                    f"the scenario asks for, but {idle_s:g} s more passed: a wake-up was lost, or "
                    f"tasks waited for one another",
                )
            )

    def _look_at_counts(self, store: SharedStore) -> None:
        wrong = store.miscounted()
        if wrong is not None:
            key, came, expected = wrong
            summary = f"{key}: expected {expected} after all calls but got {came}"
            self._problems.append(Problem("O13", "the metrics count other calls", summary))

    def _look(self, store: SharedStore) -> None:
        """Ask the store everything, close it, open it again, and ask once more."""
        self._verdict = check(self._history(), self._start.specification)
        states = self._verdict.states
        if not states:
            return
        if all(state.is_open and not state.was_closed for state in states):
            self._look_at_counts(store)
        # Time passes only when nothing else can go on: background work ends first.
        self._runtime.sleep(_BACKGROUND_S)
        if not any(state.is_open for state in states):
            store.reopen()
        self._hold(store, states)
        if self._thorough and all(state.is_open for state in states):
            store.store.close()
            store.reopen()
            self._hold(store, states)
        store.store.close()

    def _hold(self, store: SharedStore, states: Sequence[StoreState]) -> None:
        knowledge = Knowledge(possible=tuple(dict.fromkeys(state.model for state in states)))
        seen = observe(store.store)
        workload = self._start.workload
        for problem in judge(seen, knowledge, workload.options, promises=workload.promises):
            self._problems.append(evolve(problem, kind=f"{problem.kind}, beside other tasks"))

    def _history(self) -> History:
        return History(calls=tuple(self._calls))

    def result(self) -> ConcurrentRun:
        history = self._history()
        checks = self._start.workload.checks
        problem = next((each for each in self._problems if checks(each.invariant)), None)
        failure = (self._verdict or check(history, self._start.specification)).failure
        is_told = failure is not None and checks("O13")
        if failure is not None and is_told and (problem is None or problem.invariant != "O14"):
            culprit = next(call for call in history.calls if call.returned_at == failure.position)
            problem = _told(culprit)
        return ConcurrentRun(
            start=self._start,
            schedule=self._runtime.schedule,
            history=history,
            moments=tuple(self._moments),
            steps_of=self._step_of,
            log=self._disk.log,
            steps=self._runtime.steps,
            beside=self._beside,
            problem=problem,
            impossible=None if failure is None else failure.part,
            switches=self._runtime.places,
        )


def _told(call: Call) -> Problem:
    """Return what is wrong with a call that no order of the calls explains."""
    assert isinstance(call.operation, TaskStep)
    kind = type(call.operation.call).__name__
    result = call.result
    if isinstance(result, Raised):
        what = f"raised {result.kind}"
    elif isinstance(result, str) and result != DONE:
        what = f"was {result}"
    else:
        what = "returned" if result == DONE else "returned something else"
    shown = str(result) if isinstance(result, (str, Raised)) else repr(result)
    return Problem(
        "O13",
        f"{kind} {what}, which no order of the calls explains",
        f"{call.task}: '{call.operation}' gave {shown[:200]}, which no order of the calls explains",
    )
