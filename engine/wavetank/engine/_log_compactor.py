"""Log compactor: puts a new log in the place of the current one, beside readers and writers.

Entries are copied while appends and truncations go on; under the log's update only what these have
changed meanwhile is written behind the copies, and the new log gets its name. Left out: what may be
dropped, which the log store decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._current_log import CurrentLog
from wavetank.engine._directory import (
    LOG,
    METADATA,
    StoreDirectory,
    is_full_disk,
    let_go,
    write_all,
)
from wavetank.engine._frame import Batch, LogHeader
from wavetank.engine._health import Health, Mutation
from wavetank.engine._log_reader import LogReader
from wavetank.engine._log_rewriter import (
    contradicts,
    copy_entries,
    give_name,
    successor,
    write_successor,
)
from wavetank.engine._log_section import LogSection
from wavetank.engine._metadata import MetadataService
from wavetank.engine._metrics import Counter, Meter
from wavetank.engine._serializer import EntryCodec
from wavetank.engine.errors import (
    CorruptedLogError,
    IndexOutOfRangeError,
    OperationCancelledError,
    StorageError,
)
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import SnapshotMetadata

__all__ = ["LogCompactor"]


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
