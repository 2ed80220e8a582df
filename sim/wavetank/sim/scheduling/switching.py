"""How control passes from one task to another: by greenlets, or by threads and a baton.

Both run exactly one task at a time and switch only where the scheduler says so, so that the same
schedule gives the same run. Greenlets share one thread and are many times as fast. Threads are the
cross-check: the code under test has an identity and thread-locals of its own in each task.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable
from types import FrameType
from typing import Final, Protocol

import greenlet

__all__ = ["BatonThreads", "Carrier", "Greenlets", "Switching"]


class Carrier(Protocol):
    """What one task runs on."""

    @property
    def ident(self) -> int | None:
        """The number of its thread, if it has one of its own."""
        ...

    @property
    def resume(self) -> Callable[[], object]:
        """Passes control from the calling task to this one, until somebody passes it back."""
        ...

    def take_over(self) -> None:
        """Pass control from the calling task, which ends with this call, to this one."""
        ...

    def frame(self) -> FrameType | None:
        """Return where the task stands; None if it has not begun."""
        ...


class Switching(Protocol):
    """Makes carriers."""

    def adopt(self) -> Carrier:
        """Return a carrier for the caller, which runs already."""
        ...

    def start(self, name: str, work: Callable[[], None]) -> Carrier:
        """Return a carrier that runs `work`, once somebody resumes it."""
        ...


class _Green:
    __slots__ = ("_green", "resume")

    ident: Final = None

    def __init__(self, green: greenlet.greenlet) -> None:
        self._green = green
        self.resume = green.switch

    def take_over(self) -> None:
        # A greenlet that ends passes control to its parent.
        greenlet.getcurrent().parent = self._green

    def frame(self) -> FrameType | None:
        frame: FrameType | None = self._green.gr_frame
        return frame


class Greenlets:
    """Carries every task on a greenlet of the thread that made it."""

    __slots__ = ("_main",)

    def adopt(self) -> Carrier:
        """See `Switching`."""
        self._main = greenlet.getcurrent()
        return _Green(self._main)

    def start(self, name: str, work: Callable[[], None]) -> Carrier:
        """See `Switching`."""
        del name

        def run(*_: object) -> None:
            work()

        # Not a child of the task that spawns it, else the two could not end in any order.
        return _Green(greenlet.greenlet(run, self._main))


class _Thread:
    """A thread of the system; made of `_thread`'s functions, so that no thread object is needed."""

    __slots__ = ("_baton", "_switching", "ident")

    def __init__(self, switching: BatonThreads) -> None:
        self._switching = switching
        self.ident: int | None = None  # None until it is known
        self._baton = allocate_lock()
        self._baton.acquire()

    def resume(self) -> None:
        mine = self._switching.running
        self._switching.running = self
        self._baton.release()
        assert mine is not None, "a task that runs has a carrier"
        mine.wait()

    def take_over(self) -> None:
        self._switching.running = self
        self._baton.release()

    def wait(self) -> None:
        self._baton.acquire()

    def frame(self) -> FrameType | None:
        if self.ident is None:
            return None
        return sys._current_frames().get(self.ident)  # noqa: SLF001 - documented for this


class BatonThreads:
    """Carries every task on a thread of its own; the one that has the baton runs."""

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running: _Thread | None = None

    def adopt(self) -> Carrier:
        """See `Switching`."""
        self.running = _Thread(self)
        self.running.ident = get_ident()
        return self.running

    def start(self, name: str, work: Callable[[], None]) -> Carrier:
        """See `Switching`."""
        del name

        def run() -> None:
            carrier.wait()
            work()

        carrier = _Thread(self)
        carrier.ident = start_new_thread(run, ())
        return carrier
