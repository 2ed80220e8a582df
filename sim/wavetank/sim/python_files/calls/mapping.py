"""`mmap.mmap` over a simulated file.

A mapping is real memory of its own, so that it can be handed to whatever takes a buffer. A shared
one writes through to the page cache at once when it is assigned to; what was written through a
buffer (`struct.pack_into`, a memoryview) is collected before the next call that touches the disk.
It inherits from the real class for the sake of the buffer alone. No call costs more because a
mapping is large (mapped_memory.py). Advice is ignored, and a mapping shows zeros beyond the end of
a file that was cut off.
"""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING, Final, Protocol, SupportsIndex

from wavetank.sim.disk._errno import fail
from wavetank.sim.ops import SyncKind
from wavetank.sim.python_files._process import OpenFile, Process
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.calls.mapped_memory import (
    MappedMemory,
    can_tell_copies,
    held,
    page_faults,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Mappings", "SimulatedMapping"]

_REAL: Final = mmap.mmap


class _Shared(Protocol):
    """What a mapping needs of the simulation."""

    def store(self, mapping: SimulatedMapping, written: range | None = None) -> None: ...

    def synced(self, mapping: SimulatedMapping) -> None: ...

    def resized(self, mapping: SimulatedMapping, length: int) -> None: ...


class SimulatedMapping(mmap.mmap):
    """A file in memory.

    Attributes:
        opened: the file; it stays open for the mapping.
        process: whose it is.
        start: first byte of the file that is mapped.
        memory: what was last equal to the file.
        is_shared: whether writes reach the file.
        is_readable_only: whether writes are refused.
        owner: told of every change.
    """

    opened: OpenFile
    process: Process
    start: int
    memory: MappedMemory
    is_shared: bool
    is_readable_only: bool
    owner: _Shared

    @classmethod
    def over(
        cls,
        owner: _Shared,
        process: Process,
        opened: OpenFile,
        *,
        place: tuple[int, int],
        access: int,
        tells: bool,
    ) -> SimulatedMapping:
        """Map bytes of a file.

        Args:
            owner: told of every change.
            process: whose it is.
            opened: the file.
            place: first byte, and how many.
            access: one of `mmap.ACCESS_READ`, `ACCESS_WRITE` and `ACCESS_COPY`.
            tells: whether the machine tells which pages were written to.
        """
        start, length = place
        memory = MappedMemory(length, tells=tells)
        made = memory.map(cls)
        made.opened = opened
        made.process = process
        made.start = start
        made.memory = memory
        made.is_shared = access == mmap.ACCESS_WRITE
        made.is_readable_only = access == mmap.ACCESS_READ
        made.owner = owner
        made.show(start, length)
        return made

    def show(self, start: int, length: int) -> None:
        """Let the memory be what the file is, as far as a range of it is mapped."""
        first, end = max(start, self.start), min(start + length, self.start + len(self))
        if first < end:
            content = self.process.disk.read(self.opened.inode, first, end - first)
            self.memory.give(
                self,
                first - self.start,
                content.ljust(end - first, b"\0"),
                # What was written to a private mapping stays there, whatever becomes of the file.
                over_copies=self.is_shared,
            )

    def __setitem__(self, key: object, value: object, /) -> None:
        self._check_writable()
        super().__setitem__(key, value)  # type: ignore[call-overload]
        self.owner.store(self, _range_of(key, len(self)))

    def write(self, data: ReadableBuffer, /) -> int:
        """See `mmap.mmap.write`."""
        self._check_writable()
        written = super().write(data)
        end = self.tell()
        self.owner.store(self, range(end - written, end))
        return written

    def write_byte(self, byte: int, /) -> None:
        """See `mmap.mmap.write_byte`."""
        self._check_writable()
        super().write_byte(byte)
        end = self.tell()
        self.owner.store(self, range(end - 1, end))

    def move(self, dest: int, src: int, count: int, /) -> None:
        """See `mmap.mmap.move`."""
        self._check_writable()
        super().move(dest, src, count)
        self.owner.store(self, range(dest, dest + count))

    def flush(self, offset: int = 0, size: int = 0, /, *, flags: int = 0) -> None:
        """See `mmap.mmap.flush`: msync of the whole file."""
        del offset, size, flags
        self.owner.store(self)
        self.owner.synced(self)

    def resize(self, newsize: int, /) -> None:
        """See `mmap.mmap.resize`: the file takes the new length, too."""
        if not self.is_shared:
            raise TypeError("mmap can't resize a readonly or copy-on-write memory map.")
        self.owner.store(self)
        self.owner.resized(self, self.start + newsize)
        before = len(self)
        self.memory.resize(self, newsize)
        self.show(self.start + before, newsize - before)

    def size(self) -> int:
        """See `mmap.mmap.size`: the length of the file."""
        return self.process.disk.size(self.opened.inode)

    def close(self) -> None:
        """See `mmap.mmap.close`; what was written stays in the page cache."""
        if not self.closed:
            self.owner.store(self)
            super().close()
            self.memory.close()

    def _check_writable(self) -> None:
        if self.is_readable_only:
            raise TypeError("mmap can't modify a readonly memory map.")


def _range_of(key: object, length: int) -> range:
    """Return the bytes that an index or a slice stands for, and those between them."""
    if isinstance(key, slice):
        chosen = range(length)[key]
        return range(min(chosen), max(chosen) + 1) if chosen else chosen
    assert isinstance(key, SupportsIndex)
    at = range(length)[key.__index__()]
    return range(at, at + 1)


class Mappings:
    """The mappings of one simulation.

    Args:
        simulation: the simulation.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        # As long as its process lives, the kernel would keep what was written to each.
        self._all: dict[int, list[SimulatedMapping]] = {}
        self._tells: bool | None = None

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
        process = self._simulation.running
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
        if self._tells is None:
            self._tells = can_tell_copies()
        made = SimulatedMapping.over(
            self, process, opened, place=(offset, length), access=access, tells=self._tells
        )
        self._all.setdefault(opened.inode, []).append(made)
        return made

    def collect(self) -> None:
        """Write through what was changed through a buffer."""
        if not self._all:
            return
        faults = page_faults()
        for mappings in list(self._all.values()):
            for mapping in mappings:
                if self._writes(mapping):
                    self._write_through(mapping, mapping.memory.written(mapping, faults=faults))

    def store(self, mapping: SimulatedMapping, written: range | None = None) -> None:
        """Write through what differs, block by block.

        Args:
            mapping: where something was written.
            written: which of its bytes; None if nobody knows.
        """
        if not self._writes(mapping):
            return
        memory = mapping.memory
        if written is None:
            starts = memory.written(mapping)
        else:
            starts = memory.differing(mapping, memory.pages(written.start, written.stop))
        self._write_through(mapping, starts)

    @staticmethod
    def _writes(mapping: SimulatedMapping) -> bool:
        return mapping.is_shared and not mapping.closed and not mapping.process.is_gone

    def _write_through(self, mapping: SimulatedMapping, starts: list[int]) -> None:
        """Write the blocks at these places of a mapping to its file."""
        if not starts:
            return
        memory, inode = mapping.memory, mapping.opened.inode
        with self._simulation.lock:
            for start in starts:
                old, new = memory.given(start), held(mapping, start)
                if old == new:
                    continue
                memory.accept(start, new)
                self._store_block(mapping, start, old, new)
                self.show(inode, mapping.start + start, len(new), but=mapping)
            self._simulation.note("mmap")
            if not self._simulation.own_threads():
                # With another thread, something may be written between the look and this.
                memory.forget_copies(mapping)

    def show(
        self, inode: int, start: int, length: int, *, but: SimulatedMapping | None = None
    ) -> None:
        """Let the mappings of a file show what was written to a range of it."""
        for mapping in self._all.get(inode, ()):
            if mapping is not but and not mapping.closed:
                mapping.show(start, length)

    def synced(self, mapping: SimulatedMapping) -> None:
        """Make the file of a mapping durable, as msync does."""
        process, opened = mapping.process, mapping.opened
        if not process.is_gone and mapping.is_shared:
            with self._simulation.lock:
                process.disk.sync(SyncKind.DATA, opened.inode, path=opened.path)

    def resized(self, mapping: SimulatedMapping, length: int) -> None:
        """Let the file of a mapping have a new length."""
        process, opened = mapping.process, mapping.opened
        if not process.is_gone:
            with self._simulation.lock:
                process.disk.truncate(opened.inode, length, path=opened.path)
                self._simulation.note("mmap.resize")

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
