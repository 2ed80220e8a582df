"""Log reader: verified entries out of log.dat.

Every frame is checked against its checksum when it is read; only the last small one is kept, so
that point reads in a row do not check it again. Left out: locks and bounds checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from wavetank.engine.errors import CorruptedLogError, InvalidOffsetError
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LogHeader,
    checksum,
    decode_frame_header,
)
from wavetank.engine.log.index import FrameLocation
from wavetank.engine.log.payload import EntryBlock, EntryCodec
from wavetank.engine.log.section import LogSection
from wavetank.engine.log.window import Window
from wavetank.engine.status import Reading
from wavetank.engine.values import LogEntry

__all__ = ["LogReader"]

_LARGEST_KEPT: Final = 1 << 20


@frozen
class _KeptBlock:
    """The verified frame that was read last."""

    incarnation: int
    offset: int
    block: EntryBlock


class LogReader:
    """Reads entries of whatever incarnation it is given.

    Args:
        path: of log.dat, for errors.
        chunk_size: bytes to read at once.
        codec: decodes the entries.
    """

    def __init__(self, path: str, chunk_size: int, codec: EntryCodec) -> None:
        self._path = path
        self._chunk_size = chunk_size
        self._codec = codec
        self._kept: _KeptBlock | None = None

    def entries(self, log: ActiveLog, start: int, end: int) -> list[LogEntry]:
        """Return the entries with ``start <= index < end``, all of which the log must hold.

        Raises:
            CorruptedLogError: a frame is not what was written.
            StorageIOError: the filesystem refused.
        """
        found: list[LogEntry] = []
        for block, first, stop in self.blocks(self.section(log, start, end)):
            terms, commands = block.rows(first, stop)
            found.extend(map(LogEntry, range(first, stop), terms, commands))
        return found

    def term(self, log: ActiveLog, index: int) -> int:
        """Return the term of one entry, or of the base; errors as for `entries`."""
        if index == log.last_index:
            return log.last_term
        if index == log.header.base_index:
            return log.header.base_term
        (block, _, _), *_ = self.blocks(self.section(log, index, index + 1))
        return block.term(index)

    def section(self, log: ActiveLog, start: int, end: int) -> LogSection:
        """Return the entries with ``start <= index < end`` as they lie in the log now."""
        return LogSection(log, start, end, path=self._path, chunk_size=self._chunk_size)

    def blocks(self, section: LogSection) -> Iterator[tuple[EntryBlock, int, int]]:
        """Yield each frame of a section, with the part in it: first index and end.

        Errors as for `entries`.
        """
        window = Window(section.file, section.limit, self._chunk_size)
        for frame in section.frames():
            block = self._block(section.header, window, frame)
            yield block, max(section.start, frame.first_index), min(section.end, frame.end_index)

    def _block(self, header: LogHeader, window: Window, frame: FrameLocation) -> EntryBlock:
        kept = self._kept
        incarnation = header.incarnation
        if kept and kept.offset == frame.offset and kept.incarnation == incarnation:
            return kept.block
        with Reading("read of the log", self._path):
            content = window.read(frame.offset, frame.size)
        block = self._verified(content, frame, header.seed)
        if frame.size <= _LARGEST_KEPT:
            self._kept = _KeptBlock(incarnation, frame.offset, block)
        return block

    def _verified(self, content: bytes, frame: FrameLocation, seed: int) -> EntryBlock:
        if len(content) < frame.size:
            raise InvalidOffsetError(
                f"{self._path}: expected a frame of {frame.size} bytes at offset {frame.offset} "
                f"with entries from index {frame.first_index} on but the file ends before its end",
                path=self._path,
                offset=frame.offset,
                index=frame.first_index,
            )
        header = decode_frame_header(content[:FRAME_HEADER_SIZE], seed)
        payload = content[FRAME_HEADER_SIZE:]
        if header and header.checksum == frame.checksum:
            intact = checksum(payload, seed) == header.payload_checksum
            block = self._codec.block(header, payload) if intact else None
            if block is not None:
                return block
        raise CorruptedLogError(
            f"{self._path}: the frame at offset {frame.offset} with entries from index "
            f"{frame.first_index} on is not what was written",
            path=self._path,
            offset=frame.offset,
            index=frame.first_index,
            term=header.first_term if header and header.checksum == frame.checksum else None,
        )
