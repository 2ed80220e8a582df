"""`mmap.mmap` over a simulated file.

A mapping is real memory of its own, so that it can be handed to whatever takes a buffer. A shared
one writes through to the page cache at once when it is assigned to; what was written through a
buffer (`struct.pack_into`, a memoryview) is collected before the next call that touches the disk.
It inherits from the real class for the sake of the buffer alone. Left out: advice, and what a
mapping shows beyond the end of a file that was cut off.
"""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING, Final, Protocol

from wavetank.sim._errno import fail
from wavetank.sim.ops import BLOCK_SIZE, SyncKind
from wavetank.sim.python_files._process import OpenFile, Process
from wavetank.sim.python_files._world import World

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Mappings", "SimulatedMapping"]

_REAL: Final = mmap.mmap
_PRIVATE: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class _Shared(Protocol):
    """What a mapping needs of the simulation."""

    def store(self, mapping: SimulatedMapping) -> None: ...

    def synced(self, mapping: SimulatedMapping) -> None: ...

    def resized(self, mapping: SimulatedMapping, length: int) -> None: ...


class SimulatedMapping(mmap.mmap):
    """A file in memory.

    Attributes:
        opened: the file; it stays open for the mapping.
        process: whose it is.
        start: first byte of the file that is mapped.
        shown: what was last equal to the file.
        is_shared: whether writes reach the file.
        is_readable_only: whether writes are refused.
    """

    opened: OpenFile
    process: Process
    start: int
    shown: bytes
    is_shared: bool
    is_readable_only: bool
    _owner: _Shared

    @classmethod
    def over(
        cls,
        owner: _Shared,
        process: Process,
        opened: OpenFile,
        *,
        place: tuple[int, int],
        access: int,
    ) -> SimulatedMapping:
        """Map bytes of a file.

        Args:
            owner: told of every change.
            process: whose it is.
            opened: the file.
            place: first byte, and how many.
            access: one of `mmap.ACCESS_READ`, `ACCESS_WRITE` and `ACCESS_COPY`.
        """
        start, length = place
        made = cls(-1, length, flags=_PRIVATE)
        made.opened = opened
        made.process = process
        made.start = start
        made.shown = b""
        made.is_shared = access == mmap.ACCESS_WRITE
        made.is_readable_only = access == mmap.ACCESS_READ
        made._owner = owner
        made.show(process.disk.read(opened.inode, start, length))
        return made

    def show(self, content: bytes) -> None:
        """Let the memory be what the file is."""
        padded = content.ljust(len(self), b"\0")
        _REAL.__setitem__(self, slice(0, len(padded)), padded)
        self.shown = padded

    def __setitem__(self, key: object, value: object, /) -> None:
        self._check_writable()
        super().__setitem__(key, value)  # type: ignore[call-overload]
        self._owner.store(self)

    def write(self, data: ReadableBuffer, /) -> int:
        """See `mmap.mmap.write`."""
        self._check_writable()
        written = super().write(data)
        self._owner.store(self)
        return written

    def write_byte(self, byte: int, /) -> None:
        """See `mmap.mmap.write_byte`."""
        self._check_writable()
        super().write_byte(byte)
        self._owner.store(self)

    def move(self, dest: int, src: int, count: int, /) -> None:
        """See `mmap.mmap.move`."""
        self._check_writable()
        super().move(dest, src, count)
        self._owner.store(self)

    def flush(self, offset: int = 0, size: int = 0, /, *, flags: int = 0) -> None:
        """See `mmap.mmap.flush`: msync of the whole file."""
        del offset, size, flags
        self._owner.store(self)
        self._owner.synced(self)

    def resize(self, newsize: int, /) -> None:
        """See `mmap.mmap.resize`: the file takes the new length, too."""
        if not self.is_shared:
            raise TypeError("mmap can't resize a readonly or copy-on-write memory map.")
        self._owner.store(self)
        self._owner.resized(self, self.start + newsize)
        super().resize(newsize)
        self.show(self.process.disk.read(self.opened.inode, self.start, newsize))

    def size(self) -> int:
        """See `mmap.mmap.size`: the length of the file."""
        return self.process.disk.size(self.opened.inode)

    def close(self) -> None:
        """See `mmap.mmap.close`; what was written stays in the page cache."""
        if not self.closed:
            self._owner.store(self)
        super().close()

    def _check_writable(self) -> None:
        if self.is_readable_only:
            raise TypeError("mmap can't modify a readonly memory map.")


class Mappings:
    """The mappings of one world.

    Args:
        world: the simulation.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        # As long as its process lives, the kernel would keep what was written to each.
        self._all: dict[int, list[SimulatedMapping]] = {}

    def forget(self) -> None:
        """Let no mapping be anybody's: another process begins."""
        self._all = {}

    def map(  # noqa: PLR0917 - the signature of mmap.mmap
        self,
        fileno: int,
        length: int,
        flags: int = mmap.MAP_SHARED,
        prot: int = mmap.PROT_READ | mmap.PROT_WRITE,
        access: int = mmap.ACCESS_DEFAULT,
        offset: int = 0,
    ) -> SimulatedMapping:
        """See `mmap.mmap`."""
        process = self._world.running
        opened = process.opened(fileno)
        if opened.file is None:
            fail(errno.ENODEV, opened.path)
        if offset < 0 or offset % mmap.ALLOCATIONGRANULARITY:
            fail(errno.EINVAL, opened.path)
        size = opened.file.size()
        if not length:
            if not size:
                raise ValueError("cannot mmap an empty file")
            length = size - offset
        if length <= 0 or offset + length > size:
            raise ValueError("mmap length is greater than file size")
        if access == mmap.ACCESS_DEFAULT:
            writes = bool(prot & mmap.PROT_WRITE)
            shared = mmap.ACCESS_WRITE if writes else mmap.ACCESS_READ
            access = mmap.ACCESS_COPY if flags & mmap.MAP_PRIVATE else shared
        if access == mmap.ACCESS_WRITE and not (opened.reads and opened.writes):
            fail(errno.EACCES, opened.path)
        made = SimulatedMapping.over(self, process, opened, place=(offset, length), access=access)
        self._all.setdefault(opened.inode, []).append(made)
        return made

    def collect(self) -> None:
        """Write through what was changed through a buffer."""
        for mappings in list(self._all.values()):
            for mapping in mappings:
                self.store(mapping)

    def store(self, mapping: SimulatedMapping) -> None:
        """Write through what differs, block by block."""
        process = mapping.process
        if mapping.closed or process.is_gone or not mapping.is_shared:
            return
        now = _REAL.__getitem__(mapping, slice(None))
        if now == mapping.shown:
            return
        with self._world.lock:
            before, mapping.shown = mapping.shown, now
            for start in range(0, len(now), BLOCK_SIZE):
                old, new = before[start : start + BLOCK_SIZE], now[start : start + BLOCK_SIZE]
                if old != new:
                    self._store_block(mapping, start, old, new)
            process.touch(mapping.opened.inode)
            self._world.note("mmap")
            self.show(mapping.opened.inode, 0, but=mapping)

    def show(self, inode: int, start: int, *, but: SimulatedMapping | None = None) -> None:
        """Let the mappings of a file show what was written to it."""
        del start
        for mapping in self._all.get(inode, ()):
            if mapping is not but and not mapping.closed:
                disk = mapping.process.disk
                mapping.show(disk.read(inode, mapping.start, len(mapping)))

    def synced(self, mapping: SimulatedMapping) -> None:
        """Make the file of a mapping durable, as msync does."""
        process, opened = mapping.process, mapping.opened
        if not process.is_gone and mapping.is_shared:
            with self._world.lock:
                process.disk.sync(SyncKind.DATA, opened.inode, path=opened.path)

    def resized(self, mapping: SimulatedMapping, length: int) -> None:
        """Let the file of a mapping have a new length."""
        process, opened = mapping.process, mapping.opened
        if not process.is_gone:
            with self._world.lock:
                process.disk.truncate(opened.inode, length, path=opened.path)
                self._world.note("mmap.resize")

    def _store_block(self, mapping: SimulatedMapping, start: int, old: bytes, new: bytes) -> None:
        first = next(at for at, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
        last = len(new) - next(
            at for at, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=True)) if a != b
        )
        opened = mapping.opened
        size = mapping.process.disk.size(opened.inode)
        at = mapping.start + start + first
        content = new[first : max(first, min(last, size - mapping.start - start))]
        if content:
            path = os.fspath(opened.path)
            mapping.process.disk.write(opened.inode, at, content, path=path)
