"""The door to threads, locks, time and chance, so that a simulator can stand in for all of them.

The engine asks this seam for every lock, thread and clock. `ThreadRuntime` (thread_runtime.py) is
the real one; simulated runs bring their own. Left out: processes and signals.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol

__all__ = ["Condition", "Lock", "Runtime", "Task"]


class Lock(Protocol):
    """A mutual-exclusion lock; as a context manager it waits without limit."""

    def acquire(self, timeout_s: float | None = None) -> bool:
        """Take the lock; wait at most `timeout_s` seconds (None: for ever). True if taken."""
        ...

    def release(self) -> None:
        """Give the lock back."""
        ...

    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Condition(Lock, Protocol):
    """A lock on which holders wait for a change that another holder announces."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Release, sleep until notified or for `timeout_s` seconds, take again. False: timeout."""
        ...

    def notify(self) -> None:
        """Wake one waiter."""
        ...

    def notify_all(self) -> None:
        """Wake every waiter."""
        ...


class Task(Protocol):
    """Work that runs beside its spawner."""

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end at most `timeout_s` seconds (None: for ever). True if it has ended.

        Raises:
            BaseException: whatever ended the work, if that was an exception.
        """
        ...

    def done(self) -> bool:
        """Whether the work has ended."""
        ...


class Runtime(Protocol):
    """Where locks, threads, clocks and randomness come from."""

    def lock(self) -> Lock:
        """Make a plain lock."""
        ...

    def rlock(self) -> Lock:
        """Make a lock that its holder may take again."""
        ...

    def condition(self) -> Condition:
        """Make a condition with a lock of its own."""
        ...

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        """Start `work` beside the caller; `name` is for people who look at what runs."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; its zero means nothing."""
        ...

    def wall_clock(self) -> float:
        """Seconds since the epoch, as the machine believes."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass."""
        ...

    def random_bits(self, count: int) -> int:
        """Return a number of `count` random bits."""
        ...

    def process_id(self) -> int:
        """Return the number of the process that asks."""
        ...
