"""`SqliteRaftLog`: a Raft store in one SQLite database.

Every call is one transaction, so that the journal makes it atomic; whether it is durable is the
mode's business. The database is this store's alone while it is open, so that the log's bounds are
remembered; nothing else is.

It needs apsw, from the extra ``sqlite``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from wavetank.engine import (
    CancelToken,
    CorruptedLogError,
    EntryConflictError,
    EntryNotFoundError,
    IndexOutOfRangeError,
    InvalidLogRangeError,
    LockTimeoutError,
    LogBounds,
    LogEntry,
    NonContiguousEntriesError,
    NoSnapshotError,
    OperationCancelledError,
    OutOfOrderEntriesError,
    PersistentState,
    SnapshotData,
    SnapshotMetadata,
    SnapshotOutOfDateError,
    StateRegressionError,
    StorageClosedError,
)
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.sqlite import _queries as queries
from wavetank.scenarios.stores.sqlite._arguments import (
    check_end,
    check_fits,
    check_newer,
    check_type,
    checked_batch,
    whole,
)
from wavetank.scenarios.stores.sqlite._database import Database
from wavetank.scenarios.stores.sqlite.modes import SqliteMode

# Behind _database.py, which has a better error where apsw is missing.
import apsw  # isort: skip

__all__ = ["SqliteRaftLog"]


class SqliteRaftLog:
    """A Raft store in one SQLite database; implements the engine's `Storage`.

    Args:
        site: where; of its options, those about compaction are followed.
        mode: journal and level.
        on_integrity: told what ``PRAGMA integrity_check`` says at each opening: "ok" if all is
            well.

    Raises:
        StorageLockedError: another connection has the database.
        CorruptedLogError: SQLite finds it damaged.
        StorageIOError: the filesystem refuses something.
    """

    def __init__(
        self, site: Site, mode: SqliteMode, *, on_integrity: Callable[[str], None] | None = None
    ) -> None:
        self._options = site.options
        self._lock = site.runtime.rlock()
        self._known: LogBounds | None = None
        database = Database(site, mode, version=queries.VERSION, schema=queries.SCHEMA)
        try:
            _check_integrity(database, on_integrity)
        except BaseException:
            database.abandon()
            raise
        self._database: Database | None = database

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.save_state`."""
        check_type("state", state, PersistentState)
        check_fits("state.current_term", state.current_term)
        with self._entered(timeout, cancel) as database:
            held = self._state(database)
            wanted = (state.current_term, state.voted_for)
            if wanted == (held.current_term, held.voted_for):
                return
            if state.current_term < held.current_term or (
                state.current_term == held.current_term and held.voted_for
            ):
                raise StateRegressionError(
                    f"state: expected a term above {held.current_term}, or the vote "
                    f"{held.voted_for!r} in it, but got {state!r}"
                )
            with database.transaction("save the state") as connection:
                connection.execute(queries.SET_STATE, wanted)

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """See `Storage.load_state`."""
        with self._entered(timeout, cancel) as database:
            return self._state(database)

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.append_log_entries`."""
        batch = checked_batch(entries)
        with self._entered(timeout, cancel) as database:
            bounds = self._bounds(database)
            if batch[0].index != bounds.last_index + 1:
                raise NonContiguousEntriesError(
                    f"entries: expected index {bounds.last_index + 1} first but got "
                    f"{batch[0].index}"
                )
            if batch[0].term < bounds.last_term:
                raise OutOfOrderEntriesError(
                    f"entries: expected a term from {bounds.last_term} on but got {batch[0].term}"
                )
            rows = [(entry.index, entry.term, entry.command) for entry in batch]
            with self._changing(database, "append entries") as connection:
                connection.executemany(queries.ADD_ENTRY, rows)

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Sequence[LogEntry]:
        """See `Storage.get_log_entries`."""
        check_type("start", start, int)
        check_type("end", end, int)
        if start >= end:
            raise InvalidLogRangeError(f"start: expected less than end {end} but got {start}")
        with self._entered(timeout, cancel) as database:
            return self._read_all(database, start, end)

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """See `Storage.get_log_entry`."""
        check_type("index", index, int)
        with self._entered(timeout, cancel) as database:
            bounds = self._bounds(database)
            if not bounds.first_index <= index <= bounds.last_index:
                raise EntryNotFoundError(
                    f"index: expected {bounds.first_index} <= index <= {bounds.last_index} "
                    f"but got {index}"
                )
            return self._read_all(database, index, index + 1)[0]

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """See `Storage.truncate_log_suffix`."""
        check_type("index", index, int)
        with self._entered(timeout, cancel) as database:
            bounds = self._bounds(database)
            check_end(index, bounds)
            covered = self._covered(database)
            if index <= max(covered, bounds.first_index - 1):
                raise EntryConflictError(
                    f"index: expected more than {max(covered, bounds.first_index - 1)}, up to "
                    f"which entries are committed, but got {index}"
                )
            if index > bounds.last_index:
                return
            with self._changing(database, "truncate the log") as connection:
                connection.execute(queries.REMOVE_FROM, (index,))

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """See `Storage.truncate_log_prefix`."""
        check_type("index", index, int)
        with self._entered(timeout, cancel) as database:
            bounds = self._bounds(database)
            check_end(index, bounds)
            first = min(index, bounds.last_index + 1 - self._options.retained_log_size)
            if first <= bounds.first_index:
                return
            if self._options.compaction_requires_snapshot:
                covered = self._covered(database)
                if not covered:
                    raise NoSnapshotError(f"no snapshot covers the entries before {first}")
                if covered < first - 1:
                    raise SnapshotOutOfDateError(
                        f"index: expected at most {covered + 1}, behind the snapshot, "
                        f"but got {index}"
                    )
            term = self._read(database, first - 1, first)[0].term
            with self._changing(database, "compact the log") as connection:
                connection.execute(queries.REMOVE_BEFORE, (first,))
                connection.execute(queries.SET_BASE, (first - 1, term))

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.save_snapshot`; a snapshot from beyond the log replaces it."""
        check_type("metadata", metadata, SnapshotMetadata)
        index, term = metadata.last_included_index, metadata.last_included_term
        if not index:
            raise ValueError("metadata.last_included_index: expected at least 1 but got 0")
        check_fits("metadata.last_included_index", index)
        check_fits("metadata.last_included_term", term)
        content = data if isinstance(data, bytes) else whole(data)
        with self._entered(timeout, cancel) as database:
            with database.telling("read the snapshot"):
                held = database.connection.execute(queries.SNAPSHOT_METADATA).get
            check_newer(metadata, held)
            bounds = self._bounds(database)
            continues = index <= bounds.last_index and self._term_at(database, index) in (
                term,
                None,
            )
            with self._changing(database, "save the snapshot") as connection:
                connection.execute(
                    queries.SET_SNAPSHOT,
                    (index, term, content),
                )
                if not continues:
                    connection.execute(queries.REMOVE_ALL)
                    connection.execute(queries.SET_BASE, (index, term))

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """See `Storage.load_snapshot`."""
        with self._entered(timeout, cancel) as database:
            with database.telling("load the snapshot"):
                row = database.connection.execute(queries.SNAPSHOT).get
            if row is None:
                raise NoSnapshotError("no snapshot has been saved")
            return SnapshotMetadata(row[0], row[1]), row[2]

    @property
    def first_log_index(self) -> int:
        """See `Storage.first_log_index`."""
        return self.log_bounds().first_index

    @property
    def last_log_index(self) -> int:
        """See `Storage.last_log_index`."""
        return self.log_bounds().last_index

    @property
    def last_log_term(self) -> int:
        """See `Storage.last_log_term`."""
        return self.log_bounds().last_term

    def log_bounds(self) -> LogBounds:
        """See `Storage.log_bounds`."""
        with self._entered(None, None) as database:
            return self._bounds(database)

    def close(self) -> None:
        """See `Storage.close`."""
        with self._lock:
            database, self._database = self._database, None
            if database is not None:
                database.close()

    @contextmanager
    def _entered(self, timeout: float | None, cancel: CancelToken | None) -> Iterator[Database]:
        """Let nobody else in, and give the database; refuse whoever waits too long or gave up."""
        if not self._lock.acquire(timeout):
            raise LockTimeoutError(f"timeout: another call took longer than {timeout} s")
        try:
            if self._database is None:
                raise StorageClosedError("the store is closed; open it again")
            if cancel is not None and cancel.is_set():
                raise OperationCancelledError("the cancel token was set before anything was done")
            yield self._database
        finally:
            self._lock.release()

    @staticmethod
    def _state(database: Database) -> PersistentState:
        with database.telling("load the state"):
            row = database.connection.execute(queries.STATE).get
        return PersistentState(*row)

    def _bounds(self, database: Database) -> LogBounds:
        if self._known is None:
            with database.telling("read the log's bounds"):
                row = database.connection.execute(queries.BOUNDS).get
            base_index, base_term, last_index, last_term = row
            self._known = LogBounds(
                first_index=base_index + 1,
                last_index=base_index if last_index is None else last_index,
                last_term=base_term if last_term is None else last_term,
            )
        return self._known

    @contextmanager
    def _changing(self, database: Database, action: str) -> Iterator[apsw.Connection]:
        """Let everything inside happen to the log, or nothing of it."""
        self._known = None
        with database.transaction(action) as connection:
            yield connection

    @staticmethod
    def _read(database: Database, start: int, end: int) -> tuple[LogEntry, ...]:
        with database.telling("read entries"):
            return tuple(
                LogEntry(*row) for row in database.connection.execute(queries.ENTRIES, (start, end))
            )

    def _read_all(self, database: Database, start: int, end: int) -> tuple[LogEntry, ...]:
        bounds = self._bounds(database)
        if start < bounds.first_index or end > bounds.last_index + 1:
            raise IndexOutOfRangeError(
                f"start, end: expected {bounds.first_index} <= start and end <= "
                f"{bounds.last_index + 1} but got {start}, {end}"
            )
        found = self._read(database, start, end)
        if len(found) != end - start:
            raise CorruptedLogError(f"entries of {start}..{end - 1} are missing inside the log")
        return found

    def _term_at(self, database: Database, index: int) -> int | None:
        bounds = self._bounds(database)
        if index == bounds.first_index - 1:
            with database.telling("read the log's base"):
                term: int = database.connection.execute(queries.BASE_TERM).get
            return term
        found = self._read(database, index, index + 1)
        return found[0].term if found else None

    @staticmethod
    def _covered(database: Database) -> int:
        with database.telling("read the snapshot"):
            index: int | None = database.connection.execute(queries.COVERED).get
        return index or 0


def _check_integrity(database: Database, on_integrity: Callable[[str], None] | None) -> None:
    with database.telling("check the database"):
        found = str(database.connection.execute("PRAGMA integrity_check(1)").get)
    if on_integrity is not None:
        on_integrity(found)
    if found != "ok":
        raise CorruptedLogError(f"SQLite finds the database damaged: {found}")
