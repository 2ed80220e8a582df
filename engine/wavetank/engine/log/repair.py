"""Log recovery: read log.dat, decide what its end means, and make what is kept durable.

`judge_log` only reads; `repair_log` only changes. A broken frame is the remains of an unfinished
append, and is cut, unless something shows that it was once durable: a later frame whose watermark
covers it, or metadata.json. In `RecoveryMode.AGGRESSIVE` such a loss is described instead of
refused, and what lies before it is kept. Left out: the log's header (_log_head.py), and the new log
that a loss makes necessary.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import evolve, frozen

from wavetank.engine.directory import LOG, StoreDirectory, let_go, read_at, write_all
from wavetank.engine.errors import UnsupportedFormatError
from wavetank.engine.filesystem import OpenFlag
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.damage import BrokenEnd, BrokenFrame
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    GUARD_SIZE,
    LOG_HEADER_SIZE,
    LONGEST_TAIL,
    Encoding,
    FrameKind,
    checksum,
    decode_frame_header,
    filler,
)
from wavetank.engine.log.head import begin_log, check_generation, require_proof_of_header
from wavetank.engine.log.window import Window
from wavetank.engine.metadata import LogMetadata
from wavetank.engine.options import RecoveryMode
from wavetank.engine.report import CutTail, FileCondition, LostData
from wavetank.engine.status import is_unreadable

__all__ = ["LogFinding", "judge_log", "repair_log"]

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
        lost: what was acknowledged and is given up, or None.
        rebuilt: the header was damaged and has been taken from metadata.json.
    """

    log: ActiveLog
    unproven_offset: int
    size: int
    tail: CutTail | None
    trusted: bool
    lost: LostData | None = None
    rebuilt: bool = False

    @property
    def condition(self) -> FileCondition:
        """In a word."""
        if self.beyond_repair:
            return FileCondition.DAMAGED
        return FileCondition.INTACT if self.tail is None else FileCondition.UNFINISHED

    @property
    def beyond_repair(self) -> bool:
        """Whether the file cannot stay: what is kept must go into a new log."""
        return self.lost is not None or self.rebuilt


def judge_log(
    directory: StoreDirectory,
    metadata: LogMetadata | None,
    *,
    clean: bool,
    chunk_size: int,
    mode: RecoveryMode,
    indexed: bool,
) -> LogFinding:
    """Open log.dat and read it to the end; the caller closes the finding's file.

    Args:
        directory: where it lies.
        metadata: an intact metadata.json, or None.
        clean: no recovery.marker was there.
        chunk_size: bytes to read at once.
        mode: what may be given up.
        indexed: keep an index of the frames in memory.

    Raises:
        CorruptedLogError: acknowledged frames, or the header, are damaged or missing, and the mode
            does not give them up; in `RecoveryMode.CONSERVATIVE` also a tail in doubt.
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
        salvaged = metadata if mode is RecoveryMode.AGGRESSIVE else None
        head = window.read(0, LOG_HEADER_SIZE)
        log, rebuilt = begin_log(path, file, head, salvaged, indexed=indexed)
        check_generation(path, log, metadata)
        finding = _judge(
            path, log, window, size, metadata, clean=clean, chunk_size=chunk_size, mode=mode
        )
        if rebuilt:
            require_proof_of_header(path, log)
        return evolve(finding, rebuilt=True, trusted=False) if rebuilt else finding
    except BaseException:
        let_go(file)
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


def _judge(
    path: str,
    log: ActiveLog,
    window: Window,
    size: int,
    metadata: LogMetadata | None,
    *,
    clean: bool,
    chunk_size: int,
    mode: RecoveryMode,
) -> LogFinding:
    unproven: deque[tuple[int, int]] = deque()  # batch number and offset of each such frame
    broken = _take_frames(
        path,
        log,
        window,
        size,
        unproven,
        chunk_size=chunk_size,
        mode=mode,
        reserved=metadata is not None and metadata.reserved_ahead > 0,
    )
    known = metadata if metadata and metadata.incarnation == log.header.incarnation else None
    trusted = clean and metadata is not None and metadata.describes(log)
    end = BrokenEnd(
        path=path,
        log=log,
        broken=broken,
        size=size,
        known=known,
        chunk_size=chunk_size,
        finished=clean and not trusted,
    )
    proof = end.proof_of_loss(closed_here=trusted)
    if proof is not None and mode is not RecoveryMode.AGGRESSIVE:
        raise end.refusal(proof)
    if proof is not None:
        return LogFinding(
            log=log,
            unproven_offset=log.end,
            size=size,
            tail=None,
            trusted=False,
            lost=end.loss(proof),
        )
    if broken and not trusted and mode is RecoveryMode.CONSERVATIVE:
        raise end.doubt()
    if known:
        log.durable_batch = max(log.durable_batch, known.watermark)
        while unproven and unproven[0][0] <= log.durable_batch:
            unproven.popleft()
    return LogFinding(
        log=log,
        unproven_offset=unproven[0][1] if unproven and not trusted else log.end,
        size=size,
        tail=end.tail(ambiguous=not trusted),
        trusted=trusted,
    )


def _take_frames(
    path: str,
    log: ActiveLog,
    window: Window,
    size: int,
    unproven: deque[tuple[int, int]],
    *,
    chunk_size: int,
    mode: RecoveryMode,
    reserved: bool,
) -> BrokenFrame | None:
    """Accept frames up to the end, or to the first one that is broken."""
    while log.end < size:
        offset = log.end
        try:
            if _only_zeros_follow(window, offset, size, chunk_size, reserved=reserved):
                return None
            broken = _take_frame(path, log, window, size, chunk_size)
        except OSError as error:
            if mode is not RecoveryMode.AGGRESSIVE or not is_unreadable(error):
                raise
            return BrokenFrame("the medium does not give it back", unreadable=True)
        if broken is not None:
            return broken
        unproven.append((log.last_batch, offset))
        while unproven and unproven[0][0] <= log.durable_batch:
            unproven.popleft()
    return None


def _only_zeros_follow(
    window: Window, offset: int, size: int, chunk_size: int, *, reserved: bool
) -> bool:
    """Whether behind the last frame lie only an earlier recovery's zeros, or free space."""
    begins = window.read(offset, min(8, size - offset)) == filler(offset, min(8, size - offset))
    if begins and size - offset <= LONGEST_TAIL and _is_filler(window, offset, size, chunk_size):
        return True
    if window.read(offset, min(GUARD_SIZE, size - offset)).strip(b"\0"):
        return False
    if size - offset <= GUARD_SIZE:
        return True
    if not reserved or size - offset > LONGEST_TAIL + GUARD_SIZE:
        return False
    return not any(
        window.read(begin, min(chunk_size, size - begin)).strip(b"\0")
        for begin in range(offset, size, chunk_size)
    )


def _is_filler(window: Window, offset: int, size: int, chunk_size: int) -> bool:
    for begin in range(offset, size, chunk_size):
        length = min(chunk_size, size - begin)
        if window.read(begin, length) != filler(begin, length):
            return False
    return True


def _take_frame(
    path: str, log: ActiveLog, window: Window, size: int, chunk_size: int
) -> BrokenFrame | None:
    """Accept the frame at the end of `log`, or tell what is wrong with it."""
    seed = log.header.seed
    frame = decode_frame_header(window.read(log.end, FRAME_HEADER_SIZE), seed)
    if frame is None:
        return BrokenFrame("no intact frame header")
    if frame.kind not in _KINDS or frame.encoding not in _ENCODINGS:
        raise UnsupportedFormatError(
            f"{path}: offset {log.end}: unknown frame kind {frame.kind}, encoding {frame.encoding}"
        )
    refusal = log.refusal(frame)
    if refusal is not None:
        return BrokenFrame(refusal)
    end = log.end + frame.size
    if end > size:
        return BrokenFrame("the file ends inside the frame", frame)
    found = seed
    for offset in range(log.end + FRAME_HEADER_SIZE, end, chunk_size):
        found = checksum(window.read(offset, min(chunk_size, end - offset)), found)
    if found != frame.payload_checksum:
        return BrokenFrame("the payload fails its checksum", frame)
    log.accept(frame)
    return None
