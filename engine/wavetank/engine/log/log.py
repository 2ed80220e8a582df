"""Log appender: checks a batch and writes it as one frame, with one write and at most one sync.

Left out: locks, and publishing the frame to readers; the log store does both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from wavetank.engine.directory import LOG, StoreDirectory, let_go, write_all
from wavetank.engine.errors import (
    EmptyEntriesError,
    EntryConflictError,
    EntryNotFoundError,
    EntryTooLargeError,
    IndexOutOfRangeError,
    InvalidLogRangeError,
    NonContiguousEntriesError,
    NoSnapshotError,
    OutOfOrderEntriesError,
    SnapshotOutOfDateError,
)
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.log.active import ActiveLog, CurrentLog
from wavetank.engine.log.compaction import LogCompactor
from wavetank.engine.log.format import FRAME_HEADER_SIZE, Batch, FrameHeader
from wavetank.engine.log.payload import EntryCodec
from wavetank.engine.log.reader import LogReader
from wavetank.engine.metadata import LogMetadata, MetadataService
from wavetank.engine.metrics import Counter, Meter
from wavetank.engine.options import FileStorageOptions
from wavetank.engine.status import Health, Part, Reading, is_full_disk
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import LogBounds, LogEntry, SnapshotMetadata

__all__ = ["LogStore", "check_batch", "require_entries", "reserve_space", "write_batch"]


def require_entries(entries: object) -> tuple[LogEntry, ...]:
    """Return the batch as a tuple of its own, or raise ``TypeError``."""
    if isinstance(entries, (str, bytes, bytearray)) or not isinstance(entries, Iterable):
        kind = type(entries).__name__
        raise TypeError(f"entries: expected a sequence of LogEntry but got {entries!r} ({kind})")
    batch = tuple(entries)
    for position, entry in enumerate(batch):
        if not isinstance(entry, LogEntry):
            kind = type(entry).__name__
            raise TypeError(f"entries[{position}]: expected LogEntry but got {entry!r} ({kind})")
    return batch


def check_batch(
    entries: Sequence[LogEntry], *, last_index: int, last_term: int, max_entry_size: int
) -> None:
    """Raise unless `entries` may follow the last entry; the order of checks is part of the API."""
    if not entries:
        raise EmptyEntriesError("entries: expected at least one entry but got none")
    previous = entries[0]
    for entry in entries[1:]:
        if entry.index != previous.index + 1 or entry.term < previous.term:
            raise OutOfOrderEntriesError(
                f"entries: expected index {previous.index + 1} with a term >= {previous.term} "
                f"behind index {previous.index} but got index {entry.index} of term {entry.term}"
            )
        previous = entry
    first = entries[0]
    if first.index == last_index + 1 and first.term < last_term:
        raise OutOfOrderEntriesError(
            f"entries: expected a term >= {last_term} behind index {last_index} "
            f"but index {first.index} is of term {first.term}"
        )
    if first.index != last_index + 1:
        raise NonContiguousEntriesError(
            f"entries: expected a batch that begins at index {last_index + 1} "
            f"but it begins at {first.index}"
        )
    for entry in entries:
        if len(entry.command) > max_entry_size:
            raise EntryTooLargeError(
                f"entries: expected commands of at most {max_entry_size} bytes "
                f"but index {entry.index} has {len(entry.command)}"
            )


def reserve_space(log: ActiveLog, batch: Batch, reserved_ahead: int) -> None:
    """Make sure that there is room for `batch` before anything of it is written.

    Args:
        log: where it goes.
        batch: what is to be written.
        reserved_ahead: bytes to reserve at a time; 0 for none at all.

    Raises:
        OSError: there is no room, not even for this one frame; nothing has changed.
    """
    size = FRAME_HEADER_SIZE + len(batch.payload)
    if not reserved_ahead or log.end + size <= log.reserved_end:
        return
    length = max(size, reserved_ahead)
    try:
        log.file.preallocate(log.end, length)
    except OSError as error:
        if not is_full_disk(error) or length == size:
            raise
        length = size
        log.file.preallocate(log.end, length)
    log.reserved_end = log.end + length


def write_batch(log: ActiveLog, batch: Batch, *, sync: bool) -> FrameHeader:
    """Write `batch` behind the last frame and return its header; ``OSError`` as it comes."""
    frame = log.encode(batch)
    write_all(log.file, frame.content, log.end)
    if sync:
        log.file.datasync()
    return frame.header


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
        rewrite_lock: guards the making of a new log; taken before the other.
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
        rewrite_lock: RWOperationLocker,
        health: Health,
        meter: Meter,
    ) -> None:
        self._directory = directory
        self._path = directory.path_of(LOG)
        self._current = CurrentLog(log, lock)
        self._current_snapshot = current_snapshot
        self._options = options
        self._lock = lock
        self._health = health
        self._meter = meter
        if log.index is not None:
            meter.count(Counter.INDEX_REBUILD_OPS)
        self._codec = EntryCodec(binary=options.features.binary_format, meter=meter)
        self._reader = LogReader(self._path, options.transfer_size, self._codec)
        self._metadata = MetadataService(
            directory,
            published,
            atomic=options.features.atomic_writes,
            reserved_ahead=options.preallocate,
        )
        self._compactor = LogCompactor(
            directory,
            self._current,
            reader=self._reader,
            codec=self._codec,
            metadata=self._metadata,
            chunk_size=options.transfer_size,
            lock=rewrite_lock,
            health=health,
            meter=meter,
        )

    @property
    def bounds(self) -> LogBounds:
        """The extent of the acknowledged log, as one value; no lock, no I/O."""
        return self._current.bounds

    def sizes(self) -> dict[str, int]:
        """Return the sizes that the metrics tell; no I/O."""
        log = self._current.log
        return {
            "log_size": log.end,
            "metadata_size": self._metadata.size,
            "index_map_size": len(log.index) if log.index is not None else 0,
        }

    @property
    def end(self) -> int:
        """Where the last frame ends in log.dat; the caller holds the lock's update.

        What lies before that end never changes in this file.
        """
        return self._current.log.end

    def append(
        self, entries: Sequence[LogEntry], timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """See `Storage.append_log_entries`."""
        with self._lock.update(timeout_s, cancel):
            self._health.require_writable()
            check_batch(
                entries,
                last_index=self._current.log.last_index,
                last_term=self._current.log.last_term,
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
            bounds = self._current.bounds
            if start < bounds.first_index or end > bounds.last_index + 1:
                raise IndexOutOfRangeError(
                    f"start, end: expected a part of [{bounds.first_index}, "
                    f"{bounds.last_index + 1}) but got [{start}, {end})"
                )
            found = self._reader.entries(self._current.log, start, end)
            self._meter.read(found)
            return found

    def entry(self, index: int, timeout_s: float | None, cancel: CancelToken | None) -> LogEntry:
        """See `Storage.get_log_entry`."""
        with self._lock.read(timeout_s, cancel):
            self._health.require_readable(Part.LOG)
            bounds = self._current.bounds
            if not bounds.first_index <= index <= bounds.last_index:
                raise EntryNotFoundError(
                    f"index: expected {bounds.first_index} <= index <= {bounds.last_index} "
                    f"but got {index}"
                )
            found = self._reader.entries(self._current.log, index, index + 1)
            self._meter.read(found)
            return found[0]

    def truncate_suffix(
        self, index: int, timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """See `Storage.truncate_log_suffix`."""
        with self._lock.update(timeout_s, cancel):
            self._health.require_writable()
            log = self._current.log
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

        def first_kept(log: ActiveLog) -> int:
            self._health.require_writable()
            if index <= log.first_index:
                return index
            self._require_within(index, log)
            self._require_snapshot(index)
            return self._retaining(index, log)

        self._compactor.compact(first_kept, timeout_s, cancel)

    def compact_behind(self, snapshot_index: int) -> None:
        """Drop what a snapshot covers, but for the retained entries; waits for the locks.

        Meant for work beside the caller: all that may have changed since is looked at again.
        """

        def first_kept(log: ActiveLog) -> int:
            if self._health.closed or self._health.cause is not None:
                return log.first_index
            return self._retaining(min(snapshot_index, log.last_index) + 1, log)

        self._compactor.compact(first_kept)

    def align_with(self, snapshot: SnapshotMetadata) -> bool:
        """Discard the log if it contradicts a durable snapshot or ends before it; True if so."""
        return self._compactor.discard(snapshot)

    def finish(self) -> None:
        """Make everything durable and say so in metadata.json; its name is the caller's to sync.

        ``OSError`` from the filesystem; the caller holds the lock's update.
        """
        log = self._current.log
        if self._options.preallocate and log.file.size() > log.end:
            log.file.truncate(log.end)
            log.file.fsync()
        elif log.durable_batch < log.last_batch:
            log.file.datasync()
        self._metadata.publish(log)

    def close(self) -> None:
        """Let go of the file."""
        let_go(self._current.log.file)

    def _write(self, batch: Batch, *, sync: bool) -> None:
        with Reading("reservation of space for the log", self._path):
            # What fails here has changed nothing that counts, so it poisons nothing.
            reserve_space(self._current.log, batch, self._options.preallocate)
        with self._health.mutation("append to the log", self._path):
            frame = write_batch(self._current.log, batch, sync=sync)
        self._current.accept(frame, synced=sync)

    def _retaining(self, index: int, log: ActiveLog) -> int:
        return min(index, log.last_index + 1 - self._options.retained_log_size)

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
