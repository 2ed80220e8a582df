"""What stands for the functions of `_thread` and for `SimpleQueue`.

`threading`, `queue` and `concurrent.futures` are Python over these few, so that their classes stay
as they are. A lock that is made while the routes are in place can be used everywhere.
"""

from __future__ import annotations

import _queue
import _thread
import functools
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Final

from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.threads.routed_locks import (
    NATIVE_LOCKS,
    RoutedLock,
    RoutedRLock,
)

__all__ = ["ThreadRoutes", "thread_names"]

_STARTERS: Final = ("start_new_thread", "start_new")
_LOCK_MAKERS: Final = ("allocate_lock", "allocate")
_JOINABLE: Final = "start_joinable_thread"
_HANDLE: Final = "_ThreadHandle"
_SENTINEL: Final = "_set_sentinel"


def thread_names() -> dict[str, tuple[str, ...]]:
    """Return the names that `ThreadRoutes` has functions for, by module."""
    names = [*_STARTERS, *_LOCK_MAKERS, _JOINABLE, _HANDLE, _SENTINEL, "RLock", "lock"]
    return {
        "_thread": tuple(name for name in names if hasattr(_thread, name)),
        "_queue": ("SimpleQueue",),
    }


class ThreadRoutes:
    """The routes of one simulation.

    Args:
        simulation: the simulation.

    Attributes:
        functions: by module and name.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._threads = simulation.threads
        known: dict[str, Callable[[Callable[..., object]], object]] = {
            **dict.fromkeys(_STARTERS, self._start),
            **dict.fromkeys(_LOCK_MAKERS, self._lock),
            "lock": lambda real: self._class(real, RoutedLock, self._new_lock),
            "RLock": lambda real: self._class(real, RoutedRLock, self._new_rlock),
            _JOINABLE: self._start_joinable,
            _HANDLE: lambda real: self._class_inside(real, _TaskHandle, self._new_handle),
            _SENTINEL: self._sentinel,
        }
        self.functions: Mapping[str, Mapping[str, object]] = {
            "_thread": {
                name: known[name](getattr(_thread, name)) for name in thread_names()["_thread"]
            },
            "_queue": {
                "SimpleQueue": self._class_inside(
                    _queue.SimpleQueue,
                    queue._PySimpleQueue,  # type: ignore[attr-defined]  # noqa: SLF001 - the same in Python
                    queue._PySimpleQueue,  # type: ignore[attr-defined]  # noqa: SLF001 - see above
                )
            },
        }

    def adopted(self, native: object) -> RoutedLock:
        """Return what stands for a lock that is there already."""
        kind = RoutedLock if isinstance(native, NATIVE_LOCKS[0]) else RoutedRLock
        return kind(self._threads, self._simulation.refuse, native)  # type: ignore[arg-type]

    def _new_lock(self) -> RoutedLock:
        return RoutedLock(self._threads, self._simulation.refuse)

    def _new_rlock(self) -> RoutedRLock:
        return RoutedRLock(self._threads, self._simulation.refuse)

    def _new_handle(self) -> _TaskHandle:
        return _TaskHandle(self._new_lock())

    def _lock(self, real: Callable[..., object]) -> object:
        @functools.wraps(real)
        def route() -> RoutedLock:
            return self._new_lock()

        return route

    @staticmethod
    def _class(real: object, kind: type, make: Callable[[], object]) -> type:
        """Return a class that stands for another one, whose instances it knows as its own."""
        assert isinstance(real, type), "a class of C"
        kinds = (kind, real)

        class Known(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, kinds)

            def __subclasscheck__(cls, subclass: type) -> bool:
                return issubclass(subclass, kinds)

        def new(cls: type, *args: object, **kwargs: object) -> object:
            del cls, args, kwargs
            return make()

        return Known(real.__name__, (), {"__new__": new, "__doc__": real.__doc__})

    def _class_inside(self, real: object, kind: type, make: Callable[[], object]) -> type:
        """Return a class that makes instances of another one outside the simulation."""
        assert isinstance(real, type), "a class of C"
        inside = self._simulation.is_inside
        return self._class(real, kind, lambda: make() if inside() else real())

    def _start(self, real: Callable[..., object]) -> object:
        @functools.wraps(real)
        def route(
            function: Callable[..., object], args: tuple[object, ...], *more: Mapping[str, object]
        ) -> object:
            if self._threads.here() is None:
                return real(function, args, *more)
            named = more[0] if more else {}
            return self._start_task(function, lambda: function(*args, **named))

        return route

    def _start_task(self, function: Callable[..., object], work: Callable[[], object]) -> int:
        thread = getattr(function, "__self__", None)
        if isinstance(thread, threading.Thread):
            self._simulation.started(thread)
        name = getattr(thread, "name", "") or getattr(function, "__name__", "a thread")
        process = self._simulation.running

        def run() -> None:
            self._simulation.join_process(process)
            work()

        return self._threads.start(str(name), run)

    def _start_joinable(self, real: Callable[..., object]) -> object:
        @functools.wraps(real)
        def route(
            function: Callable[..., object],
            handle: object = None,
            daemon: bool = True,  # noqa: FBT001, FBT002 - as of `_thread`
        ) -> object:
            if self._threads.here() is None:
                return real(function, handle, daemon)
            mine = handle if isinstance(handle, _TaskHandle) else self._new_handle()
            thread = getattr(function, "__self__", None)
            if isinstance(thread, threading.Thread):
                # It may have been made before, with a handle of the system.
                vars(thread)["_handle"] = mine
            mine.begin()

            def work() -> None:
                self._threads.when_it_ends(mine._set_done)  # noqa: SLF001 - as `threading` calls it
                function()

            mine.ident = self._start_task(function, work)
            return mine

        return route

    def _sentinel(self, real: Callable[..., object]) -> object:
        """Return what stands for `_set_sentinel`: a lock that is released when its thread ends."""

        @functools.wraps(real)
        def route() -> object:
            if self._threads.here() is None:
                return real()
            lock = self._new_lock()
            self._threads.when_it_ends(lambda: lock.release() if lock.locked() else None)
            return lock

        return route


class _TaskHandle:
    """Stands for `_thread._ThreadHandle`, which Python 3.13 joins threads by."""

    def __init__(self, ended: RoutedLock) -> None:
        self.ident: int | None = None
        self._ended = ended
        self._is_done = False

    def begin(self) -> None:
        """Be the handle of a thread that begins."""
        self._ended.acquire()

    def is_done(self) -> bool:
        """Whether the thread has ended."""
        return self._is_done

    def _set_done(self) -> None:
        self._is_done = True
        if self._ended.locked():
            self._ended.release()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the thread.

        Args:
            timeout: seconds at most; None or less than zero for no limit.
        """
        limit = -1 if timeout is None or timeout < 0 else timeout
        if not self._is_done and self._ended.acquire(timeout=limit):
            self._ended.release()
