"""Running a workload once, without crashes, and writing down all that a crash needs to know.

The result, a `Recording`, holds the op log of the simulated disk and, for every stretch of it, what
was known of the store then. It depends on the workload and the backend alone: every profile and
every crash point is explored from the same recording.

The run is itself checked: after each step the store is asked everything and held against the model,
so that a store that is wrong without any crash is found here.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from typing import Final

from attrs import Factory, evolve, field, frozen

from wavetank.engine import LogEntry, Storage, StorageError
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
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.sim import DiskImage, OpLog, SerialRuntime, SimDisk, SimFileSystem

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
    """

    workload: Workload
    backend: Backend
    image: DiskImage
    log: OpLog
    moments: tuple[Moment, ...]
    problems: tuple[LiveProblem, ...]
    compactions: int
    steps_run: int
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
        self.image = DiskImage.empty()
        self.disk = SimDisk(self.image)
        self.runtime = SerialRuntime(workload.seed)
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
        due = self.runtime.pending()
        after = acknowledge(self.possible, step, self.workload.options)
        self._know(number, begin(self.possible, step, self.workload.options), acknowledged=False)
        try:
            answered = self._perform(number, step)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            self._live(number, _refusal(step, error))
            return self._resynchronise(number, step)
        self.steps_run = number + 1
        self._forget_removed(after)
        self.possible = after
        self._acknowledge(number)
        if answered is not None:
            self._live(number, answered)
        # Background work of the step before runs now, so that it overlaps with one more step.
        self.runtime.run_pending(due)
        return self._check(number)

    def finish(self) -> Recording:
        return Recording(
            workload=self.workload,
            backend=self.backend,
            image=self.image,
            log=self.disk.log,
            moments=tuple(self.moments),
            problems=tuple(self.problems),
            compactions=self.compactions,
            steps_run=self.steps_run,
        )

    def _perform(self, number: int, step: Step) -> Problem | None:
        if isinstance(step, OpenStore):
            self._open()
            return None
        if isinstance(step, KillProcess):
            self.disk = self.disk.process_kill()
            self.runtime = SerialRuntime(self.workload.seed)
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
                _call(self.store, step.step)
            return None
        _call(self.store, step)
        return None

    def _open(self) -> None:
        self.store = None
        site = Site(
            fs=SimFileSystem(self.disk),
            runtime=self.runtime,
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
            self._live(number, _refusal("read everything back", error))
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

    def _observe(self) -> Observation:
        assert self.store is not None
        seen = observe(self.store)
        return evolve(seen, problems=(*seen.problems, *check_points(self.store, seen)))

    def _adopt(self, number: int, seen: Observation) -> None:
        self.possible = (_with_compaction(seen.as_model(), self.possible),)
        self.removed -= frozenset(seen.entries)
        self._know(number, self.possible, acknowledged=True)

    def _forget_removed(self, after: Possible) -> None:
        """Note which entries the step took out of the log for good."""
        before = {entry for state in self.possible for entry in state.entries}
        left = {entry for state in after for entry in state.entries}
        self.removed = (self.removed | (before - left)) - left

    def _know(self, number: int, possible: Possible, *, acknowledged: bool, ahead: int = 0) -> None:
        self._add_moment(number, possible, acknowledged=acknowledged, ahead=ahead)

    def _acknowledge(self, number: int, *, closed: bool = False) -> None:
        self.disk.mark(f"step {number} acknowledged")
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
                position=len(self.disk.log) + ahead,
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


def _refusal(what: Step | str, error: Exception) -> Problem:
    kind = type(error).__name__
    invariant = "O7" if isinstance(what, (OpenStore, Reopen, KillProcess)) else "O8"
    step = what if isinstance(what, str) else type(what).__name__
    return Problem(
        invariant,
        f"{step} refused without a crash: {kind}",
        f"without any crash, '{what}' was refused: {kind}: {error}",
    )


def _call(store: Storage, step: Step) -> None:
    if isinstance(step, SaveState):
        store.save_state(step.state)
    elif isinstance(step, Append):
        store.append_log_entries(step.entries)
    elif isinstance(step, TruncateSuffix):
        store.truncate_log_suffix(step.index)
    elif isinstance(step, TruncatePrefix):
        store.truncate_log_prefix(step.index)
    elif isinstance(step, SaveSnapshot):
        store.save_snapshot(step.metadata, step.data)
