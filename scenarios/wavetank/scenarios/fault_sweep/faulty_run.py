"""A workload on a new disk with one fault, until a call fails, and whether it fails as it must."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from wavetank.engine import (
    PersistentState,
    Storage,
    StorageClosedError,
    StorageError,
)
from wavetank.faults import Fail, Fault, FaultInjector, FaultPlan, FaultyFileSystem
from wavetank.scenarios.raft.driving.step_calls import call
from wavetank.scenarios.raft.judging.observation import Observation, check_points, observe
from wavetank.scenarios.raft.judging.oracle import Knowledge, judge, judge_parts
from wavetank.scenarios.raft.model import EMPTY, Possible, acknowledge, begin
from wavetank.scenarios.raft.steps import (
    KillProcess,
    OpenAgain,
    OpenStore,
    Refused,
    Reopen,
    SaveState,
    Step,
    Workload,
)
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

__all__ = ["FaultyRun", "open_store", "what_is_untyped", "wrong"]


class FaultyRun:
    """A run of a workload with one fault.

    Args:
        workload: what is run, step by step.
        backend: the store.
        fault: what goes wrong.
        names_cause: whether the store has promised that its errors name the system's as their
            cause.

    Attributes:
        disk: the disk, which lives on.
        possible: the states in which the store may be.
        problems: what was wrong.
        refused: whether a call failed.
    """

    def __init__(
        self, workload: Workload, backend: StoreAdapter, fault: Fault, *, names_cause: bool = True
    ) -> None:
        backend.require_simulated(faults=True)
        self._names_cause = names_cause
        self.disk = SimDisk()
        self.possible: Possible = (EMPTY,)
        self._before: Possible = (EMPTY,)
        self.problems: list[str] = []
        self.refused = False
        self._workload = workload
        self._backend = backend
        self._fault = fault
        self._injector = FaultInjector(FaultPlan((fault,)))
        self._runtime = SerialRuntime(workload.seed)
        self._store: Storage | None = None

    @property
    def has_fired(self) -> bool:
        """Whether the fault has struck."""
        return any(self._injector.fired().values())

    def take(self, step: Step) -> bool:
        """Run a step; False if it failed."""
        due = self._runtime.pending()
        before, options = self.possible, self._workload.options
        self._before = before
        self.possible = begin(before, step, options)
        try:
            self._perform(step)
            # As in a recording, background work of the step before overlaps with one more step.
            self._runtime.run_pending(due)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is judged
            self.refused = True
            self._require_typed(error)
            return False
        self.possible = acknowledge(before, step, options)
        return True

    def try_again(self, step: Step) -> bool:
        """Call a step once more that has failed, in the same process; False if it fails again.

        Only a call is tried again, and only after a fault that strikes once: opening the store is
        another matter, and a fault that lasts lets everything fail.
        """
        if self._store is None or isinstance(step, (OpenStore, Reopen, KillProcess)):
            return False
        if self._fault.trigger.times != 1:
            return False
        before = self._before
        try:
            self._look_at_parts()
            self._perform(step)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is judged
            self._require_typed(error)
            return False
        self.possible = acknowledge(before, step, self._workload.options)
        self.look()
        return True

    def look(self) -> None:
        """Hold all that the store shows against what it may show."""
        if self._store is None:
            return
        try:
            seen = observe(self._store)
            seen = evolve(seen, problems=(*seen.problems, *check_points(self._store, seen)))
            self.problems += wrong(seen, self.possible[-1:], self._workload)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is judged
            self.problems.append(f"it cannot be read any more: {type(error).__name__}: {error}")

    def go_on(self) -> None:
        """Look at the store, and ask it for one more change, which it may refuse."""
        if self._store is None:
            return
        term = max(state.state.current_term for state in self.possible) + 1
        step = SaveState(PersistentState(term, "after the fault"))
        try:
            self._look_at_parts()
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is judged
            self._require_typed(error)
        if self._workload.has_votes:
            self.take(step)

    def close(self) -> tuple[str, ...]:
        """Close the store under the fault, and return what was wrong with that."""
        before = len(self.problems)
        try:
            if self._store is not None:
                self._store.close()
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is judged
            self._require_typed(error)
        return tuple(self.problems[before:])

    def _look_at_parts(self) -> None:
        assert self._store is not None, "there is one to look at"
        for problem in judge_parts(observe(self._store), self.possible):
            self.problems.append(f"{problem.invariant}: {problem.summary}")

    def _perform(self, step: Step) -> None:
        if isinstance(step, Reopen):
            assert self._store is not None, "a workload opens its store first"
            self._store.close()
        if isinstance(step, KillProcess):
            self.disk = self.disk.process_kill()
            self._runtime = SerialRuntime(self._workload.seed)
        if isinstance(step, (OpenStore, Reopen, KillProcess)):
            self._store = None
            self._store = open_store(
                self.disk, self._workload, self._backend, self._runtime, self._injector
            )
            return
        assert self._store is not None, "a workload opens its store first"
        if not isinstance(step, Refused):
            call(self._store, step)
            return
        if isinstance(step.step, OpenAgain):
            return  # it is another process's call
        try:
            call(self._store, step.step)
        except StorageError as error:
            if _system_error(error) is not None:
                raise

    def _require_typed(self, error: Exception) -> None:
        if isinstance(error, StorageClosedError) and self.refused:
            return  # a close that fails closes all the same
        untyped = what_is_untyped(error, self._fault, names_cause=self._names_cause)
        if untyped:
            self.problems.append(untyped)


def what_is_untyped(error: Exception, fault: Fault, *, names_cause: bool) -> str:
    """Return what is wrong with an error that a call failed with; "" if it is as it must be.

    Args:
        error: what was raised.
        fault: what had gone wrong.
        names_cause: whether it must name the filesystem's error as its cause.
    """
    what = fault.what
    wanted = what.error.value if isinstance(what, Fail) else None
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, StorageError):
        return f"an untyped error, {text}"
    if wanted is None:
        return f"refused for a short read or write, {text}"
    if names_cause and _system_error(error) != wanted:
        return f"an error that does not name the fault as its cause, {text}"
    return ""


def _system_error(error: BaseException) -> int | None:
    """Return the errno of the filesystem's refusal behind an error."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, StorageError):
            return cause.errno
        cause = cause.__cause__
    return None


def open_store(
    disk: SimDisk,
    workload: Workload,
    backend: StoreAdapter,
    runtime: SerialRuntime | None = None,
    injector: FaultInjector | None = None,
) -> Storage:
    """Open the store on a disk; errors as the backend raises them."""
    inner = SimFileSystem(disk)
    return backend.open(
        Site(
            fs=inner if injector is None else FaultyFileSystem(inner, injector),
            runtime=runtime or SerialRuntime(workload.seed),
            directory=workload.directory,
            options=workload.options,
        )
    )


def wrong(seen: Observation, possible: Possible, workload: Workload) -> Iterator[str]:
    """Yield what is wrong with what a store shows, one sentence each."""
    for problem in judge(seen, Knowledge(possible=possible), workload.options):
        yield f"{problem.invariant}: {problem.summary}"
