"""`os.open` on the simulated disk: what is there, a new file, one without a name, a directory.

What is only on the real machine is opened there if it is only read; a write takes it over first.
Left out: file objects (_raw_file.py).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from wavetank.sim._errno import fail
from wavetank.sim.python_files._places import PathArgument, Paths, Spot
from wavetank.sim.python_files._real import Real
from wavetank.sim.python_files._world import World

__all__ = ["OpenCall"]

_CHANGES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_TMPFILE: Final = getattr(os, "O_TMPFILE", 0)


class OpenCall:
    """Opens paths.

    Args:
        world: the simulation.
        real: the real machine.
        paths: finds places.
    """

    def __init__(self, world: World, real: Real, paths: Paths) -> None:
        self._world = world
        self._real = real
        self._paths = paths

    def open(
        self, path: PathArgument, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        """See `os.open`."""
        follow = not flags & os.O_NOFOLLOW and not (flags & os.O_CREAT and flags & os.O_EXCL)
        creates = bool(flags & os.O_CREAT)
        if creates and os.fsdecode(path).endswith("/"):
            fail(errno.EISDIR, os.fsdecode(path))
        spot = self._paths.find(path, dir_fd, follow=follow, creates=creates)
        if spot.is_real:
            if not flags & _CHANGES or self._is_device(spot.path):
                number = self._real.call("open", spot.path, flags, mode)
                assert isinstance(number, int)
                return number
            spot = self._paths.adopt(spot)
        if _TMPFILE and flags & _TMPFILE == _TMPFILE:
            return self._open_unnamed(spot, flags, mode)
        return self._open(spot, flags, mode, os.fsdecode(path))

    def _open(self, spot: Spot, flags: int, mode: int, told: str) -> int:
        process = self._world.running
        inode, place = spot.inode, spot.place
        if flags & os.O_CREAT and place is not None and place.is_slashed and place.name:
            fail(errno.EISDIR, told)
        if inode is None:
            if not flags & os.O_CREAT or place is None:
                fail(errno.ENOENT, told)
            inode = process.disk.create(
                place.directory, place.name, path=spot.path, made=process.made_with(mode)
            )
        else:
            self._check_present(inode, flags, told)
            if flags & os.O_TRUNC and flags & os.O_ACCMODE:
                process.disk.truncate(inode, 0, path=spot.path)
        return process.open(inode, os.path.normpath(spot.path), flags)

    def _check_present(self, inode: int, flags: int, told: str) -> None:
        """Refuse what cannot be opened in this way."""
        disk = self._world.running.disk
        if flags & os.O_CREAT and flags & os.O_EXCL:
            fail(errno.EEXIST, told)
        if disk.link_target(inode) is not None:
            fail(errno.ELOOP, told)
        if disk.entries(inode) is not None:
            if flags & (os.O_ACCMODE | os.O_CREAT):
                fail(errno.EISDIR, told)
        elif flags & os.O_DIRECTORY:
            fail(errno.ENOTDIR, told)
        elif flags & os.O_ACCMODE and disk.read_only:
            fail(errno.EROFS, told)

    def _open_unnamed(self, spot: Spot, flags: int, mode: int) -> int:
        process = self._world.running
        if spot.inode is None:
            fail(errno.ENOENT, spot.path)
        if process.disk.entries(spot.inode) is None:
            fail(errno.ENOTDIR, spot.path)
        if not flags & os.O_ACCMODE:
            fail(errno.EINVAL, spot.path)
        inode = process.disk.create_unnamed(path=spot.path, made=process.made_with(mode))
        return process.open(inode, spot.path, flags & ~_TMPFILE)

    def _is_device(self, path: str) -> bool:
        """Whether a path is a real device, such as ``/dev/null``."""
        try:
            mode = self._real.stat(path).st_mode
        except OSError:
            return False
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
