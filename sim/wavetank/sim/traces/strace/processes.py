"""The traced processes: descriptors, working directories and shared mappings, as forks share them.

Kept are descriptors of files in the directory, those that acknowledge, and those of files outside,
from which the kernel may copy.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import define, field

from wavetank.sim.ops import SyncKind

__all__ = ["Descriptors", "Location", "Mappings", "OpenFile", "Process", "WorkingDirectory"]

Location: TypeAlias = int | bytes
"""A directory: an inode of the simulated disk, or a real path outside."""


@define(eq=False, kw_only=True)
class OpenFile:
    """What descriptors stand for; those made by dup and fork share it.

    Attributes:
        inode: the file or directory; None for one that is not on the simulated disk.
        path: its name on the simulated disk when it was opened.
        offset: where the next read or write begins, in bytes.
        writes: whether it was opened for writing.
        appends: whether writes go to the end (O_APPEND).
        sync: which sync follows each write (O_DSYNC, O_SYNC); None for none.
        acknowledges: whether the lines written to it are acknowledgements.
        is_outside: whether it is a file outside of the directory, of which only `offset` counts.
    """

    inode: int | None
    path: str = ""
    offset: int = 0
    writes: bool = True
    appends: bool = False
    sync: SyncKind | None = None
    acknowledges: bool = False
    is_outside: bool = False


@define(eq=False)
class Descriptors:
    """A table of descriptors, shared by the threads of a process.

    Attributes:
        files: open files by number.
        closing: numbers that an exec closes.
    """

    files: dict[int, OpenFile] = field(factory=dict)
    closing: set[int] = field(factory=set)

    def copy(self) -> Descriptors:
        """Return an equal table of the same open files."""
        return Descriptors(dict(self.files), set(self.closing))

    def put(self, number: int, file: OpenFile | None, *, closes: bool) -> None:
        """Let a number stand for an open file; for None, for something of no account."""
        self.drop(number)
        if file is not None:
            self.files[number] = file
            if closes:
                self.closing.add(number)

    def drop(self, number: int) -> None:
        """Let a number stand for nothing."""
        self.files.pop(number, None)
        self.closing.discard(number)

    def after_exec(self) -> Descriptors:
        """Return the table that an exec leaves."""
        return Descriptors(
            {number: file for number, file in self.files.items() if number not in self.closing}
        )


@define(eq=False)
class WorkingDirectory:
    """A working directory, shared by the threads of a process; None if nobody knows it yet."""

    location: Location | None


@define(eq=False)
class Mappings:
    """The shared mappings of files of the directory in one address space.

    Attributes:
        ranges: first address, first address behind, and the file, of each.
    """

    ranges: list[tuple[int, int, OpenFile]] = field(factory=list)

    def copy(self) -> Mappings:
        """Return equal mappings of another address space."""
        return Mappings(list(self.ranges))

    def add(self, start: int, length: int, file: OpenFile) -> None:
        """Map a file."""
        self.ranges.append((start, start + length, file))

    def remove(self, start: int, length: int) -> list[OpenFile]:
        """Unmap a range, and return the files that were mapped there."""
        end, kept, found = start + length, list[tuple[int, int, OpenFile]](), list[OpenFile]()
        for first, last, file in self.ranges:
            if end <= first or last <= start:
                kept.append((first, last, file))
                continue
            found.append(file)
            kept += [(first, start, file)] if first < start else []
            kept += [(end, last, file)] if end < last else []
        self.ranges = kept
        return found

    def within(self, start: int, length: int) -> list[OpenFile]:
        """Return the files that are mapped somewhere in a range."""
        return [
            file for first, last, file in self.ranges if first < start + length and start < last
        ]


@define(eq=False)
class Process:
    """A thread, with what it may share with others.

    Attributes:
        pid: its number.
        descriptors: its table.
        cwd: its working directory.
        mappings: of its address space.
    """

    pid: int
    descriptors: Descriptors = field(factory=Descriptors)
    cwd: WorkingDirectory = field(factory=lambda: WorkingDirectory(None))
    mappings: Mappings = field(factory=Mappings)

    def fork(self, pid: int, flags: frozenset[str]) -> Process:
        """Return a child, which shares what the flags of clone say."""
        return Process(
            pid,
            self.descriptors if "CLONE_FILES" in flags else self.descriptors.copy(),
            self.cwd if "CLONE_FS" in flags else WorkingDirectory(self.cwd.location),
            self.mappings if "CLONE_VM" in flags else self.mappings.copy(),
        )

    def exec(self) -> None:
        """Run another program."""
        self.descriptors = self.descriptors.after_exec()
        self.mappings = Mappings()
