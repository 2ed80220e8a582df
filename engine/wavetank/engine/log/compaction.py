"""Compaction: a new log in the place of the current one, beside readers and writers.

The entries worth keeping are copied, a frame at a time, into a new incarnation under log.dat's
temporary name, while appends and truncations go on. Under the log's update lock only what these
have changed meanwhile is written behind the copies, and the new log gets its name.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from itertools import accumulate

from attrs import frozen

from wavetank.engine.directory import (
    LOG,
    METADATA,
    StoreDirectory,
    close_file,
    let_go,
    temporary,
    write_all,
)
from wavetank.engine.document import MetadataService
from wavetank.engine.errors import (
    IndexOutOfRangeError,
    NoSnapshotError,
    OperationCancelledError,
    SnapshotOutOfDateError,
    StorageClosedError,
    StorageError,
    StorageIOError,
)
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.log.active import ActiveLog, PublishedLog
from wavetank.engine.log.format import (
    EntryCodec,
    FrameKind,
    LogHeader,
    encode_frame,
    encode_log_header,
    next_incarnation,
)
from wavetank.engine.log.log import CurrentSnapshot, LogWriter, encode_truncation, require_within
from wavetank.engine.log.reader import FrameReader, LogSection
from wavetank.engine.metrics import Counter, Metrics
from wavetank.engine.options import FileStorageOptions
from wavetank.engine.runtime import Runtime, Task
from wavetank.engine.status import PoisonOnError, StoreStatus, is_full_disk
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import SnapshotMetadata

__all__ = [
    "AutoCompaction",
    "KnownTerm",
    "LogCompactor",
    "contradicts",
    "create_log",
    "give_name",
    "successor",
    "write_successor",
]


def contradicts(log: ActiveLog, frames: FrameReader, snapshot: SnapshotMetadata) -> bool:
    """Whether `log` must give way to `snapshot`: it ends before it, or is another branch."""
    index, term = snapshot.last_included_index, snapshot.last_included_term
    if index < log.header.base_index:
        return False
    return index > log.last_index or frames.term(log, index) != term


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
    close_file(log.file)
    directory.rename(temporary(LOG), LOG)
    log.file = directory.open(LOG, OpenFlag.READ | OpenFlag.WRITE)


def write_successor(
    directory: StoreDirectory,
    frames: FrameReader,
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
        frames: reads the section.
        section: what to copy, from behind the base of `header` on.
        header: of the new log.
        codec: encodes the entries.
        indexed: keep an index of the new log in memory.
        chunk_size: bytes to write at once.
        check_wanted: called before each frame; raises to give up.

    Raises:
        OSError: from the filesystem; the temporary file stays behind.
        CorruptedLogError: a frame of the section is damaged.
        StorageIOError: the section cannot be read.
    """
    file = directory.create_temporary(LOG)
    try:
        new = _begin(file, header, indexed=indexed)
        # The file gets its name only once it is durable as a whole, so whatever frame is ever read
        # from it proves that all frames written here were durable.
        copy_entries(
            frames,
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
    new.durable_batch, new.durable_end = new.last_batch, new.end
    return new


def _begin(file: File, header: LogHeader, *, indexed: bool) -> ActiveLog:
    content, header_checksum = encode_log_header(header)
    write_all(file, content, 0)
    return ActiveLog(file, header, header_checksum, indexed=indexed)


def copy_entries(
    frames: FrameReader,
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
        frames: reads the section.
        section: what to copy.
        new: the log to write to, which nobody reads yet.
        codec: encodes the entries.
        watermark: for every frame written.
        chunk_size: bytes to write at once.
        check_wanted: called before each frame; raises to give up.
    """
    pending = bytearray()
    written = new.end
    for block, first, stop in frames.blocks(section):
        check_wanted()
        terms, commands = block.rows(first, stop)
        frame, checksum = encode_frame(
            FrameKind.ENTRIES,
            codec.encoding,
            len(terms),
            new.last_batch + 1,
            first,
            watermark,
            terms[0],
            terms[-1],
            new.last_checksum,
            codec.encode(first, terms, commands, list(accumulate(map(len, commands)))),
            new.header.seed,
        )
        new.add_entries(len(terms), len(frame), checksum, terms[-1])
        pending += frame
        if len(pending) >= chunk_size:
            write_all(new.file, bytes(pending), written)
            written += len(pending)
            pending.clear()
    if pending:
        write_all(new.file, bytes(pending), written)


@frozen
class KnownTerm:
    """The term at a snapshot's index, read before the snapshot counts.

    Attributes:
        log: where it stands.
        last_truncation: of the log then; while it is the same, no entry has been removed.
        term: None if the log did not hold the index.
    """

    log: ActiveLog
    last_truncation: int
    term: int | None


class LogCompactor:
    """Makes new logs of old ones, one at a time.

    Args:
        directory: where log.dat lies.
        writer: writes the current log.
        published: the same as readers see it.
        frames: reads frames.
        metadata: describes every new log.
        current_snapshot: returns the current snapshot; asked under the log's lock.
        options: limits and behaviour.
        status: whether the store may be changed.
        runtime: where locks come from.
        metrics: counts rewrites; None for no metrics.

    Attributes:
        lock: guards against a second rewrite; taken before the lock of the log.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        writer: LogWriter,
        published: PublishedLog,
        *,
        frames: FrameReader,
        metadata: MetadataService,
        current_snapshot: CurrentSnapshot,
        options: FileStorageOptions,
        status: StoreStatus,
        runtime: Runtime,
        metrics: Metrics | None,
    ) -> None:
        self.lock = RWOperationLocker(runtime, name="log rewrite", default_timeout_s=None)
        self._directory = directory
        self._path = directory.path_of(LOG)
        self._writer = writer
        self._published = published
        self._frames = frames
        self._codec = EntryCodec(binary=options.features.binary_format)
        self._metadata = metadata
        self._current_snapshot = current_snapshot
        self._options = options
        self._status = status
        self._metrics = metrics

    def truncate_prefix(
        self, index: int, timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """See `Storage.truncate_log_prefix`."""

        def first_kept(log: ActiveLog) -> int:
            self._status.require_writable()
            if index <= log.first_index:
                return index
            require_within(index, log)
            self._require_snapshot(index)
            return self._retaining(index, log)

        self._compact(first_kept, timeout_s, cancel)

    def compact_behind(self, snapshot_index: int) -> None:
        """Drop what a snapshot covers, but for the retained entries; waits for the locks.

        Meant for work beside the caller: all that may have changed since is looked at again.
        """

        def first_kept(log: ActiveLog) -> int:
            if not self._status.writable:
                return log.first_index
            return self._retaining(min(snapshot_index, log.last_index) + 1, log)

        self._compact(first_kept, math.inf, None)

    def _compact(
        self,
        first_kept: Callable[[ActiveLog], int],
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        """Drop the entries before the index that `first_kept` returns under the log's lock."""
        with self.lock.update(timeout_s, cancel):
            with self._published.lock.update(timeout_s, cancel):
                log = self._writer.log
                index = first_kept(log)
                if index <= log.first_index:
                    return
                header = successor(log, index - 1, self._frames.term(log, index - 1))
                section = self._frames.section(log, index, log.last_index + 1)
                self._writer.watch()
            self._rewrite(header, section, cancel)

    def known_term(self, snapshot: SnapshotMetadata, timeout_s: float | None) -> KnownTerm:
        """Read the term that `discard` will compare, while a failed read has no consequences."""
        with self._published.lock.update(timeout_s):
            log, index = self._writer.log, snapshot.last_included_index
            held = log.header.base_index <= index <= log.last_index
            term = self._frames.term(log, index) if held else None
            return KnownTerm(log, log.last_truncation, term)

    def discard(self, snapshot: SnapshotMetadata, known: KnownTerm) -> bool:
        """Empty the log if it contradicts a durable snapshot or ends before it; True if so.

        Any failure poisons the store: the snapshot counts, and the next open would discard a log
        that has not followed it, with what is appended until then.
        """
        try:
            return self._discard(snapshot, known)
        except BaseException as error:
            self._status.poison("comparison of the log with the snapshot", error)
            raise

    def _discard(self, snapshot: SnapshotMetadata, known: KnownTerm) -> bool:
        with self._published.lock.update():
            if not self._contradicts(snapshot, known):
                return False
        with self.lock.update(), self._published.lock.update():
            if not self._contradicts(snapshot, known):
                return False
            log = self._writer.log
            header = successor(log, snapshot.last_included_index, snapshot.last_included_term)
            nothing = self._frames.section(log, header.base_index + 1, header.base_index + 1)
            new: ActiveLog | None = None
            try:
                with self._poison_on_error():
                    new = self._copy(header, nothing, None)
                    self._take_over(new)
            except BaseException:
                self._abandon(new)
                raise
            return True

    def _contradicts(self, snapshot: SnapshotMetadata, known: KnownTerm) -> bool:
        log = self._writer.log
        self._status.require_writable()
        unchanged = log is known.log and log.last_truncation == known.last_truncation
        if unchanged and known.term is not None:
            return known.term != snapshot.last_included_term
        return contradicts(log, self._frames, snapshot)

    def _rewrite(self, header: LogHeader, section: LogSection, cancel: CancelToken | None) -> None:
        new: ActiveLog | None = None
        try:
            with self._preparing():
                new = self._copy(header, section, cancel)
            with self._published.lock.update():
                with self._preparing():
                    self._status.require_writable()
                    self._catch_up(new, section.end - 1)
                with self._poison_on_error():
                    self._take_over(new)
        except BaseException:
            self._abandon(new)
            self._discard_copy()
            raise

    def _abandon(self, new: ActiveLog | None) -> None:
        """Close the file of a new log, unless it has become the log."""
        if new is not None and self._published.log_file.file is not new.file:
            let_go(new.file)

    def _discard_copy(self) -> None:
        """Remove the temporary file of a rewrite that failed; the next open does it if poisoned."""
        if self._status.cause is None:
            with self._poison_on_error():
                self._directory.discard_temporary(LOG)

    def _copy(
        self, header: LogHeader, section: LogSection, cancel: CancelToken | None
    ) -> ActiveLog:
        def check_wanted() -> None:
            if self._status.closing:
                raise StorageClosedError("the store is being closed")
            if cancel is not None and cancel.is_set():
                raise OperationCancelledError("the rewrite of the log was cancelled")

        return write_successor(
            self._directory,
            self._frames,
            section,
            header,
            codec=self._codec,
            indexed=self._writer.log.index is not None,
            chunk_size=self._options.transfer_size,
            check_wanted=check_wanted,
        )

    def _catch_up(self, new: ActiveLog, copied_through: int) -> None:
        """Write behind the copies what has happened to the current log since they were begun."""
        log, common, written = self._writer.log, self._writer.kept_through, new.end
        if common < new.header.base_index:
            raise IndexOutOfRangeError(
                f"index: expected at most {log.last_index + 1}, where a truncation meanwhile has "
                f"left the end of the log, but got {new.first_index}"
            )
        if common < copied_through:
            last_term = self._frames.term(log, common)
            frame, checksum = encode_truncation(new, common + 1, copied_through, last_term)
            write_all(new.file, frame, new.end)
            new.remove_from(common + 1, len(frame), checksum, last_term)
        if common < log.last_index:
            copy_entries(
                self._frames,
                self._frames.section(log, common + 1, log.last_index + 1),
                new,
                codec=self._codec,
                watermark=new.durable_batch,
                chunk_size=self._options.transfer_size,
                check_wanted=lambda: None,
            )
        if new.end > written:
            new.file.fsync()

    def _take_over(self, new: ActiveLog) -> None:
        """Put a log in the place of the current one; the caller holds that one's update."""
        give_name(self._directory, new)
        self._directory.sync()
        self._writer.replace(new)
        # The name of the metadata needs no sync of its own: older metadata names an older
        # generation, which recovery takes for what it is, and every later sync of the directory
        # covers it.
        with self._status.poison_on_error(
            "write of the metadata", self._directory.path_of(METADATA)
        ):
            self._metadata.publish(new)
        if self._metrics is not None:
            self._metrics.count(Counter.COMPACTION_OPS)
            if new.index is not None:
                self._metrics.count(Counter.INDEX_REBUILD_OPS)

    def _retaining(self, index: int, log: ActiveLog) -> int:
        return min(index, log.last_index + 1 - self._options.retained_log_size)

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

    def _poison_on_error(self) -> PoisonOnError:
        return self._status.poison_on_error("rewrite of the log", self._path)

    def _preparing(self) -> PoisonOnError:
        return self._status.preparing("rewrite of the log", self._path)


class AutoCompaction:
    """Compacts the log after snapshots.

    Args:
        compactor: does the work.
        status: whether the store may be changed.
        runtime: where threads come from.
        logger: receives failures of background compaction, which has no caller to raise to.
        in_background: run beside the caller.
    """

    def __init__(
        self,
        compactor: LogCompactor,
        *,
        status: StoreStatus,
        runtime: Runtime,
        logger: logging.Logger,
        in_background: bool,
    ) -> None:
        self._compactor = compactor
        self._status = status
        self._runtime = runtime
        self._logger = logger
        self._in_background = in_background
        self._tasks: list[Task] = []
        self._failure: BaseException | None = None

    def behind(self, index: int) -> None:
        """Drop the entries up to a snapshot's index, but for the retained ones.

        Raises:
            StorageError: it was tried inside the call, and failed for another reason than room.
        """
        if not self._in_background:
            self._compact_if_there_is_room(index)
            return
        self._tasks = [task for task in self._tasks if not task.done()]
        work = partial(self._compact_in_background, index)
        self._tasks.append(self._runtime.spawn("wavetank-compaction", work))

    def wait(self, timeout_s: float) -> None:
        """Wait for each compaction in the background, at most so many seconds."""
        for task in self._tasks:
            try:
                task.join(timeout_s)
            except BaseException as error:
                if not task.done():
                    raise
                self._failure = error

    def take_failure(self) -> BaseException | None:
        """Return what ended a compaction in the background that is no `StorageError`, once."""
        failure, self._failure = self._failure, None
        return failure

    def _compact_in_background(self, index: int) -> None:
        try:
            self._compact_if_there_is_room(index)
        except (OperationCancelledError, StorageClosedError):
            self._logger.info("compaction behind index %d gave way to close", index)
        except StorageError as error:
            # If it left anything half done, it has poisoned the store, and the next change says so.
            self._logger.warning("compaction behind index %d failed: %s", index, error)
        except BaseException as error:
            self._logger.exception("compaction behind index %d was ended", index)
            self._failure = error

    def _compact_if_there_is_room(self, index: int) -> None:
        try:
            self._compactor.compact_behind(index)
        except StorageIOError as error:
            if self._status.cause is not None or not is_full_disk(error):
                raise
            self._logger.warning(
                "compaction behind index %d: %s; the next snapshot tries again", index, error
            )
