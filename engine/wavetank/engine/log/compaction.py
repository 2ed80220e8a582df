"""Log rewriter: the entries worth keeping, as a new incarnation under log.dat's temporary name.

Frames are copied one at a time; the new file is durable when `write` returns, and has no name that
counts yet. Left out: publishing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wavetank.engine.directory import LOG, METADATA, StoreDirectory, let_go, temporary, write_all
from wavetank.engine.errors import (
    CorruptedLogError,
    IndexOutOfRangeError,
    OperationCancelledError,
    StorageError,
)
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.log.active import ActiveLog, CurrentLog
from wavetank.engine.log.format import Batch, LogHeader, encode_log_header, next_incarnation
from wavetank.engine.log.payload import EntryCodec
from wavetank.engine.log.reader import LogReader
from wavetank.engine.log.section import LogSection
from wavetank.engine.metadata import MetadataService
from wavetank.engine.metrics import Counter, Meter
from wavetank.engine.status import Health, Mutation, is_full_disk
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import SnapshotMetadata

__all__ = [
    "LogCompactor",
    "contradicts",
    "copy_entries",
    "create_log",
    "give_name",
    "successor",
    "write_successor",
]


def contradicts(log: ActiveLog, reader: LogReader, snapshot: SnapshotMetadata) -> bool:
    """Whether `log` must give way to `snapshot`: it ends before it, or is another branch."""
    index, term = snapshot.last_included_index, snapshot.last_included_term
    if index < log.header.base_index:
        return False
    return index > log.last_index or reader.term(log, index) != term


def successor(log: ActiveLog, base_index: int, base_term: int) -> LogHeader:
    """Return the header of the log that replaces `log` with this base."""
    old = log.header
    return LogHeader(
        incarnation=next_incarnation(old.incarnation, log.last_checksum, base_index, base_term),
        generation=old.generation + 1,
        base_index=base_index,
        base_term=base_term,
    )


def create_log(directory: StoreDirectory, *, indexed: bool) -> ActiveLog:
    """Write the first log of a store under the temporary name, durably; ``OSError`` as it comes."""
    header = LogHeader(
        incarnation=next_incarnation(0, 0, 0, 0), generation=1, base_index=0, base_term=0
    )
    file = directory.create_temporary(LOG)
    try:
        log = _begin(file, header, indexed=indexed)
        file.fsync()
    except BaseException:
        let_go(file)
        raise
    return log


def give_name(directory: StoreDirectory, log: ActiveLog) -> None:
    """Rename a log that was written under the temporary name, and open it under its own."""
    log.file.close()
    directory.rename(temporary(LOG), LOG)
    log.file = directory.open(LOG, OpenFlag.READ | OpenFlag.WRITE)


def write_successor(
    directory: StoreDirectory,
    reader: LogReader,
    section: LogSection,
    header: LogHeader,
    *,
    codec: EntryCodec,
    indexed: bool,
    chunk_size: int,
    check_wanted: Callable[[], None],
) -> ActiveLog:
    """Write a new log with the entries of a section of the old one, durably.

    Args:
        directory: where the temporary file goes.
        reader: reads the section.
        section: what to copy, from behind the base of `header` on.
        header: of the new log.
        codec: encodes the entries.
        indexed: keep an index of the new log in memory.
        chunk_size: bytes to write at once.
        check_wanted: called before each frame; raises to give up.

    Raises:
        OSError: from the filesystem; the temporary file stays behind.
        CorruptedLogError: a frame of the section is damaged.
    """
    file = directory.create_temporary(LOG)
    try:
        new = _begin(file, header, indexed=indexed)
        # The file gets its name only once it is durable as a whole, so whatever frame is ever read
        # from it proves that all frames written here were durable.
        copy_entries(
            reader,
            section,
            new,
            codec=codec,
            watermark=section.frame_count(),
            chunk_size=chunk_size,
            check_wanted=check_wanted,
        )
        file.fsync()
    except BaseException:
        let_go(file)
        raise
    new.durable_batch = new.last_batch
    return new


def _begin(file: File, header: LogHeader, *, indexed: bool) -> ActiveLog:
    content, header_checksum = encode_log_header(header)
    write_all(file, content, 0)
    return ActiveLog(file, header, header_checksum, indexed=indexed)


def copy_entries(
    reader: LogReader,
    section: LogSection,
    new: ActiveLog,
    *,
    codec: EntryCodec,
    watermark: int,
    chunk_size: int,
    check_wanted: Callable[[], None],
) -> None:
    """Write the entries of a section behind the last frame of a log.

    Args:
        reader: reads the section.
        section: what to copy.
        new: the log to write to, which nobody reads yet.
        codec: encodes the entries.
        watermark: for every frame written.
        chunk_size: bytes to write at once.
        check_wanted: called before each frame; raises to give up.
    """
    pending = bytearray()
    written = new.end
    for block, first, stop in reader.blocks(section):
        check_wanted()
        frame = new.encode(codec.batch(first, *block.rows(first, stop)), watermark=watermark)
        new.accept(frame.header)
        pending += frame.content
        if len(pending) >= chunk_size:
            write_all(new.file, bytes(pending), written)
            written += len(pending)
            pending.clear()
    if pending:
        write_all(new.file, bytes(pending), written)


class LogCompactor:
    """Makes new logs of old ones, one at a time.

    Lock order: the rewrite lock, then the log's.

    Args:
        directory: where log.dat lies.
        current: the log.
        reader: reads it.
        codec: encodes entries.
        metadata: is told of every new log.
        chunk_size: bytes to write at once.
        lock: guards against a second rewrite; waits without limit where no timeout is given.
        health: the store's condition.
        meter: is told of rewrites.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        current: CurrentLog,
        *,
        reader: LogReader,
        codec: EntryCodec,
        metadata: MetadataService,
        chunk_size: int,
        lock: RWOperationLocker,
        health: Health,
        meter: Meter,
    ) -> None:
        self._directory = directory
        self._path = directory.path_of(LOG)
        self._current = current
        self._reader = reader
        self._codec = codec
        self._metadata = metadata
        self._chunk_size = chunk_size
        self._lock = lock
        self._health = health
        self._meter = meter

    def compact(
        self,
        first_kept: Callable[[ActiveLog], int],
        timeout_s: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Drop the entries before an index.

        Args:
            first_kept: asked under the log's update for that index; raises to refuse.
            timeout_s: seconds to wait for each of the two locks.
            cancel: looked at between frames.

        Raises:
            LockTimeoutError: a lock was not free in time.
            OperationCancelledError: the token was set, or the store wants to close.
            IndexOutOfRangeError: a truncation meanwhile left the log to end before the index.
            CorruptedLogError: an entry to be kept is not what was written.
            StorageIOError: the filesystem refused; the store is poisoned, unless only room was
                missing for the new log.
        """
        with self._lock.update(timeout_s, cancel):
            with self._current.lock.update(timeout_s, cancel):
                log = self._current.log
                index = first_kept(log)
                if index <= log.first_index:
                    return
                header = successor(log, index - 1, self._reader.term(log, index - 1))
                section = self._reader.section(log, index, log.last_index + 1)
                self._current.watch()
            self._rewrite(header, section, cancel)

    def discard(self, snapshot: SnapshotMetadata) -> bool:
        """Empty the log if it contradicts a durable snapshot or ends before it; True if so."""
        with self._current.lock.update():
            if not self._contradicts(snapshot):
                return False
        with self._lock.update(), self._current.lock.update():
            if not self._contradicts(snapshot):
                return False
            index, term = snapshot.last_included_index, snapshot.last_included_term
            log = self._current.log
            nothing = self._reader.section(log, index + 1, index + 1)
            with self._mutation():
                new = self._copy(successor(log, index, term), nothing, None)
            self._take_over(new)
            return True

    def _contradicts(self, snapshot: SnapshotMetadata) -> bool:
        self._health.require_writable()
        try:
            return contradicts(self._current.log, self._reader, snapshot)
        except (OSError, StorageError) as error:
            # The snapshot counts already: until the log has followed, no close is a clean one.
            self._health.poison(error)
            raise

    def _rewrite(self, header: LogHeader, section: LogSection, cancel: CancelToken | None) -> None:
        with self._preparation():
            new = self._copy(header, section, cancel)
        with self._current.lock.update():
            with self._given_up_if_it_fails(new), self._preparation():
                self._health.require_writable()
                self._catch_up(new, section.end - 1)
            self._take_over(new)

    def _copy(
        self, header: LogHeader, section: LogSection, cancel: CancelToken | None
    ) -> ActiveLog:
        def check_wanted() -> None:
            if self._health.closing or (cancel is not None and cancel.is_set()):
                raise OperationCancelledError("the rewrite of the log was cancelled")

        try:
            return write_successor(
                self._directory,
                self._reader,
                section,
                header,
                codec=self._codec,
                indexed=self._current.log.index is not None,
                chunk_size=self._chunk_size,
                check_wanted=check_wanted,
            )
        except (OSError, OperationCancelledError, CorruptedLogError) as error:
            if is_full_disk(error) or not isinstance(error, OSError):
                self._directory.discard_temporary(LOG)
            raise

    def _catch_up(self, new: ActiveLog, copied_through: int) -> None:
        """Write behind the copies what has happened to the current log since they were begun."""
        log, common, written = self._current.log, self._current.kept_through, new.end
        if common < new.header.base_index:
            raise IndexOutOfRangeError(
                f"index: expected at most {log.last_index + 1}, where a truncation meanwhile has "
                f"left the end of the log, but got {new.first_index}"
            )
        if common < copied_through:
            last_term = self._reader.term(log, common)
            frame = new.encode(Batch.of_truncation(common + 1, copied_through, last_term))
            write_all(new.file, frame.content, new.end)
            new.accept(frame.header)
        if common < log.last_index:
            copy_entries(
                self._reader,
                self._reader.section(log, common + 1, log.last_index + 1),
                new,
                codec=self._codec,
                watermark=new.durable_batch,
                chunk_size=self._chunk_size,
                check_wanted=lambda: None,
            )
        if new.end > written:
            new.file.fsync()

    def _take_over(self, new: ActiveLog) -> None:
        """Put a log in the place of the current one; the caller holds that one's update."""
        with self._given_up_if_it_fails(new), self._mutation():
            give_name(self._directory, new)
            self._directory.sync()
        self._show(new)

    def _show(self, new: ActiveLog) -> None:
        new.durable_batch = new.last_batch
        self._current.replace(new)
        # The name of the metadata needs no sync of its own: older metadata names an older
        # generation, which recovery takes for what it is, and every later sync of the directory
        # covers it.
        with self._health.mutation("write of the metadata", self._directory.path_of(METADATA)):
            self._metadata.publish(new)
        self._meter.count(Counter.COMPACTION_OPS)
        if new.index is not None:
            self._meter.count(Counter.INDEX_REBUILD_OPS)

    @contextmanager
    def _given_up_if_it_fails(self, new: ActiveLog) -> Iterator[None]:
        try:
            yield
        except BaseException:
            let_go(new.file)
            if self._health.cause is None:
                # Until a store is opened again, nobody else would remove it.
                with self._mutation():
                    self._directory.discard_temporary(LOG)
            raise

    def _mutation(self) -> Mutation:
        return self._health.mutation("rewrite of the log", self._path)

    def _preparation(self) -> Mutation:
        return self._health.preparation("rewrite of the log", self._path)
