"""The functions of `os` that take a name, on the simulated disk; `open` is one of them.

Each method has the name and arguments of the real function. What is only on the real machine may
be looked at; it is opened there if it is only read, and a write takes it over first. To remove or
rename it is refused. What Linux allows is said in one place for all (wavetank.sim.disk._names).

Left out: attributes (attribute_calls.py), calls on descriptors alone (descriptor_calls.py), file
objects (raw_file.py).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from attrs import evolve

from wavetank.sim.disk._errno import fail
from wavetank.sim.disk._names import (
    check_openable,
    link,
    make_directory,
    make_symlink,
    names_of,
    remove_directory,
    rename,
    unlink,
)
from wavetank.sim.disk._path_walk import Place
from wavetank.sim.image import ROOT_INODE
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.calls.attribute_calls import AttributeCalls
from wavetank.sim.python_files.calls.descriptor_calls import DescriptorCalls
from wavetank.sim.python_files.calls.paths import PathArgument, Paths, Real, ResolvedPath
from wavetank.sim.python_files.calls.status import Entries, Entry, is_directory

__all__ = ["NameCalls"]

_CHANGES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_TMPFILE: Final = getattr(os, "O_TMPFILE", 0)


class NameCalls:
    """`os` for names.

    Args:
        simulation: the simulation.
        real: the real machine.
        paths: finds places.
        descriptors: for the functions that take either.
        attributes: looks at what is there.
    """

    def __init__(
        self,
        simulation: Simulation,
        real: Real,
        paths: Paths,
        descriptors: DescriptorCalls,
        attributes: AttributeCalls,
    ) -> None:
        self._simulation = simulation
        self._real = real
        self._paths = paths
        self._descriptors = descriptors
        self._attributes = attributes

    def open(
        self, path: PathArgument, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        """See `os.open`."""
        follow = not flags & os.O_NOFOLLOW and not (flags & os.O_CREAT and flags & os.O_EXCL)
        creates = bool(flags & os.O_CREAT)
        if creates and os.fsdecode(path).endswith("/"):
            fail(errno.EISDIR, os.fsdecode(path))
        resolved = self._paths.find(path, dir_fd, follow=follow, creates=creates)
        if resolved.is_real:
            if not flags & _CHANGES or self._is_device(resolved.path):
                number = self._real.call("open", resolved.path, flags, mode)
                assert isinstance(number, int)
                return number
            resolved = self._paths.adopt(resolved)
        if _TMPFILE and flags & _TMPFILE == _TMPFILE:
            return self._open_unnamed(resolved, flags, mode)
        return self._open(resolved, flags, mode, os.fsdecode(path))

    def _open(self, resolved: ResolvedPath, flags: int, mode: int, told: str) -> int:
        process = self._simulation.running
        inode, place = resolved.inode, resolved.place
        if flags & os.O_CREAT and place is not None and place.is_slashed and place.name:
            fail(errno.EISDIR, told)
        if inode is None:
            if not flags & os.O_CREAT or place is None:
                fail(errno.ENOENT, told)
            inode = process.disk.create(
                place.directory, place.name, path=resolved.path, made=process.made_with(mode)
            )
        else:
            check_openable(
                process.disk,
                inode,
                told,
                writes=bool(flags & os.O_ACCMODE),
                creates=bool(flags & os.O_CREAT),
                exclusive=bool(flags & os.O_EXCL),
            )
            if flags & os.O_DIRECTORY:
                names_of(process.disk, inode, told)
            if flags & os.O_TRUNC and flags & os.O_ACCMODE:
                process.disk.truncate(inode, 0, path=resolved.path)
        return process.open(inode, os.path.normpath(resolved.path), flags)

    def _open_unnamed(self, resolved: ResolvedPath, flags: int, mode: int) -> int:
        process = self._simulation.running
        if resolved.inode is None:
            fail(errno.ENOENT, resolved.path)
        names_of(process.disk, resolved.inode, resolved.path)
        if not flags & os.O_ACCMODE:
            fail(errno.EINVAL, resolved.path)
        inode = process.disk.create_unnamed(path=resolved.path, made=process.made_with(mode))
        return process.open(inode, resolved.path, flags & ~_TMPFILE)

    def _is_device(self, path: str) -> bool:
        """Whether a path is a real device, such as ``/dev/null``."""
        try:
            mode = self._real.stat(path).st_mode
        except OSError:
            return False
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))

    def listdir(self, path: PathArgument | int | None = None) -> list[str] | list[bytes]:
        """See `os.listdir`; the order is the reverse of the alphabet."""
        where = self._simulation.running.cwd if path is None else path
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
        process = self._simulation.running
        shown = "" if isinstance(where, int) else os.fspath(where)
        return Entries(
            [
                Entry(self._attributes, name, shown, f"{base}/{name}", process.status(names[name]))
                for name in sorted(names, reverse=True)
            ]
        )

    def readlink(self, path: PathArgument, *, dir_fd: int | None = None) -> str | bytes:
        """See `os.readlink`."""
        resolved = self._paths.find(path, dir_fd, follow=False)
        if resolved.is_real:
            found: str | bytes = self._real.readlink(resolved.path)
        else:
            if resolved.inode is None:
                fail(errno.ENOENT, resolved.path)
            target = self._simulation.running.disk.link_target(resolved.inode)
            if target is None:
                fail(errno.EINVAL, resolved.path)
            found = target
        return os.fsencode(found) if isinstance(path, bytes) else os.fsdecode(found)

    def mkdir(self, path: PathArgument, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """See `os.mkdir`."""
        process = self._simulation.running
        place, text = self._paths.for_new(path, dir_fd)
        make_directory(process.disk, place, text, made=process.made_with(mode))

    def rmdir(self, path: PathArgument, *, dir_fd: int | None = None) -> None:
        """See `os.rmdir`."""
        place, text, _ = self._own(path, dir_fd)
        remove_directory(self._simulation.running.disk, place, text)

    def unlink(self, path: PathArgument, *, dir_fd: int | None = None) -> None:
        """See `os.unlink`."""
        place, text, _ = self._own(path, dir_fd)
        unlink(self._simulation.running.disk, place, text)

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
        # The kernel looks at both ends before it asks what is there.
        start = self._paths.find(src, src_dir_fd, follow=False, creates=True).place
        target, target_path = self._paths.for_new(dst, dst_dir_fd)
        if target.is_dots or (start is not None and start.is_dots):
            fail(errno.EBUSY, target_path)
        source, source_path, _ = self._own(src, src_dir_fd)
        rename(
            self._simulation.running.disk,
            source,
            target,
            source_path=source_path,
            target_path=target_path,
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
        prefix, _, number = os.fsdecode(src).rpartition("/")
        if prefix == "/proc/self/fd" and self._simulation.running.has(int(number)):
            inode = self._simulation.running.opened(int(number)).inode
        else:
            follow = follow_symlinks or os.fsdecode(src).endswith("/")
            inode = self._own(src, src_dir_fd, follow=follow)[2]
        place, text = self._paths.for_new(dst, dst_dir_fd)
        link(self._simulation.running.disk, inode, place, text)

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
        process = self._simulation.running
        place, text = self._paths.for_new(dst, dir_fd)
        made = evolve(process.made_with(0), mode=0o777)
        make_symlink(process.disk, place, os.fsdecode(src), text, made=made)

    def truncate(self, path: PathArgument | int, length: int) -> None:
        """See `os.truncate`."""
        if isinstance(path, int):
            self._descriptors.ftruncate(path, length)
            return
        if length < 0:
            fail(errno.EINVAL, os.fsdecode(path))
        number = self.open(path, os.O_WRONLY)
        try:
            self._descriptors.ftruncate(number, length)
        finally:
            self._descriptors.close(number)

    def chdir(self, path: PathArgument | int) -> None:
        """See `os.chdir`; the real working directory stays as it is."""
        text = self._paths.of_descriptor(path) if isinstance(path, int) else None
        wanted = text if text is not None else self._paths.absolute(path)  # type: ignore[arg-type]
        if not is_directory(self._attributes.stat(wanted)):
            fail(errno.ENOTDIR, wanted)
        self._simulation.running.cwd = os.path.normpath(wanted)

    def fchdir(self, fd: int) -> None:
        """See `os.fchdir`."""
        self.chdir(fd)

    def getcwd(self) -> str:
        """See `os.getcwd`."""
        return self._simulation.running.cwd

    def getcwdb(self) -> bytes:
        """See `os.getcwdb`."""
        return os.fsencode(self._simulation.running.cwd)

    def umask(self, mask: int) -> int:
        """See `os.umask`."""
        process = self._simulation.running
        before, process.umask = process.umask, mask & 0o777
        return before

    def _names(self, path: PathArgument | int) -> tuple[dict[str, int] | None, str]:
        """Return a directory's names; None for one that only the real machine has."""
        process = self._simulation.running
        if isinstance(path, int):
            if not process.has(path):
                return None, ""
            inode: int | None = process.opened(path).inode
            text = process.opened(path).path
        else:
            resolved = self._paths.find(path)
            if resolved.is_real:
                return None, ""
            inode, text = resolved.inode, resolved.path
        if inode is None:
            fail(errno.ENOENT, text)
        return names_of(process.disk, inode, text), text

    def _own(
        self, path: PathArgument, dir_fd: int | None, *, follow: bool = False
    ) -> tuple[Place, str, int]:
        """Return place, path and inode of what may be changed: it is on the simulated disk."""
        # The kernel follows no link to remove or to move it, whatever stands behind its name.
        resolved = self._paths.find(path, dir_fd, follow=follow, creates=not follow)
        if resolved.is_real and self._real.exists(resolved.path):
            raise self._simulation.refuse(
                f"expected a path that the code under test has made but got {resolved.path!r}, "
                f"which is on the real machine; work below the directory that the test is given"
            )
        if resolved.inode is None or resolved.place is None:
            fail(errno.ENOENT, os.fsdecode(path))
        if resolved.inode == ROOT_INODE:
            fail(errno.EBUSY, resolved.path)
        return resolved.place, resolved.path, resolved.inode
