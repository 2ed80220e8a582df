"""What a running store of this project's engine says of itself, held against what was asked of it.

`MeteredStore` counts every call as the engine's metrics promise to (O17); `report_problems` reads
verification and dump beside the model (O18), `poison_problems` tries what a poisoned store takes
(O19). `descriptor_problems` looks at the disk below any
store whose process has none open (O16). Stores of other people promise no such reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from wavetank.engine import (
    CancelToken,
    DumpedFrame,
    FileStorage,
    FileSystem,
    LogBounds,
    LogEntry,
    PersistentState,
    Runtime,
    SnapshotData,
    SnapshotMetadata,
    Storage,
    StorageClosedError,
    StorageError,
    StoragePoisonedError,
    dump_directory,
)
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.call_account import Account
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.raft.workloads.boundary_values import LARGEST
from wavetank.sim import SimDisk

__all__ = [
    "MeteredStore",
    "closed_problems",
    "descriptor_problems",
    "is_poisoned",
    "litter_problems",
    "metered",
    "metrics_problems",
    "poison_problems",
    "report_problems",
]

_Result = TypeVar("_Result")

_TEMPORARY: Final = ".tmp"


def descriptor_problems(disk: SimDisk, when: str) -> tuple[Problem, ...]:
    """Return what is still open or locked though no store is open.

    Args:
        disk: below the process that had it open.
        when: since when nothing may be.
    """
    paths = disk.open_paths
    left = [f"{path} is still open" for path in dict.fromkeys(paths)]
    left += ["a lock is still held"] * bool(disk.locked)
    if not left:
        return ()
    return (Problem("O16", f"descriptors left {when}", f"{when}, {' and '.join(left)}"),)


def metered(store: Storage, runtime: Runtime) -> Storage:
    """Return a store that counts and times its calls, if its metrics are the engine's.

    Args:
        store: just opened.
        runtime: whose clock it goes by.
    """
    if not isinstance(store, FileStorage) or store.metrics() is None:
        return store
    return MeteredStore(store, runtime)


class MeteredStore:
    """The engine with a second account of its calls.

    Args:
        inner: just opened.
        runtime: whose clock it goes by; it does not go on between two lines of code, so that a call
            takes as long from outside as from inside.

    Attributes:
        inner: the same.
        account: of what its metrics must say.
    """

    def __init__(self, inner: FileStorage, runtime: Runtime) -> None:
        self.inner = inner
        self.account = Account()
        self.recovery_report = inner.recovery_report
        self._now_s = runtime.monotonic

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.save_state`."""
        self._counted("state", lambda: self.inner.save_state(state, timeout=timeout, cancel=cancel))

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """See `Storage.load_state`."""
        return self._counted("state", lambda: self.inner.load_state(timeout=timeout, cancel=cancel))

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.append_log_entries`."""
        self._counted(
            "append", lambda: self.inner.append_log_entries(entries, timeout=timeout, cancel=cancel)
        )
        self.account.counts["append_bytes"] += sum(len(entry.command) for entry in entries)

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[LogEntry]:
        """See `Storage.get_log_entries`."""
        found = self._counted(
            "read", lambda: self.inner.get_log_entries(start, end, timeout=timeout, cancel=cancel)
        )
        self._count_read(found)
        return found

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """See `Storage.get_log_entry`."""
        found = self._counted(
            "read", lambda: self.inner.get_log_entry(index, timeout=timeout, cancel=cancel)
        )
        self._count_read([found])
        return found

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """See `Storage.truncate_log_suffix`."""
        self._counted(
            "truncate_suffix",
            lambda: self.inner.truncate_log_suffix(index, timeout=timeout, cancel=cancel),
        )

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """See `Storage.truncate_log_prefix`."""
        self._counted(
            "truncate_prefix",
            lambda: self.inner.truncate_log_prefix(index, timeout=timeout, cancel=cancel),
        )

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.save_snapshot`."""
        self._counted(
            "snapshot_save",
            lambda: self.inner.save_snapshot(metadata, data, timeout=timeout, cancel=cancel),
        )

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """See `Storage.load_snapshot`."""
        return self._counted(
            "snapshot_load", lambda: self.inner.load_snapshot(timeout=timeout, cancel=cancel)
        )

    @property
    def first_log_index(self) -> int:
        """See `Storage.first_log_index`."""
        return self.inner.first_log_index

    @property
    def last_log_index(self) -> int:
        """See `Storage.last_log_index`."""
        return self.inner.last_log_index

    @property
    def last_log_term(self) -> int:
        """See `Storage.last_log_term`."""
        return self.inner.last_log_term

    def log_bounds(self) -> LogBounds:
        """See `Storage.log_bounds`."""
        return self.inner.log_bounds()

    def close(self) -> None:
        """See `Storage.close`."""
        self.inner.close()

    def _counted(self, what: str, act: Callable[[], _Result]) -> _Result:
        # A failed operation is an operation too.
        start_s, failed = self._now_s(), True
        try:
            result = act()
            failed = False
        finally:
            self.account.ended(what, self._now_s() - start_s, failed=failed)
        return result

    def _count_read(self, found: Sequence[LogEntry]) -> None:
        self.account.counts["read_entries"] += len(found)
        self.account.counts["read_bytes"] += sum(len(entry.command) for entry in found)


def metrics_problems(store: Storage) -> Iterator[Problem]:
    """Yield where the metrics of a metered store differ from the account of its calls."""
    if not isinstance(store, MeteredStore):
        return
    shown = store.inner.metrics() or {}
    for name, least, most in store.account.expected():
        if not least <= shown.get(name, -1) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            yield Problem(
                "O17",
                f"{name} is wrong",
                f"expected {name} {wanted} in the metrics, but they say {shown.get(name)}",
            )


def poison_problems(store: Storage, shown: ModelState) -> Iterator[Problem]:
    """Yield which changes a metered store takes though it has said that it is poisoned.

    Args:
        store: open; it has raised `StoragePoisonedError`.
        shown: what it holds.
    """
    if not isinstance(store, MeteredStore):
        return
    index = shown.last_index
    term = max(shown.state.current_term, shown.term_at(index) or 1)
    state = PersistentState(shown.state.current_term + 1, "")
    changes: Mapping[str, Callable[[], None]] = {
        "a state": lambda: store.save_state(state),
        "an append": lambda: store.append_log_entries((LogEntry(index + 1, term, b""),)),
        "a suffix truncation": lambda: store.truncate_log_suffix(index),
        "a prefix truncation": lambda: store.truncate_log_prefix(index),
        "a snapshot": lambda: store.save_snapshot(SnapshotMetadata(max(index, 1), term), b""),
    }
    for what, change in changes.items():
        try:
            change()
        except StoragePoisonedError:
            continue
        except StorageError as error:
            came = type(error).__name__
        else:
            came = "nothing"
        yield Problem(
            "O19",
            f"a poisoned store takes {what}",
            f"expected StoragePoisonedError until it is opened again, but {what} gave {came}",
        )


def closed_problems(store: Storage) -> Iterator[Problem]:
    """Yield which calls a metered store answers though it is closed.

    Args:
        store: just closed.
    """
    if not isinstance(store, MeteredStore):
        return
    engine = store.inner
    calls: Mapping[str, Callable[[], object]] = {
        "the state": engine.load_state,
        "an entry": lambda: engine.get_log_entry(1),
        "entries": lambda: engine.get_log_entries(1, 2),
        "the bounds": engine.log_bounds,
        "the length": lambda: len(engine),
        "iteration": lambda: next(iter(engine), None),
        "the snapshot": engine.load_snapshot,
        "a stream": engine.open_snapshot,
        "metrics": engine.metrics,
        "a reset of metrics": engine.reset_metrics,
        "verification": engine.verify,
        "a backup": lambda: engine.backup("/of-a-closed-store"),
        "a state to save": lambda: engine.save_state(PersistentState(LARGEST, "")),
        "an append": lambda: engine.append_log_entries((LogEntry(LARGEST, LARGEST, b""),)),
        "a suffix truncation": lambda: engine.truncate_log_suffix(1),
        "a prefix truncation": lambda: engine.truncate_log_prefix(1),
        "a snapshot to save": lambda: engine.save_snapshot(SnapshotMetadata(1, 1), b""),
    }
    for what, call in calls.items():
        try:
            call()
        except StorageClosedError:
            continue
        except StorageError as error:
            came = type(error).__name__
        else:
            came = "an answer"
        yield Problem(
            "O16",
            f"a closed store is asked for {what}",
            f"expected StorageClosedError, but {what} gave {came}",
        )
    engine.close()  # a second time, which does nothing


def litter_problems(store: Storage, fs: FileSystem, directory: str) -> Iterator[Problem]:
    """Yield temporary files beside a metered store that has just been changed.

    Whoever fails removes what it was preparing, or the store takes no more changes until its next
    open, which removes it.

    Args:
        store: open, at rest, its last change a success.
        fs: its filesystem, without faults.
        directory: of the store.
    """
    if not isinstance(store, MeteredStore):
        return
    left = [name for name in fs.listdir(directory) if name.endswith(_TEMPORARY)]
    if left and not is_poisoned(store):
        yield Problem(
            "O10",
            "litter beside a running store",
            f"nothing is under way, but {' and '.join(left)} is there",
        )


def is_poisoned(store: MeteredStore) -> bool:
    """Whether a store takes no change, not even one of nothing.

    Background work may have failed behind the last change.
    """
    try:
        store.truncate_log_prefix(store.first_log_index)
    except StoragePoisonedError:
        return True
    return False


def report_problems(
    store: Storage, expected: ModelState, fs: FileSystem, directory: str
) -> Iterator[Problem]:
    """Yield where verification or a dump of a metered store contradicts the model.

    Args:
        store: open, at rest.
        expected: what it holds.
        fs: its filesystem, without faults.
        directory: of the store.
    """
    if not isinstance(store, MeteredStore):
        return
    report = store.inner.verify()
    for place in report.places:
        yield Problem("O18", "verify finds damage", f"verify of a sound store says: {place}")
    bounds = store.log_bounds()
    if report.sound and (report.first_index, report.last_index) != (
        bounds.first_index,
        bounds.last_index,
    ):
        yield Problem(
            "O18",
            "verify shows other bounds",
            f"expected {bounds}, but verify says {report.first_index}..{report.last_index}",
        )
    yield from _dump_problems(expected, bounds, fs, directory)


def _dump_problems(
    expected: ModelState, bounds: LogBounds, fs: FileSystem, directory: str
) -> Iterator[Problem]:
    dump = dump_directory(directory, fs=fs)
    state = expected.state
    for document in dump.state:
        fields = document.fields or {}
        if (fields.get("current_term"), fields.get("voted_for")) != (
            state.current_term,
            state.voted_for,
        ):
            yield Problem(
                "O18", "dump shows another state", f"expected {state}, but {document} is dumped"
            )
    entries: list[LogEntry] = []
    for frame in dump.frames():
        if not isinstance(frame, DumpedFrame):
            yield Problem("O18", "dump shows damage", f"a dump of a sound store says: {frame}")
        elif frame.kind == "entries":
            entries += dump.entries(frame)
        else:
            entries = [entry for entry in entries if entry.index < frame.first_index]
    if not expected.allows_log(bounds, tuple(entries)):
        yield Problem(
            "O18", "dump shows another log", f"expected the log {bounds}, but another is dumped"
        )
