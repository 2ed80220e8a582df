"""`SimFile`: an open file on a simulated disk; the engine's file seam and what Linux has besides.

A closed handle refuses everything, so that a forgotten one never reaches a newer file. Left out:
names (filesystem.py).
"""

from __future__ import annotations

import errno

from wavetank.engine import Buffer, OpenFlag
from wavetank.sim.disk._errno import fail as _fail
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.ops import SyncKind

__all__ = ["SimFile"]

_READ = int(OpenFlag.READ)
_WRITE = int(OpenFlag.WRITE)
_APPEND = int(OpenFlag.APPEND)


class SimFile:
    """An open file on a simulated disk; implements the engine's `File`.

    Args:
        disk: the disk.
        inode: the file; also an attribute.
        path: the name it was opened under, for people.
        flags: how.
    """

    __slots__ = (
        "_appends",
        "_disk",
        "_errors_told",
        "_holds_lock",
        "_open",
        "_path",
        "_reads",
        "_writes",
        "inode",
    )

    def __init__(self, disk: SimDisk, inode: int, path: str, flags: OpenFlag) -> None:
        self._disk = disk
        self.inode = inode
        self._path = path
        bits = int(flags)
        self._reads = bool(bits & _READ)
        self._writes = bool(bits & _WRITE)
        self._appends = bool(bits & _APPEND)
        self._errors_told = disk.errors_told(inode, opening=True)
        self._open = True
        self._holds_lock = False
        disk.opened(inode, path)

    def set_appending(self, *, appends: bool) -> None:
        """Let writes go to the end from now on, or no more, as F_SETFL does."""
        self._appends = appends

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        self._check_open()
        if offset < 0 or length < 0:
            _fail(errno.EINVAL, self._path)
        if not self._reads:
            _fail(errno.EBADF, self._path)
        return self._disk.read(self.inode, offset, length)

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`; refused on an APPEND handle, where systems disagree."""
        if self._appends:
            _fail(errno.EINVAL, self._path)
        self._check_open()
        if offset < 0:
            _fail(errno.EINVAL, self._path)
        self._check_writable()
        return self._write(data, offset)

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        self._check_writable()
        return self._write(data, self._disk.size(self.inode))

    def truncate(self, size: int) -> None:
        """See `File.truncate`."""
        self._check_open()
        if size < 0 or not self._writes:
            _fail(errno.EINVAL, self._path)
        self._disk.truncate(self.inode, size, path=self._path)

    def size(self) -> int:
        """See `File.size`."""
        self._check_open()
        return self._disk.size(self.inode)

    def fsync(self) -> None:
        """See `File.fsync`."""
        self._sync(SyncKind.FILE)

    def datasync(self) -> None:
        """See `File.datasync`."""
        self._sync(SyncKind.DATA)

    def full_fsync(self) -> None:
        """Make content and size durable through the drive's own cache too (F_FULLFSYNC)."""
        self._sync(SyncKind.FULL)

    def sync_file_range(self, offset: int, length: int) -> None:
        """Begin writing a range back; it promises nothing and makes nothing durable."""
        self._check_open()
        if offset < 0 or length < 0:
            _fail(errno.EINVAL, self._path)

    def preallocate(self, offset: int, length: int) -> None:
        """See `File.preallocate`."""
        self._check_open()
        if offset < 0 or length <= 0:
            _fail(errno.EINVAL, self._path)
        self._check_writable()
        self._disk.preallocate(self.inode, offset, length, path=self._path)

    def advise_dont_need(self) -> None:
        """See `File.advise_dont_need`; dirty pages stay."""
        self._check_open()
        self._disk.evict(self.inode)

    def lock(self) -> None:
        """See `File.lock`."""
        self._check_open()
        if self._holds_lock:
            return
        if self.inode in self._disk.locked:
            _fail(errno.EWOULDBLOCK, self._path)
        self._disk.locked.add(self.inode)
        self._holds_lock = True

    def close(self) -> None:
        """See `File.close`."""
        if self._holds_lock:
            self._disk.locked.discard(self.inode)
            self._holds_lock = False
        if self._open:
            self._disk.closed(self.inode, self._path)
        self._open = False

    def _write(self, data: Buffer, offset: int) -> int:
        content = bytes(data)
        return self._disk.write(self.inode, offset, content, path=self._path) if content else 0

    def _sync(self, kind: SyncKind) -> None:
        self._check_open()
        try:
            self._disk.sync(kind, self.inode, path=self._path, told=self._errors_told)
        except OSError:
            self._errors_told = self._disk.errors_told(self.inode)
            raise

    def _check_open(self) -> None:
        if not self._open:
            _fail(errno.EBADF, self._path)

    def _check_writable(self) -> None:
        if not (self._open and self._writes):
            _fail(errno.EBADF, self._path)
