"""The seam to threads, locks, clocks, random bits and the process number.

The engine takes all of them from a `Runtime`, so that a simulation can replace them.
`ThreadRuntime` (thread_runtime.py) is the real one; `wavetank.sim.SerialRuntime` runs everything in
one thread. What follows holds for both, and tests/engine/test_runtime_contract.py checks it on
both; the implementations document only what is special about them.

Durations and timeouts are in seconds. A timeout of None waits for ever and 0 tries once. Every call
that takes a duration raises ``ValueError`` for one that is negative or NaN, before anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol

__all__ = ["Condition", "Lock", "Runtime", "Task", "require_duration"]


class Lock(Protocol):
    """A mutual-exclusion lock. As a context manager it waits without limit."""

    def acquire(self, timeout_s: float | None = None) -> bool:
        """Take the lock; True if it was taken, False if it was not free in time.

        Only a lock made by `Runtime.rlock` can be taken again by its holder. For any other, the
        second `acquire` of a holder returns False after its timeout, and without one it never
        succeeds: threads wait for ever, a simulation raises its deadlock error at once.

        Args:
            timeout_s: how long to wait for the holder.
        """
        ...

    def release(self) -> None:
        """Give the lock back; an `rlock` is free after as many releases as acquires.

        Raises:
            RuntimeError: nobody holds the lock, or it is an `rlock` that the caller does not hold.
        """
        ...

    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Condition(Lock, Protocol):
    """A lock on which a holder can wait for a change that another holder announces.

    Its lock cannot be taken again by its holder.
    """

    def wait(self, timeout_s: float | None = None) -> bool:
        """Release the lock, wait to be notified, and take the lock again.

        The caller checks what it waits for in a loop, since others may run before it.

        Args:
            timeout_s: how long to wait for a notification.

        Returns:
            Whether a notification came in time. The caller holds the lock either way.

        Raises:
            RuntimeError: nobody holds the lock.
        """
        ...

    def notify(self) -> None:
        """Wake the one that has waited longest, if anyone waits.

        Raises:
            RuntimeError: nobody holds the lock.
        """
        ...

    def notify_all(self) -> None:
        """Wake everyone that waits.

        Raises:
            RuntimeError: nobody holds the lock.
        """
        ...


class Task(Protocol):
    """Work started by `Runtime.spawn`."""

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the work; True if it has ended, False if it has not in time.

        Args:
            timeout_s: how long to wait.

        Raises:
            BaseException: the exception that ended the work, at every call; so True means that the
                work succeeded.
            RuntimeError: the work joins itself.
        """
        ...

    def done(self) -> bool:
        """Tell whether the work has ended, also by an exception; never raises and never waits."""
        ...


class Runtime(Protocol):
    """Makes locks, starts work, and tells the time, random bits and the process number."""

    def lock(self) -> Lock:
        """Make a lock that its holder cannot take again."""
        ...

    def rlock(self) -> Lock:
        """Make a lock that its holder can take again."""
        ...

    def condition(self) -> Condition:
        """Make a condition with a lock of its own."""
        ...

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        """Start work beside the caller, without waiting for it.

        Works may run in any order. An exception that ends one, of whatever kind, is kept for
        `Task.join`; nobody else sees it.

        Args:
            name: identifies the work to people, in a debugger or an error message.
            work: called once; it may spawn and join other work.
        """
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back; only differences have a meaning."""
        ...

    def wall_clock(self) -> float:
        """Return seconds since the epoch as the machine believes; the clock may be set back."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Let at least `duration_s` seconds pass on both clocks."""
        ...

    def random_bits(self, count: int) -> int:
        """Return a number of `count` random bits.

        Raises:
            ValueError: `count` is negative.
        """
        ...

    def process_id(self) -> int:
        """Return the number of the process that asks; after a fork the child gets its own."""
        ...


def require_duration(duration_s: float) -> None:
    """Raise ``ValueError`` for a duration that is negative or NaN.

    >>> require_duration(-1)
    Traceback (most recent call last):
    ValueError: duration: expected seconds >= 0 but got -1
    """
    if not duration_s >= 0:
        raise ValueError(f"duration: expected seconds >= 0 but got {duration_s!r}")
