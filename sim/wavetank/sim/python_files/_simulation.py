"""Which threads belong to a simulated process, and where in the code each change was made.

A thread belongs to a process if it began the process, or if a thread of that process started it.
Every other thread (a test runner's own, a pool from before the process) uses the real machine, and
is refused any path below the simulated directory. A thread that outlives its process keeps that
process's disk, which nobody reads any more.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from threading import (
    RLock,
    Thread,
    current_thread,
    enumerate,  # noqa: A004 - threading's own name
    local,
)
from types import FrameType
from typing import Final, ParamSpec, Protocol, TypeVar
from weakref import WeakKeyDictionary

from wavetank.sim.ops import CallSite
from wavetank.sim.python_files._process import FIRST_DESCRIPTOR, Process
from wavetank.sim.python_files.errors import MissingProgramError, UnroutedCallError
from wavetank.sim.python_files.threads.task_threads import TaskThreads
from wavetank.sim.scheduling.scheduler import Access

__all__ = ["CALLS", "CallHook", "RunningProcess", "Simulation"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_FILES: Final = Access.to("files")
_HERE: Final = os.path.dirname(os.path.dirname(__file__))
_LIBRARY: Final = os.path.dirname(os.__file__)
CALLS: Final = RLock()
"""Held during each call; one per interpreter, so that no simulation takes another one's for a lock
of the code under test."""
ON_REAL_FILES: Final = 'crash_test(recorder="strace") runs such code on real files'
_DRIVER: Final = "wavetank.scenarios.code."
"""What runs the code under test, and flushes its files at its end."""


class RunningProcess(Protocol):
    """What a `CallHook` may ask of the process that makes a call."""

    def path_of(self, number: int) -> str | None:
        """Return the name that a descriptor was opened under; None if it is not open."""
        ...

    def is_directory(self, number: object) -> bool:
        """Whether a descriptor is of a directory."""
        ...

    def absolute(self, path: str) -> str:
        """Return a path from the root."""
        ...


class CallHook(Protocol):
    """Stands around each call of a process on the simulated disk, and may let it go wrong."""

    def __call__(
        self,
        name: str,
        call: Callable[..., _T],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        process: RunningProcess,
    ) -> _T:
        """Make the call, or raise what it reports.

        Args:
            name: such as ``os.replace``, or ``write`` for one by a file object.
            call: makes it.
            args: of the call.
            kwargs: of the call.
            process: makes the call.
        """
        ...


class _Membership(local):
    """The process that the calling thread belongs to; None for a thread of the real machine.

    Thread numbers are given out again as soon as a thread ends, and so are the placeholder objects
    that `threading` keeps for foreign threads. Thread-local storage ends with its thread.
    """

    process: Process | None = None


class Simulation:
    """The simulation as its calls see it.

    Args:
        directory: the simulated directory; whatever is below it exists nowhere else.

    Attributes:
        directory: the same.
        process: the one that runs; None between two.
        sites: the calls that changed the disk of this process, in order.
        tracing: whether `sites` is kept.
        refusal: the first call that was refused; it may have been swallowed.
        threads: the tasks of this process.
        lock: held during each call.
        hook: stands around each call; None for nothing.
        before_each: called before each call, to catch up with what was changed without one.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.process: Process | None = None
        self.sites: list[CallSite] = []
        self.tracing = False
        self.refusal: UnroutedCallError | None = None
        self.threads = TaskThreads()
        self.lock = CALLS
        self.hook: CallHook | None = None
        self.before_each: Callable[[], None] = _nothing
        self._logged = 0
        self._is_in_call = False
        self._membership = _Membership()
        # Threads that a process started, to join them; a thread without a `Thread` is not here.
        self._started: WeakKeyDictionary[Thread, Process] = WeakKeyDictionary()

    def begin(self, process: Process, *, tracing: bool, hook: CallHook | None = None) -> None:
        """Let a process run."""
        self.hook = hook
        self.sites = []
        self.tracing = tracing
        process.tells_looks = not tracing
        self.refusal = None
        self._logged = len(process.disk.log)
        self.process = self._membership.process = process

    def end(self) -> None:
        """End the process; threads that it started and that still run keep belonging to it."""
        if self.process is not None:
            self.process.is_gone = True
        self.process = self._membership.process = None
        if os.path.lexists(self.directory):
            self.refuse(
                f"expected nothing at {self.directory!r} on the real machine but it is there: C "
                f"code has made it past the simulation; remove it, and let the package that did it "
                f"use its pure-Python way"
            )

    def leave(self) -> None:
        """Let the calling thread use the real machine while the process lives on."""
        self._membership.process = None
        self.threads.leave()

    def come_back(self) -> None:
        """Let the calling thread belong to the running process again."""
        self._membership.process = self.process
        self.threads.come_back()

    def is_inside(self) -> bool:
        """Whether the calling thread sees a simulated disk."""
        return self._membership.process is not None

    def own_threads(self) -> list[Thread]:
        """Return the threads of the running process, without the one that began it."""
        if self.process is None:
            return []
        return [each for each in enumerate() if self._started.get(each) is self.process]

    def started(self, thread: Thread) -> None:
        """Note a thread that the running process has started."""
        if self.process is not None:
            self._started[thread] = self.process

    def join_process(self, process: Process) -> None:
        """Let the calling thread belong to a process."""
        self._membership.process = process

    def keep_out(self, call: str, arguments: Iterable[object]) -> None:
        """Refuse simulated paths to a thread of the real machine while a process runs.

        Raises:
            UnroutedCallError: one of the arguments is a path below the simulated directory.
        """
        if self.process is None:
            return
        for each in arguments:
            if isinstance(each, (str, bytes, os.PathLike)) and self.owns(os.fsdecode(each)):
                raise self.refuse(
                    f"{call}: expected a thread that the code under test started but "
                    f"{current_thread().name!r}, which it did not start, used {each!r}; start the "
                    f"thread or its pool inside the code under test"
                )

    def owns(self, path: str) -> bool:
        """Whether a path lies in the simulated directory, and nowhere else."""
        return path == self.directory or path.startswith(self.directory + "/")

    @property
    def running(self) -> Process:
        """The process that the calling thread belongs to."""
        # A thread of the real machine may hold a file object of the process.
        process = self._membership.process or self.process
        assert process is not None
        return process

    def refuse(self, message: str) -> UnroutedCallError:
        """Return the error about a call that must not happen, and remember it."""
        error = UnroutedCallError(f"{message}; {ON_REAL_FILES}")
        if self.refusal is None:
            self.refusal = error
        return error

    def no_program(
        self, call: str, program: object, arguments: Iterable[object]
    ) -> UnroutedCallError:
        """Return the error about a program that code wants to start.

        Without a look at the simulated directory it is one that the code may handle, as where the
        program is missing; else it is remembered as a refusal.
        """
        told = f"{call}({program!r}): no simulated disk sees another process"
        if self.owns(self.running.cwd) or any(self._names_directory(each) for each in arguments):
            return self.refuse(f"{told}; call what it does as a function")
        return MissingProgramError(
            errno.ENOENT, f"{told}, so programs are missing there; call it before", str(program)
        )

    def _names_directory(self, text: object) -> bool:
        if isinstance(text, int):
            return text >= FIRST_DESCRIPTOR
        known = isinstance(text, (str, bytes, os.PathLike))
        return known and self.directory in os.fsdecode(text)  # type: ignore[arg-type]

    def perform(self, name: str, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Make a call, and note where it came from if it changed the disk."""
        if not self._is_in_call:
            # Inside another call, nobody else could make one meanwhile.
            self.threads.pause(_FILES)
        with self.lock:
            outer, self._is_in_call = self._is_in_call, True
            try:
                self.running.count_call()
                self.before_each()
                if self.hook is None:
                    return call(*args, **kwargs)
                return self.hook(name, call, args, kwargs, self.running)
            finally:
                self._is_in_call = outer
                self.note(name)

    def mark(self, word: str) -> None:
        """Record something visible outside the machine; it is no change of the disk."""
        with self.lock:
            disk = self.running.disk
            disk.mark(word)
            self._logged = len(disk.log)

    def note(self, name: str) -> None:
        """Note a call that changed the disk."""
        process = self.process
        if not self.tracing or process is None or process is not self.running:
            return
        length = len(process.disk.log)
        if length != self._logged:
            self._logged = length
            self.sites.append(CallSite(length, name, _place()))


def _nothing() -> None:
    """There is nothing to catch up with."""


def _place() -> str:
    """Return the innermost line of code that is neither ours nor of Python's own library."""
    best = ""
    for frame in _frames():
        file = frame.f_code.co_filename
        if file.startswith(_HERE) or frame.f_globals.get("__name__", "").startswith(_DRIVER):
            continue
        place = f"{os.path.basename(file)}:{frame.f_lineno}"
        if not _is_library(file):
            return place
        best = best or place
    return best


@cache
def _is_library(file: str) -> bool:
    return file.startswith("<frozen") or (file.startswith(_LIBRARY) and "site-packages" not in file)


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to walk a stack cheaply
    while frame is not None:
        yield frame
        frame = frame.f_back
