"""Which rule applies to a damaged log.dat: told from the bytes before and after, as expectation.py.

A frame counts if it and all before it are as they were. What else was acknowledged is shown by the
headers that are left, and by metadata.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from wavetank.scenarios.corruption.damaged_store import (
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    INCARNATION,
    LOG,
    MARKER,
    METADATA,
    SNAPSHOT_MARKER,
    LogView,
    Snapshot,
    StoreRecord,
)
from wavetank.scenarios.corruption.damages import DamagedFiles
from wavetank.scenarios.corruption.rules import Rule

__all__ = ["LogExpectation", "expect_log", "is_intact"]

_GENERATION: Final = slice(20, 28)
_MAGIC: Final = slice(0, 4)
_FRAME_MAGIC: Final = b"\xf7WvF"
_PAYLOAD_LENGTH: Final = slice(28, 36)
_LINK: Final = slice(60, 64)
_FILLER: Final = b"\xf6Wvfree\n"
"""The byte at offset n of free space is number n mod 8 of these."""
_CHECKSUM: Final = slice(68, 72)
_WITH_HEADER: Final[Mapping[Rule, Rule]] = {
    Rule.UNTOUCHED: Rule.LOG_HEADER,
    Rule.BEHIND_A_CLOSED_LOG: Rule.LOG_HEADER,
    Rule.NEWEST_BATCH: Rule.HEADER_AND_BATCH,
    Rule.BEHIND_THE_LOG: Rule.HEADER_AND_BATCH,
    Rule.RESERVED_IN_DOUBT: Rule.HEADER_AND_BATCH,
    Rule.LOST_SUFFIX: Rule.HEADER_AND_SUFFIX,
}


@frozen(kw_only=True)
class LogExpectation:
    """What must be made of a damaged log.

    Attributes:
        rule: which rule applies.
        shown: the log that may be shown; None: any part of what the log ever held.
        broken_at: offset of the first byte of the log that counts no longer; None if all count.
        index: of the first entry that is not there any more, where `broken_at` is told.
        term: of that entry, where the header of its frame is legible in its place.
        intact: numbers, from 0, of the frames that are in their places as they were.
    """

    rule: Rule
    shown: LogView | None
    broken_at: int | None = None
    index: int | None = None
    term: int | None = None
    intact: tuple[int, ...] = ()


def is_intact(record: StoreRecord, damaged: DamagedFiles, name: str) -> bool:
    """Whether a file is as it was, and can be read."""
    same = damaged.files.get(name) == record.files.get(name)
    return same and name not in damaged.unreadable


def expect_log(
    record: StoreRecord, damaged: DamagedFiles, snapshot: Snapshot | None
) -> LogExpectation:
    """Return what must be made of the log of `record` once its files are as `damaged` says.

    Args:
        record: the undamaged store.
        damaged: its files.
        snapshot: the one that is shown beside the log.
    """
    return _Log(record, damaged, snapshot).judge()


@frozen
class _Log:
    """The log before and after."""

    record: StoreRecord
    damaged: DamagedFiles
    snapshot: Snapshot | None

    @property
    def _before(self) -> bytes:
        return self.record.files[LOG]

    @property
    def _content(self) -> bytes:
        return self.damaged.files.get(LOG, b"")

    @property
    def _known(self) -> Mapping[str, object] | None:
        """What metadata.json says, if it is intact, be it older."""
        if METADATA in self.damaged.unreadable:
            return None
        return self.record.says(METADATA, self.damaged.files.get(METADATA))

    @property
    def _known_of_this(self) -> Mapping[str, object] | None:
        """The same, if it speaks of this log."""
        known = self._known
        same = known is not None and known["incarnation"] == self.record.incarnation
        return known if same else None

    def _number(self, name: str) -> int:
        value = (self._known_of_this or {}).get(name, 0)
        assert isinstance(value, int), value
        return value

    @property
    def _seems_closed(self) -> bool:
        """Whether no marker is there: a close removes one, and no close leaves the snapshot's."""
        return not {MARKER, SNAPSHOT_MARKER} & self.damaged.files.keys()

    def judge(self) -> LogExpectation:
        if LOG not in self.damaged.files:
            return LogExpectation(rule=Rule.LOG_MISSING, shown=self.record.log)
        if not self._same(0, HEADER_BYTES):
            return self._judge_header()
        kept = self._kept
        end = self._end_of(kept)
        index, term = self._broken(kept)
        return LogExpectation(
            rule=self._judge_frames(kept, end),
            shown=self._after(kept),
            broken_at=end,
            index=index,
            term=term,
            intact=tuple(
                number
                for number, frame in enumerate(self.record.frames)
                if self._same(frame.offset, frame.offset + frame.size)
            ),
        )

    @property
    def _kept(self) -> int:
        """How many frames from the first one on are there as they were."""
        for number, frame in enumerate(self.record.frames):
            if not self._same(frame.offset, frame.offset + frame.size):
                return number
        return len(self.record.frames)

    def _after(self, kept: int) -> LogView:
        return self.record.log_after(kept, self.snapshot)

    def _is_acceptable(self, view: LogView) -> bool:
        return any(view == content.log for content in self.record.acceptable)

    def _end_of(self, kept: int) -> int:
        frames = self.record.frames
        return frames[kept - 1].offset + frames[kept - 1].size if kept else HEADER_BYTES

    def _broken(self, kept: int) -> tuple[int, int | None]:
        frames, index = self.record.frames, self.record.frames_alone[kept].last_index + 1
        if kept == len(frames):
            return index, None
        frame = frames[kept]
        legible = self._same(frame.offset, frame.offset + FRAME_HEADER_BYTES)
        return index, frame.first_term if legible else None

    def _judge_header(self) -> LogExpectation:
        head, known = self._content[:HEADER_BYTES], self._known
        for version in self.record.older.get(LOG, ()):
            if version is None or self._is_unreadable(0, HEADER_BYTES):
                continue
            if head != version[:HEADER_BYTES] or head[INCARNATION] == self._before[INCARNATION]:
                continue
            rule = self._judge_older(version, known)
            if rule is Rule.OLDER_STORE:
                view = self.record.older_log(self._content, self.snapshot)
                if self._is_acceptable(view):
                    return LogExpectation(rule=Rule.UNTOUCHED, shown=view)
            return LogExpectation(rule=rule, shown=None)
        older = self._older_behind_header
        if older is not None:
            is_acceptable = self._is_acceptable(older)
            rule = Rule.LOG_HEADER if is_acceptable else Rule.HEADER_AND_SUFFIX
            return LogExpectation(rule=rule, shown=older)
        kept = self._kept
        rule = Rule.HEADER_UNPROVEN
        if kept and self._known_of_this is not None:
            rest = self._judge_frames(kept, self._end_of(kept))
            rule = _WITH_HEADER.get(rest, Rule.HEADER_AND_FRAME)
        return LogExpectation(rule=rule, shown=self._after(kept))

    @property
    def _older_behind_header(self) -> LogView | None:
        """Return an older log that differs in its header alone, if metadata.json names that log."""
        known = self._known
        for version in self.record.older.get(LOG, ()):
            if known is None or version is None or len(version) <= HEADER_BYTES:
                continue
            named = int.from_bytes(version[INCARNATION], "little") == known["incarnation"]
            rest = version[HEADER_BYTES:]
            if (
                named
                and rest == self._content[HEADER_BYTES:]
                and LOG not in self.damaged.unreadable
            ):
                return self.record.older_log(version, self.snapshot)
        return None

    def _judge_older(self, version: bytes, known: Mapping[str, object] | None) -> Rule:
        incarnation, generation = (
            int.from_bytes(version[part], "little") for part in (INCARNATION, _GENERATION)
        )
        if known is not None:
            named = known["generation"]
            assert isinstance(named, int), named
            if generation < named or (generation == named and known["incarnation"] != incarnation):
                return Rule.LOG_MISSING
        is_whole = self._content in self.record.older[LOG]
        return Rule.OLDER_STORE if is_whole else Rule.HEADER_OF_ANOTHER

    def _judge_frames(self, kept: int, end: int) -> Rule:
        """Judge what follows the first `kept` frames, which end at `end`."""
        rest, lost = self._content[end:], kept < len(self.record.frames)
        if self._is_proven(kept, end):
            return Rule.ACKNOWLEDGED_FRAME
        if self._is_unreadable(end, max(len(self._content), end + 1)) and not self._is_cut(end):
            return Rule.UNREADABLE_LOG
        is_zero = not rest.strip(b"\0")
        is_guard = is_zero and len(rest) <= FRAME_HEADER_BYTES
        is_reserved = is_zero and self._number("reserved_ahead") > 0
        if is_guard or is_reserved or rest == _filler(end, len(rest)):
            # Beside a snapshot beyond the log it may be that nothing is missed.
            is_missed = lost and not self._is_acceptable(self._after(kept))
            return Rule.LOST_SUFFIX if is_missed else Rule.UNTOUCHED
        if self._seems_closed:
            return self._judge_closed(kept, end, rest, lost=lost)
        if lost:
            return Rule.NEWEST_BATCH
        return Rule.RESERVED_IN_DOUBT if is_zero else Rule.BEHIND_THE_LOG

    def _is_cut(self, end: int) -> bool:
        """Whether the file ends inside the frame there, so that no sector of it matters."""
        header = self._content[end : end + FRAME_HEADER_BYTES]
        if header not in self.record.headers or self._is_unreadable(end, end + len(header)):
            return False
        payload = int.from_bytes(header[_PAYLOAD_LENGTH], "little")
        return end + FRAME_HEADER_BYTES + payload > len(self._content)

    def _judge_closed(self, kept: int, end: int, rest: bytes, *, lost: bool) -> Rule:
        link = self._link(kept)
        ended_here = (
            self._known_of_this is not None
            and self._number("log_length") == end
            and self._number("last_checksum") == int.from_bytes(link, "little")
        )
        if not ended_here or self._goes_on(kept, rest, link):
            return Rule.CLOSED_END
        return Rule.CLOSED_EARLY if lost else Rule.BEHIND_A_CLOSED_LOG

    def _link(self, kept: int) -> bytes:
        if not kept:
            return self._before[HEADER_BYTES - 4 : HEADER_BYTES]
        return self._before[self.record.frames[kept - 1].offset :][_CHECKSUM]

    def _goes_on(self, kept: int, rest: bytes, link: bytes) -> bool:
        """Whether what follows looks like the frame that would come next."""
        claim = self.record.headers.get(rest[:FRAME_HEADER_BYTES])
        if claim is not None:
            return claim.batch > kept
        return rest[_MAGIC] == _FRAME_MAGIC[: len(rest)] or rest[_LINK] == link

    def _is_proven(self, kept: int, end: int) -> bool:
        """Whether metadata.json or any header shows that more was acknowledged."""
        if self._number("watermark") > kept or self._number("log_length") > end:
            return True
        frames = self.record.frames
        if any(frame.watermark > kept for frame in frames[:kept]):
            return True
        start = end
        if kept < len(frames) and self._same(end, end + FRAME_HEADER_BYTES):
            if frames[kept].watermark > kept:
                return True
            # What lies inside a frame is a caller's data.
            start = end + frames[kept].size
        return any(
            claim.batch > kept + 1 and claim.watermark > kept and self._stands(header, start)
            for header, claim in self.record.headers.items()
        )

    def _stands(self, header: bytes, start: int) -> bool:
        """Whether a header can be read anywhere from `start` on."""
        found = self._content.find(header, start)
        while found >= 0:
            if not self._is_unreadable(found, found + len(header)):
                return True
            found = self._content.find(header, found + 1)
        return False

    def _same(self, begin: int, end: int) -> bool:
        return not self._is_unreadable(begin, end) and (
            self._content[begin:end] == self._before[begin:end]
        )

    def _is_unreadable(self, begin: int, end: int) -> bool:
        places = self.damaged.unreadable.get(LOG, ())
        return any(begin < behind and first < end for first, behind in places)


def _filler(offset: int, length: int) -> bytes:
    return (_FILLER * (length // len(_FILLER) + 2))[offset % len(_FILLER) :][:length]
