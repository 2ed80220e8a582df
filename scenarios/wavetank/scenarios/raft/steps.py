"""The steps of a workload, as data: what a Raft node asks of its store, and how its process ends.

A workload is a seeded, finite sequence of steps; the model (model.py) says what each must leave.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.faults import FaultPlan

__all__ = [
    "Append",
    "KillProcess",
    "OpenStore",
    "Read",
    "Refused",
    "Reopen",
    "SaveSnapshot",
    "SaveState",
    "Step",
    "TruncatePrefix",
    "TruncateSuffix",
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
    """Replace the snapshot."""

    metadata: SnapshotMetadata
    data: bytes

    def __str__(self) -> str:
        meta = self.metadata
        return (
            f"save snapshot of index {meta.last_included_index}, "
            f"term {meta.last_included_term}, {len(self.data)} bytes"
        )


@frozen
class Reopen:
    """Close the store cleanly and open it again."""

    def __str__(self) -> str:
        return "close the store and open it again"


@frozen
class KillProcess:
    """Kill the process, whose page cache survives, and open the store in a new one."""

    def __str__(self) -> str:
        return "kill the process and open the store again"


@frozen
class Refused:
    """A call that the store must refuse, changing nothing: a stale message from the past."""

    step: SaveState | SaveSnapshot

    def __str__(self) -> str:
        return f"{self.step} (stale: to be refused)"


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
)


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
        has_votes: whether the store saves term and vote; one that does not is not asked to when
            it is given new work after a crash.
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

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the kinds of step it holds, sorted."""
        return tuple(sorted({type(step).__name__ for step in self.steps}))
