"""Who is inside the simulation and who is not, and where in the code each change was made.

Only a thread that was started since the simulation began, or that began it, is inside, and only
while a process runs. Everybody else (a test runner's own threads, the code between two processes)
keeps the real machine. A thread that outlives its process goes on with the disk of that process,
at which nobody looks any more. Left out: what the calls do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from threading import RLock, Thread, current_thread, enumerate, get_ident  # noqa: A004 - threading's own name
from types import FrameType
from typing import Final, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from attrs import frozen

from wavetank.sim.python_files._process import Process
from wavetank.sim.python_files.errors import UnroutedCallError

__all__ = ["CallSite", "World"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_HERE: Final = os.path.dirname(__file__)
_HELPERS: Final = frozenset(
    {"os", "io", "pathlib", "pathlib._local", "pathlib._abc", "shutil", "tempfile", "codecs"}
    | {"contextlib", "_pyio", "functools"}
)
"""Modules whose lines say less than those of their callers."""


@frozen
class CallSite:
    """Which call changed the disk, and which line of whose code made it.

    Attributes:
        position: length of the op log after the call.
        call: its name, such as ``os.replace``.
        place: file name and line; "" if nobody knows.
    """

    position: int
    call: str
    place: str


class World:
    """The simulation as its calls see it.

    Args:
        directory: the simulated directory; whatever is below it exists nowhere else.

    Attributes:
        directory: the same.
        process: the one that runs; None between two.
        sites: the calls that changed the disk of this process, in order.
        tracing: whether `sites` is kept.
        refusal: the first call that was refused; it may have been swallowed.
        lock: held during each call.
        before_each: called before each call, to catch up with what was changed without one.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.process: Process | None = None
        self.sites: list[CallSite] = []
        self.tracing = False
        self.refusal: UnroutedCallError | None = None
        self.lock = RLock()
        self.before_each: Callable[[], None] = _nothing
        self._logged = 0
        self._outsiders: frozenset[int] = frozenset()
        self._orphans: WeakKeyDictionary[Thread, Process] = WeakKeyDictionary()

    def begin(self, process: Process, *, tracing: bool) -> None:
        """Let a process run."""
        mine = get_ident()
        others = (thread.ident for thread in enumerate() if thread.ident != mine)
        self._outsiders = frozenset(ident for ident in others if ident is not None)
        self.sites = []
        self.tracing = tracing
        self.refusal = None
        self._logged = len(process.disk.log)
        self.process = process

    def end(self) -> None:
        """Let the process be gone."""
        if self.process is not None:
            self.process.is_gone = True
            others = [each for each in self.own_threads() if each is not current_thread()]
            self._orphans.update(dict.fromkeys(others, self.process))
        self.process = None

    def is_inside(self) -> bool:
        """Whether the calling thread sees a simulated disk."""
        if self._orphans and current_thread() in self._orphans:
            return True
        return self.process is not None and get_ident() not in self._outsiders

    def own_threads(self) -> list[Thread]:
        """Return the threads that are inside."""
        return [thread for thread in enumerate() if thread.ident not in self._outsiders]

    def owns(self, path: str) -> bool:
        """Whether a path lies in the simulated directory, and nowhere else."""
        return path == self.directory or path.startswith(self.directory + "/")

    @property
    def running(self) -> Process:
        """The process that the calling thread belongs to."""
        if self._orphans:
            own = self._orphans.get(current_thread())
            if own is not None:
                return own
        assert self.process is not None
        return self.process

    def refuse(self, message: str) -> UnroutedCallError:
        """Return the error about a call that must not happen, and remember it."""
        error = UnroutedCallError(message)
        if self.refusal is None:
            self.refusal = error
        return error

    def perform(self, name: str, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Make a call, and note where it came from if it changed the disk."""
        with self.lock:
            self.before_each()
            try:
                return call(*args, **kwargs)
            finally:
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
    """Return the innermost line of code that is neither ours nor a helper's."""
    best = ""
    for frame in _frames():
        module = frame.f_globals.get("__name__", "")
        if frame.f_code.co_filename.startswith(_HERE):
            continue
        place = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        if module not in _HELPERS:
            return place
        best = best or place
    return best


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to walk a stack cheaply
    while frame is not None:
        yield frame
        frame = frame.f_back
