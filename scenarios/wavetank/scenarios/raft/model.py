"""The reference model: a plain Raft store in memory, and what may be on disk while it works.

`ModelState` is one state of a store; `begin` and `acknowledge` say which states are possible while
a step runs and once it has returned. Since a crash may come at any moment, what is known is always
a *set* of states: a step in flight widens it, its acknowledgement narrows it.

It knows nothing of files, crashes or the engine's way of doing things. A background compaction has
no acknowledgement, so a state carries how far one may have come (`compactable_through`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from attrs import evolve, field, frozen

from wavetank.engine import (
    FileStorageOptions,
    LogBounds,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
)
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
    Close,
    Interrupted,
    KillProcess,
    OpenStore,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
)

__all__ = ["EMPTY", "ModelState", "Possible", "acknowledge", "begin", "settles_log"]


@frozen(kw_only=True, cache_hash=True)
class ModelState:
    """One state of a Raft store.

    Attributes:
        state: term and vote.
        base_index: index of the last entry removed from the front; 0 if none ever was.
        base_term: its term; None where nobody knows.
        entries: the log behind the base.
        compactable_through: highest index that background compaction may have removed.
        snapshot: metadata and data, or None.
    """

    state: PersistentState = field(factory=lambda: PersistentState(0, ""))
    base_index: int = 0
    base_term: int | None = 0
    entries: tuple[LogEntry, ...] = ()
    compactable_through: int = 0
    snapshot: tuple[SnapshotMetadata, bytes] | None = None

    @property
    def last_index(self) -> int:
        """Index of the last entry, or of the base."""
        return self.base_index + len(self.entries)

    def term_at(self, index: int) -> int | None:
        """Return the term at `index` within the log or at its base, None elsewhere."""
        if index == self.base_index:
            return self.base_term
        if self.base_index < index <= self.last_index:
            return self.entries[index - self.base_index - 1].term
        return None

    def log_from(self, first_index: int) -> tuple[LogEntry, ...]:
        """Return the entries from `first_index` on."""
        return self.entries[max(0, first_index - self.base_index - 1) :]

    def allows_log(self, bounds: LogBounds, entries: tuple[LogEntry, ...]) -> bool:
        """Whether a store in this state may show this log."""
        first = bounds.first_index
        latest_first = max(self.base_index, self.compactable_through) + 1
        if not self.base_index < first <= latest_first or bounds.last_index != self.last_index:
            return False
        term = self.term_at(self.last_index)
        return self.log_from(first) == entries and term in (None, bounds.last_term)


EMPTY = ModelState()

Possible: TypeAlias = tuple[ModelState, ...]
"""Every state that the store may be in; never empty, no state twice. Programs see the last."""


def begin(
    possible: Possible, step: Step, options: FileStorageOptions, promises: Contract | None = None
) -> Possible:
    """Return the states possible while `step` runs: not begun, or done."""
    return _distinct((*possible, *acknowledge(possible, step, options, promises)))


def acknowledge(
    possible: Possible, step: Step, options: FileStorageOptions, promises: Contract | None = None
) -> Possible:
    """Return the states possible once `step` has returned without an error.

    What programs see is the last of them. A call that was cancelled or interrupted has been made
    again by then. Where appends are not durable on return, those before it lack the newest batches,
    until a step makes the whole log durable.

    Args:
        possible: the states before it.
        step: what has returned.
        options: of the store.
        promises: what the store is held to; None: what its options say.
    """
    if isinstance(step, (Cancelled, Interrupted)):
        return acknowledge(possible, step.step, options, promises)
    durable = (promises or Contract.of(options)).appends_durable
    done = tuple(_apply(state, step, options, durable=durable) for state in possible)
    if durable:
        return _distinct(done)
    if isinstance(step, Append):
        longer = (
            after for before, after in zip(possible, done, strict=True) if after is not before
        )
        return _distinct((*possible, *longer))
    settles = settles_log(step) and (not isinstance(step, TruncateSuffix) or done != possible)
    return done[-1:] if settles else _distinct(done)


def settles_log(step: object) -> bool:
    """Whether a step that changes anything leaves the whole log durable, whatever the options."""
    return isinstance(step, OpenStore | Reopen | KillProcess | TruncateSuffix | Close)


def _apply(
    state: ModelState, step: Step, options: FileStorageOptions, *, durable: bool
) -> ModelState:
    if isinstance(step, SaveState):
        return evolve(state, state=step.state)
    if isinstance(step, Append):
        # Behind a batch that was lost nothing is kept.
        follows = step.entries[0].index == state.last_index + 1
        return evolve(state, entries=state.entries + step.entries) if follows or durable else state
    if isinstance(step, TruncateSuffix):
        kept = max(0, step.index - state.base_index - 1)
        return evolve(state, entries=state.entries[:kept])
    if isinstance(step, TruncatePrefix):
        return _truncate_prefix(state, step.index, options)
    if isinstance(step, SaveSnapshot):
        return _save_snapshot(state, step, options)
    return state


def _truncate_prefix(state: ModelState, index: int, options: FileStorageOptions) -> ModelState:
    first = min(index, state.last_index + 1 - options.retained_log_size)
    covered = 0 if state.snapshot is None else state.snapshot[0].last_included_index
    # What the snapshot covers may go with it: how many entries a store keeps behind is its own
    # business, since no promise to a node depends on them.
    through = max(state.compactable_through, min(index - 1, covered))
    state = evolve(state, compactable_through=through)
    if first <= state.base_index + 1:
        return state
    return evolve(
        state,
        base_index=first - 1,
        base_term=state.term_at(first - 1),
        entries=state.log_from(first),
    )


def _save_snapshot(
    state: ModelState, step: SaveSnapshot, options: FileStorageOptions
) -> ModelState:
    index, term = step.metadata.last_included_index, step.metadata.last_included_term
    saved = evolve(state, snapshot=(step.metadata, step.data))
    # As in Raft's InstallSnapshot: a log that does not hold the snapshot's entry is another branch.
    if index > state.last_index or state.term_at(index) not in (term, None):
        return evolve(
            saved, base_index=index, base_term=term, entries=(), compactable_through=index
        )
    return evolve(saved, compactable_through=index) if options.auto_truncate_on_snapshot else saved


def _distinct(states: Iterable[ModelState]) -> Possible:
    """Return each state once, where it stands last."""
    found: list[ModelState] = []
    for state in reversed(tuple(states)):
        if state not in found:
            found.append(state)
    return tuple(reversed(found))
