"""An end to code that does not end, after so many steps, or after so much real time.

Steps are simulated calls and virtual time, so that code is stopped at the same place on every
machine. Real time stops what takes no such steps. In the main thread an alarm of the operating
system interrupts it; elsewhere another thread raises an exception in it, which waits for the code
to come back from C.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from attrs import frozen

__all__ = ["Deadline", "OutOfSteps", "OutOfTime", "StepLimit", "time_limit"]


_AGAIN_S: Final = 0.05
"""Code that swallows every exception is told again."""


class Deadline:
    """A point in real time.

    Args:
        seconds: from the first question on, since what comes before is not what is limited: to
            record a program takes its own time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None

    def is_over(self) -> bool:
        """Whether it has passed."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        return now >= self._end


class OutOfTime(BaseException):
    """Raised in the code that took too long; `time_limit` lets it pass."""


class OutOfSteps(BaseException):
    """Raised in code that made too many steps, again at each further step."""


@frozen(kw_only=True)
class StepLimit:
    """What code may spend before it counts as endless.

    Attributes:
        calls: simulated calls, such as `os.stat` or one read of a file.
        virtual_s: seconds of virtual time, which pass by sleeping and by asking for the time.
    """

    calls: int
    virtual_s: float


@contextmanager
def time_limit(seconds: float, is_running: Callable[[], bool]) -> Iterator[None]:
    """Stop what runs inside after so many seconds of real time, again and again if need be.

    Args:
        seconds: of real time.
        is_running: whether there is anything to stop; nothing is raised once it has ended.

    Raises:
        OutOfTime: they are over.
    """
    if threading.current_thread() is threading.main_thread():
        with _alarm(seconds, is_running):
            yield
    else:
        with _watchdog(seconds, is_running):
            yield


@contextmanager
def _alarm(seconds: float, is_running: Callable[[], bool]) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if is_running():
            raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, left, interval)


@contextmanager
def _watchdog(seconds: float, is_running: Callable[[], bool]) -> Iterator[None]:
    ended = threading.Event()
    late = threading.get_ident()

    def watch() -> None:
        pause = seconds
        while not ended.wait(pause) and is_running():
            pause = _AGAIN_S
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(late), ctypes.py_object(OutOfTime)
            )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
