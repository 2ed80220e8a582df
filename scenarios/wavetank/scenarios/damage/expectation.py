"""Which rules apply to damaged files: told from the bytes before and after, and from nothing else.

What is left of the evidence counts as it stands: a `recovery.marker` that is gone says that the
store was closed, and an older metadata.json says what it said. Left out: what the rules allow
(rules.py), and log.dat (log_expectation.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from wavetank.engine import PersistentState
from wavetank.scenarios.damage.damaged_store import (
    METADATA,
    SNAPSHOT,
    SNAPSHOT_META,
    STATE_COPIES,
    StoreRecord,
)
from wavetank.scenarios.damage.damages import DamagedFiles
from wavetank.scenarios.damage.log_expectation import LogExpectation, expect_log, is_intact
from wavetank.scenarios.damage.rules import Rule

__all__ = ["Expectation", "expect"]

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
        log: what must be made of the log.
    """

    state: Rule
    state_shown: PersistentState
    metadata: Rule
    snapshot: Rule
    log: LogExpectation

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rule for each part."""
        return self.state, self.metadata, self.snapshot, self.log.rule


def expect(record: StoreRecord, damaged: DamagedFiles) -> Expectation:
    """Return what must be made of `record` once its files are as `damaged` says."""
    state, shown = _state(record, damaged)
    return Expectation(
        state=state,
        state_shown=shown,
        metadata=_document(record, damaged, METADATA, Rule.METADATA),
        snapshot=_snapshot(record, damaged),
        log=expect_log(record, damaged),
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
    if Rule.OTHER_VERSION in hurt:
        return Rule.OTHER_VERSION, record.state
    if len(hurt) < len(STATE_COPIES):
        return hurt[0] if hurt else Rule.UNTOUCHED, record.state
    return _both_copies(record, damaged)


def _both_copies(record: StoreRecord, damaged: DamagedFiles) -> tuple[Rule, PersistentState]:
    """Judge that neither copy is as it was: what is left, if anything, is older."""
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


def _snapshot(record: StoreRecord, damaged: DamagedFiles) -> Rule:
    if all(is_intact(record, damaged, name) for name in (SNAPSHOT, SNAPSHOT_META)):
        return Rule.UNTOUCHED
    return Rule.SNAPSHOT
