"""A Raft node reduced to the calls it makes on its store: the writer of workloads.

`ScriptedNode` keeps just enough of Raft's rules (terms never fall, conflicts only above the
snapshot, compaction only behind it) that every step it writes is legal. Random choices come from
streams named after their purpose, so that one more choice of one kind leaves the others as they
were.
"""

from __future__ import annotations

from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Final

from wavetank.engine import LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
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
)
from wavetank.scenarios.raft.workloads.boundary_values import LogFill

__all__ = ["ScriptedNode"]

_PEERS: Final = ("node-b", "node-c", "node-d", "node-e")
_COMMAND_BYTES: Final = (80, 300)
_SNAPSHOT_BYTES: Final = (1500, 6000)


class ScriptedNode:
    """Writes the steps of one node's life.

    Args:
        name: of the scenario; part of the name of every random stream.
        seed: the scenario's seed.
    """

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self._seed = seed
        self._streams: dict[str, Random] = {}
        self.steps: list[Step] = [OpenStore()]
        self.term = 0
        self.vote = ""
        self._first_index = 1
        self._terms: list[int] = []  # of the entries behind the snapshot, and of its last entry
        self._terms_from = 1
        self.last_index = 0
        self.snapshot_index = 0
        self.crashes_from = 0
        self._log: LogFill | None = LogFill()

    @property
    def log_end(self) -> int | None:
        """Where the binary log ends, in bytes; None once it was cut or compacted."""
        return None if self._log is None else self._log.end

    def stream(self, purpose: str) -> Random:
        """Return the random stream for one purpose."""
        if purpose not in self._streams:
            self._streams[purpose] = Random(f"{self._name}/{self._seed}/{purpose}")  # noqa: S311
        return self._streams[purpose]

    def begin_crashes(self) -> None:
        """Let crashes be explored from the next step on; the steps before it only run."""
        self.crashes_from = len(self.steps)

    def take(self, step: Step) -> None:
        """Take a step as it is, legal or not, and keep in mind what it changes."""
        self.steps.append(step)
        self._notice(step.step if isinstance(step, Cancelled) else step)

    def _notice(self, step: Step) -> None:
        if isinstance(step, SaveState):
            self.term, self.vote = step.state.current_term, step.state.voted_for
        elif isinstance(step, Append):
            self._appended(step)
        elif isinstance(step, TruncateSuffix):
            self._cut_off(step.index)
        elif isinstance(step, SaveSnapshot):
            metadata = step.metadata
            self._snapshot_saved(metadata.last_included_index, metadata.last_included_term)
        elif isinstance(step, TruncatePrefix) or (
            isinstance(step, (Reopen, KillProcess)) and step.overrides
        ):
            self._log = None

    # Elections

    def campaign(self) -> None:
        """Start an election: the next term, and a vote for oneself."""
        self._save_state(self.term + 1, "node-a")

    def see_term(self, ahead: int = 1) -> None:
        """Learn of a higher term; the vote in it is still free."""
        self._save_state(self.term + ahead, "")

    def grant_vote(self) -> None:
        """Vote for a peer: in this term while the vote is free, else in the next."""
        term = self.term if self.term and not self.vote else self.term + 1
        self._save_state(term, self.stream("peer").choice(_PEERS))

    def stale_vote_request(self) -> None:
        """Be asked for a vote in a term long gone; a forgetful caller tries to save it."""
        if self.term > 1:
            stale = PersistentState(self.term - 1, self.stream("peer").choice(_PEERS))
            self.steps.append(Refused(SaveState(stale)))

    # The log

    def append(self, count: int) -> None:
        """Append one batch of `count` entries of the current term."""
        if not self.term:
            self.see_term()
        self._append([self._bytes("command", _COMMAND_BYTES) for _ in range(count)])

    def append_sizes(self, *sizes_bytes: int) -> None:
        """Append one batch of commands of these sizes, in the current term, which may be 0."""
        self._append([self.stream("command").randbytes(size) for size in sizes_bytes])

    def read_back(self, count: int) -> None:
        """Read up to `count` entries at the end of the log, as for a follower."""
        start = max(self._first_index, self.snapshot_index + 1, self.last_index + 1 - count)
        if start <= self.last_index:
            self.steps.append(Read(start, self.last_index + 1))

    def conflict(self, back: int) -> None:
        """Drop the last `back` entries, though never below the snapshot, for another leader's."""
        index = max(self.snapshot_index + 1, self.last_index + 1 - back)
        if index > self.last_index:
            return
        self.see_term()
        self.take(TruncateSuffix(index))

    # Snapshots

    def take_snapshot(self, behind: int = 0, *, size_bytes: int | None = None) -> None:
        """Snapshot all but the last `behind` entries, in so many bytes."""
        index = self.last_index - behind
        if index <= self.snapshot_index:
            return
        self._save_snapshot(index, self._terms[index - self._terms_from], size_bytes)

    def install_snapshot(self, ahead: int, *, size_bytes: int | None = None) -> None:
        """Receive a snapshot that lies `ahead` entries beyond the log, in so many bytes."""
        self.see_term()
        self._save_snapshot(self.last_index + ahead, self.term, size_bytes)

    def replace_branch(self, back: int) -> None:
        """Receive a snapshot of an index that the log holds with another term."""
        self.see_term()
        index = max(self.snapshot_index + 1, self.last_index - back)
        if index <= self.last_index:
            self._save_snapshot(index, self.term)

    def stale_snapshot(self) -> None:
        """Receive a snapshot older than one's own: a delayed message."""
        if self.snapshot_index > 1:
            old = SnapshotMetadata(self.snapshot_index - 1, 1)
            data = self._bytes("snapshot", _SNAPSHOT_BYTES)
            self.steps.append(Refused(SaveSnapshot(old, data)))

    def compact(self) -> None:
        """Truncate the prefix up to the snapshot."""
        self.take(TruncatePrefix(self.snapshot_index + 1))

    def fill(self, *, entries: int = 20, frames: int = 8) -> None:
        """Append until at least so many entries in so many frames lie behind the snapshot."""
        start = self.last_index
        for number in range(frames):
            self.append(1 + self.stream("fill").randrange(2) if number < frames - 1 else 1)
        while self.last_index - start < entries:
            self.append(min(4, entries - (self.last_index - start)))

    def _save_state(self, term: int, vote: str) -> None:
        self.take(SaveState(PersistentState(term, vote)))

    def _append(self, commands: list[bytes]) -> None:
        entries = tuple(
            LogEntry(index, self.term, command)
            for index, command in enumerate(commands, self.last_index + 1)
        )
        self.take(Append(entries))

    def _appended(self, step: Append) -> None:
        self._terms.extend(entry.term for entry in step.entries)
        self.last_index += len(step.entries)
        if self._log is not None:
            self._log.add(*(len(entry.command) for entry in step.entries))

    def _cut_off(self, index: int) -> None:
        # An index below the first entry removes all that there are.
        index = max(index, self._terms_from, self.snapshot_index + 1)
        del self._terms[index - self._terms_from :]
        self.last_index = index - 1
        self._log = None

    def _save_snapshot(self, index: int, term: int, size_bytes: int | None = None) -> None:
        bounds = _SNAPSHOT_BYTES if size_bytes is None else (size_bytes, size_bytes)
        data = self._bytes("snapshot", bounds)
        self.take(SaveSnapshot(SnapshotMetadata(index, term), data))

    def _snapshot_saved(self, index: int, term: int) -> None:
        if self._term_at(index) == term:
            del self._terms[: index - self._terms_from]
            self._log = None  # which entries a compaction keeps is the store's own
        else:
            self._terms = [term]
            self.last_index = index
            self._first_index = index + 1
            self._log = LogFill()
        self._terms_from = index
        self.snapshot_index = index

    def _term_at(self, index: int) -> int | None:
        place = index - self._terms_from
        return self._terms[place] if 0 <= place < len(self._terms) else None

    def _bytes(self, purpose: str, bounds: tuple[int, int]) -> bytes:
        stream = self.stream(purpose)
        return stream.randbytes(stream.randint(*bounds))
