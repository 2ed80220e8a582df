"""`FakeOsFileSystem`: the calls of `OsFileSystem`, made on the fake `os` module of pyfakefs.

pyfakefs fakes no positioned reads and writes, no preallocation and no advice: its `os` hands such
calls on to the real `os`, where the number of a fake descriptor is another file or none. They are
made of calls that it does fake here.
"""

from __future__ import annotations

import errno
import os  # noqa: TID251 - its flags and errors, for pyfakefs
import stat
from collections.abc import Sequence
from typing import Final, NoReturn

from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from wavetank.engine import Buffer, FileKind, FileStat, OpenFlag

__all__ = ["FakeOsFile", "FakeOsFileSystem"]

_ALWAYS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_ACCESS: Final = {1: os.O_RDONLY, 2: os.O_WRONLY, 3: os.O_RDWR}
_EXTRAS: Final = {
    OpenFlag.CREATE: os.O_CREAT,
    OpenFlag.EXCLUSIVE: os.O_EXCL,
    OpenFlag.TRUNCATE: os.O_TRUNC,
    OpenFlag.APPEND: os.O_APPEND,
}


def _fail(number: int, path: str) -> NoReturn:
    raise OSError(number, os.strerror(number), path)


class FakeOsFileSystem:
    """A filesystem of pyfakefs behind the engine's seam.

    Flags are taken to be sensible: which ones are not is no matter of the operating system.

    Args:
        filesystem: its files; None: none but the root.

    Attributes:
        os: the fake module.
    """

    def __init__(self, filesystem: FakeFilesystem | None = None) -> None:
        self.os = FakeOsModule(filesystem or FakeFilesystem())

    def open(self, path: str, flags: OpenFlag) -> FakeOsFile:
        """See `FileSystem.open`."""
        native = _ALWAYS | _ACCESS[flags & (OpenFlag.READ | OpenFlag.WRITE)]
        for flag, extra in _EXTRAS.items():
            if flag in flags:
                native |= extra
        descriptor = self.os.open(path, native, 0o644)
        if stat.S_ISDIR(self.os.fstat(descriptor).st_mode):
            self.os.close(descriptor)
            _fail(errno.EISDIR, path)
        return FakeOsFile(self.os, descriptor, path, flags)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self.os.rename(source, target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self.os.unlink(path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        self.os.link(source, target, follow_symlinks=False)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        self.os.mkdir(path, 0o755)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        self.os.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`."""
        return self.os.listdir(path)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        status = self.os.lstat(path)
        assert status.st_ino is not None
        if stat.S_ISDIR(status.st_mode):
            return FileStat(kind=FileKind.DIRECTORY, size=0, inode=status.st_ino)
        kind = FileKind.FILE if stat.S_ISREG(status.st_mode) else FileKind.OTHER
        return FileStat(kind=kind, size=status.st_size, inode=status.st_ino)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        descriptor = self.os.open(path, os.O_RDONLY | os.O_DIRECTORY | _ALWAYS)
        try:
            self.os.fsync(descriptor)
        finally:
            self.os.close(descriptor)


class FakeOsFile:
    """An open file of pyfakefs behind the engine's seam."""

    def __init__(self, fake_os: FakeOsModule, descriptor: int, path: str, flags: OpenFlag) -> None:
        self._os = fake_os
        self._descriptor = descriptor
        self._path = path
        self._appends = OpenFlag.APPEND in flags
        self._writes = OpenFlag.WRITE in flags

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        self._seek(offset, length)
        return self._os.read(self._descriptor, length)

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`."""
        if self._appends:
            _fail(errno.EINVAL, self._path)
        self._seek(offset, 0)
        return self._os.write(self._descriptor, bytes(data))

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        if not self._appends:
            return self.pwrite(data, self.size())
        self._check_open()
        return self._os.write(self._descriptor, bytes(data))

    def truncate(self, size: int) -> None:
        """See `File.truncate`."""
        self._check_open()
        self._os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        """See `File.size`."""
        self._check_open()
        return int(self._os.fstat(self._descriptor).st_size)

    def fsync(self) -> None:
        """See `File.fsync`."""
        self._check_open()
        self._os.fsync(self._descriptor)

    def datasync(self) -> None:
        """See `File.datasync`."""
        self._check_open()
        self._os.fdatasync(self._descriptor)

    def preallocate(self, offset: int, length: int) -> None:
        """See `File.preallocate`."""
        self._check_open()
        if offset < 0 or length <= 0:
            _fail(errno.EINVAL, self._path)
        if not self._writes:
            _fail(errno.EBADF, self._path)
        if offset + length > self.size():
            self.truncate(offset + length)

    def advise_dont_need(self) -> None:
        """See `File.advise_dont_need`."""
        self._check_open()

    def lock(self) -> None:
        """Do nothing: the `flock` of pyfakefs does nothing either."""

    def close(self) -> None:
        """See `File.close`."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._os.close(descriptor)

    def _seek(self, offset: int, length: int) -> None:
        self._check_open()
        if offset < 0 or length < 0:
            _fail(errno.EINVAL, self._path)
        self._os.lseek(self._descriptor, offset, os.SEEK_SET)

    def _check_open(self) -> None:
        if self._descriptor < 0:
            _fail(errno.EBADF, self._path)
