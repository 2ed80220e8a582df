"""`open`, `io.open` and `io.FileIO` over simulated descriptors.

The raw file is ours; the buffering above it is CPython's own, so that what a program has not
flushed is lost when its process is killed, as it would be. A file object whose process is gone
takes the bytes that its buffer still holds and drops them.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final, Protocol

from wavetank.engine import Buffer
from wavetank.sim.python_files._process import Process
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.calls.paths import PathArgument
from wavetank.sim.python_files.errors import StaleFileError
from wavetank.sim.python_files.threads.buffered_files import Buffered, BufferedFiles

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["FileCalls", "Opener", "RawFile", "open_file"]

Opener = Callable[[str, int], int]

_BLOCK_BYTES: Final = 4096
_MODES: Final = {
    "r": os.O_RDONLY,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
}


class FileCalls(Protocol):
    """The calls that a raw file is made of."""

    def open(self, path: PathArgument, flags: int, mode: int = 0o777) -> int:
        """See `os.open`."""

    def read(self, fd: int, length: int, /) -> bytes:
        """See `os.read`."""

    def write(self, fd: int, data: Buffer, /) -> int:
        """See `os.write`."""

    def lseek(self, fd: int, position: int, whence: int, /) -> int:
        """See `os.lseek`."""

    def ftruncate(self, fd: int, length: int, /) -> None:
        """See `os.ftruncate`."""

    def close(self, fd: int, /) -> None:
        """See `os.close`."""


class RawFile(io.RawIOBase):
    """An unbuffered file on the simulated disk; has the methods of `io.FileIO`.

    Args:
        simulation: the simulation.
        calls: what it is made of.
        fd: a simulated descriptor.
        name: as it was given to `open`.
        mode: such as ``rb+``.
        closefd: whether closing it closes the descriptor.
    """

    _blksize = _BLOCK_BYTES

    def __init__(
        self,
        simulation: Simulation,
        calls: FileCalls,
        fd: int,
        *,
        name: object,
        mode: str,
        closefd: bool = True,
    ) -> None:
        super().__init__()
        self._simulation = simulation
        self._calls = calls
        self._process: Process = simulation.running
        self._fd = fd
        self._reads = "r" in mode or "+" in mode
        self._writes = mode.strip("rb") != ""
        self.name = name
        self.mode = mode
        self.closefd = closefd

    def fileno(self) -> int:
        """Return the descriptor."""
        self._check_open()
        return self._fd

    def readable(self) -> bool:
        """Whether it was opened for reading."""
        self._check_open()
        return self._reads

    def writable(self) -> bool:
        """Whether it was opened for writing."""
        self._check_open()
        return self._writes

    def seekable(self) -> bool:
        """Whether it has a position."""
        self._check_open()
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        self._check_open()
        return False

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer."""
        self._check_readable()
        view = memoryview(buffer).cast("B")
        data = self._simulation.perform("read", self._calls.read, self._fd, len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes in one call."""
        if size is None or size < 0:
            return self.readall()
        self._check_readable()
        return self._simulation.perform("read", self._calls.read, self._fd, size)

    def readall(self) -> bytes:
        """Read all that is left."""
        self._check_readable()
        parts: list[bytes] = []
        while part := self._simulation.perform("read", self._calls.read, self._fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes in one call."""
        self._check_open()
        if self._process.is_gone:
            return memoryview(data).nbytes
        if not self._writes:
            raise io.UnsupportedOperation("File not open for writing")
        return self._simulation.perform("write", self._calls.write, self._fd, memoryview(data))

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position."""
        self._check_open()
        if self._process.is_gone:
            return 0
        return self._simulation.perform("seek", self._calls.lseek, self._fd, position, whence)

    def tell(self) -> int:
        """Return the position."""
        return self.seek(0, os.SEEK_CUR)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length of the file."""
        self._check_open()
        if not self._writes:
            raise io.UnsupportedOperation("File not open for writing")
        length = self.tell() if size is None else size
        if not self._process.is_gone:
            self._simulation.perform("truncate", self._calls.ftruncate, self._fd, length)
        return length

    def close(self) -> None:
        """Close it."""
        if self.closed:
            return
        super().close()
        if self.closefd and not self._process.is_gone:
            self._simulation.perform("close", self._calls.close, self._fd)

    def __repr__(self) -> str:
        state = "[closed]" if self.closed else f"name={self.name!r} mode={self.mode!r}"
        return f"<_io.FileIO {state}>"

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _check_readable(self) -> None:
        self._check_open()
        if not self._reads:
            raise io.UnsupportedOperation("File not open for reading")
        if self._process.is_gone:
            raise StaleFileError(
                f"expected a file object of this process but got {self.name!r}, which one before "
                f"the crash had opened; open it anew"
            )


def raw_file(
    simulation: Simulation,
    calls: FileCalls,
    file: PathArgument | int,
    mode: str = "r",
    *,
    closefd: bool = True,
    opener: Opener | None = None,
) -> RawFile | int:
    """Return a raw file; a number is a descriptor of the real machine, still to be wrapped."""
    kind, flags = _kind_and_flags(mode)
    if isinstance(file, int):
        if file < 0:
            raise ValueError("negative file descriptor")
        number = file
    elif not closefd:
        raise ValueError("Cannot use closefd=False with file name")
    else:
        number = _opened(simulation, calls, file, flags, opener)
    process = simulation.running
    if not process.has(number):
        if number >= 1 << 30:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return number
    if process.opened(number).file is None:
        if not isinstance(file, int):
            process.close(number)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), file)
    shown = f"{kind}b+" if "+" in mode else f"{kind}b"
    raw = RawFile(simulation, calls, number, name=file, mode=shown, closefd=closefd)
    if kind == "a":
        raw.seek(0, os.SEEK_END)
    return raw


def _kind_and_flags(mode: str) -> tuple[str, int]:
    kinds = [each for each in mode if each in _MODES]
    if len(kinds) != 1 or set(mode) - set("rwaxb+") or mode.count("+") > 1:
        raise ValueError(f"Must have exactly one of create/read/write/append mode: {mode!r}")
    flags = _MODES[kinds[0]] | os.O_CLOEXEC
    return kinds[0], flags & ~os.O_ACCMODE | os.O_RDWR if "+" in mode else flags


def _opened(
    simulation: Simulation, calls: FileCalls, file: PathArgument, flags: int, opener: Opener | None
) -> int:
    if opener is None:
        return simulation.perform("open", calls.open, file, flags, 0o666)
    number = opener(os.fsdecode(file), flags)
    if number < 0:
        raise ValueError(f"opener returned {number}")
    return number


def open_file(  # noqa: C901, PLR0917 - the signature of open, and its refusals one by one
    simulation: Simulation,
    calls: FileCalls,
    buffered: BufferedFiles,
    real_open: Callable[..., IO[str] | IO[bytes]],
    file: PathArgument | int,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,  # noqa: FBT001, FBT002 - the signature of open
    opener: Opener | None = None,
) -> object:
    """See `open`."""
    if not isinstance(file, int):
        file = os.fspath(file)
    modes = set(mode)
    if modes - set("axrwb+t") or len(mode) > len(modes):
        raise ValueError(f"invalid mode: {mode!r}")
    binary = "b" in modes
    if binary and "t" in modes:
        raise ValueError("can't have text and binary mode at once")
    if binary and (encoding is not None or errors is not None or newline is not None):
        raise ValueError("binary mode doesn't take an encoding, errors or newline argument")
    if buffering == 0 and not binary:
        raise ValueError("can't have unbuffered text I/O")
    raw = raw_file(simulation, calls, file, mode.replace("t", ""), closefd=closefd, opener=opener)
    if isinstance(raw, int):
        closes = closefd or not isinstance(file, int)
        return real_open(raw, mode, buffering, encoding, errors, newline, closes)
    if buffering == 0:
        return raw
    line_buffering = buffering == 1 and not binary
    size = _buffer_size() if buffering < 0 or buffering == 1 else buffering
    buffer: Buffered
    if "+" in modes:
        buffer = buffered.random(raw, size)
    elif modes & set("wax"):
        buffer = buffered.writer(raw, size)
    else:
        buffer = buffered.reader(raw, size)
    if binary:
        if buffering == 1:
            warnings.warn(
                "line buffering (buffering=1) isn't supported in binary mode, "
                "the default buffer size will be used",
                RuntimeWarning,
                stacklevel=3,
            )
        return buffer
    text = io.TextIOWrapper(buffer, io.text_encoding(encoding), errors, newline, line_buffering)
    text.mode = mode  # type: ignore[misc] # as CPython itself does
    return text


def _buffer_size() -> int:
    """Return what CPython takes for a file whose blocks have 4,096 bytes."""
    newest = sys.version_info >= (3, 14)
    return max(_BLOCK_BYTES, io.DEFAULT_BUFFER_SIZE) if newest else _BLOCK_BYTES
