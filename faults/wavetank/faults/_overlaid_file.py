"""`OverlaidFile`: an open file as the damage that lies on it shows it.

Left out: names (_overlay.py).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from os import strerror  # noqa: TID251 - the words for an errno, no system call

from wavetank.engine import Buffer, File, FileKind, FileStat, FileSystem, OpenFlag
from wavetank.faults._at_rest import DamageAtRest
from wavetank.faults.operation import Operation
from wavetank.faults.operations import OperationKind

__all__ = ["OverlaidFile"]


class OverlaidFile:
    """A `File` over another one; made by `Overlay.open`.

    Args:
        inner: the other one.
        path: the name it was opened under.
        inode: which file it is.
        at_rest: the damage.
        below: the filesystem without faults.
    """

    __slots__ = ("_at_rest", "_below", "_inner", "_inode", "_path")

    def __init__(
        self, inner: File, *, path: str, inode: int, at_rest: DamageAtRest, below: FileSystem
    ) -> None:
        self._inner = inner
        self._path = path
        self._inode = inode
        self._at_rest = at_rest
        self._below = below

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        operation = Operation(
            kind=OperationKind.READ, paths=(self._path,), offset=offset, length=length
        )
        self._find(operation)
        data = self._as_long_as_shown(length, offset)
        shown = self._at_rest.shown(operation, self._inode, data, self._below)
        if shown is None:
            raise OSError(errno.EIO, strerror(errno.EIO), self._path)
        return shown

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`."""
        return self._write(data, lambda: offset, lambda: self._inner.pwrite(data, offset))

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        return self._write(data, self._inner.size, lambda: self._inner.append(data))

    def truncate(self, size: int) -> None:
        """See `File.truncate`."""
        self._make_true()
        self._inner.truncate(size)
        self._at_rest.rewritten(self._inode, size, None)

    def size(self) -> int:
        """See `File.size`."""
        self._find(Operation(kind=OperationKind.SIZE, paths=(self._path,)))
        return self.end()

    def end(self) -> int:
        """As `size`, for somebody who is no program: it finds nothing new."""
        shown = self._at_rest.size_of(self._inode)
        return self._inner.size() if shown is None else shown

    def fsync(self) -> None:
        """See `File.fsync`."""
        self._inner.fsync()

    def datasync(self) -> None:
        """See `File.datasync`."""
        self._inner.datasync()

    def preallocate(self, offset: int, length: int) -> None:
        """See `File.preallocate`."""
        self._make_true()
        self._inner.preallocate(offset, length)

    def advise_dont_need(self) -> None:
        """See `File.advise_dont_need`."""
        self._inner.advise_dont_need()

    def lock(self) -> None:
        """See `File.lock`."""
        self._inner.lock()

    def close(self) -> None:
        """See `File.close`."""
        self._inner.close()

    def _find(self, operation: Operation) -> None:
        truth = FileStat(kind=FileKind.FILE, size=self._inner.size(), inode=self._inode)
        self._at_rest.find(operation, truth, self._below)

    def _as_long_as_shown(self, length: int, offset: int) -> bytes:
        """Read no further than the file shows itself, and garbage where there is nothing."""
        size = self._at_rest.size_of(self._inode)
        if size is None:
            return self._inner.pread(length, offset)
        length = max(0, min(length, size - offset))
        data = self._inner.pread(length, offset)
        missing = length - len(data)
        at = offset + len(data)
        return data + _garbage(at, missing) if missing and at >= self._inner.size() else data

    def _make_true(self) -> None:
        """Let the file be as long as it shows itself, before a program changes what it sees."""
        size = self._at_rest.size_of(self._inode)
        true_size = self._inner.size()
        if size is not None and size < true_size:
            self._inner.truncate(size)
        while size is not None and size > true_size:
            true_size += self._inner.append(_garbage(true_size, size - true_size))
        self._at_rest.settle_size(self._inode)

    def _write(self, data: Buffer, place: Callable[[], int], write: Callable[[], int]) -> int:
        self._make_true()
        offset = place()
        length = memoryview(data).nbytes
        former = self._former(offset, length)
        taken = write()
        for start, content in former:
            self._at_rest.remember(
                self._path, self._inode, start, content[: max(0, offset + taken - start)]
            )
        self._at_rest.rewritten(self._inode, offset, offset + taken)
        return taken

    def _former(self, offset: int, length: int) -> list[tuple[int, bytes]]:
        """Return what the bytes are that are to be written over, where it may be asked for."""
        places = [
            (max(offset, place.start), min(offset + length, place.end))
            for place in self._at_rest.remembers(self._path)
            if place.overlaps(offset, length)
        ]
        if not places:
            return []
        # This descriptor may be for writing alone, and its name be gone or another file's by now.
        if not self._has_its_name():
            return []
        file = self._below.open(self._path, OpenFlag.READ)
        try:
            return [
                (start, file.pread(end - start, start).ljust(end - start, b"\0"))
                for start, end in places
            ]
        finally:
            file.close()

    def _has_its_name(self) -> bool:
        try:
            return self._below.stat(self._path).inode == self._inode
        except OSError:
            return False


def _garbage(offset: int, length: int) -> bytes:
    """Return bytes that go by their position alone."""
    end = offset + length
    return bytes((place * 167 + place // 256 + 90) % 256 for place in range(offset, end))
