"""A workload with steps left out, made legal again: what a node may ask of its store.

Indices follow from the steps before, so a step that stays is moved with them: an append comes
behind the last entry, a truncation takes as many entries as it did. `is_legal` holds a workload to
the rules that Raft makes for calls, so that a store is not blamed for refusing what no node asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import evolve

from wavetank.engine import FileStorageOptions, SnapshotMetadata
from wavetank.scenarios.raft.model import EMPTY, ModelState, acknowledge
from wavetank.scenarios.raft.steps import (
    Append,
    OpenAgain,
    OpenStore,
    Read,
    Refused,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
)
from wavetank.scenarios.raft.workloads.fitted_workload import is_gap

__all__ = ["is_legal", "refitted", "states_before"]

_LONGEST_NAME: Final = 1 << 20
"""Bytes of a candidate's name that no store of ours takes."""


def states_before(steps: Iterable[Step], options: FileStorageOptions) -> Iterator[ModelState]:
    """Yield what programs see before each step."""
    state = EMPTY
    for step in steps:
        yield state
        state = acknowledge((state,), step, options)[-1]


def refitted(
    steps: Sequence[tuple[Step, ModelState]], options: FileStorageOptions
) -> tuple[Step, ...]:
    """Return steps with the indices that they have behind one another.

    Args:
        steps: each with what programs saw before it where it comes from.
        options: of the store.

    >>> from wavetank.engine import LogEntry
    >>> steps = [OpenStore(), *(Append((LogEntry(index, 1, b""),)) for index in (1, 2, 3))]
    >>> states = states_before(steps, FileStorageOptions())
    >>> pairs = list(zip(steps, states, strict=True))
    >>> [str(step) for step in refitted([pairs[0], pairs[3]], FileStorageOptions())]
    ['open the store', 'append entry 1 of term 1']
    """
    fitted: list[Step] = []
    state = EMPTY
    for step, before in steps:
        moved = _moved(step, before, state)
        fitted.append(moved)
        state = acknowledge((state,), moved, options)[-1]
    return tuple(fitted)


def is_legal(steps: Sequence[Step], options: FileStorageOptions) -> bool:
    """Whether a node that keeps to Raft's rules may ask these steps of its store."""
    if not steps or not isinstance(steps[0], OpenStore):
        return False
    states = states_before(steps, options)
    return all(
        _may_follow(step, state, options) and (number == 0) == isinstance(step, OpenStore)
        for number, (step, state) in enumerate(zip(steps, states, strict=True))
    )


def _moved(step: Step, before: ModelState, now: ModelState) -> Step:
    """Return a step where another state comes before it."""
    if isinstance(step, Append):
        first = now.last_index + 1
        return Append(
            tuple(evolve(each, index=first + place) for place, each in enumerate(step.entries))
        )
    by = now.last_index - before.last_index
    if isinstance(step, TruncateSuffix | TruncatePrefix):
        return type(step)(max(step.index + by, 1))
    if isinstance(step, Read):
        return Read(max(step.start + by, 1), max(step.end + by, 2))
    if isinstance(step, SaveSnapshot):
        return _moved_snapshot(step, by, now)
    return step


def _moved_snapshot(step: SaveSnapshot, by: int, now: ModelState) -> SaveSnapshot:
    index = max(step.metadata.last_included_index + by, 1)
    term = now.term_at(index)
    if term is None or not by:
        term = step.metadata.last_included_term
    return evolve(step, metadata=SnapshotMetadata(index, term))


def _may_follow(step: Step, state: ModelState, options: FileStorageOptions) -> bool:
    kept_from = max(state.base_index, state.compactable_through)
    covered = _covered(state)
    may = True
    match step:
        case SaveState():
            may = _is_next(step, state)
        case Append():
            terms = [state.term_at(state.last_index) or 0, *(each.term for each in step.entries)]
            follows = bool(step.entries) and not is_gap(step, state)
            may = follows and terms == sorted(terms)
        case Read():
            may = kept_from < step.start < step.end <= state.last_index + 1
        case TruncateSuffix():
            # One from below the first entry on removes all, one behind the last removes nothing.
            first = 0 if not covered else max(kept_from, covered) + 1
            may = first <= step.index <= state.last_index + 1
        case TruncatePrefix():
            end = covered if options.compaction_requires_snapshot else state.last_index
            may = 1 <= step.index <= end + 1
        case SaveSnapshot():
            may = _is_newer(step, state)
        case Refused():
            # Else a store that takes it would be right.
            may = _is_refused(step, state, options)
    return may


def _is_refused(step: Refused, state: ModelState, options: FileStorageOptions) -> bool:
    inner = step.step
    if isinstance(inner, OpenAgain):
        return True
    return not _may_follow(inner, state, options) or _is_too_large(inner, options)


def _is_too_large(step: Step, options: FileStorageOptions) -> bool:
    match step:
        case SaveState():
            return len(step.state.voted_for.encode()) > _LONGEST_NAME
        case Append():
            return any(len(each.command) > options.max_entry_size for each in step.entries)
    return False


def _is_next(step: SaveState, state: ModelState) -> bool:
    term, vote = state.state.current_term, state.state.voted_for
    if step.state.current_term != term:
        return step.state.current_term > term
    return step.state.voted_for == vote or not vote


def _is_newer(step: SaveSnapshot, state: ModelState) -> bool:
    """Whether it covers more than the last one, and nothing that went without a snapshot.

    Its term may be lower than that of the log there, if no leader of that term was heard of again,
    but not lower than that of what is known to count.
    """
    index, term = step.metadata.last_included_index, step.metadata.last_included_term
    if index < state.base_index:
        return False
    if state.snapshot is not None and step.metadata == state.snapshot[0]:
        return True  # the same once more
    last = 0 if state.snapshot is None else state.snapshot[0].last_included_term
    return index > _covered(state) and term >= last


def _covered(state: ModelState) -> int:
    return 0 if state.snapshot is None else state.snapshot[0].last_included_index
