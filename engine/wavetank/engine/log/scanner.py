"""Looking for frames behind damage: every intact frame header in a stretch of log.dat.

A header is found by its magic and proved by its checksum, which the incarnation seeds, so that
nothing from another log, or from a command, passes for one. Left out: what a header found out of
its place means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.engine.directory import read_at
from wavetank.engine.filesystem import File
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    FRAME_MAGIC,
    GUARD_SIZE,
    LOG_HEADER_SIZE,
    LONGEST_TAIL,
    FrameHeader,
    checksum,
    decode_frame_header,
    filler,
)
from wavetank.engine.status import is_unreadable

__all__ = [
    "DamagedStretch",
    "LogPart",
    "WalkedFrame",
    "ZeroGuard",
    "frame_headers",
    "read_around",
    "walk_log",
]

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


_CHUNK_SIZE: Final = 1 << 18


@frozen
class WalkedFrame:
    """An intact frame, header and payload.

    Attributes:
        offset: of its header.
        header: what it says.
    """

    offset: int
    header: FrameHeader


@frozen
class DamagedStretch:
    """Bytes that are no intact frame.

    Attributes:
        offset: of the first one.
        length: up to the next intact frame, or to the end of the file.
        reason: what is wrong at its beginning.
        header: of the frame at its beginning, where that is legible and in place.
        missing: frames that were here according to the next one, None if there is none.
    """

    offset: int
    length: int
    reason: str
    header: FrameHeader | None = None
    missing: int | None = None


@frozen
class ZeroGuard:
    """Zeros behind the last frame of a sound log: left by a recovery, or reserved space."""

    offset: int
    length: int


LogPart: TypeAlias = WalkedFrame | DamagedStretch | ZeroGuard


def walk_log(
    file: File, *, seed: int, header_checksum: int, size: int, reserved: bool
) -> Iterator[LogPart]:
    """Yield the parts of a log behind its header, in the order of their offsets.

    Memory does not depend on the size of the log. Sectors that cannot be read are damage.

    Args:
        file: the log.
        seed: of the log's incarnation.
        header_checksum: of the log's header, where the chain begins.
        size: where to stop, in bytes.
        reserved: metadata.json says that space is reserved behind the frames.

    Raises:
        OSError: from the filesystem, for other reasons than a bad medium.
    """
    offset, batch, link = LOG_HEADER_SIZE, 0, header_checksum
    while offset < size:
        if _only_zeros_follow(file, offset, size, reserved=reserved):
            yield ZeroGuard(offset, size - offset)
            return
        header, reason = _frame_at(file, offset, size, seed)
        if header is not None and (header.batch, header.previous_checksum) != (batch + 1, link):
            header, reason = None, "the frame does not continue the chain"
        if header is not None and not reason:
            yield WalkedFrame(offset, header)
        elif header is not None and offset + header.size <= size:
            yield DamagedStretch(offset, header.size, reason, header, missing=1)
        else:
            following = _next_frame(file, offset + 1, size, seed, batch)
            if following is None:
                yield DamagedStretch(offset, size - offset, reason, header)
                return
            found, later = following
            missing = later.batch - batch - 1
            yield DamagedStretch(offset, found - offset, reason, header, missing)
            offset, batch, link = found, later.batch - 1, later.previous_checksum
            continue
        offset, batch, link = offset + header.size, header.batch, header.checksum


def _only_zeros_follow(file: File, offset: int, size: int, *, reserved: bool) -> bool:
    begins = read_around(file, min(8, size - offset), offset) == filler(
        offset, min(8, size - offset)
    )
    if (
        begins
        and size - offset <= LONGEST_TAIL
        and all(
            read_around(file, min(_CHUNK_SIZE, size - begin), begin)
            == filler(begin, min(_CHUNK_SIZE, size - begin))
            for begin in range(offset, size, _CHUNK_SIZE)
        )
    ):
        return True
    if read_around(file, min(GUARD_SIZE, size - offset), offset).strip(b"\0"):
        return False
    if size - offset <= GUARD_SIZE:
        return True
    if not reserved or size - offset > LONGEST_TAIL + GUARD_SIZE:
        return False
    return not any(
        read_around(file, min(_CHUNK_SIZE, size - begin), begin).strip(b"\0")
        for begin in range(offset, size, _CHUNK_SIZE)
    )


def _frame_at(file: File, offset: int, size: int, seed: int) -> tuple[FrameHeader | None, str]:
    """Return the header at an offset, if legible, and what is wrong with the frame, if anything."""
    try:
        header = decode_frame_header(read_at(file, FRAME_HEADER_SIZE, offset), seed)
        if header is None:
            return None, "no intact frame header"
        if offset + header.size > size:
            return header, "the file ends inside the frame"
        found = seed
        for start in range(offset + FRAME_HEADER_SIZE, offset + header.size, _CHUNK_SIZE):
            length = min(_CHUNK_SIZE, offset + header.size - start)
            found = checksum(read_at(file, length, start), found)
    except OSError as error:
        if not is_unreadable(error):
            raise
        content = read_around(file, FRAME_HEADER_SIZE, offset)
        return decode_frame_header(content, seed), "the medium does not give it back"
    intact = found == header.payload_checksum
    return header, "" if intact else "the payload fails its checksum"


def _next_frame(
    file: File, start: int, size: int, seed: int, batch: int
) -> tuple[int, FrameHeader] | None:
    """Return the first header behind damage that is later than `batch`, with its offset."""
    end = min(size, start + LONGEST_TAIL)
    for offset, header in frame_headers(
        file, seed=seed, start=start, end=end, chunk_size=_CHUNK_SIZE, lenient=True
    ):
        if header.batch > batch and offset + header.size <= size:
            return offset, header
    return None
