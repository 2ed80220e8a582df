"""Functions of C that are called through `ctypes`: none may be given what is only simulated.

The system knows no simulated path and no simulated descriptor, and what C asks it no simulated disk
sees. So each such call is looked at before it is made, in the classes of function pointers
themselves. Left out: `cffi`, and extension modules that call the system by themselves; nothing
tells of these.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final

from wavetank.sim.python_files._world import World

__all__ = ["CCalls"]

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


class CCalls:
    """The function pointers of this process, watched.

    Args:
        world: the simulation.
    """

    def __init__(self, world: World) -> None:
        self._world = world
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
        world = self._world
        make: Callable[..., object] = _POINTER.__call__

        def call(pointer: object, *args: object, **kwargs: object) -> object:
            name = str(getattr(pointer, "__name__", "a function pointer"))
            if not world.is_inside():
                world.keep_out(name, args)
            elif name in _OF_EVERYTHING or any(_is_simulated(world, name, each) for each in args):
                caller = sys._getframe(1)  # noqa: SLF001 - who is asking
                module = caller.f_globals.get("__name__", "")
                place = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
                told = ", ".join(repr(_plain(each)) for each in args)
                raise world.refuse(
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


def _is_simulated(world: World, name: str, value: object) -> bool:
    held = _plain(value)
    if isinstance(held, int):
        return world.running.has(held)
    if not isinstance(held, (str, bytes, os.PathLike)):
        return False
    path = os.fsdecode(held)
    if name in _OF_PATHS:
        path = os.path.join(world.running.cwd, path)
    return world.owns(os.path.normpath(path))
