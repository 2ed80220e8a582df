"""Short ways to write the few steps of a trial."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from wavetank.engine import (
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageFeatureFlags,
)
from wavetank.scenarios.raft.steps import Append, OpenStore, SaveSnapshot, SaveState, Step, Workload

__all__ = ["AT_ONCE", "NO_COMPACTION", "append", "save", "snapshot", "workload"]

_OPTIONS: Final = FileStorageOptions(retained_log_size=0)

AT_ONCE: Final = evolve(_OPTIONS, features=StorageFeatureFlags(async_truncation=False))
"""Compaction happens inside the call."""

NO_COMPACTION: Final = evolve(_OPTIONS, auto_truncate_on_snapshot=False)
"""Compaction happens only where it is asked for."""


def workload(name: str, *steps: Step, options: FileStorageOptions = _OPTIONS) -> Workload:
    """Return a workload that opens the store and takes these steps; nothing in it is random."""
    return Workload(name=name, seed=0, steps=(OpenStore(), *steps), options=options)


def save(term: int, vote: str = "node-a") -> SaveState:
    """Return a save of term and vote."""
    return SaveState(PersistentState(term, vote))


def append(first: int, count: int = 1, *, term: int = 1, size_bytes: int = 8) -> Append:
    """Return an append of `count` entries from index `first` on, each of its own bytes."""
    return Append(
        tuple(
            LogEntry(index, term, bytes([96 + index]) * size_bytes)
            for index in range(first, first + count)
        )
    )


def snapshot(index: int, term: int = 1) -> SaveSnapshot:
    """Return a snapshot of everything up to `index`."""
    return SaveSnapshot(SnapshotMetadata(index, term), b"everything up to %d" % index)
