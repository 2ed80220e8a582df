"""What a program looked at: the parts of a disk that decided how it went on.

A `ReadTrace` is given to a `SimDisk` and notes each size, each block and each directory at the
first look. Two disks that are equal in all that a deterministic program looked at are one disk to
it: with that, crashes/forking.py tries one image for many. Left out: which op wrote what was read
(crashes/forking.py).
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Cell", "ReadTrace"]

Cell: TypeAlias = tuple[str, int] | tuple[str, int, int]
"""``("names", directory)``, ``("size", inode)``, ``("attributes", inode)``, or
``("data", inode, block)``."""


class ReadTrace:
    """The parts of a disk that were looked at, in the order of the first look.

    >>> trace = ReadTrace()
    >>> trace.size(7)
    >>> trace.blocks(7, range(2))
    >>> trace.size(7)
    >>> trace.cells
    (('size', 7), ('data', 7, 0), ('data', 7, 1))
    """

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: dict[Cell, None] = {}

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What was looked at, each once."""
        return tuple(self._cells)

    def names(self, directory: int) -> None:
        """Note that a directory was looked at, and any of the names in it."""
        self._cells[("size", directory)] = None
        self._cells[("names", directory)] = None

    def size(self, inode: int) -> None:
        """Note that the size of a file was looked at, or only whether it is one."""
        # Of a key that is there already, a dict keeps the place.
        self._cells[("size", inode)] = None

    def attributes(self, inode: int) -> None:
        """Note that mode, owner, times or extended attributes were looked at."""
        self._cells[("attributes", inode)] = None

    def blocks(self, inode: int, numbers: range) -> None:
        """Note that blocks of a file were looked at."""
        for number in numbers:
            self._cells[("data", inode, number)] = None
