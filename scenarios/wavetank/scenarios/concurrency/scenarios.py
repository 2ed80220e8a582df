"""The catalogue of concurrent scenarios: what runs beside what."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement
from types import MappingProxyType
from typing import Final

from attrs import frozen

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.raft.steps import (
    Append,
    Cancel,
    Close,
    Dump,
    OpenAgain,
    OpenStore,
    Read,
    ReadBounds,
    ReadSnapshot,
    ReadState,
    SaveSnapshot,
    SaveState,
    SlowCall,
    Step,
    StoreCall,
    TaskPlan,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Verify,
    Wait,
    Workload,
)

__all__ = ["CONCURRENT_SCENARIOS", "ConcurrentScenario"]

_TERM: Final = 1
_EAGER: Final = FileStorageOptions(retained_log_size=0)
"""Compacts as soon as it may."""
_UNCOVERED: Final = FileStorageOptions(retained_log_size=0, compaction_requires_snapshot=False)
"""Compacts what no snapshot covers, too."""


@frozen(kw_only=True)
class ConcurrentScenario:
    """A named workload with tasks.

    Attributes:
        name: what the command line calls it.
        summary: one sentence on what it is like.
        tasks: by name, what each does.
        after: what is done when all tasks have ended.
        slow_calls: calls of the filesystem that take long.
        options: of the store.
        entries: in the log before the tasks begin.
        pairs_of: instead of `tasks`: calls of which every two run beside each other, each pair as a
            workload of its own, under every schedule that can differ.
    """

    name: str
    summary: str
    tasks: Mapping[str, tuple[StoreCall | TaskStep, ...]] = MappingProxyType({})
    after: tuple[StoreCall | TaskStep, ...] = ()
    slow_calls: tuple[SlowCall, ...] = ()
    options: FileStorageOptions = _EAGER
    entries: int = 6
    pairs_of: tuple[StoreCall | TaskStep, ...] = ()

    def workload(self, seed: int) -> Workload:
        """Return the first workload; the seed is that of the schedules."""
        return self.workloads(seed)[0]

    def workloads(self, seed: int) -> tuple[Workload, ...]:
        """Return all workloads."""
        if not self.pairs_of:
            return (self._workload(seed, self.tasks),)
        return tuple(
            self._workload(seed, {"one": (one,), "other": (other,)})
            for one, other in combinations_with_replacement(self.pairs_of, 2)
        )

    def _workload(
        self, seed: int, tasks: Mapping[str, tuple[StoreCall | TaskStep, ...]]
    ) -> Workload:
        plans = tuple(
            TaskPlan(name=name, steps=tuple(map(_step, steps))) for name, steps in tasks.items()
        )
        return Workload(
            name=self.name,
            seed=seed,
            steps=_prelude(self.entries),
            options=self.options,
            summary=self.summary,
            unusual="tasks run beside one another behind its steps",
            tasks=plans,
            after=tuple(map(_step, self.after)),
            slow_calls=self.slow_calls,
        )


def _step(call: StoreCall | TaskStep) -> TaskStep:
    return call if isinstance(call, TaskStep) else TaskStep(call=call)


def _prelude(entries: int) -> tuple[Step, ...]:
    return (
        OpenStore(),
        SaveState(PersistentState(_TERM, "node-a")),
        *(_append(index) for index in range(1, entries + 1, 2)),
        _snapshot(2),
    )


def _append(first: int, count: int = 2, *, mark: str = "", term: int = _TERM) -> Append:
    return Append(
        tuple(
            LogEntry(index, term, f"command {index}{mark}".encode())
            for index in range(first, first + count)
        )
    )


def _snapshot(index: int, *, mark: str = "") -> SaveSnapshot:
    return SaveSnapshot(SnapshotMetadata(index, _TERM), f"state as of {index}{mark}".encode() * 3)


def _within(call: StoreCall, timeout_s: float) -> TaskStep:
    return TaskStep(call=call, timeout_s=timeout_s)


def _unless(call: StoreCall, token: str) -> TaskStep:
    return TaskStep(call=call, token=token)


_ALL: Final = (
    ConcurrentScenario(
        name="concurrent-pairs",
        summary="every two calls beside each other, under every schedule that can differ",
        pairs_of=(
            _append(7),
            _append(7, 1, mark="'"),
            TruncateSuffix(5),
            TruncatePrefix(3),
            _snapshot(4),
            SaveState(PersistentState(2, "node-b")),
            SaveState(PersistentState(2, "node-c")),
            Read(5, 7),
            ReadBounds(),
            ReadSnapshot(),
            Close(),
        ),
    ),
    ConcurrentScenario(
        name="concurrent-readers",
        summary="appends beside readers of the same entries, and of the ends of the log",
        tasks={
            "writer": (_append(7), _append(9, term=2), _append(11, 1, term=3)),
            "reader": (Read(5, 8), ReadBounds(), Read(7, 9), ReadBounds()),
            "tail": (ReadBounds(), Read(9, 11), Read(5, 7)),
        },
    ),
    ConcurrentScenario(
        name="concurrent-conflict",
        summary="a conflict cuts the log off and replaces its end while others read it",
        tasks={
            "writer": (
                _append(7, term=2),
                TruncateSuffix(6),
                _append(6, 3, mark="'", term=3),
                ReadBounds(),
            ),
            "reader": (Read(5, 7), Read(6, 8), ReadBounds(), Read(4, 6)),
            "tail": (ReadBounds(), Read(6, 7), ReadBounds()),
        },
    ),
    ConcurrentScenario(
        name="concurrent-appenders",
        summary="callers append at once: some behind one another, some in the same place",
        tasks={
            "first": (_append(7), ReadBounds()),
            "second": (_append(7, mark="'"), _append(9, 1), Read(7, 9)),
            "third": (_append(9, term=2), ReadBounds()),
        },
    ),
    ConcurrentScenario(
        name="concurrent-rewrite",
        summary="the log is cut off and grows again while compaction copies it",
        tasks={
            "writer": (TruncateSuffix(6), _append(6, 2, mark="'", term=2), Read(5, 8)),
            "compaction": (TruncatePrefix(4), Read(5, 6)),
            "snapshots": (_snapshot(4),),
        },
        options=_UNCOVERED,
    ),
    ConcurrentScenario(
        name="concurrent-replacement",
        summary="entries are read while the log that holds them is replaced",
        tasks={
            "reader": (Read(5, 7), Read(7, 9), ReadBounds()),
            "other reader": (Read(7, 9), Read(5, 7)),
            "compaction": (TruncatePrefix(4), TruncatePrefix(5)),
        },
        options=_UNCOVERED,
        entries=8,
    ),
    ConcurrentScenario(
        name="concurrent-compaction",
        summary="background compaction beside appends, reads and an explicit compaction",
        tasks={
            "writer": (_append(7), _append(9), ReadBounds()),
            "snapshots": (_snapshot(4), _snapshot(6), ReadSnapshot()),
            "compaction": (TruncatePrefix(3), TruncatePrefix(5), Read(5, 7)),
        },
    ),
    ConcurrentScenario(
        name="concurrent-snapshots",
        summary="snapshots are saved beside one another, and beside those who read them",
        tasks={
            "saver": (_snapshot(4), _snapshot(6)),
            "other saver": (_snapshot(5, mark="'"), ReadSnapshot()),
            "reader": (ReadSnapshot(), ReadSnapshot(), Read(5, 7)),
        },
    ),
    ConcurrentScenario(
        name="concurrent-close",
        summary="the store is closed and opened again while compaction and calls are under way",
        tasks={
            "snapshots": (_snapshot(4), _append(7)),
            "closer": (Close(), OpenAgain(), ReadBounds()),
            "reader": (Read(3, 5), ReadState(), Read(5, 7), ReadBounds()),
        },
        after=(OpenAgain(), ReadBounds(), Wait(60.0), ReadBounds()),
    ),
    ConcurrentScenario(
        name="concurrent-closers",
        summary="two callers close the store while others use it, and one opens it again",
        tasks={
            "closer": (Close(), OpenAgain(), _append(7)),
            "other closer": (Close(), ReadState()),
            "worker": (SaveState(PersistentState(2, "node-b")), Read(5, 7)),
        },
        after=(OpenAgain(), ReadState(), ReadBounds()),
    ),
    ConcurrentScenario(
        name="concurrent-takeover",
        summary="a new instance takes the directory over while the old one's work is under way",
        tasks={
            "snapshots": (_snapshot(6),),
            "closer": (Close(), OpenAgain(), _append(7), _append(9)),
            "worker": (SaveState(PersistentState(2, "")), ReadBounds()),
        },
        after=(OpenAgain(), ReadBounds(), Close(), OpenAgain(), ReadBounds()),
    ),
    ConcurrentScenario(
        name="concurrent-votes",
        summary="terms and votes are saved beside one another, and beside the log",
        tasks={
            "candidate": (SaveState(PersistentState(2, "node-b")), ReadState()),
            "voter": (SaveState(PersistentState(3, "node-c")), ReadState(), _append(7)),
            "other voter": (SaveState(PersistentState(3, "node-d")), ReadState()),
            "stepping down": (SaveState(PersistentState(2, "")), ReadState()),
        },
    ),
    ConcurrentScenario(
        name="concurrent-openers",
        summary="a second opener of the directory, beside work and the close",
        tasks={
            "opener": (OpenAgain(), OpenAgain(), ReadBounds()),
            "worker": (_append(7), Close(), OpenAgain(), _append(9)),
            "reader": (ReadBounds(), Read(5, 7)),
        },
    ),
    ConcurrentScenario(
        name="concurrent-observers",
        summary="verify and dump look at the directory while everything goes on",
        tasks={
            "writer": (_append(7), SaveState(PersistentState(2, "")), _append(9)),
            "snapshots": (_snapshot(4), TruncatePrefix(4), _snapshot(6)),
            "observer": (Verify(), Dump(), Verify()),
        },
    ),
    ConcurrentScenario(
        name="concurrent-timeouts",
        summary="a slow disk: calls give up waiting for a lock, and the others go on",
        tasks={
            "writer": (_append(7), _append(9)),
            "hasty": (
                _within(TruncateSuffix(7), 0.5),
                _within(_append(9, mark="'"), 0.0),
                _within(ReadBounds(), 0.5),
            ),
            "snapshots": (_within(_snapshot(4), 1.5), ReadSnapshot(), ReadBounds()),
        },
        after=(ReadBounds(), SaveState(PersistentState(2, "")), _snapshot(6)),
        slow_calls=(
            SlowCall(call="datasync", nth=1, duration_s=1.0),
            SlowCall(call="fsync", nth=2, duration_s=2.0),
        ),
    ),
    ConcurrentScenario(
        name="concurrent-deadlines",
        summary="limits that end just when a lock comes free, or while another lock is held",
        tasks={
            "writer": (_append(7), _within(_append(9), 1.0)),
            "hasty": (_within(_append(9, mark="'"), 1.0), _within(TruncatePrefix(3), 0.5)),
            "snapshots": (_within(_snapshot(4), 0.5), _within(ReadSnapshot(), 0.0)),
        },
        after=(_append(11), SaveState(PersistentState(2, "")), _snapshot(6), TruncatePrefix(5)),
        slow_calls=(SlowCall(call="datasync", duration_s=1.0),),
    ),
    ConcurrentScenario(
        name="concurrent-cancel",
        summary="calls are cancelled while they wait and while they work",
        tasks={
            "writer": (_unless(_append(7), "stop"), _unless(_append(9), "stop"), ReadBounds()),
            "snapshots": (_unless(_snapshot(4), "stop"), _unless(TruncatePrefix(4), "stop")),
            "canceller": (ReadBounds(), Cancel("stop"), ReadBounds()),
        },
        after=(ReadBounds(), SaveState(PersistentState(2, ""))),
    ),
)

CONCURRENT_SCENARIOS: Final[Mapping[str, ConcurrentScenario]] = MappingProxyType(
    {scenario.name: scenario for scenario in _ALL}
)
"""Every concurrent scenario that ships, by name."""
