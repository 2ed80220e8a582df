"""`SimFileSystem`: the engine's filesystem seam over a simulated disk.

It follows Linux in what succeeds and which ``errno`` it fails with, and uses the freedom that the
contract leaves: names come in an order nobody asked for. Beyond the seam it offers what Linux has
besides: symbolic links, exchange, files without a name, sync. Left out: permissions, times.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final

from wavetank.engine import FileKind, FileStat, OpenFlag
from wavetank.sim._errno import fail as _fail
from wavetank.sim.disk import SimDisk
from wavetank.sim.image import ROOT_INODE
from wavetank.sim.ops import SyncKind
from wavetank.sim.sim_file import SimFile

__all__ = ["SimFile", "SimFileSystem"]

_READ = int(OpenFlag.READ)
_WRITE = int(OpenFlag.WRITE)
_CREATE = int(OpenFlag.CREATE)
_EXCLUSIVE = int(OpenFlag.EXCLUSIVE)
_TRUNCATE = int(OpenFlag.TRUNCATE)
_APPEND = int(OpenFlag.APPEND)
_MAX_LINKS: Final = 40
_NEEDS = ((_EXCLUSIVE, _CREATE), (_TRUNCATE, _WRITE), (_APPEND, _WRITE))


def _checked(flags: OpenFlag) -> int:
    """Return flags as a number, or refuse them as the real side of the seam does."""
    if not isinstance(flags, OpenFlag):
        raise TypeError(f"flags: expected OpenFlag but got {flags!r} ({type(flags).__name__})")
    bits = int(flags)
    if not bits & (_READ | _WRITE):
        raise ValueError(f"flags: expected READ, WRITE or both but got {flags!r}")
    for extra, needed in _NEEDS:
        if bits & extra and not bits & needed:
            names = (OpenFlag(needed).name, OpenFlag(extra).name)
            raise ValueError(f"flags: expected {names[0]} beside {names[1]} but got {flags!r}")
    return bits


def _is_within(path: str, ancestor: str) -> bool:
    return path.rstrip("/").startswith(ancestor.rstrip("/") + "/")


class SimFileSystem:
    """The names of a simulated disk; implements the engine's `FileSystem`.

    Args:
        disk: the machine's disk. After a kill or a power cut, make a new one on the new disk.

    >>> fs = SimFileSystem(SimDisk())
    >>> fs.mkdir("/store")
    >>> fs.open("/store/f", OpenFlag.WRITE | OpenFlag.CREATE).pwrite(b"hello", 0)
    5
    >>> fs.stat("/store/f").size
    5
    """

    __slots__ = ("_disk",)

    def __init__(self, disk: SimDisk) -> None:
        self._disk = disk

    def open(self, path: str, flags: OpenFlag) -> SimFile:
        """See `FileSystem.open`."""
        bits = _checked(flags)
        directory, name = self._parent(path)
        names = self._names(directory, path)
        inode = names.get(name) if name else directory
        if inode is None:
            if not bits & _CREATE:
                _fail(errno.ENOENT, path)
            inode = self._disk.create(directory, name, path=path)
        elif bits & _CREATE and bits & _EXCLUSIVE:
            _fail(errno.EEXIST, path)
        elif self._disk.entries(inode) is not None:
            _fail(errno.EISDIR, path)
        elif self._disk.link_target(inode) is not None:
            _fail(errno.ELOOP, path)
        elif bits & _WRITE and self._disk.read_only:
            _fail(errno.EROFS, path)
        elif bits & _TRUNCATE:
            self._disk.truncate(inode, 0, path=path)
        return SimFile(self._disk, inode, path, flags)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        origin, destination = self._parent(source), self._parent(target)
        if not origin[1] or not destination[1]:
            _fail(errno.EBUSY, source)
        moved = self._entry(origin, source)
        replaced = self._names(destination[0], target).get(destination[1])
        if _is_within(target, source) and moved != replaced:
            _fail(errno.EINVAL if self._disk.entries(moved) is not None else errno.ENOTDIR, source)
        if _is_within(source, target) and moved != replaced:
            _fail(errno.ENOTEMPTY, target)
        if replaced == moved:
            return
        if replaced is not None:
            self._check_replaceable(self._disk.entries(moved), self._disk.entries(replaced), target)
        self._disk.rename(origin, destination, source_path=source, target_path=target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        place = self._parent(path)
        if not place[1] or self._disk.entries(self._entry(place, path)) is not None:
            _fail(errno.EISDIR, path)
        self._disk.unlink(*place, path=path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        inode = self._entry(self._parent(source), source)
        directory, name = self._parent(target)
        if not name or name in self._names(directory, target):
            _fail(errno.EEXIST, target)
        if self._disk.entries(inode) is not None:
            _fail(errno.EPERM, source)
        self._disk.link(directory, name, inode, path=target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        directory, name = self._parent(path)
        if not name or name in self._names(directory, path):
            _fail(errno.EEXIST, path)
        self._disk.create(directory, name, path=path, is_directory=True)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        place = self._parent(path)
        if not place[1]:
            _fail(errno.EBUSY, path)
        names = self._disk.entries(self._entry(place, path))
        if names is None:
            _fail(errno.ENOTDIR, path)
        if names:
            _fail(errno.ENOTEMPTY, path)
        self._disk.unlink(*place, path=path)

    def symlink(self, target: str, path: str) -> None:
        """Let `path` be a symbolic link to `target`, which need not exist."""
        if not target:
            _fail(errno.ENOENT, path)
        directory, name = self._parent(path)
        if not name or name in self._names(directory, path):
            _fail(errno.EEXIST, path)
        self._disk.symlink(directory, name, target, path=path)

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points; EINVAL for anything else."""
        target = self._disk.link_target(self._find(path))
        if target is None:
            _fail(errno.EINVAL, path)
        return target

    def exchange(self, first: str, second: str) -> None:
        """Let two names swap what they stand for (RENAME_EXCHANGE)."""
        one, other = self._parent(first), self._parent(second)
        if not one[1] or not other[1]:
            _fail(errno.EBUSY, first)
        mine, theirs = self._entry(one, first), self._entry(other, second)
        if (_is_within(second, first) or _is_within(first, second)) and mine != theirs:
            _fail(errno.EINVAL, first)
        if mine != theirs:
            self._disk.exchange(one, other, first_path=first, second_path=second)

    def open_unnamed(self, directory: str, flags: OpenFlag) -> SimFile:
        """Open a new file that has no name yet, in a directory (O_TMPFILE); it must be for writing.

        It is gone with its last descriptor unless `link_unnamed` gives it a name.
        """
        bits = _checked(flags)
        if not bits & _WRITE:
            _fail(errno.EINVAL, directory)
        self._names(self._find(directory), directory)
        return SimFile(self._disk, self._disk.create_unnamed(path=directory), directory, flags)

    def link_unnamed(self, file: SimFile, target: str) -> None:
        """Give a file of `open_unnamed` its first name; ENOENT if it has had one."""
        directory, name = self._parent(target)
        if not name or name in self._names(directory, target):
            _fail(errno.EEXIST, target)
        if not self._disk.is_linkable(file.inode):
            _fail(errno.ENOENT, target)
        self._disk.link(directory, name, file.inode, path=target)

    def sync(self) -> None:
        """Make everything durable, as sync and syncfs do."""
        self._disk.sync(SyncKind.EVERYTHING, 0, path="")

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`; the order is the reverse of the alphabet."""
        return sorted(self._names(self._find(path, follow=True), path), reverse=True)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        inode = self._find(path)
        if self._disk.entries(inode) is not None:
            return FileStat(kind=FileKind.DIRECTORY, size=0, inode=inode)
        target = self._disk.link_target(inode)
        if target is not None:
            return FileStat(kind=FileKind.OTHER, size=len(target.encode()), inode=inode)
        return FileStat(kind=FileKind.FILE, size=self._disk.size(inode), inode=inode)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        inode = self._find(path)
        if self._disk.entries(inode) is None:
            _fail(errno.ENOTDIR, path)
        self._disk.sync(SyncKind.DIRECTORY, inode, path=path)

    def _find(self, path: str, *, follow: bool = False) -> int:
        place = self._parent(path)
        if not place[1]:
            return ROOT_INODE
        inode = self._entry(place, path)
        target = self._disk.link_target(inode) if follow else None
        return inode if target is None else self._follow(place[0], target, path, 1)

    def _entry(self, place: tuple[int, str], path: str) -> int:
        directory, name = place
        inode = self._names(directory, path).get(name) if name else directory
        if inode is None:
            _fail(errno.ENOENT, path)
        return inode

    def _parent(self, path: str) -> tuple[int, str]:
        """Return the directory's inode and the last name of `path`; "" names the root."""
        parts = [part for part in path.split("/") if part and part != "."]
        if not parts:
            if not path:
                _fail(errno.ENOENT, path)
            return ROOT_INODE, ""
        directory = ROOT_INODE
        for part in parts[:-1]:
            directory = self._step(directory, part, path, 0)
        self._names(directory, path)
        return directory, parts[-1]

    def _step(self, directory: int, part: str, path: str, links: int) -> int:
        """Return what a name stands for, through symbolic links."""
        inode = self._names(directory, path).get(part)
        if inode is None:
            _fail(errno.ENOENT, path)
        target = self._disk.link_target(inode)
        return inode if target is None else self._follow(directory, target, path, links + 1)

    def _follow(self, directory: int, target: str, path: str, links: int) -> int:
        if links > _MAX_LINKS:
            _fail(errno.ELOOP, path)
        inode = ROOT_INODE if target.startswith("/") else directory
        for part in target.split("/"):
            if part and part != ".":
                inode = self._step(inode, part, path, links)
        return inode

    def _names(self, inode: int, path: str) -> dict[str, int]:
        names = self._disk.entries(inode)
        if names is None:
            _fail(errno.ENOTDIR, path)
        return names

    @staticmethod
    def _check_replaceable(
        moved: dict[str, int] | None, replaced: dict[str, int] | None, path: str
    ) -> None:
        if moved is None and replaced is not None:
            _fail(errno.EISDIR, path)
        if moved is not None and replaced is None:
            _fail(errno.ENOTDIR, path)
        if replaced:
            _fail(errno.ENOTEMPTY, path)
