"""The log of a store that is only read: what is intact of it, before and behind damage.

A damaged stretch between frames takes the place of the entries that it held: whoever reads one of
them meets a checksum that does not hold. Left out: the other files (_read_only.py).
"""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from wavetank.engine.directory import LOG, StoreDirectory, let_go
from wavetank.engine.errors import UnsupportedFormatError
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.damage import BrokenEnd, BrokenFrame
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LOG_HEADER_SIZE,
    Encoding,
    FrameHeader,
    FrameKind,
    decode_frame_header,
)
from wavetank.engine.log.head import begin_log, check_generation, require_proof_of_header
from wavetank.engine.log.scanner import DamagedStretch, WalkedFrame, read_around, walk_log
from wavetank.engine.metadata import LogMetadata
from wavetank.engine.report import CutTail, FileCondition, LostData

__all__ = ["ReadableLog", "read_log"]

_MOST_LOSSES: Final = 1000
"""Damaged places told one by one; a hostile file can hold any number."""


@frozen(kw_only=True)
class ReadableLog:
    """What can be read of log.dat.

    Attributes:
        log: its frames, and its damaged places, open for reading.
        cut: the end that an open for writing would cut, or None.
        lost: what was acknowledged and cannot be read.
        rebuilt: the header was damaged and has been taken from metadata.json.
        trusted: metadata.json of a clean close describes the log exactly.
        frame_count: how many frames are intact.
    """

    log: ActiveLog
    cut: CutTail | None
    lost: tuple[LostData, ...]
    rebuilt: bool
    trusted: bool
    frame_count: int

    @property
    def condition(self) -> FileCondition:
        """In a word."""
        if self.lost or self.rebuilt:
            return FileCondition.DAMAGED
        return FileCondition.INTACT if self.cut is None else FileCondition.UNFINISHED


def read_log(
    directory: StoreDirectory,
    metadata: LogMetadata | None,
    *,
    clean: bool,
    chunk_size: int,
    indexed: bool,
    opened: tuple[File, int] | None = None,
) -> ReadableLog:
    """Look at all of log.dat and change nothing; the caller closes the file, unless it raises.

    Args:
        directory: where it lies.
        metadata: an intact metadata.json, or None.
        clean: no recovery.marker is there.
        chunk_size: bytes to read at once.
        indexed: keep an index of the frames in memory: only with it can damage in between be told
            from frames later.
        opened: the file, and where to stop in it; None: open it, and read to its end.

    Raises:
        CorruptedLogError: nothing in it can be read, or it is not this store's log.
        UnsupportedFormatError: it, or a frame of it, is of another version.
        OSError: from the filesystem.
    """
    path = directory.path_of(LOG)
    file = opened[0] if opened is not None else directory.open(LOG, OpenFlag.READ)
    try:
        size = opened[1] if opened is not None else file.size()
        head = read_around(file, LOG_HEADER_SIZE, 0)
        log, rebuilt = begin_log(path, file, head, metadata, indexed=indexed)
        check_generation(path, log, metadata)
        reading = _Reading(path=path, log=log, size=size)
        reading.take_all(reserved=metadata is not None and metadata.reserved_ahead > 0)
        if rebuilt:
            require_proof_of_header(path, log)
        return reading.finish(metadata, clean=clean, chunk_size=chunk_size, rebuilt=rebuilt)
    except BaseException:
        let_go(file)
        raise


@define(eq=False)
class _Reading:
    """One pass over the log."""

    path: str
    log: ActiveLog
    size: int
    damage: DamagedStretch | None = field(init=False, default=None)
    lost: list[LostData] = field(init=False, factory=list)
    untold: int = field(init=False, default=0)
    frame_count: int = field(init=False, default=0)

    def take_all(self, *, reserved: bool) -> None:
        log = self.log
        parts = walk_log(
            log.file,
            seed=log.header.seed,
            header_checksum=log.last_checksum,
            size=self.size,
            reserved=reserved,
        )
        for part in parts:
            if isinstance(part, WalkedFrame):
                self._take(part.offset, part.header)
            elif isinstance(part, DamagedStretch):
                self.damage = part if self.damage is None else _joined(self.damage, part)

    def finish(
        self, metadata: LogMetadata | None, *, clean: bool, chunk_size: int, rebuilt: bool
    ) -> ReadableLog:
        log, damage = self.log, self.damage
        known = metadata if metadata and metadata.incarnation == log.header.incarnation else None
        trusted = clean and metadata is not None and metadata.describes(log)
        end = BrokenEnd(
            path=self.path,
            log=log,
            broken=BrokenFrame(damage.reason, damage.header) if damage else None,
            size=self.size,
            known=known,
            chunk_size=chunk_size,
            lenient=True,
            finished=clean and not trusted,
        )
        proof = end.proof_of_loss(closed_here=trusted)
        if proof is not None:
            self._lose(end.loss(proof))
        if self.untold:
            reason = f"{self.untold} more places are damaged"
            self.lost.append(LostData(path=self.path, reason=reason))
        return ReadableLog(
            log=log,
            cut=end.tail(ambiguous=not trusted) if proof is None else None,
            lost=tuple(self.lost),
            rebuilt=rebuilt,
            trusted=trusted and not self.lost and not rebuilt,
            frame_count=self.frame_count,
        )

    def _take(self, offset: int, frame: FrameHeader) -> None:
        log = self.log
        if frame.kind not in set(FrameKind) or frame.encoding not in set(Encoding):
            raise UnsupportedFormatError(
                f"{self.path}: offset {offset}: unknown frame kind {frame.kind}, "
                f"encoding {frame.encoding}"
            )
        if self.damage is not None:
            self._bridge(self.damage, frame)
            self.damage = None
        log.end = offset
        log.accept(frame)
        self.frame_count += 1

    def _bridge(self, damage: DamagedStretch, frame: FrameHeader) -> None:
        """Let the log go on behind damage: what is missing in between is there, and damaged."""
        log = self.log
        first, end = log.last_index + 1, frame.first_index
        held = end > first
        self._lose(
            LostData(
                path=self.path,
                offset=damage.offset,
                length=damage.length,
                first_index=first if held else None,
                last_index=end - 1 if held else None,
                reason=_what_is_missing(damage, frame),
            )
        )
        log.bridge(
            end,
            offset=damage.offset,
            size=min(damage.length, FRAME_HEADER_SIZE),
            checksum=_never_found(log.file, damage.offset, log.header.seed),
        )

    def _lose(self, loss: LostData) -> None:
        if len(self.lost) < _MOST_LOSSES:
            self.lost.append(loss)
        else:
            self.untold += 1


def _what_is_missing(damage: DamagedStretch, following: FrameHeader) -> str:
    frames = "one frame" if damage.missing == 1 else f"{damage.missing} frames"
    reason = f"{damage.reason}; {frames} before batch {following.batch} cannot be read"
    if damage.missing != 1:
        reason += "; a truncation among them may have removed entries that are still shown"
    return reason


def _never_found(file: File, offset: int, seed: int) -> int:
    """Return a checksum that no header at this offset has, so that reading there is refused."""
    header = decode_frame_header(read_around(file, FRAME_HEADER_SIZE, offset), seed)
    return header.checksum ^ 1 if header is not None else 0


def _joined(first: DamagedStretch, second: DamagedStretch) -> DamagedStretch:
    """Return two neighbouring stretches as one, which begins like the first."""
    missing = None
    if first.missing is not None and second.missing is not None:
        missing = first.missing + second.missing
    length = second.offset + second.length - first.offset
    return DamagedStretch(first.offset, length, first.reason, first.header, missing)
