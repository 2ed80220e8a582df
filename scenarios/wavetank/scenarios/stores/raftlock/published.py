"""The published RaftLock storage algorithm, faults included, as a control for the testbed.

`RaftlockPublished` makes the file operations that the published package makes, in its order and
with its bytes, so that a search for crash faults can show that it finds the known ones. The order
was checked against a recording of the real package (tests/scenarios/test_raftlock_published.py).

Translated at the `Storage` door, because the Protocol promises it and no crash is needed to see it:
an empty log's bounds (0, 0) are shown as (1, 0); a range that lies partly outside the log is
refused instead of clamped; cutting the suffix behind an empty log does nothing instead of failing;
a closed store refuses calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from wavetank.engine.errors import (
    CorruptedStateError,
    InvalidLogRangeError,
    LockTimeoutError,
    OperationCancelledError,
    StorageClosedError,
    StorageError,
    StorageIOError,
)
from wavetank.engine.filesystem import Buffer, FileSystem
from wavetank.engine.runtime import Lock, Runtime
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.stores.raftlock.files import (
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT_DATA,
    SNAPSHOT_MARKER,
    SNAPSHOT_METADATA,
    STATE,
    PublishedDirectory,
    decode_fields,
    encode_fields,
    temporary,
    text_field,
    unsigned_field,
)
from wavetank.scenarios.stores.raftlock.log import Check, PublishedLog
from wavetank.scenarios.stores.raftlock.log_index import PublishedLedger
from wavetank.scenarios.stores.raftlock.options import RaftlockOptions
from wavetank.scenarios.stores.raftlock.snapshots import PublishedSnapshots

__all__ = ["RaftlockOptions", "RaftlockPublished"]

_CLEANED_AT_OPEN: Final = (STATE, METADATA, LOG, SNAPSHOT_METADATA, SNAPSHOT_DATA)


class RaftlockPublished:
    """The published RaftLock package's storage, its known faults included.

    It exists to be caught: a control that shows what the testbed finds. Never use it to store
    anything; it loses acknowledged votes, entries and snapshots.

    Args:
        directory: made with its parents if missing. It is not locked (L5).
        fs: the filesystem to work on.
        runtime: where locks and background work come from.
        options: the published defaults unless given.

    Raises:
        CorruptedStateError: state.json or metadata.json cannot be read as what it should be.
        CorruptedLogError: log.dat's indices contradict one another.
        StorageIOError: the filesystem refused.
    """

    def __init__(
        self,
        directory: str,
        *,
        fs: FileSystem,
        runtime: Runtime,
        options: RaftlockOptions | None = None,
    ) -> None:
        self._options = options or RaftlockOptions()
        self._runtime = runtime
        self._directory = PublishedDirectory(fs, directory.rstrip("/"))
        self._origin = f"pid={self._options.pid},time={self._options.started_ms}"
        log = PublishedLog(
            directory=self._directory,
            max_body_size=self._options.max_entry_size,
            sync_on_append=self._options.sync_on_append,
        )
        self._ledger = PublishedLedger(self._directory, log, index_map=self._options.index_map)
        self._snapshots = PublishedSnapshots(
            directory=self._directory,
            chunk_size=self._options.chunk_size,
            origin=self._origin,
        )
        self._state_lock = runtime.lock()
        self._log_lock = runtime.lock()
        self._snapshot_lock = runtime.lock()
        self._closed = False
        with _typed_errors("open"):
            self._open()

    def _open(self) -> None:
        self._directory.make()
        recover = self._directory.exists(RECOVERY_MARKER)
        if self._directory.exists(SNAPSHOT_MARKER) or recover:
            self._snapshots.recover()
            self._ledger.forget_missing_log()
        marker = f"{self._origin},host={self._options.host}"
        self._directory.write(RECOVERY_MARKER, marker.encode())
        for name in _CLEANED_AT_OPEN:
            if self._directory.seen(temporary(name)):
                self._directory.discard(temporary(name))
        self._read_state()
        self._ledger.open()
        self._directory.discard(RECOVERY_MARKER)

    def _read_state(self) -> PersistentState:
        content = self._directory.read(STATE)
        if content is None:
            return PersistentState(0)
        try:
            fields = decode_fields(content)
            term = unsigned_field(fields, "current_term")
            return PersistentState(term, text_field(fields, "voted_for"))
        except ValueError as error:
            path = f"{self._directory.path}/{STATE}"
            raise CorruptedStateError(
                f"{path}: expected term and vote but got {error}", path=path
            ) from error

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace term and vote without any sync (S1, S2), whatever they were before (S5)."""
        with self._entered(self._state_lock, "save_state", timeout, cancel):
            fields: dict[str, int | str] = {
                "current_term": state.current_term,
                "voted_for": state.voted_for,
            }
            self._directory.replace(STATE, encode_fields(fields))

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """Return what state.json says; term 0 and no vote if it is not there."""
        with self._entered(self._state_lock, "load_state", timeout, cancel):
            return self._read_state()

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Add a batch behind the last entry; metadata.json is not told.

        Raises:
            EmptyEntriesError: no entries.
            OutOfOrderEntriesError: a gap or a repeat inside the batch.
            NonContiguousEntriesError: the batch does not follow the last entry; on an empty log,
                it does not begin at 1 (T3).
        """
        before = self._ledger.bounds  # outside the lock, as published (L1)
        with self._entered(self._log_lock, "append_log_entries", timeout, cancel) as check:
            self._ledger.append(entries, before, check)

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Sequence[LogEntry]:
        """Return the entries with ``start <= index < end``.

        Raises:
            InvalidLogRangeError: ``start >= end``.
            IndexOutOfRangeError: a part lies outside the log.
            CorruptedLogError: a record does not fit.
        """
        self._refuse_closed()
        if start >= end:
            raise InvalidLogRangeError(f"expected start < end but got start={start}, end={end}")
        with self._entered(self._log_lock, "get_log_entries", timeout, cancel):
            return self._ledger.read_range(start, end)

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """Return one entry.

        Raises:
            EntryNotFoundError: compacted, or beyond the end.
            CorruptedLogError: its record does not fit.
        """
        with self._entered(self._log_lock, "get_log_entry", timeout, cancel):
            return self._ledger.read_one(index)

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries from `index` on by rewriting the log without them.

        Raises:
            IndexOutOfRangeError: `index` is more than one beyond the last entry.
        """
        with self._entered(self._log_lock, "truncate_log_suffix", timeout, cancel) as check:
            self._ledger.cut_suffix(index, check)

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove all entries before `index`, however many the options say to keep.

        Raises:
            IndexOutOfRangeError: `index` is more than one beyond the last entry.
        """
        self._refuse_closed()
        self._compact(index, timeout, cancel)

    def _compact(self, index: int, timeout: float | None, cancel: CancelToken | None) -> None:
        with self._locked(self._log_lock, "truncate_log_prefix", timeout, cancel) as check:
            self._ledger.cut_prefix(index, check)

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace the snapshot, also by an older one (N7), then compact the log if so optioned.

        A snapshot beyond the log's end leaves the log as it was (N8); a failed compaction is
        passed over.
        """
        content = bytes(data) if isinstance(data, Buffer) else b"".join(data)
        with self._entered(self._snapshot_lock, "save_snapshot", timeout, cancel) as check:
            self._snapshots.begin(metadata)
            try:
                self._snapshots.save(metadata, content, check)
                if self._options.auto_truncate_on_snapshot:
                    self._compact_behind(metadata.last_included_index + 1, cancel)
            finally:
                self._snapshots.end()

    def _compact_behind(self, index: int, cancel: CancelToken | None) -> None:
        if self._options.async_truncation:
            work = partial(self._compact_quietly, index, None)
            self._runtime.spawn("raftlock-truncation", work)
        else:
            self._compact_quietly(index, cancel)

    def _compact_quietly(self, index: int, cancel: CancelToken | None) -> None:
        with suppress(StorageError):
            self._compact(index, None, cancel)

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """Return the pair that the two files make, fitting or not.

        Raises:
            NoSnapshotError: no snapshot was saved.
            CorruptedSnapshotError: its metadata is unreadable or its data is not there.
        """
        with self._entered(self._snapshot_lock, "load_snapshot", timeout, cancel):
            return self._snapshots.load()

    @property
    def first_log_index(self) -> int:
        """Index of the first entry; 1 for an empty log, whatever was there before (T3)."""
        return self.log_bounds().first_index

    @property
    def last_log_index(self) -> int:
        """Index of the last entry; 0 for an empty log."""
        return self.log_bounds().last_index

    @property
    def last_log_term(self) -> int:
        """Term of the last entry; 0 for an empty log."""
        return self.log_bounds().last_term

    def log_bounds(self) -> LogBounds:
        """Return all bounds as one value."""
        self._refuse_closed()
        bounds = self._ledger.bounds
        return LogBounds(
            first_index=bounds.first if bounds.last > 0 else 1,
            last_index=bounds.last,
            last_term=bounds.last_term,
        )

    def close(self) -> None:
        """Refuse later calls; wait for nothing, sync nothing."""
        if self._closed:
            return
        self._closed = True
        with _typed_errors("close"):
            self._directory.remove(RECOVERY_MARKER)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StorageClosedError(f"{self._directory.path}: expected an open store")

    @contextmanager
    def _entered(
        self, lock: Lock, operation: str, timeout: float | None, cancel: CancelToken | None
    ) -> Iterator[Check]:
        self._refuse_closed()
        with self._locked(lock, operation, timeout, cancel) as check:
            yield check

    @contextmanager
    def _locked(
        self, lock: Lock, operation: str, timeout: float | None, cancel: CancelToken | None
    ) -> Iterator[Check]:
        """Hold the lock; hand out a check that raises once the caller has cancelled."""
        check = partial(_refuse_cancelled, cancel)
        check()
        limit_s = self._options.lock_timeout_s if timeout is None else timeout
        if not lock.acquire(limit_s):
            raise LockTimeoutError(f"{operation}: expected the lock within {limit_s} s")
        try:
            check()
            with _typed_errors(operation):
                yield check
        finally:
            lock.release()


@contextmanager
def _typed_errors(operation: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageIOError(error.errno, f"{operation}: {error}") from error


def _refuse_cancelled(cancel: CancelToken | None) -> None:
    if cancel is not None and cancel.is_set():
        raise OperationCancelledError("the caller's cancel token was set")
