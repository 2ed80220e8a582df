"""`FaultyFileSystem`: another filesystem, whose operations go wrong as a plan says.

It works on the seam alone, so the filesystem below may be a simulated disk or the machine's own.
Which operations go wrong, injector.py decides; damage at rest is shown by damaged_filesystem.py;
what a failed sync leaves is up to the simulated disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from os import strerror  # noqa: TID251 - the text of an errno, no system call
from typing import NoReturn, TypeVar

from wavetank.engine import Buffer, File, FileStat, FileSystem, OpenFlag
from wavetank.faults.damaged_filesystem import DamagedFile, DamagedFileSystem
from wavetank.faults.damages import (
    BlockDamage,
    FileDamage,
    LostWrite,
    Misdirected,
    SyncLie,
    TornWrite,
)
from wavetank.faults.environment import (
    ClockHooks,
    ClockJump,
    Crash,
    CrashSignal,
    DiskHooks,
    EnvironmentFault,
    Evict,
    Stall,
)
from wavetank.faults.failures import Fail, Short
from wavetank.faults.fault import OperationFault
from wavetank.faults.injector import FaultInjector
from wavetank.faults.operations import Operation, OperationKind, When

__all__ = ["FaultyFile", "FaultyFileSystem"]

_Result = TypeVar("_Result")


class FaultyFileSystem:
    """A `FileSystem` over another one, for one process.

    Where the plan says ``crash`` or ``kill``, an operation raises `CrashSignal`, which is no
    `Exception`. The process has ended then: every further operation raises the same signal and does
    nothing, except `close`, which gives the descriptor back silently. The next process gets a new
    one with the same injector.

    Args:
        inner: the other one.
        injector: decides what goes wrong, and keeps the counts.
        disk: below `inner`, if it is simulated.
        clock: the run's runtime, if it is simulated.

    Raises:
        ValueError: the plan needs a `disk` or a `clock` that is not given.

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

    __slots__ = ("_inner", "_process")

    def __init__(
        self,
        inner: FileSystem,
        injector: FaultInjector,
        disk: DiskHooks | None = None,
        clock: ClockHooks | None = None,
    ) -> None:
        self._process = _Process(inner, injector, disk, clock)
        self._inner = self._process.inner

    def open(self, path: str, flags: OpenFlag) -> FaultyFile:
        """See `FileSystem.open`."""
        operation = Operation(
            kind=OperationKind.OPEN,
            paths=(path,),
            writes=bool(flags & (OpenFlag.WRITE | OpenFlag.CREATE)),
            open_files=self._process.open_files,
        )
        fault = self._process.begin(operation)
        if fault is not None:
            self._process.fail(fault, operation, lambda: self._inner.open(path, flags).close())
        return FaultyFile(self._process, path, flags)

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
        operation = Operation(kind=OperationKind.FSYNC_DIR, paths=(path,))
        self._process.sync(operation, lambda: self._inner.fsync_dir(path))

    def _do(self, kind: OperationKind, act: Callable[[], _Result], *paths: str) -> _Result:
        return self._process.do(Operation(kind=kind, paths=paths), act)


class FaultyFile:
    """A `File` over another one; made by `FaultyFileSystem.open`."""

    __slots__ = ("_appends", "_inner", "_open", "_path", "_process", "_side")

    def __init__(self, process: _Process, path: str, flags: OpenFlag) -> None:
        self._process = process
        self._path = path
        self._appends = OpenFlag.APPEND in flags
        self._inner: File = process.inner.open(path, flags)
        # An appending descriptor cannot write at the offset where a torn or lost write lands.
        self._side: File | None = None
        if self._appends and process.misplaces_writes:
            self._side = process.open_unseen(path, OpenFlag.WRITE)
        process.open_files += 1
        self._open = True

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        if not self._open:
            return self._inner.pread(length, offset)
        operation = Operation(
            kind=OperationKind.READ, paths=(self._path,), offset=offset, length=length
        )
        fault = self._process.begin(operation)
        if isinstance(fault, Crash):
            self._process.end(fault, operation)
        if isinstance(fault, Fail):
            raise _error(fault, operation)
        if isinstance(fault, Short):
            length = min(length, fault.max_bytes)
        data = self._inner.pread(length, offset)
        if isinstance(fault, Misdirected):
            data = self._inner.pread(len(data), fault.offset).ljust(len(data), b"\0")
        return self._process.flip_bits(operation, data)

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`; a file that appends refuses it below, and no fault is spent on it."""
        if self._appends:
            return self._inner.pwrite(data, offset)
        return self._write(data, offset, lambda part: self._inner.pwrite(part, offset))

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        offset = _shown_size(self._inner) if self._open else 0
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
        self._process.open_files -= was_open
        try:
            self._inner.close()
        finally:
            if self._side is not None:
                self._side.close()
        if was_open and self._process.signal is None:
            self._process.do(self._operation(OperationKind.CLOSE), _already_done)

    def _operation(self, kind: OperationKind) -> Operation:
        return Operation(kind=kind, paths=(self._path,))

    def _do(self, kind: OperationKind, act: Callable[[], _Result]) -> _Result:
        # A closed file refuses everything by itself, and a fault spent on it would be lost.
        return self._process.do(self._operation(kind), act) if self._open else act()

    def _sync(self, kind: OperationKind, sync: Callable[[], None]) -> None:
        if self._open:
            self._process.sync(self._operation(kind), sync)
        else:
            sync()

    def _write(self, data: Buffer, offset: int, write: Callable[[Buffer], int]) -> int:
        if not self._open:
            return write(data)
        operation = Operation(
            kind=OperationKind.WRITE,
            paths=(self._path,),
            offset=offset,
            length=memoryview(data).nbytes,
        )
        fault = self._process.begin(operation)
        taken = 0
        try:
            taken = self._take(fault, data, offset, write)
        except OSError:
            if not isinstance(fault, Crash):
                raise
        self._process.injector.wrote(operation, taken)
        if isinstance(fault, Crash):
            self._process.end(fault, operation)
        if isinstance(fault, Fail):
            raise _error(fault, operation)
        return taken

    def _take(
        self,
        fault: OperationFault | None,
        data: Buffer,
        offset: int,
        write: Callable[[Buffer], int],
    ) -> int:
        """Write what the fault lets through, and return how many bytes the write reports."""
        if fault is None:
            return write(data)
        view = memoryview(data).cast("B")
        if isinstance(fault, TornWrite | LostWrite | Misdirected):
            return self._misplace(fault, bytes(view), offset)
        length = _bytes_taken(fault, view.nbytes)
        return write(view[:length]) if length else 0

    def _misplace(
        self, damage: TornWrite | LostWrite | Misdirected, data: bytes, offset: int
    ) -> int:
        """Write the pieces that land, where they land, and give the file its full length."""
        file = self._inner if self._side is None else self._side
        for start, piece in damage.pieces(data, offset):
            _write_all(file, piece, start)
        if _shown_size(file) < offset + len(data):
            file.truncate(offset + len(data))
        return len(data)


class _Process:
    """One process on a filesystem: what its files share, and how it ends.

    Attributes:
        inner: the filesystem below, with the damage at rest on it.
        injector: decides what goes wrong.
        open_files: how many descriptors the process has.
        signal: how it has ended; None while it runs.
        misplaces_writes: whether a write may land elsewhere than it says.
    """

    def __init__(
        self,
        inner: FileSystem,
        injector: FaultInjector,
        disk: DiskHooks | None,
        clock: ClockHooks | None,
    ) -> None:
        _check_hooks(injector, disk, clock)
        effects = [fault.what for fault in injector.plan.faults]
        has_damage = any(isinstance(what, BlockDamage | FileDamage) for what in effects)
        self._below = inner
        self.inner: FileSystem = DamagedFileSystem(inner, injector.at_rest) if has_damage else inner
        self.injector = injector
        self.open_files = 0
        self.signal: CrashSignal | None = None
        self.misplaces_writes = any(
            isinstance(what, TornWrite | LostWrite | Misdirected) for what in effects
        )
        self._disk = disk
        self._clock = clock

    def open_unseen(self, path: str, flags: OpenFlag) -> File:
        """Open a descriptor that the program does not know of."""
        if isinstance(self.inner, DamagedFileSystem):
            return self.inner.open_unseen(path, flags)
        return self.inner.open(path, flags)

    def begin(self, operation: Operation) -> OperationFault | None:
        """Do what happens before an operation, and return what goes wrong with it."""
        if self.signal is not None:
            raise self.signal
        for fault in self.injector.environment_faults(operation, self._below):
            self._change_environment(fault)
        return self.injector.operation_fault(operation, self._below)

    def flip_bits(self, operation: Operation, data: bytes) -> bytes:
        """Return the bytes that a read has found, with the bits flipped that it shows flipped."""
        return self.injector.flip_bits(operation, data, self._below)

    def do(self, operation: Operation, act: Callable[[], _Result]) -> _Result:
        """Do an operation that neither moves bytes nor syncs, or fail it as the plan says."""
        fault = self.begin(operation)
        if fault is not None:
            self.fail(fault, operation, act)
        return act()

    def sync(self, operation: Operation, sync: Callable[[], None]) -> None:
        """Sync, or not, as the plan says."""
        fault = self.begin(operation)
        if isinstance(fault, SyncLie):
            return
        if isinstance(fault, Crash) and fault.when is When.INSIDE:
            self.end(fault, operation)
        if isinstance(fault, Fail) and fault.machine is not None:
            assert self._disk is not None, "_check_hooks refuses such plans"
            self._disk.fail_next_sync(fault.machine, path=operation.paths[0])
            # The disk reports the error, in this sync or the next, as the machine does.
            fault = None
        if fault is not None:
            self.fail(fault, operation, sync)
        sync()

    def fail(
        self, fault: OperationFault, operation: Operation, act: Callable[[], object]
    ) -> NoReturn:
        """Fail an operation or crash at it, after its effect if the fault says so."""
        if isinstance(fault, Crash):
            if fault.when is not When.BEFORE:
                with suppress(OSError):
                    act()
            self.end(fault, operation)
        assert isinstance(fault, Fail), f"'{fault}' applies to reads, writes or syncs"
        if fault.when is When.AFTER:
            act()
        raise _error(fault, operation)

    def end(self, crash: Crash, operation: Operation) -> NoReturn:
        """End the process here."""
        self.signal = CrashSignal(crash, str(operation))
        raise self.signal

    def _change_environment(self, fault: EnvironmentFault) -> None:
        if isinstance(fault, Evict):
            assert self._disk is not None, "_check_hooks refuses such plans"
            self._disk.evict()
            return
        assert self._clock is not None, "_check_hooks refuses such plans"
        if isinstance(fault, Stall):
            self._clock.sleep(fault.duration_ms / 1000)
        else:
            self._clock.jump_wall_clock(fault.jump_s)


def _check_hooks(injector: FaultInjector, disk: DiskHooks | None, clock: ClockHooks | None) -> None:
    for fault in injector.plan.faults:
        what = fault.what
        if disk is None and isinstance(what, Fail) and what.machine is not None:
            raise ValueError(
                f"disk: expected a simulated disk for '{fault}' but got none; without "
                f"'{what.machine.value}' the sync fails before any effect"
            )
        if disk is None and isinstance(what, Evict):
            raise ValueError(
                f"disk: expected a simulated disk for '{fault}' but got none; a real cache drops "
                f"its pages when it likes"
            )
        if clock is None and isinstance(what, Stall | ClockJump):
            raise ValueError(
                f"clock: expected a simulated clock for '{fault}' but got none; give the run's "
                f"SerialRuntime"
            )


def _error(fail: Fail, operation: Operation) -> OSError:
    return OSError(fail.error.value, strerror(fail.error.value), operation.paths[0])


def _shown_size(file: File) -> int:
    """Return the size of a file without being an operation of the program."""
    return file.shown_size() if isinstance(file, DamagedFile) else file.size()


def _write_all(file: File, data: bytes, offset: int) -> None:
    while data:
        taken = file.pwrite(data, offset)
        data, offset = data[taken:], offset + taken


def _bytes_taken(fault: OperationFault, length: int) -> int:
    """Return how many bytes of a write of `length` bytes are written."""
    if isinstance(fault, Short):
        return min(length, fault.max_bytes)
    if isinstance(fault, Crash):
        return {When.BEFORE: 0, When.INSIDE: length // 2, When.AFTER: length}[fault.when]
    assert isinstance(fault, Fail), f"'{fault}' does not apply to writes"
    taken = {When.BEFORE: 0, When.INSIDE: fault.partial_bytes, When.AFTER: length}[fault.when]
    return min(length, taken)


def _already_done() -> None:
    """Do nothing: the descriptor is closed by now."""
