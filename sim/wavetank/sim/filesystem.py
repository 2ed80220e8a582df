"""`SimFileSystem`: the engine's filesystem seam over a simulated disk.

It follows Linux in what succeeds and which ``errno`` it fails with, and uses the freedom that the
contract leaves: names come in an order nobody asked for. Closed handles refuse everything, so that
a forgotten one never reaches a newer file. Left out: permissions, symbolic links, times.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from os import strerror  # noqa: TID251 - the words for an errno, no system call
from typing import NoReturn

from wavetank.engine import Buffer, FileKind, FileStat, OpenFlag
from wavetank.sim.disk import SimDisk
from wavetank.sim.image import ROOT_INODE
from wavetank.sim.ops import SyncKind

__all__ = ["SimFile", "SimFileSystem"]

_READ = int(OpenFlag.READ)
_WRITE = int(OpenFlag.WRITE)
_CREATE = int(OpenFlag.CREATE)
_EXCLUSIVE = int(OpenFlag.EXCLUSIVE)
_TRUNCATE = int(OpenFlag.TRUNCATE)
_APPEND = int(OpenFlag.APPEND)
_NEEDS = ((_EXCLUSIVE, _CREATE), (_TRUNCATE, _WRITE), (_APPEND, _WRITE))


def _fail(number: int, path: str) -> NoReturn:
    raise OSError(number, strerror(number), path)


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


class SimFile:
    """An open file on a simulated disk; implements the engine's `File`."""

    __slots__ = (
        "_appends",
        "_disk",
        "_holds_lock",
        "_inode",
        "_open",
        "_path",
        "_reads",
        "_writes",
    )

    def __init__(self, disk: SimDisk, inode: int, path: str, flags: int) -> None:
        self._disk = disk
        self._inode = inode
        self._path = path
        self._reads = bool(flags & _READ)
        self._writes = bool(flags & _WRITE)
        self._appends = bool(flags & _APPEND)
        self._open = True
        self._holds_lock = False

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        self._check_open()
        if offset < 0 or length < 0:
            _fail(errno.EINVAL, self._path)
        if not self._reads:
            _fail(errno.EBADF, self._path)
        return self._disk.read(self._inode, offset, length)

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`; refused on an APPEND handle, where systems disagree."""
        if self._appends:
            _fail(errno.EINVAL, self._path)
        self._check_open()
        if offset < 0:
            _fail(errno.EINVAL, self._path)
        self._check_writable()
        return self._write(data, offset)

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        self._check_writable()
        return self._write(data, self._disk.size(self._inode))

    def truncate(self, size: int) -> None:
        """See `File.truncate`."""
        self._check_open()
        if size < 0 or not self._writes:
            _fail(errno.EINVAL, self._path)
        self._disk.truncate(self._inode, size, path=self._path)

    def size(self) -> int:
        """See `File.size`."""
        self._check_open()
        return self._disk.size(self._inode)

    def fsync(self) -> None:
        """See `File.fsync`."""
        self._check_open()
        self._disk.sync(SyncKind.FILE, self._inode, path=self._path)

    def datasync(self) -> None:
        """See `File.datasync`."""
        self._check_open()
        self._disk.sync(SyncKind.DATA, self._inode, path=self._path)

    def preallocate(self, offset: int, length: int) -> None:
        """See `File.preallocate`."""
        self._check_open()
        if offset < 0 or length <= 0:
            _fail(errno.EINVAL, self._path)
        self._check_writable()
        if offset + length > self._disk.size(self._inode):
            self._disk.truncate(self._inode, offset + length, path=self._path)

    def advise_dont_need(self) -> None:
        """See `File.advise_dont_need`; dirty pages stay, and here the clean ones are equal."""
        self._check_open()

    def lock(self) -> None:
        """See `File.lock`."""
        self._check_open()
        if self._holds_lock:
            return
        if self._inode in self._disk.locked:
            _fail(errno.EWOULDBLOCK, self._path)
        self._disk.locked.add(self._inode)
        self._holds_lock = True

    def close(self) -> None:
        """See `File.close`."""
        if self._holds_lock:
            self._disk.locked.discard(self._inode)
            self._holds_lock = False
        self._open = False

    def _write(self, data: Buffer, offset: int) -> int:
        content = bytes(data)
        if content:
            self._disk.write(self._inode, offset, content, path=self._path)
        return len(content)

    def _check_open(self) -> None:
        if not self._open:
            _fail(errno.EBADF, self._path)

    def _check_writable(self) -> None:
        if not (self._open and self._writes):
            _fail(errno.EBADF, self._path)


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
        elif bits & _TRUNCATE:
            self._disk.truncate(inode, 0, path=path)
        return SimFile(self._disk, inode, path, bits)

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

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`; the order is the reverse of the alphabet."""
        return sorted(self._names(self._find(path), path), reverse=True)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        inode = self._find(path)
        if self._disk.entries(inode) is not None:
            return FileStat(kind=FileKind.DIRECTORY, size=0, inode=inode)
        return FileStat(kind=FileKind.FILE, size=self._disk.size(inode), inode=inode)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        inode = self._find(path)
        if self._disk.entries(inode) is None:
            _fail(errno.ENOTDIR, path)
        self._disk.sync(SyncKind.DIRECTORY, inode, path=path)

    def _find(self, path: str) -> int:
        place = self._parent(path)
        return self._entry(place, path) if place[1] else ROOT_INODE

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
            inode = self._names(directory, path).get(part)
            if inode is None:
                _fail(errno.ENOENT, path)
            directory = inode
        self._names(directory, path)
        return directory, parts[-1]

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
