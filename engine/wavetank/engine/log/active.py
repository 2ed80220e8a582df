"""One incarnation of log.dat, open: where its frames lie, and which frame may come next.

`refusal` is the one place that says which frame may follow which; recovery asks it for every frame
it reads, and what the appender writes satisfies it by construction. Left out: I/O and locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from wavetank.engine.directory import let_go
from wavetank.engine.filesystem import File
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LOG_HEADER_SIZE,
    ROW_SIZE,
    TRUNCATION_SIZE,
    Batch,
    EncodedFrame,
    FrameHeader,
    FrameKind,
    FrameRow,
    LogHeader,
    encode_frame,
)
from wavetank.engine.log.index import LogIndex
from wavetank.engine.values import LogBounds

__all__ = ["ActiveLog", "CurrentLog"]

_WATERMARK: Final = itemgetter(8)


class ActiveLog:
    """A log file with everything the engine keeps in memory about it.

    Args:
        file: open for reading and writing; owned by whoever owns this.
        header: the file's header.
        header_checksum: the header's checksum, where the chain begins.
        indexed: keep an index of the live frames in memory.

    Attributes:
        index: where the live frames lie, None if there is no index.
        last_index: index of the last entry; the base for an empty log.
        end: bytes up to the end of the last frame.
        last_batch: number of the last frame, 0 for none.
        last_truncation: offset of the last frame that is a suffix truncation, 0 for none.
        reserved_end: bytes up to the end of the space reserved for frames to come; 0 for none.
        last_checksum: of the last frame, or of the header.
        header_checksum: the header's checksum.
        durable_batch: highest batch number known durable.
        last_term: term of the last entry, or the base's.
    """

    __slots__ = (
        "durable_batch",
        "end",
        "file",
        "header",
        "header_checksum",
        "index",
        "last_batch",
        "last_checksum",
        "last_index",
        "last_term",
        "last_truncation",
        "reserved_end",
    )

    def __init__(
        self, file: File, header: LogHeader, header_checksum: int, *, indexed: bool
    ) -> None:
        self.file = file
        self.header = header
        self.header_checksum = header_checksum
        self.index = LogIndex(header.base_index) if indexed else None
        self.last_index = header.base_index
        self.end = LOG_HEADER_SIZE
        self.reserved_end = 0
        self.last_batch = 0
        self.last_truncation = 0
        self.last_checksum = header_checksum
        self.durable_batch = 0
        self.last_term = header.base_term

    @property
    def first_index(self) -> int:
        """Index of the first entry; base + 1 for an empty log."""
        return self.header.base_index + 1

    def bounds(self) -> LogBounds:
        """Return the log's extent as one value."""
        return LogBounds(
            first_index=self.first_index, last_index=self.last_index, last_term=self.last_term
        )

    def encode(self, batch: Batch, *, watermark: int | None = None) -> EncodedFrame:
        """Return the frame that says `batch` behind the last one; nothing changes yet."""
        return encode_frame(
            batch,
            number=self.last_batch + 1,
            watermark=self.durable_batch if watermark is None else watermark,
            previous_checksum=self.last_checksum,
            seed=self.header.seed,
        )

    def refusal(self, frame: FrameHeader) -> str | None:
        """Return why an intact frame cannot be the next one, None if it can."""
        if frame.previous_checksum != self.last_checksum or frame.batch != self.last_batch + 1:
            return "the frame does not continue the chain"
        if frame.kind == FrameKind.ENTRIES:
            follows = (
                frame.count > 0
                and frame.first_index == self.last_index + 1
                and frame.payload_length >= frame.count * ROW_SIZE
            )
        else:
            follows = (
                not frame.count
                and frame.payload_length == TRUNCATION_SIZE
                and self.first_index <= frame.first_index <= self.last_index
            )
        return None if follows else "the frame does not fit the log before it"

    def bridge(self, end_index: int, *, offset: int, size: int, checksum: int) -> None:
        """Let a log that is only read go on behind damage, at `end_index`.

        The entries missing before it are there, in a frame at `offset` that nobody finds intact.
        """
        if self.index is not None:
            first_index = self.last_index + 1
            self.index.remove_from(end_index)
            if end_index > first_index:
                self.index.add(
                    first_index=first_index,
                    count=end_index - first_index,
                    offset=offset,
                    size=size,
                    checksum=checksum,
                )
        self.last_index = end_index - 1

    def accept(self, frame: FrameHeader) -> None:
        """Take a frame at `end` into the log."""
        if frame.kind == FrameKind.ENTRIES:
            self.last_index = frame.first_index + frame.count - 1
            if self.index is not None:
                self.index.add(
                    first_index=frame.first_index,
                    count=frame.count,
                    offset=self.end,
                    size=frame.size,
                    checksum=frame.checksum,
                )
        else:
            self.last_index = frame.first_index - 1
            self.last_truncation = self.end
            if self.index is not None:
                self.index.remove_from(frame.first_index)
        self.end += frame.size
        self.last_batch = frame.batch
        self.last_checksum = frame.checksum
        self.durable_batch = max(self.durable_batch, frame.watermark)
        self.last_term = frame.last_term

    def accept_rows(self, offsets: Sequence[int], rows: Sequence[FrameRow]) -> None:
        """Take frames of entries, each in place behind the one before, the first at `end`."""
        last = rows[-1]
        self.end = offsets[-1] + FRAME_HEADER_SIZE + last[7]
        if self.index is not None:
            columns = tuple(zip(*rows, strict=True))
            self.index.extend(
                firsts=columns[6],
                offsets=offsets,
                sizes=[FRAME_HEADER_SIZE + length for length in columns[7]],
                checksums=columns[13],
                last_index=last[6] + last[4] - 1,
            )
        self.last_index = last[6] + last[4] - 1
        self.last_batch = last[5]
        self.last_checksum = last[13]
        self.durable_batch = max(self.durable_batch, *map(_WATERMARK, rows))
        self.last_term = last[10]


class CurrentLog:
    """The log as readers see it.

    Args:
        log: log.dat, open and recovered.
        lock: guards it; whoever changes it holds the update.

    Attributes:
        log: the log; another one after `replace`.
        bounds: its extent as one value, read without the lock.
        lock: the lock.
        kept_through: index up to which the log has stayed what it was at the last `watch`.
    """

    def __init__(self, log: ActiveLog, lock: RWOperationLocker) -> None:
        self.log = log
        self.bounds: LogBounds = log.bounds()
        self.lock = lock
        self.kept_through = log.last_index

    def watch(self) -> None:
        """Begin to note how far the log stays what it is now; one watcher at a time."""
        self.kept_through = self.log.last_index

    def accept(self, frame: FrameHeader, *, synced: bool) -> None:
        """Show a frame that has been written, and made durable if `synced`."""
        with self.lock.exclusive():
            log = self.log
            log.accept(frame)
            self.kept_through = min(self.kept_through, log.last_index)
            if synced:
                log.durable_batch = log.last_batch
            self.bounds = log.bounds()

    def replace(self, new: ActiveLog) -> None:
        """Show another log, and close the file of the one before."""
        old = self.log
        with self.lock.exclusive():
            self.log = new
            self.bounds = new.bounds()
        let_go(old.file)
