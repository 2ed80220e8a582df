"""From what a caller gives as a path to a place on the simulated disk, or on the real machine.

A path is looked up on the simulated disk first. What is not there, and not below the simulated
directory, is looked for on the real machine, to be read alone. A write to a real place takes the
directories above it over (`adopt`), so that it lands on the simulated disk. `Real` has the
functions of the real machine, as they stood before any was replaced; none of it changes a file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.sim.disk._errno import fail
from wavetank.sim.disk._path_walk import Place, lookup, walk
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import ROOT_INODE, DirectoryContent, FileContent
from wavetank.sim.ops import BLOCK_SIZE
from wavetank.sim.python_files._simulation import Simulation

__all__ = ["PathArgument", "Paths", "Real", "ResolvedPath"]

PathArgument: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_MAX_LINKS: Final = 40
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


@frozen
class ResolvedPath:
    """Where a path leads.

    Attributes:
        path: absolute, symbolic links at its end followed if so asked.
        place: the name in its directory on the simulated disk; None if that is not there.
        inode: what is there; None for nothing.
        is_real: whether only the real machine can have it.
    """

    path: str
    place: Place | None
    inode: int | None
    is_real: bool


class Real:
    """The real machine, kept from before the names were replaced."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., object]] = {
            name: value for name, value in vars(os).items() if callable(value)
        }
        self.stat: Callable[[str], os.stat_result] = os.stat
        self.lstat: Callable[[str], os.stat_result] = os.lstat
        self.readlink: Callable[[str], str] = os.readlink
        self._open = os.open
        self._read = os.read
        self._close = os.close

    def call(self, name: str, *args: object, **kwargs: object) -> object:
        """Call a real function of `os` by name."""
        return self.functions[name](*args, **kwargs)

    def exists(self, path: str) -> bool:
        """Whether a path is there, if only as a link to nothing."""
        try:
            self.lstat(path)
        except OSError:
            return False
        return True

    def content(self, path: str) -> bytes:
        """Return what a real file holds."""
        descriptor = self._open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts: list[bytes] = []
            while part := self._read(descriptor, 1 << 20):
                parts.append(part)
            return b"".join(parts)
        finally:
            self._close(descriptor)


class Paths:
    """Finds places for one simulation.

    Args:
        simulation: the simulation.
        real: the functions of the real machine.
    """

    def __init__(self, simulation: Simulation, real: Real) -> None:
        self._simulation = simulation
        self._real = real

    def absolute(self, path: PathArgument, dir_fd: int | None = None) -> str:
        """Return a path from the root, as text."""
        text = os.fsdecode(path)
        if "\0" in text:
            raise ValueError("embedded null byte")
        if not text:
            fail(errno.ENOENT, text)
        if text.startswith("/"):
            return text
        base = self._simulation.running.cwd if dir_fd is None else self.of_descriptor(dir_fd)
        return f"{base.rstrip('/')}/{text}"

    def of_descriptor(self, number: int) -> str:
        """Return the path of an open directory, wherever it has been moved."""
        process = self._simulation.running
        if not process.has(number):
            return self._real.readlink(f"/proc/self/fd/{number}")
        opened = process.opened(number)
        if process.disk.entries(opened.inode) is None:
            fail(errno.ENOTDIR, opened.path)
        if self.find(opened.path).inode == opened.inode:
            return opened.path
        return self._search(opened.inode) or opened.path

    def find(
        self,
        path: PathArgument,
        dir_fd: int | None = None,
        *,
        follow: bool = True,
        creates: bool = False,
    ) -> ResolvedPath:
        """Return where a path leads, on the simulated disk if it is there.

        Args:
            path: the path.
            dir_fd: what it is relative to, if not to the working directory.
            follow: whether a symbolic link at its end is followed.
            creates: whether the name is to be made, so that a slash at its end asks for nothing.
        """
        text = self.absolute(path, dir_fd)
        disk = self._simulation.running.disk
        for _ in range(_MAX_LINKS):
            resolved, target = self._step(disk, text, follow=follow, creates=creates)
            if target is None:
                return resolved
            if creates and target.endswith("/"):
                fail(errno.EISDIR, text)
            parent = os.path.dirname(text.rstrip("/"))
            slash = "/" if text.endswith("/") else ""
            text = (target if target.startswith("/") else f"{parent}/{target}") + slash
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), text)

    def _step(
        self, disk: SimDisk, text: str, *, follow: bool, creates: bool
    ) -> tuple[ResolvedPath, str | None]:
        """Return what stands at a path, and where it points if that is to be followed."""
        try:
            place = walk(disk, text)
            inode = lookup(place, text)
        except OSError as error:
            if error.errno in _ABSENT and not self._simulation.owns(text):
                return ResolvedPath(text, None, None, is_real=True), None
            raise
        target = None if inode is None else disk.link_target(inode)
        if place.is_slashed and not creates and inode is not None and disk.is_file(inode):
            fail(errno.ENOTDIR, text)
        if not follow and (creates or not place.is_slashed):
            target = None
        is_real = inode is None and not self._simulation.owns(os.path.normpath(text))
        return ResolvedPath(text, place, inode, is_real=is_real), target

    def present(
        self, path: PathArgument, dir_fd: int | None = None, *, follow: bool = True
    ) -> ResolvedPath:
        """Return where something is, taken over from the real machine if it is there alone."""
        resolved = self.find(path, dir_fd, follow=follow)
        if resolved.inode is None and resolved.is_real and self._real.exists(resolved.path):
            resolved = self.adopt(resolved)
        if resolved.inode is None:
            fail(errno.ENOENT, os.fsdecode(path))
        return resolved

    def for_new(self, path: PathArgument, dir_fd: int | None = None) -> tuple[Place, str]:
        """Return where a name may be made, taken over from the real machine, and its path."""
        resolved = self.find(path, dir_fd, follow=False, creates=True)
        if resolved.is_real:
            resolved = self.adopt(resolved)
        if resolved.place is None:
            fail(errno.ENOENT, os.fsdecode(path))
        return resolved.place, resolved.path

    def adopt(self, resolved: ResolvedPath) -> ResolvedPath:
        """Take over what is real at a place and above it, as far as it is there.

        The directories come empty, a file with its content: it has been on disk all along.
        """
        disk = self._simulation.running.disk
        directory = ROOT_INODE
        names = [name for name in os.path.normpath(resolved.path).split("/") if name]
        for depth, name in enumerate(names, start=1):
            path = "/" + "/".join(names[:depth])
            entries = disk.entries(directory)
            if entries is None:
                break
            inode = entries.get(name)
            if inode is None:
                content = self._real_content(path)
                if content is None:
                    break
                inode = disk.adopt(directory, name, content)
            directory = inode
        return self.find(resolved.path, follow=False)

    def _real_content(self, path: str) -> FileContent | DirectoryContent | None:
        try:
            status = self._real.stat(path)
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode):
            return DirectoryContent({})
        if not stat.S_ISREG(status.st_mode):
            return None
        content = self._real.content(path)
        blocks = range(0, len(content), BLOCK_SIZE)
        return FileContent(
            len(content), tuple(content[start : start + BLOCK_SIZE] for start in blocks)
        )

    def _search(self, wanted: int) -> str | None:
        disk = self._simulation.running.disk
        todo, seen = [("", ROOT_INODE)], {ROOT_INODE}
        while todo:
            path, directory = todo.pop()
            for name, inode in (disk.entries(directory) or {}).items():
                if inode == wanted:
                    return f"{path}/{name}"
                if inode not in seen and disk.entries(inode) is not None:
                    seen.add(inode)
                    todo.append((f"{path}/{name}", inode))
        return None
