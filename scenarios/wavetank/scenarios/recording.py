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
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from types import MappingProxyType
from typing import Final

from attrs import Factory, evolve, field, frozen

from wavetank.engine import LogEntry, Storage, StorageError
from wavetank.scenarios._machine import Machine
from wavetank.scenarios._step_calls import call, refusal
from wavetank.scenarios.backend import Backend, Site
from wavetank.scenarios.model import EMPTY, ModelState, Possible, acknowledge, begin
from wavetank.scenarios.observation import Observation, Problem, check_points, observe
from wavetank.scenarios.oracle import Knowledge, judge
from wavetank.scenarios.steps import (
    Append,
    KillProcess,
    OpenStore,
    Read,
    Refused,
    Reopen,
    Step,
    Workload,
)
from wavetank.sim import DiskImage, OpLog

__all__ = ["STORE_DIRECTORY", "LiveProblem", "Moment", "Recording", "record"]

STORE_DIRECTORY: Final = "/store"


@frozen(kw_only=True)
class Moment:
    """What was known of the store from one position of the op log on.

    Attributes:
        position: records of the op log before it.
        step: which step of the workload it belongs to.
        acknowledged: whether that step has returned.
        knowledge: what the oracle needs.
    """

    position: int
    step: int
    acknowledged: bool
    knowledge: Knowledge


@frozen
class LiveProblem:
    """An invariant broken without any crash, and the step after which it showed."""

    step: int
    problem: Problem


@frozen(kw_only=True)
class Recording:
    """One run of a workload on a backend.

    Attributes:
        workload: what was run.
        backend: on what.
        image: the disk before the first step.
        log: everything done to it.
        moments: what was known, by position.
        problems: what was wrong without a crash.
        compactions: how often the first log index rose.
        steps_run: how many steps ran before the run ended or had to be given up.
        faults_fired: how often each fault of the workload fired, by its line.
    """

    workload: Workload
    backend: Backend
    image: DiskImage
    log: OpLog
    moments: tuple[Moment, ...]
    problems: tuple[LiveProblem, ...]
    compactions: int
    steps_run: int
    faults_fired: Mapping[str, int] = MappingProxyType({})
    _positions: tuple[int, ...] = field(
        init=False,
        repr=False,
        default=Factory(
            lambda self: tuple(moment.position for moment in self.moments), takes_self=True
        ),
    )

    def moment_at(self, position: int) -> Moment:
        """Return what was known when `position` records had been written."""
        return self.moments[bisect_right(self._positions, position) - 1]


def record(workload: Workload, backend: Backend) -> Recording:
    """Run `workload` on a new simulated disk and write everything down."""
    run = _Run(workload, backend)
    for number, step in enumerate(workload.steps):
        if not run.take(number, step):
            break
    return run.finish()


class _Run:
    """The state of one recording run."""

    def __init__(self, workload: Workload, backend: Backend) -> None:
        self.workload = workload
        self.backend = backend
        self.machine = Machine(workload.seed, workload.faults)
        self.store: Storage | None = None
        self.possible: Possible = (EMPTY,)
        self.removed: frozenset[LogEntry] = frozenset()
        self.moments: list[Moment] = []
        self.problems: list[LiveProblem] = []
        self.compactions = 0
        self.first_index = 1
        self.steps_run = 0

    def take(self, number: int, step: Step) -> bool:
        """Run one step; False if the store is in no state to go on."""
        due = self.machine.runtime.pending()
        after = acknowledge(self.possible, step, self.workload.options)
        self._know(number, begin(self.possible, step, self.workload.options), acknowledged=False)
        try:
            answered = self._perform(number, step)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            struck = self.machine.struck
            if isinstance(error, StorageError) and struck:
                return self._recover(number, step)
            when = "after a fault" if struck else "without a crash"
            self._live(number, refusal(step, error, when))
            return self._resynchronise(number, step)
        self._finish_step(number, after)
        if answered is not None:
            self._live(number, answered)
        # Background work of the step before runs now, so that it overlaps with one more step.
        return self._work_behind(number, due) and self._check(number)

    def finish(self) -> Recording:
        return Recording(
            workload=self.workload,
            backend=self.backend,
            image=self.machine.image,
            log=self.machine.disk.log,
            moments=tuple(self.moments),
            problems=tuple(self.problems),
            compactions=self.compactions,
            steps_run=self.steps_run,
            faults_fired=MappingProxyType(dict(self.machine.fired())),
        )

    def _perform(self, number: int, step: Step) -> Problem | None:
        if isinstance(step, OpenStore):
            self._open()
            return None
        if isinstance(step, KillProcess):
            self.machine.kill()
            self._open()
            return None
        assert self.store is not None, "a workload opens its store first"
        if isinstance(step, Reopen):
            self.store.close()
            self.possible = acknowledge(self.possible, step, self.workload.options)
            self._acknowledge(number, closed=True)
            # What is known right after the close holds until the opening does something.
            self._know(number, self.possible, acknowledged=False, ahead=1)
            self._open()
            return None
        if isinstance(step, Read):
            return self._read(self.store, step)
        if isinstance(step, Refused):
            # A store that takes it shows that in what it holds from now on.
            with suppress(StorageError):
                call(self.store, step.step)
            return None
        call(self.store, step)
        return None

    def _open(self) -> None:
        self.store = None
        site = Site(
            fs=self.machine.filesystem(),
            runtime=self.machine.runtime,
            directory=STORE_DIRECTORY,
            options=self.workload.options,
        )
        self.store = self.backend.open(site)

    def _read(self, store: Storage, step: Read) -> Problem | None:
        came = tuple(store.get_log_entries(step.start, step.end))
        shown = self.possible[-1]
        if came == shown.log_from(step.start)[: step.end - step.start]:
            return None
        return Problem("O2", "read returned other entries", f"{step}: other entries came back")

    def _check(self, number: int) -> bool:
        """Hold the running store against the model, and go on from what it shows if it is wrong."""
        try:
            seen = self._observe()
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            self._live(number, refusal("read everything back", error))
            return False
        problems = judge(
            seen,
            Knowledge(possible=self.possible[-1:], removed=self.removed),
            self.workload.options,
        )
        for problem in problems:
            self._live(number, problem)
        if seen.bounds.first_index > self.first_index:
            self.compactions += 1
        self.first_index = seen.bounds.first_index
        if problems:
            self._adopt(number, seen)
        return True

    def _resynchronise(self, number: int, step: Step) -> bool:
        """Go on after a refused step: it may have happened in part or not at all."""
        if self.store is None:
            return False
        try:
            seen = self._observe()
        except Exception:  # noqa: BLE001 - the refusal itself is already a finding
            return False
        self.steps_run = number + 1
        self._adopt(number, seen)
        # Without an append that should have come, the steps behind it make no sense.
        return not isinstance(step, Append)

    def _work_behind(self, number: int, due: int) -> bool:
        """Run background work; False if it ended in an error that no fault excuses."""
        try:
            self.machine.runtime.run_pending(due)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            struck = self.machine.struck
            if isinstance(error, StorageError) and struck:
                return True
            when = "after a fault" if struck else "without a crash"
            self._live(number, refusal("background work", error, when))
            return False
        return True

    def _recover(self, number: int, step: Step) -> bool:
        """Go on after a step that failed when a fault had struck: open the store again.

        If opening fails too, or the step once more, then the faults are lifted: a store must get
        well once nothing goes wrong any more.
        """
        for lifted in (False, True):
            with self.machine.healthy() if lifted else nullcontext():
                try:
                    self._restart(kill=lifted)
                    return self._resume(number, step)
                except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                    excused = isinstance(error, StorageError) and self.machine.struck
                    if lifted or not excused:
                        self._live(number, refusal(step, error, "after a fault"))
                        return False
        raise AssertionError("once faults are lifted nothing is excused")

    def _resume(self, number: int, step: Step) -> bool:
        """Find out whether the step that failed has happened; if not, do it again."""
        options = self.workload.options
        seen = self._observe()
        unknown = begin(self.possible, step, options)
        left = tuple(
            state for state in unknown if not judge(seen, Knowledge(possible=(state,)), options)
        )
        if not left:
            knowledge = Knowledge(possible=unknown, removed=self.removed)
            for problem in judge(seen, knowledge, options):
                self._live(number, problem)
            self.steps_run = number + 1
            self._adopt(number, seen)
            return not isinstance(step, Append)
        after = acknowledge(self.possible, step, options)
        if all(state in after for state in left):
            after = left
        else:
            self.possible = left
            if isinstance(step, Append) and step.entries[0].index != left[-1].last_index + 1:
                # A batch before it was not durable on return, and is gone by right.
                self._know(number, left, acknowledged=True)
                return False
            after = acknowledge(left, step, options)
            self._know(number, begin(left, step, options), acknowledged=False)
            self._perform(number, step)
        self._finish_step(number, after)
        return self._check(number)

    def _restart(self, *, kill: bool) -> None:
        """Open a store again that has failed, in this process or in the next."""
        if self.store is not None and not kill:
            with suppress(StorageError):
                self.store.close()
        if kill:
            self.machine.kill()
        self._open()

    def _observe(self) -> Observation:
        assert self.store is not None
        with self.machine.healthy():
            seen = observe(self.store)
            return evolve(seen, problems=(*seen.problems, *check_points(self.store, seen)))

    def _adopt(self, number: int, seen: Observation) -> None:
        self.possible = (_with_compaction(seen.as_model(), self.possible),)
        self.removed -= frozenset(seen.entries)
        self._know(number, self.possible, acknowledged=True)

    def _finish_step(self, number: int, after: Possible) -> None:
        self.steps_run = number + 1
        self._forget_removed(after)
        self.possible = after
        self._acknowledge(number)

    def _forget_removed(self, after: Possible) -> None:
        """Note which entries the step took out of the log for good."""
        before = {entry for state in self.possible for entry in state.entries}
        left = {entry for state in after for entry in state.entries}
        self.removed = (self.removed | (before - left)) - left

    def _know(self, number: int, possible: Possible, *, acknowledged: bool, ahead: int = 0) -> None:
        self._add_moment(number, possible, acknowledged=acknowledged, ahead=ahead)

    def _acknowledge(self, number: int, *, closed: bool = False) -> None:
        self.machine.disk.mark(f"step {number} acknowledged")
        self._add_moment(number, self.possible, acknowledged=True, closed=closed)

    def _add_moment(
        self,
        number: int,
        possible: Possible,
        *,
        acknowledged: bool,
        closed: bool = False,
        ahead: int = 0,
    ) -> None:
        knowledge = Knowledge(possible=possible, removed=self.removed, closed=closed)
        self.moments.append(
            Moment(
                position=len(self.machine.disk.log) + ahead,
                step=number,
                acknowledged=acknowledged,
                knowledge=knowledge,
            )
        )

    def _live(self, number: int, problem: Problem) -> None:
        self.problems.append(LiveProblem(number, problem))


def _with_compaction(state: ModelState, before: Possible) -> ModelState:
    through = max(other.compactable_through for other in before)
    return evolve(state, compactable_through=min(through, state.last_index))
