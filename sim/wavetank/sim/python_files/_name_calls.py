"""The functions of `os` that take a path, on the simulated disk.

Each method has the name and arguments of the real function. What is only on the real machine may
be looked at; to change it is refused. Left out: `open` (_open_call.py), and calls on
descriptors alone (_descriptor_calls.py).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from attrs import evolve

from wavetank.engine import Buffer
from wavetank.sim._errno import fail
from wavetank.sim._path_walk import Place
from wavetank.sim.attributes import AttributeKind, Attributes
from wavetank.sim.image import ROOT_INODE
from wavetank.sim.python_files._descriptor_calls import DescriptorCalls, owner_change
from wavetank.sim.python_files._open_call import OpenCall
from wavetank.sim.python_files._places import PathArgument, Paths, Spot
from wavetank.sim.python_files._real import Real
from wavetank.sim.python_files._scan import Entries, Entry
from wavetank.sim.python_files._status import Status
from wavetank.sim.python_files._world import World

__all__ = ["NameCalls"]

_BUSY: Final = frozenset({"", ".", ".."})
_NO_ATTRIBUTE: Final = errno.ENODATA
_XATTR_CREATE: Final = getattr(os, "XATTR_CREATE", 1)
_XATTR_REPLACE: Final = getattr(os, "XATTR_REPLACE", 2)


class NameCalls:
    """`os` for paths.

    Args:
        world: the simulation.
        real: the real machine.
        paths: finds places.
        descriptors: for the functions that take either.
        opening: opens what is to be truncated.
    """

    def __init__(
        self,
        world: World,
        real: Real,
        paths: Paths,
        descriptors: DescriptorCalls,
        opening: OpenCall,
    ) -> None:
        self._world = world
        self._real = real
        self._paths = paths
        self._descriptors = descriptors
        self._opening = opening

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
        spot = self._paths.find(path, dir_fd, follow=follow_symlinks)
        if spot.inode is not None:
            return self._world.running.status(spot.inode)
        if not spot.is_real:
            fail(errno.ENOENT, os.fsdecode(path))
        return (self._real.stat if follow_symlinks else self._real.lstat)(spot.path)

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
        if not mode & os.X_OK or _is_directory(status):
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

    def listdir(self, path: PathArgument | int | None = None) -> list[str] | list[bytes]:
        """See `os.listdir`; the order is the reverse of the alphabet."""
        where = self._world.running.cwd if path is None else path
        names, _ = self._names(where)
        if names is None:
            found = self._real.call("listdir", where)
            assert isinstance(found, list)
            return found
        ordered = sorted(names, reverse=True)
        return [os.fsencode(name) for name in ordered] if isinstance(path, bytes) else ordered

    def scandir(self, path: PathArgument | int | None = None) -> object:
        """See `os.scandir`; the order is the reverse of the alphabet."""
        where = "." if path is None else path
        names, base = self._names(where)
        if names is None:
            return self._real.call("scandir", where)
        process = self._world.running
        shown = "" if isinstance(where, int) else os.fspath(where)
        return Entries(
            [
                Entry(self, name, shown, f"{base}/{name}", process.status(names[name]))
                for name in sorted(names, reverse=True)
            ]
        )

    def readlink(self, path: PathArgument, *, dir_fd: int | None = None) -> str | bytes:
        """See `os.readlink`."""
        spot = self._paths.find(path, dir_fd, follow=False)
        if spot.is_real:
            found: str | bytes = self._real.readlink(spot.path)
        else:
            if spot.inode is None:
                fail(errno.ENOENT, spot.path)
            target = self._world.running.disk.link_target(spot.inode)
            if target is None:
                fail(errno.EINVAL, spot.path)
            found = target
        return os.fsencode(found) if isinstance(path, bytes) else os.fsdecode(found)

    def mkdir(self, path: PathArgument, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """See `os.mkdir`."""
        process = self._world.running
        text, place = self._paths.new(path, dir_fd, may_be_slashed=True)
        process.disk.create(
            place.directory,
            place.name,
            path=text,
            is_directory=True,
            made=process.made_with(mode),
        )

    def rmdir(self, path: PathArgument, *, dir_fd: int | None = None) -> None:
        """See `os.rmdir`."""
        spot, place, inode = self._own(path, dir_fd)
        disk = self._world.running.disk
        names = disk.entries(inode)
        if names is None:
            fail(errno.ENOTDIR, spot.path)
        if place.name in _BUSY:
            fail(errno.EINVAL if place.name == "." else errno.ENOTEMPTY, spot.path)
        if names:
            fail(errno.ENOTEMPTY, spot.path)
        disk.unlink(place.directory, place.name, path=spot.path)

    def unlink(self, path: PathArgument, *, dir_fd: int | None = None) -> None:
        """See `os.unlink`."""
        spot, place, inode = self._own(path, dir_fd)
        disk = self._world.running.disk
        if disk.entries(inode) is not None:
            fail(errno.EISDIR, spot.path)
        if place.is_slashed:
            fail(errno.ENOTDIR, spot.path)
        disk.unlink(place.directory, place.name, path=spot.path)

    def remove(self, path: PathArgument, *, dir_fd: int | None = None) -> None:
        """See `os.remove`."""
        self.unlink(path, dir_fd=dir_fd)

    def rename(
        self,
        src: PathArgument,
        dst: PathArgument,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        """See `os.rename`."""
        disk = self._world.running.disk
        start = self._paths.find(src, src_dir_fd, follow=False, creates=True).place
        spot = self._paths.find(dst, dst_dir_fd, follow=False, creates=True)
        if spot.is_real:
            spot = self._paths.adopt(spot)
        target = spot.place
        if target is None:
            fail(errno.ENOENT, spot.path)
        if target.is_dots or (start is not None and start.is_dots):
            fail(errno.EBUSY, spot.path)
        source, origin, moved = self._own(src, src_dir_fd)
        is_directory = disk.entries(moved) is not None
        if not is_directory and (origin.is_slashed or target.is_slashed):
            fail(errno.ENOTDIR, source.path)
        if moved in target.directories:
            fail(errno.EINVAL, source.path)
        if spot.inode in origin.directories:
            fail(errno.ENOTEMPTY, spot.path)
        if spot.inode == moved:
            return
        if spot.inode is not None:
            self._check_replaceable(moved, spot.inode, spot.path)
        disk.rename(
            (origin.directory, origin.name),
            (target.directory, target.name),
            source_path=source.path,
            target_path=spot.path,
        )

    def replace(
        self,
        src: PathArgument,
        dst: PathArgument,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        """See `os.replace`."""
        self.rename(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def link(
        self,
        src: PathArgument,
        dst: PathArgument,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """See `os.link`."""
        disk = self._world.running.disk
        prefix, _, number = os.fsdecode(src).rpartition("/")
        if prefix == "/proc/self/fd" and self._world.running.has(int(number)):
            inode = self._world.running.opened(int(number)).inode
        else:
            follow = follow_symlinks or os.fsdecode(src).endswith("/")
            inode = self._own(src, src_dir_fd, follow=follow)[2]
        text, place = self._paths.new(dst, dst_dir_fd)
        if disk.entries(inode) is not None:
            fail(errno.EPERM, text)
        disk.link(place.directory, place.name, inode, path=text)

    def symlink(
        self,
        src: PathArgument,
        dst: PathArgument,
        target_is_directory: bool = False,  # noqa: FBT001, FBT002 - the signature of os.symlink
        *,
        dir_fd: int | None = None,
    ) -> None:
        """See `os.symlink`."""
        del target_is_directory
        text, place = self._paths.new(dst, dir_fd)
        target = os.fsdecode(src)
        if not target:
            fail(errno.ENOENT, text)
        process = self._world.running
        made = evolve(process.made_with(0), mode=0o777)
        process.disk.symlink(place.directory, place.name, target, path=text, made=made)

    def truncate(self, path: PathArgument | int, length: int) -> None:
        """See `os.truncate`."""
        if isinstance(path, int):
            self._descriptors.ftruncate(path, length)
            return
        if length < 0:
            fail(errno.EINVAL, os.fsdecode(path))
        number = self._opening.open(path, os.O_WRONLY)
        try:
            self._descriptors.ftruncate(number, length)
        finally:
            self._descriptors.close(number)

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
        status = self._world.running.status(inode)
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
        process = self._world.running
        where = self._either(path, dir_fd, follow=follow_symlinks)
        now = process.clock.now_ns
        if times is not None:
            ns = (int(times[0] * 1e9), int(times[1] * 1e9))
        accessed, modified = ns or (now, now)
        self._set(where, Attributes(accessed_ns=accessed, modified_ns=modified))

    def chdir(self, path: PathArgument | int) -> None:
        """See `os.chdir`; the real working directory stays as it is."""
        text = self._paths.of_descriptor(path) if isinstance(path, int) else None
        wanted = text if text is not None else self._paths.absolute(path)  # type: ignore[arg-type]
        if not _is_directory(self.stat(wanted)):
            fail(errno.ENOTDIR, wanted)
        self._world.running.cwd = os.path.normpath(wanted)

    def fchdir(self, fd: int) -> None:
        """See `os.fchdir`."""
        self.chdir(fd)

    def getcwd(self) -> str:
        """See `os.getcwd`."""
        return self._world.running.cwd

    def getcwdb(self) -> bytes:
        """See `os.getcwdb`."""
        return os.fsencode(self._world.running.cwd)

    def umask(self, mask: int) -> int:
        """See `os.umask`."""
        process = self._world.running
        before, process.umask = process.umask, mask & 0o777
        return before

    def listxattr(
        self, path: PathArgument | int | None = None, *, follow_symlinks: bool = True
    ) -> list[str]:
        """See `os.listxattr`."""
        where = self._world.running.cwd if path is None else path
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
        process = self._world.running
        process.look(where[0], AttributeKind.EXTENDED)
        return where, process.disk.attributes(where[0]).extended

    def _names(self, path: PathArgument | int) -> tuple[dict[str, int] | None, str]:
        """Return a directory's names; None for one that only the real machine has."""
        process = self._world.running
        if isinstance(path, int):
            if not process.has(path):
                return None, ""
            inode: int | None = process.opened(path).inode
            text = process.opened(path).path
        else:
            spot = self._paths.find(path)
            if spot.is_real:
                return None, ""
            inode, text = spot.inode, spot.path
        if inode is None:
            fail(errno.ENOENT, text)
        names = process.disk.entries(inode)
        if names is None:
            fail(errno.ENOTDIR, text)
        return names, text

    def _own(
        self, path: PathArgument, dir_fd: int | None, *, follow: bool = False
    ) -> tuple[Spot, Place, int]:
        """Return something that may be changed: it is on the simulated disk."""
        # The kernel follows no link to remove or to move it, whatever stands behind its name.
        spot = self._paths.find(path, dir_fd, follow=follow, creates=not follow)
        if spot.is_real and self._real.exists(spot.path):
            raise self._world.refuse(
                f"expected a path that the code under test has made but got {spot.path!r}, which "
                f"is on the real machine; work below the directory that the test is given"
            )
        if spot.inode is None or spot.place is None:
            fail(errno.ENOENT, os.fsdecode(path))
        if spot.inode == ROOT_INODE:
            fail(errno.EBUSY, spot.path)
        return spot, spot.place, spot.inode

    def _either(
        self, path: PathArgument | int, dir_fd: int | None, *, follow: bool
    ) -> tuple[int, str]:
        """Return the inode and the path of what a path or a descriptor stands for."""
        if isinstance(path, int):
            opened = self._world.running.opened(path)
            return opened.inode, opened.path
        spot = self._paths.present(path, dir_fd, follow=follow)
        assert spot.inode is not None
        return spot.inode, spot.path

    def _set(self, where: tuple[int, str], change: Attributes) -> None:
        self._world.running.disk.set_attributes(where[0], change, path=where[1])

    def _check_replaceable(self, moved: int, replaced: int, path: str) -> None:
        disk = self._world.running.disk
        mine, theirs = disk.entries(moved), disk.entries(replaced)
        if mine is None and theirs is not None:
            fail(errno.EISDIR, path)
        if mine is not None and theirs is None:
            fail(errno.ENOTDIR, path)
        if theirs:
            fail(errno.ENOTEMPTY, path)


def _is_directory(status: os.stat_result | Status) -> bool:
    return stat.S_ISDIR(status.kind if isinstance(status, Status) else status.st_mode)


def _name_of_extended(name: PathArgument) -> str:
    """Return the name of an extended attribute; as on ext4, only those of users can be set."""
    text = os.fsdecode(name)
    if not text.startswith("user."):
        fail(errno.ENOTSUP, text)
    return text
