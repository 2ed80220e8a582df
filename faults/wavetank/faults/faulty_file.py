"""`FaultyFile`: an open file whose reads, writes and syncs go wrong as a plan says.

Left out: names (faulty_filesystem.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from wavetank.engine import Buffer, File, OpenFlag
from wavetank.faults._overlaid_file import OverlaidFile
from wavetank.faults._process import Process, error
from wavetank.faults.crashes import Crash, Moment
from wavetank.faults.damages import LostWrite, Misdirected, TornWrite
from wavetank.faults.failures import Fail, Short, When
from wavetank.faults.fault import Struck
from wavetank.faults.operation import Operation
from wavetank.faults.operations import OperationKind

__all__ = ["FaultyFile"]

_Result = TypeVar("_Result")


class FaultyFile:
    """A `File` over another one; made by `FaultyFileSystem.open`.

    Args:
        process: whose descriptor it is.
        path: the name it is opened under.
        flags: how.
    """

    __slots__ = ("_appends", "_inner", "_open", "_path", "_process", "_side")

    def __init__(self, process: Process, path: str, flags: OpenFlag) -> None:
        self._process = process
        self._path = path
        self._appends = OpenFlag.APPEND in flags
        self._inner: File = process.inner.open(path, flags)
        # A descriptor that appends cannot write where a spoilt write lands.
        self._side: File | None = None
        if self._appends and process.spoils_writes:
            self._side = process.open_beside(path, OpenFlag.WRITE)
        process.open_files += 1
        self._open = True

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        if not self._open:
            return self._inner.pread(length, offset)
        operation = Operation(
            kind=OperationKind.READ, paths=(self._path,), offset=offset, length=length
        )
        struck = self._process.strike(operation)
        if isinstance(struck, Crash):
            self._process.end(struck, operation)
        if isinstance(struck, Fail):
            raise error(struck, operation)
        if isinstance(struck, Short):
            length = min(length, struck.max_bytes)
        data = self._inner.pread(length, offset)
        if isinstance(struck, Misdirected):
            data = self._inner.pread(len(data), struck.offset).ljust(len(data), b"\0")
        return self._process.shown(operation, data)

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`; one to a file that appends is refused below, and spends no fault."""
        if self._appends:
            return self._inner.pwrite(data, offset)
        return self._write(data, offset, lambda part: self._inner.pwrite(part, offset))

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        offset = _end(self._inner) if self._open else 0
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
            self._process.do(self._operation(OperationKind.CLOSE), _nothing)

    def _operation(self, kind: OperationKind) -> Operation:
        return Operation(kind=kind, paths=(self._path,))

    def _do(self, kind: OperationKind, act: Callable[[], _Result]) -> _Result:
        # What is closed refuses everything by itself, and a fault spent on it would be lost.
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
        struck = self._process.strike(operation)
        taken = 0
        try:
            taken = self._take(struck, data, offset, write)
        except OSError:
            if not isinstance(struck, Crash):
                raise
        self._process.injector.wrote(operation, taken)
        if isinstance(struck, Crash):
            self._process.end(struck, operation)
        if isinstance(struck, Fail):
            raise error(struck, operation)
        return taken

    def _take(
        self, struck: Struck | None, data: Buffer, offset: int, write: Callable[[Buffer], int]
    ) -> int:
        """Write what is to be written, and return how many bytes were."""
        if struck is None:
            return write(data)
        view = memoryview(data).cast("B")
        if isinstance(struck, (TornWrite, LostWrite, Misdirected)):
            return self._spoil(struck, bytes(view), offset)
        length = _bytes_taken(struck, view.nbytes)
        return write(view[:length]) if length else 0

    def _spoil(self, damage: TornWrite | LostWrite | Misdirected, data: bytes, offset: int) -> int:
        """Write what lands, where it lands, and let the file be as long as it should."""
        file = self._inner if self._side is None else self._side
        for start, piece in damage.pieces(data, offset):
            _write_all(file, piece, start)
        if _end(file) < offset + len(data):
            file.truncate(offset + len(data))
        return len(data)


def _end(file: File) -> int:
    """Return where a file ends, without being an operation of the program."""
    return file.end() if isinstance(file, OverlaidFile) else file.size()


def _write_all(file: File, data: bytes, offset: int) -> None:
    while data:
        taken = file.pwrite(data, offset)
        data, offset = data[taken:], offset + taken


def _bytes_taken(struck: Struck, length: int) -> int:
    """Return how many bytes of a write are written."""
    if isinstance(struck, Short):
        return min(length, struck.max_bytes)
    if isinstance(struck, Crash):
        return {Moment.BEFORE: 0, Moment.INSIDE: length // 2, Moment.AFTER: length}[struck.moment]
    assert isinstance(struck, Fail), f"a write cannot suffer '{struck}'"
    taken = {When.BEFORE: 0, When.PARTIAL: struck.partial_bytes, When.AFTER: length}[struck.when]
    return min(length, taken)


def _nothing() -> None:
    """Do what is done already."""
