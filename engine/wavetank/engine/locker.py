"""One use of a lock as a context manager: cancelled on the way in, and told of if it was slow.

Left out: who may enter when (locker.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from wavetank.engine.errors import LockTimeoutError, OperationCancelledError
from wavetank.engine.runtime import Runtime
from wavetank.engine.storage import CancelToken

__all__ = ["SLOW_AFTER_S", "Hold", "RWOperationLocker", "WatchedHold"]


class Hold:
    """One use of the lock as a context manager; a class, since a generator costs twice as much."""

    __slots__ = ("_cancel", "_enter", "_leave", "_timeout_s")

    def __init__(
        self,
        enter: Callable[[float | None], None],
        leave: Callable[[], None],
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        self._enter = enter
        self._leave = leave
        self._timeout_s = timeout_s
        self._cancel = cancel

    def __enter__(self) -> None:
        if self._cancel is None:
            self._enter(self._timeout_s)
            return
        _require_wanted(self._cancel)
        self._enter(self._timeout_s)
        try:
            _require_wanted(self._cancel)
        except BaseException:
            self._leave()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()


class WatchedHold:
    """A use of the lock that is told of if it was slow, whether it ended well or not."""

    __slots__ = ("_hold", "_mode", "_now_s", "_on_slow", "_slow_after_s", "_start_s")

    def __init__(
        self,
        hold: Hold,
        mode: str,
        now_s: Callable[[], float],
        slow_after_s: float,
        on_slow: Callable[[str, float], None],
    ) -> None:
        self._hold = hold
        self._mode = mode
        self._now_s = now_s
        self._slow_after_s = slow_after_s
        self._on_slow = on_slow
        self._start_s = 0.0

    def __enter__(self) -> None:
        self._start_s = self._now_s()
        try:
            self._hold.__enter__()
        except BaseException:
            self._tell()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hold.__exit__(kind, error, trace)
        self._tell()

    def _tell(self) -> None:
        duration_s = self._now_s() - self._start_s
        if duration_s >= self._slow_after_s:
            self._on_slow(self._mode, duration_s)


def _require_wanted(cancel: CancelToken) -> None:
    if cancel.is_set():
        raise OperationCancelledError("the cancel token was set before anything was written")


SLOW_AFTER_S: Final = 0.1
"""From how many seconds on an operation is slow, unless a lock says otherwise."""


class RWOperationLocker:
    """A lock with three modes: read, update, and exclusive for the holder of update.

    +-----------+------------------------+-------------------------------+
    | mode      | enters when            | keeps out                     |
    +===========+========================+===============================+
    | read      | no exclusive is there, | nobody (an exclusive waits    |
    |           | and none waits         | for the readers to leave)     |
    +-----------+------------------------+-------------------------------+
    | update    | no other update        | other updates                 |
    +-----------+------------------------+-------------------------------+
    | exclusive | all readers have left  | readers, from when it waits   |
    +-----------+------------------------+-------------------------------+

    Nothing is taken before the ``with`` statement enters, and an attempt that fails leaves nothing
    behind. A free lock is taken without any wait, so that a runtime without threads can use it.

    Args:
        runtime: where the condition and the clock come from.
        name: what the lock guards, for error messages.
        default_timeout_s: seconds to wait where a call names none; None waits for ever.
        on_slow: called with the mode and the seconds of every read or update that took at least
            `slow_after_s`, from asking for the lock to giving it back or up. Without it a lock that
            is free never asks the clock.
        slow_after_s: what is slow, in seconds.

    Raises:
        TypeError: a timeout that is no number.
        ValueError: a timeout that is negative or NaN.

    >>> from wavetank.engine.thread_runtime import ThreadRuntime
    >>> locker = RWOperationLocker(ThreadRuntime(), name="log", default_timeout_s=5.0)
    >>> with locker.update():
    ...     with locker.read():
    ...         pass  # the old log is still there to be read
    ...     with locker.exclusive():
    ...         pass  # alone: publish the new one
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        default_timeout_s: float | None,
        on_slow: Callable[[str, float], None] | None = None,
        slow_after_s: float = SLOW_AFTER_S,
    ) -> None:
        self._default_timeout_s = _checked_timeout("default_timeout_s", default_timeout_s)
        self._name = name
        self._runtime = runtime
        self._on_slow = on_slow
        self._slow_after_s = slow_after_s
        self._changed = runtime.condition()
        self._reader_count = 0
        self._waiter_count = 0
        self._updating = False
        self._readers_barred = False  # an exclusive is there or waits
        # With the default timeout and no token a hold carries no state, and one serves all.
        self._default_read = self._hold(self._enter_read, self._leave_read, None, None)
        self._default_update = self._hold(self._enter_update, self._leave_update, None, None)

    def read(
        self, timeout_s: float | None = None, cancel: CancelToken | None = None
    ) -> AbstractContextManager[None]:
        """Enter as one of many readers, beside an update but not beside an exclusive.

        Args:
            timeout_s: seconds to wait; 0 tries once, None means the lock's default.
            cancel: looked at before and after the lock is taken.

        Raises:
            TypeError: `timeout_s` is no number, or `cancel` has no ``is_set``.
            ValueError: `timeout_s` is negative or NaN.
            LockTimeoutError: on entering; an exclusive did not end in time.
            OperationCancelledError: on entering; the token was set.
        """
        if timeout_s is None and cancel is None:
            return self._watched("read", self._default_read)
        hold = self._hold(self._enter_read, self._leave_read, timeout_s, cancel)
        return self._watched("read", hold)

    def update(
        self, timeout_s: float | None = None, cancel: CancelToken | None = None
    ) -> AbstractContextManager[None]:
        """Enter as the only updater; readers come and go.

        Args:
            timeout_s: seconds to wait; 0 tries once, None means the lock's default.
            cancel: looked at before and after the lock is taken.

        Raises:
            TypeError: `timeout_s` is no number, or `cancel` has no ``is_set``.
            ValueError: `timeout_s` is negative or NaN.
            LockTimeoutError: on entering; another update did not end in time.
            OperationCancelledError: on entering; the token was set.
        """
        if timeout_s is None and cancel is None:
            return self._watched("update", self._default_update)
        hold = self._hold(self._enter_update, self._leave_update, timeout_s, cancel)
        return self._watched("update", hold)

    def exclusive(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """Be alone: keep new readers out and wait until those inside have left.

        Args:
            timeout_s: seconds to wait; 0 tries once, None means the lock's default.

        Raises:
            TypeError: `timeout_s` is no number.
            ValueError: `timeout_s` is negative or NaN.
            RuntimeError: on entering; nobody holds `update`, or exclusive is already held.
            LockTimeoutError: on entering; the readers did not leave in time.
        """
        return self._hold(self._enter_exclusive, self._leave_exclusive, timeout_s, None)

    def _watched(self, mode: str, hold: Hold) -> Hold | WatchedHold:
        if self._on_slow is None:
            return hold
        return WatchedHold(hold, mode, self._runtime.monotonic, self._slow_after_s, self._on_slow)

    def _hold(
        self,
        enter: Callable[[float | None], None],
        leave: Callable[[], None],
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> Hold:
        timeout_s = _checked_timeout("timeout_s", timeout_s)
        if timeout_s is None:
            timeout_s = self._default_timeout_s
        if cancel is not None and not callable(getattr(cancel, "is_set", None)):
            kind = type(cancel).__name__
            raise TypeError(f"cancel: expected a token with is_set() but got {cancel!r} ({kind})")
        return Hold(enter, leave, timeout_s, cancel)

    def _enter_read(self, timeout_s: float | None) -> None:
        with self._changed:
            if self._readers_barred:
                self._wait_until(lambda: not self._readers_barred, "read", timeout_s)
            self._reader_count += 1

    def _leave_read(self) -> None:
        with self._changed:
            self._reader_count -= 1
            if self._readers_barred and not self._reader_count:
                self._changed.notify_all()

    def _enter_update(self, timeout_s: float | None) -> None:
        with self._changed:
            if self._updating:
                self._wait_until(lambda: not self._updating, "update", timeout_s)
            self._updating = True

    def _leave_update(self) -> None:
        with self._changed:
            self._updating = False
            if self._waiter_count:
                self._changed.notify_all()

    def _enter_exclusive(self, timeout_s: float | None) -> None:
        with self._changed:
            if not self._updating or self._readers_barred:
                raise RuntimeError(f"{self._name}: exclusive needs update, held once")
            self._readers_barred = True
            if self._reader_count:
                try:
                    self._wait_until(lambda: not self._reader_count, "exclusive", timeout_s)
                except BaseException:
                    self._readers_barred = False
                    self._changed.notify_all()
                    raise

    def _leave_exclusive(self) -> None:
        with self._changed:
            self._readers_barred = False
            if self._waiter_count:
                self._changed.notify_all()

    def _wait_until(self, free: Callable[[], bool], mode: str, timeout_s: float | None) -> None:
        """Wait, with the condition held, until `free` says so."""
        deadline_s = None if timeout_s is None else self._runtime.monotonic() + timeout_s
        in_time = True
        self._waiter_count += 1
        try:
            while not free():
                left_s = None if deadline_s is None else deadline_s - self._runtime.monotonic()
                if not in_time or (left_s is not None and left_s <= 0):
                    raise LockTimeoutError(
                        f"{self._name}: expected the {mode} lock within {timeout_s} s "
                        f"but it was not free"
                    )
                in_time = self._changed.wait(left_s)
        finally:
            self._waiter_count -= 1


def _checked_timeout(argument: str, timeout_s: float | None) -> float | None:
    if timeout_s is None or (type(timeout_s) is float and 0 <= timeout_s < math.inf):
        return timeout_s
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)):
        kind = type(timeout_s).__name__
        raise TypeError(f"{argument}: expected seconds as a number but got {timeout_s!r} ({kind})")
    if not timeout_s >= 0:
        raise ValueError(f"{argument}: expected seconds >= 0 but got {timeout_s!r}")
    return None if timeout_s == math.inf else timeout_s
