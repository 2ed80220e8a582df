"""`SimFileSystem`: the engine's filesystem seam over a simulated disk.

It follows Linux in what succeeds and which ``errno`` it fails with, and uses the freedom that the
contract leaves: names come in an order nobody asked for. Beyond the seam it offers what Linux has
besides: symbolic links, exchange, files without a name, sync. Left out: permissions, times.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final, NoReturn

from wavetank.engine import FileKind, FileStat, OpenFlag
from wavetank.sim.disk._errno import fail
from wavetank.sim.disk._names import (
    check_free,
    check_openable,
    exchange,
    link,
    make_directory,
    make_symlink,
    names_of,
    remove_directory,
    rename,
    unlink,
)
from wavetank.sim.disk._path_walk import Place, check, find, lookup, walk
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.disk.sim_file import SimFile
from wavetank.sim.ops import SyncKind

__all__ = ["SimFile", "SimFileSystem"]

_READ = int(OpenFlag.READ)
_WRITE = int(OpenFlag.WRITE)
_CREATE = int(OpenFlag.CREATE)
_EXCLUSIVE = int(OpenFlag.EXCLUSIVE)
_TRUNCATE = int(OpenFlag.TRUNCATE)
_APPEND = int(OpenFlag.APPEND)
_NEEDS = ((_EXCLUSIVE, _CREATE), (_TRUNCATE, _WRITE), (_APPEND, _WRITE))
_ALLOWED: Final = frozenset(
    bits
    for bits in range(2 * _APPEND)
    if bits & (_READ | _WRITE)
    and all(not bits & extra or bits & needed for extra, needed in _NEEDS)
)


def _checked(flags: OpenFlag) -> int:
    """Return flags as a number, or refuse them as the real side of the seam does."""
    if not isinstance(flags, OpenFlag):
        raise TypeError(f"flags: expected OpenFlag but got {flags!r} ({type(flags).__name__})")
    bits = int(flags)
    if bits in _ALLOWED:
        return bits
    if not bits & (_READ | _WRITE):
        raise ValueError(f"flags: expected READ, WRITE or both but got {flags!r}")
    for extra, needed in _NEEDS:
        if bits & extra and not bits & needed:
            names = (OpenFlag(needed).name, OpenFlag(extra).name)
            raise ValueError(f"flags: expected {names[0]} beside {names[1]} but got {flags!r}")
    return bits


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

    @property
    def disk(self) -> SimDisk:
        """The disk."""
        return self._disk

    def open(self, path: str, flags: OpenFlag) -> SimFile:
        """See `FileSystem.open`."""
        bits, disk = _checked(flags), self._disk
        place = walk(disk, path)
        if place.is_dots or place.is_slashed:
            self._refuse_directory(place, bits, path)
        inode = lookup(place, path)
        if inode is None:
            if not bits & _CREATE:
                fail(errno.ENOENT, path)
            inode = disk.create(place.directory, place.name, path=path)
            return SimFile(disk, inode, path, flags)
        creates, exclusive = bool(bits & _CREATE), bool(bits & _EXCLUSIVE)
        writes = bool(bits & _WRITE)
        check_openable(disk, inode, path, writes=writes, creates=creates, exclusive=exclusive)
        if not disk.is_file(inode):
            fail(errno.EISDIR, path)
        if bits & _TRUNCATE:
            disk.truncate(inode, 0, path=path)
        return SimFile(disk, inode, path, flags)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        check(target)
        origin, destination = walk(self._disk, source), walk(self._disk, target)
        rename(self._disk, origin, destination, source_path=source, target_path=target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        unlink(self._disk, walk(self._disk, path), path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        check(target)
        inode = find(self._disk, source)
        link(self._disk, inode, walk(self._disk, target), target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        make_directory(self._disk, walk(self._disk, path), path)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        remove_directory(self._disk, walk(self._disk, path), path)

    def symlink(self, target: str, path: str) -> None:
        """Let `path` be a symbolic link to `target`, which need not exist."""
        make_symlink(self._disk, walk(self._disk, path), target, path)

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points; EINVAL for anything else."""
        target = self._disk.link_target(find(self._disk, path))
        if target is None:
            fail(errno.EINVAL, path)
        return target

    def exchange(self, first: str, second: str) -> None:
        """Let two names swap what they stand for (RENAME_EXCHANGE)."""
        check(second)
        one, other = walk(self._disk, first), walk(self._disk, second)
        exchange(self._disk, one, other, first_path=first, second_path=second)

    def open_unnamed(self, directory: str, flags: OpenFlag) -> SimFile:
        """Open a new file that has no name yet, in a directory (O_TMPFILE); it must be for writing.

        It is gone with its last descriptor unless `link_unnamed` gives it a name.
        """
        bits = _checked(flags)
        if not bits & _WRITE:
            fail(errno.EINVAL, directory)
        names_of(self._disk, find(self._disk, directory), directory)
        return SimFile(self._disk, self._disk.create_unnamed(path=directory), directory, flags)

    def link_unnamed(self, file: SimFile, target: str) -> None:
        """Give a file of `open_unnamed` its first name; ENOENT if it has had one."""
        place = walk(self._disk, target)
        check_free(place, target)
        if not self._disk.is_linkable(file.inode):
            fail(errno.ENOENT, target)
        self._disk.link(place.directory, place.name, file.inode, path=target)

    def sync(self) -> None:
        """Make everything durable, as sync and syncfs do."""
        self._disk.sync(SyncKind.EVERYTHING, 0, path="")

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`; the order is the reverse of the alphabet."""
        inode = find(self._disk, path, follow=True)
        return sorted(names_of(self._disk, inode, path), reverse=True)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        inode = find(self._disk, path)
        if self._disk.entries(inode) is not None:
            return FileStat(kind=FileKind.DIRECTORY, size=0, inode=inode)
        target = self._disk.link_target(inode)
        if target is not None:
            return FileStat(kind=FileKind.OTHER, size=len(target.encode()), inode=inode)
        return FileStat(kind=FileKind.FILE, size=self._disk.size(inode), inode=inode)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        inode = find(self._disk, path)
        names_of(self._disk, inode, path)
        self._disk.sync(SyncKind.DIRECTORY, inode, path=path)

    def _refuse_directory(self, place: Place, bits: int, path: str) -> NoReturn:
        """Say why a path that can only be a directory's cannot be opened."""
        if place.is_dots:
            is_new = bits & _CREATE and bits & _EXCLUSIVE
            fail(errno.EEXIST if is_new else errno.EISDIR, path)
        if not bits & _CREATE:
            find(self._disk, path)
        fail(errno.EISDIR, path)
