"""What a Raft node may do next, from what its store shows: steps made of a few small numbers.

A node keeps Raft's rules: terms never fall, one vote in a term, nothing that a snapshot covers is
taken back, nothing is compacted that none covers. Numbers count from the end of the log, so that
the same ones mean something on any store.
"""

from __future__ import annotations

from wavetank.engine import LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.raft.steps import (
    Append,
    Read,
    Refused,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
)
from wavetank.scenarios.raft.workloads.boundary_values import LARGEST

__all__ = [
    "append_move",
    "compaction_move",
    "conflict_move",
    "installation_move",
    "new_work",
    "read_move",
    "snapshot_move",
    "stale_snapshot_move",
    "stale_vote_move",
    "vote_move",
]


def vote_move(shown: ModelState, *, terms_ahead: int, candidate: str) -> SaveState:
    """Return a save of a term that is so many ahead, at least 1, with a vote if it is still free.

    >>> from wavetank.scenarios import EMPTY
    >>> vote_move(EMPTY, terms_ahead=0, candidate="node-a").state
    PersistentState(current_term=1, voted_for='node-a')
    """
    now = shown.state
    term = max(1, now.current_term + terms_ahead)
    has_voted = term == now.current_term and now.voted_for
    return SaveState(PersistentState(term, now.voted_for if has_voted else candidate))


def append_move(shown: ModelState, *, sizes_bytes: tuple[int, ...], mark: int) -> Append:
    """Return an append of a batch behind the log.

    Args:
        shown: what the store shows.
        sizes_bytes: of each entry's command.
        mark: makes the commands differ from others.
    """
    term = _term(shown)
    return Append(
        tuple(
            LogEntry(shown.last_index + 1 + place, term, _filled(mark + place, size))
            for place, size in enumerate(sizes_bytes)
        )
    )


def conflict_move(shown: ModelState, *, count: int) -> TruncateSuffix | None:
    """Return the removal of so many entries at the end; None if no leader may take them back."""
    index = shown.last_index + 1 - count
    settled = max(shown.base_index, shown.compactable_through, _covered(shown))
    return TruncateSuffix(index) if settled < index <= shown.last_index else None


def compaction_move(
    shown: ModelState, *, keep: int, needs_snapshot: bool = True
) -> TruncatePrefix | None:
    """Return the removal of all but so many entries; None if nothing is to be removed.

    Args:
        shown: what the store shows.
        keep: entries that stay, more where no snapshot covers the others.
        needs_snapshot: whether only what a snapshot covers may go.
    """
    index = shown.last_index + 1 - keep
    if needs_snapshot:
        index = min(index, _covered(shown) + 1)
    return TruncatePrefix(index) if index > shown.base_index + 1 else None


def snapshot_move(shown: ModelState, *, back: int, size_bytes: int) -> SaveSnapshot | None:
    """Return a snapshot of all but the last `back` entries; None if there is one already."""
    index = shown.last_index - back
    term = shown.term_at(index) if index > _covered(shown) else None
    if term is None:
        return None
    return SaveSnapshot(SnapshotMetadata(index, term), _filled(index, size_bytes))


def installation_move(shown: ModelState, *, ahead: int, size_bytes: int) -> SaveSnapshot:
    """Return a leader's snapshot that is `ahead` entries, at least 1, beyond the log."""
    index = shown.last_index + max(1, ahead)
    return SaveSnapshot(SnapshotMetadata(index, _term(shown)), _filled(index, size_bytes))


def read_move(shown: ModelState, *, back: int, count: int) -> Read | None:
    """Return a read of `count` entries that begins `back` entries before the end."""
    start = max(shown.base_index, shown.compactable_through, shown.last_index - back) + 1
    end = min(shown.last_index + 1, start + count)
    return Read(start, end) if start < end else None


def stale_vote_move(shown: ModelState) -> Refused | None:
    """Return a save of an earlier term, which must be refused; None if there was none."""
    term = shown.state.current_term - 1
    return Refused(SaveState(PersistentState(term, "stale"))) if term > 0 else None


def stale_snapshot_move(shown: ModelState) -> Refused | None:
    """Return a save of an earlier snapshot, which must be refused; None if there was none."""
    if shown.snapshot is None or shown.snapshot[0].last_included_index <= 1:
        return None
    metadata = SnapshotMetadata(shown.snapshot[0].last_included_index - 1, 1)
    return Refused(SaveSnapshot(metadata, b"stale"))


def new_work(shown: ModelState, command: bytes, *, has_votes: bool) -> tuple[Step, ...]:
    """Return what any store must take once it has recovered: an entry, and a vote in the next term.

    At the largest term or index there is no next one, and the step that needs it is left out.

    Args:
        shown: what the store shows.
        command: of the entry.
        has_votes: whether the store saves term and vote.

    >>> from wavetank.scenarios import EMPTY
    >>> [str(step) for step in new_work(EMPTY, b"after the crash", has_votes=True)]
    ['append entry 1 of term 1', 'save state: term 1, vote for second-generation']
    """
    now = shown.state
    term = min(LARGEST, max(now.current_term, shown.term_at(shown.last_index) or 0) + 1)
    steps: list[Step] = []
    if shown.last_index < LARGEST:
        steps.append(Append((LogEntry(shown.last_index + 1, term, command),)))
    if has_votes and not (term == now.current_term and now.voted_for):
        steps.append(SaveState(PersistentState(term, "second-generation")))
    return tuple(steps)


def _covered(shown: ModelState) -> int:
    return 0 if shown.snapshot is None else shown.snapshot[0].last_included_index


def _term(shown: ModelState) -> int:
    """Return the term of what a leader sends now."""
    return max(1, shown.state.current_term, shown.term_at(shown.last_index) or 0)


def _filled(mark: int, size_bytes: int) -> bytes:
    word = b"%d." % mark
    return (word * (size_bytes // len(word) + 1))[:size_bytes]
