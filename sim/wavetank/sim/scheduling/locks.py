"""Locks and conditions of simulated tasks: each call is a pause, and a wait costs no real time."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from wavetank.engine.runtime import require_duration
from wavetank.sim.scheduling.scheduler import Access, Scheduler

__all__ = ["SimCondition", "SimLock"]

_NOBODY: Final = -1


class SimLock:
    """A lock that many tasks may want; whoever is chosen first when it is free gets it."""

    __slots__ = ("_access", "_depth", "_holder", "_kind", "_reentrant", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler, kind: str, number: int, *, reentrant: bool) -> None:
        self._scheduler = scheduler
        self._kind = f"{kind} {number}"
        self._reentrant = reentrant
        self._access = Access.holding((kind, number))
        self._depth = 0
        self._holder = _NOBODY
        # Tasks whose next step takes this lock. They are ready exactly while it is free.
        self._waiters: list[int] = []

    def acquire(self, timeout_s: float | None = None) -> bool:
        """See `Lock.acquire`."""
        if timeout_s is not None:
            require_duration(timeout_s)
        scheduler = self._scheduler
        scheduler.step += 1
        if scheduler.step < scheduler.look_at and not self._depth:
            self._take(scheduler.running.number)
            return True
        return self._acquire_in_turn(timeout_s)

    def _acquire_in_turn(self, timeout_s: float | None) -> bool:
        """Take the lock, at a step that has been counted."""
        scheduler = self._scheduler
        me = scheduler.running.number
        if timeout_s == 0 or (self._reentrant and self._holder == me):
            scheduler.look(self._access)
            if self._depth and not (self._reentrant and self._holder == me):
                return False
        else:
            self._waiters.append(me)
            try:
                if not scheduler.take_counted_turn(
                    lambda: self._waited_for(me),
                    self._access,
                    is_ready=not self._depth,
                    timeout_s=timeout_s,
                ):
                    return False
            finally:
                self._waiters.remove(me)
        self._take(me)
        return True

    def _take(self, me: int) -> None:
        self._depth += 1
        self._holder = me
        for waiter in self._waiters:
            self._scheduler.hold_back(waiter)

    def release(self) -> None:
        """See `Lock.release`."""
        self._require_held("release")
        scheduler = self._scheduler
        if self._reentrant and self._holder != scheduler.running.number:
            raise RuntimeError("release of a reentrant lock that another task holds")
        try:
            scheduler.pause(self._access)
        finally:
            self.give_back()

    @property
    def is_held(self) -> bool:
        """Whether a task holds it."""
        return bool(self._depth)

    @property
    def is_mine(self) -> bool:
        """Whether the running task holds it."""
        return bool(self._depth) and self._holder == self._scheduler.running.number

    @property
    def depth(self) -> int:
        """How often its holder has taken it."""
        return self._depth

    def give_back(self) -> None:
        """Release it without a pause."""
        self._depth -= 1
        if not self._depth:
            self._holder = _NOBODY
            for waiter in self._waiters:
                self._scheduler.wake(waiter)

    def _require_held(self, call: str) -> None:
        if not self._depth:
            raise RuntimeError(f"{call} of a lock that nobody holds")

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _waited_for(self, waiter: int) -> str:
        if self._holder == waiter:
            return f"{self._kind}, which it holds itself"
        return f"{self._kind}, which {self._scheduler.tasks[self._holder]} holds"


class SimCondition(SimLock):
    """A lock with tasks that wait for a notification, the one that has waited longest first."""

    __slots__ = ("_unnotified",)

    def __init__(self, scheduler: Scheduler, number: int) -> None:
        super().__init__(scheduler, "condition", number, reentrant=False)
        self._unnotified: list[int] = []

    def wait(self, timeout_s: float | None = None) -> bool:
        """See `Condition.wait`."""
        if timeout_s is not None:
            require_duration(timeout_s)
        self._require_held("wait")
        scheduler = self._scheduler
        me = scheduler.running.number
        scheduler.pause(self._access)
        self._unnotified.append(me)
        self.give_back()
        try:
            return scheduler.take_turn(
                lambda: f"a notification of {self._kind}",
                self._access,
                is_ready=False,
                timeout_s=timeout_s,
            )
        finally:
            if me in self._unnotified:
                self._unnotified.remove(me)
            self.acquire()

    def notify(self) -> None:
        """See `Condition.notify`."""
        self._require_held("notify")
        self._scheduler.pause(self._access)
        if self._unnotified:
            self._scheduler.wake(self._unnotified.pop(0))

    def notify_all(self) -> None:
        """See `Condition.notify_all`."""
        self._require_held("notify_all")
        self._scheduler.pause(self._access)
        while self._unnotified:
            self._scheduler.wake(self._unnotified.pop(0))
