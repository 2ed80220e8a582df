"""The broken end of a log: the remains of an unfinished append, or damage to what was acknowledged.

An append that was never acknowledged may be cut; an acknowledged one may not. What tells them apart
stands elsewhere: in metadata.json, in the watermark of any intact frame header, or in the marker
that a clean close removes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from wavetank.engine.document import LogMetadata
from wavetank.engine.errors import CorruptedLogError
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    FRAME_MAGIC,
    LONGEST_TAIL,
    FrameHeader,
    FrameKind,
    decode_frame_header,
    frame_link,
)
from wavetank.engine.log.scanner import DamagedStretch, frame_headers, read_around
from wavetank.engine.report import CutTail, LostData

__all__ = ["BrokenEnd"]

_TOLD_FROM: Final = 1 << 26
"""Bytes behind damage in which headers are looked for only to say what they tell of the loss."""

_WAYS_ON: Final = (
    "restore the directory, read what is intact with read_only=True, or give up what is lost with "
    "recovery_mode=RecoveryMode.AGGRESSIVE"
)
_WAYS_ON_IN_DOUBT: Final = (
    "open with recovery_mode=RecoveryMode.NORMAL to cut it, or look at it with read_only=True first"
)


@frozen(kw_only=True)
class BrokenEnd:
    """Where the intact frames of a log end too early, or seem to.

    Args:
        path: of log.dat.
        log: all frames before.
        broken: the frame there; None if the file ends at a boundary of frames.
        size: of the file in bytes.
        known: metadata.json, if it speaks of this incarnation.
        chunk_size: bytes to read at once.
        lenient: pass over what cannot be read behind the broken frame.
        finished: the last run was closed cleanly, though metadata.json does not say that it was
            here: what is broken is no append that never ended.
    """

    path: str
    log: ActiveLog
    broken: DamagedStretch | None
    size: int
    known: LogMetadata | None
    chunk_size: int
    lenient: bool = False
    finished: bool = False

    def proof_of_loss(self, *, closed_here: bool) -> str | None:
        """Return what shows that more was acknowledged than the intact frames hold.

        Args:
            closed_here: the last run closed the log cleanly with exactly these frames.
        """
        log, known, broken = self.log, self.known, self.broken
        if known and (known.log_length > log.end or known.watermark > log.last_batch):
            return "metadata.json shows that more was acknowledged"
        if log.durable_batch > log.last_batch:
            # Every frame of a rewritten log names the number of frames that were written with it.
            return "an earlier frame shows that more was acknowledged"
        if broken is None:
            return None
        return self._meaning_of(broken, closed_here=closed_here)

    def _meaning_of(self, broken: DamagedStretch, *, closed_here: bool) -> str | None:
        """Return what shows that a broken end was acknowledged, or that no append left it."""
        length = self.size - self.log.end
        if length > LONGEST_TAIL:
            return f"{length} bytes are more than any unfinished append leaves"
        if broken.unreadable:
            return "it may have been acknowledged"
        continued = self._continuation(broken) if closed_here else None
        if continued is None and self.finished:
            return "the last run was closed cleanly, which leaves no append unfinished"
        if continued is None and length >= FRAME_HEADER_SIZE and self._covered_by_a_header(broken):
            return "its own or a later frame shows that it was acknowledged"
        return continued

    def _continuation(self, broken: DamagedStretch) -> str | None:
        """Return what shows that a log goes on behind the end that a clean close left it with.

        Nothing is written behind that end before the marker is back, so either metadata.json is an
        older one or the marker was lost. Whatever was appended to the file begins otherwise.
        """
        told = "it begins like the next frame, so the log has gone on behind that close"
        if broken.header is not None:
            return told
        window = read_around(
            self.log.file, min(FRAME_HEADER_SIZE, self.size - self.log.end), self.log.end
        )
        misplaced = decode_frame_header(window, self.log.header.seed)
        if misplaced is not None:
            return told if misplaced.batch > self.log.last_batch else None
        begins = window[: len(FRAME_MAGIC)] == FRAME_MAGIC[: len(window)]
        links = frame_link(window) == self.log.last_checksum
        return told if begins or links else None

    def refusal(self, proof: str) -> CorruptedLogError:
        """Return the error for acknowledged entries that are damaged or missing."""
        return self._error(proof, _WAYS_ON, ambiguous=False)

    def doubt(self) -> CorruptedLogError:
        """Return the error for a tail that may, or may not, have been acknowledged."""
        doubt = "an unfinished append and damage to the newest one look the same"
        return self._error(doubt, _WAYS_ON_IN_DOUBT, ambiguous=True)

    def tail(self, *, ambiguous: bool) -> CutTail | None:
        """Return the tail to be cut, None if there is none."""
        if self.broken is None:
            return None
        first_index, last_index = self._legible_indices(self.broken.header)
        return CutTail(
            path=self.path,
            offset=self.log.end,
            length=self.size - self.log.end,
            first_index=first_index,
            last_index=last_index,
            reason=self.broken.reason,
            ambiguous=ambiguous,
        )

    def loss(self, proof: str) -> LostData:
        """Return what is given up with everything behind the intact frames."""
        first_index = self.log.last_index + 1
        last_index = self._last_index_seen()
        return LostData(
            path=self.path,
            offset=self.log.end,
            length=self.size - self.log.end,
            first_index=first_index,
            last_index=last_index if last_index and last_index >= first_index else None,
            reason=f"{self._reason}; {proof}",
        )

    @property
    def _reason(self) -> str:
        return self.broken.reason if self.broken else "the file ends"

    def _error(self, proof: str, ways_on: str, *, ambiguous: bool) -> CorruptedLogError:
        header = self.broken.header if self.broken else None
        index = self.log.last_index + 1
        return CorruptedLogError(
            f"{self.path}: damaged at offset {self.log.end}, where index {index} was expected: "
            f"{self._reason}; {proof}; {ways_on}",
            path=self.path,
            offset=self.log.end,
            index=index,
            term=header.first_term if header else None,
            ambiguous=ambiguous,
        )

    def _covered_by_a_header(self, broken: DamagedStretch) -> bool:
        """Whether its own header or any behind it proves that the broken frame was durable.

        A header alone is enough: whatever became of its payload, it was written only after all
        frames up to its watermark were durable.
        """
        missing = self.log.last_batch + 1
        if broken.header and broken.header.watermark >= missing:
            return True
        return any(
            later.watermark >= missing for later in self._later_headers(broken, LONGEST_TAIL)
        )

    def _last_index_seen(self) -> int | None:
        """Return the highest index that anything legible says the log has held."""
        highest = self.known.last_index if self.known else 0
        if self.broken is not None:
            highest = max(highest, self._legible_indices(self.broken.header)[1] or 0)
            for later in self._later_headers(self.broken, _TOLD_FROM):
                highest = max(highest, self._legible_indices(later)[1] or 0)
        return highest or None

    def _later_headers(self, broken: DamagedStretch, searched: int) -> Iterator[FrameHeader]:
        """Yield the intact headers there or behind that belong to frames after the missing one."""
        start = self.log.end + (broken.header.size if broken.header else 0)
        found = frame_headers(
            self.log.file,
            seed=self.log.header.seed,
            start=start,
            end=min(self.size, start + searched),
            chunk_size=self.chunk_size,
            lenient=self.lenient or broken.unreadable,
        )
        return (header for _, header in found if header.batch > self.log.last_batch + 1)

    @staticmethod
    def _legible_indices(header: FrameHeader | None) -> tuple[int | None, int | None]:
        if header is None or header.kind != FrameKind.ENTRIES:
            return None, None
        return header.first_index, header.first_index + header.count - 1
