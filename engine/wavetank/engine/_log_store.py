"""Log store: one log behind one lock; coordinates appender, reader, rewriter and metadata.

Writers hold the lock's update while they write and sync, beside readers, and are alone only for the
moment in which memory changes: nothing that is not durable is ever visible. Left out: the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._directory import LOG, METADATA, StoreDirectory, temporary
from wavetank.engine._frame import Batch, FrameHeader
from wavetank.engine._health import Health, Part, Reading
from wavetank.engine._log_appender import check_batch, reserve_space, write_batch
from wavetank.engine._log_reader import LogReader
from wavetank.engine._log_rewriter import contradicts, give_name, successor, write_successor
from wavetank.engine._metadata import LogMetadata, publish_metadata
from wavetank.engine._metrics import Counter, Meter
from wavetank.engine._serializer import EntryCodec
from wavetank.engine.errors import (
    CorruptedLogError,
    EntryConflictError,
    EntryNotFoundError,
    IndexOutOfRangeError,
    InvalidLogRangeError,
    NoSnapshotError,
    OperationCancelledError,
    SnapshotOutOfDateError,
)
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.options import FileStorageOptions
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import LogBounds, LogEntry, SnapshotMetadata

__all__ = ["LogStore"]

CurrentSnapshot = Callable[[], SnapshotMetadata | None]


class LogStore:
    """The log of one store.

    Args:
        directory: where log.dat and metadata.json lie.
        log: log.dat, open and recovered.
        published: what metadata.json says now, None if nothing intact.
        current_snapshot: tells the current snapshot; asked under this lock.
        options: limits and behaviour.
        lock: guards the log; waits without limit where no timeout is given.
        health: the store's condition.
        meter: is told of appends, reads and rewrites.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        log: ActiveLog,
        *,
        published: LogMetadata | None,
        current_snapshot: CurrentSnapshot,
        options: FileStorageOptions,
        lock: RWOperationLocker,
        health: Health,
        meter: Meter,
    ) -> None:
        self._directory = directory
        self._path = directory.path_of(LOG)
        self._log = log
        self._bounds = log.bounds()
        self._published = published
        self._current_snapshot = current_snapshot
        self._options = options
        self._lock = lock
        self._health = health
        self._meter = meter
        self._count_index(log)
        self._codec = EntryCodec(binary=options.features.binary_format, meter=meter)
        self._reader = LogReader(self._path, options.transfer_size, self._codec)

    @property
    def bounds(self) -> LogBounds:
        """The extent of the acknowledged log, as one value; no lock, no I/O."""
        return self._bounds

    def sizes(self) -> dict[str, int]:
        """Return the sizes that the metrics tell; no I/O."""
        log, published = self._log, self._published
        return {
            "log_size": log.end,
            "metadata_size": len(published.encode()) if published else 0,
            "index_map_size": len(log.index) if log.index is not None else 0,
        }

    def _count_index(self, log: ActiveLog) -> None:
        if log.index is not None:
            self._meter.count(Counter.INDEX_REBUILD_OPS)

    def open_extent(self) -> tuple[File, int]:
        """Open log.dat anew, and tell where its last frame ends; the caller closes the file.

        ``OSError`` from the filesystem; the caller holds the lock's update. What lies before that
        end never changes in this file.
        """
        return self._directory.open(LOG, OpenFlag.READ), self._log.end

    def append(
        self, entries: Sequence[LogEntry], timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """See `Storage.append_log_entries`."""
        with self._lock.update(timeout_s, cancel):
            self._health.require_writable()
            check_batch(
                entries,
                last_index=self._log.last_index,
                last_term=self._log.last_term,
                max_entry_size=self._options.max_entry_size,
            )
            terms = [entry.term for entry in entries]
            commands = [entry.command for entry in entries]
            batch = self._codec.batch(entries[0].index, terms, commands)
            self._write(batch, sync=self._options.sync_on_append)
            self._meter.appended(entries)

    def entries(
        self, start: int, end: int, timeout_s: float | None, cancel: CancelToken | None
    ) -> list[LogEntry]:
        """See `Storage.get_log_entries`."""
        with self._lock.read(timeout_s, cancel):
            self._health.require_readable(Part.LOG)
            if start >= end:
                raise InvalidLogRangeError(f"start: expected start < end but got {start} >= {end}")
            bounds = self._bounds
            if start < bounds.first_index or end > bounds.last_index + 1:
                raise IndexOutOfRangeError(
                    f"start, end: expected a part of [{bounds.first_index}, "
                    f"{bounds.last_index + 1}) but got [{start}, {end})"
                )
            found = self._reader.entries(self._log, start, end)
            self._meter.read(found)
            return found

    def entry(self, index: int, timeout_s: float | None, cancel: CancelToken | None) -> LogEntry:
        """See `Storage.get_log_entry`."""
        with self._lock.read(timeout_s, cancel):
            self._health.require_readable(Part.LOG)
            bounds = self._bounds
            if not bounds.first_index <= index <= bounds.last_index:
                raise EntryNotFoundError(
                    f"index: expected {bounds.first_index} <= index <= {bounds.last_index} "
                    f"but got {index}"
                )
            found = self._reader.entries(self._log, index, index + 1)
            self._meter.read(found)
            return found[0]

    def truncate_suffix(
        self, index: int, timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """See `Storage.truncate_log_suffix`."""
        with self._lock.update(timeout_s, cancel):
            self._health.require_writable()
            log = self._log
            self._require_within(index, log)
            snapshot = self._current_snapshot()
            if snapshot is not None and index <= snapshot.last_included_index:
                raise EntryConflictError(
                    f"index: expected an index beyond the snapshot's "
                    f"{snapshot.last_included_index} but got {index}"
                )
            first_removed = max(index, log.first_index)
            if first_removed > log.last_index:
                return
            last_term = self._reader.term(log, first_removed - 1)
            batch = Batch.of_truncation(first_removed, log.last_index, last_term)
            self._write(batch, sync=True)

    def truncate_prefix(
        self, index: int, timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """See `Storage.truncate_log_prefix`."""
        with self._lock.update(timeout_s, cancel):
            self._health.require_writable()
            if index <= self._log.first_index:
                return
            self._require_within(index, self._log)
            self._require_snapshot(index)
            self._compact(index, cancel)

    def compact_behind(self, snapshot_index: int) -> None:
        """Drop what a snapshot covers, but for the retained entries; waits for the lock.

        Meant for work beside the caller: all that may have changed since is looked at again.
        """
        with self._lock.update():
            if self._health.closed or self._health.cause is not None:
                return
            self._compact(min(snapshot_index, self._log.last_index) + 1, None)

    def align_with(self, snapshot: SnapshotMetadata) -> bool:
        """Discard the log if it contradicts a durable snapshot or ends before it; True if so."""
        with self._lock.update():
            self._health.require_writable()
            if not contradicts(self._log, self._reader, snapshot):
                return False
            index, term = snapshot.last_included_index, snapshot.last_included_term
            self._replace(index, term, None, last_index=index)
            return True

    def finish(self) -> None:
        """Make everything durable and say so in metadata.json; its name is the caller's to sync.

        ``OSError`` from the filesystem; the caller holds the lock's update.
        """
        log = self._log
        if self._options.preallocate and log.file.size() > log.end:
            log.file.truncate(log.end)
            log.file.fsync()
        elif log.durable_batch < log.last_batch:
            log.file.datasync()
        metadata = LogMetadata.of(log, reserved_ahead=self._options.preallocate)
        if metadata != self._published:
            self._put_metadata(metadata)

    def close(self) -> None:
        """Let go of the file."""
        self._log.file.close()

    def _write(self, batch: Batch, *, sync: bool) -> None:
        with Reading("reservation of space for the log", self._path):
            # What fails here has changed nothing that counts, so it poisons nothing.
            reserve_space(self._log, batch, self._options.preallocate)
        with self._health.mutation("append to the log", self._path):
            frame = write_batch(self._log, batch, sync=sync)
        with self._lock.exclusive():
            self._accept(frame, synced=sync)

    def _accept(self, frame: FrameHeader, *, synced: bool) -> None:
        log = self._log
        log.accept(frame)
        if synced:
            log.durable_batch = log.last_batch
        self._bounds = log.bounds()

    def _compact(self, index: int, cancel: CancelToken | None) -> None:
        log = self._log
        target = min(index, log.last_index + 1 - self._options.retained_log_size)
        if target > log.first_index:
            base_term = self._reader.term(log, target - 1)
            self._replace(target - 1, base_term, cancel, last_index=log.last_index)

    def _replace(
        self, base_index: int, base_term: int, cancel: CancelToken | None, *, last_index: int
    ) -> None:
        """Put a new log, from this base to `last_index`, in the place of the old one."""
        with self._health.mutation("rewrite of the log", self._path):
            new = self._write_successor(base_index, base_term, cancel, last_index=last_index)
            try:
                give_name(self._directory, new)
                self._directory.sync()
            except BaseException:
                new.file.close()
                raise
        new.durable_batch = new.last_batch
        old = self._log
        with self._lock.exclusive():
            self._log = new
            self._bounds = new.bounds()
        old.file.close()
        self._meter.count(Counter.COMPACTION_OPS)
        self._count_index(new)
        self._publish_metadata()

    def _write_successor(
        self, base_index: int, base_term: int, cancel: CancelToken | None, *, last_index: int
    ) -> ActiveLog:
        def check_wanted() -> None:
            if self._health.closing or (cancel is not None and cancel.is_set()):
                raise OperationCancelledError("the rewrite of the log was cancelled")

        try:
            return write_successor(
                self._directory,
                self._reader,
                self._log,
                successor(self._log, base_index, base_term),
                codec=self._codec,
                last_index=last_index,
                chunk_size=self._options.transfer_size,
                check_wanted=check_wanted,
            )
        except (OperationCancelledError, CorruptedLogError):
            self._directory.unlink(temporary(LOG))
            raise

    def _publish_metadata(self) -> None:
        # Its name needs no sync of its own: older metadata names an older generation, which
        # recovery takes for what it is, and every later sync of the directory covers it.
        metadata = LogMetadata.of(self._log, reserved_ahead=self._options.preallocate)
        with self._health.mutation("write of the metadata", self._directory.path_of(METADATA)):
            self._put_metadata(metadata)
        self._published = metadata

    def _put_metadata(self, metadata: LogMetadata) -> None:
        publish_metadata(self._directory, metadata, atomic=self._options.features.atomic_writes)

    def _require_within(self, index: int, log: ActiveLog) -> None:
        if index > log.last_index + 1:
            raise IndexOutOfRangeError(
                f"index: expected at most {log.last_index + 1} but got {index}"
            )

    def _require_snapshot(self, index: int) -> None:
        if not self._options.compaction_requires_snapshot:
            return
        snapshot = self._current_snapshot()
        if snapshot is None:
            raise NoSnapshotError(
                f"index: a truncation before {index} needs a snapshot, but there is none"
            )
        if index > snapshot.last_included_index + 1:
            raise SnapshotOutOfDateError(
                f"index: expected at most {snapshot.last_included_index + 1}, "
                f"behind the snapshot, but got {index}"
            )
