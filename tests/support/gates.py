"""Gates: hold a thread at one call of the filesystem until the test lets it go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Event, current_thread
from typing import Final, TypeVar, cast

from engine_site import Call

from wavetank.engine import Condition as RuntimeCondition
from wavetank.engine import ThreadRuntime

_Result = TypeVar("_Result")

PATIENCE_S: Final = 60
"""How long a test waits for what must come; it fails after that, and never depends on it else."""


class Gate:
    """Holds one call of the filesystem back, before its work, until somebody opens the gate.

    Set it as the `refuse` of a `WatchedFileSystem`.

    Args:
        kind: of the call.
        name: of the file.
        who: the thread that is held; "" for whichever comes first.
    """

    def __init__(self, kind: str, name: str, who: str = "") -> None:
        self.reached, self.opened = Event(), Event()
        self._wanted = (kind, name)
        self._who = who

    def __call__(self, call: Call) -> None:
        mine = not self._who or current_thread().name.startswith(self._who)
        if mine and (call.kind, call.name) == self._wanted and not self.reached.is_set():
            self.reached.set()
            assert self.opened.wait(PATIENCE_S)


@contextmanager
def held(gate: Gate, work: Callable[[], _Result], name: str = "held") -> Iterator[Future[_Result]]:
    """Do `work` in a thread, which is held at the gate while the body runs, and ends behind it."""
    with ThreadPoolExecutor(1, thread_name_prefix=name) as pool:
        running = pool.submit(work)
        try:
            assert gate.reached.wait(PATIENCE_S)
            yield running
        finally:
            gate.opened.set()
        running.exception(PATIENCE_S)


class Counted:
    """Counts calls of one kind on one file, and lets a test wait for them."""

    def __init__(self, kind: str, name: str) -> None:
        self._wanted = (kind, name)
        self._changed = Condition()
        self.count = 0

    def __call__(self, call: Call) -> None:
        if (call.kind, call.name) == self._wanted:
            with self._changed:
                self.count += 1
                self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, PATIENCE_S)


class CountedWaits(ThreadRuntime):
    """A runtime that counts how often anybody has begun to wait on a condition."""

    def __init__(self) -> None:
        self._changed = Condition()
        self.count = 0

    def condition(self) -> RuntimeCondition:
        """Make a condition that counts."""
        return cast("RuntimeCondition", _CountedCondition(self, super().condition()))

    def begin(self) -> None:
        """Count one."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many waits have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, PATIENCE_S)


class _CountedCondition:
    def __init__(self, runtime: CountedWaits, inner: RuntimeCondition) -> None:
        self._runtime = runtime
        self._inner = inner

    def __enter__(self) -> bool:
        return self._inner.__enter__()

    def __exit__(self, *exit_: object) -> None:
        self._inner.__exit__(None, None, None)

    def wait(self, timeout_s: float | None = None) -> bool:
        self._runtime.begin()
        return self._inner.wait(timeout_s)

    def notify(self) -> None:
        self._inner.notify()

    def notify_all(self) -> None:
        self._inner.notify_all()
