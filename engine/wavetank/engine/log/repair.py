"""Read log.dat for an open, and make durable what the open keeps of it.

`judge_log` only reads; `repair_log` only changes. What a broken end means is told in broken_end.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from attrs import define, evolve, field, frozen

from wavetank.engine.directory import read_at, write_all
from wavetank.engine.document import LogMetadata
from wavetank.engine.errors import CorruptedLogError, UnsupportedFormatError
from wavetank.engine.filesystem import File
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.broken_end import BrokenEnd
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    GUARD_SIZE,
    LOG_HEADER_SIZE,
    LOG_VERSION,
    FrameHeader,
    LogHeader,
    decode_frame_header,
    decode_log_header,
    encode_log_header,
    frame_header,
    log_header_version,
)
from wavetank.engine.log.scanner import (
    LOOK,
    OPEN,
    SALVAGE,
    DamagedStretch,
    FrameRun,
    FreeTail,
    LogPart,
    ScanPolicy,
    ScanStart,
    read_around,
    scan_headers,
    scan_log,
)
from wavetank.engine.options import RecoveryMode
from wavetank.engine.report import CutTail, FileCondition, LostData
from wavetank.engine.status import is_unreadable

__all__ = ["LogFinding", "judge_log", "read_log_header", "repair_log"]

_READ_AS_A_WHOLE: Final = 1 << 20
_LARGE_FRAME: Final = 4096
"""A log of more bytes, in frames of at least so many on average, is opened by its headers alone
after a clean close."""
_READ_ONCE: Final = 1 << 16
"""Largest log in bytes that is read from the medium alone; a larger one is read warm first."""

_MOST_LOSSES: Final = 1000
"""Damaged places told one by one; a hostile file can hold any number."""


@frozen(kw_only=True)
class LogFinding:
    """What log.dat holds.

    Attributes:
        log: all that is kept, open; where it is only looked at, with its damaged places.
        unproven_offset: where the frames begin that nothing shows to be durable; the end if none.
        size: of the file in bytes.
        zeros: how many bytes behind the last frame are zero, where these are all there is and have
            been read from the medium.
        tail: what has to be cut behind the last frame, or None.
        trusted: metadata.json of a clean close describes the log exactly.
        lost: what was acknowledged and is given up, or cannot be read.
        rebuilt: the header was damaged and has been taken from metadata.json.
        frame_count: how many frames are intact.
    """

    log: ActiveLog
    unproven_offset: int
    size: int
    zeros: int
    tail: CutTail | None
    trusted: bool
    lost: tuple[LostData, ...]
    rebuilt: bool
    frame_count: int

    @property
    def condition(self) -> FileCondition:
        """In a word."""
        if self.lost or self.rebuilt:
            return FileCondition.DAMAGED
        return FileCondition.INTACT if self.tail is None else FileCondition.UNFINISHED


def judge_log(
    file: File,
    path: str,
    metadata: LogMetadata | None,
    *,
    clean: bool,
    chunk_size: int,
    mode: RecoveryMode | None,
    indexed: bool,
    end: int | None = None,
) -> LogFinding:
    """Read log.dat to the end; the caller closes the file.

    Frames above every durable watermark may be in the page cache alone, even after a sync that
    failed. So what is judged for an open that follows no clean close comes from the medium: a small
    log as a whole; of a larger one, which is read warm first, everything from the last frame on
    that a watermark proves, and everything where the medium shows something else than the cache.

    Args:
        file: log.dat.
        path: of it, for errors.
        metadata: an intact metadata.json, or None.
        clean: no recovery.marker was there.
        chunk_size: bytes to read at once.
        mode: what an open may give up; None: only look, and pass over damage.
        indexed: keep an index of the frames in memory.
        end: where the last frame ends in the log of an open store; None: read the whole file.

    Raises:
        CorruptedLogError: nothing in the log can be read, or it is not this store's; or
            acknowledged frames are damaged or missing, and the mode does not give them up; in
            `RecoveryMode.CONSERVATIVE` also a tail in doubt.
        UnsupportedFormatError: it, or a frame of it, is of another version.
        OSError: from the filesystem.
    """
    reading = _Reading(
        file=file,
        path=path,
        metadata=metadata,
        size=file.size() if end is None else end,
        grows=mode is None and end is None,
        closed=clean and mode is not None,
        chunk_size=chunk_size,
        policy=LOOK if mode is None else SALVAGE if mode is RecoveryMode.AGGRESSIVE else OPEN,
        indexed=indexed,
    )
    suspect = mode is not None and not clean and reading.size > LOG_HEADER_SIZE
    if suspect and reading.size <= _READ_ONCE:
        _drop_from_cache(file)
    reading.read()
    if suspect and reading.size > _READ_ONCE:
        _drop_from_cache(file)
        reading.read_suspect_end()
    return _concluded(reading, clean=clean, mode=mode)


def _drop_from_cache(file: File) -> None:
    file.fsync()
    file.advise_dont_need()


def read_log_header(
    path: str, content: bytes, metadata: LogMetadata | None
) -> tuple[LogHeader, int, bool]:
    """Return a log's header, its checksum, and whether it had to be taken from the metadata.

    Args:
        path: of the log, for errors.
        content: the bytes where the header belongs.
        metadata: what may stand in for a damaged header, or None.

    Raises:
        CorruptedLogError: the header is damaged, and nothing stands in for it.
        UnsupportedFormatError: it is of another version.
    """
    decoded = decode_log_header(content)
    if decoded is not None:
        return *decoded, False
    version = log_header_version(content)
    if version is not None and version != LOG_VERSION:
        raise UnsupportedFormatError(
            f"{path}: expected log version {LOG_VERSION} but found version {version}"
        )
    if metadata is None:
        raise _damaged_header(path)
    header = LogHeader(
        incarnation=metadata.incarnation,
        generation=metadata.generation,
        base_index=metadata.base_index,
        base_term=metadata.base_term,
    )
    return header, encode_log_header(header)[1], True


def _damaged_header(path: str) -> CorruptedLogError:
    return CorruptedLogError(
        f"{path}: expected an intact header of {LOG_HEADER_SIZE} bytes; without it nothing in the "
        "log can be told from damage; restore the directory, or let the node join anew",
        path=path,
        offset=0,
    )


def _require_generation(path: str, log: ActiveLog, metadata: LogMetadata) -> None:
    """Raise `CorruptedLogError` for a log that is older than metadata.json, or another."""
    header = log.header
    older = header.generation < metadata.generation
    other = header.generation == metadata.generation and header.incarnation != metadata.incarnation
    if older or other:
        raise CorruptedLogError(
            f"{path}: expected generation {metadata.generation} as metadata.json says, "
            f"but found {'another' if other else f'generation {header.generation}'}; "
            "restore the log that belongs to this directory",
            path=path,
            offset=0,
            index=log.first_index,
        )


@define(eq=False, kw_only=True)
class _Reading:
    """One reading of a log, from its header on.

    Attributes:
        closed: the last run ended with a clean close, and this is no look from outside.
        log: the frames taken.
        frame_count: how many these are.
        offsets: of the last frame that a watermark proves and of all behind it; of none where
            damage is passed over.
        first_batch: number of the first of these frames.
        broken: the damage behind the last frame, or None.
        zeros: bytes of zeros behind the last frame.
    """

    file: File
    path: str
    metadata: LogMetadata | None
    size: int
    grows: bool
    closed: bool
    chunk_size: int
    policy: ScanPolicy
    indexed: bool
    log: ActiveLog = field(init=False)
    rebuilt: bool = field(init=False, default=False)
    frame_count: int = field(init=False, default=0)
    offsets: array[int] = field(init=False)
    first_batch: int = field(init=False, default=1)
    broken: DamagedStretch | None = field(init=False, default=None)
    zeros: int = field(init=False, default=0)
    losses: list[LostData] = field(init=False, factory=list)
    untold: int = field(init=False, default=0)

    def read(self) -> None:
        """Take every frame from the header on."""
        content = self._first_chunk()
        salvaged = self.metadata if self.policy.passes_unreadable else None
        header, checksum, self.rebuilt = read_log_header(
            self.path, content[:LOG_HEADER_SIZE], salvaged
        )
        log = self.log = ActiveLog(self.file, header, checksum, indexed=self.indexed)
        if self.metadata is not None:
            _require_generation(self.path, log, self.metadata)
        self.offsets, self.first_batch, self.frame_count = array("Q"), 1, 0
        self.broken, self.zeros = None, 0
        start = ScanStart(LOG_HEADER_SIZE, 0, checksum, log.first_index, header.base_index)
        ahead = content[LOG_HEADER_SIZE:]
        if self._take_closed(start):
            start = ScanStart(
                log.end, log.last_batch, log.last_checksum, log.first_index, log.last_index
            )
            ahead = b""
        for part in self._scan(self.policy, start, ahead):
            if isinstance(part, FrameRun):
                self._take(part)
            elif isinstance(part, FreeTail):
                self.zeros = part.length
            else:
                self.broken = part if self.broken is None else _joined(self.broken, part)

    def _take_closed(self, start: ScanStart) -> bool:
        """Take the frames of a large log that was closed cleanly, by their headers alone.

        metadata.json names the last of them, and each is chained to the one before. Every read
        checks the payloads that it needs, and `verify` all of them. Where frames are small, reading
        everything takes no longer.
        """
        known = self.known
        if not self.closed or known is None or not known.watermark:
            return False
        length = known.log_length
        if length <= _READ_AS_A_WHOLE or length < _LARGE_FRAME * known.watermark:
            return False
        run = scan_headers(
            self.file,
            start,
            seed=self.log.header.seed,
            end=length,
            batch=known.watermark,
            link=known.last_checksum,
        )
        if run is not None:
            self._take(run)
        return run is not None

    def read_suspect_end(self) -> None:
        """Read again from the last proven frame on, or everything if it is not what it was.

        The last proven frame too, since its proof may be a watermark that only the cache has. That
        the last checksum is the same shows that all frames are: each holds that of the one before.
        """
        log = self.log
        known = self.known
        proven = max(log.durable_batch, known.watermark if known is not None else 0)
        proven = min(proven, log.last_batch)
        start = ScanStart(LOG_HEADER_SIZE, 0, log.header_checksum)
        if proven:
            start = ScanStart(self.offsets[proven - self.first_batch], proven - 1, None)
        seen = (start.offset, start.batch, start.link)
        broken, zeros = None, 0
        policy = evolve(self.policy, fits=False)
        for part in self._scan(policy, start, b""):
            if isinstance(part, FrameRun):
                last = part.rows[-1]
                seen = (part.offsets[-1] + FRAME_HEADER_SIZE + last[7], last[5], last[13])
            elif isinstance(part, FreeTail):
                zeros = part.length
            else:
                broken = part
        if seen != (log.end, log.last_batch, log.last_checksum):
            self.read()
        else:
            self.broken, self.zeros = broken, zeros

    @property
    def known(self) -> LogMetadata | None:
        """What metadata.json says of this incarnation, None if nothing."""
        metadata = self.metadata
        ours = metadata and metadata.incarnation == self.log.header.incarnation
        return metadata if ours else None

    def _first_chunk(self) -> bytes:
        """Return what is read at once from the beginning on, the header at least."""
        length = min(self.size, max(self.chunk_size, LOG_HEADER_SIZE))
        try:
            return read_at(self.file, length, 0)
        except OSError as error:
            if not is_unreadable(error):
                raise
        read = read_around if self.policy.passes_damage else read_at
        return read(self.file, min(self.size, LOG_HEADER_SIZE), 0)

    def _scan(self, policy: ScanPolicy, start: ScanStart, ahead: bytes) -> Iterator[LogPart]:
        return scan_log(
            self.file,
            self.path,
            policy,
            start,
            seed=self.log.header.seed,
            size=self.size,
            grows=self.grows,
            reserved=self.metadata is not None and self.metadata.reserved_ahead > 0,
            chunk_size=self.chunk_size,
            ahead=ahead,
        )

    def _take(self, run: FrameRun) -> None:
        log = self.log
        if self.broken is not None:
            self._bridge(self.broken, frame_header(run.rows[0]))
            log.end = run.offsets[0]
            self.broken = None
        self.frame_count += len(run.rows)
        if run.truncates:
            for row in run.rows:
                log.accept(frame_header(row))
        else:
            log.accept_rows(run.offsets, run.rows)
        if not self.policy.passes_damage:
            self.offsets.extend(run.offsets)
            proven = min(log.durable_batch, log.last_batch)
            if proven > self.first_batch:
                del self.offsets[: proven - self.first_batch]
                self.first_batch = proven

    def _bridge(self, damage: DamagedStretch, frame: FrameHeader) -> None:
        """Take the damage into the log as one frame, so that the frames behind it can follow.

        That frame stands for all the entries that are missing. The index holds a checksum for it
        that the header there does not have, so a read of one of these entries raises.
        """
        log = self.log
        first, end = log.last_index + 1, frame.first_index
        held = end > first
        self.lose(
            LostData(
                path=self.path,
                offset=damage.offset,
                length=damage.length,
                first_index=first if held else None,
                last_index=end - 1 if held else None,
                reason=_what_is_missing(damage, frame),
            )
        )
        content = read_around(log.file, FRAME_HEADER_SIZE, damage.offset)
        header = decode_frame_header(content, log.header.seed)
        log.bridge(
            end,
            offset=damage.offset,
            size=min(damage.length, FRAME_HEADER_SIZE),
            checksum=header.checksum ^ 1 if header is not None else 0,
        )

    def lose(self, loss: LostData) -> None:
        """Note a loss, or only count it where there are too many."""
        if len(self.losses) < _MOST_LOSSES:
            self.losses.append(loss)
        else:
            self.untold += 1


def _what_is_missing(damage: DamagedStretch, following: FrameHeader) -> str:
    frames = "one frame" if damage.missing == 1 else f"{damage.missing} frames"
    reason = f"{damage.reason}; {frames} before batch {following.batch} cannot be read"
    if damage.missing != 1:
        reason += "; a truncation among them may have removed entries that are still shown"
    return reason


def _joined(first: DamagedStretch, second: DamagedStretch) -> DamagedStretch:
    """Return two neighbouring stretches as one, which begins like the first."""
    missing = None
    if first.missing is not None and second.missing is not None:
        missing = first.missing + second.missing
    length = second.offset + second.length - first.offset
    return evolve(first, length=length, missing=missing)


def _concluded(reading: _Reading, *, clean: bool, mode: RecoveryMode | None) -> LogFinding:
    """Decide what the end of a log that has been read means; errors as for `judge_log`."""
    log, known, broken = reading.log, reading.known, reading.broken
    trusted = clean and known is not None and known.describes(log)
    end = BrokenEnd(
        path=reading.path,
        log=log,
        broken=broken,
        size=reading.size,
        known=known,
        chunk_size=reading.chunk_size,
        lenient=mode is None,
        finished=clean and not trusted,
    )
    proof = end.proof_of_loss(closed_here=trusted)
    if proof is not None:
        if mode in (RecoveryMode.NORMAL, RecoveryMode.CONSERVATIVE):
            raise end.refusal(proof)
        reading.lose(end.loss(proof))
    elif broken and not trusted and mode is RecoveryMode.CONSERVATIVE:
        raise end.doubt()
    if reading.rebuilt and not log.last_batch:
        raise _damaged_header(reading.path)  # no frame shows that it is the right one
    if reading.untold:
        reason = f"{reading.untold} more places are damaged"
        reading.losses.append(LostData(path=reading.path, reason=reason))
    if known and proof is None:
        log.durable_batch = max(log.durable_batch, known.watermark)
    proven = log.durable_batch if mode is not None and proof is None else log.last_batch
    unproven = log.end
    if proven < log.last_batch and not trusted:
        unproven = reading.offsets[proven + 1 - reading.first_batch]
    return LogFinding(
        log=log,
        unproven_offset=unproven,
        size=reading.size,
        zeros=0 if clean else reading.zeros,
        tail=end.tail(ambiguous=not trusted) if proof is None else None,
        trusted=trusted and not reading.losses and not reading.rebuilt,
        lost=tuple(reading.losses),
        rebuilt=reading.rebuilt,
        frame_count=reading.frame_count,
    )


def repair_log(finding: LogFinding, chunk_size: int) -> None:
    """Make the kept frames durable and remove the tail, so that none of it can ever come back.

    Unproven frames may be in the page cache alone, marked clean by a sync that failed; writing the
    same bytes again makes the next sync write them. Behind the last frame zeros are written, even
    where the file already ends: the medium may hold the data of an append whose size was lost, and
    a later crash that keeps a size without its data would show that frame again. Where all frames
    are proven and these zeros have been read from the medium, there is nothing to write.
    """
    log = finding.log
    if finding.trusted and finding.tail is None:
        return
    guard_end = log.end + GUARD_SIZE
    if finding.unproven_offset < log.end or finding.zeros < GUARD_SIZE:
        zeros_end = max(finding.size, guard_end)
        for offset in range(finding.unproven_offset, zeros_end, chunk_size):
            behind = min(offset + chunk_size, zeros_end)
            kept = (
                read_at(log.file, min(behind, log.end) - offset, offset)
                if offset < log.end
                else b""
            )
            write_all(log.file, kept.ljust(behind - offset, b"\0"), offset)
        log.file.fsync()
    if finding.size > guard_end:
        log.file.truncate(guard_end)
        log.file.fsync()
    log.durable_batch = log.last_batch
