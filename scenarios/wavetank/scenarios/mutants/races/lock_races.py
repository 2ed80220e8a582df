"""Races in locks: leaked, slept through, or held by two."""

from __future__ import annotations

from typing import Final

from wavetank.engine import (
    CancelToken,
    FileStorage,
    LockTimeoutError,
    LogEntry,
    RWOperationLocker,
    SnapshotData,
    SnapshotMetadata,
)
from wavetank.scenarios.mutants.races.race import STORE, Race, race

__all__ = ["LOCK_RACES"]

_LOG_LOCK: Final = "_published.lock"
_STATE_LOCK: Final = "_state_lock"


class _KeepsTheSnapshotLock(FileStorage):
    """Does not give the lock of snapshots back if the one of the log is not free in time."""

    def _save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        lock = self._snapshot_lock
        lock.acquire_update(timeout_s, cancel)
        try:
            self._status.require_writable()
            base_index = self._published.view.header.base_index
            self._snapshots.require_newer(metadata, base_index)
            known = self._compactor.known_term(metadata, timeout_s)
            self._snapshots.replace(metadata, data, base_index=base_index, cancel=cancel)
            discarded = self._compactor.discard(metadata, known)
        except LockTimeoutError:
            raise
        except BaseException:
            lock.release_update()
            raise
        lock.release_update()
        if self._options.auto_truncate_on_snapshot and not discarded:
            self._auto_compaction.behind(metadata.last_included_index)


class _KeepsWhatCameLate(RWOperationLocker):
    """Tells that the lock was not free in time, and keeps it, if it got it in the last moment."""

    def _wait_to_update(self, timeout_s: float | None) -> None:
        start_s = self._runtime.monotonic()
        super()._wait_to_update(timeout_s)
        if timeout_s is not None and self._runtime.monotonic() - start_s >= timeout_s:
            raise LockTimeoutError(f"{self._name}: expected the lock within {timeout_s} s")


class _LooksForWaitersFirst(RWOperationLocker):
    """Looks whether anybody waits before it gives the lock back, and not after."""

    def release_update(self) -> None:
        is_awaited = self._waiter_count > 0
        self._update_token.append(None)
        if is_awaited:
            self._wake()


class _EntersOnceWoken(RWOperationLocker):
    """Enters when it is woken, without a look whether the lock is still free."""

    def _wait_to_update(self, timeout_s: float | None) -> None:
        with self._changed:
            self._waiter_count += 1
            try:
                if not self._update_token and not self._changed.wait(timeout_s):
                    raise LockTimeoutError(f"{self._name}: expected the lock within {timeout_s} s")
            finally:
                self._waiter_count -= 1
        if self._update_token:
            self._update_token.pop()


class _Count:
    """Counts readers in two statements each, where a list would do it in one step."""

    def __init__(self) -> None:
        self._count = 0

    def append(self, _: None) -> None:
        count = self._count
        self._count = count + 1

    def pop(self) -> None:
        count = self._count
        self._count = count - 1

    def __bool__(self) -> bool:
        return self._count > 0


class _CountsReaders(FileStorage):
    """Counts the readers of its log files with a number."""

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[LogEntry]:
        _count_readers(self._published.log_file, "readers")
        return super().get_log_entries(start, end, timeout=timeout, cancel=cancel)


class _CountsReadersInside(RWOperationLocker):
    """Counts the readers inside the lock with a number."""

    def acquire_read(
        self, timeout_s: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        _count_readers(self, "_readers")
        super().acquire_read(timeout_s, cancel)


def _count_readers(of: object, name: str) -> None:
    """Put a count in the place of a list without readers; one statement, so that none is lost."""
    setattr(of, name, _Count() if getattr(of, name) == [] else getattr(of, name))


LOCK_RACES: Final[tuple[Race, ...]] = (
    race(
        "L3",
        "a snapshot that finds the log locked for too long keeps the lock of snapshots",
        "no snapshot can be saved any more, and the store cannot be closed",
        {STORE: _KeepsTheSnapshotLock},
    ),
    race(
        "M1",
        "a lock that comes in the very moment in which the caller gives up is kept",
        "nothing can be appended any more, and the store cannot be closed",
        {_LOG_LOCK: _KeepsWhatCameLate},
    ),
    race(
        "M2",
        "whoever gives a lock back looks before that whether anybody waits",
        "a wake-up is lost: a call waits until its time is over",
        {_LOG_LOCK: _LooksForWaitersFirst},
    ),
    race(
        "M4",
        "whoever is woken takes the lock for free (`if` instead of `while`)",
        "two writers of the log at once",
        {_LOG_LOCK: _EntersOnceWoken},
    ),
    race(
        "M5",
        "whoever is woken takes the lock of term and vote for free",
        "two votes in one term",
        {_STATE_LOCK: _EntersOnceWoken},
    ),
    race(
        "M6",
        "the readers of a log file are counted with += and -=",
        "the close waits for a reader that is not there, or a file is closed while it is read",
        {STORE: _CountsReaders},
    ),
    race(
        "M7",
        "the readers inside the lock of the log are counted with += and -=",
        "a truncation waits for a reader that is not there, or goes on beside one",
        {_LOG_LOCK: _CountsReadersInside},
    ),
)
"""In the order in which they are shown."""
