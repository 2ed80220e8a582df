"""The memory of a mapping, and which of its pages were written, without reading them all.

Code can write to a mapping through any buffer, and Python tells nobody. On Linux the memory is a
private mapping of an anonymous file: a page that was never written to is the file's own, one that
was is a copy, and the kernel says which is which (/proc/self/pagemap, bit 61). A page becomes a
copy by a page fault, so as long as the process has had none there is nothing to look for. Elsewhere
each page counts as written, and is compared with what it was given.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import sys
from typing import Final, TypeVar

from wavetank.sim.ops import BLOCK_SIZE

__all__ = ["MappedMemory", "can_tell_copies", "held", "page_faults"]

_Mapping = TypeVar("_Mapping", bound=mmap.mmap)

_REAL: Final = mmap.mmap
# Taken before the simulation puts its own functions in their place.
_CLOSE: Final = os.close
_CREATE: Final = getattr(os, "memfd_create", None)
_OPEN: Final = os.open
_PREAD: Final = os.pread
_PWRITE: Final = os.pwrite
_PAGE: Final = mmap.PAGESIZE
_ANONYMOUS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_ENTRY_BYTES: Final = 8
_TOP_BYTE: Final = 7 if sys.byteorder == "little" else 0
_PRESENT, _SWAPPED, _FILE = 0x80, 0x40, 0x20
# By the highest byte of an entry: whether the page is a copy that this process alone has.
_IS_COPY: Final = bytes(bool(top & (_PRESENT | _SWAPPED) and not top & _FILE) for top in range(256))


def page_faults() -> int:
    """Return how many page faults this process has had."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def can_tell_copies() -> bool:
    """Whether this machine says which pages of a private mapping were written to."""
    if _CREATE is None:
        return False
    memory = MappedMemory(2 * _PAGE, tells=True)
    content = memory.map(_REAL)
    before = page_faults()
    content[_PAGE] = 1
    try:
        return page_faults() > before and memory.written(content) == [_PAGE]
    except OSError:
        return False


def held(mapping: mmap.mmap, start: int) -> bytes:
    """Return the block that a mapping holds at `start`."""
    block: bytes = _REAL.__getitem__(mapping, slice(start, start + BLOCK_SIZE))
    return block


class MappedMemory:
    """What a mapping was last given, next to what it holds now.

    Args:
        length: in bytes.
        tells: whether the machine tells which pages were written to.
    """

    __slots__ = ("_address", "_copies", "_descriptor", "_faults", "_given", "_tells")

    def __init__(self, length: int, *, tells: bool) -> None:
        self._tells = tells
        self._descriptor = -1
        if tells:
            assert _CREATE is not None
            self._descriptor = _CREATE("wavetank")
            _PWRITE(self._descriptor, b"\0", length - 1)
            self._given = _REAL(self._descriptor, length)
        else:
            self._given = _REAL(-1, length, flags=_ANONYMOUS)
        self._address = 0
        # Pages that may differ from what was given, and the page faults when that was found out.
        self._copies: set[int] = set()
        self._faults = -1

    def map(self, kind: type[_Mapping]) -> _Mapping:
        """Return a mapping of this memory, which is all zeros; once only."""
        flags = mmap.MAP_PRIVATE if self._tells else _ANONYMOUS
        made = kind(self._descriptor, len(self._given), flags=flags)
        if self._tells:
            _CLOSE(self._descriptor)
        self._moved(made)
        return made

    def written(self, mapping: mmap.mmap, *, faults: int | None = None) -> list[int]:
        """Return the first byte of each block that differs from what was given, ascending.

        Args:
            mapping: of this memory.
            faults: page faults of this process so far.
        """
        known = page_faults() if faults is None else faults
        if self._tells and known != self._faults:
            self._copies = self._find_copies()
            self._faults = known
        return self.differing(mapping, sorted(self._copies)) if self._copies else []

    def differing(self, mapping: mmap.mmap, pages: list[int]) -> list[int]:
        """Return the first byte of each block of some pages that differs from what was given."""
        length = len(self._given)
        starts = (
            start
            for page in pages
            for start in range(page * _PAGE, min((page + 1) * _PAGE, length), BLOCK_SIZE)
        )
        return [start for start in starts if self.given(start) != held(mapping, start)]

    def pages(self, first: int, end: int) -> list[int]:
        """Return the pages of a range of bytes, and take them for written."""
        pages = list(range(first // _PAGE, -(-end // _PAGE)))
        self._copies.update(pages)
        return pages

    def given(self, start: int) -> bytes:
        """Return the block that was last given at `start`."""
        return self._given[start : start + BLOCK_SIZE]

    def accept(self, start: int, content: bytes) -> None:
        """Take what the mapping holds for given."""
        self._given[start : start + len(content)] = content

    def give(self, mapping: mmap.mmap, start: int, content: bytes, *, over_copies: bool) -> None:
        """Let the mapping show other bytes.

        Args:
            mapping: of this memory.
            start: the first of them.
            content: the bytes.
            over_copies: whether also on pages that were written to.
        """
        self._given[start : start + len(content)] = content
        end = start + len(content)
        if not over_copies:
            return
        for page in range(start // _PAGE, -(-end // _PAGE)):
            if page in self._copies:
                first, last = max(start, page * _PAGE), min(end, (page + 1) * _PAGE)
                piece = content[first - start : last - start]
                _REAL.__setitem__(mapping, slice(first, last), piece)

    def forget_copies(self, mapping: mmap.mmap) -> None:
        """Give pages that equal what was given back to the file; nobody may write meanwhile."""
        if self._tells:
            for page in self._copies:
                mapping.madvise(mmap.MADV_DONTNEED, page * _PAGE, _PAGE)
            self._copies = set()

    def resize(self, mapping: mmap.mmap, length: int) -> None:
        """Let it be longer, by zeros, or shorter."""
        _REAL.resize(mapping, length)
        self._given.resize(length)
        self._moved(mapping)

    def close(self) -> None:
        """Give the memory back, once no mapping of it is left."""
        self._given.close()

    def _moved(self, mapping: mmap.mmap) -> None:
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        self._faults = -1
        pages = -(-len(self._given) // _PAGE)
        self._copies = set() if self._tells else set(range(pages))

    def _find_copies(self) -> set[int]:
        pages = -(-len(self._given) // _PAGE)
        descriptor = _OPEN("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        try:
            first = self._address // _PAGE * _ENTRY_BYTES
            entries = _PREAD(descriptor, pages * _ENTRY_BYTES, first)
        finally:
            _CLOSE(descriptor)
        flags = entries[_TOP_BYTE::_ENTRY_BYTES].translate(_IS_COPY)
        copies: set[int] = set()
        page = flags.find(1)
        while page >= 0:
            copies.add(page)
            page = flags.find(1, page + 1)
        return copies
