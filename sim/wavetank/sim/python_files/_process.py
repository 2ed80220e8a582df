"""One process on a simulated disk: its descriptors, working directory, locks and clock.

Descriptors begin at 1 << 30, so that one that gets past the simulation is no file of the machine.
Several may share one `OpenFile` (dup), as on Linux. Left out: the calls themselves
(descriptor_calls.py, name_calls.py).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Final

from wavetank.engine import OpenFlag
from wavetank.sim.attributes import AttributeKind, Attributes
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.disk.sim_file import SimFile
from wavetank.sim.image import ROOT_INODE
from wavetank.sim.python_files._clock import VirtualClock
from wavetank.sim.python_files._limit import OutOfSteps
from wavetank.sim.python_files.calls.status import Status, StatusFields

__all__ = ["FIRST_DESCRIPTOR", "OpenFile", "Process"]

FIRST_DESCRIPTOR: Final = 1 << 30


class OpenFile:
    """What descriptors stand for: a file or directory, how it was opened, and where it stands.

    Attributes:
        inode: which.
        path: the name it was opened under.
        flags: as given to `os.open`.
        file: what reads and writes it; None for a directory.
        position: in bytes.
        references: descriptors that share it.
    """

    __slots__ = ("file", "flags", "inode", "path", "position", "references")

    def __init__(self, inode: int, path: str, flags: int, file: SimFile | None) -> None:
        self.inode = inode
        self.path = path
        self.flags = flags
        self.file = file
        self.position = 0
        self.references = 0

    @property
    def reads(self) -> bool:
        """Whether it was opened for reading."""
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def writes(self) -> bool:
        """Whether it was opened for writing."""
        return self.flags & os.O_ACCMODE != os.O_RDONLY


class Process:
    """The state of one process; it is gone when another takes its place.

    Args:
        disk: the machine's disk.
        cwd: the working directory.
        clock: what tells the time.
        pid: its number.
        max_calls: simulated calls after which each further one raises `OutOfSteps`; None for no
            limit.

    Attributes:
        disk: the same.
        cwd: the same; it changes with chdir.
        clock: the same.
        pid: the same.
        calls: simulated calls that it has made.
        umask: bits that new files do not get.
        locks: who holds flock on an inode: open files, and whether they share it.
        lock_waiters: called when a flock is given back.
        is_gone: whether it has ended; its file objects do nothing from then on.
        tells_looks: whether its looks at attributes decide which disks are told apart.
    """

    def __init__(
        self,
        disk: SimDisk,
        cwd: str,
        clock: VirtualClock,
        pid: int,
        *,
        max_calls: int | None = None,
    ) -> None:
        self.disk = disk
        self.pid = pid
        self.calls = 0
        self._max_calls = max_calls
        self.cwd = cwd
        self.clock = clock
        self.umask = 0o022
        self.locks: dict[int, tuple[list[OpenFile], bool]] = {}
        self.lock_waiters: list[Callable[[], None]] = []
        self.is_gone = False
        self.tells_looks = True
        self._descriptors: dict[int, OpenFile] = {}
        self._inheritable: set[int] = set()
        self._next = FIRST_DESCRIPTOR
        disk.keep_times(lambda: clock.now_ns)
        self._links: dict[int, int] = {}
        self._links_at = -1

    def count_call(self) -> None:
        """Count a simulated call.

        Raises:
            OutOfSteps: it is one too many.
        """
        self.calls += 1
        if self._max_calls is not None and self.calls > self._max_calls:
            raise OutOfSteps

    def open(self, inode: int, path: str, flags: int) -> int:
        """Return a new descriptor of an inode."""
        file = None
        if self.disk.is_file(inode):
            file = SimFile(self.disk, inode, path, _open_flags(flags))
        return self.install(OpenFile(inode, path, flags, file))

    def install(self, opened: OpenFile, number: int | None = None) -> int:
        """Let a descriptor stand for an open file: a new one, or the given one."""
        if number is None:
            number = self._next
        self._next = max(self._next, number + 1)
        opened.references += 1
        self._descriptors[number] = opened
        return number

    def opened(self, number: int) -> OpenFile:
        """Return what a descriptor stands for; EBADF for none."""
        found = self._descriptors.get(number)
        if found is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return found

    def path_of(self, number: int) -> str | None:
        """Return the name that a descriptor was opened under; None if it is not open."""
        found = self._descriptors.get(number)
        return None if found is None else found.path

    def is_directory(self, number: object) -> bool:
        """Whether a descriptor is of a directory."""
        found = self._descriptors.get(number) if isinstance(number, int) else None
        return found is not None and found.file is None

    def absolute(self, path: str) -> str:
        """Return a path from the root."""
        return os.path.normpath(os.path.join(self.cwd, path))

    def has(self, number: int) -> bool:
        """Whether a descriptor is open."""
        return number in self._descriptors

    def close(self, number: int) -> None:
        """Close a descriptor; the last of an open file gives back its lock."""
        opened = self.opened(number)
        del self._descriptors[number]
        self._inheritable.discard(number)
        opened.references -= 1
        if not opened.references:
            self.unlock(opened)
            if opened.file is not None:
                opened.file.close()

    # Locks that belong to an open file

    def try_lock(self, opened: OpenFile, *, shared: bool) -> bool:
        """Take or change a lock if nobody else's stands against it; else keep what there was."""
        holders, is_shared = self.locks.get(opened.inode, ([], True))
        others = [each for each in holders if each is not opened]
        if others and not (shared and is_shared):
            return False
        self.locks[opened.inode] = ([*others, opened], shared)
        return True

    def unlock(self, opened: OpenFile) -> None:
        """Give a lock back, if there is one."""
        holders, is_shared = self.locks.get(opened.inode, ([], True))
        others = [each for each in holders if each is not opened]
        if others:
            self.locks[opened.inode] = (others, is_shared)
        else:
            self.locks.pop(opened.inode, None)
        for wake in self.lock_waiters:
            wake()

    # What stat shows

    def status(self, inode: int) -> Status:
        """Return what stat says of an inode."""
        size, kind = self._size_and_kind(inode)
        known, start = self.disk.attributes(inode), self.clock.start_ns
        usual = Attributes(
            mode=0o644 if kind == stat.S_IFREG else 0o755,
            owner=(os.getuid(), os.getgid()),
            accessed_ns=start if known.modified_ns is None else known.modified_ns,
            modified_ns=start,
        )
        fields = StatusFields(
            kind=kind,
            inode=inode,
            names=self._names_of(inode),
            size=size,
            attributes=usual.changed_by(known),
        )
        return Status(fields, lambda what: self.look(inode, what))

    def look(self, inode: int, kind: AttributeKind) -> None:
        """Note that the code under test looks at attributes of a kind."""
        if self.tells_looks:
            self.disk.look_at_attributes(inode, kind)

    def made_with(self, mode: int) -> Attributes:
        """Return the attributes of what is made now with these permission bits."""
        now = self.clock.now_ns
        return Attributes(
            mode=mode & ~self.umask & 0o7777,
            owner=(os.getuid(), os.getgid()),
            accessed_ns=now,
            modified_ns=now,
        )

    def set_inheritable(self, number: int, *, inheritable: bool) -> None:
        """Note whether a descriptor would live on in a new program."""
        self.opened(number)
        (self._inheritable.add if inheritable else self._inheritable.discard)(number)

    def is_inheritable(self, number: int) -> bool:
        """Whether a descriptor would live on in a new program."""
        self.opened(number)
        return number in self._inheritable

    def _size_and_kind(self, inode: int) -> tuple[int, int]:
        if self.disk.is_file(inode):
            return self.disk.size(inode), stat.S_IFREG
        target = self.disk.link_target(inode)
        if target is not None:
            return len(os.fsencode(target)), stat.S_IFLNK
        return 4096, stat.S_IFDIR

    def _names_of(self, inode: int) -> int:
        """Return how many names an inode has; a directory has two at least."""
        names = self.disk.entries(inode)
        if names is not None:
            return 2
        if self._links_at != len(self.disk.log):
            self._links = count_names(self.disk)
            self._links_at = len(self.disk.log)
        return self._links.get(inode, 0)


def count_names(disk: SimDisk) -> dict[int, int]:
    """Return how many names each inode has."""
    counts: dict[int, int] = {}
    todo, seen = [ROOT_INODE], {ROOT_INODE}
    while todo:
        for inode in (disk.entries(todo.pop()) or {}).values():
            counts[inode] = counts.get(inode, 0) + 1
            if inode not in seen and disk.entries(inode) is not None:
                seen.add(inode)
                todo.append(inode)
    return counts


def _open_flags(flags: int) -> OpenFlag:
    access = flags & os.O_ACCMODE
    if access == os.O_RDONLY:
        return OpenFlag.READ
    found = OpenFlag.WRITE if access == os.O_WRONLY else OpenFlag.READ | OpenFlag.WRITE
    return found | OpenFlag.APPEND if flags & os.O_APPEND else found
