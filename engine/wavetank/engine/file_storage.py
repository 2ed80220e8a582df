"""`FileStorage`: the durable store on one directory. Start reading here.

It holds no I/O of its own: it opens the directory through recovery, checks each call's arguments,
counts it, and hands it to the services.

    file_storage.py      this: the public face
    _recovery.py         what an open does; _read_only.py what it does with read_only
    _services.py         state, log and snapshots, their locks, and what they mean to one another
    _log_store.py        append, reads, truncations; with _log_appender, _log_reader
    _log_compactor.py    a new log in the place of the old; with _log_rewriter
    _state.py            term and vote
    _snapshot_store.py   snapshots; with _snapshot_writer, snapshot_stream
    _auto_compaction.py  what follows a snapshot
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from wavetank.engine._directory import StoreDirectory
from wavetank.engine._directory_lock import lock_directory
from wavetank.engine._health import Health, Part, Reading
from wavetank.engine._log_appender import require_entries
from wavetank.engine._metrics import Meter, Metrics, NoMetrics, Operation
from wavetank.engine._metrics_text import METRICS_DISABLED, metrics_text
from wavetank.engine._read_only import look
from wavetank.engine._recovery import check_openable, recover
from wavetank.engine._services import Services
from wavetank.engine._snapshot_writer import (
    require_data,
)
from wavetank.engine.filesystem import File, FileSystem
from wavetank.engine.options import FileStorageOptions, StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.report import RecoveryReport
from wavetank.engine.runtime import Runtime
from wavetank.engine.snapshot_stream import SnapshotStream
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.thread_runtime import ThreadRuntime
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata
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
        own_runtime = runtime if runtime is not None else ThreadRuntime()
        self._logger = logger if logger is not None else logging.getLogger("wavetank.engine")
        filesystem = fs if fs is not None else OsFileSystem()
        directory = StoreDirectory(filesystem, config.directory)
        self._health = Health(read_only=options.read_only)
        self._default_timeout_s = options.lock_timeout if options.features.lock_timeout else None
        self._metrics = Metrics(own_runtime) if options.features.metrics else None
        self._meter: Meter = self._metrics or NoMetrics()
        lock_file: File | None = None
        if not options.read_only:
            lock_file = lock_directory(directory, lambda: check_openable(directory, options))
        try:
            with Reading("open of the store", directory.path):
                recovered = (look if options.read_only else recover)(directory, options)
            self._report = recovered.report
            self._health.damage = recovered.damage
            self._tell(recovered.report)
            self._services = Services(
                directory,
                recovered,
                options,
                lock_file=lock_file,
                runtime=own_runtime,
                health=self._health,
                meter=self._meter,
                logger=self._logger,
            )
            self._state = self._services.state
            self._log = self._services.log
            self._snapshots = self._services.snapshots
        except BaseException:
            if lock_file is not None:
                lock_file.close()
            raise

    def _tell(self, report: RecoveryReport) -> None:
        for step in report.steps:
            self._logger.info("recovery: %s", step)
        for loss in report.lost:
            self._logger.warning("recovery: %s", loss)

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
        if not metadata.last_included_index:
            raise ValueError("metadata: expected last_included_index >= 1 but got 0")
        self._health.require_open()
        with self._meter.operation(Operation.SNAPSHOT_SAVE):
            self._services.save_snapshot(metadata, data, self._timeout_s(timeout), cancel)

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

    # Metrics

    def metrics(self) -> dict[str, int] | None:
        """Return what was counted and timed since the open, without I/O; None if switched off.

        docs/engine.md says what each key means and in which unit.
        """
        self._health.require_open()
        if self._metrics is None:
            return None
        return self._metrics.values() | self._services.sizes()

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
        return self._services.examine(self._timeout_s(timeout), cancel)

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
        self._services.close(self._default_timeout_s)

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
