"""The threads of a simulated process as tasks of one scheduler.

The thread that begins the process is task 0. A thread that a task starts is a task, on a thread of
the system that runs only while the scheduler lets it: identity and thread-locals stay true. A
thread that is no task uses the real machine.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import thread as thread_pools
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, cast

from wavetank.sim.python_files._limit import OutOfSteps
from wavetank.sim.scheduling.schedule import Departure
from wavetank.sim.scheduling.scheduler import Access, Scheduler, TaskStoppedError
from wavetank.sim.scheduling.strategies import Strategy, UntilItWaits
from wavetank.sim.scheduling.switching import BatonThreads

__all__ = ["TaskThreads", "thread_locks"]

_PATIENCE: Final = 200
"""Pauses after which a task that never waits lets time pass, so that others come."""
_BREATH_S: Final = 0.001
"""Seconds that pass then at first; each time twice as many."""
_CLOCK: Final = Access()


class _Here(threading.local):
    """The scheduler whose task the calling thread is; None for a thread of the real machine."""

    scheduler: Scheduler | None = None


class TaskThreads:
    """The tasks of the process that runs, of one simulation.

    Attributes:
        scheduler: theirs; None between two processes.
        uncaught: errors that ended a thread, in their order, each with the thread's name.
    """

    def __init__(self) -> None:
        self.scheduler: Scheduler | None = None
        self.uncaught: list[tuple[str, BaseException]] = []
        self._last: Scheduler | None = None
        self._here = _Here()
        self._locks = 0
        self._on_end: dict[int, list[Callable[[], None]]] = {}
        # The task that has paused last, how often it had waited, and its pauses since.
        self._patient = (0, 0)
        self._pauses = 0
        self._breath_s = _BREATH_S

    def begin(self, strategy: Strategy | None = None) -> Scheduler:
        """Make the calling thread task 0 of a new process.

        Args:
            strategy: chooses who runs; by default each task runs until it waits.
        """
        self._locks = 0
        self._on_end = {}
        self._patient, self._pauses = (0, 0), 0
        self.uncaught = []
        scheduler = Scheduler(strategy or UntilItWaits(), BatonThreads())
        scheduler.places = []
        self.scheduler = self._here.scheduler = self._last = scheduler
        return scheduler

    @property
    def departures(self) -> tuple[Departure, ...]:
        """Where the process that runs, or the last one, departed from the usual schedule."""
        departures = () if self._last is None else self._last.departures
        return tuple(Departure(*each) for each in departures)

    @property
    def places(self) -> tuple[str, ...]:
        """For each departure: from which thread to which, and where that stood."""
        return tuple((self._last and self._last.places) or ())

    @property
    def steps(self) -> int:
        """How many pauses and waits there were."""
        return 0 if self._last is None else self._last.step

    def end(self, *, abandon: bool = False) -> None:
        """End the process, and with it all its tasks.

        Args:
            abandon: whether another task may be running now; then all are left where they stand.
        """
        scheduler = self.scheduler
        if scheduler is not None and not abandon and len(scheduler.tasks) > 1:
            with _pools_that_end():
                scheduler.stop(TaskStoppedError)
        self.scheduler = self._here.scheduler = None

    def leave(self) -> None:
        """Let the calling thread use the real machine while the process lives on."""
        self._here.scheduler = None

    def come_back(self) -> None:
        """Let the calling thread be task 0 again."""
        self._here.scheduler = self.scheduler

    def here(self) -> Scheduler | None:
        """Return the scheduler if the calling thread is a task, else None.

        Raises:
            TaskStoppedError: the thread is left over from a process that is gone.
        """
        mine = self._here.scheduler
        if mine is not None and mine is not self.scheduler:
            raise TaskStoppedError("the process of this thread is gone")
        return mine

    def pause(self, access: Access | None = None) -> None:
        """Let another task run, if the strategy says so.

        Args:
            access: what the caller touches next.
        """
        scheduler = self.here()
        if scheduler is None:
            return
        if len(scheduler.tasks) == 1:
            scheduler.step += 1
            return
        scheduler.pause(access)
        me = scheduler.running
        if (me.number, me.waits) != self._patient:
            self._patient, self._pauses, self._breath_s = (me.number, me.waits), 0, _BREATH_S
        self._pauses += 1
        if self._pauses > _PATIENCE:
            scheduler.take_turn(
                lambda: "time to pass", _CLOCK, is_ready=False, timeout_s=self._breath_s
            )
            self._patient, self._pauses = (me.number, me.waits), 0
            self._breath_s *= 2

    def next_lock(self) -> int:
        """Return the number of a lock that is used for the first time in this process."""
        self._locks += 1
        return self._locks

    def start(self, name: str, work: Callable[[], object]) -> int:
        """Start a task; return the number of its thread.

        Args:
            name: for people.
            work: what it does.
        """
        scheduler = self.here()
        assert scheduler is not None, "a task starts a task"

        def run() -> None:
            self._here.scheduler = scheduler
            try:
                work()
            finally:
                for each in self._on_end.pop(task.number, ()):
                    each()

        if len(scheduler.tasks) == 1:
            # A collection runs finalizers, at another step in each run.
            gc.disable()
        task = scheduler.spawn(name, run)
        return task.carrier.ident or 0

    def when_it_ends(self, call: Callable[[], None]) -> None:
        """Let something be called when the running task has ended its work."""
        scheduler = self.here()
        assert scheduler is not None, "a task asks"
        self._on_end.setdefault(scheduler.running.number, []).append(call)

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Let names of threads, and the order in which pools are left, be the same in each run."""
        names = threading._counter  # type: ignore[attr-defined]  # noqa: SLF001 - the only source of names
        pool = cast("Any", thread_pools.ThreadPoolExecutor)
        pools = pool._counter  # noqa: SLF001 - as above
        hook, collects = threading.excepthook, gc.isenabled()
        threading._counter = count(1).__next__  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        pool._counter = count().__next__  # noqa: SLF001 - see above
        # A pool joins its threads in the order of a set, which is that of their addresses.
        vars(thread_pools)["set"] = _OrderedSet
        threading.excepthook = self._telling(hook)
        try:
            yield
        finally:
            if collects:
                gc.enable()
            threading.excepthook = hook
            del vars(thread_pools)["set"]
            pool._counter = pools  # noqa: SLF001 - see above
            threading._counter = names  # type: ignore[attr-defined]  # noqa: SLF001 - see above

    def _telling(
        self, hook: Callable[[threading.ExceptHookArgs], object]
    ) -> Callable[[threading.ExceptHookArgs], object]:
        def tell(args: threading.ExceptHookArgs) -> object:
            mine = self._here.scheduler
            if mine is None:
                return hook(args)
            over = mine is not self.scheduler or mine.running.interrupt is not None
            if over or args.exc_value is None or isinstance(args.exc_value, _SILENT):
                return None
            name = "a thread" if args.thread is None else args.thread.name
            self.uncaught.append((name, args.exc_value))
            return hook(args)

        return tell


_SILENT: Final = (TaskStoppedError, OutOfSteps, SystemExit)


class _OrderedSet(dict[object, None]):
    """A set that is walked in the order of its additions."""

    def add(self, each: object) -> None:
        """Add an element."""
        self[each] = None

    def discard(self, each: object) -> None:
        """Remove an element, if it is there."""
        self.pop(each, None)


@contextmanager
def _pools_that_end() -> Iterator[None]:
    """Let idle threads of pools end as they do when the interpreter exits."""
    was = thread_pools._shutdown  # noqa: SLF001 - what the interpreter sets
    thread_pools._shutdown = True  # noqa: SLF001 - see above
    try:
        yield
    finally:
        thread_pools._shutdown = was  # noqa: SLF001 - see above


def thread_locks() -> list[object]:
    """Return the locks by which `threading` keeps its list of threads; no task pauses with one."""
    names = ("_active_limbo_lock", "_shutdown_locks_lock")
    return [getattr(threading, name) for name in names if hasattr(threading, name)]
