"""The one scanner of log.dat: which frames are intact and in place, and what lies between them.

Everybody who reads a log from its beginning uses `scan_log`: opens, read-only opens, `verify` and
`dump`. They differ in their `ScanPolicy` alone. A frame is found by its magic and proved by its
checksums, which the incarnation seeds, so that nothing from another log, or from a command, passes
for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from attrs import define, frozen
from google_crc32c import extend

from wavetank.engine.directory import Readable, read_at
from wavetank.engine.errors import UnsupportedFormatError
from wavetank.engine.filesystem import File
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    FRAME_MAGIC,
    FRAME_ROW,
    GUARD_SIZE,
    LONGEST_TAIL,
    ROW_SIZE,
    TRUNCATION_SIZE,
    Encoding,
    FrameHeader,
    FrameKind,
    FrameRow,
    decode_frame_header,
    filler,
    frame_header,
)
from wavetank.engine.status import is_unreadable

__all__ = [
    "LOOK",
    "OPEN",
    "SALVAGE",
    "SHOW",
    "DamagedStretch",
    "FrameRun",
    "FreeTail",
    "LogPart",
    "ScanPolicy",
    "ScanStart",
    "frame_headers",
    "read_around",
    "scan_headers",
    "scan_log",
]

_SECTOR: Final = 512
_SMALLEST_CHUNK: Final = 4096
_LOOK_CHUNK: Final = 1 << 18
_KINDS: Final = frozenset(map(int, FrameKind))
_ENCODINGS: Final = frozenset(map(int, Encoding))
_KNOWN: Final = frozenset((kind, encoding) for kind in _KINDS for encoding in _ENCODINGS)
_ENTRIES: Final = int(FrameKind.ENTRIES)
_CHECKED: Final = FRAME_HEADER_SIZE - 4
"""Bytes of a frame's header that its checksum is of."""


@frozen(kw_only=True)
class ScanPolicy:
    """What a scan does with frames that it does not like.

    Attributes:
        passes_damage: go on at the next intact frame; else the first broken one ends the scan.
        passes_unreadable: bytes that the medium does not give back are damage; else ``OSError``.
        refuses_unknown: a kind or encoding of a newer release is `UnsupportedFormatError`.
        fits: entries must follow the last index, and a truncation remove something; behind damage
            nobody knows the last index.
    """

    passes_damage: bool
    passes_unreadable: bool
    refuses_unknown: bool
    fits: bool


OPEN: Final = ScanPolicy(
    passes_damage=False, passes_unreadable=False, refuses_unknown=True, fits=True
)
SALVAGE: Final = ScanPolicy(
    passes_damage=False, passes_unreadable=True, refuses_unknown=True, fits=True
)
LOOK: Final = ScanPolicy(
    passes_damage=True, passes_unreadable=True, refuses_unknown=True, fits=False
)
SHOW: Final = ScanPolicy(
    passes_damage=True, passes_unreadable=True, refuses_unknown=False, fits=False
)


@frozen
class ScanStart:
    """Behind which frame a scan begins.

    Attributes:
        offset: of the first frame to read.
        batch: number of the frame before it, 0 for none.
        link: checksum of the frame before it, or of the log's header; None: whatever it says.
        first_index: of the log; it counts only where frames must fit.
        last_index: of the last entry before; likewise.
    """

    offset: int
    batch: int
    link: int | None
    first_index: int = 1
    last_index: int = 0


@frozen
class FrameRun:
    """Intact frames, one behind the other.

    Attributes:
        offsets: of their headers.
        rows: what their headers say.
        truncates: whether a suffix truncation is among them.
    """

    offsets: Sequence[int]
    rows: Sequence[FrameRow]
    truncates: bool


@frozen
class DamagedStretch:
    """Bytes that are no intact frame.

    Attributes:
        offset: of the first one.
        length: up to the next intact frame, or to the end of the file.
        reason: what is wrong at its beginning.
        header: of the frame at its beginning, where that is legible and in place.
        missing: frames that were here according to the next one, None if there is none.
        unreadable: the medium did not give it back.
    """

    offset: int
    length: int
    reason: str
    header: FrameHeader | None = None
    missing: int | None = None
    unreadable: bool = False


@frozen
class FreeTail:
    """Free space behind the last frame of a sound log: filler, or zeros that a recovery left."""

    offset: int
    length: int


LogPart: TypeAlias = FrameRun | DamagedStretch | FreeTail


def scan_log(  # noqa: C901, PLR0912, PLR0915 - one loop: see below
    file: File,
    path: str,
    policy: ScanPolicy,
    start: ScanStart,
    *,
    seed: int,
    size: int,
    grows: bool = False,
    reserved: bool,
    chunk_size: int,
    ahead: bytes = b"",
) -> Iterator[LogPart]:
    """Yield the parts of a log in the order of their offsets; memory does not grow with the log.

    Args:
        file: the log.
        path: of it, for errors.
        policy: what to do with damage.
        start: where to begin.
        seed: of the log's incarnation.
        size: where to stop, in bytes.
        grows: somebody may be writing to the file: damage is looked at again, up to the file's
            size by then, before it is yielded.
        reserved: metadata.json says that space is reserved behind the frames.
        chunk_size: bytes to read at once.
        ahead: the bytes at `start`, if they have been read.

    Raises:
        UnsupportedFormatError: a frame of a newer release, unless the policy shows those.
        OSError: from the filesystem.
    """
    # One loop over local variables: a call or an object for each frame is what an open costs.
    unpack, crc32c, fits = FRAME_ROW.unpack_from, extend, policy.fits
    offset, batch, link = start.offset, start.batch, start.link
    first_index, last_index = start.first_index, start.last_index
    search, looked_again_at = _Search(file, seed), -1
    chunk = ahead
    while offset < size:
        if not chunk:
            chunk = _next_chunk(file, offset, size, chunk_size)
        begin, position, length = offset, 0, len(chunk)
        offsets: list[int] = []
        rows: list[FrameRow] = []
        truncates = False
        broken = False
        while (payload := position + FRAME_HEADER_SIZE) <= length:
            row = unpack(chunk, position)
            end = payload + row[7]
            if (
                row[0] != FRAME_MAGIC
                or row[3]
                or crc32c(seed, chunk[position : position + _CHECKED]) != row[13]
                or row[5] != batch + 1
                or (row[11] != link and link is not None)
                or row[1:3] not in _KNOWN
                or (fits and not _fits(row, first_index, last_index))
            ):
                broken = True
                break
            if end > length:
                break
            if crc32c(seed, chunk[payload:end]) != row[12]:
                broken = True
                break
            offsets.append(begin + position)
            rows.append(row)
            batch, link, position = row[5], row[13], end
            if row[1] == _ENTRIES:
                last_index = row[6] + row[4] - 1
            else:
                last_index = row[6] - 1
                truncates = True
        offset = begin + position
        if rows:
            yield FrameRun(offsets, rows, truncates)
            if offset == size:
                return
            if not broken and begin + length < size:
                chunk = b""
                continue
        # What is not a whole frame in this chunk: free space, a frame larger than a chunk, or
        # damage.
        found, reason, unreadable = None, "no intact frame header", False
        if begin + length == size and size - offset < FRAME_HEADER_SIZE:
            rest = chunk[position:]
            free = not rest.strip(b"\0") or rest == filler(offset, len(rest))
        else:
            source = _ReadAhead(file, chunk, begin)
            free = _only_free_space_follows(
                source, offset, size, policy, reserved=reserved, chunk_size=chunk_size
            )
            if not free:
                found, reason, unreadable = _frame_at(
                    source, offset, size, policy, seed=seed, chunk_size=chunk_size
                )
        chunk = b""
        if free:
            yield FreeTail(offset, size - offset)
            return
        if found is not None:
            if policy.refuses_unknown:
                _require_known(found, path, offset)
            if found[5] != batch + 1 or (found[11] != link and link is not None):
                found, reason = None, "the frame does not continue the chain"
            elif policy.fits and not _fits(found, first_index, last_index):
                found, reason = None, "the frame does not fit the log before it"
        if found is not None and not reason:
            yield FrameRun([offset], [found], found[1] != _ENTRIES)
            offset += FRAME_HEADER_SIZE + found[7]
            batch, link = found[5], found[13]
            last_index = found[6] + found[4] - 1 if found[1] == _ENTRIES else found[6] - 1
            continue
        if grows and looked_again_at != offset:
            looked_again_at, size = offset, file.size()
            continue
        header = frame_header(found) if found is not None else None
        stretch = DamagedStretch(offset, size - offset, reason, header, None, unreadable)
        if not policy.passes_damage:
            yield stretch
            return
        if header is not None and offset + header.size <= size:
            yield DamagedStretch(offset, header.size, reason, header, 1, unreadable)
            offset, batch, link = offset + header.size, header.batch, header.checksum
            continue
        following = search.next_frame(offset + 1, size, batch)
        if following is None:
            yield stretch
            return
        next_offset, later = following
        missing = later.batch - batch - 1
        yield DamagedStretch(offset, next_offset - offset, reason, header, missing, unreadable)
        offset, batch, link = next_offset, later.batch - 1, later.previous_checksum


def scan_headers(
    file: Readable, start: ScanStart, *, seed: int, end: int, batch: int, link: int
) -> FrameRun | None:
    """Read the headers of frames and leave their payloads to whoever reads these.

    Args:
        file: the log.
        start: where to begin.
        seed: of the log's incarnation.
        end: where the last frame must end.
        batch: the number that it must have.
        link: the checksum that it must have.

    Returns:
        All frames up to `end`; None unless they form one chain that fits, which only a scan of
        everything can then tell apart.
    """
    unpack, crc32c, pread = FRAME_ROW.unpack, extend, file.pread
    offset, number, checksum = start.offset, start.batch, start.link
    first_index, last_index = start.first_index, start.last_index
    offsets: list[int] = []
    rows: list[FrameRow] = []
    truncates = False
    while offset < end:
        try:
            content = pread(FRAME_HEADER_SIZE, offset)
        except OSError:
            return None
        if len(content) != FRAME_HEADER_SIZE:
            return None
        row = unpack(content)
        number += 1
        if (
            row[0] != FRAME_MAGIC
            or row[3]
            or row[5] != number
            or row[11] != checksum
            or crc32c(seed, content[:_CHECKED]) != row[13]
            or row[1:3] not in _KNOWN
            or not _fits(row, first_index, last_index)
        ):
            return None
        offsets.append(offset)
        rows.append(row)
        offset += FRAME_HEADER_SIZE + row[7]
        checksum = row[13]
        if row[1] == _ENTRIES:
            last_index = row[6] + row[4] - 1
        else:
            last_index = row[6] - 1
            truncates = True
    complete = (offset, number, checksum) == (end, batch, link)
    return FrameRun(offsets, rows, truncates) if complete and rows else None


class _ReadAhead:
    """A file with the chunk of it that has been read last."""

    __slots__ = ("_begin", "_chunk", "_file")

    def __init__(self, file: Readable, chunk: bytes, begin: int) -> None:
        self._file = file
        self._chunk = chunk
        self._begin = begin

    def pread(self, length: int, offset: int) -> bytes:
        """Return bytes of the chunk, if they are all in it, else of the file."""
        start = offset - self._begin
        if start >= 0 and start + length <= len(self._chunk):
            return self._chunk[start : start + length]
        return self._file.pread(length, offset)


def _next_chunk(file: Readable, offset: int, size: int, chunk_size: int) -> bytes:
    """Return the chunk at an offset; nothing where a sector of it is bad, since frames may not be.

    Whoever needs the bytes of one frame then reads these alone.
    """
    length = min(max(chunk_size, FRAME_HEADER_SIZE), size - offset)
    try:
        return read_at(file, length, offset)
    except OSError as error:
        if not is_unreadable(error):
            raise
        return b""


def _fits(row: FrameRow, first_index: int, last_index: int) -> bool:
    """Whether a frame may follow one that leaves the log to end at `last_index`."""
    if row[1] == _ENTRIES:
        return row[4] > 0 and row[6] == last_index + 1 and row[7] >= row[4] * ROW_SIZE
    removes = first_index <= row[6] <= last_index
    return removes and not row[4] and row[7] == TRUNCATION_SIZE


def _require_known(row: FrameRow, path: str, offset: int) -> None:
    if row[1] not in _KINDS or row[2] not in _ENCODINGS:
        raise UnsupportedFormatError(
            f"{path}: offset {offset}: unknown frame kind {row[1]}, encoding {row[2]}"
        )


def _frame_at(
    file: Readable, offset: int, size: int, policy: ScanPolicy, *, seed: int, chunk_size: int
) -> tuple[FrameRow | None, str, bool]:
    """Read one frame, a chunk at a time.

    Returns:
        What its header says, if that is intact; what is wrong with the frame, if anything; and
        whether the medium did not give it back.
    """
    try:
        row = _row_of(read_at(file, min(FRAME_HEADER_SIZE, size - offset), offset), seed)
        if row is None:
            return None, "no intact frame header", False
        payload = offset + FRAME_HEADER_SIZE
        end = payload + row[7]
        if end > size:
            return row, "the file ends inside the frame", False
        found = seed
        for begin in range(payload, end, chunk_size):
            found = extend(found, read_at(file, min(chunk_size, end - begin), begin))
    except OSError as error:
        if not policy.passes_unreadable or not is_unreadable(error):
            raise
        content = read_around(file, FRAME_HEADER_SIZE, offset) if policy.passes_damage else b""
        return _row_of(content, seed), "the medium does not give it back", True
    return row, "" if found == row[12] else "the payload fails its checksum", False


def _row_of(content: bytes, seed: int) -> FrameRow | None:
    if len(content) != FRAME_HEADER_SIZE:
        return None
    row: FrameRow = FRAME_ROW.unpack(content)
    intact = row[0] == FRAME_MAGIC and not row[3] and extend(seed, content[:_CHECKED]) == row[13]
    return row if intact else None


def _only_free_space_follows(
    file: Readable, offset: int, size: int, policy: ScanPolicy, *, reserved: bool, chunk_size: int
) -> bool:
    """Whether only filler, reserved space or a recovery's zeros follow the last frame."""
    read = read_around if policy.passes_damage else read_at
    try:
        begins = min(GUARD_SIZE, size - offset)
        if read(file, begins, offset) == filler(offset, begins):
            return size - offset <= LONGEST_TAIL and all(
                read(file, length, begin) == filler(begin, length)
                for begin in range(offset, size, chunk_size)
                for length in (min(chunk_size, size - begin),)
            )
        if read(file, min(GUARD_SIZE, size - offset), offset).strip(b"\0"):
            return False
        if size - offset <= GUARD_SIZE:
            return True
        if not reserved or size - offset > LONGEST_TAIL + GUARD_SIZE:
            return False
        return not any(
            read(file, min(chunk_size, size - begin), begin).strip(b"\0")
            for begin in range(offset, size, chunk_size)
        )
    except OSError as error:
        if not policy.passes_unreadable or not is_unreadable(error):
            raise
        return False


@define
class _Search:
    """Looks for the frames behind damage.

    A header alone may stand in a wrong place, as where a sector was written to another's: its
    length would then hide the frames that follow it. So the whole frame must be intact.

    Attributes:
        file: the log.
        seed: of its incarnation.
        unchecked: bytes of payloads that this scan may still read to find that out. Behind them a
            header is enough, so that a hostile file cannot make it read itself over and over.
    """

    file: Readable
    seed: int
    unchecked: int = LONGEST_TAIL

    def next_frame(self, start: int, size: int, batch: int) -> tuple[int, FrameHeader] | None:
        """Return the first frame behind damage that is later than `batch`, with its offset."""
        end = min(size, start + LONGEST_TAIL)
        for offset, header in frame_headers(
            self.file, seed=self.seed, start=start, end=end, chunk_size=_LOOK_CHUNK, lenient=True
        ):
            if header.batch > batch and offset + header.size <= size:
                self.unchecked -= header.payload_length
                if self.unchecked < 0 or self._is_intact(offset, size):
                    return offset, header
        return None

    def _is_intact(self, offset: int, size: int) -> bool:
        found = _frame_at(self.file, offset, size, LOOK, seed=self.seed, chunk_size=_LOOK_CHUNK)
        return not found[1]


def frame_headers(
    file: Readable, *, seed: int, start: int, end: int, chunk_size: int, lenient: bool = False
) -> Iterator[tuple[int, FrameHeader]]:
    """Yield the intact frame headers anywhere in a stretch of a log, with their offsets.

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
    for offset in range(start, end - FRAME_HEADER_SIZE + 1, step):
        content = read(file, min(step + FRAME_HEADER_SIZE, end - offset), offset)
        position = content.find(FRAME_MAGIC)
        while 0 <= position < step:
            header = decode_frame_header(content[position : position + FRAME_HEADER_SIZE], seed)
            if header is not None:
                yield offset + position, header
            position = content.find(FRAME_MAGIC, position + 1)


def read_around(file: Readable, length: int, offset: int) -> bytes:
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
