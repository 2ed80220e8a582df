"""What `os.stat` and `os.scandir` give for the simulated disk.

It has the fields of `os.stat_result`, and says when mode, owner or times are looked at: code that
asks for a size alone must not be shown every disk that differs in a time. The standard library
looks at modes to tell files from directories; that is no look at permissions.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import TYPE_CHECKING, Final, Protocol, Self, SupportsIndex

from attrs import frozen

from wavetank.sim.attributes import AttributeKind, Attributes, Flags

__all__ = ["Entries", "Entry", "Status", "StatusFields", "is_directory", "shared_flags"]

_BLOCK_UNIT: Final = 512
_TELLS_KINDS: Final = frozenset(
    {"os", "posixpath", "genericpath", "glob", "tempfile", "shutil", "zipimport", "codecs"}
    | {"pathlib", "pathlib._local", "pathlib._abc", "pathlib._os", "pathlib.types"}
    | {__name__}
)
_COPIES_MODES: Final = frozenset({"copymode", "copystat", "copy", "copy2"})
_PLAIN: Final = frozenset({1, 2, 3, 6})
"""Places of inode, device, number of names and size."""


def shared_flags(length: int) -> Flags:
    """Return flags that this process shares with those forked from it.

    What a forked process looks at decides which disks the one that forked it tells apart.
    """
    return mmap(-1, length)


@frozen(kw_only=True)
class StatusFields:
    """What stat says of an inode.

    Attributes:
        kind: the bits of its type.
        inode: its number.
        names: how many names it has.
        size: in bytes.
        attributes: all of them set but the extended ones.
    """

    kind: int
    inode: int
    names: int
    size: int
    attributes: Attributes


class Status(tuple[int, ...]):  # noqa: SLOT001 - a tuple cannot have slots
    """The result of a stat.

    Args:
        fields: what it says.
        look: told when attributes of a kind are looked at.
    """

    _fields: StatusFields
    _look: Callable[[AttributeKind], None]

    def __new__(cls, fields: StatusFields, look: Callable[[AttributeKind], None]) -> Self:
        """Return the row of ten numbers that a stat result is."""
        attributes = fields.attributes
        uid, gid = attributes.owner or (0, 0)
        accessed, modified = (attributes.accessed_ns or 0), (attributes.modified_ns or 0)
        seconds = (accessed // 10**9, modified // 10**9, modified // 10**9)
        mode = fields.kind | (attributes.mode or 0)
        row = (mode, fields.inode, 1 << 20, fields.names, uid, gid, fields.size, *seconds)
        made = super().__new__(cls, row)
        made._fields, made._look = fields, look
        return made

    @property  # type: ignore[misc] # as unittest.mock does it
    def __class__(self) -> type:
        return os.stat_result

    if not TYPE_CHECKING:  # a tuple of numbers to whoever reads types

        def __getitem__(self, key: SupportsIndex | slice) -> object:
            """Return a field, or some, by place."""
            if not isinstance(key, int) or key % 10 not in _PLAIN:
                self._look_at_all()
            return super().__getitem__(key)

    def __iter__(self) -> Iterator[int]:
        self._look_at_all()
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        self._look_at_all()
        return tuple.__eq__(self, other) is True

    __hash__ = tuple.__hash__

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type, tuple[tuple[int, ...]]]:
        return os.stat_result, (tuple(self),)

    def __repr__(self) -> str:
        return repr(os.stat_result(tuple(self)))

    @property
    def kind(self) -> int:
        """The bits of its type."""
        return self._fields.kind

    @property
    def st_mode(self) -> int:
        """See `os.stat_result`."""
        caller = sys._getframe(1)  # noqa: SLF001 - who is asking
        module: str = caller.f_globals.get("__name__", "")
        if module not in _TELLS_KINDS or caller.f_code.co_name in _COPIES_MODES:
            self._look(AttributeKind.MODE)
        return self._at(0)

    @property
    def st_ino(self) -> int:
        """See `os.stat_result`."""
        return self._fields.inode

    @property
    def st_dev(self) -> int:
        """See `os.stat_result`."""
        return self._at(2)

    @property
    def st_nlink(self) -> int:
        """See `os.stat_result`."""
        return self._fields.names

    @property
    def st_uid(self) -> int:
        """See `os.stat_result`."""
        self._look(AttributeKind.OWNER)
        return self._at(4)

    @property
    def st_gid(self) -> int:
        """See `os.stat_result`."""
        self._look(AttributeKind.OWNER)
        return self._at(5)

    @property
    def st_size(self) -> int:
        """See `os.stat_result`."""
        return self._fields.size

    @property
    def st_atime_ns(self) -> int:
        """See `os.stat_result`."""
        self._look(AttributeKind.TIMES)
        return self._fields.attributes.accessed_ns or 0

    @property
    def st_mtime_ns(self) -> int:
        """See `os.stat_result`."""
        self._look(AttributeKind.TIMES)
        return self._fields.attributes.modified_ns or 0

    @property
    def st_ctime_ns(self) -> int:
        """See `os.stat_result`."""
        return self.st_mtime_ns

    @property
    def st_atime(self) -> float:
        """See `os.stat_result`."""
        return self.st_atime_ns / 1e9

    @property
    def st_mtime(self) -> float:
        """See `os.stat_result`."""
        return self.st_mtime_ns / 1e9

    @property
    def st_ctime(self) -> float:
        """See `os.stat_result`."""
        return self.st_mtime

    @property
    def st_blksize(self) -> int:
        """See `os.stat_result`."""
        return 4096

    @property
    def st_blocks(self) -> int:
        """See `os.stat_result`."""
        return -(-self._fields.size // _BLOCK_UNIT)

    @property
    def st_rdev(self) -> int:
        """See `os.stat_result`."""
        return 0

    n_fields, n_sequence_fields, n_unnamed_fields = 19, 10, 3

    def _at(self, place: int) -> int:
        return tuple.__getitem__(self, place)

    def _look_at_all(self) -> None:
        for kind in (AttributeKind.MODE, AttributeKind.OWNER, AttributeKind.TIMES):
            self._look(kind)


def is_directory(status: os.stat_result | Status) -> bool:
    """Whether it is a directory; that is no look at its permissions."""
    return stat.S_ISDIR(status.kind if isinstance(status, Status) else status.st_mode)


class _Stat(Protocol):
    def stat(
        self, path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> os.stat_result | Status: ...


class Entry:
    """A name in a directory; has the methods of `os.DirEntry`.

    Args:
        calls: looks at what a link points to.
        name: the name.
        shown: the directory as it was given to scandir.
        full: the absolute path.
        status: what `lstat` said when the directory was read.
    """

    __slots__ = ("_calls", "_full", "_status", "name", "path")

    def __init__(
        self, calls: _Stat, name: str, shown: str | bytes, full: str, status: Status
    ) -> None:
        self._calls = calls
        self._full = full
        self._status = status
        self.name: str | bytes = os.fsencode(name) if isinstance(shown, bytes) else name
        base = os.fsdecode(shown)
        path = os.path.join(base, name)
        self.path: str | bytes = os.fsencode(path) if isinstance(shown, bytes) else path

    def inode(self) -> int:
        """See `os.DirEntry.inode`."""
        return self._status.st_ino

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result | Status:
        """See `os.DirEntry.stat`."""
        if follow_symlinks and self.is_symlink():
            return self._calls.stat(self._full)
        return self._status

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """See `os.DirEntry.is_dir`."""
        return self._is(stat.S_IFDIR, follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """See `os.DirEntry.is_file`."""
        return self._is(stat.S_IFREG, follow_symlinks=follow_symlinks)

    def is_symlink(self) -> bool:
        """See `os.DirEntry.is_symlink`."""
        return stat.S_ISLNK(self._status.kind)

    def is_junction(self) -> bool:
        """See `os.DirEntry.is_junction`: Linux has none."""
        return False

    def __fspath__(self) -> str | bytes:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def _is(self, kind: int, *, follow_symlinks: bool) -> bool:
        try:
            status = self.stat(follow_symlinks=follow_symlinks)
        except FileNotFoundError:
            return False
        return stat.S_IFMT(status.st_mode) == kind


class Entries:
    """An iterator over entries that can be closed, as scandir's is."""

    def __init__(self, entries: list[Entry]) -> None:
        self._left = iter(entries)

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        return next(self._left)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the rest."""
        self._left = iter(())
