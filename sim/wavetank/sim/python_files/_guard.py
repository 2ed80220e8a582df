"""The last line: what gets past the routes and would change the real machine is stopped.

Python tells of such calls itself (audit events), whoever makes them. One hook is installed per
interpreter, since hooks cannot be taken out; while nobody is inside a simulation it does nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from wavetank.sim.python_files._databases import DATABASE_ADVICE
from wavetank.sim.python_files._world import World

__all__ = ["GUARD"]

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_WAY: Final = "no simulated disk sees another process; call what it does as a function"
_FORBIDDEN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
        "it reached the real machine past the simulated `os`",
    ),
    **dict.fromkeys(("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system"), _WAY),
    "subprocess.Popen": _WAY,
}
_IN_MEMORY: Final = frozenset({"", ":memory:", b"", b":memory:"})


class _Guard:
    """Stops what must not happen while a world has a process running.

    Attributes:
        world: the simulation at work; None if there is none.
    """

    def __init__(self) -> None:
        self.world: World | None = None
        self._installed = False

    def watch(self, world: World) -> None:
        """Guard a world, until another one is given or it is released."""
        if not self._installed:
            self._installed = True
            sys.addaudithook(self._hear)
        self.world = world

    def release(self) -> None:
        """Guard nothing."""
        self.world = None

    def _hear(self, event: str, args: tuple[object, ...]) -> None:
        world = self.world
        if world is None:
            return
        if not world.is_inside():
            if event == "open" or event in _FORBIDDEN:
                world.keep_out(event, args)
            return
        if event == "open":
            path, _, flags = (*args, None, None, None)[:3]
            if isinstance(flags, int) and flags & _WRITES and not _is_device(path):
                raise world.refuse(
                    f"expected writes through `open` and `os` but {path!r} was opened on the real "
                    f"machine past them; {_WAY}"
                )
        elif event == "sqlite3.connect":
            if args and args[0] not in _IN_MEMORY:
                raise world.refuse(
                    f"expected no database file but got {args[0]!r}: {DATABASE_ADVICE}"
                )
        elif event in _FORBIDDEN:
            raise world.refuse(f"{event}{args!r}: {_FORBIDDEN[event]}")


def _is_device(path: object) -> bool:
    """Whether it is no file on a disk, or a descriptor that somebody has open already."""
    return path is None or isinstance(path, int) or str(path).startswith("/dev/")


GUARD: Final = _Guard()
"""One per interpreter, since an audit hook stays for ever."""
