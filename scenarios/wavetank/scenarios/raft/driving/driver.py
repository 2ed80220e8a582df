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

from attrs import evolve

from wavetank.engine import (
    FileSystem,
    OperationCancelledError,
    Storage,
    StorageError,
    StorageIOError,
    StoragePoisonedError,
)
from wavetank.faults import CrashEnd, CrashSignal
from wavetank.scenarios.exploration.loss import Loss, kept_after
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.history import History, LiveProblem
from wavetank.scenarios.raft.driving.inspection import inspection_problems
from wavetank.scenarios.raft.driving.live_checks import (
    MeteredStore,
    closed_problems,
    descriptor_problems,
    is_poisoned,
    litter_problems,
    metered,
    metrics_problems,
    poison_problems,
    report_problems,
)
from wavetank.scenarios.raft.driving.machine import Machine
from wavetank.scenarios.raft.driving.retention import Retention
from wavetank.scenarios.raft.driving.step_calls import (
    CountedToken,
    call,
    refusal,
    with_data_that_sets,
)
from wavetank.scenarios.raft.judging.observation import (
    Observation,
    check_ahead,
    check_points,
    observe,
    observe_parts,
    points_ahead,
)
from wavetank.scenarios.raft.judging.oracle import Knowledge, is_as_promised, judge, judge_parts
from wavetank.scenarios.raft.judging.tolerated_losses import (
    NOTHING_TOLERATED,
    legible_end,
    tolerated_losses_of,
)
from wavetank.scenarios.raft.model import ModelState, Possible, acknowledge, begin
from wavetank.scenarios.raft.steps import (
    AfterFailure,
    Append,
    Cancelled,
    Inspect,
    Interrupted,
    KillProcess,
    OpenAgain,
    OpenStore,
    Read,
    Refused,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.scenarios.raft.workloads.option_choices import with_overrides
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import POSIX, DiskImage, PendingOps, SimDisk, SimFileSystem

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
_PART: Final = 16
"""Entries in each of the two parts of a long log that are read after an append."""


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
        self._disk_may_lie = not (self._promises.media_sound and self._promises.syncs_honest)
        self.history = History(
            lambda: len(self.machine.disk.log), keeps_past=self._disk_may_lie, known=known
        )
        self.problems: list[LiveProblem] = []
        self.compactions = 0
        self.steps_run = 0
        self.ended_by: CrashEnd | None = None
        self._workload = workload
        self._options = workload.options
        self._backend = backend
        self._store: Storage | None = None
        self._step: Step = OpenStore()
        self._first_index = 1
        self._is_running = False
        self._named = NOTHING_TOLERATED
        self._retention = Retention(workload.options)
        self._legible_end: int | None = None
        # Where the next part of a long log begins that is read after an append.
        self._next_part = 1

    def take(self, number: int, step: Step) -> bool:
        """Run one step; False if the store is in no state to go on, or the power has gone."""
        self._step = step
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
                self._live(number, refusal(step, error, self._when))
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
        self._store = None
        self.machine.cut_power(self._left(begun + step.after, step))
        self.history.begin_again()
        self.history.know(number, self._during(before, step))
        self._options = self._workload.options
        self._retention.take(step, before[-1])
        return self._recover(number, step.step)

    def _left(self, position: int, step: Interrupted) -> DiskImage:
        """Return what a power cut leaves at a position, or at the next that lies in no group."""
        pending = PendingOps(self.machine.image, step.profile)
        for taken, record in enumerate(self.machine.disk.log):
            if taken >= position and pending.whole:
                break
            pending.take(record)
        loss = Loss(newest=step.newest, also=step.also, torn_sectors=step.torn_sectors)
        return pending.image(kept_after(pending, loss))

    def _succeeds_again(self, number: int, step: Step, error_before: Exception) -> bool:
        """Look at a store that has refused a step, and call it once more in the same process.

        What it refuses now it must refuse for a reason: another operation has failed, it waits to
        be opened again, or it shows that the step has been done.
        """
        faults = self.machine.faults
        before = self.history.possible
        must_poison = isinstance(self._store, MeteredStore) and faults.poisons(error_before)
        try:
            seen = self._observe()
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            if not faults.explains(error):
                self._live(number, refusal("read everything back", error, self._when))
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
                    self._live(number, _poisoned_for_room(step, error_before))
                self._try_poisoned(number, before[-1])
            return False
        if must_poison:
            self._live(number, _not_poisoned(step, error_before))
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
    def _goes_on(self) -> bool:
        return self._workload.after_failure is AfterFailure.RETRY

    @property
    def _when(self) -> str:
        faults = self.machine.faults
        is_struck = faults.has_failed or faults.is_damaged or faults.has_lied
        return "after a fault" if is_struck else "without a crash"

    def _perform(self, number: int, step: Step) -> Problem | None:
        if isinstance(step, OpenStore):
            self._open(number)
            return None
        if isinstance(step, KillProcess):
            self.machine.kill()
            self._options = with_overrides(self._workload.options, step.overrides)
            self._open(number)
            return None
        assert self._store is not None, "a workload opens its store first"
        if isinstance(step, Reopen):
            self._reopen(number, self._store, step)
            return None
        return self._ask(number, self._store, step)

    def _reopen(self, number: int, store: Storage, step: Reopen) -> None:
        store.close()
        self._look_at_descriptors(number, "after a clean close")
        for problem in closed_problems(store):
            self._live(number, problem)
        self.history.possible = self._after(self.history.possible, step)
        self._acknowledge(number, closed=True)
        # What is known right after the close holds until the opening does something.
        self.history.know(number, self.history.possible, ahead=1)
        self._options = with_overrides(self._workload.options, step.overrides)
        self._open(number)

    def _ask(self, number: int, store: Storage, step: Step) -> Problem | None:
        """Let the open store do a step, and return what is wrong with its answer."""
        match step:
            case Read():
                return self._read(store, step)
            case Refused():
                return self._refuse(store, step)
            case Cancelled():
                return self._cancel(number, store, step)
            case Inspect():
                self._inspect(number, store, step)
            case _:
                call(store, step)
        return None

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
            self._backend.open(self._site(self.machine.filesystem())).close()
        except StorageError:
            return None
        return Problem(
            "O16",
            "a second opener was let in",
            "the directory is open, and was opened again; expected that it is refused",
        )

    def _cancel(self, number: int, store: Storage, step: Cancelled) -> Problem | None:
        token = CountedToken(step.looks, only_set=step.in_data)
        asked = with_data_that_sets(step.step, token) if step.in_data else step.step
        try:
            call(store, asked, cancel=token)
        except OperationCancelledError as error:
            if not token.was_seen_set:
                return refusal(step, error, self._when)
            self._look_at_refused(number, store)
            call(store, step.step)
            return None
        return _not_cancelled(step) if step.must_end and self._has_tokens else None

    def _look_at_refused(self, number: int, store: Storage) -> None:
        """Hold a store that has just ended a call halfway to what it held before."""
        fs = SimFileSystem(self.machine.disk)
        for problem in (
            *self._judged(self._observe(), self.history.now),
            *litter_problems(store, fs, self._workload.directory),
        ):
            self._live(number, problem)

    @property
    def _has_tokens(self) -> bool:
        return isinstance(self._store, MeteredStore) and not self._workload.faults.faults

    def _inspect(self, number: int, store: Storage, step: Inspect) -> None:
        faults = self.machine.faults
        if faults.is_damaged or faults.has_lied:
            return
        site = self._site(SimFileSystem(self.machine.disk))
        with faults.healthy():
            copy = f"/copy-{number}" if step.backup else ""
            shown = self.history.possible[-1]
            for problem in inspection_problems(store, shown, site, copy, self._after_power_cut):
                self._live(number, problem)

    def _after_power_cut(self) -> FileSystem:
        """Return a filesystem with what is durable, and nothing else."""
        pending = PendingOps(self.machine.image, POSIX)
        pending.take_all(self.machine.disk.log)
        return SimFileSystem(SimDisk(pending.durable))

    def _open(self, number: int) -> None:
        self._store = None
        self.history.opens(number)
        if self._disk_may_lie:
            reader = self.machine.faults.uncounted(self.machine.disk)
            self._legible_end = legible_end(reader, self._workload.directory)
        site = self._site(self.machine.filesystem())
        before = self.machine.disk.open_paths
        try:
            self._store = metered(self._backend.open(site), self.machine.runtime)
        except Exception:
            if not before:
                self._look_at_descriptors(number, "after a failed open")
            raise
        if self._disk_may_lie:
            named = tolerated_losses_of(self._store, self._workload.directory, NOTHING_TOLERATED)
            self._named = named.after(self._named)

    def _site(self, fs: FileSystem) -> Site:
        return Site(
            fs=fs,
            runtime=self.machine.runtime,
            directory=self._workload.directory,
            options=self._options,
        )

    def _look_at_descriptors(self, number: int, when: str) -> None:
        """Tell what is open though no store is; one of plain Python has a process of its own."""
        if self._backend.has(Capability.SITE_FILESYSTEM):
            for problem in descriptor_problems(self.machine.disk, when):
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
                    self._live(number, refusal("close the store", error, self._when))
        self._look_at_descriptors(number, "after a close")

    def _read(self, store: Storage, step: Read) -> Problem | None:
        came = tuple(store.get_log_entries(step.start, step.end))
        shown = self.history.possible[-1]
        if came == shown.log_from(step.start)[: step.end - step.start]:
            return None
        return Problem("O2", "read returned other entries", f"{step}: other entries came back")

    def _check(self, number: int) -> bool:
        """Hold the running store against the model, and go on from what it shows if it is wrong."""
        try:
            seen = self._observe_after(number)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            if self.machine.faults.explains(error):
                return self._check_the_truth(number)
            self._live(number, refusal("read everything back", error, self._when))
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
            is_small = len(shown.entries) <= 2 * _PART
            if is_small and not (faults.is_damaged or faults.has_lied):
                problems += report_problems(self._store, shown, fs, self._workload.directory)
        for problem in problems:
            self._live(number, problem)
        return True

    def _hold(self, number: int, seen: Observation) -> bool:
        self._named = NOTHING_TOLERATED
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
                seen = self._observe()
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                self._live(number, refusal("read everything back", error, "after a fault"))
                return False
        return self._hold(number, seen)

    def _resynchronise(self, number: int, step: Step) -> bool:
        """Go on after a refused step: it may have happened in part or not at all."""
        if self._store is None:
            return False
        try:
            seen = self._observe()
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
            self._live(number, refusal("background work", error, self._when))
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
                        return self._hold(number, self._observe())
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
        seen = self._observe()
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

    def _observe_after(self, number: int) -> Observation:
        """Return what the store shows after a step.

        Reading a whole log after each append would make a run quadratic in its steps. Of a log of
        more than two parts the newest entries are read, and others in turn; after the last step,
        and after any that is no append, state, or read, the whole log is.
        """
        steps, shown = self._workload.steps, self.history.possible[-1]
        is_small = len(shown.entries) <= 2 * _PART
        if is_small or number + 1 >= len(steps) or self._workload.faults.faults:
            return self._observe()
        if not isinstance(steps[number], (Append, SaveState, Read)):
            return self._observe()
        assert self._store is not None
        seen = observe_parts(self._store, shown, self._parts(shown))
        return self._observe() if seen is None else seen

    def _parts(self, shown: ModelState) -> tuple[range, range]:
        newest, first = shown.last_index - _PART + 1, shown.base_index + 1
        start = max(first, min(self._next_part, newest - _PART))
        # Behind the last of the older entries, the turn begins anew.
        self._next_part = start + _PART if start + _PART < newest else first
        return range(start, start + _PART), range(newest, shown.last_index + 1)

    def _observe(self) -> Observation:
        """Return what the store shows while no operation fails; damage it shows as it is."""
        faults = self.machine.faults
        with faults.only_damage():
            seen = self._look()
        if not (faults.is_damaged or faults.has_lied):
            return seen
        assert self._store is not None
        disk = evolve(faults.tolerated_by_disk, legible_end=self._legible_end)
        tolerated = tolerated_losses_of(self._store, self._workload.directory, disk).after(
            self._named
        )
        # What the last opening made of damage stays, so that the same without damage proves little.
        with faults.healthy():
            sound = None if faults.is_damaged_for_good else self._look()
        return evolve(seen, tolerated=tolerated, sound=None if sound == seen else sound)

    def _look(self) -> Observation:
        assert self._store is not None
        # Single entries first: what a store has kept from earlier reads is what it answers with.
        ahead = points_ahead(self._store)
        seen = observe(self._store)
        found = (*check_ahead(ahead, seen), *check_points(self._store, seen))
        return evolve(seen, problems=(*seen.problems, *found))

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


def _not_poisoned(step: Step, error: Exception) -> Problem:
    what = f"'{step}' failed with {type(error).__name__}: {error}"
    return Problem(
        "O19",
        "not poisoned by what has failed",
        f"{what}; expected StoragePoisonedError for every later change, but the next one succeeded",
    )


def _poisoned_for_room(step: Step, error: Exception) -> Problem:
    return Problem(
        "O19",
        "poisoned by what only lacked room",
        f"'{step}' found no room for a temporary file ({error}); expected that work goes on, but "
        f"the store is poisoned",
    )


def _not_cancelled(step: Cancelled) -> Problem:
    return Problem(
        "O21",
        f"{type(step.step).__name__} went on though it was cancelled",
        f"'{step}', but it returned; expected OperationCancelledError",
    )


def _append_in(step: Step) -> Append | None:
    """Return the append that a step is, with a cancel token or without."""
    inner = step.step if isinstance(step, (Cancelled, Interrupted)) else step
    return inner if isinstance(inner, Append) else None
