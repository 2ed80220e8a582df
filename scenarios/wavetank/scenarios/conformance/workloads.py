"""The workloads of the suite: what a Raft node does, as far as a store declares it can."""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.engine import FileStorageOptions, PersistentState, SnapshotMetadata
from wavetank.scenarios.conformance.assertions import entries
from wavetank.scenarios.raft.steps import (
    Append,
    KillProcess,
    OpenStore,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["crash_workload", "short_workload"]


def crash_workload(capabilities: frozenset[Capability], options: FileStorageOptions) -> Workload:
    """Return a workload with everything that a store can do, restarts in between."""
    return _workload("suite", _crash_steps(capabilities), capabilities, options)


def short_workload(capabilities: frozenset[Capability], options: FileStorageOptions) -> Workload:
    """Return a workload with each kind of step once."""
    return _workload("suite-short", _short_steps(capabilities), capabilities, options)


def _workload(
    name: str,
    steps: Iterator[Step],
    can: frozenset[Capability],
    options: FileStorageOptions,
) -> Workload:
    return Workload(
        name=name,
        seed=0,
        steps=tuple(steps),
        options=options,
        has_votes=Capability.VOTES in can,
    )


def _crash_steps(can: frozenset[Capability]) -> Iterator[Step]:
    yield OpenStore()
    yield from _vote(can, 1, "node-a")
    yield Append(entries(1, 1))
    yield Append(entries(2, 3, size_bytes=300))
    yield from _vote(can, 2, "node-b")
    yield from _conflict(can, 3, 5)
    yield Reopen()
    yield Append(entries(5, 2, term=2))
    yield from _compact(can, 3)
    yield Append(entries(7, 2, term=2, size_bytes=600))
    yield KillProcess()
    yield from _vote(can, 2, "node-b", again=False)
    yield Append(entries(9, 1, term=3))
    yield from _compact(can, 7)
    yield from _conflict(can, 9, 10, term=4)
    yield Append(entries(10, 3, term=4))
    yield from _vote(can, 4, "node-c")
    yield Reopen()
    yield Append(entries(13, 1, term=4))


def _short_steps(can: frozenset[Capability]) -> Iterator[Step]:
    yield OpenStore()
    yield from _vote(can, 1, "node-a")
    yield Append(entries(1, 3))
    yield from _conflict(can, 3, 4)
    yield Append(entries(4, 2, term=2))
    yield from _compact(can, 3)
    yield Append(entries(6, 1, term=2))


def _vote(
    can: frozenset[Capability], term: int, candidate: str, *, again: bool = True
) -> Iterator[Step]:
    if Capability.VOTES in can:
        if again:
            yield SaveState(PersistentState(term, ""))
        yield SaveState(PersistentState(term, candidate))


def _conflict(can: frozenset[Capability], start: int, end: int, *, term: int = 2) -> Iterator[Step]:
    """Another leader replaces the entries ``start <= index < end``."""
    if Capability.TRUNCATE_SUFFIX in can:
        yield TruncateSuffix(start)
        yield Append(entries(start, end - start, term=term))


def _compact(can: frozenset[Capability], index: int) -> Iterator[Step]:
    """The entries before `index` go, under a snapshot where the store has such."""
    if Capability.SNAPSHOTS in can:
        # What entry stands there is known from the steps above: term 1 up to 2, term 2 behind.
        term = 1 if index - 1 < 3 else 2  # noqa: PLR2004
        if Capability.TRUNCATE_SUFFIX not in can:
            term = 1 if index - 1 < 5 else 2  # noqa: PLR2004
        yield SaveSnapshot(SnapshotMetadata(index - 1, term), b"state at %d" % (index - 1))
    if Capability.TRUNCATE_PREFIX in can:
        yield TruncatePrefix(index)
