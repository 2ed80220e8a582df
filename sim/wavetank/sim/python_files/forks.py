"""Processes for the code under test: forks of a parent in which none of that code has run.

A crash ends a process: its variables, caches, pools, threads and random state are gone. A fork of a
parent that never ran the code has none of them either. It has its parent's threads no more: what
waits for one of those waits for ever, which is told with their names (`Hung`).
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import platform
import selectors
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, Protocol, TypeAlias, TypeVar, cast

from attrs import frozen

from wavetank.serving.leftovers import begin_alone, kill_descendants
from wavetank.sim.python_files.errors import PythonFilesError

__all__ = ["Died", "Forks", "Hung", "OneProcess", "ProcessEnd", "Processes", "quietly"]

_T = TypeVar("_T")

_LOOK_S: Final = 0.25
"""Seconds between two looks at whether a child still does something."""
_LOOKS: Final = 4
"""A child that is seen so often in a row to wait without a time limit waits for ever."""
_GRACE_S: Final = 5.0
"""A child ends itself at its limit; one that cannot (in C code) is killed so much later."""
_CHUNK: Final = 1 << 16
_FUTEX: Final = {"x86_64": "202", "aarch64": "98"}
_TIMEOUT_AT: Final = 4


@frozen
class Died:
    """A process that ended without an answer; `how` in words, such as "was killed by SIGSEGV"."""

    how: str


@frozen(kw_only=True)
class Hung:
    """A process that was ended from outside.

    Attributes:
        for_ever: whether all its threads waited for one another; else it was still working when
            its time was over.
        absent: names of the parent's threads, none of which a fork has.
    """

    for_ever: bool
    absent: tuple[str, ...]


ProcessEnd: TypeAlias = Died | Hung


class Processes(Protocol):
    """Runs tasks as processes that know nothing of each other.

    Attributes:
        width: how many run at once.
        keeps_memory: whether one task sees what another left in the interpreter's memory.
        absent: names of threads of this process that the processes of the tasks do not have.
    """

    @property
    def width(self) -> int:
        """See above."""
        ...

    @property
    def keeps_memory(self) -> bool:
        """See above."""
        ...

    @property
    def absent(self) -> tuple[str, ...]:
        """See above."""
        ...

    def run(
        self, tasks: Sequence[Callable[[], _T]], limit_s: float | None
    ) -> Iterator[_T | ProcessEnd]:
        """Yield what the tasks return, in their order; what one raises comes out.

        Args:
            tasks: each runs in a process of its own.
            limit_s: real seconds for each, which it keeps to by itself if it can; None: no limit.
        """
        ...


class OneProcess:
    """Runs each task in this process, one after the other; all of them share its memory.

    >>> list(OneProcess().run([lambda: 1, lambda: 2], None))
    [1, 2]
    """

    width: Final = 1
    keeps_memory: Final = True
    absent: Final[tuple[str, ...]] = ()

    def run(
        self, tasks: Sequence[Callable[[], _T]], limit_s: float | None
    ) -> Iterator[_T | ProcessEnd]:
        """See `Processes`; the tasks keep to their limit, or nobody does."""
        del limit_s
        for task in tasks:
            yield task()


class Forks:
    """Runs each task in a fork of this process, on all cores.

    What a task returns or raises must survive pickling; an error that does not is told as text.

    Args:
        width: forks that run at once; by default as many as this process may use cores.
        alone: whether each fork has a session of its own and nothing that it starts outlives it;
            for tasks that work on the real machine.
        grace_s: real seconds after its limit in which a fork may end itself.

    Raises:
        PythonFilesError: this machine has no fork.

    >>> seen = []
    >>> list(Forks().run([lambda: seen.append(1) or len(seen)] * 3, None)), seen
    ([1, 1, 1], [])
    """

    keeps_memory: Final = False

    def __init__(
        self, width: int | None = None, *, alone: bool = False, grace_s: float = _GRACE_S
    ) -> None:
        if not self.are_possible():
            raise PythonFilesError("expected a machine with os.fork; this one has none")
        self.width: Final = width or _cores()
        self._alone = alone
        self._grace_s = grace_s
        others = set(threading.enumerate()) - {threading.main_thread(), threading.current_thread()}
        self.absent: Final = tuple(sorted(each.name for each in others))
        self._pools = _pools_with_threads() if others else ()

    @staticmethod
    def are_possible() -> bool:
        """Whether this machine has fork."""
        return hasattr(os, "fork")

    def run(
        self, tasks: Sequence[Callable[[], _T]], limit_s: float | None
    ) -> Iterator[_T | ProcessEnd]:
        """See `Processes`."""
        waiting, running = deque(tasks), deque[_Child]()
        selector = selectors.DefaultSelector()
        _flush_streams()
        try:
            while waiting or running:
                while waiting and len(running) < self.width:
                    child = self._start(waiting.popleft(), limit_s)
                    running.append(child)
                    selector.register(child.pipe, selectors.EVENT_READ, child)
                first = running[0]
                while not first.is_over:
                    self._attend(selector)
                running.popleft()
                yield cast("_T | ProcessEnd", first.answer())
        finally:
            for child in running:
                child.kill()
            selector.close()

    def _start(self, task: Callable[[], object], limit_s: float | None) -> _Child:
        ours, theirs = os.pipe()
        pid = _fork()
        if not pid:
            os.close(ours)
            for pool in self._pools:
                # What is handed to it would wait for ever.
                setattr(pool, "_broken", _NO_THREAD)  # noqa: B010 - there is no public way to say so
            _live(task, theirs, alone=self._alone)
        os.close(theirs)
        limit_s = None if limit_s is None else limit_s + self._grace_s
        return _Child(pid, ours, limit_s, self.absent, alone=self._alone)

    @staticmethod
    def _attend(selector: selectors.BaseSelector) -> None:
        """Take what children have to say, or see whether they still live."""
        ready = selector.select(_LOOK_S)
        for key, _ in ready:
            child: _Child = key.data
            if child.take():
                selector.unregister(child.pipe)
                child.reap()
        if not ready:
            for key in list(selector.get_map().values()):
                if key.data.has_ended():
                    selector.unregister(key.fileobj)
                    key.data.reap()
                elif key.data.is_lost():
                    selector.unregister(key.fileobj)
                    key.data.kill()


_NO_THREAD: Final = (
    "its threads were there before crash_test, and a process after a crash has none of them; make "
    "the pool inside the workload, or inside the check"
)


class _Child:
    """A fork seen from its parent."""

    def __init__(
        self,
        pid: int,
        pipe: int,
        limit_s: float | None,
        absent: tuple[str, ...],
        *,
        alone: bool,
    ) -> None:
        self.pipe: Final = pipe
        self.is_over = False
        self._pid = pid
        self._alone = alone
        self._absent = absent
        self._parts: list[bytes] = []
        self._end: ProcessEnd | None = None
        now = time.monotonic()
        self._deadline = None if limit_s is None else now + limit_s
        self._waits = 0

    def take(self) -> bool:
        """Read what the child has written; return whether that was all."""
        part = os.read(self.pipe, _CHUNK)
        self._parts.append(part)
        return not part

    def reap(self) -> None:
        """Wait for the end of a child that has said all."""
        os.close(self.pipe)
        self.is_over = True
        status = 0
        with suppress(ChildProcessError):  # somebody else has waited for it
            self._kill_session()
            _, status = os.waitpid(self._pid, 0)
        if not any(self._parts):
            self._end = Died(_how(os.waitstatus_to_exitcode(status)))

    def has_ended(self) -> bool:
        """Whether a child has ended, though something that it started still holds its pipe."""
        if not self._alone:
            return False
        try:
            ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return True
        return ended is not None

    def _kill_session(self) -> None:
        """Wait for the end of the child, and end what it has left in its session."""
        if self._alone:
            # Until it has been waited for, nobody else can get its number.
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def is_lost(self) -> bool:
        """Whether the child is over its limit, or waits for ever."""
        self._waits = self._waits + 1 if _waits_for_ever(self._pid) else 0
        if self._waits >= _LOOKS:
            self._end = Hung(for_ever=True, absent=self._absent)
        elif self._deadline is not None and time.monotonic() > self._deadline:
            self._end = Hung(for_ever=False, absent=self._absent)
        return self._end is not None

    def kill(self) -> None:
        """End the child."""
        if not self.is_over:
            os.kill(self._pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                self._kill_session()
                os.waitpid(self._pid, 0)
            os.close(self.pipe)
            self.is_over = True

    def answer(self) -> object:
        """Return what the task returned, or how the child ended; raise what the task raised."""
        if self._end is not None:
            return self._end
        raised, value = pickle.loads(b"".join(self._parts))  # noqa: S301 - our own child wrote it
        if raised:
            raise value
        return value


def quietly(task: Callable[[], _T]) -> _T:
    """Run a task in a fork whose output nobody needs to see."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.stdout = sys.stderr = io.StringIO()
    return task()


def _live(task: Callable[[], object], pipe: int, *, alone: bool) -> NoReturn:
    """Be a child: run a task, tell what came of it, and end without any clean-up."""
    status = 1
    try:
        # A collection would write to every object, and so copy the parent's memory.
        gc.freeze()
        if alone:
            begin_alone()
        try:
            told = _pickled((False, task()))
        except BaseException as error:  # noqa: BLE001 - the parent raises it
            told = _pickled((True, error))
        _flush_streams()
        if alone:
            kill_descendants()
        view = memoryview(told)
        while view:
            view = view[os.write(pipe, view) :]
        status = 0
    finally:
        os._exit(status)


def _pickled(answer: tuple[bool, object]) -> bytes:
    raised, value = answer
    try:
        told = pickle.dumps(answer)
        pickle.loads(told)  # noqa: S301 - some errors can be written and not read
    except Exception:
        if not raised:
            raise
        assert isinstance(value, BaseException)
        text = "".join(traceback.format_exception(value)).rstrip()
        told = pickle.dumps((True, PythonFilesError(text)))
    return told


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns that a fork lacks the other threads. Those are known, and named
        # where one is missed: `Hung.absent`, and the pools that are told so.
        warnings.filterwarnings("ignore", r".*multi-threaded.*fork", DeprecationWarning)
        return os.fork()


def _pools_with_threads() -> tuple[ThreadPoolExecutor, ...]:
    return tuple(
        each
        for each in gc.get_objects()
        if isinstance(each, ThreadPoolExecutor) and getattr(each, "_threads", None)
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _waits_for_ever(pid: int) -> bool:
    """Whether each thread of a process waits for a lock without a time limit, as far as one sees.

    Linux shows the system call that each thread is in: ``futex`` with no timeout (argument 4).
    """
    number = _FUTEX.get(platform.machine())
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        calls = [task.joinpath("syscall").read_text(encoding="ascii").split() for task in tasks]
    except OSError:
        return False
    return bool(calls) and all(
        len(call) > _TIMEOUT_AT and call[0] == number and int(call[_TIMEOUT_AT], 16) == 0
        for call in calls
    )


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with status {code} by itself (os._exit)"


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or none of ours
            stream.flush()
