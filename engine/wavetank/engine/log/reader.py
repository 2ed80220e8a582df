"""Reads of the log: from an index to verified bytes.

No read returns bytes that fail a checksum. Whoever reads one entry of a frame for the first time
reads and verifies all of the frame; where its entries lie, and a checksum of each, is then kept in
memory (`FrameTable`), so that a later read of one entry reads and verifies that entry alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from struct import unpack_from
from typing import Any, Final, cast

from attrs import frozen
from google_crc32c import extend

from wavetank.engine.directory import read_at
from wavetank.engine.errors import (
    CorruptedLogError,
    EntryNotFoundError,
    IndexOutOfRangeError,
    InvalidLogRangeError,
    InvalidOffsetError,
)
from wavetank.engine.filesystem import File
from wavetank.engine.log.active import (
    ActiveLog,
    FrameLocation,
    LogFile,
    LogView,
    PublishedLog,
)
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LOG_HEADER_SIZE,
    SERIALIZERS,
    BinaryBlock,
    EntryBlock,
    FrameHeader,
    FrameKind,
    FrameTable,
    LogHeader,
    decode_frame_header,
)
from wavetank.engine.metrics import DESERIALIZATION, Metrics
from wavetank.engine.status import Part, StoreStatus, TranslateErrors, io_error, is_unreadable
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import (
    LogEntry,
    UncheckedEntry,
)

__all__ = ["FrameReader", "LogReader", "LogSection", "Window"]

_ACTION: Final = "read of the log"
_LARGEST_KEPT: Final = 1 << 20
_MOST_TABLE_ROWS: Final = 1 << 21
"""Entries of which the place is kept in memory, 20 bytes each."""

_MOST_ROWS: Final = 4096
"""Frames whose place is kept in memory at once where there is no index."""


class FrameReader:
    """Reads the frames of whatever log it is given.

    Args:
        path: of log.dat, for errors.
        chunk_size: bytes to read at once.
        metrics: times the decoding of entries; None for no metrics.
    """

    def __init__(self, path: str, chunk_size: int, metrics: Metrics | None = None) -> None:
        self.path = path
        self._chunk_size = chunk_size
        self._metrics = metrics
        # Incarnation, offset and entries of the verified frame that was read last.
        self._kept: tuple[int, int, EntryBlock] | None = None

    def section(self, log: LogView | ActiveLog, start: int, end: int) -> LogSection:
        """Return the entries with ``start <= index < end`` as they lie in the log now."""
        return LogSection(log, start, end, path=self.path, chunk_size=self._chunk_size)

    def blocks(self, section: LogSection) -> Iterator[tuple[EntryBlock, int, int]]:
        """Yield each frame of a section, with the part in it: first index and end.

        Raises:
            CorruptedLogError: a frame is not what was written.
            StorageIOError: the filesystem refused.
        """
        window = Window(section.file, section.limit, self._chunk_size)
        header, kept = section.header, self._kept
        for frame in section.frames():
            if kept is not None and kept[:2] == (header.incarnation, frame.offset):
                block = kept[2]
            else:
                try:
                    content = window.read(frame.offset, frame.size)
                except OSError as error:
                    raise io_error(_ACTION, self.path, error) from error
                block = self.verified(content, frame, header)
            yield block, max(section.start, frame.first_index), min(section.end, frame.end_index)

    def entries(self, section: LogSection) -> tuple[list[LogEntry], int]:
        """Return entries and the bytes of their commands; errors as for `blocks`."""
        entries: list[LogEntry] = []
        size = 0
        for block, first, stop in self.blocks(section):
            size += block.add_entries(entries, first, stop)
        return entries, size

    def term(self, log: ActiveLog, index: int) -> int:
        """Return the term of one entry, or of the base; errors as for `blocks`."""
        if index == log.last_index:
            return log.last_term
        if index == log.header.base_index:
            return log.header.base_term
        (block, _, _), *_ = self.blocks(self.section(log, index, index + 1))
        return block.term(index)

    def tabled_entry(
        self, log_file: LogFile, table: FrameTable, index: int, seed: int
    ) -> LogEntry | None:
        """Return an entry by its place alone, None if it is not what was verified there."""
        row = index - table.first_index
        begin = table.ends[row - 1] if row else 0
        try:
            command = log_file.file.pread(table.ends[row] - begin, table.offset + begin)
        except OSError as error:
            raise io_error(_ACTION, self.path, error) from error
        if extend(seed, command) != table.checksums[row]:
            return None
        return _made(index, table.terms[row], command)

    def entry(
        self, log_file: LogFile, header: LogHeader, frame: FrameLocation, index: int
    ) -> LogEntry:
        """Return one entry of a frame; errors as for `blocks`."""
        kept = self._kept
        if kept is not None and kept[1] == frame.offset and kept[0] == header.incarnation:
            return _entry_of(kept[2], index)
        try:
            content = log_file.file.pread(frame.size, frame.offset)
            if len(content) < frame.size:
                content = read_at(log_file.file, frame.size, frame.offset)
        except OSError as error:
            raise io_error(_ACTION, self.path, error) from error
        block = self.verified(content, frame, header)
        if not isinstance(block, BinaryBlock) or block.count == 1:
            return _entry_of(block, index)
        first_index, count = block.first_index, block.count
        terms, commands = block.rows(first_index, first_index + count)
        if log_file.table_rows + count > _MOST_TABLE_ROWS:
            log_file.tables.clear()
            log_file.table_rows = 0
        log_file.tables[frame.offset] = FrameTable(block, commands, frame.offset, header.seed)
        log_file.table_rows += count
        return _made(index, terms[index - first_index], commands[index - first_index])

    def verified(self, content: bytes, frame: FrameLocation, header: LogHeader) -> EntryBlock:
        """Return the entries in the bytes of a frame.

        Raises:
            CorruptedLogError: they are not what was written.
        """
        if len(content) < frame.size:
            raise InvalidOffsetError(
                f"{self.path}: expected a frame of {frame.size} bytes at offset {frame.offset} "
                f"with entries from index {frame.first_index} on but the file ends before its end",
                path=self.path,
                offset=frame.offset,
                index=frame.first_index,
            )
        seed = header.seed
        payload = content[FRAME_HEADER_SIZE:]
        # Damage that a log which is only read goes on behind may be shorter than a header.
        checksums = content[FRAME_HEADER_SIZE - 8 : FRAME_HEADER_SIZE].ljust(8, b"\0")
        payload_checksum, checksum = unpack_from("<II", checksums)
        whole_header = len(content) >= FRAME_HEADER_SIZE and checksum == frame.checksum == extend(
            seed, content[: FRAME_HEADER_SIZE - 4]
        )
        if whole_header and extend(seed, payload) == payload_checksum:
            serializer = SERIALIZERS.get(content[5])
            (count,) = unpack_from("<I", content, 8)
            start_s = self._metrics.now_s() if self._metrics is not None else 0.0
            block = None
            if serializer is not None:
                block = serializer.decode(frame.first_index, count, payload)
            if self._metrics is not None:
                self._metrics.samples.append(
                    (DESERIALIZATION, self._metrics.now_s() - start_s, 0, 0, False)
                )
            if block is not None:
                if frame.size <= _LARGEST_KEPT:
                    self._kept = header.incarnation, frame.offset, block
                return block
        raise CorruptedLogError(
            f"{self.path}: the frame at offset {frame.offset} with entries from index "
            f"{frame.first_index} on is not what was written",
            path=self.path,
            offset=frame.offset,
            index=frame.first_index,
            term=unpack_from("<Q", content, 44)[0] if whole_header else None,
        )


class LogReader:
    """Serves the reads of a store; none holds a lock while it waits for the disk.

    Args:
        published: the log that readers see.
        frames: reads and verifies frames.
        status: whether the store may be read.
    """

    def __init__(self, published: PublishedLog, frames: FrameReader, status: StoreStatus) -> None:
        self._published = published
        self._frames = frames
        self._status = status

    def entry(self, index: int, timeout_s: float | None, cancel: CancelToken | None) -> LogEntry:
        """See `Storage.get_log_entry`."""
        published = self._published
        published.lock.acquire_read(timeout_s, cancel)
        try:
            if self._status.closed or self._status.damage:
                self._status.require_readable(Part.LOG)
            view, log_file = published.view, published.log_file
            log_index = view.frame_index
            if not view.first_index <= index <= view.last_index:
                raise EntryNotFoundError(
                    f"index: expected {view.first_index} <= index <= {view.last_index} "
                    f"but got {index}"
                )
            table, frame = None, None
            if log_index is not None:
                table = log_file.tables.get(log_index.offset_of(index))
                if table is None:
                    frame = log_index.find(index, view.last_index)
            log_file.readers.append(None)
        finally:
            published.lock.release_read()
        try:
            if table is not None:
                entry = self._frames.tabled_entry(log_file, table, index, view.header.seed)
                if entry is not None:
                    return entry
                # Not what was verified: what stands in the whole frame now decides.
                log_file.tables.clear()
                log_file.table_rows = 0
                return self.entry(index, timeout_s, cancel)
            if frame is not None:
                return self._frames.entry(log_file, view.header, frame, index)
            return self._frames.entries(self._frames.section(view, index, index + 1))[0][0]
        finally:
            log_file.leave()

    def entries(
        self, start: int, end: int, timeout_s: float | None, cancel: CancelToken | None
    ) -> tuple[list[LogEntry], int]:
        """Return entries and the bytes of their commands; see `Storage.get_log_entries`."""
        published = self._published
        published.lock.acquire_read(timeout_s, cancel)
        try:
            self._status.require_readable(Part.LOG)
            if start >= end:
                raise InvalidLogRangeError(f"start: expected start < end but got {start} >= {end}")
            view, log_file = published.view, published.log_file
            if start < view.first_index or end > view.last_index + 1:
                raise IndexOutOfRangeError(
                    f"start, end: expected a part of [{view.first_index}, "
                    f"{view.last_index + 1}) but got [{start}, {end})"
                )
            section = self._frames.section(view, start, end)
            log_file.readers.append(None)
        finally:
            published.lock.release_read()
        try:
            return self._frames.entries(section)
        finally:
            log_file.leave()


def _entry_of(block: EntryBlock, index: int) -> LogEntry:
    (term,), (command,) = block.rows(index, index + 1)
    return _made(index, term, command)


def _made(index: int, term: int, command: bytes) -> LogEntry:
    """Return an entry of verified values, without checking them again."""
    entry: Any = UncheckedEntry()
    entry.index = index
    entry.term = term
    entry.command = command
    entry.__class__ = LogEntry
    return cast("LogEntry", entry)


class LogSection:
    """A range of a log; make it where the log does not change meanwhile.

    Whoever reads it needs no lock: bytes of a log never change once they count, and what is added
    later lies behind them.

    Args:
        log: the log, which must hold the range.
        start: index of the first entry.
        end: index behind the last one.
        path: of the log, for errors.
        chunk_size: bytes to read at once where there is no index.

    Attributes:
        file: the log's.
        header: the log's.
        limit: offset behind which nothing of the range lies.
    """

    __slots__ = ("_path", "_rows", "_scanned", "end", "file", "header", "limit", "start")

    def __init__(
        self, log: LogView | ActiveLog, start: int, end: int, *, path: str, chunk_size: int
    ) -> None:
        self.file = log.file
        self.header = log.header
        self.start = start
        self.end = end
        self._path = path
        self._rows: list[FrameLocation] | None = None
        index = log.index if isinstance(log, ActiveLog) else log.frame_index
        if index is not None:
            self._rows = list(index.frames(start, end))
            self.limit = self._rows[-1].offset + self._rows[-1].size if self._rows else 0
            return
        self.limit = log.end
        self._scanned = _ScannedLog(
            file=log.file,
            path=path,
            seed=log.header.seed,
            header_checksum=log.header_checksum,
            end=log.end,
            last_truncation=log.last_truncation,
            chunk_size=chunk_size,
        )

    def frames(self) -> Iterator[FrameLocation]:
        """Yield the frames in order.

        Raises:
            CorruptedLogError: without an index, a header is not what was written.
            StorageIOError: without an index, the filesystem refused.
        """
        if self._rows is not None:
            yield from self._rows
            return
        with TranslateErrors(_ACTION, self._path):
            yield from _live_frames(self._scanned, self.start, self.end)

    def frame_count(self) -> int:
        """Return how many frames there are; errors as for `frames`."""
        return len(self._rows) if self._rows is not None else sum(1 for _ in self.frames())


@frozen(kw_only=True)
class _ScannedLog:
    """A log as far as it is to be read; bytes before `end` never change.

    Args:
        file: log.dat.
        path: of it, for errors.
        seed: of its incarnation.
        header_checksum: where the chain begins.
        end: bytes up to the end of the last frame that counts.
        last_truncation: offset of the last frame that removes entries, 0 for none.
        chunk_size: bytes to read at once.
    """

    file: File
    path: str
    seed: int
    header_checksum: int
    end: int
    last_truncation: int
    chunk_size: int

    def headers(self, offset: int, link: int) -> Iterator[tuple[int, FrameHeader]]:
        """Yield each frame's offset and header, from `offset` on, behind the checksum `link`.

        Raises:
            CorruptedLogError: a header is not what was written.
            OSError: from the filesystem.
        """
        window = Window(self.file, self.end, self.chunk_size)
        while offset < self.end:
            content = window.read(offset, FRAME_HEADER_SIZE)
            if len(content) < FRAME_HEADER_SIZE:
                raise InvalidOffsetError(
                    f"{self.path}: expected a frame at offset {offset} but the file ends there",
                    path=self.path,
                    offset=offset,
                )
            header = decode_frame_header(content, self.seed)
            if header is None or header.previous_checksum != link:
                raise CorruptedLogError(
                    f"{self.path}: the frame header at offset {offset} is not what was written; "
                    "without the index what lies behind it is out of reach",
                    path=self.path,
                    offset=offset,
                )
            yield offset, header
            offset, link = offset + header.size, header.checksum


def _live_frames(
    log: _ScannedLog, start: int, end: int, *, most_rows: int = _MOST_ROWS
) -> Iterator[FrameLocation]:
    """Yield the frames that hold the entries with ``start <= index < end``, all in the log.

    Args:
        log: where they are.
        start: index of the first entry wanted.
        end: index behind the last one.
        most_rows: frames to keep in memory at once.

    Raises:
        CorruptedLogError: a header is not what was written.
        OSError: from the filesystem.
    """
    offset, link = LOG_HEADER_SIZE, log.header_checksum
    while start < end:
        headers = log.headers(offset, link)
        rows = _first_rows(headers, start, end, most_rows, log.last_truncation)
        if not rows:
            raise CorruptedLogError(
                f"{log.path}: expected index {start} in a frame, but there is none",
                path=log.path,
                index=start,
            )
        last = rows[-1]
        # Whatever holds the entries behind it was written later, and so lies behind it.
        offset, link, start = last.offset + last.size, last.checksum, last.end_index
        yield from rows


def _first_rows(
    headers: Iterator[tuple[int, FrameHeader]],
    start: int,
    end: int,
    most_rows: int,
    last_truncation: int,
) -> deque[FrameLocation]:
    """Return the first frames of the range that are alive, none left out between them."""
    rows: deque[FrameLocation] = deque()
    for offset, header in headers:
        if header.kind == FrameKind.TRUNCATE:
            _remove_from(header.first_index, rows, start)
            continue
        end_index = header.first_index + header.count
        wanted = rows[-1].end_index if rows else start
        follows = header.first_index == wanted if rows else header.first_index <= wanted < end_index
        if follows and wanted < end and len(rows) < most_rows:
            row = FrameLocation(offset, header.size, header.checksum, header.first_index, end_index)
            rows.append(row)
        full = len(rows) == most_rows or (rows and rows[-1].end_index >= end)
        if full and offset > last_truncation:
            break
    return rows


def _remove_from(index: int, rows: deque[FrameLocation], start: int) -> None:
    while rows and rows[-1].first_index >= index:
        rows.pop()
    if rows and rows[-1].end_index > index:
        rows[-1] = rows[-1]._replace(end_index=index)
    if rows and rows[-1].end_index <= start:
        rows.pop()  # what is left of it lies before the range


class Window:
    """Reads ahead up to a chunk, never beyond a limit.

    Args:
        file: what is read.
        limit: offset behind the last byte of interest.
        chunk_size: bytes to read at once.
    """

    __slots__ = ("_chunk", "_chunk_offset", "_chunk_size", "_file", "_limit")

    def __init__(self, file: File, limit: int, chunk_size: int) -> None:
        self._file = file
        self._limit = limit
        self._chunk_size = chunk_size
        self._chunk = b""
        self._chunk_offset = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`, fewer only where the file or the limit ends."""
        start = offset - self._chunk_offset
        if start < 0 or start + length > len(self._chunk):
            self._chunk = self._ahead(offset, length)
            self._chunk_offset = offset
            start = 0
        return self._chunk[start : start + length]

    def _ahead(self, offset: int, length: int) -> bytes:
        left = self._limit - offset
        wanted = min(max(length, self._chunk_size), left)
        if wanted <= 0:
            return b""
        try:
            return read_at(self._file, wanted, offset)
        except OSError as error:
            if wanted <= length or not is_unreadable(error):
                raise
            # A bad sector ahead is no reason to refuse what was asked for.
            return read_at(self._file, min(length, left), offset)
