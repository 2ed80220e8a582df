"""`DamagedFileSystem`: a filesystem as the damage at rest on it shows it.

The filesystem below stays as it is until a program changes what it sees; then what it saw becomes
true first. Which damage there is, at_rest.py decides.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from os import strerror  # noqa: TID251 - the text of an errno, no system call

from attrs import evolve

from wavetank.engine import Buffer, File, FileKind, FileStat, FileSystem, OpenFlag
from wavetank.faults.at_rest import DamageAtRest
from wavetank.faults.operations import Operation, OperationKind

__all__ = ["DamagedFile", "DamagedFileSystem"]


class DamagedFileSystem:
    """A `FileSystem` over another one, with the damage at rest on it.

    Args:
        below: the other one.
        at_rest: the damage.
    """

    __slots__ = ("_at_rest", "_below")

    def __init__(self, below: FileSystem, at_rest: DamageAtRest) -> None:
        self._below = below
        self._at_rest = at_rest

    def open(self, path: str, flags: OpenFlag) -> DamagedFile:
        """See `FileSystem.open`."""
        truth = self._truth(path)
        self._find(OperationKind.OPEN, path, truth)
        return self._open(path, flags, truth)

    def open_unseen(self, path: str, flags: OpenFlag) -> DamagedFile:
        """Open a descriptor that the program does not know of: it finds no new damage."""
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

    def _open(self, path: str, flags: OpenFlag, truth: FileStat | None) -> DamagedFile:
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
        return DamagedFile(file, path=path, inode=inode, at_rest=self._at_rest, below=self._below)

    def _find(self, kind: OperationKind, path: str, truth: FileStat | None) -> None:
        self._at_rest.find(Operation(kind=kind, paths=(path,)), truth, self._below)

    def _truth(self, path: str) -> FileStat | None:
        try:
            return self._below.stat(path)
        except OSError:
            return None

    def _require(self, path: str) -> None:
        if self._at_rest.hides(path):
            raise _error(errno.ENOENT, path)

    def _make_way(self, path: str) -> bool:
        """Remove the hidden file of a name under which something is to be created."""
        if not self._at_rest.hides(path):
            return False
        self._below.unlink(path)
        self._at_rest.reveal(path)
        return True

    def _former(self, path: str) -> list[tuple[int, bytes]]:
        """Return what the file of a name holds where it may become stale."""
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


class DamagedFile:
    """A `File` over another one; made by `DamagedFileSystem.open`.

    Args:
        inner: the other one.
        path: the name it was opened under.
        inode: of the file.
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
            raise _error(errno.EIO, self._path)
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
        return self.shown_size()

    def shown_size(self) -> int:
        """Return the size without finding new damage."""
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
        """Read up to the length that the file shows, garbage where it has nothing."""
        size = self._at_rest.size_of(self._inode)
        if size is None:
            return self._inner.pread(length, offset)
        length = max(0, min(length, size - offset))
        data = self._inner.pread(length, offset)
        missing = length - len(data)
        at = offset + len(data)
        return data + _garbage(at, missing) if missing and at >= self._inner.size() else data

    def _make_true(self) -> None:
        """Give the file the length that it shows, before a program changes what it sees."""
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
        """Return the bytes about to be overwritten, where they may become stale."""
        places = [
            (max(offset, place.start), min(offset + length, place.end))
            for place in self._at_rest.remembers(self._path)
            if place.overlaps(offset, length)
        ]
        if not places:
            return []
        # This descriptor may be write-only, so the name is opened, unless another file has it now.
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
    """Return bytes that depend on their position alone."""
    end = offset + length
    return bytes((place * 167 + place // 256 + 90) % 256 for place in range(offset, end))


def _error(number: int, path: str) -> OSError:
    return OSError(number, strerror(number), path)
