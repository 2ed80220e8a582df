"""The simulated functions by module and name, ready to stand for the real ones.

Each route asks first whether the caller is inside the simulation; if not, the real function is
called with what was given. Left out: putting the routes into place (_replacing.py).
"""

from __future__ import annotations

import _posixsubprocess
import errno
import fcntl
import functools
import io
import mmap
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from wavetank.sim.python_files._clock import (
    SCHEDULED_MODULES,
    WAITING_MODULES,
    VirtualClock,
    clock_calls,
)
from wavetank.sim.python_files._databases import DATABASE_ADVICE, database_openers, in_memory_only
from wavetank.sim.python_files._process import FIRST_DESCRIPTOR
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.calls.attribute_calls import AttributeCalls
from wavetank.sim.python_files.calls.descriptor_calls import DescriptorCalls
from wavetank.sim.python_files.calls.locks import LockCalls
from wavetank.sim.python_files.calls.mapping import Mappings, SimulatedMapping
from wavetank.sim.python_files.calls.name_calls import NameCalls
from wavetank.sim.python_files.calls.paths import Paths, Real
from wavetank.sim.python_files.calls.raw_file import RawFile, open_file, raw_file
from wavetank.sim.python_files.os_functions import (
    MACHINE_DESCRIPTORS,
    PROGRAMS,
    REFUSED,
    ROUTED,
)
from wavetank.sim.python_files.threads.buffered_files import BufferedFiles
from wavetank.sim.python_files.threads.thread_routes import ThreadRoutes, thread_names

__all__ = ["Routes", "replaced_names"]

_Call = Callable[..., object]

_NO_PROCESS: Final = (
    "expected code that stays in its process, since no simulated disk sees another one; call what "
    "the program does as a function"
)
_LOCKS: Final = ("flock", "lockf", "fcntl", "ioctl")
_EITHER: Final = frozenset(
    {"stat", "listdir", "scandir", "truncate", "chmod", "chown", "utime", "chdir", "statvfs"}
    | {"fchdir", "fstatvfs", "getxattr", "setxattr", "removexattr", "listxattr"}
)
"""Functions of paths that take a descriptor, too."""


def replaced_names() -> dict[str, tuple[str, ...]]:
    """Return the names that `Routes` has functions for, by module."""
    own = (ROUTED | MACHINE_DESCRIPTORS | PROGRAMS | REFUSED) & vars(os).keys()
    return {
        "os": tuple(sorted(own)),
        "io": ("open", "FileIO"),
        "builtins": ("open",),
        "fcntl": _LOCKS,
        "mmap": ("mmap",),
        "time": tuple(clock_calls(_no_clock)),
        "_posixsubprocess": ("fork_exec",),
        **thread_names(),
        **{module: tuple(openers) for module, openers in database_openers().items()},
    }


class Routes:
    """The simulated functions of one simulation.

    Args:
        simulation: the simulation.

    Attributes:
        functions: by module and name.
        mappings: those of `mmap.mmap`.
        threads: those of `_thread`.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._real = Real()
        self.mappings = Mappings(simulation)
        simulation.before_each = self.mappings.collect
        self._descriptors = DescriptorCalls(simulation, self._real, self.mappings)
        paths = Paths(simulation, self._real)
        self._attributes = AttributeCalls(simulation, self._real, paths, self._descriptors)
        self._names = NameCalls(simulation, self._real, paths, self._descriptors, self._attributes)
        self._locks = LockCalls(simulation, self._descriptors)
        self.threads = ThreadRoutes(simulation)
        self._buffered = BufferedFiles(simulation.threads)
        self._chance = random.Random(0)  # noqa: S311 - repeatable on purpose
        self.functions: Mapping[str, Mapping[str, object]] = {
            "os": self._os(),
            "io": self._io(),
            "builtins": {"open": self._open_route()},
            "fcntl": self._fcntl(),
            "mmap": {"mmap": self._mmap_class()},
            "time": self._time(),
            "_posixsubprocess": self._fork_exec(),
            **self.threads.functions,
            **self._databases(),
        }

    def begin(self, seed: int) -> None:
        """Begin another process, with other random bytes for another seed."""
        self._chance.seed(seed)
        self.mappings.forget()

    def _os(self) -> dict[str, object]:
        own: dict[str, _Call] = {
            "sync": self._descriptors.sync,
            "getpid": lambda: self._simulation.running.pid,
            "kill": self._kill,
            "getppid": lambda: 1,
            "urandom": self._chance.randbytes,
            "getrandom": lambda size, flags=0: self._chance.randbytes(size),  # noqa: ARG005 - as os.getrandom
            "fstatvfs": self._attributes.statvfs,
            "readinto": lambda fd, buffer: self._descriptors.readv(fd, [buffer]),
        }
        found: dict[str, object] = {}
        for name in sorted(ROUTED & vars(os).keys()):
            if name in own:
                takes_descriptor = name == "readinto"
                call = own[name]
            elif takes_descriptor := hasattr(self._descriptors, name):
                call = getattr(self._descriptors, name)
            else:
                call = getattr(self._attributes, name, None) or getattr(self._names, name)
            number = takes_descriptor or name in _EITHER
            found[name] = self._route(f"os.{name}", getattr(os, name), call, number=number)
        for name in sorted(MACHINE_DESCRIPTORS & vars(os).keys()):
            found[name] = self._machine_only(f"os.{name}", getattr(os, name))
        for name in sorted(REFUSED & vars(os).keys()):
            found[name] = self._refusal(f"os.{name}", getattr(os, name))
        for name in sorted(PROGRAMS & vars(os).keys()):
            found[name] = self._missing_program(f"os.{name}", getattr(os, name))
        return found

    def _kill(self, pid: int, signal: int, /) -> None:
        """See `os.kill`: asking whether a process is there is allowed; no other is."""
        if signal:
            raise self._simulation.refuse(f"os.kill: {_NO_PROCESS}")
        if pid not in (self._simulation.running.pid, 1):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))

    def _fcntl(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for name in _LOCKS:
            real, call = getattr(fcntl, name), getattr(self._locks, name)
            found[name] = self._route(f"fcntl.{name}", real, call, number=True, locked=False)
        return found

    def _time(self) -> dict[str, object]:
        calls = clock_calls(lambda: self._simulation.running.clock)
        return {name: self._clock_route(getattr(time, name), call) for name, call in calls.items()}

    def _clock_route(self, real: _Call, call: _Call) -> _Call:
        """Return what stands for a function of `time`; who really waits keeps the real one."""
        simulation = self._simulation
        looks = real.__name__.partition("_")[0] in {"time", "monotonic", "perf"}

        @functools.wraps(real)
        def route(*args: object, **kwargs: object) -> object:
            caller: str = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - who is asking
            package = caller.partition(".")[0]
            if not simulation.is_inside() or package in WAITING_MODULES:
                return real(*args, **kwargs)
            if package in SCHEDULED_MODULES and looks:
                now_ns = simulation.running.clock.now_ns
                return now_ns if real.__name__.endswith("_ns") else now_ns / 1e9
            return call(*args, **kwargs)

        return route

    def _fork_exec(self) -> dict[str, object]:
        """Return what stands for how `multiprocessing` starts programs; no event tells of it."""
        name = "_posixsubprocess.fork_exec"
        return {"fork_exec": self._refusal(name, _posixsubprocess.fork_exec)}

    def _databases(self) -> dict[str, dict[str, object]]:
        return {
            module: {
                name: in_memory_only(self._simulation, real)
                if module == "sqlite3"
                else self._refusal(f"{module}.{name}", real, DATABASE_ADVICE)
                for name, real in openers.items()
            }
            for module, openers in database_openers().items()
        }

    def _io(self) -> dict[str, object]:
        return {"open": self._open_route(), "FileIO": self._file_io_class()}

    def _open_route(self) -> object:
        simulation, real, buffered = self._simulation, io.open, self._buffered
        calls = _FileCalls(self._names, self._descriptors)

        @functools.wraps(real)
        def route(*args: object, **kwargs: object) -> object:
            if not simulation.is_inside():
                simulation.keep_out("open", (*args[:1], kwargs.get("file")))
                return real(*args, **kwargs)  # type: ignore[call-overload]
            if _is_machine_descriptor(args, simulation):
                return real(*args, **kwargs)  # type: ignore[call-overload]
            return open_file(simulation, calls, buffered, real, *args, **kwargs)  # type: ignore[arg-type]

        return route

    def _file_io_class(self) -> type:
        simulation, real = self._simulation, io.FileIO
        calls = _FileCalls(self._names, self._descriptors)

        class AnyFileIO(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, (RawFile, real))

            def __subclasscheck__(cls, subclass: type) -> bool:
                return issubclass(subclass, (RawFile, real))

        class FileIO(metaclass=AnyFileIO):
            """Stands for `io.FileIO`: simulated where the file is."""

            def __new__(  # type: ignore[misc]
                cls,
                file: str | bytes | int,
                mode: str = "r",
                closefd: bool = True,  # noqa: FBT001, FBT002 - the signature of io.FileIO
                opener: Callable[[str, int], int] | None = None,
            ) -> RawFile | io.FileIO:
                if not simulation.is_inside():
                    simulation.keep_out("io.FileIO", (file,))
                    return real(file, mode, closefd, opener)
                if _is_machine_descriptor((file,), simulation):
                    return real(file, mode, closefd, opener)
                raw = raw_file(simulation, calls, file, mode, closefd=closefd, opener=opener)
                return real(raw, mode) if isinstance(raw, int) else raw

        return FileIO

    def _mmap_class(self) -> type:
        simulation, real, mappings = self._simulation, mmap.mmap, self.mappings

        class AnyMmap(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, real)

            def __subclasscheck__(cls, subclass: type) -> bool:
                return issubclass(subclass, real)

        class Mmap(metaclass=AnyMmap):
            """Stands for `mmap.mmap`: simulated where the file is."""

            def __new__(  # type: ignore[misc]
                cls, fileno: int, length: int, *args: int, **kwargs: int
            ) -> SimulatedMapping | mmap.mmap:
                if not simulation.is_inside() or fileno < FIRST_DESCRIPTOR:
                    return real(fileno, length, *args, **kwargs)
                with simulation.lock:
                    return mappings.map(fileno, length, *args, **kwargs)

        return Mmap

    def _route(
        self, name: str, real: _Call, call: _Call, *, number: bool = False, locked: bool = True
    ) -> _Call:
        """Return what stands for a real function.

        Args:
            name: for people.
            real: the function.
            call: what is done instead, inside the simulation.
            number: whether its first argument may be a descriptor, or something that has one.
            locked: whether it is one step for other threads.
        """
        simulation = self._simulation
        perform = simulation.perform

        @functools.wraps(real)
        def route(*args: object, **kwargs: object) -> object:
            if not simulation.is_inside():
                simulation.keep_out(name, (*args, *kwargs.values()))
                return real(*args, **kwargs)
            if number:
                if args:
                    args = (_descriptor(args[0]), *args[1:])
                elif "fd" in kwargs:
                    kwargs["fd"] = _descriptor(kwargs["fd"])
                if _is_machine_descriptor(args or tuple(kwargs.values()), simulation):
                    return real(*args, **kwargs)
            return perform(name, call, *args, **kwargs) if locked else call(*args, **kwargs)

        return route

    def _machine_only(self, name: str, real: _Call) -> _Call:
        simulation = self._simulation

        @functools.wraps(real)
        def route(*args: object, **kwargs: object) -> object:
            if simulation.is_inside():
                for each in (*args, *kwargs.values()):
                    if isinstance(each, int) and each >= FIRST_DESCRIPTOR:
                        raise simulation.refuse(
                            f"{name}: expected no simulated descriptor, got {each}"
                        )
            return real(*args, **kwargs)

        return route

    def _missing_program(self, name: str, real: _Call) -> _Call:
        simulation = self._simulation

        @functools.wraps(real)
        def route(*args: object, **kwargs: object) -> object:
            if not simulation.is_inside():
                return real(*args, **kwargs)
            program = next((each for each in args if isinstance(each, (str, bytes))), "")
            given = [*args, *kwargs.values()]
            rows = [each for row in given if isinstance(row, (list, tuple)) for each in row]
            raise simulation.no_program(name, program, [*given, *rows])

        return route

    def _refusal(self, name: str, real: _Call, advice: str = _NO_PROCESS) -> _Call:
        simulation = self._simulation

        @functools.wraps(real)
        def route(*args: object, **kwargs: object) -> object:
            if simulation.is_inside():
                raise simulation.refuse(f"{name}: {advice}")
            return real(*args, **kwargs)

        return route


def _no_clock() -> VirtualClock:
    raise AssertionError("only the names were asked for")


class _FileCalls:
    """What raw files are made of: names opened, descriptors used."""

    def __init__(self, names: NameCalls, descriptors: DescriptorCalls) -> None:
        self.open = names.open
        self.read = descriptors.read
        self.write = descriptors.write
        self.lseek = descriptors.lseek
        self.ftruncate = descriptors.ftruncate
        self.close = descriptors.close


def _descriptor(value: object) -> object:
    """Return the number of whatever has one, as the real functions do."""
    fileno = getattr(value, "fileno", None)
    return value if fileno is None else fileno()


def _is_machine_descriptor(args: tuple[object, ...], simulation: Simulation) -> bool:
    """Whether the first argument is a descriptor that the real machine gave."""
    if not args:
        return False
    first = args[0]
    if not isinstance(first, int) or isinstance(first, bool):
        return False
    return first < FIRST_DESCRIPTOR and not simulation.running.has(first)
