"""Looking for frames behind damage: every intact frame header in a stretch of log.dat.

A header is found by its magic and proved by its checksum, which the incarnation seeds, so that
nothing from another log, or from a command, passes for one. Left out: what a header found out of
its place means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wavetank.engine._directory import is_unreadable, read_at
from wavetank.engine._frame import (
    FRAME_HEADER_SIZE,
    FRAME_MAGIC,
    FrameHeader,
    decode_frame_header,
)
from wavetank.engine.filesystem import File

__all__ = ["frame_headers", "read_around"]

_SMALLEST_CHUNK: Final = 4096
_SECTOR: Final = 512


def frame_headers(
    file: File, *, seed: int, start: int, end: int, chunk_size: int, lenient: bool = False
) -> Iterator[tuple[int, FrameHeader]]:
    """Yield the intact frame headers that begin in a stretch of a log, with their offsets.

    Args:
        file: the log.
        seed: of the log's incarnation.
        start: offset of the first byte to look at.
        end: offset behind the last one.
        chunk_size: bytes to read at once, about.
        lenient: pass over what cannot be read, where an ``OSError`` would leave otherwise.
    """
    step = max(chunk_size, _SMALLEST_CHUNK)
    read = read_around if lenient else read_at
    for offset in range(start, end, step):
        content = read(file, min(step + FRAME_HEADER_SIZE, end - offset), offset)
        position = content.find(FRAME_MAGIC)
        while 0 <= position < step:
            header = decode_frame_header(content[position : position + FRAME_HEADER_SIZE], seed)
            if header is not None:
                yield offset + position, header
            position = content.find(FRAME_MAGIC, position + 1)


def read_around(file: File, length: int, offset: int) -> bytes:
    """Read like `read_at`, with zeros for the sectors that the medium does not give back."""
    try:
        return read_at(file, length, offset)
    except OSError as error:
        if not is_unreadable(error):
            raise
    pieces = []
    end = offset + length
    for sector in range(offset // _SECTOR * _SECTOR, end, _SECTOR):
        start, behind = max(sector, offset), min(sector + _SECTOR, end)
        try:
            pieces.append(read_at(file, behind - start, start))
        except OSError as error:
            if not is_unreadable(error):
                raise
            pieces.append(bytes(behind - start))
    return b"".join(pieces)
