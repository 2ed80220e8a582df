"""What a damaged store may answer: the table of rules, and which of them apply to a damage.

The rules say what each damage must get, not what the engine does with it. Left out: which of them
apply (expectation.py), asking the engine (opened.py), holding its answers to them (verdict.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from wavetank.engine import RecoveryMode

__all__ = ["RULES", "Outcome", "Rule"]


class Outcome(Enum):
    """What an open made of a damaged store, in one word.

    Attributes:
        CORRECT: everything that was acknowledged is shown.
        DETECTED: a typed error, or a loss that the report names.
        AMBIGUOUS: the end of the log may be an unfinished append or damage, and the engine says so.
        UNDETECTABLE: the end of the log is gone, and nothing is left that could show it.
    """

    CORRECT = "correct"
    DETECTED = "detected"
    AMBIGUOUS = "ambiguous"
    UNDETECTABLE = "undetectable"


class Rule(Enum):
    """A kind of damage that gets an answer of its own, as one line for people."""

    UNTOUCHED = "nothing that counts is damaged"
    ONE_STATE_COPY = "one copy of the state is damaged, missing or older"
    BOTH_STATE_COPIES = "both copies of the state are damaged, missing or older"
    METADATA = "metadata.json is damaged, missing or older"
    OTHER_VERSION = "a document names another version"
    READ_ERROR = "a document cannot be read, though another file says the same"
    SNAPSHOT = "data or metadata of the snapshot are damaged, missing or older"
    LOG_MISSING = "log.dat is missing, or is an older one than metadata.json knows"
    LOG_HEADER = "the log's header is damaged"
    HEADER_AND_MORE = "the log's header is damaged, and bytes behind it too"
    HEADER_AND_SUFFIX = "the log's header is damaged, and a suffix lost that nothing speaks of"
    ACKNOWLEDGED_FRAME = "a frame is damaged that a watermark covers"
    HALF_PROVEN_FRAME = "a frame is damaged that only the header of a damaged frame covers"
    NEWEST_BATCH = "the last batch that anything speaks of is damaged, above every watermark"
    CLOSED_BATCH = "a frame is damaged in a cleanly closed store, whose metadata.json is lost too"
    BEHIND_A_CLOSED_LOG = "bytes lie behind the end of a cleanly closed log"
    BEHIND_A_LOG_UNKNOWN = "as before, and metadata.json, which says where the log ends, is lost"
    BEHIND_THE_LOG = "bytes behind the last frame are damaged, or were added"
    RESERVED_IN_DOUBT = "zeros follow the log, and metadata.json, which says why, is lost"
    LOST_SUFFIX = "the log ends at a frame boundary above the last watermark outside of it"
    UNREADABLE_LOG = "a part of the log that no watermark covers cannot be read"
    UNREADABLE_TAIL = "bytes behind the last frame cannot be read"
    OLDER_STORE = "log.dat is older, and so is metadata.json, or it is lost"


_CORRECT: Final = frozenset({Outcome.CORRECT})
_DETECTED: Final = frozenset({Outcome.DETECTED})
_AMBIGUOUS: Final = frozenset({Outcome.AMBIGUOUS})
_EVERY_MODE: Final = tuple(RecoveryMode)


def _in_every_mode(*outcomes: Outcome) -> Mapping[RecoveryMode, frozenset[Outcome]]:
    return dict.fromkeys(_EVERY_MODE, frozenset(outcomes))


RULES: Final[Mapping[Rule, Mapping[RecoveryMode, frozenset[Outcome]]]] = {
    Rule.UNTOUCHED: _in_every_mode(Outcome.CORRECT),
    Rule.ONE_STATE_COPY: _in_every_mode(Outcome.CORRECT),
    Rule.BOTH_STATE_COPIES: _in_every_mode(Outcome.DETECTED),
    Rule.METADATA: _in_every_mode(Outcome.CORRECT),
    Rule.OTHER_VERSION: _in_every_mode(Outcome.CORRECT, Outcome.DETECTED),
    Rule.READ_ERROR: _in_every_mode(Outcome.CORRECT, Outcome.DETECTED),
    Rule.SNAPSHOT: _in_every_mode(Outcome.DETECTED),
    Rule.LOG_MISSING: _in_every_mode(Outcome.DETECTED),
    Rule.LOG_HEADER: {
        RecoveryMode.CONSERVATIVE: _DETECTED,
        RecoveryMode.NORMAL: _DETECTED,
        # metadata.json may hold all that the header said.
        RecoveryMode.AGGRESSIVE: _DETECTED | _CORRECT,
    },
    Rule.HEADER_AND_MORE: {
        RecoveryMode.CONSERVATIVE: _DETECTED,
        RecoveryMode.NORMAL: _DETECTED,
        RecoveryMode.AGGRESSIVE: _DETECTED | _CORRECT | _AMBIGUOUS,
    },
    Rule.HEADER_AND_SUFFIX: {
        RecoveryMode.CONSERVATIVE: _DETECTED,
        RecoveryMode.NORMAL: _DETECTED,
        RecoveryMode.AGGRESSIVE: _DETECTED | {Outcome.UNDETECTABLE},
    },
    Rule.ACKNOWLEDGED_FRAME: _in_every_mode(Outcome.DETECTED),
    Rule.HALF_PROVEN_FRAME: _in_every_mode(Outcome.DETECTED, Outcome.AMBIGUOUS),
    Rule.NEWEST_BATCH: _in_every_mode(Outcome.AMBIGUOUS),
    Rule.CLOSED_BATCH: _in_every_mode(Outcome.DETECTED),
    Rule.BEHIND_A_CLOSED_LOG: _in_every_mode(Outcome.CORRECT),
    Rule.BEHIND_A_LOG_UNKNOWN: _in_every_mode(Outcome.CORRECT, Outcome.DETECTED),
    Rule.BEHIND_THE_LOG: _in_every_mode(Outcome.CORRECT, Outcome.AMBIGUOUS),
    Rule.RESERVED_IN_DOUBT: _in_every_mode(Outcome.CORRECT, Outcome.AMBIGUOUS),
    Rule.LOST_SUFFIX: _in_every_mode(Outcome.UNDETECTABLE, Outcome.DETECTED),
    Rule.UNREADABLE_LOG: _in_every_mode(Outcome.DETECTED, Outcome.AMBIGUOUS),
    Rule.UNREADABLE_TAIL: _in_every_mode(Outcome.CORRECT, Outcome.DETECTED, Outcome.AMBIGUOUS),
    Rule.OLDER_STORE: _in_every_mode(Outcome.UNDETECTABLE, Outcome.DETECTED, Outcome.AMBIGUOUS),
}
"""The outcomes that are right, by rule and mode."""
