"""Log recovery: read log.dat, decide what its end means, and make what is kept durable.

`judge_log` only reads; `repair_log` only changes. A broken frame is the remains of an unfinished
append, and is cut, unless something shows that it was once durable: a later frame whose watermark
covers it, or metadata.json. Left out: salvage of what lies behind damage.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import frozen

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._checksum import checksum
from wavetank.engine._directory import LOG, StoreDirectory, read_at, write_all
from wavetank.engine._frame import (
    FRAME_HEADER_SIZE,
    FRAME_MAGIC,
    GUARD_SIZE,
    LOG_HEADER_SIZE,
    LOG_VERSION,
    Encoding,
    FrameHeader,
    FrameKind,
    decode_frame_header,
    decode_log_header,
    log_header_version,
)
from wavetank.engine._metadata import LogMetadata
from wavetank.engine._window import Window
from wavetank.engine.errors import CorruptedLogError, UnsupportedFormatError
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.report import CutTail

__all__ = ["LogFinding", "judge_log", "repair_log"]

_SMALLEST_CHUNK: Final = 4096
_KINDS: Final = frozenset(int(kind) for kind in FrameKind)
_ENCODINGS: Final = frozenset(int(encoding) for encoding in Encoding)


@frozen(kw_only=True)
class LogFinding:
    """What log.dat holds.

    Attributes:
        log: all that is kept.
        unproven_offset: where the frames begin that nothing shows to be durable; the end if none.
        size: of the file in bytes.
        tail: what has to be cut behind the last frame, or None.
        trusted: metadata.json of a clean close describes the log exactly.
    """

    log: ActiveLog
    unproven_offset: int
    size: int
    tail: CutTail | None
    trusted: bool


@frozen
class _BrokenFrame:
    """The first frame that is not intact.

    Attributes:
        reason: what is wrong with it.
        header: its header, if that is intact and in its place.
    """

    reason: str
    header: FrameHeader | None = None


def judge_log(
    directory: StoreDirectory,
    metadata: LogMetadata | None,
    *,
    clean: bool,
    chunk_size: int,
) -> LogFinding:
    """Open log.dat and read it to the end; the caller closes the finding's file.

    Args:
        directory: where it lies.
        metadata: an intact metadata.json, or None.
        clean: no recovery.marker was there.
        chunk_size: bytes to read at once.

    Raises:
        CorruptedLogError: acknowledged frames, or the header, are damaged or missing.
        UnsupportedFormatError: log.dat is of another version.
        OSError: from the filesystem.
    """
    path = directory.path_of(LOG)
    file = directory.open(LOG, OpenFlag.READ | OpenFlag.WRITE)
    try:
        size = file.size()
        if not clean and size > LOG_HEADER_SIZE:
            # After a failed sync the cache may show what the disk does not hold; what is read from
            # here on comes from the disk wherever the system honours the advice.
            file.fsync()
            file.advise_dont_need()
        window = Window(file, size, chunk_size)
        log = _begin(path, file, window.read(0, LOG_HEADER_SIZE))
        _check_generation(path, log, metadata)
        return _judge(path, log, window, size, metadata, clean=clean, chunk_size=chunk_size)
    except BaseException:
        file.close()
        raise


def repair_log(finding: LogFinding, chunk_size: int) -> None:
    """Make the kept frames durable and remove the tail, so that none of it can ever come back.

    Unproven frames may be in the page cache alone, marked clean by a sync that failed; writing the
    same bytes again makes the next sync write them. Behind the last frame zeros are written, even
    where the file already ends: the medium may hold the data of an append whose size was lost, and
    a later crash that keeps a size without its data would show that frame again.
    """
    log = finding.log
    if finding.trusted and finding.tail is None:
        return
    guard_end = log.end + GUARD_SIZE
    for offset in range(finding.unproven_offset, log.end, chunk_size):
        length = min(chunk_size, log.end - offset)
        write_all(log.file, read_at(log.file, length, offset), offset)
    for offset in range(log.end, max(finding.size, guard_end), chunk_size):
        length = min(chunk_size, max(finding.size, guard_end) - offset)
        write_all(log.file, bytes(length), offset)
    log.file.fsync()
    if finding.size > guard_end:
        log.file.truncate(guard_end)
        log.file.fsync()
    log.durable_batch = log.last_batch


def _begin(path: str, file: File, content: bytes) -> ActiveLog:
    decoded = decode_log_header(content)
    if decoded is not None:
        return ActiveLog(file, *decoded)
    version = log_header_version(content)
    if version is not None and version != LOG_VERSION:
        raise UnsupportedFormatError(
            f"{path}: expected log version {LOG_VERSION} but found version {version}"
        )
    raise CorruptedLogError(
        f"{path}: expected an intact header of {LOG_HEADER_SIZE} bytes", path=path, offset=0
    )


def _check_generation(path: str, log: ActiveLog, metadata: LogMetadata | None) -> None:
    if metadata is None:
        return
    header = log.header
    older = header.generation < metadata.generation
    other = header.generation == metadata.generation and header.incarnation != metadata.incarnation
    if older or other:
        raise CorruptedLogError(
            f"{path}: expected generation {metadata.generation} as metadata.json says, "
            f"but found {'another' if other else f'generation {header.generation}'}",
            path=path,
            offset=0,
            index=log.first_index,
        )


def _judge(
    path: str,
    log: ActiveLog,
    window: Window,
    size: int,
    metadata: LogMetadata | None,
    *,
    clean: bool,
    chunk_size: int,
) -> LogFinding:
    broken: _BrokenFrame | None = None
    unproven: deque[tuple[int, int]] = deque()  # batch number and offset of each such frame
    while log.end < size and broken is None and not _is_guard(window, log.end, size):
        offset = log.end
        broken = _take_frame(path, log, window, size, chunk_size)
        if broken is None:
            unproven.append((log.last_batch, offset))
            while unproven and unproven[0][0] <= log.durable_batch:
                unproven.popleft()
    known = metadata if metadata and metadata.incarnation == log.header.incarnation else None
    if known and (known.log_length > log.end or known.watermark > log.last_batch):
        raise _damage(path, log, broken, "metadata.json shows that more was acknowledged")
    if log.durable_batch > log.last_batch:
        # Every frame of a rewritten log names the number of frames that were written with it.
        raise _damage(path, log, broken, "an earlier frame shows that more was acknowledged")
    if broken and _covered_by_later_frame(log, broken, size, chunk_size):
        raise _damage(path, log, broken, "its own or a later frame shows that it was acknowledged")
    trusted = clean and metadata is not None and metadata.describes(log)
    if known:
        log.durable_batch = max(log.durable_batch, known.watermark)
        while unproven and unproven[0][0] <= log.durable_batch:
            unproven.popleft()
    return LogFinding(
        log=log,
        unproven_offset=unproven[0][1] if unproven and not trusted else log.end,
        size=size,
        tail=_tail(path, log, broken, size, ambiguous=not trusted) if broken else None,
        trusted=trusted,
    )


def _is_guard(window: Window, offset: int, size: int) -> bool:
    """Whether nothing but the zeros of an earlier recovery lies behind the last frame."""
    length = size - offset
    return length <= GUARD_SIZE and not window.read(offset, length).strip(b"\0")


def _take_frame(
    path: str, log: ActiveLog, window: Window, size: int, chunk_size: int
) -> _BrokenFrame | None:
    """Accept the frame at the end of `log`, or tell what is wrong with it."""
    seed = log.header.seed
    frame = decode_frame_header(window.read(log.end, FRAME_HEADER_SIZE), seed)
    if frame is None:
        return _BrokenFrame("no intact frame header")
    if frame.kind not in _KINDS or frame.encoding not in _ENCODINGS:
        raise UnsupportedFormatError(
            f"{path}: offset {log.end}: unknown frame kind {frame.kind}, encoding {frame.encoding}"
        )
    refusal = log.refusal(frame)
    if refusal is not None:
        return _BrokenFrame(refusal)
    end = log.end + frame.size
    if end > size:
        return _BrokenFrame("the file ends inside the frame", frame)
    found = seed
    for offset in range(log.end + FRAME_HEADER_SIZE, end, chunk_size):
        found = checksum(window.read(offset, min(chunk_size, end - offset)), found)
    if found != frame.payload_checksum:
        return _BrokenFrame("the payload fails its checksum", frame)
    log.accept(frame)
    return None


def _covered_by_later_frame(
    log: ActiveLog, broken: _BrokenFrame, size: int, chunk_size: int
) -> bool:
    """Whether its own header or any behind it proves that the broken frame was durable.

    A header alone is enough: whatever became of its payload, it was written only after all frames
    up to its watermark were durable.
    """
    missing = log.last_batch + 1
    if broken.header and broken.header.watermark >= missing:
        return True
    start = log.end + (broken.header.size if broken.header else 1)
    step = max(chunk_size, _SMALLEST_CHUNK)
    while start < size:
        content = read_at(log.file, min(step + FRAME_HEADER_SIZE, size - start), start)
        position = content.find(FRAME_MAGIC)
        while 0 <= position < step:
            later = decode_frame_header(
                content[position : position + FRAME_HEADER_SIZE], log.header.seed
            )
            if later and later.batch > missing and later.watermark >= missing:
                return True
            position = content.find(FRAME_MAGIC, position + 1)
        start += step
    return False


def _damage(
    path: str, log: ActiveLog, broken: _BrokenFrame | None, proof: str
) -> CorruptedLogError:
    header = broken.header if broken else None
    reason = broken.reason if broken else "the file ends"
    index = log.last_index + 1
    return CorruptedLogError(
        f"{path}: damaged at offset {log.end}, where index {index} was expected: {reason}; {proof}",
        path=path,
        offset=log.end,
        index=index,
        term=header.first_term if header else None,
    )


def _tail(
    path: str, log: ActiveLog, broken: _BrokenFrame, size: int, *, ambiguous: bool
) -> CutTail:
    header = broken.header
    holds_entries = header is not None and header.kind == FrameKind.ENTRIES
    return CutTail(
        path=path,
        offset=log.end,
        length=size - log.end,
        first_index=header.first_index if header and holds_entries else None,
        last_index=header.first_index + header.count - 1 if header and holds_entries else None,
        reason=broken.reason,
        ambiguous=ambiguous,
    )
