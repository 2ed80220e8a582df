"""Races in term and vote, snapshots and metrics."""

from __future__ import annotations

from typing import Final

from wavetank.engine import (
    CancelToken,
    PersistentState,
    SnapshotData,
    SnapshotMetadata,
    StateRegressionError,
)
from wavetank.engine.metrics import Metrics, Operation
from wavetank.engine.snapshot import SharedFile
from wavetank.engine.snapshot_store import SnapshotStore
from wavetank.engine.state import StateRecord, StateStore
from wavetank.scenarios.mutants.races.race import Race, race

__all__ = ["CONTENT_RACES"]

_STATE: Final = "_state"
_SNAPSHOTS: Final = "_snapshots"


class _ComparesFirst(StateStore):
    """Compares the new state with the current one before it takes the lock."""

    def save(
        self, state: PersistentState, timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        current = self._record.state
        if state == current:
            return
        if state.current_term < current.current_term or (
            state.current_term == current.current_term and current.voted_for
        ):
            raise StateRegressionError(f"expected a newer state than {current}")
        with self._lock.update(timeout_s, cancel):
            self._status.require_writable()
            record = StateRecord(self._record.sequence + 1, state)
            self._write(record, record.encode())


class _ShowsFirst(StateStore):
    """Shows a state to readers before it is durable."""

    def _write(self, record: StateRecord, content: bytes) -> None:
        self._record = record
        super()._write(record, content)


class _ReplacesInTwoSteps(SnapshotStore):
    """Replaces the snapshot's metadata and then its file; readers may come between the two."""

    def replace(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        base_index: int,
        cancel: CancelToken | None,
    ) -> None:
        self.require_newer(metadata, base_index)
        record, file = self._writer.write(metadata, data, cancel)
        previous = self._current
        if previous is not None:
            self._current = record, previous[1]
        self._current = record, SharedFile(file)
        if previous is not None:
            previous[1].release()


class _ReleasesAtOnce(SnapshotStore):
    """Closes the data of the old snapshot, though it is being read."""

    def replace(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        base_index: int,
        cancel: CancelToken | None,
    ) -> None:
        previous = self._current
        super().replace(metadata, data, base_index=base_index, cancel=cancel)
        if previous is not None:
            previous[1].file.close()


class _CountsWithoutLock(Metrics):
    """Counts operations in two statements, without the lock."""

    __slots__ = ()

    def finished(
        self, operation: Operation, start_s: float, size: int = 0, *, failed: bool = False
    ) -> None:
        _, _, ops, errors, moved_bytes = operation
        if ops is None:
            super().finished(operation, start_s, size, failed=failed)
            return
        count = self._counts[ops]
        self._counts[ops] = count + 1
        if failed and errors is not None:
            self._counts[errors] += 1
        if moved_bytes is not None:
            self._counts[moved_bytes] += size


CONTENT_RACES: Final[tuple[Race, ...]] = (
    race(
        "V1",
        "a state is compared with the current one before the lock is taken",
        "two votes in one term",
        {_STATE: _ComparesFirst},
    ),
    race(
        "V2",
        "term and vote are shown to readers before they are durable",
        "a vote that was seen is forgotten by a power cut",
        {_STATE: _ShowsFirst},
    ),
    race(
        "P1",
        "what is known of a snapshot and its data are replaced in two steps, beside readers",
        "a snapshot that looks damaged",
        {_SNAPSHOTS: _ReplacesInTwoSteps},
    ),
    race(
        "P2",
        "the data of the old snapshot is closed while it is read",
        "reads that fail",
        {_SNAPSHOTS: _ReleasesAtOnce},
    ),
    race(
        "C1",
        "operations are counted in two statements, without a lock",
        "metrics that count too little",
        {"_metrics": _CountsWithoutLock},
    ),
)
"""In the order in which they are shown."""
