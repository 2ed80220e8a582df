"""`PythonFiles`: unmodified Python code on a simulated disk.

The names are replaced once, when the door is opened, and stay so while many processes run one after
the other, each on a disk of its own. Between two processes everything is real.
"""

from __future__ import annotations

import gc
import io
import os
import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import thread as thread_pools
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeAlias, TypeVar

from wavetank.sim.attributes import AttributeReads
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import ROOT_INODE, DirectoryContent, DiskImage
from wavetank.sim.ops import CallSite
from wavetank.sim.python_files._clock import START_NS, VirtualClock
from wavetank.sim.python_files._guard import GUARD
from wavetank.sim.python_files._limit import OutOfSteps, OutOfTime, StepLimit, time_limit
from wavetank.sim.python_files._process import FIRST_DESCRIPTOR, Process
from wavetank.sim.python_files._replacing import Replacing
from wavetank.sim.python_files._routes import Routes, replaced_names
from wavetank.sim.python_files._simulation import CALLS, CallHook, Simulation
from wavetank.sim.python_files.calls.status import shared_flags
from wavetank.sim.python_files.directory import SimulatedDirectory
from wavetank.sim.python_files.errors import (
    PythonFilesError,
    StepLimitError,
    TimeLimitError,
)
from wavetank.sim.python_files.threads.event_loop import virtual_loops
from wavetank.sim.python_files.threads.task_threads import TaskThreads, thread_locks
from wavetank.sim.scheduling.strategies import Strategy

__all__ = ["FIRST_PID", "PythonFiles"]

_T = TypeVar("_T")

_JOIN_S: Final = 5.0
FIRST_PID: Final = 4242
"""What `os.getpid` tells a process unless it is told otherwise."""


class PythonFiles:
    """Lets `open`, `os`, `pathlib`, `shutil`, `tempfile`, `mmap` and `fcntl` use a simulated disk.

    Args:
        directory: the simulated directory, an absolute path that the real machine does not have.
            What is written elsewhere lands on the simulated disk, too; real files can be read.

    Raises:
        PythonFilesError: another one is open; or the real machine has the directory.

    >>> with PythonFiles() as files:
    ...     disk = SimDisk(files.empty_image())
    ...     with files.process(disk):
    ...         with open(f"{files.directory}/greeting", "w", encoding="utf-8") as file:
    ...             _ = file.write("hello")
    >>> disk.read(disk.entries(disk.entries(1)["simulated"])["greeting"], 0, 9)
    b'hello'
    """

    def __init__(self, directory: str = "/simulated") -> None:
        self.directory: Final = SimulatedDirectory(directory)
        self._simulation = Simulation(directory)
        self._routes: Routes | None = None
        self._replacing: Replacing | None = None
        self._told = sys.unraisablehook
        self._calls = 0

    def __enter__(self) -> Self:
        if GUARD.simulation is not None:
            raise PythonFilesError(
                "expected no other simulation of Python's files but one is open; close it first"
            )
        if os.path.lexists(self.directory):
            raise PythonFilesError(
                f"directory: expected a path that the machine does not have but {self.directory!r} "
                f"is there; choose another"
            )
        self._replacing = Replacing(replaced_names(), [CALLS, *thread_locks()])
        self._routes = Routes(self._simulation)
        adopted = {each: self._routes.threads.adopted(each) for each in self._replacing.natives}
        self._replacing.put_in(self._routes.functions, adopted)
        GUARD.watch(self._simulation, self._replacing)
        # Objects whose files are gone complain when they are collected; that is no news.
        self._told, sys.unraisablehook = sys.unraisablehook, lambda _: None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._replacing is not None
        GUARD.release()
        sys.unraisablehook = self._told
        self._replacing.take_out()

    def empty_image(self) -> DiskImage:
        """Return a disk that holds the simulated directory, empty."""
        image = DiskImage.empty(AttributeReads(memory=shared_flags))
        inode = ROOT_INODE
        for name in self.directory.strip("/").split("/"):
            below = image.next_inode
            entries = DirectoryContent({name: below})
            image = image.derive({inode: entries, below: DirectoryContent({})})
            inode = below
        return image

    @property
    def sites(self) -> tuple[CallSite, ...]:
        """The calls that changed the disk of the last process that was traced, in order."""
        return tuple(self._simulation.sites)

    @property
    def calls(self) -> int:
        """Simulated calls that the last process to end has made."""
        return self._calls

    @property
    def threads(self) -> TaskThreads:
        """The threads of the process that runs, or of the last one."""
        return self._simulation.threads

    @property
    def now_ns(self) -> int:
        """The time of the running process, in nanoseconds since 1970.

        Raises:
            PythonFilesError: no process is running.
        """
        if self._simulation.process is None:
            raise PythonFilesError("expected a process that runs but there is none")
        return self._simulation.process.clock.now_ns

    @property
    def refusal(self) -> PythonFilesError | None:
        """The first call of the last process that was refused, even if it was swallowed."""
        return self._simulation.refusal

    @contextmanager
    def process(
        self,
        disk: SimDisk,
        *,
        tracing: bool = False,
        pid: int = FIRST_PID,
        start_ns: int = START_NS,
        steps: StepLimit | None = None,
        hook: CallHook | None = None,
        strategy: Strategy | None = None,
    ) -> Iterator[None]:
        """Let the code inside be a process on a disk; it is killed at the end.

        Args:
            disk: the disk.
            tracing: whether to note where each change was made (`sites`).
            pid: what `os.getpid` tells it; its random numbers begin differently for each.
            start_ns: the time at which it starts, in nanoseconds since 1970.
            steps: what it may spend; None for no limit.
            hook: stands around each of its calls.
            strategy: chooses which of its threads runs; by default each runs until it waits.

        Raises:
            PythonFilesError: the door is not open, or a process is running.
            StepLimitError: it has spent more.
        """
        if self._routes is None or GUARD.simulation is not self._simulation:
            raise PythonFilesError("expected an open door; use it as a context manager first")
        if self._simulation.process is not None:
            raise PythonFilesError("expected no process but one is running; end it first")
        self._routes.begin(pid)
        threads = self._simulation.threads
        with (
            _repeatable(pid),
            threads.repeatable(),
            virtual_loops(threads, self._simulation.refuse),
        ):
            scheduler = threads.begin(strategy)
            clock = VirtualClock(scheduler, None if steps is None else steps.virtual_s, start_ns)
            max_calls = None if steps is None else steps.calls
            process = Process(disk, os.getcwd(), clock, pid, max_calls=max_calls)
            self._simulation.begin(process, tracing=tracing, hook=hook)
            is_late = False
            try:
                yield
                self._routes.mappings.collect()
            except OutOfTime:
                is_late = True
                raise
            except OSError as error:
                escaped = GUARD.escaped(error)
                if escaped is None:
                    raise
                raise escaped from error
            except OutOfSteps:
                assert steps is not None
                raise StepLimitError(
                    f"expected an end within {steps.calls:,} simulated calls and "
                    f"{steps.virtual_s:g} s of virtual time but it ran on"
                ) from None
            finally:
                self._calls = process.calls
                self._simulation.end()
                threads.end(abandon=is_late)

    def leave(self) -> None:
        """Let the calling thread use the real machine, while the process it began lives on."""
        self._simulation.leave()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let the calling thread, which has left the running process, be part of it meanwhile.

        Raises:
            PythonFilesError: no process is running.
        """
        if self._simulation.process is None:
            raise PythonFilesError("expected a process that runs but there is none")
        if self._simulation.is_inside():
            yield
            return
        self._simulation.come_back()
        try:
            yield
        finally:
            self._simulation.leave()

    def call(
        self,
        disk: SimDisk,
        code: Callable[[], _T],
        *,
        limit_s: float,
        pid: int = FIRST_PID,
        start_ns: int = START_NS,
        steps: StepLimit | None = None,
    ) -> _T:
        """Run code as a process on a disk, for a limited time.

        Args:
            disk: the disk.
            code: what to run; what it raises comes out.
            limit_s: real seconds after which it is stopped.
            pid: see `process`.
            start_ns: see `process`.
            steps: what it may spend; None for no limit.

        Raises:
            TimeLimitError: the time is over.
            StepLimitError: it has spent more than `steps`.
        """
        try:
            with (
                time_limit(limit_s, lambda: self._simulation.process is not None),
                self.process(disk, pid=pid, start_ns=start_ns, steps=steps),
            ):
                return code()
        except OutOfTime:
            # It may have come while the process was ending.
            self._simulation.end()
            self._simulation.threads.end(abandon=True)
            raise TimeLimitError(f"expected an end within {limit_s} s but it ran on") from None

    def mark(self, word: str) -> None:
        """Record that the process has said something to the simulation outside.

        Raises:
            PythonFilesError: no process is running.
        """
        if self._routes is None or self._simulation.process is None:
            raise PythonFilesError("expected a process that runs but there is none")
        with self._simulation.lock:
            self._routes.mappings.collect()
            self._simulation.mark(word)

    def flush_files(self) -> None:
        """Flush the buffers of all files that the process has open, as a normal exit does.

        Raises:
            PythonFilesError: no process is running.
        """
        process = self._simulation.process
        if process is None:
            raise PythonFilesError("expected a process that runs but there is none")
        self._simulation.tracing, tracing = False, self._simulation.tracing
        before = len(process.disk.log)
        try:
            for file in _open_buffers(process):
                # The interpreter drops what it cannot write at its end, too.
                with suppress(OSError, ValueError):
                    file.flush()
        finally:
            self._simulation.tracing = tracing
        if tracing and len(process.disk.log) != before:
            self._simulation.sites.append(CallSite(len(process.disk.log), "flush at exit", ""))

    def join_threads(self, *, at_exit: bool = False) -> None:
        """Wait for the threads that the process has started.

        Args:
            at_exit: whether the interpreter ends then, which ends idle pools and waits for no
                daemon; only for a fork that ends.

        Raises:
            PythonFilesError: one of them does not end.
        """
        if at_exit:
            thread_pools._python_exit()  # noqa: SLF001 - what the interpreter calls at its exit
        for thread in self._simulation.own_threads():
            if thread is not threading.current_thread() and not (at_exit and thread.daemon):
                thread.join(_JOIN_S)
                if thread.is_alive():
                    raise PythonFilesError(
                        f"expected threads that end with the code that started them but "
                        f"{thread.name!r} runs on; stop and join it there"
                    )


@contextmanager
def _repeatable(pid: int) -> Iterator[None]:
    """Let chance, and the names of temporary files, be the same for each process of this number."""
    sequence = tempfile._RandomNameSequence  # type: ignore[attr-defined]  # noqa: SLF001 - it draws from the real machine
    tempfile._RandomNameSequence = partial(_temporary_names, pid)  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    # What looks for a directory for temporary files tries to write there.
    temporary, tempfile.tempdir = tempfile.tempdir, tempfile.tempdir or _temporary_directory()
    chance, names = random.getstate(), tempfile._name_sequence  # type: ignore[attr-defined]  # noqa: SLF001 - names of temporary files must be repeatable
    random.seed(pid)
    tempfile._name_sequence = _temporary_names(pid)  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    writes_code, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_code
        random.setstate(chance)
        tempfile._RandomNameSequence = sequence  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        tempfile.tempdir = temporary
        tempfile._name_sequence = names  # type: ignore[attr-defined]  # noqa: SLF001 - see above


_Buffer: TypeAlias = io.TextIOWrapper | io.BufferedWriter | io.BufferedRandom


def _open_buffers(process: Process) -> list[_Buffer]:
    """Return the buffered files of a process in the order of their opens, text before its bytes."""
    found: list[tuple[int, bool, _Buffer]] = []
    for each in gc.get_objects():
        if isinstance(each, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            with suppress(OSError, ValueError):  # closed, detached, or no file at all
                number = each.fileno()
                if number >= FIRST_DESCRIPTOR and process.has(number) and each.writable():
                    found.append((number, not isinstance(each, io.TextIOWrapper), each))
    return [each for _, _, each in sorted(found, key=lambda item: item[:2])]


def _temporary_directory() -> str | None:
    """Return the first directory for temporary files that is there; None if there is none."""
    candidates: list[str] = tempfile._candidate_tempdir_list()  # type: ignore[attr-defined]  # noqa: SLF001 - gettempdir writes a file
    return next((each for each in candidates if os.path.isdir(each)), None)


def _temporary_names(pid: int) -> Iterator[str]:
    """Yield the names that temporary files of a process get, always the same.

    No real file has such a name: what removes its own late, may do so when nothing is simulated.
    """
    number = abs(pid - FIRST_PID) * 100_000
    while True:
        yield f"-simulated-{number:06d}"
        number += 1
