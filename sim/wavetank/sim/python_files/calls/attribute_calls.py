"""The functions of `os` that look at an inode's attributes or change them, on the simulated disk.

Each method has the name and arguments of the real function. What is only on the real machine may
be looked at; to change it takes it over first. Left out: names (name_calls.py).
"""

from __future__ import annotations

import errno
import os
from typing import Final

from wavetank.engine import Buffer
from wavetank.sim.attributes import AttributeKind, Attributes
from wavetank.sim.disk._errno import fail
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.calls.descriptor_calls import DescriptorCalls, owner_change
from wavetank.sim.python_files.calls.paths import PathArgument, Paths, Real
from wavetank.sim.python_files.calls.status import Status, is_directory

__all__ = ["AttributeCalls"]

_NO_ATTRIBUTE: Final = errno.ENODATA
_XATTR_CREATE: Final = getattr(os, "XATTR_CREATE", 1)
_XATTR_REPLACE: Final = getattr(os, "XATTR_REPLACE", 2)


class AttributeCalls:
    """`os` for attributes of paths and descriptors.

    Args:
        simulation: the simulation.
        real: the real machine.
        paths: finds places.
        descriptors: for the functions that take either.
    """

    def __init__(
        self, simulation: Simulation, real: Real, paths: Paths, descriptors: DescriptorCalls
    ) -> None:
        self._simulation = simulation
        self._real = real
        self._paths = paths
        self._descriptors = descriptors

    def stat(
        self,
        path: PathArgument | int,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> os.stat_result | Status:
        """See `os.stat`."""
        if isinstance(path, int):
            return self._descriptors.fstat(path)
        resolved = self._paths.find(path, dir_fd, follow=follow_symlinks)
        if resolved.inode is not None:
            return self._simulation.running.status(resolved.inode)
        if not resolved.is_real:
            fail(errno.ENOENT, os.fsdecode(path))
        return (self._real.stat if follow_symlinks else self._real.lstat)(resolved.path)

    def lstat(self, path: PathArgument, *, dir_fd: int | None = None) -> os.stat_result | Status:
        """See `os.lstat`."""
        return self.stat(path, dir_fd=dir_fd, follow_symlinks=False)

    def access(
        self,
        path: PathArgument,
        mode: int,
        *,
        dir_fd: int | None = None,
        effective_ids: bool = False,
        follow_symlinks: bool = True,
    ) -> bool:
        """See `os.access`; the simulated disk lets everybody do everything but run files."""
        del effective_ids
        try:
            status = self.stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        except OSError:
            return False
        if not mode & os.X_OK or is_directory(status):
            return True
        return bool(status.st_mode & 0o111)

    def statvfs(self, path: PathArgument | int) -> os.statvfs_result:
        """See `os.statvfs`: a disk that is never full."""
        if not isinstance(path, int):
            self.stat(path)
        blocks = 1 << 30
        return os.statvfs_result(
            (4096, 4096, blocks, blocks, blocks, blocks, blocks, blocks, 0, 255)
        )

    def chmod(
        self,
        path: PathArgument | int,
        mode: int,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """See `os.chmod`."""
        change = Attributes(mode=mode & 0o7777)
        self._set(self._either(path, dir_fd, follow=follow_symlinks), change)

    def lchmod(self, path: PathArgument, mode: int) -> None:
        """See `os.lchmod`."""
        self.chmod(path, mode, follow_symlinks=False)

    def chown(
        self,
        path: PathArgument | int,
        uid: int,
        gid: int,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """See `os.chown`; -1 leaves a number as it is."""
        inode, text = self._either(path, dir_fd, follow=follow_symlinks)
        status = self._simulation.running.status(inode)
        self._set((inode, text), owner_change(status, uid, gid))

    def lchown(self, path: PathArgument, uid: int, gid: int) -> None:
        """See `os.lchown`."""
        self.chown(path, uid, gid, follow_symlinks=False)

    def utime(
        self,
        path: PathArgument | int,
        times: tuple[float, float] | None = None,
        *,
        ns: tuple[int, int] | None = None,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """See `os.utime`."""
        process = self._simulation.running
        where = self._either(path, dir_fd, follow=follow_symlinks)
        now = process.clock.now_ns
        if times is not None:
            ns = (int(times[0] * 1e9), int(times[1] * 1e9))
        accessed, modified = ns or (now, now)
        self._set(where, Attributes(accessed_ns=accessed, modified_ns=modified))

    def listxattr(
        self, path: PathArgument | int | None = None, *, follow_symlinks: bool = True
    ) -> list[str]:
        """See `os.listxattr`."""
        where = self._simulation.running.cwd if path is None else path
        return [name for name, _ in self._extended(where, follow=follow_symlinks)[1]]

    def getxattr(
        self,
        path: PathArgument | int,
        attribute: PathArgument,
        *,
        follow_symlinks: bool = True,
    ) -> bytes:
        """See `os.getxattr`."""
        name = _name_of_extended(attribute)
        (_, text), known = self._extended(path, follow=follow_symlinks)
        value = dict(known).get(name)
        if value is None:
            fail(_NO_ATTRIBUTE, text)
        return value

    def setxattr(
        self,
        path: PathArgument | int,
        attribute: PathArgument,
        value: Buffer,
        flags: int = 0,
        *,
        follow_symlinks: bool = True,
    ) -> None:
        """See `os.setxattr`."""
        name = _name_of_extended(attribute)
        where, known = self._extended(path, follow=follow_symlinks)
        is_there = name in dict(known)
        if is_there and flags & _XATTR_CREATE:
            fail(errno.EEXIST, where[1])
        if not is_there and flags & _XATTR_REPLACE:
            fail(_NO_ATTRIBUTE, where[1])
        self._set(where, Attributes(extended=((name, bytes(value)),)))

    def removexattr(
        self, path: PathArgument | int, attribute: PathArgument, *, follow_symlinks: bool = True
    ) -> None:
        """See `os.removexattr`."""
        name = _name_of_extended(attribute)
        where, known = self._extended(path, follow=follow_symlinks)
        if name not in dict(known):
            fail(_NO_ATTRIBUTE, where[1])
        self._set(where, Attributes(extended=((name, None),)))

    def _extended(
        self, path: PathArgument | int, *, follow: bool
    ) -> tuple[tuple[int, str], tuple[tuple[str, bytes | None], ...]]:
        """Return where something is, and its extended attributes."""
        where = self._either(path, None, follow=follow)
        process = self._simulation.running
        process.look(where[0], AttributeKind.EXTENDED)
        return where, process.disk.attributes(where[0]).extended

    def _either(
        self, path: PathArgument | int, dir_fd: int | None, *, follow: bool
    ) -> tuple[int, str]:
        """Return the inode and the path of what a path or a descriptor stands for."""
        if isinstance(path, int):
            opened = self._simulation.running.opened(path)
            return opened.inode, opened.path
        resolved = self._paths.present(path, dir_fd, follow=follow)
        assert resolved.inode is not None
        return resolved.inode, resolved.path

    def _set(self, where: tuple[int, str], change: Attributes) -> None:
        self._simulation.running.disk.set_attributes(where[0], change, path=where[1])


def _name_of_extended(name: PathArgument) -> str:
    """Return the name of an extended attribute; as on ext4, only those of users can be set."""
    text = os.fsdecode(name)
    if not text.startswith("user."):
        fail(errno.ENOTSUP, text)
    return text
