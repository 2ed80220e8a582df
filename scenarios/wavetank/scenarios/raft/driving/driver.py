"""A workload running on a store, held against the model after each step.

The run is itself checked: after each step the store is asked everything (of a long log, parts), so
that a store that is wrong without any crash is found here. Where the workload has faults, a step
that fails with a typed error after one has struck may have happened or not; the store is opened
again, which shows what it was, and the run goes on. Or the caller tries once more, and goes on in
the same process (`AfterFailure.RETRY`): whatever succeeds then counts as acknowledged. What a
damaged disk costs by right ends the run, since the steps behind it no longer fit.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import partial
from typing import Final

from wavetank.engine import (
    Storage,
    StorageError,
    StorageIOError,
    StoragePoisonedError,
)
from wavetank.faults import CrashEnd, CrashSignal
from wavetank.scenarios.exploration.loss import Loss
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.history import History, LiveProblem
from wavetank.scenarios.raft.driving.live_checks import (
    MeteredStore,
    closed_problems,
    is_poisoned,
    litter_problems,
    metrics_problems,
    poison_problems,
    report_problems,
)
from wavetank.scenarios.raft.driving.machine import Machine
from wavetank.scenarios.raft.driving.retention import Retention
from wavetank.scenarios.raft.driving.running_store import PART, RunningStore
from wavetank.scenarios.raft.driving.step_answers import StepAnswers
from wavetank.scenarios.raft.driving.step_calls import (
    call,
    not_poisoned,
    poisoned_for_room,
    refusal,
)
from wavetank.scenarios.raft.judging.observation import (
    Observation,
)
from wavetank.scenarios.raft.judging.oracle import Knowledge, is_as_promised, judge, judge_parts
from wavetank.scenarios.raft.model import ModelState, Possible, acknowledge, begin
from wavetank.scenarios.raft.steps import (
    AfterFailure,
    Append,
    Cancelled,
    Interrupted,
    KillProcess,
    OpenStore,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import DiskImage, SimFileSystem

__all__ = ["LiveRun"]

_CHANGES: Final = (
    SaveState,
    Append,
    TruncateSuffix,
    TruncatePrefix,
    SaveSnapshot,
    Cancelled,
    Interrupted,
)
"""Steps that a store takes only if it is fit for any change."""
_KILLS_A_STEP: Final = 3


class LiveRun:
    """The state of one recording run.

    Args:
        workload: what is run, step by step.
        backend: on what.
        image: what is on the disk; nothing by default.
        known: what is known of the store there; None of one that is still to be made.

    Attributes:
        machine: below the store.
        history: what is known of the store.
        problems: what was wrong.
        compactions: how often the first log index rose.
        steps_run: how many steps have run.
        ended_by: the crash of the plan that took the power; None if none has.
    """

    def __init__(
        self,
        workload: Workload,
        backend: StoreAdapter,
        *,
        image: DiskImage | None = None,
        known: Knowledge | None = None,
    ) -> None:
        backend.require_simulated(faults=bool(workload.faults.faults))
        self.machine = Machine(workload.seed, workload.faults, image)
        self._promises = workload.promises
        self._running = RunningStore(workload, backend, self.machine)
        self.history = History(
            lambda: len(self.machine.disk.log),
            keeps_past=self._running.disk_may_lie,
            known=known,
        )
        self.problems: list[LiveProblem] = []
        self.compactions = 0
        self.steps_run = 0
        self.ended_by: CrashEnd | None = None
        self._workload = workload
        self._number = 0
        self._step: Step = OpenStore()
        self._first_index = 1
        self._is_running = False
        self._retention = Retention(workload.options)
        self._answers = StepAnswers(
            workload,
            self.machine,
            self._running,
            self.history,
            lambda problem: self._live(self._number, problem),
        )

    def take(self, number: int, step: Step) -> bool:
        """Run one step; False if the store is in no state to go on, or the power has gone."""
        self._number, self._step = number, step
        work = partial(self._take, number, step)
        for _ in range(_KILLS_A_STEP):
            try:
                return work()
            except CrashSignal as signal:
                if signal.crash.end is not CrashEnd.KILL:
                    self.ended_by = signal.crash.end
                    return False
                left = step if self._is_running else None
                work = partial(self._recover, number, left, kill=True)
        with self.machine.faults.healthy():
            return work()

    def _take(self, number: int, step: Step) -> bool:
        self._is_running = True
        if isinstance(step, Interrupted):
            return self._interrupt(number, step)
        due = self.machine.runtime.pending()
        before = self.history.possible
        after = self._after(before, step)
        self.history.know(number, self._during(before, step))
        answered: Problem | None = None
        try:
            answered = self._perform(number, step)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            if not self.machine.faults.explains(error):
                self._live(number, refusal(step, error, self.machine.when))
                return self._resynchronise(number, step)
            if not self._goes_on or isinstance(step, (OpenStore, Reopen, KillProcess)):
                return self._recover(number, step)
            if not self._succeeds_again(number, step, error):
                return self._recover(number, step)
        self._finish_step(number, after)
        if answered is not None:
            self._live(number, answered)
        # Background work of the step before runs now, so that it overlaps with one more step.
        if not self._work_behind(number, due):
            return False
        self._retention.take(step, self.history.possible[-1])
        return self._check(number)

    def _interrupt(self, number: int, step: Interrupted) -> bool:
        """Cut the power inside a call, restart, and make the call again if it is not there."""
        assert self._store is not None, "a workload opens its store first"
        begun, before = len(self.machine.disk.log), self.history.possible
        self.history.know(number, self._during(before, step))
        # An error is as good as a call that came that far: nobody is told of it.
        with suppress(StorageError):
            call(self._store, step.step)
        self._running.store = None
        loss = Loss(newest=step.newest, also=step.also, torn_sectors=step.torn_sectors)
        self.machine.cut_power(self.machine.left_at(begun + step.after, step.profile, loss))
        self.history.begin_again()
        self.history.know(number, self._during(before, step))
        self._running.override()
        self._retention.take(step, before[-1])
        return self._recover(number, step.step)

    def _succeeds_again(self, number: int, step: Step, error_before: Exception) -> bool:
        """Look at a store that has refused a step, and call it once more in the same process.

        What it refuses now it must refuse for a reason: another operation has failed, it waits to
        be opened again, or it shows that the step has been done.
        """
        faults = self.machine.faults
        before = self.history.possible
        must_poison = isinstance(self._store, MeteredStore) and faults.poisons(error_before)
        try:
            seen = self._running.observe()
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            if not faults.explains(error):
                self._live(number, refusal("read everything back", error, self.machine.when))
            return False
        for problem in judge_parts(seen, self._during(before[-1:], step)):
            self._live(number, problem)
        done = self._after(before[-1:], step)
        self._narrow(number, before, seen)
        self.history.know(number, self._during(before, step))
        is_done = done != before[-1:] and is_as_promised(seen, Knowledge(possible=done))
        failures = faults.failures
        try:
            # What was to be cancelled may be there by now: it is made again without a token.
            answered = self._perform(number, step.step if isinstance(step, Cancelled) else step)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            has_reason = is_done or faults.failures > failures or isinstance(error, StorageIOError)
            if not (has_reason and faults.explains(error)):
                self._live(number, refusal(step, error, "a second time, after a fault"))
            if isinstance(error, StoragePoisonedError):
                if faults.leaves_room_to_go_on(error_before):
                    self._live(number, poisoned_for_room(step, error_before))
                self._try_poisoned(number, before[-1])
            return False
        if must_poison:
            self._live(number, not_poisoned(step, error_before))
        if answered is not None:
            self._live(number, answered)
        return True

    def _narrow(self, number: int, before: Possible, seen: Observation) -> None:
        """Note that a step has not happened, nor will by a crash: the engine goes on unpoisoned."""
        faults = self.machine.faults
        if not isinstance(self._store, MeteredStore) or faults.is_damaged or faults.has_lied:
            return
        with faults.healthy():
            was_refused = not is_poisoned(self._store)
        if was_refused and is_as_promised(seen, Knowledge(possible=before)):
            self.machine.disk.mark(f"step {number} refused")
            self.history.know(number, before)
            # What is known from the next call on must not hide that.
            self.machine.disk.mark(f"step {number} again")

    def _try_poisoned(self, number: int, shown: ModelState) -> None:
        assert self._store is not None, "it has just refused a step"
        with self.machine.faults.healthy():
            for problem in poison_problems(self._store, shown):
                self._live(number, problem)

    @property
    def _store(self) -> Storage | None:
        return self._running.store

    @property
    def _goes_on(self) -> bool:
        return self._workload.after_failure is AfterFailure.RETRY

    def _perform(self, number: int, step: Step) -> Problem | None:
        if isinstance(step, OpenStore):
            self._open(number)
            return None
        if isinstance(step, KillProcess):
            self.machine.kill()
            self._running.override(step.overrides)
            self._open(number)
            return None
        assert self._store is not None, "a workload opens its store first"
        if isinstance(step, Reopen):
            self._reopen(number, self._store, step)
            return None
        return self._answers.ask(number, self._store, step)

    def _reopen(self, number: int, store: Storage, step: Reopen) -> None:
        store.close()
        self._look_at_descriptors(number, "after a clean close")
        for problem in closed_problems(store):
            self._live(number, problem)
        self.history.possible = self._after(self.history.possible, step)
        self._acknowledge(number, closed=True)
        # What is known right after the close holds until the opening does something.
        self.history.know(number, self.history.possible, ahead=1)
        self._running.override(step.overrides)
        self._open(number)

    def _open(self, number: int) -> None:
        self.history.opens(number)
        self._running.open(lambda: self._look_at_descriptors(number, "after a failed open"))

    def _look_at_descriptors(self, number: int, when: str) -> None:
        for problem in self._running.left_open(when):
            self._live(number, problem)

    def finish(self) -> None:
        """Close the store on a copy of the machine's past, and look at what that leaves open."""
        if self._store is None or self.ended_by is not None:
            return
        number = max(self.steps_run - 1, 0)
        with self.machine.faults.healthy():
            try:
                self._store.close()
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                if not self.machine.faults.explains(error):
                    self._live(number, refusal("close the store", error, self.machine.when))
        self._look_at_descriptors(number, "after a close")

    def _check(self, number: int) -> bool:
        """Hold the running store against the model, and go on from what it shows if it is wrong."""
        try:
            seen = self._running.observe_after(number, self.history.possible[-1])
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            if self.machine.faults.explains(error):
                return self._check_the_truth(number)
            self._live(number, refusal("read everything back", error, self.machine.when))
            return False
        return self._hold(number, seen) and self._check_reports(number)

    def _check_reports(self, number: int) -> bool:
        """Hold metrics, verification and dump of the store against what was asked of it."""
        assert self._store is not None, "it has just been looked at"
        faults, shown = self.machine.faults, self.history.possible[-1]
        with faults.healthy():
            fs = SimFileSystem(self.machine.disk)
            problems = list(metrics_problems(self._store))
            if isinstance(self._store, MeteredStore) and not self._workload.faults.faults:
                problems += self._retention.problems(self._store.log_bounds())
            if isinstance(self._step, _CHANGES):
                problems += litter_problems(self._store, fs, self._workload.directory)
            is_small = len(shown.entries) <= 2 * PART
            if is_small and not (faults.is_damaged or faults.has_lied):
                problems += report_problems(self._store, shown, fs, self._workload.directory)
        for problem in problems:
            self._live(number, problem)
        return True

    def _hold(self, number: int, seen: Observation) -> bool:
        self._running.forget_losses()
        problems = self._judged(seen, self.history.now)
        for problem in problems:
            self._live(number, problem)
        if seen.bounds.first_index > self._first_index:
            self.compactions += 1
        self._first_index = seen.bounds.first_index
        if problems:
            self.history.adopt(number, seen)
        elif not is_as_promised(seen, self.history.now):
            self.history.lose(number, seen)
            return False
        return True

    def _check_the_truth(self, number: int) -> bool:
        """Look once more without the damage that was rightly refused, if it can be lifted."""
        if not self.machine.faults.is_truth_there:
            return True
        with self.machine.faults.healthy():
            try:
                seen = self._running.observe()
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                self._live(number, refusal("read everything back", error, "after a fault"))
                return False
        return self._hold(number, seen)

    def _resynchronise(self, number: int, step: Step) -> bool:
        """Go on after a refused step: it may have happened in part or not at all."""
        if self._store is None:
            return False
        try:
            seen = self._running.observe()
        except Exception:  # noqa: BLE001 - the refusal itself is already a finding
            return False
        self.steps_run = number + 1
        self.history.adopt(number, seen)
        # Without an append that should have come, the steps behind it make no sense.
        return _append_in(step) is None

    def _work_behind(self, number: int, due: int) -> bool:
        """Run background work; False if it ended in an error that no fault explains."""
        try:
            self.machine.runtime.run_pending(due)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            if self.machine.faults.explains(error):
                return True
            self._live(number, refusal("background work", error, self.machine.when))
            return False
        return True

    def _recover(self, number: int, step: Step | None, *, kill: bool = False) -> bool:
        """Go on after a step that failed when a fault had struck: open the store again.

        If opening fails too, or the step once more, then the faults are lifted: a store must get
        well once nothing goes wrong any more, unless the truth itself is gone.

        Args:
            number: of the step.
            step: what failed; None if it had returned when the process ended.
            kill: whether the process has ended.
        """
        faults = self.machine.faults
        for lifted in (False, True):
            with faults.healthy() if lifted else nullcontext():
                try:
                    self._restart(number, kill=lifted or kill)
                    if step is None:
                        return self._hold(number, self._running.observe())
                    return self._resume(number, step)
                except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                    if self._promises.allows_refusal(error):
                        return False  # what the failure has left may be taken for damage
                    explained = faults.explains(error)
                    if explained and lifted and not faults.is_truth_there:
                        return False
                    if lifted or not explained:
                        what = step or "open the store again"
                        self._live(number, refusal(what, error, "after a fault"))
                        return False
        raise AssertionError("once faults are lifted, no error is explained by them")

    def _resume(self, number: int, step: Step) -> bool:
        """Find out whether the step that failed has happened; if not, do it again."""
        before = self.history.possible
        seen = self._running.observe()
        unknown = self._during(before, step)
        left = tuple(
            state
            for state in unknown
            if not self._judged(seen, Knowledge(possible=(state,)))
            and is_as_promised(seen, Knowledge(possible=(state,)))
        )
        if not left:
            return self._go_on_from(number, step, seen)
        after, append = self._after(before, step), _append_in(step)
        # An append that need not be durable on return may be gone; what follows it needs it.
        is_gone = append is not None and left[-1].last_index < append.entries[-1].index
        if not is_gone and all(state in after for state in left):
            after = left
        else:
            self.history.possible = left
            if append is not None and append.entries[0].index != left[-1].last_index + 1:
                # A batch before it was not durable on return, and is gone by right.
                self.history.know(number, left, acknowledged=True)
                return False
            after = self._after(left, step)
            self.history.know(number, self._during(left, step))
            self._perform(number, step)
        self._finish_step(number, after)
        return self._check(number)

    def _go_on_from(self, number: int, step: Step, seen: Observation) -> bool:
        """Go on from what the opened store shows, which was not possible without a loss."""
        unknown = self._during(self.history.possible, step)
        problems = self._judged(seen, self.history.knowledge(unknown))
        self.steps_run = number + 1
        if not problems:
            self.history.lose(number, seen)
            return False
        for problem in problems:
            self._live(number, problem)
        self.history.adopt(number, seen)
        return _append_in(step) is None

    def _restart(self, number: int, *, kill: bool) -> None:
        """Open a store again that has failed, in this process or in the next."""
        if self._store is not None and not kill:
            with suppress(StorageError):
                self._store.close()
        if kill:
            self.machine.kill()
        self._open(number)

    def _finish_step(self, number: int, after: Possible) -> None:
        self.steps_run = number + 1
        self.history.forget_removed(after)
        self.history.possible = after
        self._acknowledge(number)
        self._is_running = False

    def _acknowledge(self, number: int, *, closed: bool = False) -> None:
        self.machine.disk.mark(f"step {number} acknowledged")
        self.history.know(number, self.history.possible, acknowledged=True, closed=closed)

    def _live(self, number: int, problem: Problem) -> None:
        self.problems.append(LiveProblem(number, problem))

    def _during(self, possible: Possible, step: Step) -> Possible:
        return begin(possible, step, self._workload.options, self._promises)

    def _after(self, possible: Possible, step: Step) -> Possible:
        return acknowledge(possible, step, self._workload.options, self._promises)

    def _judged(self, seen: Observation, knowledge: Knowledge) -> tuple[Problem, ...]:
        return judge(seen, knowledge, self._workload.options, promises=self._promises)


def _append_in(step: Step) -> Append | None:
    """Return the append that a step is, with a cancel token or without."""
    inner = step.step if isinstance(step, (Cancelled, Interrupted)) else step
    return inner if isinstance(inner, Append) else None
