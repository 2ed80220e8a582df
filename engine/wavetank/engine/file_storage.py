"""`FileStorage`: the durable store on one directory. Start reading here.

It holds no I/O of its own: it opens the directory through recovery, checks each call's arguments,
counts it, and hands it to the services.

    file_storage.py      this: the public face
    recovery.py          what an open does, also with read_only; inspection.py what it finds
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

from wavetank.engine.directory import StoreDirectory, let_go, lock_directory
from wavetank.engine.filesystem import File, FileSystem
from wavetank.engine.log.log import require_entries
from wavetank.engine.metrics import (
    METRICS_DISABLED,
    Meter,
    Metrics,
    NoMetrics,
    Operation,
    metrics_text,
)
from wavetank.engine.options import FileStorageOptions, StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.recovery import RecoveredStore, check_openable, look, recover
from wavetank.engine.report import RecoveryReport, VerifyReport
from wavetank.engine.runtime import Runtime
from wavetank.engine.services import Services
from wavetank.engine.snapshot import SnapshotStream
from wavetank.engine.snapshot_store import require_data
from wavetank.engine.status import Health, Part, Reading
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.thread_runtime import ThreadRuntime
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata

__all__ = ["FileStorage"]

_DEFAULT_OPTIONS: Final = FileStorageOptions()


class FileStorage:
    """A durable, thread-safe, crash-resilient Raft store on one directory.

    Opening it recovers whatever an earlier run left; `recovery_report` says what was done. It is a
    context manager, and closes itself at the end.

    Every call that may wait takes `timeout`, in seconds for each lock that it needs (None: the
    options' ``lock_timeout``; 0: one try), and `cancel`, a token that is looked at before and after
    the lock is taken and until the first byte of log or state is written. So each of them raises
    `LockTimeoutError` and `OperationCancelledError`, both before anything has changed. Every call
    raises `StorageClosedError` after `close`; calls that change something raise
    `StorageReadOnlyError` where ``read_only`` is set and `StoragePoisonedError` after an earlier
    write or sync has failed; and where the filesystem refuses, `StorageIOError` carries its
    ``errno``. Arguments of another type are a ``TypeError``. What follows at each call are its own
    errors, in the order in which they are checked.

    In the examples `store` is a new store, open.

    Args:
        config: where the store lives.
        options: how it behaves.
        fs: the filesystem; the machine's if omitted.
        runtime: locks, threads and clock; the machine's if omitted.
        logger: told about recovery, losses, slow operations and background work; the logger
            ``wavetank.engine`` if omitted.

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
    ...     with FileStorage(StorageConfig(directory=directory)) as store:
    ...         store.get_log_entry(1)
    LogEntry(index=1, term=1, command=b'set x 1')
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
        recovered: RecoveredStore | None = None
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
            try:
                if recovered is not None:
                    recovered.close()
            finally:
                if lock_file is not None:
                    let_go(lock_file)
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
        """What opening the store found, did, cut and lost; also there once the store is closed.

        >>> store.recovery_report.created
        True
        """
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

        An equal state costs nothing.

        Args:
            state: the term, and whom this node has voted for in it.
            timeout: seconds to wait for the lock of the state.
            cancel: ends the call if it is set before anything is written.

        Raises:
            StateRegressionError: a lower term, or a vote of this term changed or withdrawn.
            ValueError: a vote of more than a mebibyte.

        >>> store.save_state(PersistentState(2, "node-a"))
        >>> store.save_state(PersistentState(1))
        Traceback (most recent call last):
        wavetank.engine.errors.StateRegressionError: current_term: expected at least 2 but got 1
        """
        _require("state", state, PersistentState)
        self._health.require_open()
        with self._meter.operation(Operation.STATE):
            self._state.save(state, self._timeout_s(timeout), cancel)

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """Return term and vote; term 0 and no vote if never saved.

        Args:
            timeout: seconds to wait for the lock of the state.
            cancel: ends the call if it is set.

        Raises:
            CorruptedStateError: no copy of it is intact; only with ``read_only``, since otherwise
                such a store does not open.

        >>> store.load_state()
        PersistentState(current_term=0, voted_for='')
        """
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
        """Add a batch behind the last entry, all or nothing.

        Durable on return, unless ``sync_on_append`` is off. It costs one write and one sync.

        Args:
            entries: at least one, with indices from the last one's successor on, without a gap, and
                terms that never fall.
            timeout: seconds to wait for the lock of the log.
            cancel: ends the call if it is set before anything is written.

        Raises:
            EmptyEntriesError: no entries.
            OutOfOrderEntriesError: a gap or a repeat inside the batch, or a term that falls,
                inside it or below the last entry's.
            NonContiguousEntriesError: the batch does not begin behind the last entry.
            EntryTooLargeError: a command of more bytes than ``max_entry_size``.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> store.last_log_index
        2
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

        Args:
            start: index of the first entry.
            end: index behind the last one.
            timeout: seconds to wait for the lock of the log; an append that syncs holds up nobody.
            cancel: ends the call if it is set.

        Raises:
            InvalidLogRangeError: ``start >= end``.
            IndexOutOfRangeError: some part of the range lies outside the log.
            CorruptedLogError: an entry is not what was written.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> [entry.command for entry in store.get_log_entries(1, 3)]
        [b'set x 1', b'set y 2']
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

        Args:
            index: of the entry.
            timeout: seconds to wait for the lock of the log.
            cancel: ends the call if it is set.

        Raises:
            EntryNotFoundError: compacted away, or beyond the end.
            CorruptedLogError: the entry is not what was written.

        >>> store.get_log_entry(1)
        Traceback (most recent call last):
        wavetank.engine.errors.EntryNotFoundError: index: expected 1 <= index <= 0 but got 1
        """
        _require_index("index", index)
        self._health.require_open()
        with self._meter.operation(Operation.READ):
            return self._log.entry(index, self._timeout_s(timeout), cancel)

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries from `index` on; durable on return.

        One behind the last entry nothing happens; at or before the first the log is emptied.

        Args:
            index: of the first entry to remove.
            timeout: seconds to wait for the lock of the log.
            cancel: ends the call if it is set before anything is written.

        Raises:
            IndexOutOfRangeError: more than one beyond the last entry.
            EntryConflictError: at or under the snapshot's index.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> store.truncate_log_suffix(2)
        >>> store.last_log_index
        1
        """
        _require_index("index", index)
        self._health.require_open()
        with self._meter.operation(Operation.TRUNCATE_SUFFIX):
            self._log.truncate_suffix(index, self._timeout_s(timeout), cancel)

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries before `index`, keeping at least ``retained_log_size`` of all.

        At or before the first entry nothing happens.

        Args:
            index: of the first entry that need not go.
            timeout: seconds to wait for each of the two locks of the log.
            cancel: ends the call if it is set before the new log takes the place of the old one.

        Raises:
            IndexOutOfRangeError: more than one beyond the last entry.
            NoSnapshotError: no snapshot covers them, and ``compaction_requires_snapshot`` is on.
            SnapshotOutOfDateError: the snapshot covers only a part of them, likewise.
            CorruptedLogError: an entry to be kept is not what was written.

        >>> store.append_log_entries([LogEntry(index, 1, b"x") for index in range(1, 201)])
        >>> store.save_snapshot(SnapshotMetadata(150, 1), b"x=1")
        >>> store.truncate_log_prefix(151)
        >>> store.first_log_index  # the default retains 100 entries
        101
        """
        _require_index("index", index)
        self._health.require_open()
        with self._meter.operation(Operation.TRUNCATE_PREFIX):
            self._log.truncate_prefix(index, self._timeout_s(timeout), cancel)

    @property
    def first_log_index(self) -> int:
        """Index of the first entry; base + 1 for an empty log. No I/O, no lock.

        Raises:
            StorageClosedError: after `close`.
            CorruptedLogError: no log can be read; only with ``read_only``.

        >>> store.first_log_index
        1
        """
        return self.log_bounds().first_index

    @property
    def last_log_index(self) -> int:
        """Index of the last entry; the base for an empty log. No I/O, no lock.

        Raises:
            StorageClosedError: after `close`.
            CorruptedLogError: no log can be read; only with ``read_only``.

        >>> store.last_log_index
        0
        """
        return self.log_bounds().last_index

    @property
    def last_log_term(self) -> int:
        """Term of the last entry; the base's for an empty log. No I/O, no lock.

        Raises:
            StorageClosedError: after `close`.
            CorruptedLogError: no log can be read; only with ``read_only``.

        >>> store.last_log_term
        0
        """
        return self.log_bounds().last_term

    def log_bounds(self) -> LogBounds:
        """Return all bounds as one value, taken at one moment. No I/O, no lock.

        Raises:
            StorageClosedError: after `close`.
            CorruptedLogError: no log can be read; only with ``read_only``.

        >>> store.append_log_entries([LogEntry(1, 3, b"set x 1")])
        >>> store.log_bounds()
        LogBounds(first_index=1, last_index=1, last_term=3)
        """
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
        its base moves to the snapshot. Otherwise the log is compacted behind it, if so opted.

        Args:
            metadata: the last log entry that the snapshot stands for, by index and term.
            data: the snapshot's content: bytes, or chunks of it in order, of which no more than
                ``chunk_size`` bytes are held at a time.
            timeout: seconds to wait for the lock of snapshots.
            cancel: ends the call if it is set before all of the data is written.

        Raises:
            ValueError: index 0.
            SnapshotOutOfDateError: older than the current snapshot.
            SnapshotMismatchError: the current snapshot's index with another term.

        >>> store.save_snapshot(SnapshotMetadata(9, 2), [b"x=1,", b"y=2"])
        >>> store.log_bounds()
        LogBounds(first_index=10, last_index=9, last_term=2)
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
        """Return the snapshot's metadata and all of its data, verified.

        Args:
            timeout: seconds to wait for the lock of snapshots.
            cancel: ends the call if it is set before the data is read.

        Raises:
            NoSnapshotError: there is none.
            CorruptedSnapshotError: the data is not what was saved.

        >>> store.save_snapshot(SnapshotMetadata(9, 2), b"x=1")
        >>> store.load_snapshot()
        (SnapshotMetadata(last_included_index=9, last_included_term=2), b'x=1')
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
        """Return the snapshot as a stream of chunks, which checks itself as it ends.

        For a snapshot larger than memory. Close the stream, or use it as a context manager.

        Args:
            timeout: seconds to wait for the lock of snapshots, which the stream does not hold.
            cancel: ends the call if it is set.

        Raises:
            NoSnapshotError: there is none.
            CorruptedSnapshotError: it is known to be damaged; only with ``read_only``.

        >>> store.save_snapshot(SnapshotMetadata(9, 2), b"x=1")
        >>> with store.open_snapshot() as stream:
        ...     sum(len(chunk) for chunk in stream)
        3
        """
        self._health.require_open()
        with self._meter.operation(Operation.SNAPSHOT_LOAD):
            return self._snapshots.stream(self._timeout_s(timeout), cancel)

    # Metrics

    def metrics(self) -> dict[str, int] | None:
        """Return what was counted and timed since the open, without I/O; None if switched off.

        docs/engine.md says what each key means and in which unit.

        Raises:
            StorageClosedError: after `close`.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1")])
        >>> metrics = store.metrics()
        >>> metrics["append_ops"], metrics["append_bytes"]
        (1, 7)
        """
        self._health.require_open()
        if self._metrics is None:
            return None
        return self._metrics.values() | self._services.sizes()

    def metrics_summary(self) -> str:
        """Return the metrics as text for people.

        Raises:
            StorageClosedError: after `close`.

        >>> print(store.metrics_summary().splitlines()[0])
        Storage metrics
        """
        metrics = self.metrics()
        return METRICS_DISABLED if metrics is None else metrics_text(metrics)

    def reset_metrics(self) -> None:
        """Count and time anew; sizes are what they are.

        Raises:
            StorageClosedError: after `close`.

        >>> store.reset_metrics()
        >>> store.metrics()["append_ops"]
        0
        """
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

        Args:
            timeout: seconds to wait for each lock.
            cancel: looked at as each lock is taken.

        Raises:
            StorageIOError: the directory cannot be listed.

        >>> store.verify().sound
        True
        """
        self._health.require_open()
        return self._services.examine(self._timeout_s(timeout), cancel)

    # The end

    def close(self) -> None:
        """Finish background work, make everything durable, release the directory.

        A second call does nothing. A poisoned store is only released: its next open recovers it.
        It waits ``truncation_timeout`` seconds for compaction in the background, which then gives
        way, and ``lock_timeout`` seconds for each lock.

        Raises:
            LockTimeoutError: another call still runs; the store stays open.
            StorageIOError: the filesystem refused; the store is closed, but not cleanly.

        >>> store.close()
        >>> store.load_state()
        Traceback (most recent call last):
        wavetank.engine.errors.StorageClosedError: the store is closed
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
