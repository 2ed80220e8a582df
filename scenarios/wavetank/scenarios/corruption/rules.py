"""What a damaged store may answer: the table of rules, and which of them apply to a damage.

The rules say what each damage must get, not what the engine does with it.
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
    BOTH_STATE_COPIES = "both copies of the state are damaged, missing, or older than the log shows"
    STATE_REVERTED = "one copy of the state is older, the other too or gone, and nothing shows it"
    METADATA = "metadata.json is damaged, missing or older"
    OTHER_VERSION = "a document names another version"
    SNAPSHOT = "data or metadata of the snapshot are damaged, missing or older"
    PENDING_SNAPSHOT = "a snapshot is damaged while another one is saved, and one of them is left"
    SNAPSHOT_UNREADABLE = "a file of a snapshot cannot be read while another one is saved"
    LOG_MISSING = "log.dat is missing, or is an older one than metadata.json knows"
    LOG_HEADER = "the log's header is damaged, and metadata.json says the same"
    HEADER_UNPROVEN = "the log's header is damaged, and metadata.json or the first frame too"
    HEADER_AND_BATCH = "the log's header is damaged, and the end of the log, above every watermark"
    HEADER_AND_FRAME = "the log's header is damaged, and a frame that was acknowledged"
    HEADER_AND_SUFFIX = "the log's header is damaged, and a suffix lost that nothing speaks of"
    HEADER_OF_ANOTHER = "an older log's header stands in the log, and metadata.json is lost"
    ACKNOWLEDGED_FRAME = "a frame is damaged that a watermark covers"
    NEWEST_BATCH = "the last batch that anything speaks of is damaged, above every watermark"
    CLOSED_END = "the end is broken of a log that seems closed, and nothing says that it ends there"
    CLOSED_EARLY = "metadata.json or the marker wrongly say that a log was closed before the damage"
    BEHIND_A_CLOSED_LOG = "bytes lie behind the end of a cleanly closed log"
    BEHIND_THE_LOG = "the remains of an append, or other bytes, lie behind the last frame"
    RESERVED_IN_DOUBT = "zeros follow the log, and metadata.json, which says why, is lost"
    LOST_SUFFIX = "the log ends at a frame boundary above the last watermark outside of it"
    UNREADABLE_LOG = "a part of the log that no watermark covers cannot be read"
    OLDER_STORE = "log.dat is older, and so is metadata.json, or it is lost"


_EVERY_MODE: Final = tuple(RecoveryMode)


def _in_every_mode(*outcomes: Outcome) -> Mapping[RecoveryMode, frozenset[Outcome]]:
    return dict.fromkeys(_EVERY_MODE, frozenset(outcomes))


def _refused_but_aggressive(outcome: Outcome) -> Mapping[RecoveryMode, frozenset[Outcome]]:
    return {**_in_every_mode(Outcome.DETECTED), RecoveryMode.AGGRESSIVE: frozenset({outcome})}


RULES: Final[Mapping[Rule, Mapping[RecoveryMode, frozenset[Outcome]]]] = {
    Rule.UNTOUCHED: _in_every_mode(Outcome.CORRECT),
    Rule.ONE_STATE_COPY: _in_every_mode(Outcome.CORRECT),
    Rule.BOTH_STATE_COPIES: _in_every_mode(Outcome.DETECTED),
    Rule.STATE_REVERTED: _in_every_mode(Outcome.UNDETECTABLE),
    Rule.METADATA: _in_every_mode(Outcome.CORRECT),
    Rule.OTHER_VERSION: _in_every_mode(Outcome.DETECTED),
    Rule.SNAPSHOT: _in_every_mode(Outcome.DETECTED),
    Rule.PENDING_SNAPSHOT: _in_every_mode(Outcome.CORRECT),
    Rule.SNAPSHOT_UNREADABLE: _in_every_mode(Outcome.CORRECT, Outcome.DETECTED),
    Rule.LOG_MISSING: _in_every_mode(Outcome.DETECTED),
    Rule.LOG_HEADER: _refused_but_aggressive(Outcome.CORRECT),
    Rule.HEADER_UNPROVEN: _in_every_mode(Outcome.DETECTED),
    Rule.HEADER_AND_BATCH: _refused_but_aggressive(Outcome.AMBIGUOUS),
    Rule.HEADER_AND_FRAME: _in_every_mode(Outcome.DETECTED),
    Rule.HEADER_AND_SUFFIX: _refused_but_aggressive(Outcome.UNDETECTABLE),
    Rule.HEADER_OF_ANOTHER: _in_every_mode(
        # Correct where a log without entries stands beside the snapshot that holds all.
        Outcome.CORRECT,
        Outcome.DETECTED,
        Outcome.AMBIGUOUS,
    ),
    Rule.ACKNOWLEDGED_FRAME: _in_every_mode(Outcome.DETECTED),
    Rule.NEWEST_BATCH: _in_every_mode(Outcome.AMBIGUOUS),
    Rule.CLOSED_END: _in_every_mode(Outcome.DETECTED),
    Rule.CLOSED_EARLY: _in_every_mode(Outcome.UNDETECTABLE),
    Rule.BEHIND_A_CLOSED_LOG: _in_every_mode(Outcome.CORRECT),
    Rule.BEHIND_THE_LOG: _in_every_mode(Outcome.AMBIGUOUS),
    Rule.RESERVED_IN_DOUBT: _in_every_mode(Outcome.AMBIGUOUS),
    Rule.LOST_SUFFIX: _in_every_mode(Outcome.UNDETECTABLE),
    Rule.UNREADABLE_LOG: _in_every_mode(Outcome.DETECTED),
    Rule.OLDER_STORE: _in_every_mode(Outcome.UNDETECTABLE),
}
"""The outcomes that are right, by rule and mode."""
