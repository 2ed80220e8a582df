"""`FileStorage`: the durable store on one directory. Start reading here.

It checks each call's arguments, counts it, and hands it to the part that does it:

    inspection.py, recovery.py     what an open finds in the directory, and what it does about it
    state.py                       term and vote
    log/log.py                     append and suffix truncation
    log/reader.py                  reads
    log/compaction.py              prefix truncation: a new log in the place of the old one
    snapshot_store.py              snapshots
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from wavetank.engine.directory import (
    LOG,
    RECOVERY_MARKER,
    StoreDirectory,
    let_go,
    lock_directory,
)
from wavetank.engine.document import MetadataService
from wavetank.engine.filesystem import File, FileSystem
from wavetank.engine.inspection import Guards
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.log.active import PublishedLog
from wavetank.engine.log.compaction import AutoCompaction, LogCompactor
from wavetank.engine.log.format import GUARD_SIZE
from wavetank.engine.log.log import LogWriter, batch_of
from wavetank.engine.log.reader import FrameReader, LogReader
from wavetank.engine.metrics import (
    APPEND,
    METRICS_DISABLED,
    MOST_SAMPLES,
    READ,
    SLOW_AFTER_S,
    SNAPSHOT_LOAD,
    SNAPSHOT_SAVE,
    STATE,
    TRUNCATE_PREFIX,
    TRUNCATE_SUFFIX,
    Counter,
    Metrics,
    Operation,
    metrics_text,
)
from wavetank.engine.options import FileStorageOptions, StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.recovery import RecoveredStore, check_openable, look, recover
from wavetank.engine.report import RecoveryReport, VerifyReport
from wavetank.engine.runtime import Runtime
from wavetank.engine.snapshot import SnapshotStream
from wavetank.engine.snapshot_store import (
    InPlaceSnapshotWriter,
    SnapshotStore,
    SnapshotWriter,
    require_data,
)
from wavetank.engine.state import StateStore
from wavetank.engine.status import Part, StoreStatus, TranslateErrors
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.thread_runtime import ThreadRuntime
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata
from wavetank.engine.verify import StoreContent, examine, examine_once, write_backup

__all__ = ["FileStorage"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_DEFAULT_OPTIONS: Final = FileStorageOptions()
_ITERATED_AT_ONCE: Final = 1000


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
        logger: receives recovery, losses, slow operations and background work; the logger
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
        runtime = runtime if runtime is not None else ThreadRuntime()
        self._logger = logger if logger is not None else logging.getLogger("wavetank.engine")
        self._options = options
        self._directory = StoreDirectory(fs if fs is not None else OsFileSystem(), config.directory)
        self._process_id = runtime.process_id
        self._owner = runtime.process_id()
        self._status = StoreStatus(read_only=options.read_only, process_id=runtime.process_id)
        self._timeout_s = options.lock_timeout if options.features.lock_timeout else None
        self._metrics: Metrics | None = None
        if options.features.metrics:
            self._metrics = Metrics(runtime, _slow_logger(self._logger))
        self._lock_file: File | None = None
        recovered: RecoveredStore | None = None
        try:
            if not options.read_only:
                self._lock_file = lock_directory(
                    self._directory, lambda: check_openable(self._directory, options)
                )
            with TranslateErrors("open of the store", self._directory.path):
                recovered = (look if options.read_only else recover)(self._directory, options)
            self._take_up(recovered, runtime)
        except BaseException:
            try:
                if recovered is not None:
                    recovered.close()
            finally:
                if self._lock_file is not None:
                    let_go(self._lock_file)
            raise

    def _take_up(self, recovered: RecoveredStore, runtime: Runtime) -> None:
        """Make the parts. Lock order: snapshot, rewrite of the log, log; state stands alone."""
        directory, options, status = self._directory, self._options, self._status
        self._report = recovered.report
        status.damage = recovered.damage
        for step in recovered.report.steps:
            self._logger.info("recovery: %s", step)
        for loss in recovered.report.lost:
            self._logger.warning("recovery: %s", loss)
        atomic, chunk_size = options.features.atomic_writes, options.transfer_size
        self._closing = RWOperationLocker(runtime, name="store", default_timeout_s=None)
        self._state_lock = RWOperationLocker(runtime, name="state", default_timeout_s=None)
        self._state = StateStore(
            directory, recovered.state, lock=self._state_lock, status=status, atomic=atomic
        )
        self._snapshot_lock = RWOperationLocker(runtime, name="snapshot", default_timeout_s=None)
        record, file = recovered.snapshot.record, recovered.snapshot.file
        self._snapshots = SnapshotStore(
            directory,
            (record, file) if record and file else None,
            lock=self._snapshot_lock,
            writer=(SnapshotWriter if atomic else InPlaceSnapshotWriter)(
                directory, chunk_size=chunk_size, status=status
            ),
            chunk_size=chunk_size,
            status=status,
        )
        self._published = PublishedLog(recovered.log, runtime)
        if self._metrics is not None and recovered.log.index is not None:
            self._metrics.count(Counter.INDEX_REBUILD_OPS)
        frames = FrameReader(directory.path_of(LOG), chunk_size, self._metrics)
        self._log_reader = LogReader(self._published, frames, status)
        self._log_writer = LogWriter(
            directory.path_of(LOG),
            recovered.log,
            self._published,
            frames=frames,
            current_snapshot=self._snapshots.metadata,
            options=options,
            status=status,
            metrics=self._metrics,
        )
        self._metadata = MetadataService(
            directory, recovered.metadata, atomic=atomic, reserved_ahead=options.preallocate or 0
        )
        self._compactor = LogCompactor(
            directory,
            self._log_writer,
            self._published,
            frames=frames,
            metadata=self._metadata,
            current_snapshot=self._snapshots.metadata,
            options=options,
            status=status,
            runtime=runtime,
            metrics=self._metrics,
        )
        self._auto_compaction = AutoCompaction(
            self._compactor,
            status=status,
            runtime=runtime,
            logger=self._logger,
            in_background=options.features.async_truncation,
        )

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
        """Replace term and vote; see `Storage.save_state`. An equal state costs nothing.

        A vote that makes the file larger than a mebibyte is a ``ValueError``.

        >>> store.save_state(PersistentState(2, "node-a"))
        >>> store.save_state(PersistentState(1))
        Traceback (most recent call last):
        wavetank.engine.errors.StateRegressionError: current_term: expected at least 2 but got 1
        """
        _require("state", state, PersistentState)
        self._counted(STATE, self._state.save, state, self._waiting(timeout), cancel)

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """Return term and vote; see `Storage.load_state`.

        Only with ``read_only`` can it raise `CorruptedStateError`: otherwise such a store does not
        open.

        >>> store.load_state()
        PersistentState(current_term=0, voted_for='')
        """
        return self._counted(STATE, self._state.load, self._waiting(timeout), cancel)

    # Log

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Add a batch behind the last entry; see `Storage.append_log_entries`.

        Durable on return, unless ``sync_on_append`` is off. It costs one write, and one sync that
        callers who append at the same time share.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> store.last_log_index
        2
        """
        batch = batch_of(entries)
        if self._status.closed or self._process_id() != self._owner:
            self._status.require_open()
        if timeout is None:
            timeout = self._timeout_s
        metrics = self._metrics
        if metrics is None:
            self._log_writer.append(batch, timeout, cancel)
            return
        start_s = metrics.now_s()
        try:
            size = self._log_writer.append(batch, timeout, cancel)
        except BaseException:
            metrics.finished(APPEND, start_s, failed=True)
            raise
        duration_s = metrics.now_s() - start_s
        metrics.samples.append((APPEND, duration_s, size, 0, False))
        if duration_s >= SLOW_AFTER_S:
            metrics.report_slow(APPEND, duration_s)
        if len(metrics.samples) >= MOST_SAMPLES:
            metrics.fold()

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[LogEntry]:
        """Return the entries with ``start <= index < end``; see `Storage.get_log_entries`.

        Nobody waits for it, and it waits for nobody's disk.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> [entry.command for entry in store.get_log_entries(1, 3)]
        [b'set x 1', b'set y 2']
        """
        _require_index("start", start)
        _require_index("end", end)
        if self._status.closed or self._process_id() != self._owner:
            self._status.require_open()
        if timeout is None:
            timeout = self._timeout_s
        metrics = self._metrics
        if metrics is None:
            return self._log_reader.entries(start, end, timeout, cancel)[0]
        start_s = metrics.now_s()
        try:
            found, size = self._log_reader.entries(start, end, timeout, cancel)
        except BaseException:
            metrics.finished(READ, start_s, failed=True)
            raise
        self._count_read(metrics, start_s, size, len(found))
        return found

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """Return one entry; see `Storage.get_log_entry`.

        >>> store.get_log_entry(1)
        Traceback (most recent call last):
        wavetank.engine.errors.EntryNotFoundError: index: expected 1 <= index <= 0 but got 1
        """
        if type(index) is not int:
            _require_index("index", index)
        if self._status.closed or self._process_id() != self._owner:
            self._status.require_open()
        if timeout is None:
            timeout = self._timeout_s
        metrics = self._metrics
        if metrics is None:
            return self._log_reader.entry(index, timeout, cancel)
        start_s = metrics.now_s()
        try:
            found = self._log_reader.entry(index, timeout, cancel)
        except BaseException:
            metrics.finished(READ, start_s, failed=True)
            raise
        self._count_read(metrics, start_s, len(found.command), 1)
        return found

    @staticmethod
    def _count_read(metrics: Metrics, start_s: float, size: int, entry_count: int) -> None:
        duration_s = metrics.now_s() - start_s
        metrics.samples.append((READ, duration_s, size, entry_count, False))
        if duration_s >= SLOW_AFTER_S:
            metrics.report_slow(READ, duration_s)
        if len(metrics.samples) >= MOST_SAMPLES:
            metrics.fold()

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries from `index` on; see `Storage.truncate_log_suffix`.

        One behind the last entry nothing happens; at or before the first the log is emptied.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> store.truncate_log_suffix(2)
        >>> store.last_log_index
        1
        """
        _require_index("index", index)
        self._counted(
            TRUNCATE_SUFFIX,
            self._log_writer.truncate_suffix,
            index,
            self._waiting(timeout),
            cancel,
        )

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries before `index`; see `Storage.truncate_log_prefix`.

        At least ``retained_log_size`` entries of all are kept. At or before the first entry nothing
        happens. An entry to be kept that is not what was written is a `CorruptedLogError`.

        >>> store.append_log_entries([LogEntry(index, 1, b"x") for index in range(1, 201)])
        >>> store.save_snapshot(SnapshotMetadata(150, 1), b"x=1")
        >>> store.truncate_log_prefix(151)
        >>> store.first_log_index  # the default retains 100 entries
        101
        """
        _require_index("index", index)
        self._counted(
            TRUNCATE_PREFIX,
            self._compactor.truncate_prefix,
            index,
            self._waiting(timeout),
            cancel,
        )

    @property
    def first_log_index(self) -> int:
        """Index of the first entry; see `Storage.first_log_index`. No I/O, no lock.

        >>> store.first_log_index
        1
        """
        return self.log_bounds().first_index

    @property
    def last_log_index(self) -> int:
        """Index of the last entry; see `Storage.last_log_index`. No I/O, no lock.

        >>> store.last_log_index
        0
        """
        return self.log_bounds().last_index

    @property
    def last_log_term(self) -> int:
        """Term of the last entry; see `Storage.last_log_term`. No I/O, no lock.

        >>> store.last_log_term
        0
        """
        return self.log_bounds().last_term

    def log_bounds(self) -> LogBounds:
        """Return all bounds as one value; see `Storage.log_bounds`. No I/O, no lock.

        Only with ``read_only`` can it raise `CorruptedLogError`, where no log can be read.

        >>> store.append_log_entries([LogEntry(1, 3, b"set x 1")])
        >>> store.log_bounds()
        LogBounds(first_index=1, last_index=1, last_term=3)
        """
        self._status.require_open()
        self._status.require_readable(Part.LOG)
        return self._published.view.bounds()

    def __len__(self) -> int:
        """Return how many entries the log holds.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> len(store)
        2
        """
        return self.log_bounds().entry_count

    def __bool__(self) -> bool:
        """A store is true, also with an empty log."""
        return True

    def __iter__(self) -> Iterator[LogEntry]:
        """Yield the entries that the log holds now, read a thousand at a time.

        Raises:
            IndexOutOfRangeError: some that are still to come have been removed meanwhile.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1"), LogEntry(2, 1, b"set y 2")])
        >>> [entry.command for entry in store]
        [b'set x 1', b'set y 2']
        """
        bounds = self.log_bounds()
        return self._iterate(bounds.first_index, bounds.last_index + 1)

    def _iterate(self, start: int, end: int) -> Iterator[LogEntry]:
        for first in range(start, end, _ITERATED_AT_ONCE):
            yield from self.get_log_entries(first, min(first + _ITERATED_AT_ONCE, end))

    # Snapshots

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace the snapshot; see `Storage.save_snapshot`.

        Of data in chunks no more than ``chunk_size`` bytes are held at a time. A log that ends
        before the snapshot, or holds another term at its index, is discarded, and its base moves to
        the snapshot. Otherwise the log is compacted behind it, if so opted.

        >>> store.save_snapshot(SnapshotMetadata(9, 2), [b"x=1,", b"y=2"])
        >>> store.log_bounds()
        LogBounds(first_index=10, last_index=9, last_term=2)
        """
        _require("metadata", metadata, SnapshotMetadata)
        require_data(data)
        if not metadata.last_included_index:
            raise ValueError("metadata: expected last_included_index >= 1 but got 0")
        self._counted(
            SNAPSHOT_SAVE,
            self._save_snapshot,
            metadata,
            data,
            self._waiting(timeout),
            cancel,
        )

    def _save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        with self._snapshot_lock.update(timeout_s, cancel):
            self._status.require_writable()
            base_index = self._published.view.header.base_index
            self._snapshots.require_newer(metadata, base_index)
            known = self._compactor.known_term(metadata, timeout_s)
            self._snapshots.replace(metadata, data, base_index=base_index, cancel=cancel)
            discarded = self._compactor.discard(metadata, known)
        if self._options.auto_truncate_on_snapshot and not discarded:
            self._auto_compaction.behind(metadata.last_included_index)

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """Return the snapshot's metadata and all of its data; see `Storage.load_snapshot`.

        >>> store.save_snapshot(SnapshotMetadata(9, 2), b"x=1")
        >>> store.load_snapshot()
        (SnapshotMetadata(last_included_index=9, last_included_term=2), b'x=1')
        """
        return self._counted(SNAPSHOT_LOAD, self._load_snapshot, self._waiting(timeout), cancel)

    def _load_snapshot(
        self, timeout_s: float | None, cancel: CancelToken | None
    ) -> tuple[SnapshotMetadata, bytes]:
        with self._snapshots.stream(timeout_s, cancel) as stream:
            content = BytesIO()  # gives its buffer away without a copy
            for chunk in stream:
                content.write(chunk)
            return stream.metadata, content.getvalue()

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
        with ExitStack() as unclaimed:
            stream = self._counted(
                SNAPSHOT_LOAD, self._opened_stream, unclaimed, self._waiting(timeout), cancel
            )
            unclaimed.pop_all()
        return stream

    def _opened_stream(
        self, unclaimed: ExitStack, timeout_s: float | None, cancel: CancelToken | None
    ) -> SnapshotStream:
        return unclaimed.enter_context(self._snapshots.stream(timeout_s, cancel))

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
        self._status.require_open()
        if self._metrics is None:
            return None
        log = self._log_writer.log
        return self._metrics.values() | {
            "state_size": len(self._state.record.encode()),
            "snapshot_size": self._snapshots.size,
            "log_size": self._published.view.end,
            "metadata_size": self._metadata.size,
            "index_map_size": len(log.index) if log.index is not None else 0,
        }

    def metrics_summary(self) -> str:
        """Return the metrics as ASCII text for people.

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
        self._status.require_open()
        if self._metrics is not None:
            self._metrics.reset()

    # Verification and backup

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
        self._status.require_open()
        return self._examine(self._waiting(timeout), cancel)

    def _examine(self, timeout_s: float | None, cancel: CancelToken | None) -> VerifyReport:
        """Read small files, and open large ones, a part at a time behind its lock.

        The large ones are then read beside other calls.
        """
        needs_snapshot = self._options.compaction_requires_snapshot
        with TranslateErrors("verification", self._directory.path):
            if self._status.read_only:
                return examine(self._directory, needs_snapshot=needs_snapshot)
            guards = Guards(
                state=self._guard(self._state_lock, timeout_s, cancel),
                log=self._guard(self._published.lock, timeout_s, cancel),
                snapshot=self._guard(self._snapshot_lock, timeout_s, cancel),
                log_end=lambda: self._published.view.end,
            )
            return examine_once(self._directory, needs_snapshot=needs_snapshot, guards=guards)

    @contextmanager
    def _guard(
        self, lock: RWOperationLocker, timeout_s: float | None, cancel: CancelToken | None
    ) -> Iterator[None]:
        with lock.update(timeout_s, cancel):
            self._status.require_open()
            yield

    def backup(
        self,
        directory: str,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Write a copy of the store as it is now into another directory, while the store goes on.

        The copy is that of a store that was closed cleanly: term and vote, every acknowledged entry
        and the snapshot, all of one moment, durable on return. It is for reading, and to start this
        node again with. Never start a node with a copy that is older than what it has promised
        since: a node that forgets its vote may vote twice.

        Args:
            directory: of the copy; made if missing, and else empty.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set; looked at between chunks.

        Raises:
            CorruptedLogError, CorruptedSnapshotError: what would be copied is damaged.
            StorageIOError: `directory` is not empty (``EEXIST``), the copy does not hold what was
                written to it (``EIO``), or the filesystem refused; what was written of the copy is
                removed.

        >>> store.append_log_entries([LogEntry(1, 1, b"set x 1")])
        >>> store.backup("/copy")
        """
        target = StoreDirectory(
            self._directory.filesystem, StorageConfig(directory=directory).directory
        )
        self._status.require_open()
        timeout_s = self._waiting(timeout)
        with ExitStack() as held, TranslateErrors("backup", target.path):
            with (
                self._snapshot_lock.update(timeout_s, cancel),
                self._published.lock.update(timeout_s, cancel),
                self._state_lock.update(timeout_s, cancel),
            ):
                for part in Part:
                    self._status.require_readable(part)
                log_file = self._published.log_file
                log_file.readers.append(None)
                held.callback(log_file.leave)
                content = StoreContent(
                    state=self._state.record,
                    log=self._published.view,
                    snapshot=self._snapshots.entered(held),
                    needs_snapshot=self._options.compaction_requires_snapshot,
                )
            write_backup(target, content, cancel)

    # The end

    def close(self) -> None:
        """Finish background work, make everything durable, release the directory.

        A second call does nothing, and one that comes meanwhile returns when the first has ended. A
        poisoned store is only released: its next open recovers it. It waits ``truncation_timeout``
        seconds for compaction in the background, which then gives way, and ``lock_timeout`` seconds
        for each lock. In a child that inherited the store through ``fork`` it gives back the
        child's descriptors and no more.

        Raises:
            LockTimeoutError: another call still runs; the store stays open.
            StorageIOError: the filesystem refused; the store is closed, but not cleanly.
            BaseException: what ended a compaction in the background, if that was no `StorageError`;
                the store is closed.

        >>> store.close()
        >>> store.load_state()
        Traceback (most recent call last):
        wavetank.engine.errors.StorageClosedError: the store is closed
        """
        if self._status.inherited:
            self._status.close()
            # No lock is taken: a thread of the parent may have held it at the moment of the fork.
            for file in (self._published.log_file.file, self._snapshots.file, self._lock_file):
                if file is not None:
                    let_go(file)
            return
        with self._closing.update(self._timeout_s):
            if self._status.closed:
                return
            self._auto_compaction.wait(self._options.truncation_timeout)
            self._status.closing = True
            try:
                self._close_alone()
            finally:
                self._status.closing = False
        failure = self._auto_compaction.take_failure()
        if failure is not None:
            raise failure

    def _close_alone(self) -> None:
        with ExitStack() as locks:
            for lock in (
                self._snapshot_lock,
                self._compactor.lock,
                self._published.lock,
                self._state_lock,
            ):
                locks.enter_context(lock.update(self._timeout_s))
            try:
                if self._status.writable:
                    self._status.close()
                    self._finish()
            finally:
                self._status.close()
                self._release()

    def _finish(self) -> None:
        """Make everything durable, and say so in metadata.json and by removing the marker."""
        log = self._log_writer.log
        with self._status.poison_on_error("close of the store", self._directory.path_of(LOG)):
            if log.file.size() > log.end + GUARD_SIZE:
                log.file.truncate(log.end)
                log.file.fsync()
            elif log.durable_batch < log.last_batch:
                log.file.datasync()
            self._metadata.publish(log)
            self._directory.unlink(RECOVERY_MARKER)
            self._directory.sync()

    def _release(self) -> None:
        """Give every descriptor back, once the readers that are still inside have left."""
        with self._releasing() as files:
            files.callback(self._published.log_file.retire)
            for lock in (self._published.lock, self._snapshot_lock):
                # Whoever found the store open, and is about to enter a file, has entered it after
                # this, and nobody finds it open any more.
                lock.acquire_exclusive()
                lock.release_exclusive()
            self._published.log_file.retire()
            self._published.log_file.wait_closed()

    def _releasing(self) -> ExitStack:
        """Return a context whose end, whatever comes, gives back all files but the log's."""
        files = ExitStack()
        if self._lock_file is not None:
            files.callback(let_go, self._lock_file)
        files.callback(self._snapshots.close)
        return files

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _waiting(self, timeout: float | None) -> float | None:
        return self._timeout_s if timeout is None else timeout

    def _counted(
        self,
        operation: Operation,
        work: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        """Do a piece of work of an open store, counted and timed."""
        self._status.require_open()
        metrics = self._metrics
        if metrics is None:
            return work(*arguments, **options)
        start_s = metrics.now_s()
        try:
            result = work(*arguments, **options)
        except BaseException:
            metrics.finished(operation, start_s, failed=True)
            raise
        metrics.finished(operation, start_s)
        return result


def _slow_logger(logger: logging.Logger) -> Callable[[str, float], None]:
    return lambda operation, duration_s: logger.info(
        "slow: the %s took %.3f s", operation, duration_s
    )


def _require(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(
            f"{name}: expected {kind.__name__} but got {value!r} ({type(value).__name__})"
        )


def _require_index(name: str, value: int) -> None:
    if type(value) is not int:
        raise TypeError(f"{name}: expected int but got {value!r} ({type(value).__name__})")
