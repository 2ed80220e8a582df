"""Which rules apply to damaged files: told from the bytes before and after, and from nothing else.

What is left of the evidence counts as it stands: a `recovery.marker` that is gone says that the
store was closed, unless `snapshot.marker` is there, and an older metadata.json says what it said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from wavetank.engine import PersistentState
from wavetank.scenarios.corruption.damaged_store import (
    METADATA,
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    STATE_COPIES,
    Snapshot,
    StoreRecord,
)
from wavetank.scenarios.corruption.damages import DamagedFiles
from wavetank.scenarios.corruption.log_expectation import LogExpectation, expect_log, is_intact
from wavetank.scenarios.corruption.rules import Rule

__all__ = ["Expectation", "expect"]

_PENDING_DATA: Final = f"{SNAPSHOT}.tmp"
_PENDING_META: Final = f"{SNAPSHOT_META}.tmp"
_SNAPSHOT_FILES: Final = (SNAPSHOT, SNAPSHOT_META, _PENDING_DATA, _PENDING_META, SNAPSHOT_MARKER)
_CHECKSUM_KEY: Final = b'"checksum":"'
_CHECKSUM_DIGITS: Final = 8


@frozen(kw_only=True)
class Expectation:
    """What must be made of damaged files, part by part.

    Attributes:
        state: the rule for term and vote.
        state_shown: term and vote as the newest copy that is left has them.
        metadata: the rule for metadata.json.
        snapshot: the rule for the snapshot.
        snapshot_shown: the snapshot that is left, if it is not damaged.
        log: what must be made of the log.
    """

    state: Rule
    state_shown: PersistentState
    metadata: Rule
    snapshot: Rule
    snapshot_shown: Snapshot | None
    log: LogExpectation

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rule for each part."""
        return self.state, self.metadata, self.snapshot, self.log.rule


def expect(record: StoreRecord, damaged: DamagedFiles) -> Expectation:
    """Return what must be made of `record` once its files are as `damaged` says."""
    state, state_shown = _state(record, damaged)
    snapshot, snapshot_shown = _snapshot(record, damaged)
    return Expectation(
        state=state,
        state_shown=state_shown,
        metadata=_document(record, damaged, METADATA, Rule.METADATA),
        snapshot=snapshot,
        snapshot_shown=snapshot_shown,
        log=expect_log(record, damaged, snapshot_shown),
    )


def _names_another_version(damaged: DamagedFiles, name: str) -> bool:
    try:
        found = json.loads(damaged.files.get(name, b""))
    except ValueError:
        return False
    if not isinstance(found, dict) or not str(found.get("format")).startswith("wavetank."):
        return False
    return type(found.get("version")) is int and found["version"] != 1


def _document(record: StoreRecord, damaged: DamagedFiles, name: str, otherwise: Rule) -> Rule:
    if is_intact(record, damaged, name):
        return Rule.UNTOUCHED
    if name not in damaged.unreadable and _names_another_version(damaged, name):
        return Rule.OTHER_VERSION
    return otherwise


def _state(record: StoreRecord, damaged: DamagedFiles) -> tuple[Rule, PersistentState]:
    rules = [_document(record, damaged, name, Rule.ONE_STATE_COPY) for name in STATE_COPIES]
    hurt = [rule for rule in rules if rule is not Rule.UNTOUCHED]
    if not hurt:
        return Rule.UNTOUCHED, record.state
    if Rule.OTHER_VERSION in hurt:
        return Rule.OTHER_VERSION, record.state
    left = {
        name: said
        for name in STATE_COPIES
        if name not in damaged.unreadable
        and (said := record.says(name, damaged.files.get(name))) is not None
    }
    if not left:
        return Rule.BOTH_STATE_COPIES, record.state
    sequences = {name: _number(said["sequence"]) for name, said in left.items()}
    newest = max(left, key=lambda name: sequences[name])
    state = PersistentState(_number(left[newest]["current_term"]), str(left[newest]["voted_for"]))
    if any(state == content.state for content in record.acceptable):
        return Rule.ONE_STATE_COPY, state
    is_suspect = max(sequences.values()) - min(sequences.values()) > 1 or any(
        name not in left and not _is_like(damaged.files.get(name), damaged.files[newest])
        for name in STATE_COPIES
    )
    if is_suspect and state.current_term < max(_terms(record)):
        return Rule.BOTH_STATE_COPIES, record.state
    return Rule.STATE_REVERTED, state


def _is_like(damaged: bytes | None, whole: bytes) -> bool:
    """Whether a damaged copy still shows that it said the same as a whole one."""
    begin = whole.index(_CHECKSUM_KEY) + len(_CHECKSUM_KEY)
    end = begin + _CHECKSUM_DIGITS
    held = damaged or b""
    return held[begin:end] == whole[begin:end] or held[end:] == whole[end:]


def _terms(record: StoreRecord) -> Iterator[int]:
    """Yield the terms that entries and snapshot show; two damages to the state leave them whole."""
    yield record.log.last_term
    if record.snapshot is not None:
        yield record.snapshot[0].last_included_term


def _number(value: object) -> int:
    assert isinstance(value, int), value
    return value


def _snapshot(record: StoreRecord, damaged: DamagedFiles) -> tuple[Rule, Snapshot | None]:
    if all(is_intact(record, damaged, name) for name in _SNAPSHOT_FILES):
        return Rule.UNTOUCHED, record.snapshot
    if record.before is None:
        return Rule.SNAPSHOT, record.snapshot
    for name in (SNAPSHOT_META, _PENDING_META):
        if name not in damaged.unreadable and _names_another_version(damaged, name):
            is_read = name == SNAPSHOT_META or SNAPSHOT_MARKER in damaged.files
            return (Rule.OTHER_VERSION if is_read else Rule.UNTOUCHED), record.snapshot
    found = _settled(record, damaged)
    if any(name in damaged.unreadable for name in _SNAPSHOT_FILES):
        return Rule.SNAPSHOT_UNREADABLE, found or record.before.snapshot
    if found is not None or not {SNAPSHOT, SNAPSHOT_META} & damaged.files.keys():
        return Rule.PENDING_SNAPSHOT, found
    return Rule.SNAPSHOT, record.snapshot


def _settled(record: StoreRecord, damaged: DamagedFiles) -> Snapshot | None:
    """Return the snapshot of which metadata and data are left, the newer one if it was committed.

    That it was is shown by the marker alone.
    """
    either = SNAPSHOT, _PENDING_DATA
    committed = either if SNAPSHOT_MARKER in damaged.files else ()
    for meta, places in (
        (_PENDING_META, committed),
        (SNAPSHOT_META, either),
    ):
        said = record.says(meta, damaged.files.get(meta))
        found = record.snapshot_of(_number(said["last_included_index"])) if said else None
        if found is not None and any(damaged.files.get(name) == found[1] for name in places):
            return found
    return None
