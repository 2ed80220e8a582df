"""The frames of a log that hold a range of entries, found by reading its headers.

What the index answers from memory, this answers from log.dat alone, in bounded memory: it keeps a
few thousand rows at most and reads the rest of the headers again when they have been used up. Left
out: payloads, which the reader verifies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.engine.errors import CorruptedLogError, InvalidOffsetError
from wavetank.engine.filesystem import File
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LOG_HEADER_SIZE,
    FrameHeader,
    FrameKind,
    decode_frame_header,
)
from wavetank.engine.log.index import FrameLocation
from wavetank.engine.log.window import Window
from wavetank.engine.status import Reading

__all__ = ["MOST_ROWS", "LogSection", "ScannedLog", "live_frames"]

MOST_ROWS: Final = 4096
"""Frames kept in memory at once."""


@frozen(kw_only=True)
class ScannedLog:
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


def live_frames(
    log: ScannedLog, start: int, end: int, *, most_rows: int = MOST_ROWS
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
        rows[-1] = evolve(rows[-1], end_index=index)
    if rows and rows[-1].end_index <= start:
        rows.pop()  # what is left of it lies before the range


class LogSection:
    """A range of a log; make it where the log does not change meanwhile.

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

    def __init__(self, log: ActiveLog, start: int, end: int, *, path: str, chunk_size: int) -> None:
        self.file = log.file
        self.header = log.header
        self.start = start
        self.end = end
        self._path = path
        self._rows: list[FrameLocation] | None = None
        if log.index is not None:
            self._rows = list(log.index.frames(start, end))
            self.limit = self._rows[-1].offset + self._rows[-1].size if self._rows else 0
            return
        self.limit = log.end
        self._scanned = ScannedLog(
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
        with Reading("read of the log", self._path):
            yield from live_frames(self._scanned, self.start, self.end)

    def frame_count(self) -> int:
        """Return how many frames there are; errors as for `frames`."""
        return len(self._rows) if self._rows is not None else sum(1 for _ in self.frames())
