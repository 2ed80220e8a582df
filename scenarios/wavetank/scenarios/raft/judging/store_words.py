"""What a Raft store had to show, and what it shows, in lines of words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wavetank.engine import LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.model import ModelState, Possible

__all__ = ["promised_lines", "shown_lines", "told_log", "told_snapshot", "told_state"]

_MOST_ENTRIES: Final = 6
_MOST_BYTES: Final = 24
_MOST_ALTERNATIVES: Final = 3


def promised_lines(possible: Possible, shown: Observation | None = None) -> tuple[str, ...]:
    """Return what a store had to show: vote, log and snapshot, one line each.

    Args:
        possible: every state in which it may be.
        shown: what it shows; entries that differ have a line each.

    >>> from wavetank.scenarios import EMPTY
    >>> promised_lines((EMPTY,))
    ('term 0, no vote', 'no log entry', 'no snapshot')
    """
    entries = () if shown is None else _differing(possible, shown)
    return (
        _either(told_state(each.state) for each in possible),
        _either(told_log(each) for each in possible),
        _either(told_snapshot(each.snapshot) for each in possible),
        *(_promised_entry(index, possible) for index in entries),
    )


def shown_lines(shown: Observation, possible: Possible = ()) -> tuple[str, ...]:
    """Return what a store shows: vote, log and snapshot, and each entry that differs, a line each.

    Args:
        shown: all that it shows.
        possible: every state in which it may be; () if nobody knows.
    """
    held = {entry.index: entry for entry in shown.entries}
    entries = _differing(possible, shown) if possible else ()
    contradictions = [each.summary for each in shown.problems]
    return (
        told_state(shown.state),
        told_log(shown.as_model()),
        told_snapshot(shown.snapshot),
        *(_told_entry(index, held.get(index)) for index in entries),
        *contradictions,
    )


def told_state(state: PersistentState) -> str:
    """Return term and vote in words.

    >>> told_state(PersistentState(1, "node-d"))
    "term 1, vote for 'node-d'"
    """
    vote = f"vote for {state.voted_for!r}" if state.voted_for else "no vote"
    return f"term {state.current_term}, {vote}"


def told_log(state: ModelState) -> str:
    """Return the extent of a log in words."""
    first, last = state.base_index + 1, state.last_index
    if first > last:
        return f"no log entry behind index {last}" if last else "no log entry"
    told = f"log {first}..{last}, last term {state.entries[-1].term}"
    through = min(state.compactable_through, last)
    if through < first:
        return told
    return f"{told}; the entries up to {through} may be compacted away"


def told_snapshot(snapshot: tuple[SnapshotMetadata, bytes] | None) -> str:
    """Return a snapshot in words."""
    if snapshot is None:
        return "no snapshot"
    metadata, data = snapshot
    return (
        f"snapshot of index {metadata.last_included_index}, term "
        f"{metadata.last_included_term}: {_told_bytes(data)}"
    )


def _promised_entry(index: int, possible: Possible) -> str:
    return _either(_told_entry(index, _entry_at(state, index)) for state in possible)


def _entry_at(state: ModelState, index: int) -> LogEntry | None:
    behind = state.log_from(index)
    return behind[0] if behind and behind[0].index == index else None


def _told_entry(index: int, entry: LogEntry | None) -> str:
    if entry is None:
        return f"entry {index}: none"
    return f"entry {index}: term {entry.term}, {_told_bytes(entry.command)}"


def _told_bytes(content: bytes) -> str:
    more = "..." if len(content) > _MOST_BYTES else ""
    return f"{len(content)} bytes {content[:_MOST_BYTES]!r}{more}"


def _differing(possible: Possible, shown: Observation) -> tuple[int, ...]:
    """Return the first indices at which an entry is shown that no possible state has there."""
    known = {entry for state in possible for entry in state.entries}
    found = (entry.index for entry in shown.entries if entry not in known)
    return tuple(found)[:_MOST_ENTRIES]


def _either(alternatives: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(alternatives))
    more = len(distinct) - _MOST_ALTERNATIVES
    others = [f"{more} others"] if more > 0 else []
    return ", or ".join(distinct[:_MOST_ALTERNATIVES] + others)
