"""The real side of the filesystem door: `OsFileSystem`, one system call per method.

Whatever a store would never make is refused on opening: links, directories, devices, and FIFOs
(without hanging on them). On macOS, where fsync leaves the drive's cache alone, syncs ask for
F_FULLFSYNC. Left out: retries, buffering, and loops over short reads and writes, which are the
callers' business.
"""

# The seam's paths are strings, and each method is one call of `os`: pathlib would only wrap them.
# ruff: noqa: PTH102, PTH104, PTH106, PTH108, PTH208

from __future__ import annotations

import errno
import fcntl
import os  # noqa: TID251 - this module is the real side of the FileSystem seam
import stat
import sys
from collections.abc import Callable, Sequence
from typing import Concatenate, Final, ParamSpec, TypeVar

from wavetank.engine.filesystem import Buffer, File, FileKind, FileStat, OpenFlag

__all__ = ["OsFileSystem"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_FILE_MODE: Final = 0o644
_DIRECTORY_MODE: Final = 0o755

# O_NONBLOCK means nothing to a regular file; it keeps the open of a FIFO from hanging.
_ALWAYS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

_ACCESS: Final = {
    OpenFlag.READ: os.O_RDONLY,
    OpenFlag.WRITE: os.O_WRONLY,
    OpenFlag.READ | OpenFlag.WRITE: os.O_RDWR,
}
_EXTRAS: Final = {
    OpenFlag.CREATE: os.O_CREAT,
    OpenFlag.EXCLUSIVE: os.O_EXCL,
    OpenFlag.TRUNCATE: os.O_TRUNC,
    OpenFlag.APPEND: os.O_APPEND,
}
_NEEDS: Final = {
    OpenFlag.EXCLUSIVE: OpenFlag.CREATE,
    OpenFlag.TRUNCATE: OpenFlag.WRITE,
    OpenFlag.APPEND: OpenFlag.WRITE,
}


class OsFileSystem:
    """The machine's own filesystem.

    Every error is the plain ``OSError`` of its system call, with the path as its ``filename``.
    Files are made with mode 0644 and directories with 0755, less the process's umask. It holds no
    state, and any number of threads may share one. A `path` is text with ``/`` between its parts.

    Raises:
        OSError: each method, with the ``errno`` of the system.

    >>> fs = OsFileSystem()
    >>> fs.mkdir(f"{directory}/raft")
    >>> file = fs.open(f"{directory}/raft/one", OpenFlag.WRITE | OpenFlag.CREATE)
    >>> file.append(b"content")
    7
    >>> file.fsync()
    >>> file.close()
    >>> fs.rename(f"{directory}/raft/one", f"{directory}/raft/two")
    >>> fs.link(f"{directory}/raft/two", f"{directory}/raft/three")
    >>> fs.fsync_dir(f"{directory}/raft")
    >>> sorted(fs.listdir(f"{directory}/raft")), fs.stat(f"{directory}/raft/two").size
    (['three', 'two'], 7)
    >>> for name in fs.listdir(f"{directory}/raft"):
    ...     fs.unlink(f"{directory}/raft/{name}")
    >>> fs.rmdir(f"{directory}/raft")
    """

    def open(self, path: str, flags: OpenFlag) -> File:
        """Open a regular file.

        Args:
            path: of the file.
            flags: how; READ, WRITE or both, and what goes with them.

        Raises:
            TypeError: `flags` is no `OpenFlag`.
            ValueError: `flags` lacks READ and WRITE, or holds EXCLUSIVE without CREATE, or
                TRUNCATE or APPEND without WRITE (POSIX leaves their meaning open).
            OSError: ELOOP for a symbolic link, EISDIR for a directory, ENXIO or EINVAL for
                anything else that is no regular file, and whatever the system says.
        """
        native = _native_flags(flags)
        descriptor = os.open(path, native | _ALWAYS, _FILE_MODE)
        try:
            _require_regular(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        return _OsFile(descriptor, path, appends=OpenFlag.APPEND in flags)

    def rename(self, source: str, target: str) -> None:
        """Give the file `source` the name `target`, replacing what stood there in one step."""
        os.rename(source, target)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        os.unlink(path)

    def link(self, source: str, target: str) -> None:
        """Give the file `source` a second name; ``FileExistsError`` if `target` is taken."""
        os.link(source, target, follow_symlinks=False)

    def mkdir(self, path: str) -> None:
        """Make a directory."""
        os.mkdir(path, _DIRECTORY_MODE)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        """Return the names in a directory, in the order the system gives."""
        return os.listdir(path)

    def stat(self, path: str) -> FileStat:
        """Describe what a name stands for; a symbolic link is `FileKind.OTHER`."""
        status = os.lstat(path)
        kind = _kind(status.st_mode)
        size = 0 if kind is FileKind.DIRECTORY else status.st_size
        return FileStat(kind=kind, size=size, inode=status.st_ino)

    def fsync_dir(self, path: str) -> None:
        """Make the names in a directory durable.

        Raises:
            OSError: ENOTDIR or ELOOP for anything else.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _ALWAYS)
        try:
            _with_filename(path, _sync, descriptor)
        finally:
            os.close(descriptor)


class _OsFile:
    """One open descriptor. Closing it while another thread is in a call is the caller's mistake.

    A file that is never closed keeps its descriptor and its lock until the process ends.
    """

    __slots__ = ("_appends", "_descriptor", "_path")

    def __init__(self, descriptor: int, path: str, *, appends: bool) -> None:
        self._descriptor = descriptor
        self._path = path
        self._appends = appends

    def pread(self, length: int, offset: int) -> bytes:
        return self._call(os.pread, length, offset)

    def pwrite(self, data: Buffer, offset: int) -> int:
        if self._appends:
            # Linux would ignore the offset and write at the end, against POSIX.
            raise OSError(errno.EINVAL, "pwrite to a file opened with APPEND", self._path)
        return self._call(os.pwrite, data, offset)

    def append(self, data: Buffer) -> int:
        if self._appends:
            return self._call(os.write, data)
        return self._call(os.pwrite, data, self.size())

    def truncate(self, size: int) -> None:
        self._call(os.ftruncate, size)

    def size(self) -> int:
        return self._call(os.fstat).st_size

    def fsync(self) -> None:
        self._call(_sync)

    def datasync(self) -> None:
        self._call(_sync if sys.platform == "darwin" else os.fdatasync)

    def preallocate(self, offset: int, length: int) -> None:
        self._call(_preallocate, offset, length)

    def advise_dont_need(self) -> None:
        self._call(_advise_dont_need)

    def lock(self) -> None:
        self._call(fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            _with_filename(self._path, os.close, descriptor)

    def _call(
        self,
        function: Callable[Concatenate[int, _Arguments], _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        if self._descriptor < 0:
            # The number may be another file's by now, so the system is not even asked.
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)
        return _with_filename(self._path, function, self._descriptor, *arguments, **options)


def _with_filename(
    path: str,
    function: Callable[_Arguments, _Result],
    *arguments: _Arguments.args,
    **options: _Arguments.kwargs,
) -> _Result:
    """Call, and name the file in an error: calls on a descriptor do not know it."""
    try:
        return function(*arguments, **options)
    except OSError as error:
        error.filename = path
        raise


def _native_flags(flags: OpenFlag) -> int:
    if not isinstance(flags, OpenFlag):
        raise TypeError(f"flags: expected OpenFlag but got {flags!r} ({type(flags).__name__})")
    access = _ACCESS.get(flags & (OpenFlag.READ | OpenFlag.WRITE))
    if access is None:
        raise ValueError(f"flags: expected READ, WRITE or both but got {flags!r}")
    for flag, needed in _NEEDS.items():
        if flag in flags and needed not in flags:
            raise ValueError(f"flags: expected {needed.name} beside {flag.name} but got {flags!r}")
    for flag, native in _EXTRAS.items():
        if flag in flags:
            access |= native
    return access


def _require_regular(descriptor: int, path: str) -> None:
    kind = _kind(os.fstat(descriptor).st_mode)
    if kind is FileKind.DIRECTORY:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if kind is not FileKind.FILE:
        raise OSError(errno.EINVAL, "not a regular file", path)


def _kind(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return FileKind.FILE
    return FileKind.DIRECTORY if stat.S_ISDIR(mode) else FileKind.OTHER


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _preallocate(descriptor: int, offset: int, length: int) -> None:
    if sys.platform == "darwin":
        # There is no call that reserves blocks; growing the file keeps the rest of the promise.
        if os.fstat(descriptor).st_size < offset + length:
            os.ftruncate(descriptor, offset + length)
    else:
        os.posix_fallocate(descriptor, offset, length)


def _advise_dont_need(descriptor: int) -> None:
    if sys.platform != "darwin":
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
