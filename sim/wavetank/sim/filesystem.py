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
from wavetank.sim._errno import fail as _fail
from wavetank.sim._path_walk import Place, check, find, lookup, walk
from wavetank.sim.disk import SimDisk
from wavetank.sim.ops import SyncKind
from wavetank.sim.sim_file import SimFile

__all__ = ["SimFile", "SimFileSystem"]

_READ = int(OpenFlag.READ)
_WRITE = int(OpenFlag.WRITE)
_CREATE = int(OpenFlag.CREATE)
_EXCLUSIVE = int(OpenFlag.EXCLUSIVE)
_TRUNCATE = int(OpenFlag.TRUNCATE)
_APPEND = int(OpenFlag.APPEND)
_ON_RMDIR_OF: Final = {"": errno.EBUSY, ".": errno.EINVAL, "..": errno.ENOTEMPTY}
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
        bits = _checked(flags)
        place = walk(self._disk, path)
        if place.is_dots or place.is_slashed:
            self._refuse_directory(place, bits, path)
        inode = lookup(place, path)
        if inode is None:
            if not bits & _CREATE:
                _fail(errno.ENOENT, path)
            inode = self._disk.create(place.directory, place.name, path=path)
        elif bits & _CREATE and bits & _EXCLUSIVE:
            _fail(errno.EEXIST, path)
        elif not self._disk.is_file(inode):
            _fail(errno.ELOOP if self._disk.entries(inode) is None else errno.EISDIR, path)
        elif bits & _WRITE and self._disk.read_only:
            _fail(errno.EROFS, path)
        elif bits & _TRUNCATE:
            self._disk.truncate(inode, 0, path=path)
        return SimFile(self._disk, inode, path, flags)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        check(target)
        origin, destination = walk(self._disk, source), walk(self._disk, target)
        if origin.is_dots or destination.is_dots:
            _fail(errno.EBUSY, source)
        moved = self._present(origin, source)
        replaced = lookup(destination, target)
        is_directory = self._disk.entries(moved) is not None
        if not is_directory and (origin.is_slashed or destination.is_slashed):
            _fail(errno.ENOTDIR, source)
        if moved in destination.directories:
            _fail(errno.EINVAL, source)
        if replaced in origin.directories:
            _fail(errno.ENOTEMPTY, target)
        if replaced == moved:
            return
        if replaced is not None:
            self._check_replaceable(self._disk.entries(moved), self._disk.entries(replaced), target)
        self._disk.rename(
            (origin.directory, origin.name),
            (destination.directory, destination.name),
            source_path=source,
            target_path=target,
        )

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        place = walk(self._disk, path)
        if place.is_dots or self._disk.entries(self._present(place, path)) is not None:
            _fail(errno.EISDIR, path)
        if place.is_slashed:
            _fail(errno.ENOTDIR, path)
        self._disk.unlink(place.directory, place.name, path=path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        check(target)
        inode = find(self._disk, source)
        place = self._new_name(target)
        if self._disk.entries(inode) is not None:
            _fail(errno.EPERM, source)
        self._disk.link(place.directory, place.name, inode, path=target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        place = self._new_name(path, may_be_slashed=True)
        self._disk.create(place.directory, place.name, path=path, is_directory=True)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        place = walk(self._disk, path)
        if place.is_dots:
            _fail(_ON_RMDIR_OF[place.name], path)
        names = self._disk.entries(self._present(place, path))
        if names is None:
            _fail(errno.ENOTDIR, path)
        if names:
            _fail(errno.ENOTEMPTY, path)
        self._disk.unlink(place.directory, place.name, path=path)

    def symlink(self, target: str, path: str) -> None:
        """Let `path` be a symbolic link to `target`, which need not exist."""
        if not target:
            _fail(errno.ENOENT, path)
        place = self._new_name(path)
        self._disk.symlink(place.directory, place.name, target, path=path)

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points; EINVAL for anything else."""
        target = self._disk.link_target(find(self._disk, path))
        if target is None:
            _fail(errno.EINVAL, path)
        return target

    def exchange(self, first: str, second: str) -> None:
        """Let two names swap what they stand for (RENAME_EXCHANGE)."""
        check(second)
        one, other = walk(self._disk, first), walk(self._disk, second)
        if one.is_dots or other.is_dots:
            _fail(errno.EBUSY, first)
        mine, theirs = self._present(one, first), self._present(other, second)
        for place, inode in ((one, mine), (other, theirs)):
            if place.is_slashed and self._disk.entries(inode) is None:
                _fail(errno.ENOTDIR, first)
        if mine in other.directories or theirs in one.directories:
            _fail(errno.EINVAL, first)
        if mine != theirs:
            self._disk.exchange(
                (one.directory, one.name),
                (other.directory, other.name),
                first_path=first,
                second_path=second,
            )

    def open_unnamed(self, directory: str, flags: OpenFlag) -> SimFile:
        """Open a new file that has no name yet, in a directory (O_TMPFILE); it must be for writing.

        It is gone with its last descriptor unless `link_unnamed` gives it a name.
        """
        bits = _checked(flags)
        if not bits & _WRITE:
            _fail(errno.EINVAL, directory)
        self._names(find(self._disk, directory), directory)
        return SimFile(self._disk, self._disk.create_unnamed(path=directory), directory, flags)

    def link_unnamed(self, file: SimFile, target: str) -> None:
        """Give a file of `open_unnamed` its first name; ENOENT if it has had one."""
        place = self._new_name(target)
        if not self._disk.is_linkable(file.inode):
            _fail(errno.ENOENT, target)
        self._disk.link(place.directory, place.name, file.inode, path=target)

    def sync(self) -> None:
        """Make everything durable, as sync and syncfs do."""
        self._disk.sync(SyncKind.EVERYTHING, 0, path="")

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`; the order is the reverse of the alphabet."""
        return sorted(self._names(find(self._disk, path, follow=True), path), reverse=True)

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
        if self._disk.entries(inode) is None:
            _fail(errno.ENOTDIR, path)
        self._disk.sync(SyncKind.DIRECTORY, inode, path=path)

    def _refuse_directory(self, place: Place, bits: int, path: str) -> NoReturn:
        """Say why a path that can only be a directory's cannot be opened."""
        if place.is_dots:
            is_new = bits & _CREATE and bits & _EXCLUSIVE
            _fail(errno.EEXIST if is_new else errno.EISDIR, path)
        if not bits & _CREATE:
            find(self._disk, path)
        _fail(errno.EISDIR, path)

    def _present(self, place: Place, path: str) -> int:
        inode = lookup(place, path)
        if inode is None:
            _fail(errno.ENOENT, path)
        return inode

    def _new_name(self, path: str, *, may_be_slashed: bool = False) -> Place:
        """Return the place of a name that is free."""
        place = walk(self._disk, path)
        if lookup(place, path) is not None:
            _fail(errno.EEXIST, path)
        if place.is_slashed and not may_be_slashed:
            _fail(errno.ENOENT, path)
        return place

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
