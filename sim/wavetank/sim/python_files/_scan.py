"""What `os.scandir` gives, for the simulated disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Protocol, Self

from wavetank.sim.python_files._status import Status

__all__ = ["Entries", "Entry"]


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
