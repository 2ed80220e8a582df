"""The engine as a PySyncObj journal, so that a PySyncObj cluster keeps its log in it.

PySyncObj makes its journal itself, from ``journalFile``; `use_engine` puts the engine in its place.
The commit index is not stored: Raft does not need it, and a leader tells it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias, overload

import pysyncobj.syncobj
from pysyncobj.journal import Journal

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
)

__all__ = ["EngineJournal", "use_engine"]

Row: TypeAlias = tuple[bytes, int, int]
"""Command, index, term."""


class EngineJournal(Journal):  # type: ignore[misc] # PySyncObj is not typed
    """A journal in a store of this project.

    Args:
        directory: of the store; made if it is not there.

    Raises:
        StorageError: the store does not open, and why.
    """

    def __init__(self, directory: str) -> None:
        options = FileStorageOptions(
            retained_log_size=0, compaction_requires_snapshot=False, auto_truncate_on_snapshot=False
        )
        self._store = FileStorage(StorageConfig(directory=directory), options)
        bounds = self._store.log_bounds()
        self._rows: list[Row] = []
        if bounds.entry_count:
            found = self._store.get_log_entries(bounds.first_index, bounds.last_index + 1)
            self._rows = [(entry.command, entry.index, entry.term) for entry in found]
        self._state = self._store.load_state()

    def add(self, command: bytes, idx: int, term: int) -> None:
        """Append an entry; durable on return.

        Args:
            command: its content.
            idx: its index; in an empty journal any.
            term: its term.
        """
        if not self._rows and idx != self._store.last_log_index + 1:
            # PySyncObj has taken over another node's snapshot, and begins behind it.
            self._store.save_snapshot(SnapshotMetadata(idx - 1, term), b"")
        self._store.append_log_entries([LogEntry(idx, term, bytes(command))])
        self._rows.append((bytes(command), idx, term))

    def clear(self) -> None:
        """Remove all entries."""
        self.deleteEntriesFrom(0)

    def deleteEntriesFrom(self, entryFrom: int) -> None:  # noqa: N802, N803 - PySyncObj's names
        """Remove the entries from a position on."""
        if entryFrom < len(self._rows):
            self._store.truncate_log_suffix(self._rows[entryFrom][1])
            del self._rows[entryFrom:]

    def deleteEntriesTo(self, entryTo: int) -> None:  # noqa: N802, N803 - PySyncObj's names
        """Remove the entries before a position."""
        if entryTo > 0 and self._rows:
            last = self._rows[min(entryTo, len(self._rows)) - 1][1]
            self._store.truncate_log_prefix(last + 1)
            del self._rows[:entryTo]

    @overload
    def __getitem__(self, item: int) -> Row: ...

    @overload
    def __getitem__(self, item: slice) -> list[Row]: ...

    def __getitem__(self, item: int | slice) -> Row | list[Row]:
        """Return entries by position."""
        return self._rows[item]

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._rows)

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:  # noqa: N802, N803
        """Store term and vote; durable on return."""
        state = PersistentState(term, votedForNodeId or "")
        if state != self._state:
            self._store.save_state(state)
            self._state = state

    def getCurrentTerm(self) -> int:  # noqa: N802
        """Return the term."""
        return self._state.current_term

    def getVotedForNodeId(self) -> str | None:  # noqa: N802
        """Return the vote, None for nobody."""
        return self._state.voted_for or None

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:  # noqa: N802, N803
        """Do nothing: the commit index is not stored."""

    def getRaftCommitIndex(self) -> int:  # noqa: N802
        """Return the first index, since a leader will tell more."""
        return 1

    def _destroy(self) -> None:
        self._store.close()


@contextmanager
def use_engine() -> Iterator[None]:
    """Let PySyncObj make `EngineJournal` of every ``journalFile``, inside.

    >>> with use_engine():
    ...     made = pysyncobj.syncobj.createJournal
    >>> made is EngineJournal
    True
    """
    original = pysyncobj.syncobj.createJournal
    pysyncobj.syncobj.createJournal = EngineJournal
    try:
        yield
    finally:
        pysyncobj.syncobj.createJournal = original
