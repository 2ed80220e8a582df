"""The functions of `os` that take a descriptor, on the simulated disk.

Each method has the name and arguments of the real function. A descriptor that is not simulated was
opened by somebody outside, or for reading a real file: the real function serves it
(_routes.py sees to that before anything here is called).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Final

from wavetank.engine import Buffer
from wavetank.sim.attributes import Attributes
from wavetank.sim.disk._errno import fail
from wavetank.sim.disk.sim_file import SimFile
from wavetank.sim.ops import SyncKind
from wavetank.sim.python_files._process import OpenFile
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.calls.mapping import Mappings
from wavetank.sim.python_files.calls.paths import Real
from wavetank.sim.python_files.calls.status import Status

__all__ = ["DescriptorCalls", "owner_change"]

_COPY_BYTES: Final = 1 << 20


class DescriptorCalls:
    """`os` for descriptors.

    Args:
        simulation: the simulation.
        real: the real machine.
        mappings: shown what is written, so that both stay equal.
    """

    def __init__(self, simulation: Simulation, real: Real, mappings: Mappings) -> None:
        self._simulation = simulation
        self._real = real
        self._mappings = mappings

    def read(self, fd: int, length: int, /) -> bytes:
        """See `os.read`."""
        opened, file = self._file(fd)
        data = file.pread(length, opened.position)
        opened.position += len(data)
        return data

    def pread(self, fd: int, length: int, offset: int, /) -> bytes:
        """See `os.pread`."""
        return self._file(fd)[1].pread(length, offset)

    def readv(self, fd: int, buffers: Sequence[Buffer], /) -> int:
        """See `os.readv`."""
        return _scatter(self.read(fd, _total(buffers)), buffers)

    def preadv(self, fd: int, buffers: Sequence[Buffer], offset: int, flags: int = 0, /) -> int:
        """See `os.preadv`."""
        del flags
        return _scatter(self.pread(fd, _total(buffers), offset), buffers)

    def write(self, fd: int, data: Buffer, /) -> int:
        """See `os.write`."""
        opened, file = self._file(fd, of_directory=errno.EBADF)
        return self._write(opened, file, memoryview(data).tobytes(), None)

    def pwrite(self, fd: int, data: Buffer, offset: int, /) -> int:
        """See `os.pwrite`; on a descriptor that appends, Linux appends."""
        opened, file = self._file(fd, of_directory=errno.EBADF)
        return self._write(opened, file, memoryview(data).tobytes(), offset)

    def writev(self, fd: int, buffers: Sequence[Buffer], /) -> int:
        """See `os.writev`."""
        return self.write(fd, b"".join(memoryview(each) for each in buffers))

    def pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int, flags: int = 0, /) -> int:
        """See `os.pwritev`."""
        data = b"".join(memoryview(each) for each in buffers)
        written = self.pwrite(fd, data, offset)
        if flags & (getattr(os, "RWF_DSYNC", 0) | getattr(os, "RWF_SYNC", 0)):
            self.fdatasync(fd)
        return written

    def lseek(self, fd: int, position: int, whence: int, /) -> int:
        """See `os.lseek`."""
        opened, file = self._file(fd)
        size = file.size()
        if whence in (os.SEEK_DATA, os.SEEK_HOLE):
            if not 0 <= position < size:
                fail(errno.ENXIO, opened.path)
            target = position if whence == os.SEEK_DATA else size
        else:
            bases = {os.SEEK_SET: 0, os.SEEK_CUR: opened.position, os.SEEK_END: size}
            if whence not in bases or bases[whence] + position < 0:
                fail(errno.EINVAL, opened.path)
            target = bases[whence] + position
        opened.position = target
        return target

    def ftruncate(self, fd: int, length: int, /) -> None:
        """See `os.ftruncate`."""
        opened, file = self._file(fd, of_directory=errno.EINVAL)
        before = file.size()
        file.truncate(length)
        self._changed(opened, min(before, length), max(before, length))

    def fsync(self, fd: int) -> None:
        """See `os.fsync`; of a directory, it is the directory's sync."""
        opened = self._simulation.running.opened(fd)
        if opened.file is not None:
            opened.file.fsync()
        else:
            disk = self._simulation.running.disk
            disk.sync(SyncKind.DIRECTORY, opened.inode, path=opened.path)

    def fdatasync(self, fd: int) -> None:
        """See `os.fdatasync`."""
        opened = self._simulation.running.opened(fd)
        if opened.file is None:
            self.fsync(fd)
            return
        opened.file.datasync()

    def full_fsync(self, fd: int) -> None:
        """Make a file durable through the drive's cache (F_FULLFSYNC)."""
        self._file(fd)[1].full_fsync()

    def sync(self) -> None:
        """See `os.sync`."""
        self._simulation.running.disk.sync(SyncKind.EVERYTHING, 0, path="")

    def posix_fallocate(self, fd: int, offset: int, length: int, /) -> None:
        """See `os.posix_fallocate`."""
        opened, file = self._file(fd)
        before = file.size()
        file.preallocate(offset, length)
        self._changed(opened, before, file.size())

    def posix_fadvise(self, fd: int, offset: int, length: int, advice: int, /) -> None:
        """See `os.posix_fadvise`: advice that the simulated disk does not take."""
        del offset, length, advice
        self._file(fd)

    def close(self, fd: int) -> None:
        """See `os.close`."""
        self._simulation.running.close(fd)

    def fstat(self, fd: int) -> Status:
        """See `os.fstat`."""
        process = self._simulation.running
        return process.status(process.opened(fd).inode)

    def dup(self, fd: int, /) -> int:
        """See `os.dup`."""
        process = self._simulation.running
        return process.install(process.opened(fd))

    def dup2(self, fd: int, fd2: int, inheritable: bool = True) -> int:  # noqa: FBT001, FBT002 - as os.dup2
        """See `os.dup2`; a descriptor of the real machine is not replaced."""
        process = self._simulation.running
        opened = process.opened(fd)
        if not process.has(fd2):
            raise self._simulation.refuse(
                f"fd2: expected a descriptor of a simulated file but got {fd2}, which is the "
                f"real machine's; write to the file object instead of redirecting to it"
            )
        if fd != fd2:
            process.close(fd2)
            process.install(opened, fd2)
            process.set_inheritable(fd2, inheritable=inheritable)
        return fd2

    def isatty(self, fd: int, /) -> bool:
        """See `os.isatty`."""
        self._simulation.running.opened(fd)
        return False

    def fchmod(self, fd: int, mode: int) -> None:
        """See `os.fchmod`."""
        self._set(fd, Attributes(mode=mode & 0o7777))

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        """See `os.fchown`; -1 leaves a number as it is."""
        self._set(fd, owner_change(self.fstat(fd), uid, gid))

    def get_inheritable(self, fd: int, /) -> bool:
        """See `os.get_inheritable`."""
        return self._simulation.running.is_inheritable(fd)

    def set_inheritable(self, fd: int, inheritable: int, /) -> None:
        """See `os.set_inheritable`."""
        self._simulation.running.set_inheritable(fd, inheritable=bool(inheritable))

    def get_blocking(self, fd: int, /) -> bool:
        """See `os.get_blocking`: reading a file never waits."""
        self._simulation.running.opened(fd)
        return True

    def set_blocking(self, fd: int, blocking: bool, /) -> None:  # noqa: FBT001 - as os.set_blocking
        """See `os.set_blocking`: it changes nothing for a file."""
        del blocking
        self._simulation.running.opened(fd)

    def copy_file_range(
        self,
        src: int,
        dst: int,
        count: int,
        offset_src: int | None = None,
        offset_dst: int | None = None,
    ) -> int:
        """See `os.copy_file_range`."""
        return self._copy(src, dst, count, offset_src, offset_dst)

    def sendfile(self, out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
        """See `os.sendfile`."""
        return self._copy(in_fd, out_fd, count, offset, None)

    def lockf(self, fd: int, command: int, length: int, /) -> None:
        """See `os.lockf`: a process never stands in its own way."""
        del command, length
        self._file(fd)

    def _copy(
        self, source: int, target: int, count: int, source_at: int | None, target_at: int | None
    ) -> int:
        process = self._simulation.running
        wanted = min(count, _COPY_BYTES)
        if process.has(source):
            at = process.opened(source).position if source_at is None else source_at
            data = self.pread(source, wanted, at)
        elif source_at is None:
            data = self._bytes(self._real.call("read", source, wanted))
        else:
            data = self._bytes(self._real.call("pread", source, wanted, source_at))
        if target_at is None:
            written = self.write(target, data)
        else:
            written = self.pwrite(target, data, target_at)
        if source_at is None and process.has(source):
            process.opened(source).position += written
        return written

    @staticmethod
    def _bytes(value: object) -> bytes:
        assert isinstance(value, bytes)
        return value

    def _file(self, fd: int, *, of_directory: int = errno.EISDIR) -> tuple[OpenFile, SimFile]:
        opened = self._simulation.running.opened(fd)
        if opened.file is None:
            fail(of_directory, opened.path)
        return opened, opened.file

    def _write(self, opened: OpenFile, file: SimFile, data: bytes, offset: int | None) -> int:
        if opened.flags & os.O_APPEND and opened.writes:
            start = file.size()
            written = file.append(data)
        else:
            start = opened.position if offset is None else offset
            written = file.pwrite(data, start)
        if offset is None and data:
            opened.position = start + written
        if opened.flags & os.O_SYNC == os.O_SYNC:
            file.fsync()
        elif opened.flags & os.O_DSYNC:
            file.datasync()
        self._changed(opened, start, start + written)
        return written

    def _changed(self, opened: OpenFile, start: int, end: int) -> None:
        self._mappings.show(opened.inode, start, end - start)

    def _set(self, fd: int, change: Attributes) -> None:
        process = self._simulation.running
        opened = process.opened(fd)
        process.disk.set_attributes(opened.inode, change, path=opened.path)


def owner_change(status: Status, uid: int, gid: int) -> Attributes:
    """Return the change that chown asks for; -1 leaves a number as it is."""
    known = tuple(status)
    return Attributes(owner=(known[4] if uid == -1 else uid, known[5] if gid == -1 else gid))


def _total(buffers: Sequence[Buffer]) -> int:
    return sum(memoryview(each).nbytes for each in buffers)


def _scatter(data: bytes, buffers: Sequence[Buffer]) -> int:
    position = 0
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        piece = data[position : position + len(view)]
        view[: len(piece)] = piece
        position += len(piece)
    return len(data)
