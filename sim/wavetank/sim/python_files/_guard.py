"""The last line: what gets past the routes and would change the real machine is stopped.

Python tells of such calls itself (audit events), whoever makes them. One hook is installed per
interpreter, since hooks cannot be taken out; while nobody is inside a simulation it does nothing.
A program that is to be started is not found, as on a machine that does not have it, unless it would
look at the simulated directory.

Functions of C that are called through `ctypes` are looked at before they are called, in the classes
of function pointers themselves: the system knows no simulated path and no simulated descriptor.
Left out: `cffi`, and extension modules that call the system by themselves; nothing tells of these.
"""

from __future__ import annotations

import ctypes
import dis
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Final

from wavetank.sim.python_files._databases import DATABASE_ADVICE, is_in_memory
from wavetank.sim.python_files._process import FIRST_DESCRIPTOR
from wavetank.sim.python_files._replacing import Replacing
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.errors import UnroutedCallError
from wavetank.sim.python_files.os_functions import ROUTED

__all__ = ["GUARD"]

_HERE: Final = os.path.dirname(os.path.dirname(__file__))
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NO_FORK: Final = "no simulated disk sees another process; call what it does as a function"
_OTHERS: Final = frozenset({"os.fork", "os.forkpty", "os.exec"})
_PROGRAMS: Final = frozenset({"subprocess.Popen", "os.posix_spawn", "os.system"})
_CHANGES: Final = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
    | {"os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr"}
)
_LOOKS: Final = frozenset(
    {"os.listdir", "os.scandir", "os.chdir", "os.getxattr", "os.listxattr", "os.lockf"}
    | {"fcntl.fcntl", "fcntl.flock", "fcntl.lockf", "fcntl.ioctl", "mmap.__new__"}
)
_ROUTED: Final = frozenset({"open"}) | _CHANGES | _LOOKS
_POINTER: Final = ctypes._CFuncPtr  # type: ignore[attr-defined]  # noqa: SLF001 - what all function pointers inherit from
_CALL: Final = "__call__"
_OF_EVERYTHING: Final = frozenset({"sync"})
_OF_PATHS: Final = frozenset(
    {"open", "open64", "openat", "creat", "fopen", "opendir", "access", "faccessat", "truncate"}
    | {"stat", "lstat", "stat64", "lstat64", "fstatat", "statx", "readlink", "realpath"}
    | {"rename", "renameat", "renameat2", "link", "linkat", "symlink", "unlink", "unlinkat"}
    | {"remove", "mkdir", "mkdirat", "rmdir", "chmod", "chown", "lchown", "utime", "utimes"}
)
"""A text without a slash is a path below the working directory to these."""


class _Guard:
    """Stops what must not happen while a simulation has a process running.

    Attributes:
        simulation: the simulation at work; None if there is none.
    """

    def __init__(self) -> None:
        self.simulation: Simulation | None = None
        self._replacing: Replacing | None = None
        self._installed = False
        self._c_calls: _CCalls | None = None

    def watch(self, simulation: Simulation, replacing: Replacing) -> None:
        """Guard a simulation, until another one is given or it is released.

        Args:
            simulation: the simulation.
            replacing: knows the real functions, and where some are kept that have no route.
        """
        if not self._installed:
            self._installed = True
            sys.addaudithook(self._hear)
        self.simulation = simulation
        self._replacing = replacing
        self._c_calls = _CCalls(simulation)
        self._c_calls.watch()

    def release(self) -> None:
        """Guard nothing."""
        self.simulation = self._replacing = None
        if self._c_calls is not None:
            self._c_calls.release()
            self._c_calls = None

    def escaped(self, error: OSError) -> UnroutedCallError | None:
        """Return what is wrong if a function past its route has raised an error; else None.

        The real functions know neither the simulated descriptors nor the directory.
        """
        simulation, last = self.simulation, error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        if simulation is None or last is None or _raises_itself(last):
            return None
        line = traceback.extract_tb(last)[-1]
        names = _names_in(line.line or "")
        if error.errno == errno.EBADF:
            if not self._may_be_real(last.tb_frame, names):
                return None
        elif not _is_simulated(simulation, error.filename):
            return None
        called = [each for each in names if each in ROUTED]
        kept = self._kept(called[0] if called else "")
        return simulation.refuse(
            f"{os.path.basename(line.filename)}:{line.lineno}: expected simulated files for the "
            f"functions of `os` and `open` but this call got past them ({error}){kept}"
        )

    def _may_be_real(self, frame: FrameType, names: list[str]) -> bool:
        """Whether a line can have called a real function; other things have descriptors, too."""
        keepers = {place.rpartition(".")[2] for place in self._keepers_of("")}
        if not (keepers | ROUTED).isdisjoint(names):
            return True
        replacing = self._replacing
        return replacing is not None and any(map(replacing.is_real, frame.f_locals.values()))

    def _keepers_of(self, name: str) -> list[str]:
        return [] if self._replacing is None else self._replacing.keepers_of(name)

    def _hear(self, event: str, args: tuple[object, ...]) -> None:
        simulation = self.simulation
        if simulation is None:
            return
        if event == "ctypes.dlsym" and self._c_calls is not None:
            self._c_calls.watch()
        if not simulation.is_inside():
            if event == "open" or event in _CHANGES or event in _PROGRAMS or event in _OTHERS:
                simulation.keep_out(event, args)
            return
        if event in _ROUTED:
            if _gets_past(simulation, event, args):
                raise simulation.refuse(
                    f"{event}: expected a call through its name but {args[0]!r} reached the real "
                    f"machine past the simulated `os`{self._kept(event)}"
                )
        elif event in _PROGRAMS:
            _refuse_program(simulation, event, args)
        elif event in _OTHERS:
            raise simulation.refuse(f"{event}{args!r}: {_NO_FORK}")
        elif event == "sqlite3.connect" and not is_in_memory(args[0]):
            raise simulation.refuse(
                f"expected no database file but got {args[0]!r}: {DATABASE_ADVICE}"
            )

    def _kept(self, name: str) -> str:
        """Return where the function may come from, in words."""
        names = _FUNCTIONS_OF.get(name, (name.rpartition(".")[2],))
        keepers = [place for each in names for place in self._keepers_of(each)]
        if keepers:
            return f"; a reference is kept in {', '.join(keepers)}: call it by its name"
        return (
            "; C code called it, or a reference that cannot be replaced, as in a local variable "
            "or an iterator from before: call it by its name"
        )


_FUNCTIONS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "os.rename": ("rename", "replace"),
    "os.remove": ("remove", "unlink"),
    "os.truncate": ("truncate", "ftruncate"),
    "os.chmod": ("chmod", "fchmod", "lchmod"),
    "os.chown": ("chown", "fchown", "lchown"),
    "os.chdir": ("chdir", "fchdir"),
    "mmap.__new__": ("mmap",),
}


def _raises_itself(last: TracebackType) -> bool:
    """Whether an error comes from the simulation, or from a statement that raises it."""
    code = last.tb_frame.f_code
    if code.co_filename.startswith(_HERE):
        return True
    return dis.opname[code.co_code[last.tb_lasti]] in ("RAISE_VARARGS", "RERAISE")


def _names_in(line: str) -> list[str]:
    return "".join(each if each.isalnum() or each == "_" else " " for each in line).split()


def _gets_past(simulation: Simulation, event: str, args: tuple[object, ...]) -> bool:
    """Whether a routed function was called past its route, with what it must not have."""
    if any(_is_simulated(simulation, each) for each in args[:2]):
        return True
    if event == "open":
        path, _, flags = (*args, None, None, None)[:3]
        return isinstance(flags, int) and bool(flags & _WRITES) and not _is_device(path)
    return event in _CHANGES and not isinstance(args[0], int)


def _is_simulated(simulation: Simulation, each: object) -> bool:
    """Whether it is a descriptor or a path that only the simulated disk knows."""
    if isinstance(each, int):
        return each >= FIRST_DESCRIPTOR
    if not isinstance(each, (str, bytes, os.PathLike)):
        return False
    path = os.fsdecode(each)
    return simulation.owns(path) or simulation.owns(f"{simulation.running.cwd}/{path}")


def _is_device(path: object) -> bool:
    """Whether it is no file on a disk, or a descriptor that somebody has open already."""
    return path is None or isinstance(path, int) or str(path).startswith("/dev/")


def _refuse_program(simulation: Simulation, event: str, args: tuple[object, ...]) -> None:
    if event == "os.system":
        raise simulation.no_program(event, args[0], args)
    program, words, *more = args
    cwd, env = more if event == "subprocess.Popen" else (None, more[0])
    told = [*_texts(words), *_texts(program), *_texts(cwd), *_own_variables(env)]
    raise simulation.no_program(event, program, told)


def _texts(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _own_variables(env: object) -> list[object]:
    """Return what an environment says that is not said to every program."""
    if not isinstance(env, Mapping):
        return []
    known = os.environ
    return [
        value for name, value in env.items() if known.get(os.fsdecode(name)) != os.fsdecode(value)
    ]


class _CCalls:
    """The function pointers of this process, watched.

    Args:
        simulation: the simulation.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._watched: list[type] = []

    def watch(self) -> None:
        """Watch all classes of function pointers that there are by now."""
        for kind in _below(_POINTER):
            if _CALL not in vars(kind):
                setattr(kind, _CALL, self._watcher())
                self._watched.append(kind)

    def release(self) -> None:
        """Watch none of them any more."""
        for kind in self._watched:
            delattr(kind, _CALL)
        self._watched.clear()

    def _watcher(self) -> Callable[..., object]:
        simulation = self._simulation
        make: Callable[..., object] = _POINTER.__call__

        def call(pointer: object, *args: object, **kwargs: object) -> object:
            name = str(getattr(pointer, "__name__", "a function pointer"))
            if not simulation.is_inside():
                simulation.keep_out(name, args)
            elif name in _OF_EVERYTHING or any(
                _is_simulated_in_c(simulation, name, each) for each in args
            ):
                caller = sys._getframe(1)  # noqa: SLF001 - who is asking
                module = caller.f_globals.get("__name__", "")
                place = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
                told = ", ".join(repr(_plain(each)) for each in args)
                raise simulation.refuse(
                    f"{name}({told}) through ctypes in {module} at {place}: expected calls through "
                    f"`os`, since no simulated disk sees C code that calls the system itself; let "
                    f"the package use its pure-Python way"
                )
            return make(pointer, *args, **kwargs)

        return call


def _below(kind: type) -> Iterator[type]:
    below: list[type] = type.__subclasses__(kind)
    for each in below:
        yield each
        yield from _below(each)


def _plain(value: object) -> object:
    """Return what an object of `ctypes` holds, if it is a number or a text."""
    held = getattr(value, "value", value) if isinstance(value, _HOLDERS) else value
    return held if isinstance(held, (int, str, bytes, os.PathLike)) else value


_HOLDERS: Final = (ctypes._SimpleCData, ctypes.Array)  # noqa: SLF001 - numbers and texts of C


def _is_simulated_in_c(simulation: Simulation, name: str, value: object) -> bool:
    held = _plain(value)
    if isinstance(held, int):
        return simulation.running.has(held)
    if not isinstance(held, (str, bytes, os.PathLike)):
        return False
    path = os.fsdecode(held)
    if name in _OF_PATHS:
        path = os.path.join(simulation.running.cwd, path)
    return simulation.owns(os.path.normpath(path))


GUARD: Final = _Guard()
"""One per interpreter, since an audit hook stays for ever."""
