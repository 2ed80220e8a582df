"""The calls of tasks on one store, and what they return, in the specification's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Final

from wavetank.engine import (
    CorruptedError,
    FileStorage,
    LockTimeoutError,
    LogBounds,
    NoSnapshotError,
    OperationCancelledError,
    Storage,
    StorageClosedError,
    StorageError,
    StorageIOError,
    StorageLockedError,
    StoragePoisonedError,
    dump_directory,
    verify_directory,
)
from wavetank.scenarios.concurrency.specification import (
    CANCELLED,
    CLOSED,
    DONE,
    FAILED,
    LOCKED,
    POISONED,
    REFUSED,
    TIMED_OUT,
    Raised,
)
from wavetank.scenarios.raft.steps import (
    Append,
    Cancel,
    Close,
    Dump,
    OpenAgain,
    Read,
    ReadBounds,
    ReadSnapshot,
    ReadState,
    SaveSnapshot,
    SaveState,
    StoreCall,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Verify,
    Wait,
)
from wavetank.scenarios.stores.adapter import Site, StoreAdapter

__all__ = ["SharedStore"]

_COUNTED: Final[Mapping[type[StoreCall], str]] = MappingProxyType(
    {
        SaveState: "state_ops",
        ReadState: "state_ops",
        Append: "append_ops",
        Read: "read_ops",
        TruncateSuffix: "truncate_suffix_ops",
        TruncatePrefix: "truncate_prefix_ops",
        SaveSnapshot: "snapshot_save_ops",
        ReadSnapshot: "snapshot_load_ops",
    }
)
"""The engine's counter of each call."""
_NAMED: Final[tuple[tuple[type[StorageError], str], ...]] = (
    (StorageClosedError, CLOSED),
    (StorageLockedError, LOCKED),
    (LockTimeoutError, TIMED_OUT),
    (OperationCancelledError, CANCELLED),
    (StoragePoisonedError, POISONED),
    (StorageIOError, FAILED),
)


class _Token:
    """A cancel token that a task sets."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set


class SharedStore:
    """A store that several tasks call; whoever opens it again replaces it for all.

    Args:
        backend: opens it.
        site: where.
    """

    def __init__(self, backend: StoreAdapter, site: Site) -> None:
        self._backend = backend
        self._site = site
        self._tokens: dict[str, _Token] = {}
        self.store: Storage
        self._calls: Counter[str]
        self.reopen()

    def perform(self, step: TaskStep) -> Hashable:
        """Make the call of a step, and return what comes of it."""
        try:
            return self._call(step)
        except StorageError as error:
            return _told(error)
        except Exception as error:  # noqa: BLE001 - whatever a store raises is an answer
            return Raised(type(error).__name__, str(error))

    def reopen(self) -> None:
        """Open the store again, as a new process does."""
        self.store = self._backend.open(self._site)
        self._calls = Counter()

    def miscounted(self) -> tuple[str, int, int] | None:
        """Return a counter of the store that is wrong, with what it says and what it should.

        None if all are right, or the store has none. No call may be under way, and none may have
        met the close of the store.
        """
        metrics = self.store.metrics() if isinstance(self.store, FileStorage) else None
        if metrics is None:
            return None
        expected = dict(self._calls)
        for key in _COUNTED.values():
            if metrics[key] != expected.get(key, 0):
                return key, metrics[key], expected.get(key, 0)
        return None

    def _call(self, step: TaskStep) -> Hashable:  # noqa: C901, PLR0911, PLR0912 - one line a call
        store, call = self.store, step.call
        if type(call) in _COUNTED:
            self._calls[_COUNTED[type(call)]] += 1
        token = self._token(step.token) if step.token else None
        # A store of somebody else need not have these arguments.
        limits: dict[str, object] = {}
        if step.timeout_s is not None:
            limits["timeout"] = step.timeout_s
        if token is not None:
            limits["cancel"] = token
        match call:
            case SaveState(state):
                store.save_state(state, **limits)  # type: ignore[arg-type]
            case Append(entries):
                store.append_log_entries(entries, **limits)  # type: ignore[arg-type]
            case Read(start, end):
                return tuple(store.get_log_entries(start, end, **limits))  # type: ignore[arg-type]
            case TruncateSuffix(index):
                store.truncate_log_suffix(index, **limits)  # type: ignore[arg-type]
            case TruncatePrefix(index):
                store.truncate_log_prefix(index, **limits)  # type: ignore[arg-type]
            case SaveSnapshot(metadata, data):
                store.save_snapshot(metadata, data, **limits)  # type: ignore[arg-type]
            case ReadState():
                return store.load_state(**limits)  # type: ignore[arg-type]
            case ReadBounds():
                bounds: LogBounds = store.log_bounds()
                return bounds.last_index, bounds.last_term
            case ReadSnapshot():
                try:
                    return store.load_snapshot(**limits)  # type: ignore[arg-type]
                except NoSnapshotError:
                    return None
            case Verify():
                return self._verify()
            case Dump():
                dump_directory(self._site.directory, fs=self._site.fs)
            case Close():
                store.close()
            case OpenAgain():
                self.reopen()
            case Wait(duration_s):
                self._site.runtime.sleep(duration_s)
            case Cancel(name):
                self._token(name).set()
        return DONE

    def _verify(self) -> Hashable:
        report = verify_directory(
            self._site.directory,
            fs=self._site.fs,
            compaction_requires_snapshot=self._site.options.compaction_requires_snapshot,
        )
        return DONE if report.sound else Raised("unsound", str(report))

    def _token(self, name: str) -> _Token:
        return self._tokens.setdefault(name, _Token())


def _told(error: StorageError) -> Hashable:
    for kind, word in _NAMED:
        if isinstance(error, kind):
            return word
    if isinstance(error, CorruptedError):
        return Raised(type(error).__name__, str(error))
    return REFUSED
