"""Changes of the log: append and suffix truncation, one frame each, with one write and one sync.

An append, from top to bottom: the batch joins a queue; whoever gets the update lock checks each
batch that waits, encodes it as a frame, writes the frame behind the last one, syncs once, and shows
all of them to readers. So callers that wait at the same time share one sync.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from struct import pack
from typing import Final, NamedTuple

from wavetank.engine.directory import write_all
from wavetank.engine.errors import (
    EmptyEntriesError,
    EntryConflictError,
    EntryTooLargeError,
    IndexOutOfRangeError,
    LockTimeoutError,
    NonContiguousEntriesError,
    OperationCancelledError,
    OutOfOrderEntriesError,
    StorageError,
)
from wavetank.engine.log.active import ActiveLog, PublishedLog
from wavetank.engine.log.format import (
    FILLER_PERIOD,
    FRAME_HEADER_SIZE,
    LONGEST_TAIL,
    ROW_SIZE,
    Encoding,
    EntryCodec,
    FrameKind,
    encode_frame,
    filler,
)
from wavetank.engine.log.reader import FrameReader
from wavetank.engine.metrics import SERIALIZATION, Metrics
from wavetank.engine.options import FileStorageOptions
from wavetank.engine.status import StoreStatus, TranslateErrors, io_error, is_full_disk
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import LogEntry, SnapshotMetadata

__all__ = ["Batch", "LogWriter", "batch_of", "encode_truncation", "require_within"]

CurrentSnapshot = Callable[[], SnapshotMetadata | None]

_ACTION: Final = "append to the log"
_SECTOR: Final = 512
_FILLED_AHEAD: Final = 256 << 10
"""Most bytes that are filled ahead of the frames at a time."""


class LogWriter:
    """Writes frames to the log of one store.

    Args:
        path: of log.dat, for errors.
        log: log.dat, open and recovered.
        published: the same as readers see it.
        frames: reads frames.
        current_snapshot: returns the current snapshot; asked under the log's lock.
        options: limits and behaviour.
        status: whether the store may be changed.
        metrics: times the encoding of entries; None for no metrics.

    Attributes:
        log: as far as it is written; changes under the update lock of the published log.
        kept_through: index up to which the log has stayed what it was at the last `watch`.
    """

    def __init__(
        self,
        path: str,
        log: ActiveLog,
        published: PublishedLog,
        *,
        frames: FrameReader,
        current_snapshot: CurrentSnapshot,
        options: FileStorageOptions,
        status: StoreStatus,
        metrics: Metrics | None,
    ) -> None:
        log.durable_batch, log.durable_end = log.last_batch, log.end  # recovery saw to it
        self.log = log
        self.kept_through = log.last_index
        self._path = path
        self._published = published
        self._frames = frames
        self._current_snapshot = current_snapshot
        self._options = options
        self._status = status
        self._metrics = metrics
        self._codec = EntryCodec(binary=options.features.binary_format)
        # What is written ahead: filler, but for a frame in the first bytes.
        self._buffer = bytearray()
        self._used = 0
        # Batches whose callers wait for the update lock. Adding and taking are atomic.
        self._queue: deque[_Ticket] = deque()
        self._begun = False  # something may have been written for the batches that are taken

    def append(self, batch: Batch, timeout_s: float | None, cancel: CancelToken | None) -> int:
        """Append a batch and return the bytes of its commands; see `Storage.append_log_entries`.

        Whoever gets the lock writes all batches that wait for it and syncs once; the others find
        theirs done when they get it.
        """
        lock, ticket = self._published.lock, _Ticket(batch)
        self._queue.append(ticket)
        try:
            lock.acquire_update(timeout_s, cancel)
        except (LockTimeoutError, OperationCancelledError):
            if self._withdrawn(ticket):
                raise
            lock.acquire_update(math.inf)  # it is being written, so it completes
        except BaseException:
            self._withdrawn(ticket)
            raise
        try:
            if not ticket.done:
                self._append_queued(ticket)
        finally:
            lock.release_update()
        if ticket.error is not None:
            raise ticket.error
        return ticket.size

    def _withdrawn(self, ticket: _Ticket) -> bool:
        """Take a batch out of the queue; False if another caller has begun to write it."""
        try:
            self._queue.remove(ticket)
        except ValueError:
            return False
        return True

    def _append_queued(self, own: _Ticket) -> None:
        """Write every batch that waits, in the order of their coming; sync once; show them.

        A batch that is refused costs the others nothing. A write or sync that fails poisons the
        store, and fails all of them.
        """
        tickets: list[_Ticket] = []
        self._begun = False
        try:
            while (ticket := self._next_in_queue()) is not None:
                tickets.append(ticket)
                self._write_batch(ticket)
            if self._begun and self._options.sync_on_append:
                self._sync()
            if self._begun:
                self._published.view = self.log.view()
        except BaseException as error:
            if not self._begun:
                self._queue.extendleft(ticket for ticket in reversed(tickets) if ticket is not own)
                raise
            self._status.poison(_ACTION, error)
            self._fail(tickets, own)
            if not isinstance(error, OSError):
                raise
            if own.error is None:
                raise io_error(_ACTION, self._path, error) from error
        for ticket in tickets:
            ticket.done = True

    def _next_in_queue(self) -> _Ticket | None:
        """Take the batch that has waited longest; None if there is none.

        It is taken without looking first: its caller may withdraw it between a look and the taking.
        """
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def _write_batch(self, ticket: _Ticket) -> None:
        """Check, encode and write one batch; a refusal of it is kept for its caller."""
        batch, log = ticket.batch, self.log
        try:
            if not self._status.writable:
                self._status.require_writable()
            ends = _check(batch, log, self._options.max_entry_size)
            frame, checksum = self._encoded(batch, ends)
            if log.end + len(frame) - log.durable_end > LONGEST_TAIL:
                _require_possible(len(frame))
                self._sync()
            content: bytes | memoryview = frame
            if log.end + len(frame) > log.reserved_end:
                content = self._with_space_ahead(frame)
        except StorageError as error:
            ticket.error = error
            return
        self._put(content, len(frame))
        log.add_entries(len(ends), len(frame), checksum, batch.terms[-1])
        ticket.size = ends[-1]

    def _sync(self) -> None:
        """Make every frame durable."""
        log = self.log
        self._begun = True
        log.file.datasync()
        log.durable_batch, log.durable_end = log.last_batch, log.end

    def _fail(self, tickets: Sequence[_Ticket], own: _Ticket) -> None:
        """Fail the batches of other callers, which were to become durable with one that failed."""
        for ticket in tickets:
            if ticket is not own and ticket.error is None:
                try:
                    self._status.require_writable()
                except StorageError as error:
                    ticket.error = error
            ticket.done = True

    def _encoded(self, batch: Batch, ends: Sequence[int]) -> tuple[bytes, int]:
        """Return entries as the next frame, and its checksum."""
        terms, first_index = batch.terms, batch.indices[0]
        metrics, log = self._metrics, self.log
        start_s = metrics.now_s() if metrics is not None else 0.0
        payload = self._codec.encode(first_index, terms, batch.commands, ends)
        encoded = encode_frame(
            FrameKind.ENTRIES,
            self._codec.encoding,
            len(terms),
            log.last_batch + 1,
            first_index,
            log.durable_batch,
            terms[0],
            terms[-1],
            log.last_checksum,
            payload,
            log.header.seed,
        )
        if metrics is not None:
            metrics.samples.append((SERIALIZATION, metrics.now_s() - start_s, 0, 0, False))
        return encoded

    def _put(self, content: bytes | memoryview, frame_size: int) -> None:
        """Write a frame and filler at the end; without the filler if there is no room for it."""
        log = self.log
        self._begun = True
        try:
            written = log.file.pwrite(content, log.end)
            if written != len(content):
                write_all(log.file, memoryview(content)[written:], log.end + written)
        except OSError as error:
            if len(content) == frame_size or not is_full_disk(error):
                raise
            log.reserved_end = 0
            write_all(log.file, content[:frame_size], log.end)

    def truncate_suffix(
        self, index: int, timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """See `Storage.truncate_log_suffix`."""
        self._published.lock.acquire_update(timeout_s, cancel)
        try:
            self._status.require_writable()
            log, snapshot = self.log, self._current_snapshot()
            require_within(index, log)
            if snapshot is not None and index <= snapshot.last_included_index:
                raise EntryConflictError(
                    f"index: expected an index beyond the snapshot's "
                    f"{snapshot.last_included_index} but got {index}"
                )
            first_removed = max(index, log.first_index)
            if first_removed <= log.last_index:
                self._truncate_from(first_removed, self._frames.term(log, first_removed - 1))
        finally:
            self._published.lock.release_update()

    def _truncate_from(self, first_removed: int, last_term: int) -> None:
        log, published = self.log, self._published
        frame, checksum = encode_truncation(log, first_removed, log.last_index, last_term)
        if self._options.preallocate and log.end + len(frame) > log.reserved_end:
            self._with_space_ahead(frame)
        try:
            if log.end + len(frame) - log.durable_end > LONGEST_TAIL:
                self._sync()
            self._put(frame, len(frame))
            log.file.datasync()
            published.lock.acquire_exclusive(math.inf)
            try:
                log.remove_from(first_removed, len(frame), checksum, last_term)
                log.durable_batch, log.durable_end = log.last_batch, log.end
                self.kept_through = min(self.kept_through, log.last_index)
                published.view = log.view()
            finally:
                published.lock.release_exclusive()
        except BaseException as error:
            self._status.poison(_ACTION, error)
            if isinstance(error, OSError):
                raise io_error(_ACTION, self._path, error) from error
            raise

    def watch(self) -> None:
        """Begin to note how far the log stays what it is now; one watcher at a time."""
        self.kept_through = self.log.last_index

    def replace(self, new: ActiveLog) -> None:
        """Go on in another incarnation, which is durable; the caller holds the update lock."""
        new.durable_batch, new.durable_end = new.last_batch, new.end
        self._published.replace(new)
        self.log = new

    def _with_space_ahead(self, frame: bytes) -> bytes | memoryview:
        """Return what to write so that frames to come find their blocks allocated.

        A sync of bytes that lie within the file, in blocks written before, need not wait for the
        filesystem's journal. What fails here has changed nothing, so it poisons nothing.

        Raises:
            StorageIOError: with ``preallocate`` there is no room, not even for this one frame.
        """
        log, ahead = self.log, self._options.preallocate
        # Frames and free space together may become the broken end of the log.
        most = log.durable_end + LONGEST_TAIL - log.end
        if ahead is None:
            step = min(_FILLED_AHEAD, log.end // 2, most - len(frame))
            step -= step % _SECTOR
            if step < 2 * len(frame):
                return frame  # too little to be worth a second write of the same blocks
            log.reserved_end = log.end + len(frame) + step
            return self._filled(frame, step)
        if ahead:
            with TranslateErrors("reservation of space for the log", self._path):
                self._preallocate(len(frame), min(max(len(frame), ahead), most))
        return frame

    def _filled(self, frame: bytes, step: int) -> memoryview:
        """Return a frame with filler behind it, in a buffer that is kept for the next time."""
        begin = self.log.end % FILLER_PERIOD  # so that the buffer's filler is that of the offsets
        end = begin + len(frame)
        if len(self._buffer) < end + step:
            self._buffer = bytearray(filler(0, 2 * (end + step)))
            self._used = 0
        self._buffer[: self._used] = filler(0, self._used)
        self._buffer[begin:end] = frame
        self._used = end
        return memoryview(self._buffer)[begin : end + step]

    def _preallocate(self, least: int, length: int) -> None:
        log = self.log
        try:
            log.file.preallocate(log.end, length)
        except OSError as error:
            if not is_full_disk(error) or length == least:
                raise
            length = least
            log.file.preallocate(log.end, length)
        log.reserved_end = log.end + length


def encode_truncation(
    log: ActiveLog,
    first_removed: int,
    last_removed: int,
    last_term: int,
    watermark: int | None = None,
) -> tuple[bytes, int]:
    """Return the frame that removes entries from the end of `log`, and its checksum.

    Args:
        log: where the frame will stand.
        first_removed: index of the first entry to remove.
        last_removed: index of the last entry of the log.
        last_term: term of the entry that becomes the last one.
        watermark: of the frame; the log's if omitted.
    """
    return encode_frame(
        FrameKind.TRUNCATE,
        Encoding.BINARY,
        0,
        log.last_batch + 1,
        first_removed,
        log.durable_batch if watermark is None else watermark,
        last_term,
        last_term,
        log.last_checksum,
        pack("<Q", last_removed),
        log.header.seed,
    )


def require_within(index: int, log: ActiveLog) -> None:
    """Raise `IndexOutOfRangeError` for an index more than one beyond the last entry."""
    if index > log.last_index + 1:
        raise IndexOutOfRangeError(f"index: expected at most {log.last_index + 1} but got {index}")


class _Ticket:
    """A batch on its way to the disk.

    Attributes:
        batch: what is to be written.
        done: it is durable, or was refused.
        error: why it was refused, None if it was not.
        size: bytes of its commands.
    """

    __slots__ = ("batch", "done", "error", "size")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.done = False
        self.error: StorageError | None = None
        self.size = 0


class Batch(NamedTuple):
    """The entries of an append as columns, which are checked and written as wholes.

    Attributes:
        entries: as they came.
        indices: of the entries.
        terms: of the entries.
        commands: of the entries.
    """

    entries: tuple[LogEntry, ...]
    indices: list[int]
    terms: list[int]
    commands: list[bytes]


def batch_of(entries: object) -> Batch:
    """Return entries as a batch, or raise ``TypeError``."""
    if type(entries) is not list and type(entries) is not tuple:
        entries = _sequence_of(entries)
    batch = tuple(entries)
    if len(batch) == 1 and type(batch[0]) is LogEntry:
        entry = batch[0]
        return Batch(batch, [entry.index], [entry.term], [entry.command])
    if list(map(type, batch)).count(LogEntry) != len(batch):
        _require_entries(batch)
    return Batch(
        batch,
        [entry.index for entry in batch],
        [entry.term for entry in batch],
        [entry.command for entry in batch],
    )


def _sequence_of(entries: object) -> tuple[LogEntry, ...]:
    if isinstance(entries, (str, bytes, bytearray)) or not isinstance(entries, Iterable):
        kind = type(entries).__name__
        raise TypeError(f"entries: expected a sequence of LogEntry but got {entries!r} ({kind})")
    return tuple(entries)


def _require_entries(batch: Sequence[object]) -> None:
    for position, entry in enumerate(batch):
        if not isinstance(entry, LogEntry):
            kind = type(entry).__name__
            raise TypeError(f"entries[{position}]: expected LogEntry but got {entry!r} ({kind})")


def _check(batch: Batch, log: ActiveLog, max_entry_size: int) -> list[int]:
    """Return where each command ends if the batch may follow the last entry.

    The order of the checks is part of the API.
    """
    entries, indices, terms, commands = batch
    if not entries:
        raise EmptyEntriesError("entries: expected at least one entry but got none")
    first, count = indices[0], len(indices)
    if count > 1 and (
        indices != list(range(first, first + count))
        or (terms.count(terms[0]) != count and terms != sorted(terms))
    ):
        raise _out_of_order(entries)
    if first == log.last_index + 1 and terms[0] < log.last_term:
        raise OutOfOrderEntriesError(
            f"entries: expected a term >= {log.last_term} behind index {log.last_index} "
            f"but index {first} is of term {terms[0]}"
        )
    if first != log.last_index + 1:
        raise NonContiguousEntriesError(
            f"entries: expected a batch that begins at index {log.last_index + 1} "
            f"but it begins at {first}"
        )
    ends = list(accumulate(map(len, commands)))
    if ends[-1] > max_entry_size:
        for entry in entries:
            if len(entry.command) > max_entry_size:
                raise EntryTooLargeError(
                    f"entries: expected commands of at most {max_entry_size} bytes "
                    f"but index {entry.index} has {len(entry.command)}"
                )
        _require_possible(FRAME_HEADER_SIZE + count * ROW_SIZE + ends[-1])
    return ends


def _out_of_order(entries: Sequence[LogEntry]) -> OutOfOrderEntriesError:
    for previous, entry in pairwise(entries):
        if entry.index != previous.index + 1 or entry.term < previous.term:
            break
    return OutOfOrderEntriesError(
        f"entries: expected index {previous.index + 1} with a term >= {previous.term} "
        f"behind index {previous.index} but got index {entry.index} of term {entry.term}"
    )


def _require_possible(frame_size: int) -> None:
    """Raise `EntryTooLargeError` for a batch that a crash could leave beyond repair."""
    if frame_size > LONGEST_TAIL:
        raise EntryTooLargeError(
            f"entries: expected a batch of at most {LONGEST_TAIL} bytes, as much as an open takes "
            f"for an unfinished append, but it takes {frame_size}; append it in parts"
        )
