"""`RaftStoreMachine`: hypothesis drives a Raft store through work, crashes and failing operations.

Every rule takes small numbers that count from the end of the log, of the op log or of what is
pending, so that a failing example is a short program that runs as it is printed, and shrinks to the
least work and the smallest loss. The model says what is promised, the disk what may be lost
(store_life.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any, ClassVar, Final

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from wavetank.engine import FileStorageOptions
from wavetank.faults import parse_plan
from wavetank.faults.strategies import failure_plans
from wavetank.scenarios.concurrency.concurrent_run import Start, is_schedulable, start_on
from wavetank.scenarios.concurrency.exploration import glance
from wavetank.scenarios.concurrency.schedules import Player, explore_schedules
from wavetank.scenarios.conformance import suite_options
from wavetank.scenarios.exploration.loss import Loss
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.steps import (
    Append,
    Close,
    KillProcess,
    ReadBounds,
    Reopen,
    Step,
    StoreCall,
    TaskPlan,
    TaskStep,
    Workload,
)
from wavetank.scenarios.raft.store_life import StoreLife
from wavetank.scenarios.raft.workloads.actions import (
    append_move,
    compaction_move,
    conflict_move,
    installation_move,
    read_move,
    snapshot_move,
    stale_snapshot_move,
    stale_vote_move,
    vote_move,
)
from wavetank.scenarios.raft.workloads.fitted_workload import undeclared_invariants
from wavetank.scenarios.stores.adapter import StoreAdapter, adapter_of
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.scenarios.strategies import candidates, command_sizes
from wavetank.sim import BLOCK_SIZE, SAFE_PROFILES, Profile

__all__ = ["BrokenPromiseError", "RaftStoreMachine"]

_few: Final = st.integers(0, 5)
_written: Final = st.integers(0, 8) | st.integers(0, 40)
_newest: Final = st.just(0) | st.integers(0, 4) | st.integers(0, 40)
_also: Final = st.just(()) | st.lists(st.integers(0, 20), max_size=3, unique=True)
_sectors: Final = st.just(0) | st.integers(0, 255)
_BESIDE: Final[Mapping[str, tuple[Capability, ...]]] = MappingProxyType(
    {
        "append": (),
        "read": (),
        "close": (),
        "save state": (Capability.VOTES,),
        "truncate suffix": (Capability.TRUNCATE_SUFFIX,),
        "truncate prefix": (Capability.TRUNCATE_PREFIX,),
        "save snapshot": (Capability.SNAPSHOTS,),
    }
)
"""Calls that are made beside one another, and what a store must be able to do for that."""
_beside: Final = st.sampled_from(tuple(_BESIDE))
_plans: Final = failure_plans(names=st.just("*"), max_number=20, max_size=2).map(str)


class BrokenPromiseError(AssertionError):
    """A store has broken an invariant; the message tells all that led there."""


def _needs(*capabilities: Capability) -> Callable[[Any], Any]:
    """Return a decorator: a rule for stores with these capabilities that can go on."""
    return precondition(lambda self: not self.life.is_over and self.store.has(*capabilities))


class RaftStoreMachine(RuleBasedStateMachine):
    """Any Raft store under work, power cuts, killed processes and failing operations.

    A subclass names the store; pytest and unittest run its attribute `TestCase`::

        class MyStoreMachine(RaftStoreMachine):
            backend = adapter_of(MyStore, capabilities=[Capability.VOTES])

        TestMyStore = MyStoreMachine.TestCase

    Attributes:
        backend: the store: a `StoreAdapter`, or what opens a store at a `Site`.
        capabilities: what it declares; None for what the adapter says.
        options: what it is opened with; None for what the suite asks of such a store.
        profiles: what a power cut may lose: one of them in each example.
        fails: whether operations of its filesystem fail; those of a store of plain Python never do.
        schedules: under which two calls run beside one another each time; with 0, none do.
    """

    backend: ClassVar[object] = BUILTIN
    capabilities: ClassVar[frozenset[Capability] | None] = None
    options: ClassVar[FileStorageOptions | None] = None
    profiles: ClassVar[Sequence[Profile]] = SAFE_PROFILES
    fails: ClassVar[bool] = True
    schedules: ClassVar[int] = 4

    def __init__(self) -> None:
        super().__init__()
        kind = type(self)
        self.store = adapter_of(kind.backend, capabilities=kind.capabilities)
        self._options = kind.options or _options(self.store)
        self._marks = 0
        self._simulation = ExitStack()
        self.life: StoreLife

    @initialize(name=st.runner().flatmap(lambda self: st.sampled_from(_names(self.profiles))))
    def make_store(self, name: str) -> None:
        """Make the store, on a disk of which power cuts may lose what a profile says."""
        profile = next(each for each in self.profiles if each.name == name)
        disabled = undeclared_invariants(self.store.capabilities)
        store = self._simulation.enter_context(on_simulated_disk(self.store))
        self.life = StoreLife(store, self._options, profile, disabled=disabled)
        self._hold()

    def teardown(self) -> None:
        """Give the interpreter its own files back, if the store is one of plain Python."""
        self._simulation.close()

    # Work

    @_needs(Capability.VOTES)
    @rule(terms_ahead=st.integers(0, 2), candidate=candidates())
    def save_state(self, terms_ahead: int, candidate: str) -> None:
        """Save a term and a vote."""
        self._take(vote_move(self.life.shown, terms_ahead=terms_ahead, candidate=candidate))

    @_needs()
    @rule(sizes_bytes=st.lists(command_sizes(), min_size=1, max_size=4))
    def append(self, sizes_bytes: Sequence[int]) -> None:
        """Append a batch."""
        self._take(self._batch(sizes_bytes))

    @_needs()
    @rule(size_bytes=command_sizes(), before_block=st.integers(0, 6))
    def append_up_to_block(self, size_bytes: int, before_block: int) -> None:
        """Append an entry that makes a file end so many bytes before a block does."""
        grown = [
            after
            for before, after in self.life.sizes_after(self._batch([size_bytes])).values()
            if after > before
        ]
        more = (-before_block - max(grown)) % BLOCK_SIZE if grown else 0
        self._take(self._batch([size_bytes + more]))

    @_needs(Capability.TRUNCATE_SUFFIX)
    @rule(count=st.integers(1, 4))
    def truncate_suffix(self, count: int) -> None:
        """Remove entries at the end, as on a conflict with the leader's log."""
        self._take(conflict_move(self.life.shown, count=count))

    @_needs(Capability.TRUNCATE_PREFIX)
    @rule(keep=_few)
    def truncate_prefix(self, keep: int) -> None:
        """Remove all entries but the last few."""
        shown, covered = self.life.shown, self._options.compaction_requires_snapshot
        self._take(compaction_move(shown, keep=keep, needs_snapshot=covered))

    @_needs(Capability.SNAPSHOTS)
    @rule(back=_few, size_bytes=command_sizes())
    def save_snapshot(self, back: int, size_bytes: int) -> None:
        """Save a snapshot of all but the last few entries."""
        self._take(snapshot_move(self.life.shown, back=back, size_bytes=size_bytes))

    @_needs(Capability.SNAPSHOTS, Capability.INSTALLS_SNAPSHOTS)
    @rule(ahead=st.integers(1, 5), size_bytes=command_sizes())
    def install_snapshot(self, ahead: int, size_bytes: int) -> None:
        """Save a leader's snapshot from beyond the log."""
        self._take(installation_move(self.life.shown, ahead=ahead, size_bytes=size_bytes))

    @_needs()
    @rule(vote=st.booleans())
    def save_stale(self, *, vote: bool) -> None:
        """Save an earlier term or snapshot, which a store that says so must refuse."""
        if vote and self.store.has(Capability.VOTES, Capability.REFUSES_STALE_VOTES):
            self._take(stale_vote_move(self.life.shown))
        if not vote and self.store.has(Capability.SNAPSHOTS, Capability.REFUSES_STALE_SNAPSHOTS):
            self._take(stale_snapshot_move(self.life.shown))

    @_needs()
    @rule(back=_few, count=st.integers(1, 5))
    def read(self, back: int, count: int) -> None:
        """Read a few entries near the end, before work in the background goes on."""
        self._take(read_move(self.life.shown, back=back, count=count))

    # Work beside other work

    @precondition(lambda self: self.schedules and is_schedulable(self.store))
    @_needs()
    @rule(first=_beside, second=_beside, seed=st.integers(0, 99))
    def work_beside(self, first: str, second: str, seed: int) -> None:
        """Make two calls beside one another under a few schedules, and cut the power meanwhile.

        It happens on copies of the machine. Stores that take their threads from elsewhere than
        their site are not asked: no schedule of theirs could be made again. `wavetank check` tries
        them with real threads.
        """
        tasks = tuple(
            TaskPlan(name=f"caller {number}", steps=(TaskStep(call=self._call(name, number)),))
            for number, name in enumerate((first, second), 1)
        )
        workload = Workload(name="beside", seed=0, steps=(), options=self._options, tasks=tasks)
        start = start_on(self.life.surviving, self.life.shown, workload, self.store)
        schedule, found = beside_problems(
            start, self.life.profile, seed=seed, schedules=self.schedules
        )
        calls = " | ".join(str(task.steps[0]) for task in tasks)
        self.life.find(f"beside one another, {schedule or 'seed ' + str(seed)}: {calls}", found)
        self._hold()

    def _call(self, name: str, number: int) -> StoreCall:
        """Return the call of that name that fits what is shown; else one that only looks."""
        shown = self.life.shown
        match name if self.store.has(*_BESIDE[name]) else "read":
            case "append":
                return self._batch([1])
            case "save state":
                return vote_move(shown, terms_ahead=1, candidate=f"node-{number}")
            case "truncate suffix":
                move: StoreCall | None = conflict_move(shown, count=1)
            case "truncate prefix":
                move = compaction_move(shown, keep=0, needs_snapshot=True)
            case "save snapshot":
                move = snapshot_move(shown, back=0, size_bytes=number)
            case "close":
                return Close()
            case _:
                move = read_move(shown, back=0, count=2)
        return move or ReadBounds()

    # Ends of the process

    @_needs()
    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self._take(Reopen())

    @_needs()
    @rule()
    def kill(self) -> None:
        """Kill the process and open the store again."""
        self._take(KillProcess())

    @precondition(lambda self: self.fails)
    @_needs(Capability.SITE_FILESYSTEM)
    @rule(faults=_plans)
    def fail(self, faults: str) -> None:
        """Kill the process, and let operations fail from then on, until the power is cut."""
        self.life.kill_under(parse_plan(faults))
        self._hold()

    @_needs()
    @rule(lost_newest=_newest, lost_also=_also, torn_sectors=_sectors)
    def cut_power(
        self, lost_newest: int = 0, lost_also: Sequence[int] = (), torn_sectors: int = 0
    ) -> None:
        """Cut the power behind the last step, and restart on what is left; see `Loss`."""
        loss = Loss(newest=lost_newest, also=tuple(lost_also), torn_sectors=torn_sectors)
        self.life.cut_power(loss)
        self._hold()

    @_needs()
    @rule(written=_written, lost_newest=_newest, lost_also=_also, torn_sectors=_sectors)
    def cut_power_during(
        self,
        written: int,
        lost_newest: int = 0,
        lost_also: Sequence[int] = (),
        torn_sectors: int = 0,
    ) -> None:
        """Cut the power when the last step had written so many records of the op log."""
        loss = Loss(newest=lost_newest, also=tuple(lost_also), torn_sectors=torn_sectors)
        self.life.cut_power(loss, written=written)
        self._hold()

    def _take(self, step: Step | None) -> None:
        if step is not None:
            self.life.take(step)
        self._hold()

    def _hold(self) -> None:
        if self.life.problems:
            raise BrokenPromiseError(self.life.story())

    def _batch(self, sizes_bytes: Sequence[int]) -> Append:
        self._marks += len(sizes_bytes)
        return append_move(self.life.shown, sizes_bytes=tuple(sizes_bytes), mark=self._marks)


def beside_problems(
    start: Start, profile: Profile, *, seed: int, schedules: int
) -> tuple[str, tuple[Problem, ...]]:
    """Run tasks under a few schedules; return the first that fails, and what is wrong then.

    Args:
        start: where each begins.
        profile: what a power cut may lose.
        seed: of the schedules.
        schedules: how many.
    """
    with Player(start) as player:
        seen = explore_schedules(player, seed=seed, count=schedules, keep=1)
    for failed in seen.failures:
        assert failed.problem is not None
        return str(failed.schedule), (failed.problem,)
    subject = RaftSubject(start.workload, start.backend)
    for run in seen.distinct:
        findings = glance(run, profile, Limits(), subject).findings
        if findings:
            return str(run.schedule), tuple(finding.problem for finding in findings)
    return "", ()


def _options(store: StoreAdapter) -> FileStorageOptions:
    behind = store.has(Capability.BACKGROUND_COMPACTION)
    return evolve(suite_options(store), auto_truncate_on_snapshot=behind)


def _names(profiles: Sequence[Profile]) -> list[str]:
    return [profile.name for profile in profiles]
