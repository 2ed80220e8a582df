"""The door to a filesystem: the two Protocols through which the engine does all its I/O.

The contract is the portable part of POSIX and nothing more: a file's bytes are durable after
``fsync`` or ``datasync`` of the file, a name is durable after ``fsync_dir`` of its directory, and
``rename`` replaces atomically. Errors are plain ``OSError`` with an ``errno``. Reads and writes may
be short; callers loop. Symbolic links are never followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntFlag
from typing import Protocol, TypeAlias

from attrs import frozen

__all__ = ["Buffer", "File", "FileKind", "FileStat", "FileSystem", "OpenFlag"]

Buffer: TypeAlias = bytes | bytearray | memoryview


class OpenFlag(IntFlag):
    """How to open a file; combine with ``|``. READ, WRITE or both must be there.

    >>> OpenFlag.WRITE | OpenFlag.CREATE
    <OpenFlag.WRITE|CREATE: 6>
    """

    READ = 1
    WRITE = 2
    CREATE = 4
    EXCLUSIVE = 8
    TRUNCATE = 16
    APPEND = 32


class FileKind(Enum):
    """What a name stands for. OTHER is anything a store never makes: a FIFO, a link, a device."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"


@frozen(kw_only=True)
class FileStat:
    """What ``stat`` tells.

    Attributes:
        kind: file, directory or something else.
        size: length in bytes; 0 for a directory.
        inode: the file's identity, the same under each of its names.

    >>> FileStat(kind=FileKind.FILE, size=9, inode=1).size
    9
    """

    kind: FileKind
    size: int
    inode: int


class File(Protocol):
    """An open regular file. It stays the same file whatever happens to its name.

    Offsets, lengths and sizes are in bytes.

    Raises:
        OSError: each method, with the ``errno`` of the refusal; ``EBADF`` once it is closed.
    """

    def pread(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`; fewer at the end of the file, b"" beyond it."""
        ...

    def pwrite(self, data: Buffer, offset: int) -> int:
        """Write `data` at `offset`; return how many bytes were taken (at least 1, maybe fewer)."""
        ...

    def append(self, data: Buffer) -> int:
        """Write `data` at the end of the file, wherever that is now; return the bytes taken."""
        ...

    def truncate(self, size: int) -> None:
        """Set the size to `size` bytes; a larger size reads as zeros."""
        ...

    def size(self) -> int:
        """Return the current size in bytes."""
        ...

    def fsync(self) -> None:
        """Make content and size durable. Names are the directory's business."""
        ...

    def datasync(self) -> None:
        """Make content and whatever is needed to read it back (the size) durable."""
        ...

    def preallocate(self, offset: int, length: int) -> None:
        """Reserve space for `length` bytes from `offset` on, growing a shorter file with zeros."""
        ...

    def advise_dont_need(self) -> None:
        """Ask that cached pages be dropped, so that the next read comes from the medium."""
        ...

    def lock(self) -> None:
        """Take an exclusive lock, released on close; ``BlockingIOError`` if another has it."""
        ...

    def close(self) -> None:
        """Give the descriptor back; it makes nothing durable. A second call does nothing."""
        ...


class FileSystem(Protocol):
    """A tree of files and directories. A `path` is a string with ``/`` between its parts.

    Raises:
        OSError: each method, with the ``errno`` of the refusal and the path.
    """

    def open(self, path: str, flags: OpenFlag) -> File:
        """Open a regular file as `flags` say; symbolic links are refused with ``OSError``."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Give the file `source` the name `target`, replacing what stood there in one step."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a name; the file lives on while another name or descriptor does."""
        ...

    def link(self, source: str, target: str) -> None:
        """Give the file `source` a second name, `target`."""
        ...

    def mkdir(self, path: str) -> None:
        """Make a directory; its parent must exist."""
        ...

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        ...

    def listdir(self, path: str) -> Sequence[str]:
        """Return the names in a directory, in no promised order."""
        ...

    def stat(self, path: str) -> FileStat:
        """Describe what a name stands for, without following a symbolic link."""
        ...

    def fsync_dir(self, path: str) -> None:
        """Make the names in a directory durable."""
        ...
