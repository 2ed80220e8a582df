"""The simulated computer of one node: its disk, its process, and how both end.

A handler of the node (one message, one timer, one start) runs as a whole; what it lets others see
waits until then, each with the length of the op log at that moment. If the power goes inside the
handler, at some position of the op log, only what came before that is let out: so a cut inside any
call of the store needs no thread and no exception. After it the disk is one legal crash image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Final, Protocol

from attrs import frozen

from wavetank.engine import (
    FileStorageOptions,
    LogEntry,
    SnapshotMetadata,
    StorageError,
)
from wavetank.scenarios.cluster.messages import Message
from wavetank.scenarios.cluster.network import Network, Timeline
from wavetank.scenarios.cluster.node import NodeHaltedError, RaftNode
from wavetank.scenarios.cluster.node_store import Ledger, NodeStore, NotedCall
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.cluster.state_machine import AppliedState
from wavetank.scenarios.exploration.crash_point import Stretch
from wavetank.scenarios.exploration.loss import Loss, kept_after
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.step_calls import refusal
from wavetank.scenarios.raft.judging.observation import Observation, observe
from wavetank.scenarios.raft.judging.oracle import Knowledge, judge
from wavetank.scenarios.raft.model import ModelState, Possible
from wavetank.scenarios.raft.steps import Append, OpenStore, TruncatePrefix
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, Site, StoreAdapter
from wavetank.sim import (
    Dirent,
    Kept,
    PendingOps,
    Profile,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)

__all__ = ["Interruption", "Machine", "PowerCut", "StorageLoss", "Watcher"]

_ALL: Final = 1 << 30


@frozen
class Interruption:
    """A power cut inside a handler.

    Attributes:
        position: records of the op log that came before it.
        keeps_all: whether everything issued by then is on the disk; else it is drawn.
    """

    position: int
    keeps_all: bool = False


@frozen(kw_only=True)
class PowerCut:
    """One power cut of one machine.

    Attributes:
        time_s: virtual time.
        stretch: the disk before it, what was done since, and what was kept.
    """

    time_s: float
    stretch: Stretch


@frozen(kw_only=True)
class StorageLoss:
    """What a store did not show at a restart, though it had promised it.

    Attributes:
        node: whose store.
        time_s: virtual time of the restart.
        problem: what was wrong, as the oracle says it.
        possible: the states in which the store may be; the last is the one it should show.
        shown: what it shows; None if it does not open.
        cut: the power cut before this restart; None if its process had ended otherwise.
        acknowledged: the calls that it had acknowledged since its last loss.
    """

    node: str
    time_s: float
    problem: Problem
    possible: Possible
    shown: Observation | None
    cut: PowerCut | None
    acknowledged: tuple[NotedCall, ...]

    @property
    def promised(self) -> ModelState:
        """The state that the store should show."""
        return self.possible[-1]


class Watcher(Protocol):
    """Whoever watches a cluster, and decides which handlers a power cut ends."""

    def told(self, who: str, what: str) -> None:
        """See something worth telling."""
        ...

    def appended(self, node: str, previous_term: int | None, entries: Sequence[LogEntry]) -> None:
        """See entries in the log of a node."""
        ...

    def elected(
        self, node: str, term: int, snapshot: SnapshotMetadata, log: Sequence[LogEntry]
    ) -> None:
        """See a leader elected."""
        ...

    def applied(self, node: str, term: int, entry: LogEntry, fingerprint: bytes) -> None:
        """See an entry applied."""
        ...

    def restored(self, node: str, metadata: SnapshotMetadata, state: AppliedState) -> None:
        """See a state machine replaced by a snapshot."""
        ...

    def lost(self, loss: StorageLoss) -> None:
        """See that a store lost something."""
        ...

    def cut_at(self, machine: Machine, began_at: int) -> Interruption | None:
        """Return where the power goes in a handler that has run; None: it stays.

        Args:
            machine: whose handler has run.
            began_at: records of its op log before the handler.
        """
        ...

    def ended(self, machine: Machine) -> None:
        """See a process end that nobody ended: by a power cut in a handler, or by itself."""
        ...


class Machine:
    """One node's computer.

    Args:
        name: of the node.
        plan: of the cluster.
        backend: the store under test.
        options: of the store.
        profile: what a power cut may lose.
        timeline: the time.
        network: the network.
        watcher: told of everything.
        random: draws timeouts, and what power cuts lose.

    Attributes:
        name: of the node.
        disk: as programs see it.
        node: the process; None while it is down.
        refuses: whether its store no longer opens.
        ledger: what its store has promised.
        random: the stream of this machine.
        cuts: power cuts so far.
        restarts: starts of its process so far, but for the first.
        steps: calls that changed its store.
        failures: how often its process has ended by itself.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: ClusterPlan,
        backend: StoreAdapter,
        options: FileStorageOptions,
        profile: Profile,
        timeline: Timeline,
        network: Network[Message],
        watcher: Watcher,
        random: Random,
    ) -> None:
        self.name = name
        self.disk = SimDisk()
        self.node: RaftNode | None = None
        self.refuses = False
        self.ledger = Ledger(options)
        self.random = random
        self.cuts = 0
        self.restarts = -1
        self.steps = 0
        self.failures = 0
        self._plan = plan
        self._peers = tuple(each for each in plan.node_names if each != name)
        self._backend = backend
        self._options = options
        self._profile = profile
        self._timeline = timeline
        self._network = network
        self._watcher = watcher
        self._runtime = SerialRuntime(random.randrange(1 << 30))
        self._store: NodeStore | None = None
        self._outbox: list[tuple[int, Callable[[], None]]] = []
        self._timer = 0
        self._last_cut: PowerCut | None = None
        network.join(name, self._deliver)

    # What the node runs on

    @property
    def now_s(self) -> float:
        """See `Host.now_s`."""
        return self._timeline.now_s

    def send(self, receiver: str, message: Message) -> None:
        """See `Host.send`."""
        self._let_out(partial(self._network.send, self.name, receiver, message))

    def wake_after(self, delay_s: float) -> None:
        """See `Host.wake_after`."""
        self._timer += 1
        self._timeline.after(delay_s, partial(self._wake, self._timer))

    def appended(self, previous_term: int | None, entries: Sequence[LogEntry]) -> None:
        """See `Host.appended`."""
        self._let_out(partial(self._watcher.appended, self.name, previous_term, entries))

    def elected(self, term: int, snapshot: SnapshotMetadata, log: Sequence[LogEntry]) -> None:
        """See `Host.elected`."""
        self._let_out(partial(self._watcher.elected, self.name, term, snapshot, log))

    def applied(self, term: int, entry: LogEntry, fingerprint: bytes) -> None:
        """See `Host.applied`."""
        self._let_out(partial(self._watcher.applied, self.name, term, entry, fingerprint))

    def restored(self, metadata: SnapshotMetadata, state: AppliedState) -> None:
        """See `Host.restored`."""
        self._let_out(partial(self._watcher.restored, self.name, metadata, state))

    def _let_out(self, action: Callable[[], None]) -> None:
        self._outbox.append((len(self.disk.log), action))

    # The process

    def start(self) -> None:
        """Start the process on what the disk holds."""
        self.restarts += 1
        if self.restarts:
            self._watcher.told(self.name, "starts again")
        self._handle(self._start)

    def kill(self) -> None:
        """Kill the process; the page cache survives."""
        self._end("is killed")
        self.disk = self.disk.process_kill()

    def close(self) -> None:
        """End the process as it should be: it closes its store."""
        assert self._store is not None
        try:
            self._store.store.close()
        except StorageError as error:
            self._watcher.told(self.name, f"cannot close its store: {error}")
        self._end("closes its store and ends")
        self.disk = self.disk.process_kill()

    def cut_power(self, at: Interruption | None = None) -> None:
        """Cut the power; the disk becomes one of the images that the profile allows.

        Args:
            at: where in the handler that has run; None: behind all handlers.
        """
        pending, position = self._pending_at(len(self.disk.log) if at is None else at.position)
        kept = kept_after(pending, Loss()) if at and at.keeps_all else self._kept(pending)
        stretch = Stretch(
            image=self.disk.image, log=tuple(islice(self.disk.log, position)), kept=kept
        )
        self._last_cut = PowerCut(time_s=self.now_s, stretch=stretch)
        self.cuts += 1
        lost = len(pending) - len(kept.numbers)
        self._end(f"loses power, and {lost} of {len(pending)} pending ops")
        self.disk = SimDisk(pending.image(kept))

    def _end(self, what: str) -> None:
        self.node = None
        self._store = None
        self._timer += 1
        self._outbox = []
        self._watcher.told(self.name, what)

    def _pending_at(self, end: int) -> tuple[PendingOps, int]:
        """Return what is pending at a position, or at the next one inside no atomic group."""
        pending = PendingOps(self.disk.image, self._profile)
        taken = 0
        for record in self.disk.log:
            if taken >= end and pending.whole:
                break
            pending.take(record)
            taken += 1
        return pending, taken

    def _kept(self, pending: PendingOps) -> Kept:
        """Draw what a power cut keeps.

        Often nothing that it need not; sometimes all; or the oldest only; or all but one to three
        ops, names as often as contents, since there are far fewer of them.
        """
        random, ops = self.random, tuple(pending.ops)[::-1]
        way = random.choices(("nothing", "all", "oldest", "most"), (6, 2, 6, 6))[0]
        if way == "nothing" or not ops:
            return kept_after(pending, Loss(newest=_ALL))
        torn = random.getrandbits(8) if random.random() < 0.5 else 0  # noqa: PLR2004 - a coin
        if way == "oldest":
            loss = Loss(newest=random.randint(1, len(ops)), torn_sectors=torn)
            return kept_after(pending, loss)
        if way == "all":
            return kept_after(pending, Loss(torn_sectors=torn))
        names = [place for place, op in enumerate(ops) if isinstance(op, Dirent)]
        places = names if names and random.random() < 0.5 else range(len(ops))  # noqa: PLR2004
        also = tuple(random.choice(places) for _ in range(random.randint(1, 3)))
        return kept_after(pending, Loss(also=also, torn_sectors=torn))

    def _deliver(self, sender: str, message: Message) -> None:
        node = self.node
        if node is not None:
            self._handle(lambda: node.receive(sender, message))

    def _wake(self, timer: int) -> None:
        node = self.node
        if node is not None and timer == self._timer:
            self._handle(node.wake)

    def _handle(self, handler: Callable[[], None]) -> None:
        """Run a handler and let out what it did, up to the moment at which the power went."""
        began_at = len(self.disk.log)
        error: Exception | None = None
        try:
            handler()
            self._runtime.run_pending(self._runtime.pending())
        except (StorageError, OSError, NodeHaltedError) as raised:
            error = raised
        cut = None if self.refuses else self._watcher.cut_at(self, began_at)
        position = None if cut is None else cut.position
        outbox = sorted((*self._calls_told(), *self._outbox), key=lambda pair: pair[0])
        self._outbox = []
        self.steps += len(self.ledger.running)
        self.ledger.settle(position)
        for at, action in outbox:
            if position is None or at <= position:
                action()
        if cut is not None:
            self.cut_power(cut)
            self._watcher.ended(self)
        elif error is not None:
            self.failures += 1
            self._end(f"ends by itself: {type(error).__name__}: {error}")
            self.disk = self.disk.process_kill()
            self._watcher.ended(self)

    def _calls_told(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """Yield the calls of the handler that are worth telling, each where it returned."""
        for noted in self.ledger.running:
            is_everyday = isinstance(noted.step, (Append, TruncatePrefix))
            if noted.returned_at is not None and not is_everyday:
                told = partial(self._watcher.told, self.name, str(noted.step))
                yield noted.returned_at, told

    def _start(self) -> None:
        self._runtime = SerialRuntime(self.random.randrange(1 << 30))
        site = Site(
            fs=SimFileSystem(self.disk),
            runtime=self._runtime,
            directory=STORE_DIRECTORY,
            options=self._options,
        )
        try:
            opened = self._backend.open(site)
            seen = observe(opened)
        except Exception as error:
            self.refuses = True
            self._lost(refusal(OpenStore(), error, "after a restart"), None)
            raise StorageError(f"the store does not open: {error}") from error
        self._hold(seen)
        position = lambda: len(self.disk.log)  # noqa: E731 - the disk may be another by then
        self._store = NodeStore(opened, self.ledger, position, lambda: self.now_s)
        self.appended(None, seen.entries)
        self.node = RaftNode(
            self.name,
            self._peers,
            self._store,
            self,
            snapshot_every=self._plan.snapshot_every,
        )

    def _hold(self, seen: Observation) -> None:
        """Hold what the opened store shows against what it had promised, and go on from it."""
        problems = judge(seen, Knowledge(possible=self.ledger.possible), self._options)
        for problem in problems:
            self._lost(problem, seen)
        self._let_out(partial(self._adopt, seen, lossless=not problems))

    def _adopt(self, seen: Observation, *, lossless: bool) -> None:
        self.ledger.adopt(seen, lossless=lossless)
        # What a later process does not show, this power cut has not taken.
        self._last_cut = None

    def _lost(self, problem: Problem, seen: Observation | None) -> None:
        loss = StorageLoss(
            node=self.name,
            time_s=self.now_s,
            problem=problem,
            possible=self.ledger.possible,
            shown=seen,
            cut=self._last_cut,
            acknowledged=tuple(self.ledger.acknowledged),
        )
        self._let_out(partial(self._watcher.lost, loss))
