"""PySyncObj's `FileJournal` as a store under test, unmodified.

What PySyncObj calls a journal is a list of (command, index, term) with term and vote beside it. An
append is told durable once `flush` has returned, which is the journal's only way to sync.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from pysyncobj.journal import FileJournal

from wavetank.engine import LogEntry, PersistentState
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["PYSYNCOBJ", "PySyncObjStore"]

_FILE: Final = "journal"


class PySyncObjStore:
    """A `FileJournal` with a log's indices.

    Args:
        directory: where its files lie; it must be there.
    """

    def __init__(self, directory: str) -> None:
        self._journal = FileJournal(f"{directory}/{_FILE}")

    @property
    def first_log_index(self) -> int:
        """Index of the first entry; 1 for an empty journal, which remembers none."""
        return self._journal[0][1] if len(self._journal) else 1

    @property
    def last_log_index(self) -> int:
        """Index of the last entry; 0 for an empty journal."""
        return self._journal[-1][1] if len(self._journal) else 0

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        """Add entries one by one, and flush."""
        for entry in entries:
            self._journal.add(entry.command, entry.index, entry.term)
        self._journal.flush()

    def get_log_entries(self, start: int, end: int) -> list[LogEntry]:
        """Return the entries of a range.

        Raises:
            IndexError: a part of it is not there.
        """
        first, last = self.first_log_index, self.last_log_index
        if not first <= start <= end <= last + 1:
            raise IndexError(f"expected a range within {first}..{last} but got {start}..{end - 1}")
        rows = self._journal[start - first : end - first]
        return [LogEntry(index, term, bytes(command)) for command, index, term in rows]

    def truncate_log_suffix(self, index: int) -> None:
        """Remove the entries from `index` on, and flush."""
        self._journal.deleteEntriesFrom(max(0, index - self.first_log_index))
        self._journal.flush()

    def truncate_log_prefix(self, index: int) -> None:
        """Remove the entries before `index`, and flush."""
        self._journal.deleteEntriesTo(max(0, index - self.first_log_index))
        self._journal.flush()

    def save_state(self, state: PersistentState) -> None:
        """Store term and vote, as PySyncObj does before it answers."""
        self._journal.setCurrentTerm(state.current_term, state.voted_for or None)

    def load_state(self) -> PersistentState:
        """Return term and vote."""
        vote = self._journal.getVotedForNodeId()
        return PersistentState(self._journal.getCurrentTerm(), vote or "")

    def close(self) -> None:
        """Flush and close the journal's file."""
        self._journal._destroy()  # noqa: SLF001 - the only way to close it


def _open(site: Site) -> PySyncObjStore:
    # PySyncObj expects its directory to be there, and so to be durable.
    with suppress(FileExistsError):
        site.fs.mkdir(site.directory)
    site.fs.fsync_dir(site.directory.rpartition("/")[0] or "/")
    return PySyncObjStore(site.directory)


PYSYNCOBJ: Final = StoreAdapter(
    name="pysyncobj",
    summary="PySyncObj's FileJournal, unmodified, flushed after every append",
    factory=_open,
    capabilities=frozenset(
        {
            Capability.VOTES,
            Capability.TRUNCATE_SUFFIX,
            Capability.TRUNCATE_PREFIX,
            Capability.DURABLE_APPENDS,
            Capability.ANY_FIRST_INDEX,
        }
    ),
)
"""The journal with what PySyncObj needs of it."""
