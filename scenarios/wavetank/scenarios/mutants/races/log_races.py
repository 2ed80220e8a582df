"""Races in the log: what readers see of it, and what appenders are told."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Final, Protocol

from wavetank.engine import (
    CancelToken,
    FileStorage,
    LogBounds,
    NonContiguousEntriesError,
    OperationCancelledError,
    StorageError,
)
from wavetank.engine.directory import let_go, write_all
from wavetank.engine.log.active import ActiveLog, LogFile, PublishedLog
from wavetank.engine.log.log import Batch, LogWriter, encode_truncation
from wavetank.scenarios.mutants.races.race import STORE, Race, race

__all__ = ["LOG_RACES"]

_WRITER: Final = "_log_writer"
_PUBLISHED: Final = "_published"
_ACTION: Final = "append to the log"


class _Ticket(Protocol):
    """A batch that waits for the lock of the log, as the engine queues it."""

    batch: Batch
    done: bool
    error: StorageError | None
    size: int


class _BoundsOfTheWriter(FileStorage):
    """Reads the bounds of the log that is being written, without its lock."""

    def log_bounds(self) -> LogBounds:
        self._status.require_open()
        log = self._log_writer.log
        last_index = log.last_index
        return LogBounds(
            first_index=log.first_index, last_index=last_index, last_term=log.last_term
        )


class _ChecksOutside(LogWriter):
    """Looks where a batch must begin before it takes the lock, and not under it."""

    def append(self, batch: Batch, timeout_s: float | None, cancel: CancelToken | None) -> int:
        following = self.log.last_index + 1
        if batch.indices[0] != following:
            raise NonContiguousEntriesError(f"entries: expected a batch that begins at {following}")
        with self._published.lock.update(timeout_s, cancel):
            self._status.require_writable()
            ends = list(accumulate(map(len, batch.commands)))
            frame, checksum = self._encoded(batch, ends)
            with self._status.poison_on_error(_ACTION, self._path):
                self._put(frame, len(frame))
                self.log.add_entries(len(ends), len(frame), checksum, batch.terms[-1])
                self._sync()
                self._published.view = self.log.view()
        return ends[-1]


class _ShownBeforeWritten(LogWriter):
    """Shows a frame to readers before it writes it."""

    def _write_batch(self, ticket: _Ticket) -> None:
        batch, log = ticket.batch, self.log
        if batch.indices[0] != log.last_index + 1:
            ticket.error = NonContiguousEntriesError("entries: expected others")
            return
        ends = list(accumulate(map(len, batch.commands)))
        frame, checksum = self._encoded(batch, ends)
        self._begun, end = True, log.end
        log.add_entries(len(ends), len(frame), checksum, batch.terms[-1])
        self._published.view = log.view()
        write_all(log.file, frame, end)
        ticket.size = ends[-1]


class _ShownBeforeSynced(LogWriter):
    """Shows a frame to readers before it is durable."""

    def _sync(self) -> None:
        self._published.view = self.log.view()
        super()._sync()


class _CancelledAfterwards(LogWriter):
    """Looks at the cancel token once more when the batch is written."""

    def append(self, batch: Batch, timeout_s: float | None, cancel: CancelToken | None) -> int:
        size = super().append(batch, timeout_s, cancel)
        if cancel is not None and cancel.is_set():
            raise OperationCancelledError("the cancel token was set")
        return size


class _StaysQueued(LogWriter):
    """Leaves the batch of a caller that gave up in the queue, so that the next one writes it."""

    def _withdrawn(self, ticket: _Ticket) -> bool:
        return not ticket.done


class _SkipsASharedSync(LogWriter):
    """Counts on a sync that another caller began before this caller had written."""

    _is_syncing = False

    def append(self, batch: Batch, timeout_s: float | None, cancel: CancelToken | None) -> int:
        lock = self._published.lock
        with lock.update(timeout_s, cancel):
            self._status.require_writable()
            log = self.log
            if batch.indices[0] != log.last_index + 1:
                raise NonContiguousEntriesError("entries: expected others")
            ends = list(accumulate(map(len, batch.commands)))
            frame, checksum = self._encoded(batch, ends)
            with self._status.poison_on_error(_ACTION, self._path):
                self._put(frame, len(frame))
            log.add_entries(len(ends), len(frame), checksum, batch.terms[-1])
            log_file = self._published.log_file
            log_file.readers.append(None)  # keeps the file open
        if not self._is_syncing:
            self._is_syncing = True
            log_file.file.datasync()
            self._is_syncing = False
        log_file.leave()
        with lock.update(math.inf):
            self._published.view = self.log.view()
        return ends[-1]


class _CutsBesideReaders(LogWriter):
    """Takes frames out of the index while readers look."""

    def _truncate_from(self, first_removed: int, last_term: int) -> None:
        log = self.log
        frame, checksum = encode_truncation(log, first_removed, log.last_index, last_term)
        with self._status.poison_on_error(_ACTION, self._path):
            self._put(frame, len(frame))
            log.file.datasync()
            log.remove_from(first_removed, len(frame), checksum, last_term)
            log.durable_batch, log.durable_end = log.last_batch, log.end
            self.kept_through = min(self.kept_through, log.last_index)
            self._published.view = log.view()


class _ClosesAtOnce(PublishedLog):
    """Closes the file of the old log as soon as a new one is there, though it is being read."""

    __slots__ = ()

    def replace(self, new: ActiveLog) -> None:
        old = self.log_file
        log_file, view = LogFile(new.file, self._runtime), new.view()
        self.lock.acquire_exclusive(math.inf)
        self.log_file, self.view = log_file, view
        self.lock.release_exclusive()
        let_go(old.file)
        old.retire()


LOG_RACES: Final[tuple[Race, ...]] = (
    race(
        "L1",
        "the bounds of the log are read off the writer, outside its lock",
        "a last index that is seen before its entry can be read",
        {STORE: _BoundsOfTheWriter},
    ),
    race(
        "L2",
        "an append looks where it must begin before it takes the lock",
        "two batches with the same indices",
        {_WRITER: _ChecksOutside},
    ),
    race(
        "L6",
        "a frame is shown to readers before it is written",
        "acknowledged entries that look damaged",
        {_WRITER: _ShownBeforeWritten},
    ),
    race(
        "L7",
        "a frame is shown to readers before it is synced",
        "entries that were read are gone after a power cut",
        {_WRITER: _ShownBeforeSynced},
    ),
    race(
        "L8",
        "an append takes a sync that began before its write for its own",
        "acknowledged entries lost",
        {_WRITER: _SkipsASharedSync},
    ),
    race(
        "L9",
        "the cancel token is looked at again when the batch has been written",
        "a call that reports that nothing was done, and the entries are there",
        {_WRITER: _CancelledAfterwards},
    ),
    race(
        "L10",
        "an append that gave up waiting stays in the queue",
        "a call that reports that nothing was done, and the entries come later",
        {_WRITER: _StaysQueued},
    ),
    race(
        "L11",
        "a suffix truncation changes the index while readers look",
        "reads that fail or return other entries",
        {_WRITER: _CutsBesideReaders},
    ),
    race(
        "L12",
        "the file of a log that was replaced is closed while it is read",
        "reads that fail",
        {_PUBLISHED: _ClosesAtOnce},
    ),
)
"""In the order in which they are shown."""
