"""From a path to an inode, as Linux walks: dots, slashes at the end, links, names too long.

A path is walked from the root, whether it begins with a slash or not. There are no permissions.
A crash that splits a rename can leave a directory inside itself. As on Linux, the name that closes
the circle is listed but cannot be looked up: ELOOP.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

from wavetank.sim.disk._errno import fail
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import ROOT_INODE

__all__ = ["Place", "check", "find", "lookup", "walk"]

_MAX_LINKS: Final = 40
_MAX_NAME_BYTES: Final = 255
_MAX_PATH_BYTES: Final = 4095
_SHORT_NAME: Final = _MAX_NAME_BYTES // 4
"""Characters that fit into a name whatever they are."""

_DOTS: Final = frozenset({"", ".", ".."})


class Place(NamedTuple):
    """A name in a directory, where a path ends; the name need not exist.

    Attributes:
        directories: inodes from the root to the directory.
        names: the directory's names and inodes (not to be changed).
        name: the last name of the path; "" if it is the root.
        is_slashed: whether a slash follows it, so that it must be a directory.
    """

    directories: list[int]
    names: dict[str, int]
    name: str
    is_slashed: bool

    @property
    def directory(self) -> int:
        """The directory that the name is in."""
        return self.directories[-1]

    @property
    def is_dots(self) -> bool:
        """Whether the path ends in no name of its own: the root, ``.`` or ``..``."""
        return self.name in _DOTS


def walk(disk: SimDisk, path: str) -> Place:
    """Return where `path` ends, with everything before its last name looked up."""
    above, last, is_slashed = _split(path)
    if last is None:
        _refuse(path)
    directories = [ROOT_INODE]
    names = _descend(disk, directories, above, path, 0)
    return Place(directories, names, last, is_slashed)


def lookup(place: Place, path: str) -> int | None:
    """Return the inode of a name as it stands there, None if there is none.

    ELOOP if the name stands for a directory that contains it.
    """
    directories, names, name, _ = place
    if name in _DOTS:
        is_above = name == ".." and len(directories) > 1
        return directories[-2] if is_above else directories[-1]
    inode = names.get(name)
    if inode is None:
        return _entry(names, name, path)
    if inode in directories:
        fail(errno.ELOOP, path)
    return inode


def find(disk: SimDisk, path: str, *, follow: bool = False) -> int:
    """Return the inode of a path.

    Args:
        disk: where to look.
        path: the path.
        follow: whether it must be a directory, if only through a symbolic link at its end.
    """
    place = walk(disk, path)
    if (follow or place.is_slashed) and place.name:
        _descend(disk, place.directories, (place.name,), path, 0)
        return place.directory
    inode = lookup(place, path)
    if inode is None:
        fail(errno.ENOENT, path)
    return inode


def check(path: str) -> tuple[tuple[str, ...], str, bool]:
    """Refuse what is no path before anything is looked up, all paths of a call alike.

    Returns:
        The names before the last one, the last one, and whether a slash follows it.
    """
    names, last, is_slashed = _split(path)
    if last is None:
        _refuse(path)
    return names, last, is_slashed


def _refuse(path: str) -> NoReturn:
    fail(errno.ENAMETOOLONG if path else errno.ENOENT, path)


@lru_cache(maxsize=1024)
def _split(path: str) -> tuple[tuple[str, ...], str | None, bool]:
    # A store uses few paths, very often. The last name of an empty or too long path is None.
    if "\0" in path:
        raise ValueError(f"path: expected no null character but got {path!r}")
    if not path or _is_longer(path, _MAX_PATH_BYTES):
        return (), None, False
    names = tuple(name for name in path.split("/") if name)
    return (names[:-1], names[-1], path[-1] == "/") if names else ((), "", True)


def _descend(
    disk: SimDisk, directories: list[int], names: Iterable[str], path: str, links: int
) -> dict[str, int]:
    """Walk down (or up) directories, through symbolic links, and return the names where it ends."""
    here = _names(disk, directories[-1])
    for name in names:
        if name in _DOTS:
            if name == ".." and len(directories) > 1:
                del directories[-1]
                here = _names(disk, directories[-1])
            continue
        inode = here.get(name)
        if inode is None:
            inode = _entry(here, name, path)
        if inode is None:
            fail(errno.ENOENT, path)
        below = disk.entries(inode)
        if below is not None:
            _enter(directories, inode, path)
            here = below
            continue
        target = disk.link_target(inode)
        if target is None:
            fail(errno.ENOTDIR, path)
        links += 1
        if links > _MAX_LINKS:
            fail(errno.ELOOP, path)
        if target.startswith("/"):
            del directories[1:]
        parts = [part for part in target.split("/") if part]
        here = _descend(disk, directories, parts, path, links)
    return here


def _enter(directories: list[int], inode: int, path: str) -> None:
    if inode in directories:
        fail(errno.ELOOP, path)
    directories.append(inode)


def _names(disk: SimDisk, directory: int) -> dict[str, int]:
    names = disk.entries(directory)
    assert names is not None
    return names


def _entry(names: dict[str, int], name: str, path: str) -> int | None:
    if len(name) > _SHORT_NAME and _is_longer(name, _MAX_NAME_BYTES):
        fail(errno.ENAMETOOLONG, path)
    return names.get(name)


def _is_longer(name: str, most_bytes: int) -> bool:
    return len(name.encode("utf-8", "surrogateescape")) > most_bytes
