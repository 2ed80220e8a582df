"""Locks that tasks take under their scheduler, and all other threads from the system.

A lock may be older than the process that uses it, and may outlive it: in each process it begins
free.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from threading import current_thread
from types import TracebackType
from typing import Final

from wavetank.sim.python_files.errors import UnroutedCallError
from wavetank.sim.python_files.threads.task_threads import TaskThreads
from wavetank.sim.scheduling.locks import SimLock
from wavetank.sim.scheduling.scheduler import Scheduler

__all__ = ["NATIVE_LOCKS", "RoutedLock", "RoutedRLock"]

_allocate: Final = _thread.allocate_lock
_allocate_rlock: Final = _thread.RLock
NATIVE_LOCKS: Final[tuple[type, ...]] = (type(_allocate()), type(_allocate_rlock()))
"""The types of the interpreter's own locks."""
_OUTSIDERS_S: Final = 1.0
"""Real seconds that a task waits for a thread which is none, before that counts as for ever."""

_Refuse = Callable[[str], UnroutedCallError]


class RoutedLock:
    """Stands for a lock of `_thread`.

    Args:
        threads: the tasks.
        refuse: makes and remembers the error about what cannot be scheduled.
        native: the lock that it stands for, if there was one before.
    """

    _kind = "lock"
    _reentrant = False

    def __init__(
        self, threads: TaskThreads, refuse: _Refuse, native: _thread.LockType | None = None
    ) -> None:
        self._threads = threads
        self._refuse = refuse
        self._native = native
        self._turns: SimLock | None = None
        self._scheduler: Scheduler | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as of `_thread`
        """See `threading.Lock.acquire`."""
        scheduler = self._threads.here()
        if scheduler is None:
            return self._real().acquire(blocking, timeout)
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if self._is_taken_outside(scheduler):
            if not blocking:
                return False
            self._wait_for_outsiders()
        turns = self._in(scheduler)
        if not blocking:
            taken = turns.acquire(0)
            if not taken:
                self._threads.pause()
            return taken
        return turns.acquire(None if timeout == -1 else timeout)

    def release(self) -> None:
        """See `threading.Lock.release`."""
        scheduler = self._threads.here()
        if scheduler is not None and not self._is_taken_outside(scheduler):
            self._in(scheduler).release()
            return
        if self._turns is not None and self._turns.is_held and self._is_in_use():
            raise self._refuse(
                f"{self._kind}: expected a thread of the code under test to give it back but "
                f"{current_thread().name!r}, which that did not start, does: what waits for it "
                f"cannot be scheduled; start the thread inside the code under test"
            )
        self._real().release()

    def locked(self) -> bool:
        """See `threading.Lock.locked`."""
        scheduler = self._threads.here()
        if scheduler is not None:
            return self._is_taken_outside(scheduler) or self._in(scheduler).is_held
        return _is_locked(self._real())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} {type(self).__name__}>"

    def _at_fork_reinit(self) -> None:
        """Begin anew in a child, as `threading` and `logging` ask."""
        if self._native is not None:
            self._native._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001 - the same call
        self._turns = None

    acquire_lock = acquire
    release_lock = release
    locked_lock = locked

    def _real(self) -> _thread.LockType:
        if self._native is None:
            self._native = self._new()
        return self._native

    @staticmethod
    def _new() -> _thread.LockType:
        return _allocate()

    def _in(self, scheduler: Scheduler) -> SimLock:
        """Return the lock of this process."""
        if self._turns is None or self._scheduler is not scheduler:
            self._scheduler = scheduler
            number = self._threads.next_lock()
            self._turns = SimLock(scheduler, self._kind, number, reentrant=self._reentrant)
        return self._turns

    def _is_taken_outside(self, scheduler: Scheduler) -> bool:
        """Whether another thread than a task holds it, as far as no task has used it."""
        is_used = self._turns is not None and self._scheduler is scheduler
        return not is_used and self._native is not None and _is_locked(self._native)

    def _is_in_use(self) -> bool:
        return self._scheduler is self._threads.scheduler

    def _wait_for_outsiders(self) -> None:
        native = self._real()
        if not native.acquire(timeout=_OUTSIDERS_S):
            raise self._refuse(
                f"{self._kind}: expected one that is free but it was taken before the code under "
                f"test began, or by a thread that it did not start, and is not given back; release "
                f"it before, or make it inside the code under test"
            )
        native.release()


class RoutedRLock(RoutedLock):
    """Stands for `_thread.RLock`."""

    _kind = "rlock"
    _reentrant = True

    @staticmethod
    def _new() -> _thread.LockType:
        return _allocate_rlock()  # type: ignore[return-value] # it has the same calls

    # What `threading.Condition` asks of it.

    def _is_owned(self) -> bool:
        scheduler = self._threads.here()
        if scheduler is None:
            return bool(self._real()._is_owned())  # type: ignore[attr-defined]  # noqa: SLF001 - the same call
        return self._in(scheduler).is_mine

    def _recursion_count(self) -> int:
        scheduler = self._threads.here()
        if scheduler is None:
            return int(self._real()._recursion_count())  # type: ignore[attr-defined]  # noqa: SLF001 - the same call
        turns = self._in(scheduler)
        return turns.depth if turns.is_mine else 0

    def _release_save(self) -> object:
        scheduler = self._threads.here()
        if scheduler is None:
            saved: object = self._real()._release_save()  # type: ignore[attr-defined]  # noqa: SLF001 - the same call
            return saved
        turns = self._in(scheduler)
        if not turns.is_mine:
            raise RuntimeError("cannot release un-acquired lock")
        depth = turns.depth
        for _ in range(depth - 1):
            turns.give_back()
        turns.release()
        return depth

    def _acquire_restore(self, state: object) -> None:
        scheduler = self._threads.here()
        if scheduler is None:
            self._real()._acquire_restore(state)  # type: ignore[attr-defined]  # noqa: SLF001 - the same call
            return
        turns = self._in(scheduler)
        assert isinstance(state, int), "what _release_save returned"
        for _ in range(state):
            turns.acquire()


def _is_locked(native: _thread.LockType) -> bool:
    if isinstance(native, NATIVE_LOCKS[0]):
        return native.locked()
    if native.acquire(blocking=False):
        native.release()
        return False
    return True
