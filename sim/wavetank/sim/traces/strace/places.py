"""From a path of a traced process to a place: on the simulated disk, or outside of the directory.

Paths are walked as the kernel does, across the border of the directory in both ways: relative to
descriptors, through symbolic links, and through the links of /proc to open files.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import ROOT_INODE
from wavetank.sim.traces.strace.processes import Location, Process

__all__ = ["ConflictError", "Inside", "Links", "Outside", "Place", "Places", "to_name"]

Links: TypeAlias = Callable[[bytes], "bytes | None"]
"""Tells where a real symbolic link outside of the directory points; None for anything else."""

_MOST_LINKS: Final = 40
_NO_STEP: Final = (b"", b".")
_PROC_FD: Final = re.compile(rb"/(?:proc/(?:self|thread-self|\d+)(?:/task/\d+)?/fd|dev/fd)/(\d+)")
_PROC_CWD: Final = re.compile(rb"/proc/(?:self|thread-self|\d+)(?:/task/\d+)?/cwd")


class ConflictError(Exception):
    """The simulated disk is not as the call found the real one."""


@frozen
class Inside:
    """A name on the simulated disk.

    Attributes:
        directory: inode of the directory that it is in.
        name: the name; "" for the directory itself, or for an open file.
        inode: what it stands for; None if it is not there.
        path: for people.
    """

    directory: int
    name: str
    inode: int | None
    path: str


@frozen
class Outside:
    """A path outside of the directory, without links before its last name."""

    path: bytes


Place: TypeAlias = Inside | Outside


def to_name(name: bytes) -> str:
    """Return a name as the simulated disk has it."""
    return name.decode("utf-8", "surrogateescape")


class Places:
    """Where paths lead.

    Args:
        disk: the simulated disk.
        root: the real path of the directory, without links.
        links: tells of links outside.

    Attributes:
        root_inode: what the directory is on the disk.
        parents: for each directory below it, the one that it is in, and its name there.
    """

    def __init__(self, disk: SimDisk, root: bytes, links: Links) -> None:
        self._disk = disk
        self._root = root
        self._links = links
        name = to_name(root.rpartition(b"/")[2])
        entries = disk.entries(ROOT_INODE)
        assert entries is not None
        self.root_inode = entries[name]
        self._root_path = f"/{name}"
        self.parents: dict[int, tuple[int, str]] = {}
        self._note(self.root_inode)

    def _note(self, inode: int) -> None:
        """Note the directories that are there at the start."""
        for name, below in (self._disk.entries(inode) or {}).items():
            if self._disk.entries(below) is not None:
                self.parents[below] = (inode, name)
                self._note(below)

    def path_of(self, directory: int, name: str = "") -> str:
        """Return the path of a name on the simulated disk."""
        parts = [name] if name else []
        while directory != self.root_inode:
            directory, above = self.parents[directory]
            parts.append(above)
        return "/".join([self._root_path, *reversed(parts)])

    def walk(self, process: Process, base: Location, path: bytes, *, follow: bool) -> Place:
        """Return where a path leads.

        Args:
            process: whose descriptors /proc shows.
            base: where a relative path begins.
            path: the path.
            follow: whether a link at its end is followed.

        Raises:
            ConflictError: a directory on the way is not there.
        """
        here: Location = b"" if path.startswith(b"/") else base
        ahead = deque(name for name in path.split(b"/") if name not in _NO_STEP)
        follow = follow or path.endswith((b"/", b"/."))
        links = 0
        while ahead:
            name = ahead.popleft()
            if name == b"..":
                here = self._above(here)
                continue
            follows = follow or bool(ahead)
            if isinstance(here, bytes):
                step = self._outer_step(process, here + b"/" + name, follows=follows)
            else:
                step = self._inner_step(here, to_name(name), follows=follows, is_last=not ahead)
            if isinstance(step, Inside):
                if not ahead:
                    return step
                assert step.inode is not None
                here = step.inode
            elif isinstance(step, Outside):
                here = step.path
            else:
                links += 1
                if links > _MOST_LINKS:
                    raise ConflictError(f"{to_name(path)!r} leads through too many links")
                here = b"" if step.startswith(b"/") else here
                parts = [part for part in step.split(b"/") if part not in _NO_STEP]
                ahead.extendleft(reversed(parts))
        if isinstance(here, bytes):
            return Outside(here or b"/")
        return Inside(here, "", here, self.path_of(here))

    def _outer_step(self, process: Process, path: bytes, *, follows: bool) -> Place | bytes:
        """Return what is at a path outside, or where a link there points."""
        if path == self._root:
            return Inside(self.root_inode, "", self.root_inode, self._root_path)
        if not follows:
            return Outside(path)
        if found := _PROC_FD.fullmatch(path):
            file = process.descriptors.files.get(int(found[1]))
            if file is not None and file.inode is not None:
                return Inside(file.inode, "", file.inode, file.path)
        if _PROC_CWD.fullmatch(path):
            location = process.cwd.location
            if isinstance(location, int):
                return Inside(location, "", location, self.path_of(location))
        link = self._links(path)
        return Outside(path) if link is None else link

    def _inner_step(
        self, directory: int, name: str, *, follows: bool, is_last: bool
    ) -> Inside | bytes:
        """Return what has a name on the disk, or where a link of that name points."""
        path = self.path_of(directory, name)
        entries = self._disk.entries(directory)
        if entries is None:
            raise ConflictError(f"{path!r} would be in what is no directory")
        inode = entries.get(name)
        if inode is None:
            if not is_last:
                raise ConflictError(f"{path!r} is not there")
            return Inside(directory, name, None, path)
        target = self._disk.link_target(inode) if follows else None
        if target is None:
            return Inside(directory, name, inode, path)
        return target.encode("utf-8", "surrogateescape")

    def _above(self, location: Location) -> Location:
        if isinstance(location, bytes):
            return location.rpartition(b"/")[0]
        if location == self.root_inode:
            return self._root.rpartition(b"/")[0]
        return self.parents[location][0]
