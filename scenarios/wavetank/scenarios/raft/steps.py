"""The steps of a workload, as data: what a Raft node asks of its store, and how its process ends.

A workload is a seeded, finite sequence of steps; the model (model.py) says what each must leave.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from attrs import field, frozen

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.faults import FaultPlan
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY
from wavetank.sim import Profile

__all__ = [
    "AfterFailure",
    "Append",
    "Cancel",
    "Cancelled",
    "Close",
    "Dump",
    "Inspect",
    "Interrupted",
    "KillProcess",
    "OpenAgain",
    "OpenStore",
    "Read",
    "ReadBounds",
    "ReadSnapshot",
    "ReadState",
    "Refused",
    "Reopen",
    "SaveSnapshot",
    "SaveState",
    "SlowCall",
    "Step",
    "StoreCall",
    "TaskPlan",
    "TaskStep",
    "TruncatePrefix",
    "TruncateSuffix",
    "Verify",
    "Wait",
    "Workload",
]


@frozen
class OpenStore:
    """Open the store, making it on the first run."""

    def __str__(self) -> str:
        return "open the store"


@frozen
class SaveState:
    """Replace term and vote."""

    state: PersistentState

    def __str__(self) -> str:
        vote = self.state.voted_for or "nobody"
        return f"save state: term {self.state.current_term}, vote for {vote}"


@frozen
class Append:
    """Append one batch."""

    entries: tuple[LogEntry, ...]

    def __str__(self) -> str:
        if not self.entries:
            return "append no entries"
        first, last = self.entries[0], self.entries[-1]
        span = f"entry {first.index}" if first is last else f"entries {first.index}..{last.index}"
        return f"append {span} of term {last.term}"


@frozen
class Read:
    """Read the entries with ``start <= index < end``."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"read entries {self.start}..{self.end - 1}"


@frozen
class TruncateSuffix:
    """Remove the entries from an index on: a conflict with the leader's log."""

    index: int

    def __str__(self) -> str:
        return f"truncate suffix from {self.index}"


@frozen
class TruncatePrefix:
    """Remove the entries before an index: compaction."""

    index: int

    def __str__(self) -> str:
        return f"truncate prefix before {self.index}"


@frozen
class SaveSnapshot:
    """Replace the snapshot.

    Attributes:
        metadata: what it stands for.
        data: all of it.
        chunk_bytes: the store is given the data in chunks of so many bytes, with an empty one
            between any two; 0: as a whole.
    """

    metadata: SnapshotMetadata
    data: bytes
    chunk_bytes: int = 0

    def __str__(self) -> str:
        meta = self.metadata
        chunks = f" in chunks of {self.chunk_bytes}" if self.chunk_bytes else ""
        return (
            f"save snapshot of index {meta.last_included_index}, "
            f"term {meta.last_included_term}, {len(self.data)} bytes{chunks}"
        )


@frozen
class Reopen:
    """Close the store cleanly and open it again.

    Attributes:
        overrides: options of the new process that differ from the workload's, as names or
            ``option=value``: such as change neither what is promised nor what compaction keeps
            (`LAYOUT_OPTIONS` of option_choices.py).
    """

    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"close the store and open it again{_with(self.overrides)}"


@frozen
class KillProcess:
    """Kill the process, whose page cache survives, and open the store in a new one.

    Attributes:
        overrides: as for `Reopen`.
    """

    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"kill the process and open the store again{_with(self.overrides)}"


def _with(overrides: tuple[str, ...]) -> str:
    return f" with {', '.join(overrides)}" if overrides else ""


@frozen
class OpenAgain:
    """Open the directory in the same process, and use the new store if that is granted."""

    def __str__(self) -> str:
        return "open the directory again"


@frozen
class Refused:
    """A call that the store must refuse, changing nothing.

    It is a stale message from the past, a call that no node with the store's log makes, or a second
    opening of the directory that is open.
    """

    step: SaveState | SaveSnapshot | Append | Read | TruncateSuffix | TruncatePrefix | OpenAgain

    def __str__(self) -> str:
        is_stale = isinstance(self.step, (SaveState, SaveSnapshot))
        return f"{self.step} ({'stale: ' if is_stale else ''}to be refused)"


@frozen
class Cancelled:
    """A call with a cancel token; if that ends it, nothing has changed, and it is called again.

    Attributes:
        step: the call.
        looks: how often the store finds the token not set, before it finds it set.
        in_data: of a snapshot: it is set when a part of the data has been taken, instead.
    """

    step: SaveState | Append | TruncateSuffix | TruncatePrefix | SaveSnapshot
    looks: int = 0
    in_data: bool = False

    @property
    def must_end(self) -> bool:
        """Whether the call may not return: its token is set before it has anything to lose."""
        if self.in_data:
            return isinstance(self.step, SaveSnapshot) and len(self.step.data) > 1
        return not self.looks

    def __str__(self) -> str:
        when = f"after {self.looks} looks at it" if self.looks else "from the beginning"
        when = "while its data is taken" if self.in_data else when
        return f"{self.step} (with a cancel token that is set {when})"


@frozen
class Interrupted:
    """A call inside which the power goes; the store is restarted on what that leaves.

    If the call has not come to its end by what the restarted store shows, it is made again.

    Attributes:
        step: the call.
        profile: what the power cut may lose.
        after: records of the op log that the call has written by then; as many as it writes if
            these are fewer.
        newest: so many of the newest pending ops are lost.
        also: these are lost, too, counted back from the newest, which is 0.
        torn_sectors: bit k set: of the newest write that is left, the k-th sector is lost.
    """

    step: SaveState | Append | TruncateSuffix | TruncatePrefix | SaveSnapshot
    profile: Profile
    after: int = 0
    newest: int = 0
    also: tuple[int, ...] = ()
    torn_sectors: int = 0

    def __str__(self) -> str:
        lost = [f"the newest {self.newest} pending ops"] if self.newest else []
        lost += [f"op {place} before the newest" for place in self.also]
        lost += ["sectors of the newest write"] if self.torn_sectors else []
        return (
            f"{self.step} (the power goes after {self.after} records of it and takes "
            f"{', '.join(lost) or 'nothing'}; restart)"
        )


@frozen
class Inspect:
    """Look at the store by every other way that it offers: iteration, stream, a reader beside it.

    A store that has none of these is left alone.

    Attributes:
        backup: whether a copy is made and looked at, too.
    """

    backup: bool = False

    def __str__(self) -> str:
        copied = ", and at a backup of it" if self.backup else ""
        return f"look at the store in every other way{copied}"


@frozen
class ReadState:
    """Read term and vote."""

    def __str__(self) -> str:
        return "read term and vote"


@frozen
class ReadBounds:
    """Ask for the log's last index and its term."""

    def __str__(self) -> str:
        return "read the log's bounds"


@frozen
class ReadSnapshot:
    """Read the snapshot."""

    def __str__(self) -> str:
        return "read the snapshot"


@frozen
class Verify:
    """Check the store's directory from outside, as another process does."""

    def __str__(self) -> str:
        return "verify the directory"


@frozen
class Dump:
    """Look at all that is in the store's directory from outside, as another process does."""

    def __str__(self) -> str:
        return "dump the directory"


@frozen
class Close:
    """Close the store."""

    def __str__(self) -> str:
        return "close the store"


@frozen
class Wait:
    """Let time pass."""

    duration_s: float

    def __str__(self) -> str:
        return f"wait {self.duration_s:g} s"


@frozen
class Cancel:
    """Set a cancel token."""

    token: str

    def __str__(self) -> str:
        return f"set the cancel token {self.token!r}"


StoreCall: TypeAlias = (
    SaveState
    | Append
    | Read
    | TruncateSuffix
    | TruncatePrefix
    | SaveSnapshot
    | ReadState
    | ReadBounds
    | ReadSnapshot
    | Verify
    | Dump
    | Close
    | OpenAgain
    | Wait
    | Cancel
)
"""What a task does that runs beside others."""


@frozen(kw_only=True, cache_hash=True)
class TaskStep:
    """One call of a task.

    Attributes:
        call: what is called.
        timeout_s: seconds it may wait for each lock; None: the store's own limit.
        token: name of the cancel token that is passed; "": none.
    """

    call: StoreCall
    timeout_s: float | None = None
    token: str = ""

    def __str__(self) -> str:
        limit = "" if self.timeout_s is None else f", waiting {self.timeout_s:g} s at most"
        token = f", unless {self.token!r} is set" if self.token else ""
        return f"{self.call}{limit}{token}"


@frozen(kw_only=True)
class TaskPlan:
    """What one task does, step by step, beside the others.

    Attributes:
        name: of the task.
        steps: in order.
    """

    name: str
    steps: tuple[TaskStep, ...]


@frozen(kw_only=True)
class SlowCall:
    """A call of the filesystem that takes long.

    Attributes:
        call: name of the method, such as "datasync".
        nth: which of them, from 1; 0 means each.
        duration_s: virtual seconds.
    """

    call: str
    nth: int = 0
    duration_s: float = 1.0


Step: TypeAlias = (
    OpenStore
    | SaveState
    | Append
    | Read
    | TruncateSuffix
    | TruncatePrefix
    | SaveSnapshot
    | Reopen
    | KillProcess
    | Refused
    | Cancelled
    | Interrupted
    | Inspect
)


class AfterFailure(Enum):
    """What the caller does after a call has failed since a fault struck.

    Attributes:
        REOPEN: it closes the store and opens it again.
        RETRY: it calls once more in the same process, and goes on there with the next step; only a
            store that refuses the second call, too, is opened again.
    """

    REOPEN = "reopen"
    RETRY = "retry"


@frozen(kw_only=True)
class Workload:
    """A named sequence of steps and the options of the store it runs on.

    Attributes:
        name: the scenario's name.
        seed: what the steps were drawn from.
        steps: in order; the first opens the store.
        options: the store's options, as the engine names them.
        summary: one sentence on what it is like in a cluster.
        unusual: why it does not end with 20 entries in 8 frames and a snapshot; "" if it does.
        overrides: which of the options differ from their defaults, by the names in
            option_choices.py.
        faults: what goes wrong with the store's filesystem while the steps run.
        after_failure: what the caller does once a fault has let a call fail.
        has_votes: whether the store saves term and vote; one that does not is not asked to when
            it is given new work after a crash.
        tasks: what runs beside one another, once the steps are done and the store is open.
        after: what is done once all tasks have ended, step by step.
        slow_calls: calls of the filesystem that take long while the tasks run.
        directory: of the store: `STORE_DIRECTORY`, or one below it.
        crashes_from: the first step in which crashes are explored; those before it only run.
        cluster: the cluster in which the store runs, instead of steps and tasks; None if in none.
        invariants: ids of those that are checked; none named: all.
        contract: promises by name, demanded or given up whatever the options and faults say.
    """

    name: str
    seed: int
    steps: tuple[Step, ...]
    options: FileStorageOptions
    summary: str = ""
    unusual: str = ""
    overrides: tuple[str, ...] = ()
    faults: FaultPlan = field(factory=FaultPlan)
    has_votes: bool = True
    tasks: tuple[TaskPlan, ...] = ()
    after: tuple[TaskStep, ...] = ()
    slow_calls: tuple[SlowCall, ...] = ()
    cluster: ClusterPlan | None = None
    after_failure: AfterFailure = AfterFailure.REOPEN
    directory: str = STORE_DIRECTORY
    crashes_from: int = 0
    invariants: tuple[str, ...] = ()
    contract: tuple[tuple[str, bool], ...] = ()

    @property
    def promises(self) -> Contract:
        """What the store is held to."""
        return Contract.of(self.options, self.faults, self.contract)

    def checks(self, invariant: str) -> bool:
        """Whether an invariant, by its id, is checked."""
        return not self.invariants or invariant in self.invariants

    @property
    def all_steps(self) -> tuple[Step | TaskStep, ...]:
        """The steps, those of each task, and those behind: as they are numbered."""
        beside = (step for task in self.tasks for step in task.steps)
        return (*self.steps, *beside, *self.after)

    def tell_step(self, number: int) -> str:
        """Return a step in words; one of a task begins with the task's name.

        Args:
            number: in `all_steps`.
        """
        first = len(self.steps)
        for task in self.tasks:
            if first <= number < first + len(task.steps):
                return f"{task.name}: {task.steps[number - first]}"
            first += len(task.steps)
        return str(self.all_steps[number])

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the kinds of step it holds, sorted."""
        return tuple(sorted({type(step).__name__ for step in self.steps}))
