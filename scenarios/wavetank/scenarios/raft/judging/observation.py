"""What a store shows when it is asked everything: the one input of the oracle.

`observe` reads state, bounds, the whole log and the snapshot; `check_points` reads each entry by
itself. Both note where the store disagrees with itself (invariant O6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from wavetank.engine import (
    EntryNotFoundError,
    IndexOutOfRangeError,
    LogBounds,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    Storage,
)
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.judging.tolerated_losses import NOTHING_TOLERATED, ToleratedLosses
from wavetank.scenarios.raft.model import ModelState

__all__ = [
    "Observation",
    "check_ahead",
    "check_points",
    "observe",
    "observe_parts",
    "points_ahead",
]


@frozen(kw_only=True, cache_hash=True)
class Observation:
    """Everything a store shows at one moment.

    Attributes:
        state: term and vote.
        bounds: the log's bounds.
        entries: the whole log.
        snapshot: metadata and data, or None.
        problems: where the answers contradict one another.
        tolerated: what may be missing, since the disk is to blame.
        sound: what the store shows at the same moment on a disk that tells the truth; None if it is
            the same, or if nobody can know.
    """

    state: PersistentState
    bounds: LogBounds
    entries: tuple[LogEntry, ...]
    snapshot: tuple[SnapshotMetadata, bytes] | None
    problems: tuple[Problem, ...] = ()
    tolerated: ToleratedLosses = NOTHING_TOLERATED
    sound: Observation | None = None

    def as_model(self) -> ModelState:
        """Return the model state in which a store shows exactly this."""
        bounds = self.bounds
        return ModelState(
            state=self.state,
            base_index=bounds.first_index - 1,
            base_term=None if self.entries else bounds.last_term,
            entries=self.entries,
            snapshot=self.snapshot,
        )


def observe(store: Storage) -> Observation:
    """Ask `store` for its state, its bounds, all entries in one read, and the snapshot.

    Args:
        store: an open store.

    Raises:
        StorageError: the store refused a question that it must answer.
    """
    bounds = store.log_bounds()
    entries: tuple[LogEntry, ...] = ()
    if bounds.first_index <= bounds.last_index:
        entries = tuple(store.get_log_entries(bounds.first_index, bounds.last_index + 1))
    snapshot = _snapshot_of(store)
    return Observation(
        state=store.load_state(),
        bounds=bounds,
        entries=entries,
        snapshot=snapshot,
        problems=(*_range_problems(bounds, entries), *_bounds_problems(store, bounds)),
    )


def observe_parts(
    store: Storage, expected: ModelState, parts: Iterable[range]
) -> Observation | None:
    """Ask `store` for parts of its log, in ranges and one by one, and for all that is no log.

    Args:
        store: an open store.
        expected: what it should show.
        parts: indices of entries; those that are not in the log any more are left out.

    Returns:
        The observation, in which every entry that was not read is as expected; None if a part of
        the log is not, or the bounds are not: then `observe` finds out what is wrong.

    Raises:
        StorageError: the store refused a question that it must answer.
    """
    bounds = store.log_bounds()
    if bounds.last_index != expected.last_index or bounds.first_index <= expected.base_index:
        return None
    first, entries = bounds.first_index, expected.log_from(bounds.first_index)
    if expected.term_at(expected.last_index) not in (None, bounds.last_term):
        return None
    for part in parts:
        indices = range(max(part.start, first), max(part.stop, first))
        wanted = [entries[index - first] for index in indices]
        if indices and list(store.get_log_entries(indices.start, indices.stop)) != wanted:
            return None
        if [store.get_log_entry(index) for index in indices] != wanted:
            return None
    return Observation(
        state=store.load_state(),
        bounds=bounds,
        entries=entries,
        snapshot=_snapshot_of(store),
        problems=(*_bounds_problems(store, bounds), *_point_problems(store, bounds, ())),
    )


def points_ahead(store: Storage) -> tuple[LogEntry, ...]:
    """Return the first and the last entry, each read by itself before all other reads.

    Raises:
        StorageError: the store refused a question that it must answer.
    """
    bounds = store.log_bounds()
    if bounds.first_index > bounds.last_index:
        return ()
    ends = dict.fromkeys((bounds.first_index, bounds.last_index))
    return tuple(store.get_log_entry(index) for index in ends)


def check_ahead(ahead: Sequence[LogEntry], seen: Observation) -> Iterator[Problem]:
    """Yield where entries that were read before all others differ from the same in a range."""
    shown = {entry.index: entry for entry in seen.entries}
    for entry in ahead:
        if shown.get(entry.index, entry) != entry:
            yield Problem(
                "O6",
                "a first read against later ones",
                f"entry {entry.index} was another one when it was read first",
            )


def check_points(store: Storage, seen: Observation) -> Iterator[Problem]:
    """Ask for everything again, one by one, and yield where the answers differ from `seen`.

    Raises:
        StorageError: the store refused a question that it must answer.
    """
    yield from _point_problems(store, seen.bounds, seen.entries)


def _snapshot_of(store: Storage) -> tuple[SnapshotMetadata, bytes] | None:
    try:
        return store.load_snapshot()
    except NoSnapshotError:
        return None


def _range_problems(bounds: LogBounds, entries: tuple[LogEntry, ...]) -> Iterator[Problem]:
    shown = [entry.index for entry in entries]
    wanted = list(range(bounds.first_index, bounds.last_index + 1))
    if shown != wanted:
        yield Problem(
            "O6",
            "range read against bounds",
            f"bounds say {bounds.first_index}..{bounds.last_index}, "
            f"a read of that range gave indices {shown}",
        )
    elif entries and entries[-1].term != bounds.last_term:
        yield Problem(
            "O6",
            "last term against last entry",
            f"last_log_term is {bounds.last_term}, the last entry's term {entries[-1].term}",
        )


def _bounds_problems(store: Storage, bounds: LogBounds) -> Iterator[Problem]:
    singles = (store.first_log_index, store.last_log_index, store.last_log_term)
    if singles != (bounds.first_index, bounds.last_index, bounds.last_term):
        yield Problem("O6", "single bounds against log_bounds()", f"{singles} against {bounds}")


def _point_problems(
    store: Storage, bounds: LogBounds, entries: tuple[LogEntry, ...]
) -> Iterator[Problem]:
    for entry in entries:
        if store.get_log_entry(entry.index) != entry:
            yield Problem(
                "O6",
                "point read against range read",
                f"entry {entry.index} read alone differs from the same in a range",
            )
    for index in (bounds.first_index - 1, bounds.last_index + 1):
        if index >= 1 and _finds(store, index):
            yield Problem(
                "O6", "read outside the bounds", f"entry {index} is found outside {bounds}"
            )


def _finds(store: Storage, index: int) -> bool:
    try:
        store.get_log_entry(index)
    except (EntryNotFoundError, IndexOutOfRangeError):
        return False
    return True
