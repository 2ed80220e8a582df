"""The real side of the runtime door: `ThreadRuntime` on the machine's threads, clocks and chance.

Left out: thread pools, priorities, and stopping a thread from outside.
"""

from __future__ import annotations

import os  # noqa: TID251 - as below
import secrets
import threading  # noqa: TID251 - this module is the real side of the Runtime seam
import time  # noqa: TID251 - as above
from collections.abc import Callable
from types import TracebackType

from wavetank.engine.runtime import Condition, Lock, Task

__all__ = ["ThreadRuntime"]


class ThreadRuntime:
    """Threads, locks, clocks and randomness of the machine.

    It holds no state, and any number of threads may share one. Every duration is in seconds; one
    that is negative or no number raises ``ValueError``.

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

    def lock(self) -> Lock:
        """Make a plain lock."""
        return _ThreadLock(threading.Lock())

    def rlock(self) -> Lock:
        """Make a lock that its holder may take again."""
        return _ThreadLock(threading.RLock())

    def condition(self) -> Condition:
        """Make a condition with a plain lock of its own."""
        return _ThreadCondition()

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        """Start `work` in a daemon thread called `name`; see `Task.join` for what it raises."""
        return _ThreadTask(name, work)

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def wall_clock(self) -> float:
        """Seconds since the epoch, as the machine believes."""
        return time.time()

    def sleep(self, duration_s: float) -> None:
        """Let at least `duration_s` seconds pass.

        Raises:
            ValueError: a duration that is negative or no number.
        """
        time.sleep(_clamped(duration_s))

    process_id = staticmethod(os.getpid)

    def random_bits(self, count: int) -> int:
        """Return a number of `count` random bits from the system's secure source."""
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
    """A daemon thread whose exception waits for whoever joins it.

    An exception that escapes the work, of whatever kind, is kept, and every `join` that sees the
    end raises it; so True from `join` means that the work succeeded. `done` never raises. The
    exception of a task that nobody joins is never seen.
    """

    __slots__ = ("_error", "_thread", "_work")

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        self._thread.join(None if timeout_s is None else _clamped(timeout_s))
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - kept for join, whatever it is
            self._error = error


def _clamped(duration_s: float) -> float:
    """Check a duration, and keep it below what the system's timers can count."""
    if not duration_s >= 0:
        raise ValueError(f"duration: expected seconds >= 0 but got {duration_s!r}")
    return min(duration_s, threading.TIMEOUT_MAX)
