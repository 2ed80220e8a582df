"""`RWOperationLocker`: many readers beside one updater, who can ask for a moment alone.

An update prepares its work (a write, a sync) while readers go on, and takes `exclusive` only for
the instant in which memory changes, so a slow disk never holds up a read. Updaters are not served
in the order in which they came. Not reentrant: a reader that re-acquires while an exclusive request
is pending, or that asks for exclusive itself, deadlocks or times out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from wavetank.engine.errors import LockTimeoutError, OperationCancelledError
from wavetank.engine.runtime import Condition, Runtime
from wavetank.engine.storage import CancelToken

__all__ = ["RWOperationLocker", "wake_all"]

_SLOW_AFTER_S: Final = 0.1


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

    `read`, `update` and `exclusive` return context managers, which take nothing before the ``with``
    statement enters. `acquire_read` and its siblings do the same in one call, for code that cannot
    afford an object for each use. An attempt that fails leaves nothing behind. A free lock is taken
    without touching the runtime.

    Args:
        runtime: where the condition and the clock come from.
        name: what the lock guards, for error messages.
        default_timeout_s: seconds to wait where a call names none; None waits for ever.
        on_slow: called with the mode and the seconds of every ``with`` block in read or update mode
            that took at least `slow_after_s`, from asking for the lock to giving it back or up.
            Without it a free lock never asks the clock.
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
    >>> locker.acquire_read(timeout_s=1.0)
    >>> locker.release_read()
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        default_timeout_s: float | None,
        on_slow: Callable[[str, float], None] | None = None,
        slow_after_s: float = _SLOW_AFTER_S,
    ) -> None:
        self._default_timeout_s = _checked_timeout("default_timeout_s", default_timeout_s)
        self._name = name
        self._runtime = runtime
        self._on_slow = on_slow
        self._slow_after_s = slow_after_s
        self._changed = runtime.condition()
        # One item for each reader inside, and one while no update is inside. Appending to a list
        # and popping from it are atomic, so a free lock needs no lock of its own. Whoever frees
        # looks at `_waiter_count` afterwards; whoever waits raises it first and looks at these
        # afterwards: one of the two sees the other, so no wake-up is lost.
        self._readers: list[None] = []
        self._update_token: list[None] = [None]
        self._readers_barred = False  # an exclusive is there or waits
        self._waiter_count = 0

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
        _check_arguments(timeout_s, cancel)
        return self._watched(
            "read", _Hold(lambda: self.acquire_read(timeout_s, cancel), self.release_read)
        )

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
        _check_arguments(timeout_s, cancel)
        return self._watched(
            "update", _Hold(lambda: self.acquire_update(timeout_s, cancel), self.release_update)
        )

    def exclusive(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """Be alone, within an update of one's own.

        Args:
            timeout_s: seconds to wait for the readers; 0 tries once, None means the lock's default.

        Raises:
            TypeError: `timeout_s` is no number.
            ValueError: `timeout_s` is negative or NaN.
            RuntimeError: on entering; no update is held, or exclusive is held already.
            LockTimeoutError: on entering; the readers did not leave in time.
        """
        _check_arguments(timeout_s, None)
        return _Hold(lambda: self.acquire_exclusive(timeout_s), self.release_exclusive)

    def acquire_read(
        self, timeout_s: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Enter as `read` does, with its arguments and errors; leave with `release_read`."""
        if cancel is not None or not (
            timeout_s is None or (type(timeout_s) is float and timeout_s >= 0.0)
        ):
            _check_arguments(timeout_s, cancel)
            if cancel is not None:
                _require_wanted(cancel)
        self._readers.append(None)
        if self._readers_barred:
            self.release_read()
            self._wait_to_read(timeout_s)
        if cancel is not None:
            _release_unless_wanted(cancel, self.release_read)

    def release_read(self) -> None:
        """Leave read mode."""
        self._readers.pop()
        if self._waiter_count:
            self._wake()

    def acquire_update(
        self, timeout_s: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Enter as `update` does, with its arguments and errors; leave with `release_update`."""
        if cancel is not None or not (
            timeout_s is None or (type(timeout_s) is float and timeout_s >= 0.0)
        ):
            _check_arguments(timeout_s, cancel)
            if cancel is not None:
                _require_wanted(cancel)
        try:
            self._update_token.pop()
        except IndexError:
            self._wait_to_update(timeout_s)
        if cancel is not None:
            _release_unless_wanted(cancel, self.release_update)

    def release_update(self) -> None:
        """Leave update mode."""
        self._update_token.append(None)
        if self._waiter_count:
            self._wake()

    def acquire_exclusive(self, timeout_s: float | None = None) -> None:
        """Enter as `exclusive` does, with its errors; leave with `release_exclusive`."""
        if self._update_token or self._readers_barred:
            raise RuntimeError(f"{self._name}: exclusive needs update, held once")
        self._readers_barred = True
        if self._readers:
            try:
                self._wait_until(lambda: not self._readers, lambda: None, "exclusive", timeout_s)
            except BaseException:
                self.release_exclusive()
                raise

    def release_exclusive(self) -> None:
        """Leave exclusive mode; the update is still held."""
        self._readers_barred = False
        if self._waiter_count:
            self._wake()

    def _watched(self, mode: str, hold: _Hold) -> AbstractContextManager[None]:
        if self._on_slow is None:
            return hold
        return _WatchedHold(hold, mode, self._runtime.monotonic, self._slow_after_s, self._on_slow)

    def _wake(self) -> None:
        wake_all(self._changed)

    def _wait_to_read(self, timeout_s: float | None) -> None:
        def enters() -> bool:
            self._readers.append(None)
            if not self._readers_barred:
                return True
            self._readers.pop()
            return False

        self._wait_until(enters, self.release_read, "read", timeout_s)

    def _wait_to_update(self, timeout_s: float | None) -> None:
        def enters() -> bool:
            try:
                self._update_token.pop()
            except IndexError:
                return False
            return True

        self._wait_until(enters, self.release_update, "update", timeout_s)

    def _wait_until(
        self,
        enters: Callable[[], bool],
        leaves: Callable[[], None],
        mode: str,
        timeout_s: float | None,
    ) -> None:
        """Wait until `enters` succeeds; it is asked with the condition held, and asked again.

        `leaves` takes it back where an error comes after that. No error leaves anything behind.

        A reader that tries and leaves again inside `enters` cannot mislead an exclusive: both hold
        the condition while they look.
        """
        allowed_s = self._default_timeout_s if timeout_s is None else timeout_s
        if allowed_s is not None and allowed_s == math.inf:
            allowed_s = None
        deadline_s = None if allowed_s is None else self._runtime.monotonic() + allowed_s
        in_time, entered = True, False
        try:
            with self._changed:
                self._waiter_count += 1
                try:
                    while not enters():
                        left_s = None
                        if deadline_s is not None:
                            left_s = deadline_s - self._runtime.monotonic()
                        if not in_time or (left_s is not None and left_s <= 0):
                            raise LockTimeoutError(
                                f"{self._name}: expected the {mode} lock within {allowed_s} s "
                                f"but it was not free"
                            )
                        in_time = self._changed.wait(left_s)
                    entered = True
                finally:
                    self._waiter_count -= 1
        except BaseException:
            if entered:
                leaves()
            raise


def wake_all(condition: Condition) -> None:
    """Wake everyone that waits on a condition, whatever error comes in between.

    Without a second try, those who wait for what has just become true would wait for ever.
    """
    try:
        with condition:
            condition.notify_all()
    except BaseException:
        with condition:
            condition.notify_all()
        raise


class _Hold:
    """One use of a lock as a context manager."""

    __slots__ = ("_acquire", "_release")

    def __init__(self, acquire: Callable[[], None], release: Callable[[], None]) -> None:
        self._acquire = acquire
        self._release = release

    def __enter__(self) -> None:
        self._acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()


class _WatchedHold:
    """A use of a lock that is reported if it was slow, whether it ended well or not."""

    __slots__ = ("_hold", "_mode", "_now_s", "_on_slow", "_slow_after_s", "_start_s")

    def __init__(
        self,
        hold: _Hold,
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
            self._report_if_slow()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hold.__exit__(kind, error, trace)
        self._report_if_slow()

    def _report_if_slow(self) -> None:
        duration_s = self._now_s() - self._start_s
        if duration_s >= self._slow_after_s:
            self._on_slow(self._mode, duration_s)


def _require_wanted(cancel: CancelToken) -> None:
    if cancel.is_set():
        raise OperationCancelledError("the cancel token was set before anything was written")


def _release_unless_wanted(cancel: CancelToken, release: Callable[[], None]) -> None:
    try:
        _require_wanted(cancel)
    except BaseException:
        release()
        raise


def _check_arguments(timeout_s: float | None, cancel: CancelToken | None) -> None:
    _checked_timeout("timeout_s", timeout_s)
    if cancel is not None and not callable(getattr(cancel, "is_set", None)):
        kind = type(cancel).__name__
        raise TypeError(f"cancel: expected a token with is_set() but got {cancel!r} ({kind})")


def _checked_timeout(argument: str, timeout_s: float | None) -> float | None:
    if timeout_s is None or (type(timeout_s) is float and 0 <= timeout_s < math.inf):
        return timeout_s
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)):
        kind = type(timeout_s).__name__
        raise TypeError(f"{argument}: expected seconds as a number but got {timeout_s!r} ({kind})")
    if not timeout_s >= 0:
        raise ValueError(f"{argument}: expected seconds >= 0 but got {timeout_s!r}")
    return None if timeout_s == math.inf else timeout_s
