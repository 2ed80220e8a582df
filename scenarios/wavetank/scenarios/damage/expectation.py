"""Which rules apply to damaged files: told from the bytes before and after, and from nothing else.

Left out: what the rules allow (rules.py).
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from wavetank.scenarios.damage.damaged_store import (
    LOG,
    METADATA,
    SNAPSHOT,
    SNAPSHOT_META,
    STATE_COPIES,
    LogView,
    StoreRecord,
)
from wavetank.scenarios.damage.damages import DamagedFiles
from wavetank.scenarios.damage.rules import Rule

__all__ = ["Expectation", "expect"]

_HEADER_BYTES: Final = 48
_FRAME_HEADER_BYTES: Final = 72
_INCARNATION: Final = slice(12, 20)
_NAMES_VERSION: Final = re.compile(rb'\{"format":"wavetank\.[a-z]+","version":(0|[1-9][0-9]*),')


@frozen(kw_only=True)
class Expectation:
    """What must be made of damaged files, part by part.

    Attributes:
        state: the rule for term and vote.
        metadata: the rule for metadata.json.
        snapshot: the rule for the snapshot.
        log: the rule for the log.
        shown: the log that may be shown; None: any part of what the log ever held.
        broken_at: offset of the first byte of the log that counts no longer; None if all count.
    """

    state: Rule
    metadata: Rule
    snapshot: Rule
    log: Rule
    shown: LogView | None
    broken_at: int | None = None


def expect(record: StoreRecord, damaged: DamagedFiles) -> Expectation:
    """Return what must be made of `record` once its files are as `damaged` says."""
    frames = _LogBytes(record, damaged)
    log, shown, broken_at = frames.judge()
    return Expectation(
        state=_state(record, damaged),
        metadata=_document(record, damaged, METADATA, Rule.METADATA),
        snapshot=_snapshot(record, damaged),
        log=log,
        shown=shown,
        broken_at=broken_at,
    )


def _is_intact(record: StoreRecord, damaged: DamagedFiles, name: str) -> bool:
    same = damaged.files.get(name) == record.files.get(name)
    return same and name not in damaged.unreadable


def _names_another_version(damaged: DamagedFiles, name: str) -> bool:
    found = _NAMES_VERSION.match(damaged.files.get(name, b""))
    return found is not None and found[1] != b"1"


def _document(record: StoreRecord, damaged: DamagedFiles, name: str, otherwise: Rule) -> Rule:
    if _is_intact(record, damaged, name):
        return Rule.UNTOUCHED
    if _names_another_version(damaged, name):
        return Rule.OTHER_VERSION
    return Rule.READ_ERROR if name in damaged.unreadable else otherwise


def _state(record: StoreRecord, damaged: DamagedFiles) -> Rule:
    rules = [_document(record, damaged, name, Rule.ONE_STATE_COPY) for name in STATE_COPIES]
    hurt = [rule for rule in rules if rule is not Rule.UNTOUCHED]
    if len(hurt) == len(STATE_COPIES):
        return Rule.BOTH_STATE_COPIES
    return hurt[0] if hurt else Rule.UNTOUCHED


def _snapshot(record: StoreRecord, damaged: DamagedFiles) -> Rule:
    for name in (SNAPSHOT, SNAPSHOT_META):
        if not _is_intact(record, damaged, name):
            return Rule.SNAPSHOT
    return Rule.UNTOUCHED


@frozen
class _LogBytes:
    """The log before and after."""

    record: StoreRecord
    damaged: DamagedFiles

    @property
    def _content(self) -> bytes:
        return self.damaged.files.get(LOG, b"")

    @property
    def _metadata_is_intact(self) -> bool:
        return _is_intact(self.record, self.damaged, METADATA)

    def judge(self) -> tuple[Rule, LogView | None, int | None]:
        """Return the rule, the log that may be shown, and where the frames that count end."""
        if _is_intact(self.record, self.damaged, LOG):
            return self._judge_untouched()
        if LOG not in self.damaged.files:
            return Rule.LOG_MISSING, self.record.log, None
        if not self._same(0, _HEADER_BYTES):
            return self._judge_header()
        frames = self.record.frames
        kept = self._intact_frames()
        end = frames[kept - 1].offset + frames[kept - 1].size if kept else _HEADER_BYTES
        rule = self._judge_tail(end) if kept == len(frames) else self._judge_loss(kept, end)
        return rule, self.record.log_after[kept], end

    def _judge_untouched(self) -> tuple[Rule, LogView | None, int | None]:
        record = self.record
        if record.has_torn_tail:
            return Rule.BEHIND_THE_LOG, record.log, record.end_of_frames
        if record.log_metadata["reserved_ahead"] and not self._metadata_is_intact:
            return Rule.RESERVED_IN_DOUBT, record.log, record.end_of_frames
        return Rule.UNTOUCHED, record.log, None

    def _judge_header(self) -> tuple[Rule, LogView | None, int | None]:
        content = self._content
        for version in self.record.older.get(LOG, ()):
            if version == content and content[_INCARNATION] != self._before[_INCARNATION]:
                rule = Rule.LOG_MISSING if self._metadata_is_intact else Rule.OLDER_STORE
                return rule, None, None
        kept = self._intact_frames()
        if kept < len(self.record.frames):
            end = self.record.frames[kept].offset
            if self._judge_loss(kept, end) is Rule.LOST_SUFFIX:
                return Rule.HEADER_AND_SUFFIX, self.record.log_after[kept], None
        alone = self._same(_HEADER_BYTES, max(len(self._before), len(content)))
        is_alone = alone and not self.record.has_torn_tail
        rule = Rule.LOG_HEADER if is_alone else Rule.HEADER_AND_MORE
        return rule, self.record.log_after[kept], None

    def _judge_tail(self, end: int) -> Rule:
        if self._is_unreadable(end, max(len(self._content), end + 1)):
            return Rule.UNREADABLE_TAIL
        if not self.record.closed:
            return Rule.BEHIND_THE_LOG
        known = self._metadata_is_intact
        return Rule.BEHIND_A_CLOSED_LOG if known else Rule.BEHIND_A_LOG_UNKNOWN

    def _judge_loss(self, kept: int, end: int) -> Rule:
        """Judge that the frames from number `kept` + 1 on are not there as they were."""
        rest = self._content[end:]
        if self._is_proven(kept, end):
            return Rule.ACKNOWLEDGED_FRAME
        if self._is_unreadable(end, len(self._content)):
            return Rule.CLOSED_BATCH if self.record.closed else Rule.UNREADABLE_LOG
        if not rest.strip(b"\0") and (len(rest) <= _FRAME_HEADER_BYTES or self._is_reserved):
            return Rule.LOST_SUFFIX
        if self._is_half_proven(kept):
            return Rule.HALF_PROVEN_FRAME
        return Rule.CLOSED_BATCH if self.record.closed else Rule.NEWEST_BATCH

    def _is_proven(self, kept: int, end: int) -> bool:
        """Whether metadata.json or any intact frame shows that more was acknowledged."""
        metadata, frames = self.record.log_metadata, self.record.frames
        if self._metadata_is_intact and (
            metadata["watermark"] > kept or metadata["log_length"] > end
        ):
            return True
        return any(
            frame.watermark > kept
            for number, frame in enumerate(frames)
            if number < kept or self._stands_behind(kept, frame.offset, frame.size)
        )

    def _is_half_proven(self, kept: int) -> bool:
        torn, behind = self.record.torn_watermark, self.record.end_of_frames
        headers = [(frame.watermark, frame.offset) for frame in self.record.frames[kept:]]
        headers += [(torn, behind)] if torn is not None else []
        return any(
            watermark > kept and self._stands_behind(kept, offset, _FRAME_HEADER_BYTES)
            for watermark, offset in headers
        )

    def _stands_behind(self, kept: int, offset: int, length: int) -> bool:
        """Whether a piece of the log as it was can be read somewhere behind the frames kept."""
        piece = self._before[offset : offset + length]
        found = self._content.find(piece, self._end_of_broken(kept))
        while found >= 0:
            if not self._is_unreadable(found, found + length):
                return True
            found = self._content.find(piece, found + 1)
        return False

    def _end_of_broken(self, kept: int) -> int:
        """Return from where on headers count: what lies inside a frame is a caller's data."""
        frame = self.record.frames[kept]
        if self._same(frame.offset, frame.offset + _FRAME_HEADER_BYTES):
            # The header itself may still prove that its own frame was durable.
            own = frame.watermark > kept
            return frame.offset if own else frame.offset + frame.size
        return frame.offset

    @property
    def _is_reserved(self) -> bool:
        return self._metadata_is_intact and self.record.log_metadata["reserved_ahead"] > 0

    @property
    def _before(self) -> bytes:
        return self.record.files[LOG]

    def _intact_frames(self) -> int:
        """Return how many frames from the first one on are there as they were."""
        for number, frame in enumerate(self.record.frames):
            if not self._same(frame.offset, frame.offset + frame.size):
                return number
        return len(self.record.frames)

    def _same(self, begin: int, end: int) -> bool:
        return not self._is_unreadable(begin, end) and (
            self._content[begin:end] == self._before[begin:end]
        )

    def _is_unreadable(self, begin: int, end: int) -> bool:
        places = self.damaged.unreadable.get(LOG, ())
        return any(begin < behind and first < end for first, behind in places)
