"""`SerialRuntime`: the engine's `Runtime` for simulated runs in one thread.

Spawned work waits in a queue. It runs to its end, in one go, where the run says so (`run_pending`),
where somebody joins it, or where somebody waits on a condition without a timeout; so a run is one
sequence of operations, the same every time. There are no interleavings inside a work.

Time passes only in sleeps and in waits that time out. A wait that nothing can end raises
`DeadlockError` at once. Because work runs inside the call that waits for it, work that itself waits
for that caller also counts as a deadlock, though threads would get through.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from random import Random  # noqa: TID251 - seeded by the run
from types import TracebackType
from typing import Final

from wavetank.engine.runtime import Condition, Lock, Task, require_duration

__all__ = ["DeadlockError", "SerialRuntime"]

_NO_LIMIT: Final = (None, math.inf)
_PROCESS_ID: Final = 1


class DeadlockError(RuntimeError):
    """Work in a single-threaded run waits for something that nothing else can bring about."""


class _Scheduler:
    """What the locks, tasks and clocks of one runtime share.

    Attributes:
        now_s: the time on the monotonic clock.
        running: the task whose work runs now; None for the run itself, which spawned the first.
        pending: tasks that have not begun, oldest first.
    """

    __slots__ = ("now_s", "pending", "running")

    def __init__(self) -> None:
        self.now_s = 0.0
        self.running: _SerialTask | None = None
        self.pending: deque[_SerialTask] = deque()

    def time_out(self, timeout_s: float | None, problem: str) -> None:
        """Let the timeout of a wait that nothing will end pass.

        Raises:
            DeadlockError: there is no timeout.
        """
        if timeout_s in _NO_LIMIT:
            who = "the run" if self.running is None else f"work {self.running.name!r}"
            raise DeadlockError(f"{who} {problem}")
        self.now_s += timeout_s


class _SerialLock:
    """A lock and condition whose contention is a deadlock, since its holder cannot go on."""

    __slots__ = ("_depth", "_holder", "_reentrant", "_scheduler", "_waiters")

    def __init__(self, scheduler: _Scheduler, *, reentrant: bool) -> None:
        self._scheduler = scheduler
        self._reentrant = reentrant
        self._depth = 0
        self._holder: _SerialTask | None = None
        self._waiters: list[object] = []

    def acquire(self, timeout_s: float | None = None) -> bool:
        if timeout_s is not None:
            require_duration(timeout_s)
        if self._depth:
            holds = self._holder is self._scheduler.running
            if not (self._reentrant and holds):
                who = "it holds itself" if holds else "whose holder cannot go on to release it"
                self._scheduler.time_out(timeout_s, f"waits for a lock {who}")
                return False
        self._depth += 1
        self._holder = self._scheduler.running
        return True

    def release(self) -> None:
        if not self._depth:
            raise RuntimeError("release of a lock that nobody holds")
        if self._reentrant and self._holder is not self._scheduler.running:
            raise RuntimeError("release of a reentrant lock that another work holds")
        self._depth -= 1
        if not self._depth:
            self._holder = None  # else an idle lock would keep a task alive

    def wait(self, timeout_s: float | None = None) -> bool:
        if timeout_s is not None:
            require_duration(timeout_s)
        self._require_held("wait")
        waiter = object()
        self._waiters.append(waiter)
        self.release()
        try:
            while waiter in self._waiters:
                if timeout_s in _NO_LIMIT and self._scheduler.pending:
                    self._scheduler.pending[0].run()
                    continue
                self._scheduler.time_out(timeout_s, "waits, and no work is left that could notify")
                return False
            return True
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self.acquire()

    def notify(self) -> None:
        self._require_held("notify")
        if self._waiters:
            del self._waiters[0]

    def notify_all(self) -> None:
        self._require_held("notify_all")
        self._waiters.clear()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _require_held(self, call: str) -> None:
        if not self._depth:
            raise RuntimeError(f"{call} on a condition that nobody holds")


class _SerialTask:
    """Work that runs when its turn comes or when somebody joins it."""

    __slots__ = ("_ended", "_error", "_scheduler", "_work", "name")

    def __init__(self, scheduler: _Scheduler, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self._scheduler = scheduler
        self._work: Callable[[], None] | None = work  # None from where it begins
        self._ended = False
        self._error: BaseException | None = None
        scheduler.pending.append(self)

    def join(self, timeout_s: float | None = None) -> bool:
        if timeout_s is not None:
            require_duration(timeout_s)
        if self._work is not None:
            self.run()
        if self._scheduler.running is self:
            raise DeadlockError(f"work {self.name!r} joins itself")
        if not self._ended:
            problem = f"joins work {self.name!r}, which waits for it"
            self._scheduler.time_out(timeout_s, problem)
            return False
        self.raise_error()
        return True

    def done(self) -> bool:
        return self._ended

    def run(self) -> None:
        """Run the work, which has not begun, to its end; keep its exception."""
        assert self._work is not None, "work runs once"
        work, self._work = self._work, None
        self._scheduler.pending.remove(self)
        caller, self._scheduler.running = self._scheduler.running, self
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - kept for join, whatever it is
            self._error = error
        finally:
            self._scheduler.running = caller
            self._ended = True

    def raise_error(self) -> None:
        """Raise what ended the work, if it was an exception."""
        if self._error is not None:
            raise self._error


class SerialRuntime:
    """Implements the engine's `Runtime` in one thread.

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
        self._wall_clock_ahead_s = 0.0
        self._scheduler = _Scheduler()

    def lock(self) -> Lock:
        """See `Runtime.lock`."""
        return _SerialLock(self._scheduler, reentrant=False)

    def rlock(self) -> Lock:
        """See `Runtime.rlock`."""
        return _SerialLock(self._scheduler, reentrant=True)

    def condition(self) -> Condition:
        """See `Runtime.condition`."""
        return _SerialLock(self._scheduler, reentrant=False)

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        """See `Runtime.spawn`; the work is queued."""
        return _SerialTask(self._scheduler, name, work)

    def monotonic(self) -> float:
        """See `Runtime.monotonic`; begins at zero."""
        return self._scheduler.now_s

    def wall_clock(self) -> float:
        """See `Runtime.wall_clock`; the simulated epoch begins at zero."""
        return self._scheduler.now_s + self._wall_clock_ahead_s

    def jump_wall_clock(self, jump_s: float) -> None:
        """Set the wall clock `jump_s` seconds forwards, or back if negative.

        >>> runtime = SerialRuntime()
        >>> runtime.jump_wall_clock(3600)
        >>> runtime.wall_clock(), runtime.monotonic()
        (3600.0, 0.0)
        """
        self._wall_clock_ahead_s += jump_s

    def sleep(self, duration_s: float) -> None:
        """See `Runtime.sleep`; no real time passes, and no other work runs meanwhile."""
        require_duration(duration_s)
        self._scheduler.time_out(duration_s, "sleeps for ever")

    def random_bits(self, count: int) -> int:
        """See `Runtime.random_bits`; the same numbers for the same seed."""
        if self._random is None:
            self._random = Random(self._seed)  # noqa: S311 - reproducible on purpose
        return self._random.getrandbits(count)

    def process_id(self) -> int:
        """See `Runtime.process_id`; always the same number, as nothing in simulation forks."""
        return _PROCESS_ID

    def pending(self) -> int:
        """Return how many spawned works have not begun."""
        return len(self._scheduler.pending)

    def run_pending(self, count: int) -> None:
        """Run the `count` oldest spawned works that have not begun, in the order of their spawns.

        Raises:
            BaseException: what ended a work, which is also kept for `Task.join`; the works behind
                it stay pending.
        """
        pending = self._scheduler.pending
        for _ in range(min(count, len(pending))):
            if not pending:
                return  # the work just run joined the others
            task = pending[0]
            task.run()
            task.raise_error()
