"""Whether what a store shows is right on a disk that lies, and what it is called if it is not.

What the store itself names as gone may be missing, and so may a suffix of the log that nothing
legible speaks of. After a sync that lied, each part may be as it once was. All else that is missing
was lost in silence, and all else that is there was never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.model import EMPTY, ModelState, Possible

__all__ = ["is_tolerated", "unnoticed"]

_WRONG: Final = "wrong bytes accepted"
_LOST: Final = "silent loss"
_WORDS: Final[Mapping[str, str]] = {
    "another vote in the same term": _WRONG,
    "term never saved": _WRONG,
    "term went back": _LOST,
    "acknowledged entry altered": _WRONG,
    "entry never submitted": _WRONG,
    "acknowledged entry lost": _LOST,
    "log of another extent": _LOST,
    "removed entry returned": _LOST,
    "snapshot lost": _LOST,
    "metadata with other data": _WRONG,
    "another snapshot": _WRONG,
}


def is_tolerated(seen: Observation, possible: Possible, earlier: Possible) -> bool:
    """Whether all that is missing is missing by right, and all that is there was there.

    Args:
        seen: what a store shows.
        possible: the states in which it may be.
        earlier: the states in which it may have been.
    """
    tolerated = seen.tolerated
    if (tolerated.has_lied or tolerated.is_older) and _was_once(seen, (*possible, *earlier)):
        return True
    is_told = tolerated.snapshot_gone or tolerated.log_gone_from is not None
    if not tolerated.is_damaged or (_is_fresh(seen) and not is_told):
        return False
    return any(_is_left_of(seen, state, (*earlier, *possible)) for state in possible)


def unnoticed(problem: Problem) -> Problem:
    """Return a problem of a damaged store by its own name: the damage was not noticed."""
    word = _WORDS.get(problem.kind, "damage unnoticed")
    lost_entries = problem.summary.removeprefix("acknowledged entry lost: index ")
    told = problem.summary
    if lost_entries != told:
        are = (
            f"entry {lost_entries} was"
            if lost_entries.isdigit()
            else f"entries {lost_entries} were"
        )
        told = f"{are} cut silently"
    meaning = {
        _WRONG: "the disk shows damaged bytes, and they were taken for what was written",
        _LOST: "the disk is damaged, and the loss was passed over: no error, no word in a report",
    }.get(word, "the disk is damaged, and no error told of it")
    return Problem(problem.invariant, f"{word}: {problem.kind}", f"{word}: {told} ({meaning})")


def _was_once(seen: Observation, states: Possible) -> bool:
    through = max(state.compactable_through for state in states)
    return (
        any(state.state == seen.state for state in states)
        and any(state.snapshot == seen.snapshot for state in states)
        and any(_is_log_of(seen, state, through) for state in states)
    )


def _is_left_of(seen: Observation, state: ModelState, once: Possible) -> bool:
    tolerated = seen.tolerated
    if state.state != seen.state:
        return False
    if state.snapshot != seen.snapshot and not (seen.snapshot is None and tolerated.snapshot_gone):
        return False
    if state.allows_log(seen.bounds, seen.entries):
        return True
    through = max(other.compactable_through for other in once)
    is_left = any(_is_log_of(seen, other, through) for other in once)
    if not is_left and not _is_only_snapshot(seen):
        return False
    if tolerated.legible_end == seen.bounds.last_index:
        return True
    gone_from = tolerated.log_gone_from
    return gone_from is not None and gone_from <= _first_difference(seen, state)


def _is_only_snapshot(seen: Observation) -> bool:
    """Whether the log ended before the snapshot, which stands in its place now."""
    if seen.snapshot is None or seen.entries:
        return False
    index, term = seen.snapshot[0].last_included_index, seen.snapshot[0].last_included_term
    return (seen.bounds.last_index, seen.bounds.last_term) == (index, term)


def _is_log_of(seen: Observation, state: ModelState, through: int) -> bool:
    """Whether this is the log of a state, or a part of it from its beginning on."""
    first, last = seen.bounds.first_index, seen.bounds.last_index
    if not state.base_index < first <= max(state.base_index, through) + 1:
        return False
    part = state.log_from(first)[: last - first + 1]
    return part == seen.entries and state.term_at(last) in (None, seen.bounds.last_term)


def _first_difference(seen: Observation, state: ModelState) -> int:
    entries = state.log_from(seen.bounds.first_index)
    for mine, theirs in zip(seen.entries, entries, strict=False):
        if mine != theirs:
            return mine.index
    return seen.bounds.first_index + min(len(seen.entries), len(entries))


def _is_fresh(seen: Observation) -> bool:
    """Whether the store shows nothing at all, as a new one does that has nothing to report."""
    shown = seen.as_model()
    return (shown.state, shown.last_index, shown.snapshot) == (EMPTY.state, 0, None)
