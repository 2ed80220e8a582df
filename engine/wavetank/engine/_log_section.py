"""The frames that hold a range of entries, as they lay in the log at one moment.

Whoever reads a section needs no lock: bytes of a log never change once they count, and what is
added later lies behind them. Left out: payloads.
"""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._health import Reading
from wavetank.engine._index import FrameLocation
from wavetank.engine._live_frames import ScannedLog, live_frames

__all__ = ["LogSection"]


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
