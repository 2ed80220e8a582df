"""`ThreadRuntime`: the `Runtime` of real threads, clocks and random bits."""

from __future__ import annotations

import os  # noqa: TID251 - this module is the real side of the Runtime seam
import secrets
import threading  # noqa: TID251 - as above
import time  # noqa: TID251 - as above
from collections.abc import Callable
from types import TracebackType

from wavetank.engine.runtime import Condition, Lock, Task, require_duration

__all__ = ["ThreadRuntime"]


class ThreadRuntime:
    """Implements `Runtime` with the machine's threads; holds no state and may be shared.

    Spawned work runs in a daemon thread of its name. Random bits come from the system's secure
    source.

    >>> runtime = ThreadRuntime()
    >>> with runtime.lock(), runtime.rlock(), runtime.condition() as taken:
    ...     taken
    True
    >>> task = runtime.spawn("greeter", lambda: None)
    >>> task.join()
    True
    >>> before_s = runtime.monotonic()
    >>> runtime.sleep(0.001)
    >>> runtime.monotonic() - before_s >= 0.001
    True
    >>> runtime.random_bits(8) < 256 and runtime.wall_clock() > 0
    True
    """

    # The engine asks for these at every call, so they are the C functions themselves: a method
    # around them would cost a Python frame each time.
    monotonic = staticmethod(time.monotonic)
    process_id = staticmethod(os.getpid)

    def lock(self) -> Lock:
        """See `Runtime.lock`."""
        return _ThreadLock(threading.Lock())

    def rlock(self) -> Lock:
        """See `Runtime.rlock`."""
        return _ThreadLock(threading.RLock())

    def condition(self) -> Condition:
        """See `Runtime.condition`."""
        return _ThreadCondition()

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        """See `Runtime.spawn`."""
        return _ThreadTask(name, work)

    def wall_clock(self) -> float:
        """See `Runtime.wall_clock`."""
        return time.time()

    def sleep(self, duration_s: float) -> None:
        """See `Runtime.sleep`."""
        time.sleep(_clamped(duration_s))

    def random_bits(self, count: int) -> int:
        """See `Runtime.random_bits`."""
        return secrets.randbits(count)


class _ThreadLock:
    """A native lock that takes its timeout as the seam gives it."""

    __slots__ = ("_native",)

    def __init__(self, native: threading.Lock | threading.RLock) -> None:
        self._native = native

    def acquire(self, timeout_s: float | None = None) -> bool:
        if timeout_s is None:
            return self._native.acquire()
        return self._native.acquire(timeout=_clamped(timeout_s))

    def release(self) -> None:
        self._native.release()

    def __enter__(self) -> bool:
        return self._native.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._native.release()


class _ThreadCondition:
    """A native condition over a plain lock, which is reached directly for speed."""

    __slots__ = ("_changed", "_native")

    def __init__(self) -> None:
        self._native = threading.Lock()
        self._changed = threading.Condition(self._native)

    def acquire(self, timeout_s: float | None = None) -> bool:
        if timeout_s is None:
            return self._native.acquire()
        return self._native.acquire(timeout=_clamped(timeout_s))

    def release(self) -> None:
        self._native.release()

    def __enter__(self) -> bool:
        return self._native.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._native.release()

    def wait(self, timeout_s: float | None = None) -> bool:
        return self._changed.wait(None if timeout_s is None else _clamped(timeout_s))

    def notify(self) -> None:
        self._changed.notify()

    def notify_all(self) -> None:
        self._changed.notify_all()


class _ThreadTask:
    """A daemon thread that keeps the exception of its work for whoever joins it."""

    __slots__ = ("_error", "_thread")

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        # The thread drops its arguments at its end, so an ended task keeps nothing of its work.
        self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        self._thread.join(None if timeout_s is None else _clamped(timeout_s))
        if self._thread.is_alive():
            return False
        try:
            if self._error is not None:
                raise self._error
        finally:
            # Else the error, its traceback, this frame and the task would keep each other alive.
            del self
        return True

    def done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - kept for join, whatever it is
            self._error = error
        finally:
            del self, work  # as in join


def _clamped(duration_s: float) -> float:
    """Check a duration, and keep it below what the system's timers can count."""
    require_duration(duration_s)
    return min(duration_s, threading.TIMEOUT_MAX)
