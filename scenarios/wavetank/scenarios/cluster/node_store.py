"""A node's door to its store: the calls it makes, noted with what the store had promised when.

`Ledger` keeps every state in which the store may be (the model's), so that what it shows after a
crash can be held against what it had acknowledged before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from wavetank.engine import (
    FileStorageOptions,
    LogBounds,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    Storage,
)
from wavetank.scenarios.raft.driving.step_calls import call
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.model import EMPTY, ModelState, Possible, acknowledge, begin
from wavetank.scenarios.raft.steps import (
    Append,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
)

__all__ = ["Ledger", "NodeStore", "NotedCall"]


@frozen(kw_only=True)
class NotedCall:
    """A call that changes a store.

    Attributes:
        step: what was asked.
        time_s: virtual time.
        began_at: records of the op log before it.
        returned_at: records when it had returned; None if it raised.
    """

    step: Step
    time_s: float
    began_at: int
    returned_at: int | None


class Ledger:
    """What a store has promised a node.

    Args:
        options: of the store.

    Attributes:
        possible: every state in which the store may be.
        acknowledged: the calls that made it so, in order, since the last loss.
        running: the calls of the handler that runs now.
    """

    def __init__(self, options: FileStorageOptions) -> None:
        self.possible: Possible = (EMPTY,)
        self.acknowledged: list[NotedCall] = []
        self.running: list[NotedCall] = []
        self._options = options

    @property
    def promised(self) -> ModelState:
        """The state that the store should show."""
        return self.possible[-1]

    def note(self, noted: NotedCall) -> None:
        """Note a call of the handler that runs."""
        self.running.append(noted)

    def settle(self, position: int | None = None) -> None:
        """Take the calls of the handler that ran.

        Args:
            position: records of the op log before the power cut that ended it; None if none did.
        """
        for noted in self.running:
            if position is not None and noted.began_at >= position:
                break
            returned = noted.returned_at
            if returned is not None and (position is None or returned <= position):
                self.possible = acknowledge(self.possible, noted.step, self._options)
                self.acknowledged.append(noted)
            else:
                self.possible = begin(self.possible, noted.step, self._options)
        self.running = []

    def adopt(self, seen: Observation, *, lossless: bool) -> None:
        """Go on from what an opened store shows.

        Args:
            seen: what it shows.
            lossless: whether it had to.
        """
        through = max(state.compactable_through for state in self.possible)
        state = seen.as_model()
        self.possible = (evolve(state, compactable_through=min(through, state.last_index)),)
        if not lossless:
            self.acknowledged = []


class NodeStore:
    """The calls of a Raft node on its store.

    Args:
        store: an open store.
        ledger: where its promises are noted.
        position: tells how many records the op log of its disk has.
        clock: tells the virtual time.
    """

    def __init__(
        self,
        store: Storage,
        ledger: Ledger,
        position: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self.store = store
        self._ledger = ledger
        self._position = position
        self._clock = clock

    @property
    def bounds(self) -> LogBounds:
        """The log's bounds."""
        return self.store.log_bounds()

    @property
    def first_index(self) -> int:
        """Index of the first entry."""
        return self.store.log_bounds().first_index

    def load_state(self) -> PersistentState:
        """Return term and vote."""
        return self.store.load_state()

    def load_snapshot(self) -> tuple[SnapshotMetadata, bytes]:
        """Return the snapshot; `NoSnapshotError` if there is none."""
        return self.store.load_snapshot()

    def entries(self, start: int, end: int) -> Sequence[LogEntry]:
        """Return the entries with ``start <= index < end``."""
        return self.store.get_log_entries(start, end)

    def entries_from(self, start: int) -> Sequence[LogEntry]:
        """Return the entries from `start` on, as far as they are there."""
        bounds = self.store.log_bounds()
        first = max(start, bounds.first_index)
        return self.entries(first, bounds.last_index + 1) if first <= bounds.last_index else ()

    def save_state(self, state: PersistentState) -> None:
        """Save term and vote."""
        self._do(SaveState(state))

    def append(self, entries: tuple[LogEntry, ...]) -> None:
        """Append a batch."""
        self._do(Append(entries))

    def truncate_suffix(self, index: int) -> None:
        """Remove the entries from an index on."""
        self._do(TruncateSuffix(index))

    def truncate_prefix(self, index: int) -> None:
        """Remove the entries before an index, as far as the store lets go of them."""
        self._do(TruncatePrefix(index))

    def save_snapshot(self, metadata: SnapshotMetadata, data: bytes) -> None:
        """Save a snapshot."""
        self._do(SaveSnapshot(metadata, data))

    def _do(self, step: Step) -> None:
        began_at, time_s = self._position(), self._clock()
        returned_at: int | None = None
        try:
            call(self.store, step)
            returned_at = self._position()
        finally:
            self._ledger.note(
                NotedCall(step=step, time_s=time_s, began_at=began_at, returned_at=returned_at)
            )
