"""`OsFileSystem`: the `FileSystem` of the machine, one system call per method.

What a store never makes is refused when it is opened: links, directories, devices, and FIFOs
(without waiting for their other end). On macOS, where fsync leaves the drive's cache alone, syncs
ask for F_FULLFSYNC. Nothing is retried or buffered, and short reads and writes are the caller's to
continue.
"""

# The seam's paths are strings, and each method is one call of `os`: pathlib would only wrap them.
# ruff: noqa: PTH102, PTH104, PTH106, PTH108, PTH208

from __future__ import annotations

import errno
import fcntl
import os  # noqa: TID251 - this module is the real side of the FileSystem seam
import stat
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from wavetank.engine.filesystem import Buffer, File, FileKind, FileStat, OpenFlag

__all__ = ["OsFileSystem"]

_FILE_MODE: Final = 0o644
_DIRECTORY_MODE: Final = 0o755

# The descriptor of a closed file: the largest int, which no system gives out, so that the system
# refuses each call with EBADF and no call has to ask first. -1 would not do: fsync and flock raise
# ValueError for it.
_CLOSED: Final = 2**31 - 1

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
        file = _OsFile(path, _native_flags(flags), appends=OpenFlag.APPEND in flags)
        try:
            file.require_regular()
        except BaseException:
            file.close()
            raise
        return file

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
        directory = _OsFile(path, os.O_RDONLY | os.O_DIRECTORY, appends=False)
        try:
            directory.fsync()
        finally:
            directory.close()


class _OsFile:
    """One open descriptor, its own from `os.open` to `os.close`.

    Each call is one Python frame around one or two system calls. A call that fails names the file
    in its error, since the system does not. `close` may be called by several threads at once, and
    is not to be called while another call is on its way.

    A file that is dropped without `close` is closed when it is collected, with a
    ``ResourceWarning``; also in a forked child, whose descriptor is a copy, so that the parent's
    file and its lock stay as they are.
    """

    __slots__ = ("_appends", "_descriptor", "_locked", "_locked_by", "_path", "_unclosed")

    def __init__(self, path: str, native_flags: int, *, appends: bool) -> None:
        self._path = path
        self._appends = appends
        # The process that took the lock of this file, and the descriptor while it has it.
        self._locked_by = 0
        self._locked: list[int] = []
        # Holds the descriptor until it is closed; what takes it out has to close it. It goes in and
        # out in one call of C code, so that a signal (Ctrl-C) or another thread never comes between
        # the system call and the list: nothing is leaked and nothing is closed twice.
        self._unclosed: list[int] = []
        self._unclosed.extend(map(os.open, (path,), (native_flags | _ALWAYS,), (_FILE_MODE,)))
        self._descriptor = self._unclosed[0]

    def pread(self, length: int, offset: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise self._named(error) from None

    def pwrite(self, data: Buffer, offset: int) -> int:
        if self._appends:
            # Linux would ignore the offset and write at the end, against POSIX.
            raise OSError(errno.EINVAL, "pwrite to a file opened with APPEND", self._path)
        try:
            return os.pwrite(self._descriptor, data, offset)
        except OSError as error:
            raise self._named(error) from None

    def append(self, data: Buffer) -> int:
        try:
            if self._appends:
                return os.write(self._descriptor, data)
            return os.pwrite(self._descriptor, data, os.fstat(self._descriptor).st_size)
        except OSError as error:
            raise self._named(error) from None

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise self._named(error) from None

    def size(self) -> int:
        try:
            return os.fstat(self._descriptor).st_size
        except OSError as error:
            raise self._named(error) from None

    def fsync(self) -> None:
        try:
            _fsync(self._descriptor)
        except OSError as error:
            raise self._named(error) from None

    def datasync(self) -> None:
        try:
            _datasync(self._descriptor)
        except OSError as error:
            raise self._named(error) from None

    def preallocate(self, offset: int, length: int) -> None:
        try:
            _preallocate(self._descriptor, offset, length)
        except OSError as error:
            raise self._named(error) from None

    def advise_dont_need(self) -> None:
        try:
            _advise_dont_need(self._descriptor)
        except OSError as error:
            raise self._named(error) from None

    def lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._locked_by = os.getpid()
            self._locked[:] = (self._descriptor,)
        except OSError as error:
            raise self._named(error) from None

    def close(self) -> None:
        self._descriptor = _CLOSED
        if self._locked_by == os.getpid():
            # A forked child has a copy of the descriptor, and the lock would last until both are
            # closed; so who took the lock gives it back, and the child only closes its copy.
            with suppress(IndexError, OSError):
                any(map(fcntl.flock, map(list.pop, (self._locked,)), (fcntl.LOCK_UN,)))
        try:
            # os.close(self._unclosed.pop()), in one call of C code; see __init__.
            any(map(os.close, map(list.pop, (self._unclosed,))))
        except IndexError:
            return  # closed before, or by another thread
        except OSError as error:
            error.filename = self._path
            raise

    def _named(self, error: OSError) -> OSError:
        """Return the error with the path of the file; of a closed file it is always EBADF."""
        if self._descriptor == _CLOSED:  # the system may look at the other arguments first
            return OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)
        error.filename = self._path
        return error

    def require_regular(self) -> None:
        """Raise ``OSError`` for anything but a regular file."""
        kind = _kind(os.fstat(self._descriptor).st_mode)
        if kind is FileKind.DIRECTORY:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._path)
        if kind is not FileKind.FILE:
            raise OSError(errno.EINVAL, "not a regular file", self._path)

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        # `_warn` is bound early: while the interpreter shuts down, `warnings` may be gone.
        if not getattr(self, "_unclosed", None):
            return
        try:
            _warn(
                f"{self._path} was never closed; close() the store or the file that opened it",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
        finally:
            self.close()


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


def _kind(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return FileKind.FILE
    return FileKind.DIRECTORY if stat.S_ISDIR(mode) else FileKind.OTHER


if sys.platform == "darwin":

    def _fsync(descriptor: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)

    _datasync = _fsync
else:
    _fsync, _datasync = os.fsync, os.fdatasync


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
