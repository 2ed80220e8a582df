"""`FaultyFileSystem`: another filesystem, whose operations go wrong as a plan says.

It works on the seam alone, so that what is below may be a simulated disk or the machine's own. Left
out: which operations are struck (injector.py), and what a failed sync leaves, which is the
simulated disk's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import strerror  # noqa: TID251 - the words for an errno, no system call
from typing import Protocol, TypeVar

from wavetank.engine import Buffer, File, FileStat, FileSystem, OpenFlag
from wavetank.faults.failures import Fail, Short, When
from wavetank.faults.injector import FaultInjector, Operation
from wavetank.faults.operations import OperationKind
from wavetank.sim import FsyncFailure

__all__ = ["FaultyFile", "FaultyFileSystem", "SyncFailing"]

_Result = TypeVar("_Result")


class SyncFailing(Protocol):
    """A disk whose syncs can be made to fail as a filesystem's do, such as `SimDisk`."""

    def fail_next_sync(self, machine: FsyncFailure, *, path: str | None = None) -> None:
        """Let writing fail at the next sync of a file opened under `path`."""
        ...


class FaultyFileSystem:
    """A `FileSystem` over another one.

    Args:
        inner: the other one.
        injector: what goes wrong; it keeps the counts.
        disk: below `inner`, if it is simulated.

    Raises:
        ValueError: the plan lets a sync fail as a filesystem's does, and there is no `disk`.

    >>> from wavetank.engine import OpenFlag
    >>> from wavetank.faults import parse_plan
    >>> from wavetank.sim import SimDisk, SimFileSystem
    >>> injector = FaultInjector(parse_plan("write f: short 2 bytes"))
    >>> fs = FaultyFileSystem(SimFileSystem(SimDisk()), injector)
    >>> file = fs.open("/f", OpenFlag.WRITE | OpenFlag.CREATE)
    >>> file.pwrite(b"hello", 0), file.pwrite(b"hello", 0)
    (2, 5)
    >>> injector.fired()
    {'write f: short 2 bytes': 1}
    """

    __slots__ = ("_disk", "_injector", "_inner")

    def __init__(
        self, inner: FileSystem, injector: FaultInjector, disk: SyncFailing | None = None
    ) -> None:
        if disk is None:
            for fault in injector.plan.faults:
                if isinstance(fault.what, Fail) and fault.what.machine is not None:
                    raise ValueError(
                        f"disk: expected a simulated disk for '{fault}' but got none; without "
                        f"'{fault.what.machine.value}' the sync fails before any effect"
                    )
        self._inner = inner
        self._injector = injector
        self._disk = disk

    def open(self, path: str, flags: OpenFlag) -> FaultyFile:
        """See `FileSystem.open`."""
        operation = Operation(kind=OperationKind.OPEN, paths=(path,))
        failure = self._injector.failure(operation)
        if failure is not None:
            if failure.when is When.AFTER:
                self._inner.open(path, flags).close()
            raise _error(failure, path)
        return FaultyFile(self._inner.open(path, flags), path, self._injector, self._disk)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self._do(OperationKind.RENAME, lambda: self._inner.rename(source, target), source, target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self._do(OperationKind.UNLINK, lambda: self._inner.unlink(path), path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        self._do(OperationKind.LINK, lambda: self._inner.link(source, target), source, target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        self._do(OperationKind.MKDIR, lambda: self._inner.mkdir(path), path)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        self._do(OperationKind.RMDIR, lambda: self._inner.rmdir(path), path)

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`."""
        return self._do(OperationKind.LIST, lambda: self._inner.listdir(path), path)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        return self._do(OperationKind.STAT, lambda: self._inner.stat(path), path)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        self._do(OperationKind.FSYNC_DIR, lambda: self._inner.fsync_dir(path), path)

    def _do(self, kind: OperationKind, act: Callable[[], _Result], *paths: str) -> _Result:
        return _done(self._injector, Operation(kind=kind, paths=paths), act)


class FaultyFile:
    """A `File` over another one; made by `FaultyFileSystem.open`.

    Args:
        inner: the other one.
        path: the name it was opened under.
        injector: what goes wrong.
        disk: below, if it is simulated.
    """

    __slots__ = ("_disk", "_injector", "_inner", "_open", "_path")

    def __init__(
        self, inner: File, path: str, injector: FaultInjector, disk: SyncFailing | None
    ) -> None:
        self._inner = inner
        self._path = path
        self._injector = injector
        self._disk = disk
        self._open = True

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        operation = Operation(
            kind=OperationKind.READ, paths=(self._path,), offset=offset, length=length
        )
        strike = self._strike(operation)
        if isinstance(strike, Fail):
            raise _error(strike, self._path)
        if strike is not None:
            length = min(length, strike.max_bytes)
        return self._injector.shown(operation, self._inner.pread(length, offset))

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`."""
        return self._write(data, offset, lambda part: self._inner.pwrite(part, offset))

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        offset = self._inner.size() if self._open else 0
        return self._write(data, offset, self._inner.append)

    def truncate(self, size: int) -> None:
        """See `File.truncate`."""
        self._do(OperationKind.TRUNCATE, lambda: self._inner.truncate(size))

    def size(self) -> int:
        """See `File.size`."""
        return self._do(OperationKind.SIZE, self._inner.size)

    def fsync(self) -> None:
        """See `File.fsync`."""
        self._sync(OperationKind.FSYNC, self._inner.fsync)

    def datasync(self) -> None:
        """See `File.datasync`."""
        self._sync(OperationKind.DATASYNC, self._inner.datasync)

    def preallocate(self, offset: int, length: int) -> None:
        """See `File.preallocate`."""
        self._do(OperationKind.PREALLOCATE, lambda: self._inner.preallocate(offset, length))

    def advise_dont_need(self) -> None:
        """See `File.advise_dont_need`."""
        self._do(OperationKind.ADVISE, self._inner.advise_dont_need)

    def lock(self) -> None:
        """See `File.lock`."""
        self._do(OperationKind.LOCK, self._inner.lock)

    def close(self) -> None:
        """See `File.close`; the descriptor is given back even if an error is reported."""
        was_open, self._open = self._open, False
        self._inner.close()
        if was_open:
            failure = self._injector.failure(self._operation(OperationKind.CLOSE))
            if failure is not None:
                raise _error(failure, self._path)

    def _operation(self, kind: OperationKind) -> Operation:
        return Operation(kind=kind, paths=(self._path,))

    def _strike(self, operation: Operation) -> Fail | Short | None:
        # What is closed refuses everything by itself, and a fault spent on it would be lost.
        return self._injector.strike(operation) if self._open else None

    def _do(self, kind: OperationKind, act: Callable[[], _Result]) -> _Result:
        return _done(self._injector, self._operation(kind), act) if self._open else act()

    def _sync(self, kind: OperationKind, sync: Callable[[], None]) -> None:
        if not self._open:
            sync()
        failure = self._injector.failure(self._operation(kind))
        if failure is not None and failure.machine is not None:
            assert self._disk is not None, "checked when the filesystem was made"
            self._disk.fail_next_sync(failure.machine, path=self._path)
            failure = None
        if failure is None or failure.when is When.AFTER:
            sync()
        if failure is not None:
            raise _error(failure, self._path)

    def _write(self, data: Buffer, offset: int, write: Callable[[Buffer], int]) -> int:
        view = memoryview(data)
        length = view.nbytes
        operation = Operation(
            kind=OperationKind.WRITE, paths=(self._path,), offset=offset, length=length
        )
        strike = self._strike(operation)
        if strike is not None:
            length = min(length, _bytes_taken(strike, length))
        taken = 0
        if strike is None or length:
            taken = write(view.cast("B")[:length] if strike is not None else data)
            self._injector.wrote(operation, taken)
        if isinstance(strike, Fail):
            raise _error(strike, self._path)
        return taken


def _done(injector: FaultInjector, operation: Operation, act: Callable[[], _Result]) -> _Result:
    """Do what moves no bytes, or refuse it, as the plan says."""
    failure = injector.failure(operation)
    if failure is None:
        return act()
    if failure.when is When.AFTER:
        act()
    raise _error(failure, operation.paths[0])


def _bytes_taken(strike: Fail | Short, length: int) -> int:
    """Return how many bytes of a write are written."""
    if isinstance(strike, Short):
        return strike.max_bytes
    return {When.BEFORE: 0, When.PARTIAL: strike.partial_bytes, When.AFTER: length}[strike.when]


def _error(fail: Fail, path: str) -> OSError:
    return OSError(fail.error.value, strerror(fail.error.value), path)
