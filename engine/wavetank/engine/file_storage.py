"""`FileStorage`: the durable store on one directory. Start reading here.

It holds no I/O of its own: it opens the directory through recovery, hands each call to the store of
state, log or snapshots, and decides what those mean to one another. Lock order: snapshot, rewrite
of the log, log; state stands alone.

    file_storage.py      this: the public face
    _recovery.py         what an open does; _read_only.py what it does with read_only
    _log_store.py        append, reads, truncations; with _log_appender, _log_reader
    _log_compactor.py    a new log in the place of the old; with _log_rewriter
    _state.py            term and vote
    _snapshot_store.py   snapshots; with _snapshot_writer, snapshot_stream
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from wavetank.engine._directory import LOG, RECOVERY_MARKER, StoreDirectory, is_full_disk
from wavetank.engine._directory_lock import lock_directory
from wavetank.engine._examination import Examination
from wavetank.engine._health import Health, Part, Reading, io_error
from wavetank.engine._log_appender import require_entries
from wavetank.engine._log_store import LogStore
from wavetank.engine._metrics import Counter, Meter, Metrics, NoMetrics, Operation
from wavetank.engine._metrics_text import METRICS_DISABLED, metrics_text
from wavetank.engine._read_only import look
from wavetank.engine._recovered import RecoveredStore
from wavetank.engine._recovery import check_openable, recover
from wavetank.engine._snapshot_store import SnapshotStore
from wavetank.engine._snapshot_writer import (
    InPlaceSnapshotWriter,
    SnapshotWriter,
    require_data,
)
from wavetank.engine._state import StateStore
from wavetank.engine.errors import OperationCancelledError, StorageError, StorageIOError
from wavetank.engine.filesystem import File, FileSystem
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.options import FileStorageOptions, StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.report import RecoveryReport
from wavetank.engine.runtime import Runtime, Task
from wavetank.engine.snapshot_stream import SnapshotStream
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.thread_runtime import ThreadRuntime
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata
from wavetank.engine.verify import examine
from wavetank.engine.verify_report import VerifyReport

__all__ = ["FileStorage"]

_DEFAULT_OPTIONS: Final = FileStorageOptions()


class FileStorage:
    """A durable, thread-safe, crash-resilient Raft store on one directory.

    Opening it recovers whatever an earlier run left; `recovery_report` says what was done. It is a
    context manager. Errors and their order for each call stand in docs/engine.md; every call raises
    `StorageClosedError` after `close`, and `StorageIOError` when the filesystem refuses. After a
    failed write or sync every later change raises `StoragePoisonedError`, while reads go on.

    Args:
        config: where the store lives.
        options: how it behaves.
        fs: the filesystem; the machine's if omitted.
        runtime: locks, threads and clock; the machine's if omitted.
        logger: told about recovery and background work.

    Raises:
        StorageLockedError: another process or instance has the directory.
        NotInitializedError: ``read_only``, and there is no store.
        CorruptedError: acknowledged data is damaged or missing; nothing was changed.
        UnsupportedFormatError: a file is of a version that this release does not know.
        StorageIOError: the filesystem refused.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with FileStorage(StorageConfig(directory=directory)) as store:
    ...         store.append_log_entries([LogEntry(1, 1, b"set x 1")])
    ...         store.last_log_index
    1
    """

    def __init__(
        self,
        config: StorageConfig,
        options: FileStorageOptions = _DEFAULT_OPTIONS,
        *,
        fs: FileSystem | None = None,
        runtime: Runtime | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        _require("config", config, StorageConfig)
        _require("options", options, FileStorageOptions)
        self._options = options
        self._runtime = runtime if runtime is not None else ThreadRuntime()
        self._logger = logger if logger is not None else logging.getLogger("wavetank.engine")
        filesystem = fs if fs is not None else OsFileSystem()
        self._directory = StoreDirectory(filesystem, config.directory)
        self._health = Health(read_only=options.read_only)
        self._default_timeout_s = options.lock_timeout if options.features.lock_timeout else None
        self._metrics = Metrics(self._runtime) if options.features.metrics else None
        self._meter: Meter = self._metrics or NoMetrics()
        self._tasks: list[Task] = []
        self._lock_file: File | None = None
        if not options.read_only:
            self._lock_file = lock_directory(
                self._directory, lambda: check_openable(self._directory, options)
            )
        try:
            open_store = look if options.read_only else recover
            self._build(open_store(self._directory, options))
        except BaseException as error:
            if self._lock_file is not None:
                self._lock_file.close()
            if isinstance(error, OSError) and not isinstance(error, StorageError):
                raise io_error("open of the store", self._directory.path, error) from error
            raise

    def _build(self, recovered: RecoveredStore) -> None:
        self._report = recovered.report
        self._health.damage = recovered.damage
        for step in recovered.report.steps:
            self._logger.info("recovery: %s", step)
        for loss in recovered.report.lost:
            self._logger.warning("recovery: %s", loss)
        self._state_lock = self._lock("state")
        self._log_lock = self._lock("log")
        self._rewrite_lock = self._lock("log rewrite")
        self._snapshot_lock = self._lock("snapshot")
        atomic = self._options.features.atomic_writes
        chunk_size = self._options.transfer_size
        self._state = StateStore(
            self._directory,
            recovered.state,
            lock=self._state_lock,
            health=self._health,
            atomic=atomic,
        )
        record, file = recovered.snapshot.record, recovered.snapshot.file
        self._snapshots = SnapshotStore(
            self._directory,
            (record, file) if record and file else None,
            runtime=self._runtime,
            lock=self._snapshot_lock,
            writer=(SnapshotWriter if atomic else InPlaceSnapshotWriter)(
                self._directory, chunk_size=chunk_size, health=self._health
            ),
            chunk_size=chunk_size,
            health=self._health,
        )
        self._log = LogStore(
            self._directory,
            recovered.log,
            published=recovered.metadata,
            current_snapshot=self._snapshots.metadata,
            options=self._options,
            lock=self._log_lock,
            rewrite_lock=self._rewrite_lock,
            health=self._health,
            meter=self._meter,
        )

    def _lock(self, name: str) -> RWOperationLocker:
        # Work that has passed the point of no return waits without limit; calls bring their own.
        def on_slow(mode: str, duration_s: float) -> None:
            self._meter.count(Counter.SLOW_OPERATIONS)
            self._logger.info("slow: %s of the %s took %.3f s", mode, name, duration_s)

        return RWOperationLocker(
            self._runtime,
            name=name,
            default_timeout_s=None,
            on_slow=None if self._metrics is None else on_slow,
        )

    def _timeout_s(self, timeout: float | None) -> float | None:
        return self._default_timeout_s if timeout is None else timeout

    @property
    def recovery_report(self) -> RecoveryReport:
        """What opening the store found and did."""
        return self._report

    # State

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace term and vote, atomically; durable on return.

        Raises:
            StateRegressionError: a lower term, or a vote of this term changed or withdrawn.
            ValueError: a vote of more than a mebibyte.
        """
        _require("state", state, PersistentState)
        self._health.require_open()
        with self._meter.operation(Operation.STATE):
            self._state.save(state, self._timeout_s(timeout), cancel)

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """Return term and vote; term 0 and no vote if never saved."""
        self._health.require_open()
        with self._meter.operation(Operation.STATE):
            return self._state.load(self._timeout_s(timeout), cancel)

    # Log

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Add a batch behind the last entry, all or nothing; durable on return if so opted.

        Raises:
            EmptyEntriesError: no entries.
            OutOfOrderEntriesError: a gap or a repeat inside the batch, or a falling term.
            NonContiguousEntriesError: the batch does not begin behind the last entry.
            EntryTooLargeError: a command beyond ``max_entry_size``.
        """
        batch = require_entries(entries)
        self._health.require_open()
        with self._meter.operation(Operation.APPEND):
            self._log.append(batch, self._timeout_s(timeout), cancel)

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[LogEntry]:
        """Return the entries with ``start <= index < end``, all of them.

        Raises:
            InvalidLogRangeError: ``start >= end``.
            IndexOutOfRangeError: some part of the range lies outside the log.
            CorruptedLogError: an entry is not what was written.
        """
        _require_index("start", start)
        _require_index("end", end)
        self._health.require_open()
        with self._meter.operation(Operation.READ):
            return self._log.entries(start, end, self._timeout_s(timeout), cancel)

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """Return one entry.

        Raises:
            EntryNotFoundError: compacted away, or beyond the end.
            CorruptedLogError: the entry is not what was written.
        """
        _require_index("index", index)
        self._health.require_open()
        with self._meter.operation(Operation.READ):
            return self._log.entry(index, self._timeout_s(timeout), cancel)

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries from `index` on; durable on return.

        Raises:
            IndexOutOfRangeError: more than one beyond the last entry.
            EntryConflictError: at or under the snapshot's index.
        """
        _require_index("index", index)
        self._health.require_open()
        with self._meter.operation(Operation.TRUNCATE_SUFFIX):
            self._log.truncate_suffix(index, self._timeout_s(timeout), cancel)

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries before `index`, keeping at least ``retained_log_size``.

        Raises:
            IndexOutOfRangeError: more than one beyond the last entry.
            NoSnapshotError: no snapshot covers them, and the options ask for one.
            SnapshotOutOfDateError: the snapshot covers only a part of them.
        """
        _require_index("index", index)
        self._health.require_open()
        with self._meter.operation(Operation.TRUNCATE_PREFIX):
            self._log.truncate_prefix(index, self._timeout_s(timeout), cancel)

    @property
    def first_log_index(self) -> int:
        """Index of the first entry; base + 1 for an empty log."""
        return self.log_bounds().first_index

    @property
    def last_log_index(self) -> int:
        """Index of the last entry; the base for an empty log."""
        return self.log_bounds().last_index

    @property
    def last_log_term(self) -> int:
        """Term of the last entry; the base's for an empty log."""
        return self.log_bounds().last_term

    def log_bounds(self) -> LogBounds:
        """Return all bounds as one value, without I/O."""
        self._health.require_readable(Part.LOG)
        return self._log.bounds

    # Snapshots

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace the snapshot, metadata and data as one unit; durable on return.

        A log that ends before the snapshot, or holds another term at its index, is discarded, and
        its base moves to the snapshot. Otherwise the log is compacted if so opted.

        Raises:
            ValueError: index 0.
            SnapshotOutOfDateError: older than the current snapshot.
            SnapshotMismatchError: the current snapshot's index with another term.
        """
        _require("metadata", metadata, SnapshotMetadata)
        require_data(data)
        index = metadata.last_included_index
        if not index:
            raise ValueError("metadata: expected last_included_index >= 1 but got 0")
        self._health.require_open()
        with self._meter.operation(Operation.SNAPSHOT_SAVE):
            with self._snapshot_lock.update(self._timeout_s(timeout), cancel):
                self._health.require_writable()
                base_index = self._log.bounds.first_index - 1
                self._snapshots.replace(metadata, data, base_index=base_index, cancel=cancel)
                discarded = self._log.align_with(metadata)
            if self._options.auto_truncate_on_snapshot and not discarded:
                self._compact_behind(index)

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """Return the snapshot, verified.

        Raises:
            NoSnapshotError: there is none.
            CorruptedSnapshotError: the data is not what was saved.
        """
        self._health.require_open()
        with (
            self._meter.operation(Operation.SNAPSHOT_LOAD),
            self._snapshots.stream(self._timeout_s(timeout), cancel) as stream,
        ):
            return stream.metadata, b"".join(stream)

    def open_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> SnapshotStream:
        """Return the snapshot as a stream of chunks, which checks itself as it ends."""
        self._health.require_open()
        with self._meter.operation(Operation.SNAPSHOT_LOAD):
            return self._snapshots.stream(self._timeout_s(timeout), cancel)

    def _compact_behind(self, index: int) -> None:
        if not self._options.features.async_truncation:
            self._compact_if_there_is_room(index)
            return

        def work() -> None:
            try:
                self._compact_if_there_is_room(index)
            except OperationCancelledError:
                self._logger.info("compaction behind index %d gave way to close", index)
            except StorageError as error:
                self._health.poison(error)
                self._logger.warning("compaction behind index %d failed: %s", index, error)

        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(self._runtime.spawn("wavetank-compaction", work))

    def _compact_if_there_is_room(self, index: int) -> None:
        try:
            self._log.compact_behind(index)
        except StorageIOError as error:
            if self._health.cause is not None or not is_full_disk(error):
                raise
            self._logger.warning(
                "compaction behind index %d: %s; the next snapshot tries again", index, error
            )

    # Metrics

    def metrics(self) -> dict[str, int] | None:
        """Return what was counted and timed since the open, without I/O; None if switched off.

        docs/engine.md says what each key means and in which unit.
        """
        self._health.require_open()
        if self._metrics is None:
            return None
        sizes = {"state_size": self._state.size, "snapshot_size": self._snapshots.size}
        return self._metrics.values() | sizes | self._log.sizes()

    def metrics_summary(self) -> str:
        """Return the metrics as text for people."""
        metrics = self.metrics()
        return METRICS_DISABLED if metrics is None else metrics_text(metrics)

    def reset_metrics(self) -> None:
        """Count and time anew; sizes are what they are."""
        self._health.require_open()
        if self._metrics is not None:
            self._metrics.reset()

    # Verification

    def verify(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> VerifyReport:
        """Read everything back, check every checksum, and repair nothing.

        Appends and reads go on meanwhile; a save of the state or of a snapshot may have to wait
        until that part has been read.

        Raises:
            StorageIOError: the directory cannot be listed.
        """
        self._health.require_open()
        needs_snapshot = self._options.compaction_requires_snapshot
        with Reading("verification", self._directory.path):
            if self._health.read_only:
                return examine(self._directory, needs_snapshot=needs_snapshot)
            examination = Examination(self._directory, in_use=True, needs_snapshot=needs_snapshot)
            timeout_s = self._timeout_s(timeout)
            with self._state_lock.update(timeout_s, cancel):
                self._health.require_open()
                examination.names_there()
                examination.state()
            with self._log_lock.update(timeout_s, cancel):
                self._health.require_open()
                examination.read_metadata()
                opened = self._log.open_extent()
            examination.read_log(opened)
            with self._snapshot_lock.update(timeout_s, cancel):
                examination.snapshot()
            return examination.report()

    # The end

    def close(self) -> None:
        """Finish background work, make everything durable, release the directory.

        A second call does nothing. A poisoned store is only released: its next open recovers it.

        Raises:
            LockTimeoutError: another call still runs; the store stays open.
            StorageIOError: the filesystem refused; the store is closed, but not cleanly.
        """
        if self._health.closed:
            return
        for task in self._tasks:
            task.join(self._options.truncation_timeout)
        self._health.closing = True
        timeout_s = self._default_timeout_s
        try:
            with (
                self._snapshot_lock.update(timeout_s),
                self._rewrite_lock.update(timeout_s),
                self._log_lock.update(timeout_s),
                self._state_lock.update(timeout_s),
            ):
                self._close_alone()
        finally:
            self._health.closing = False

    def _close_alone(self) -> None:
        if self._health.closed:
            return  # by another thread, while this one waited for the locks
        self._health.closed = True
        try:
            if self._health.cause is None and not self._health.read_only:
                self._finish()
        finally:
            self._release()

    def _finish(self) -> None:
        with self._health.mutation("close of the store", self._directory.path_of(LOG)):
            self._log.finish()
            self._directory.unlink(RECOVERY_MARKER)
            self._directory.sync()

    def _release(self) -> None:
        # Readers that are still inside have the files; they leave before anything is closed.
        with self._log_lock.exclusive():
            self._log.close()
        self._snapshots.close()
        if self._lock_file is not None:
            self._lock_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _require(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(
            f"{name}: expected {kind.__name__} but got {value!r} ({type(value).__name__})"
        )


def _require_index(name: str, value: int) -> None:
    if type(value) is not int:
        raise TypeError(f"{name}: expected int but got {value!r} ({type(value).__name__})")
