"""Steps that ask something of an open store: what it answers, refuses, or ends halfway."""

from __future__ import annotations

from collections.abc import Callable

from wavetank.engine import FileSystem, OperationCancelledError, Storage, StorageError
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.history import History
from wavetank.scenarios.raft.driving.inspection import inspection_problems
from wavetank.scenarios.raft.driving.live_checks import MeteredStore, litter_problems
from wavetank.scenarios.raft.driving.machine import Machine
from wavetank.scenarios.raft.driving.running_store import RunningStore
from wavetank.scenarios.raft.driving.step_calls import (
    CountedToken,
    call,
    not_cancelled,
    refusal,
    with_data_that_sets,
)
from wavetank.scenarios.raft.judging.oracle import judge
from wavetank.scenarios.raft.steps import (
    Cancelled,
    Inspect,
    OpenAgain,
    Read,
    Refused,
    SaveSnapshot,
    SaveState,
    Step,
    Workload,
)
from wavetank.sim import POSIX, PendingOps, SimDisk, SimFileSystem

__all__ = ["StepAnswers"]


class StepAnswers:
    """Asks an open store for steps, and judges its answers.

    Args:
        workload: whose steps.
        machine: below the store.
        running: the store.
        history: what is known of it.
        tell: told of what is wrong beside the answer.
    """

    def __init__(
        self,
        workload: Workload,
        machine: Machine,
        running: RunningStore,
        history: History,
        tell: Callable[[Problem], None],
    ) -> None:
        self._workload = workload
        self._machine = machine
        self._running = running
        self._history = history
        self._tell = tell

    def ask(self, number: int, store: Storage, step: Step) -> Problem | None:
        """Let the open store do a step, and return what is wrong with its answer.

        Args:
            number: of the step.
            store: open.
            step: any that neither opens nor closes it.
        """
        match step:
            case Read():
                return self._read(store, step)
            case Refused():
                return self._refuse(store, step)
            case Cancelled():
                return self._cancel(store, step)
            case Inspect():
                self._inspect(number, store, step)
            case _:
                call(store, step)
        return None

    def _read(self, store: Storage, step: Read) -> Problem | None:
        came = tuple(store.get_log_entries(step.start, step.end))
        shown = self._history.possible[-1]
        if came == shown.log_from(step.start)[: step.end - step.start]:
            return None
        return Problem("O2", "read returned other entries", f"{step}: other entries came back")

    def _refuse(self, store: Storage, step: Refused) -> Problem | None:
        if isinstance(step.step, OpenAgain):
            return self._refuse_opener()
        try:
            call(store, step.step)
        except (StorageError, ValueError):
            return None
        if isinstance(step.step, (SaveState, SaveSnapshot)):
            # A store that takes it shows that in what it holds from now on.
            return None
        what = type(step.step).__name__
        return Problem("O2", f"{what} was not refused", f"'{step}', but it returned")

    def _refuse_opener(self) -> Problem | None:
        try:
            self._running.open_second()
        except StorageError:
            return None
        return Problem(
            "O16",
            "a second opener was let in",
            "the directory is open, and was opened again; expected that it is refused",
        )

    def _cancel(self, store: Storage, step: Cancelled) -> Problem | None:
        token = CountedToken(step.looks, only_set=step.in_data)
        asked = with_data_that_sets(step.step, token) if step.in_data else step.step
        try:
            call(store, asked, cancel=token)
        except OperationCancelledError as error:
            if not token.was_seen_set:
                return refusal(step, error, self._machine.when)
            self._look_at_refused(store)
            call(store, step.step)
            return None
        return not_cancelled(step) if step.must_end and self._has_tokens else None

    def _look_at_refused(self, store: Storage) -> None:
        """Hold a store that has just ended a call halfway to what it held before."""
        seen, options = self._running.observe(), self._workload.options
        fs = SimFileSystem(self._machine.disk)
        for problem in (
            *judge(seen, self._history.now, options, promises=self._workload.promises),
            *litter_problems(store, fs, self._workload.directory),
        ):
            self._tell(problem)

    @property
    def _has_tokens(self) -> bool:
        return isinstance(self._running.store, MeteredStore) and not self._workload.faults.faults

    def _inspect(self, number: int, store: Storage, step: Inspect) -> None:
        faults = self._machine.faults
        if faults.is_damaged or faults.has_lied:
            return
        site = self._running.site(SimFileSystem(self._machine.disk))
        with faults.healthy():
            copy = f"/copy-{number}" if step.backup else ""
            shown = self._history.possible[-1]
            for problem in inspection_problems(store, shown, site, copy, self._after_power_cut):
                self._tell(problem)

    def _after_power_cut(self) -> FileSystem:
        """Return a filesystem with what is durable, and nothing else."""
        pending = PendingOps(self._machine.image, POSIX)
        pending.take_all(self._machine.disk.log)
        return SimFileSystem(SimDisk(pending.durable))
