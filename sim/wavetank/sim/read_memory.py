"""What came of disks, remembered by what was looked at on them.

A deterministic program that finds the same wherever it looks does the same, whatever else is on
the disk. A `ReadMemory` is told what a program looked at on a disk (read_trace.py) and what came of
it; for another disk it then says what will come of that, without running the program, if all those
places are equal there. Left out: the program, and what becomes of the rest of the disk.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeAlias, TypeVar

from attrs import define, frozen

from wavetank.sim.image import DirectoryContent, DiskImage, FileContent, LinkContent
from wavetank.sim.read_trace import Cell

__all__ = ["ReadMemory"]

_T = TypeVar("_T")
_Found: TypeAlias = tuple[Hashable, ...]
_Start: TypeAlias = tuple[int, int]


@frozen
class _End(Generic[_T]):
    """The program looked at nothing more."""

    outcome: _T


@define(eq=False)
class _Fork(Generic[_T]):
    """Places that are looked at in this order, and how it goes on with what is found there."""

    cells: tuple[Cell, ...]
    ways: dict[_Found, _Fork[_T] | _End[_T]]

    def split(self, length: int) -> None:
        """Go on from here after `length` places already."""
        fronts: dict[_Found, dict[_Found, _Fork[_T] | _End[_T]]] = {}
        for found, way in self.ways.items():
            fronts.setdefault(found[:length], {})[found[length:]] = way
        rest = self.cells[length:]
        self.cells = self.cells[:length]
        self.ways = {front: _Fork(rest, ways) for front, ways in fronts.items()}


class ReadMemory(Generic[_T]):
    """What came of one deterministic program on disks, by what it looked at.

    >>> one = DiskImage({1: DirectoryContent({"f": 2}), 2: FileContent(1, (b"x",))}, next_inode=3)
    >>> other = one.derive({2: FileContent(5, (b"other",))})
    >>> memory: ReadMemory[str] = ReadMemory()
    >>> memory.remember(one, (("names", 1),), "f is there")
    >>> memory.recall(other)  # the program never looked into f
    'f is there'
    >>> memory.recall(one.derive({1: DirectoryContent({})})) is None
    True
    """

    __slots__ = ("_found", "_starts")

    def __init__(self) -> None:
        self._starts: dict[_Start, _Fork[_T]] = {}
        # Much the same is found on many disks: every equal name, size and block is kept once.
        self._found: dict[Hashable, Hashable] = {}

    def recall(self, image: DiskImage, *, first: int = 0) -> _T | None:
        """Return what comes of the program on a disk, None if it has to be tried.

        Args:
            image: the disk.
            first: a number that the program depends on besides, such as where its log begins.
        """
        point: _Fork[_T] | _End[_T] | None = self._starts.get((first, image.next_inode))
        while isinstance(point, _Fork):
            point = point.ways.get(_look(image, point.cells))
        return None if point is None else point.outcome

    def remember(
        self, image: DiskImage, cells: tuple[Cell, ...], outcome: _T, *, first: int = 0
    ) -> None:
        """Remember what came of the program on a disk.

        Args:
            image: the disk as the program found it.
            cells: all that it looked at, in the order of its first looks.
            outcome: what came of it.
            first: as for `recall`.
        """
        keep = self._found.setdefault
        found = tuple([keep(each, each) for each in _look(image, cells)])
        start = (first, image.next_inode)
        fork = self._starts.get(start)
        if fork is None:
            self._starts[start] = _Fork(cells, {found: _End(outcome)})
            return
        begin = 0
        # A program that has found nothing else so far looks at the same place next.
        while length := _common(fork.cells, cells[begin:]):
            if length < len(fork.cells):
                fork.split(length)
            end = begin + length
            way = fork.ways.get(found[begin:end])
            if way is None:
                last = _End(outcome)
                rest = _Fork(cells[end:], {found[end:]: last}) if end < len(cells) else last
                fork.ways[found[begin:end]] = rest
            if not isinstance(way, _Fork):
                return
            fork, begin = way, end


def _common(one: tuple[Cell, ...], other: tuple[Cell, ...]) -> int:
    """Return with how many equal places two rows begin."""
    for length, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return length
    return min(len(one), len(other))


def _look(image: DiskImage, cells: tuple[Cell, ...]) -> _Found:
    """Return what is found at each place; no two things that differ are found alike."""
    found: list[Hashable] = []
    inode, node = 0, None
    for cell in cells:
        if cell[1] != inode:  # places of one inode mostly follow one another
            inode = cell[1]
            node = image.node(inode)
        if cell[0] == "attributes":
            found.append(None if node is None else node.attributes)
        elif type(node) is FileContent and cell[0] != "names":
            if len(cell) == 2:  # noqa: PLR2004 - a size, by kind and inode
                found.append(node.size)
            else:
                found.append(node.blocks[cell[2]] if cell[2] < len(node.blocks) else b"")
        elif cell[0] == "names":
            found.append(node.listing if type(node) is DirectoryContent else None)
        elif type(node) is LinkContent:
            found.append(("link", node.target))
        else:
            found.append(None if node is None else ("directory",))
    return tuple(found)
