"""`SerialRuntime`: the engine's runtime seam for simulated runs in one thread.

Spawned work waits in a queue and runs where the caller says (`run_pending`) or where somebody joins
it, so that a run is one sequence of ops, the same every time. Time stands still but for sleeps, the
wall clock also but for jumps. A
wait that nobody could ever end is a deadlock and raises at once.

Left out: interleavings of threads, which need a scheduler.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random  # noqa: TID251 - seeded by the run
from types import TracebackType

__all__ = ["DeadlockError", "SerialRuntime"]


class DeadlockError(RuntimeError):
    """Work in a single-threaded run waits for something that nothing else can bring about."""


class _SerialLock:
    """A lock and condition whose contention is a deadlock, since nobody else runs."""

    __slots__ = ("_depth", "_reentrant")

    def __init__(self, *, reentrant: bool) -> None:
        self._reentrant = reentrant
        self._depth = 0

    def acquire(self, timeout_s: float | None = None) -> bool:
        if self._depth and not self._reentrant:
            if timeout_s is not None:
                return False
            raise DeadlockError("a lock was taken twice; nobody else runs who could release it")
        self._depth += 1
        return True

    def release(self) -> None:
        if not self._depth:
            raise RuntimeError("release of a lock that is not held")
        self._depth -= 1

    def wait(self, timeout_s: float | None = None) -> bool:
        if timeout_s is None:
            raise DeadlockError("a wait without timeout; nobody else runs who could notify")
        return False

    def notify(self) -> None:
        """Do nothing: nobody waits."""

    def notify_all(self) -> None:
        """Do nothing: nobody waits."""

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class _SerialTask:
    """Work that runs when its turn comes or when somebody joins it."""

    __slots__ = ("_ended", "_work", "name")

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self._work = work
        self._ended = False

    def join(self, timeout_s: float | None = None) -> bool:  # noqa: ARG002 - the seam's signature
        self.run()
        return True

    def done(self) -> bool:
        return self._ended

    def run(self) -> None:
        if not self._ended:
            self._ended = True
            self._work()


class SerialRuntime:
    """Locks, tasks and time for one thread; implements the engine's `Runtime`.

    Args:
        seed: start of the random stream.

    >>> runtime = SerialRuntime()
    >>> task = runtime.spawn("greet", lambda: print("hello"))
    >>> runtime.run_pending(1)
    hello
    >>> task.done()
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        # Made when asked for: seeding takes long, and most stores that are opened ask for nothing.
        self._random: Random | None = None
        self._now_s = 0.0
        self._wall_clock_ahead_s = 0.0
        self._tasks: deque[_SerialTask] = deque()

    def lock(self) -> _SerialLock:
        """See `Runtime.lock`."""
        return _SerialLock(reentrant=False)

    def rlock(self) -> _SerialLock:
        """See `Runtime.rlock`."""
        return _SerialLock(reentrant=True)

    def condition(self) -> _SerialLock:
        """See `Runtime.condition`."""
        return _SerialLock(reentrant=True)

    def spawn(self, name: str, work: Callable[[], None]) -> _SerialTask:
        """See `Runtime.spawn`; the work waits until it is run or joined."""
        task = _SerialTask(name, work)
        self._tasks.append(task)
        return task

    def monotonic(self) -> float:
        """See `Runtime.monotonic`."""
        return self._now_s

    def wall_clock(self) -> float:
        """See `Runtime.wall_clock`; the simulated epoch begins at zero."""
        return self._now_s + self._wall_clock_ahead_s

    def jump_wall_clock(self, jump_s: float) -> None:
        """Set the wall clock `jump_s` seconds forwards, or back if negative.

        >>> runtime = SerialRuntime()
        >>> runtime.jump_wall_clock(3600)
        >>> runtime.wall_clock(), runtime.monotonic()
        (3600.0, 0.0)
        """
        self._wall_clock_ahead_s += jump_s

    def sleep(self, duration_s: float) -> None:
        """See `Runtime.sleep`; no real time passes."""
        self._now_s += duration_s

    def process_id(self) -> int:
        """Return the number of the only process there is."""
        return 1

    def random_bits(self, count: int) -> int:
        """See `Runtime.random_bits`."""
        if self._random is None:
            self._random = Random(self._seed)  # noqa: S311 - reproducible on purpose
        return self._random.getrandbits(count)

    def pending(self) -> int:
        """Return how many spawned tasks have not run yet."""
        return sum(not task.done() for task in self._tasks)

    def run_pending(self, count: int) -> None:
        """Run the `count` oldest tasks that wait, in the order in which they were spawned."""
        while count > 0 and self._tasks:
            task = self._tasks.popleft()
            if not task.done():
                task.run()
                count -= 1
