"""File objects that several tasks may share: one call at a time, under their scheduler.

CPython's buffers hold a lock of C during each call, the one below them included. A task that paused
there would block every other one that uses the same file, so that a call takes its turn before.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from wavetank.sim.python_files.threads.task_threads import TaskThreads
from wavetank.sim.scheduling.locks import SimLock
from wavetank.sim.scheduling.scheduler import Scheduler

__all__ = ["Buffered", "BufferedFiles"]

Buffered: TypeAlias = io.BufferedRandom | io.BufferedWriter | io.BufferedReader

_CALLS: Final = (
    *("read", "read1", "readinto", "readinto1", "readline", "readlines", "peek", "seek", "tell"),
    *("truncate", "write", "writelines", "flush", "close", "detach", "__next__"),
)


class BufferedFiles:
    """Makes buffered file objects.

    Args:
        threads: the tasks.

    Attributes:
        reader: stands for `io.BufferedReader`.
        writer: stands for `io.BufferedWriter`.
        random: stands for `io.BufferedRandom`.
    """

    def __init__(self, threads: TaskThreads) -> None:
        self._threads = threads
        self._turns: WeakKeyDictionary[Buffered, tuple[Scheduler, SimLock]] = WeakKeyDictionary()
        self.reader: Final = self._in_turns(io.BufferedReader)
        self.writer: Final = self._in_turns(io.BufferedWriter)
        self.random: Final = self._in_turns(io.BufferedRandom)

    def _in_turns(self, base: type[Buffered]) -> type[Buffered]:
        calls = {name: self._call(getattr(base, name)) for name in _CALLS if hasattr(base, name)}
        return type(base.__name__, (base,), {**calls, "__module__": base.__module__})

    def _call(self, real: Callable[..., Any]) -> Callable[..., Any]:
        threads = self._threads

        def call(file: Buffered, *args: object) -> Any:  # noqa: ANN401 - whatever the call returns
            scheduler = threads.scheduler
            if scheduler is None or len(scheduler.tasks) == 1 or threads.here() is None:
                return real(file, *args)
            turns = self._turns_of(file, scheduler)
            turns.acquire()
            try:
                return real(file, *args)
            finally:
                turns.give_back()

        return call

    def _turns_of(self, file: Buffered, scheduler: Scheduler) -> SimLock:
        known = self._turns.get(file)
        if known is None or known[0] is not scheduler:
            number = self._threads.next_lock()
            known = scheduler, SimLock(scheduler, "file object", number, reentrant=True)
            self._turns[file] = known
        return known[1]
