"""A store that lives through many crashes, driven step by step: `StoreLife`.

A recording takes a whole workload and is then crashed at every point. Here whoever drives chooses
one crash, and the life goes on with what that has left. After every step, and after every crash,
the store is held to the model; what is wrong is returned.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType

from attrs import evolve

from wavetank.engine import FileKind, FileStorageOptions, StorageError
from wavetank.faults import Failure, FaultPlan
from wavetank.scenarios.exploration.loss import Loss, kept_after, told_lost
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.driver import LiveRun
from wavetank.scenarios.raft.driving.step_calls import call
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.judging.oracle import INVARIANTS, Knowledge, is_as_promised, judge
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.steps import KillProcess, OpenStore, Step, Workload
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import (
    DiskImage,
    PendingOps,
    Profile,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)

__all__ = ["StoreLife"]


class StoreLife:
    """A store on a simulated machine, from its making on.

    Args:
        backend: the store; one of plain Python from inside `on_simulated_disk`.
        options: what it is opened with.
        profile: what a power cut may lose.
        disabled: invariants that are not judged.

    Attributes:
        profile: the same.
        problems: all that was wrong so far.

    >>> from wavetank.engine import FileStorageOptions, PersistentState
    >>> from wavetank.scenarios import BUILTIN, SaveState
    >>> from wavetank.sim import POSIX
    >>> life = StoreLife(BUILTIN, FileStorageOptions(), POSIX)
    >>> life.take(SaveState(PersistentState(1, "node-a")))
    ()
    >>> life.cut_power(Loss(newest=100))
    ()
    >>> life.shown.state
    PersistentState(current_term=1, voted_for='node-a')
    """

    def __init__(
        self,
        backend: StoreAdapter,
        options: FileStorageOptions,
        profile: Profile,
        *,
        disabled: frozenset[str] = frozenset(),
    ) -> None:
        self.profile = profile
        self.problems: list[Problem] = []
        self._backend = backend
        self._disabled = disabled
        self._workload = Workload(name="life", seed=0, steps=(), options=options)
        self._told: list[str] = []
        self._is_over = False
        self._began = 0
        self._run = LiveRun(self._workload, backend)
        self.take(OpenStore())

    @property
    def is_over(self) -> bool:
        """Whether the store is in no state to go on: something is wrong with it."""
        return self._is_over

    @property
    def shown(self) -> ModelState:
        """What the running store shows."""
        return self._run.history.possible[-1]

    @property
    def steps(self) -> tuple[str, ...]:
        """All that has happened, in words."""
        return tuple(f"{number}: {told}" for number, told in enumerate(self._told))

    def take(self, step: Step) -> tuple[Problem, ...]:
        """Let the store do a step, and return what is wrong then.

        Args:
            step: one that a right store takes in the state that is `shown`.

        Raises:
            ValueError: the life is over.
        """
        self._require_life()
        self._told.append(str(step))
        self._began = len(self._run.machine.disk.log)
        known = len(self._run.problems)
        goes_on = self._run.take(len(self._told) - 1, step)
        found = tuple(live.problem for live in self._run.problems[known:])
        return self._keep(found, goes_on=goes_on)

    def kill_under(self, faults: FaultPlan) -> tuple[Problem, ...]:
        """Kill the process, and let other faults strike from then on, until the next power cut.

        Args:
            faults: operations that fail; none for a healthy machine.

        Raises:
            ValueError: a fault of another family, or the life is over.
        """
        for fault in faults.faults:
            if not isinstance(fault.what, Failure) or fault.damages:
                raise ValueError(
                    f"faults: expected operations that fail and damage nothing but got '{fault}'"
                )
        self._require_life()
        self._run.machine.strike(faults)
        found = self.take(KillProcess())
        self._told[-1] += "".join(f"; from now on: {fault}" for fault in faults.faults)
        return found

    def cut_power(self, loss: Loss, *, written: int | None = None) -> tuple[Problem, ...]:
        """Cut the power, restart on what is left, and return what is wrong with that.

        The recovered store is given work and crashed again, as the sweeps do; the life goes on
        without that work.

        Args:
            loss: what the cut takes.
            written: records of the op log that the last step had written when the power went; None
                for all, behind its acknowledgement.

        Raises:
            ValueError: the life is over, or `written` is negative.
        """
        if written is not None and written < 0:
            raise ValueError(f"written: expected None or records >= 0 but got {written}")
        self._require_life()
        length = len(self._run.machine.disk.log)
        cut_at = length if written is None else min(length, self._began + written)
        pending, position = self._pending(cut_at)
        intervals = self._run.history.intervals
        at = bisect_right([each.position for each in intervals], position) - 1
        knowledge = intervals[at].knowledge if at >= 0 else Knowledge(possible=(self.shown,))
        kept = kept_after(pending, loss)
        during = "" if position == length else f" at op {position - self._began} of that"
        log = tuple(islice(self._run.machine.disk.log, position))
        lost = "; ".join(told_lost(log, pending, kept))
        told = f"lost: {lost}" if lost else "nothing lost"
        self._told.append(f"power cut{during} under {self.profile.name}; {told}")
        return self._restart(pending.image(kept), knowledge)

    @property
    def surviving(self) -> DiskImage:
        """What another process would find on the disk now, if this one were killed."""
        return self._run.machine.surviving

    def find(self, told: str, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """Take what was wrong with something that was tried on a copy of the machine.

        Args:
            told: what was tried, in words.
            problems: what was wrong with it; () if nothing was, and the life goes on.

        Raises:
            ValueError: the life is over.
        """
        self._require_life()
        self._told.append(told)
        return self._keep(problems)

    def sizes_after(self, step: Step) -> Mapping[str, tuple[int, int]]:
        """Return how large each file of the store would be before and after a step, in bytes.

        Nothing changes: another store is opened on a copy of the machine. It returns nothing if
        that store refuses, or is one of plain Python: its process would end that of the life.
        """
        if not self._backend.has(Capability.SITE_FILESYSTEM):
            return MappingProxyType({})
        disk = self._run.machine.disk.process_kill()
        site = Site(
            fs=SimFileSystem(disk),
            runtime=SerialRuntime(),
            directory=self._workload.directory,
            options=self._workload.options,
        )
        try:
            store = self._backend.open(site)
            before = _sizes(disk, self._workload.directory)
            call(store, step)
        except (StorageError, OSError):
            return MappingProxyType({})
        after = _sizes(disk, self._workload.directory)
        return {name: (before.get(name, 0), size) for name, size in after.items()}

    def story(self) -> str:
        """Return what has happened and what was wrong, for a person."""
        broken = dict.fromkeys(problem.invariant for problem in self.problems)
        lines = [f"{problem.invariant}: {problem.summary}" for problem in self.problems]
        lines += [f"  promised  {each}: {INVARIANTS.get(each, '')}" for each in broken]
        return "\n".join([*lines, *(f"  step      {told}" for told in self.steps)])

    def _require_life(self) -> None:
        if self._is_over:
            raise ValueError("expected a store that can go on but its life is over; see `problems`")

    def _keep(self, found: tuple[Problem, ...], *, goes_on: bool = True) -> tuple[Problem, ...]:
        kept = tuple(each for each in found if each.invariant not in self._disabled)
        self.problems += kept
        self._is_over = bool(kept) or not goes_on
        return kept

    def _pending(self, position: int) -> tuple[PendingOps, int]:
        """Return what is pending at a position, or at the next one that lies in no atomic group."""
        machine = self._run.machine
        pending = PendingOps(machine.image, self.profile)
        taken = 0
        for taken, record in enumerate((*machine.disk.log, None)):
            if record is None or (taken >= position and pending.whole):
                break
            pending.take(record)
        return pending, taken

    def _restart(self, image: DiskImage, knowledge: Knowledge) -> tuple[Problem, ...]:
        options = self._workload.options
        recovery = RaftSubject(self._workload, self._backend, self._disabled)
        recovered = recovery.recover(image)
        seen, found = recovered.observation, recovered.problems
        if seen is None:
            return self._keep(found, goes_on=False)
        pending = PendingOps(image, self.profile)
        pending.take_all(recovered.log)
        found += judge(seen, knowledge, options, self._disabled)
        found += recovery.work(image, recovered, pending)
        if self._keep(found):
            return found
        known = evolve(knowledge, possible=_with_last(knowledge, seen))
        self._run = LiveRun(self._workload, self._backend, image=image, known=known)
        found = self.take(OpenStore())
        if not self._is_over:
            self._run.history.adopt(len(self._told) - 1, seen)
        return found


def _with_last(knowledge: Knowledge, seen: Observation) -> tuple[ModelState, ...]:
    """Return the possible states, with one at the end in which a store shows what was seen."""
    fits = [
        state
        for state in knowledge.possible
        if is_as_promised(seen, evolve(knowledge, possible=(state,)))
    ]
    last = fits[-1] if fits else seen.as_model()
    return (*(state for state in knowledge.possible if state != last), last)


def _sizes(disk: SimDisk, directory: str) -> dict[str, int]:
    fs = SimFileSystem(disk)
    try:
        paths = [f"{directory}/{name}" for name in fs.listdir(directory)]
    except FileNotFoundError:
        # A store may make its directory as late as at its first append.
        return {}
    return {path: stat.size for path in paths if (stat := fs.stat(path)).kind is FileKind.FILE}
