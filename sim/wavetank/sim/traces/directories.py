"""A real directory as the start of a simulated disk, and held against the end of one."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping

from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import (
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
)
from wavetank.sim.traces.rebuilt import is_rebuilt
from wavetank.sim.traces.trace import TraceError

__all__ = ["difference", "directory_image"]


def directory_image(directory: str, *, rebuilt: Collection[str] | None = ()) -> DiskImage:
    """Return a disk that holds a real directory under its own name.

    Args:
        directory: its path.
        rebuilt: patterns of names of files that are not taken, beside those that are always made
            anew (lock.mdb, SQLite's -shm); None to take all.

    Raises:
        TraceError: there is something in it that is no file, directory or symbolic link.
    """
    nodes: dict[int, Node] = {}
    inodes: dict[tuple[int, int], int] = {}
    name = os.path.basename(os.path.realpath(directory))

    def take(path: str, shown: str) -> int:
        status = os.lstat(path)
        known = inodes.get((status.st_dev, status.st_ino))
        if known is not None:
            return known
        inode = ROOT_INODE + 1 + len(inodes)
        inodes[status.st_dev, status.st_ino] = inode
        if stat.S_ISDIR(status.st_mode):
            entries: dict[str, int] = {}
            for each in sorted(_names(path, rebuilt)):
                entries[each] = take(os.path.join(path, each), f"{shown}/{each}")
            nodes[inode] = DirectoryContent(entries)
        elif stat.S_ISLNK(status.st_mode):
            nodes[inode] = LinkContent(os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            nodes[inode] = FileContent.of(_content(path))
        else:
            raise TraceError(
                f"directory: expected files, directories and symbolic links but {path!r} is none"
            )
        return inode

    top = take(os.path.realpath(directory), f"/{name}")
    nodes[ROOT_INODE] = DirectoryContent({name: top})
    return DiskImage(nodes, next_inode=ROOT_INODE + 1 + len(inodes))


def difference(disk: SimDisk, directory: str, *, rebuilt: Collection[str] = ()) -> str:
    """Return where a disk first differs from a real directory, in words; "" if nowhere.

    Args:
        disk: the disk, with the directory under its own name.
        directory: its path.
        rebuilt: patterns of names of files that are not compared.
    """
    real = os.path.realpath(directory)
    name = os.path.basename(real)
    entries = disk.entries(ROOT_INODE)
    assert entries is not None
    links: dict[int, tuple[int, int]] = {}
    return _differ(disk, entries[name], real, f"/{name}", rebuilt, links)


def _differ(  # noqa: PLR0917 - two things, their names, and what is known
    disk: SimDisk,
    inode: int,
    path: str,
    shown: str,
    rebuilt: Collection[str],
    links: dict[int, tuple[int, int]],
) -> str:
    status = os.lstat(path)
    identity = (status.st_dev, status.st_ino)
    if links.setdefault(inode, identity) != identity:
        return f"{shown!r}: expected another name of one file but it is another file"
    entries, target = disk.entries(inode), disk.link_target(inode)
    kind = "a directory" if entries is not None else "a file" if target is None else "a link"
    if kind != _kind(status.st_mode):
        return f"{shown!r}: expected {kind} but it is {_kind(status.st_mode)}"
    if target is not None:
        real = os.readlink(path)
        return (
            "" if target == real else f"{shown!r}: expected a link to {target!r} but got {real!r}"
        )
    if entries is None:
        return _differ_in_content(disk, inode, path, shown)
    return _differ_in_names(disk, entries, path, shown, rebuilt, links)


def _differ_in_names(  # noqa: PLR0917 - as above
    disk: SimDisk,
    entries: Mapping[str, int],
    path: str,
    shown: str,
    rebuilt: Collection[str],
    links: dict[int, tuple[int, int]],
) -> str:
    there = _names(path, rebuilt)
    for each in sorted(there | set(entries)):
        below = f"{shown}/{each}"
        if each not in there:
            return f"{below!r}: expected it but it is not there"
        if each not in entries:
            return f"{below!r}: expected nothing but it is there"
        found = _differ(disk, entries[each], os.path.join(path, each), below, rebuilt, links)
        if found:
            return found
    return ""


def _differ_in_content(disk: SimDisk, inode: int, path: str, shown: str) -> str:
    expected, found = disk.read(inode, 0, disk.size(inode)), _content(path)
    if len(expected) != len(found):
        return f"{shown!r}: expected {len(expected)} bytes but there are {len(found)}"
    if expected == found:
        return ""
    low, high = 0, len(found)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if expected[low:middle] != found[low:middle] else (middle, high)
    want, got = expected[low : low + 16], found[low : low + 16]
    return f"{shown!r}, offset {low}: expected {want.hex(' ')} but there is {got.hex(' ')}"


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 24):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a file" if stat.S_ISREG(mode) else "a link" if stat.S_ISLNK(mode) else "no file"


def _names(path: str, rebuilt: Collection[str] | None) -> set[str]:
    """Return the names in a directory that count."""
    names = os.listdir(path)
    return {
        each
        for each in names
        if not _is_special(os.path.join(path, each))
        and (
            rebuilt is None
            or os.path.isdir(os.path.join(path, each))
            or not is_rebuilt(each, names, rebuilt)
        )
    }


def _is_special(path: str) -> bool:
    mode = os.lstat(path).st_mode
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)
