"""`Overlay`: another filesystem as the damage that lies on it shows it.

What is below stays as it is, until a program changes what it sees: then what it saw becomes true
first. Left out: which damage there is (_at_rest.py), and open files (_overlaid_file.py).
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from os import strerror  # noqa: TID251 - the words for an errno, no system call
from typing import NoReturn

from attrs import evolve

from wavetank.engine import FileKind, FileStat, FileSystem, OpenFlag
from wavetank.faults._at_rest import DamageAtRest
from wavetank.faults._overlaid_file import OverlaidFile
from wavetank.faults.operation import Operation
from wavetank.faults.operations import OperationKind

__all__ = ["Overlay"]


class Overlay:
    """A `FileSystem` over another one, with the damage that lies on it.

    Args:
        below: the other one.
        at_rest: the damage.
    """

    __slots__ = ("_at_rest", "_below")

    def __init__(self, below: FileSystem, at_rest: DamageAtRest) -> None:
        self._below = below
        self._at_rest = at_rest

    def open(self, path: str, flags: OpenFlag) -> OverlaidFile:
        """See `FileSystem.open`."""
        truth = self._truth(path)
        self._find(OperationKind.OPEN, path, truth)
        return self._open(path, flags, truth)

    def open_beside(self, path: str, flags: OpenFlag) -> OverlaidFile:
        """As `open`, for a descriptor that no program knows of: it finds nothing new."""
        return self._open(path, flags, self._truth(path))

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self._require(source)
        truth = self._truth(source)
        former = self._former(target)
        self._below.rename(source, target)
        self._at_rest.reveal(target)
        if truth is not None and truth.kind is FileKind.FILE:
            for start, content in former:
                self._at_rest.remember(target, truth.inode, start, content)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self._require(path)
        self._below.unlink(path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        self._require(source)
        self._make_way(target)
        self._below.link(source, target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        self._make_way(path)
        self._below.mkdir(path)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        self._below.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`."""
        names = self._below.listdir(path)
        folder = path.rstrip("/")
        return [name for name in names if not self._at_rest.hides(f"{folder}/{name}")]

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        self._find(OperationKind.STAT, path, self._truth(path))
        self._require(path)
        truth = self._below.stat(path)
        size = self._at_rest.size_of(truth.inode)
        return truth if size is None else evolve(truth, size=size)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        self._below.fsync_dir(path)

    def _open(self, path: str, flags: OpenFlag, truth: FileStat | None) -> OverlaidFile:
        if OpenFlag.CREATE in flags:
            truth = None if self._make_way(path) else truth
        else:
            self._require(path)
        file = self._below.open(path, flags)
        inode = self._below.stat(path).inode
        if truth is None:
            self._at_rest.forget(inode)
        elif OpenFlag.TRUNCATE in flags:
            self._at_rest.settle_size(inode)
            self._at_rest.rewritten(inode, 0, None)
        return OverlaidFile(file, path=path, inode=inode, at_rest=self._at_rest, below=self._below)

    def _find(self, kind: OperationKind, path: str, truth: FileStat | None) -> None:
        self._at_rest.find(Operation(kind=kind, paths=(path,)), truth, self._below)

    def _truth(self, path: str) -> FileStat | None:
        try:
            return self._below.stat(path)
        except OSError:
            return None

    def _require(self, path: str) -> None:
        if self._at_rest.hides(path):
            _refuse(errno.ENOENT, path)

    def _make_way(self, path: str) -> bool:
        """Remove the file of a missing name, under which something is to be made."""
        if not self._at_rest.hides(path):
            return False
        self._below.unlink(path)
        self._at_rest.reveal(path)
        return True

    def _former(self, path: str) -> list[tuple[int, bytes]]:
        """Return what stood under a name, where it may be asked for."""
        places = self._at_rest.remembers(path)
        if not places:
            return []
        try:
            file = self._below.open(path, OpenFlag.READ)
        except OSError:
            return []
        try:
            return [
                (place.start, file.pread(place.end - place.start, place.start)) for place in places
            ]
        finally:
            file.close()


def _refuse(number: int, path: str) -> NoReturn:
    raise OSError(number, strerror(number), path)
