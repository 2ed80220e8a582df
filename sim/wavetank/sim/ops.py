"""What a program did to a disk, as values: micro-ops, syncs, marks, and the log of them.

The op log is the spine of the product. Whatever recorded it (the simulated filesystem, other
people's code, a trace of a foreign program), crash images, explanations and reports are made from
it alone. It is independent of any profile: what may be lost is the profile's business.

Left out: what a micro-op's bytes mean, which of them may be lost (profiles/profile.py,
crashes/pending.py), and why a sync failed (disk/fsync_failure.py).

Source: the split of system calls into micro-ops follows Pillai et al., OSDI'14 (ALICE).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Final, TypeAlias

from attrs import field, frozen

from wavetank.sim.attributes import Attributes

__all__ = [
    "BLOCK_SIZE",
    "Attribute",
    "CallSite",
    "Data",
    "Dirent",
    "Mark",
    "MicroOp",
    "OpLog",
    "Record",
    "Size",
    "Sync",
    "SyncKind",
]

BLOCK_SIZE: Final = 4096
"""Bytes in a block, the unit in which a write reaches the disk (tearing aside)."""


@frozen(kw_only=True)
class Dirent:
    """A name now stands for an inode, or for nothing.

    Attributes:
        number: position among the micro-ops of its log.
        call: the system call it belongs to; the ops of one call share it.
        directory: inode of the directory.
        name: the entry.
        inode: what the entry stands for from now on; None removes it.
        subject: the inode that the call was about: made, linked, removed or moved.
        replaces: whether it is the arriving half of a rename over an existing name.
        is_directory: whether `inode` is a directory.
        joins_next: whether it and the next op form one rename (atomic where the profile says so).
        symlink_target: where `inode` points, if it is a symbolic link.
        path: the full path, for people.
        site: where in a program it was made (call_sites.py); "" if nobody knows. Two ops that
            differ in nothing else are equal, and it is in no digest.
        made: the attributes that the inode was made with; None where nobody keeps any.
        modified_ns: when the directory was changed by it; None where nobody keeps times.
    """

    number: int
    call: int
    directory: int
    name: str
    inode: int | None
    subject: int
    replaces: bool = False
    is_directory: bool = False
    joins_next: bool = False
    symlink_target: str | None = None
    path: str = ""
    site: str = field(default="", eq=False, repr=False)
    made: Attributes | None = field(default=None, repr=False)
    modified_ns: int | None = field(default=None, repr=False)

    @property
    def target(self) -> tuple[str, int, str]:
        """What it overwrites; two ops on one target never swap on any filesystem."""
        return ("dirent", self.directory, self.name)


@frozen(kw_only=True)
class Data:
    """Bytes within one block of a file.

    Attributes:
        number: position among the micro-ops of its log.
        call: the system call it belongs to.
        inode: the file.
        block: which block of the file.
        start: first byte, counted from the start of the block.
        content: the bytes; they never leave the block.
        extends: whether this block's write grows the file (a `Size` op follows).
        tail_block: whether it grows a block that was partly filled before.
        joins_next: whether the next op is the `Size` that publishes these bytes.
        write_bytes: length of the whole write that it is a part of; 0 if it is none.
        continues: whether that write has more blocks to come.
        path: the name under which the file was opened, for people.
        site: where in a program it was made (call_sites.py); "" if nobody knows. Two ops that
            differ in nothing else are equal, and it is in no digest.
        modified_ns: when the file was changed by it; None where nobody keeps times.
    """

    number: int
    call: int
    inode: int
    block: int
    start: int
    content: bytes
    extends: bool = False
    tail_block: bool = False
    joins_next: bool = False
    write_bytes: int = 0
    continues: bool = False
    path: str = ""
    site: str = field(default="", eq=False, repr=False)
    modified_ns: int | None = field(default=None, repr=False)

    @property
    def target(self) -> tuple[str, int, int]:
        """What it overwrites."""
        return ("data", self.inode, self.block)


@frozen(kw_only=True)
class Size:
    """A file's length in bytes. Content beyond it stays on the medium.

    Attributes:
        number: position among the micro-ops of its log.
        call: the system call it belongs to.
        inode: the file.
        size: bytes from now on.
        extends: whether it publishes the data op just before it.
        path: the name under which the file was opened, for people.
        site: where in a program it was made (call_sites.py); "" if nobody knows. Two ops that
            differ in nothing else are equal, and it is in no digest.
        modified_ns: when the file was changed by it; None where nobody keeps times.
    """

    number: int
    call: int
    inode: int
    size: int
    extends: bool = False
    path: str = ""
    site: str = field(default="", eq=False, repr=False)
    modified_ns: int | None = field(default=None, repr=False)

    @property
    def target(self) -> tuple[str, int]:
        """What it overwrites."""
        return ("size", self.inode)


@frozen(kw_only=True)
class Attribute:
    """A change of an inode's mode, owner, times or extended attributes.

    Attributes:
        number: position among the micro-ops of its log.
        call: the system call it belongs to.
        inode: the file, directory or link.
        change: what is set from now on.
        path: its name, for people.
        site: as for `Dirent`.
    """

    number: int
    call: int
    inode: int
    change: Attributes
    path: str = ""
    site: str = field(default="", eq=False, repr=False)

    @property
    def target(self) -> tuple[str, int]:
        """What it overwrites."""
        return ("attributes", self.inode)


MicroOp: TypeAlias = Dirent | Data | Size | Attribute
"""The smallest change that reaches the disk whole or not at all (tearing aside)."""


class SyncKind(Enum):
    """Which system call asked for durability."""

    FILE = "fsync"
    DATA = "fdatasync"
    DIRECTORY = "fsync_dir"
    EVERYTHING = "sync"
    FULL = "F_FULLFSYNC"


@frozen(kw_only=True)
class Sync:
    """A completed request for durability; what it covers is the profile's business.

    Attributes:
        kind: which call.
        call: position of the call.
        inode: the file or directory it named; 0 for `SyncKind.EVERYTHING`.
        path: its name, for people.
        failed: whether it returned an error; then it covers nothing.
        dropped: numbers of the ops that from now on can never reach the disk: their write failed,
            and the cache takes their pages for clean. It may say so and yet not have `failed`.
    """

    kind: SyncKind
    call: int
    inode: int
    path: str = ""
    failed: bool = False
    dropped: tuple[int, ...] = ()


@frozen
class Mark:
    """Something visible outside the machine, such as an acknowledgement; it costs nothing.

    Attributes:
        word: what was said.
    """

    word: str


Record: TypeAlias = Dirent | Data | Size | Attribute | Sync | Mark


@frozen
class CallSite:
    """Which call changed the disk, and which line of whose code made it.

    Attributes:
        position: length of the op log after the call.
        call: its name, such as ``os.replace``.
        place: file name and line; "" if nobody knows.
        number: of the call among all that a recorder saw, from 1; 0 where nobody counts them.
        of: what is counted so, such as "the recovery"; "" for the program itself.
    """

    position: int
    call: str
    place: str
    number: int = 0
    of: str = ""

    def __str__(self) -> str:
        at = f" at {self.place}" if self.place else ""
        of = f" of {self.of}" if self.of else ""
        return f"{self.call}{at}" + (f", system call {self.number}{of}" if self.number else of)


class OpLog:
    """Everything a program did to a disk, in order; grows at its end and forks cheaply.

    >>> log = OpLog()
    >>> log.append(Mark("ok"))
    >>> fork = log.fork()
    >>> log.append(Mark("later"))
    >>> [len(log), len(fork)]
    [2, 1]
    """

    __slots__ = ("_forked", "_records")

    def __init__(self) -> None:
        self._forked: tuple[tuple[list[Record], int], ...] = ()
        self._records: list[Record] = []

    def append(self, record: Record) -> None:
        """Add a record at the end."""
        self._records.append(record)

    def fork(self) -> OpLog:
        """Return a log with the same past and a future of its own, without copying the past."""
        twin = OpLog()
        twin._forked = self._forked
        if self._records:
            twin._forked = (*self._forked, (self._records, len(self._records)))
        return twin

    def since(self, position: int) -> Sequence[Record]:
        """Return the records behind the first `position`.

        Args:
            position: from 0 to the length of the log.
        """
        before = len(self) - len(self._records)
        if position >= before:
            return self._records[position - before :]
        return list(islice(self, position, None))

    def __len__(self) -> int:
        return sum([length for _, length in self._forked]) + len(self._records)

    def __iter__(self) -> Iterator[Record]:
        for records, length in self._forked:
            for position in range(length):
                yield records[position]
        yield from self._records
