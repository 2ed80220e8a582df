"""What Linux lets a program do with names, and which errno says no.

One implementation for the engine's seam (filesystem.py) and for the functions of `os`
(python_files): both walk to a place, each in its own way, and come here. Each function refuses
before it changes anything. Left out: how a path leads to a place (_path_walk.py).
"""

from __future__ import annotations

import errno
from typing import Final

from wavetank.sim.attributes import Attributes
from wavetank.sim.disk._errno import fail
from wavetank.sim.disk._path_walk import Place, lookup
from wavetank.sim.disk.sim_disk import SimDisk

__all__ = [
    "check_free",
    "check_openable",
    "exchange",
    "link",
    "make_directory",
    "make_symlink",
    "names_of",
    "present",
    "remove_directory",
    "rename",
    "unlink",
]

_ON_RMDIR_OF: Final = {"": errno.EBUSY, ".": errno.EINVAL, "..": errno.ENOTEMPTY}


def present(place: Place, path: str) -> int:
    """Return the inode at a place; ENOENT if there is none."""
    inode = lookup(place, path)
    if inode is None:
        fail(errno.ENOENT, path)
    return inode


def names_of(disk: SimDisk, inode: int, path: str) -> dict[str, int]:
    """Return the names in a directory and their inodes (not to be changed); ENOTDIR."""
    names = disk.entries(inode)
    if names is None:
        fail(errno.ENOTDIR, path)
    return names


def check_free(place: Place, path: str, *, may_be_slashed: bool = False) -> None:
    """Refuse a name that is there already, or that only a directory can have."""
    if lookup(place, path) is not None:
        fail(errno.EEXIST, path)
    if place.is_slashed and not may_be_slashed:
        fail(errno.ENOENT, path)


def check_openable(
    disk: SimDisk, inode: int, path: str, *, writes: bool, creates: bool, exclusive: bool
) -> None:
    """Refuse what cannot be opened in this way.

    Args:
        disk: the disk.
        inode: what is there.
        path: its name.
        writes: whether it is to be written.
        creates: whether it would be made if it were not there.
        exclusive: whether it must be made.
    """
    if creates and exclusive:
        fail(errno.EEXIST, path)
    if disk.is_file(inode):
        if writes and disk.read_only:
            fail(errno.EROFS, path)
    elif disk.entries(inode) is None:
        fail(errno.ELOOP, path)
    elif writes or creates:
        fail(errno.EISDIR, path)


def make_directory(
    disk: SimDisk, place: Place, path: str, *, made: Attributes | None = None
) -> None:
    """Make an empty directory."""
    check_free(place, path, may_be_slashed=True)
    disk.create(place.directory, place.name, path=path, is_directory=True, made=made)


def make_symlink(
    disk: SimDisk, place: Place, target: str, path: str, *, made: Attributes | None = None
) -> None:
    """Let a name be a symbolic link to `target`, which need not exist."""
    if not target:
        fail(errno.ENOENT, path)
    check_free(place, path)
    disk.symlink(place.directory, place.name, target, path=path, made=made)


def link(disk: SimDisk, inode: int, place: Place, path: str) -> None:
    """Give a file one more name."""
    check_free(place, path)
    if disk.entries(inode) is not None:
        fail(errno.EPERM, path)
    disk.link(place.directory, place.name, inode, path=path)


def unlink(disk: SimDisk, place: Place, path: str) -> None:
    """Remove the name of anything but a directory."""
    if place.is_dots or disk.entries(present(place, path)) is not None:
        fail(errno.EISDIR, path)
    if place.is_slashed:
        fail(errno.ENOTDIR, path)
    disk.unlink(place.directory, place.name, path=path)


def remove_directory(disk: SimDisk, place: Place, path: str) -> None:
    """Remove an empty directory."""
    if place.is_dots:
        fail(_ON_RMDIR_OF[place.name], path)
    if names_of(disk, present(place, path), path):
        fail(errno.ENOTEMPTY, path)
    disk.unlink(place.directory, place.name, path=path)


def rename(
    disk: SimDisk, source: Place, target: Place, *, source_path: str, target_path: str
) -> None:
    """Move a name, over another if one is there."""
    if source.is_dots or target.is_dots:
        fail(errno.EBUSY, source_path)
    moved, replaced = present(source, source_path), lookup(target, target_path)
    is_directory = disk.entries(moved) is not None
    if not is_directory and (source.is_slashed or target.is_slashed):
        fail(errno.ENOTDIR, source_path)
    if moved in target.directories:
        fail(errno.EINVAL, source_path)
    if replaced in source.directories:
        fail(errno.ENOTEMPTY, target_path)
    if replaced == moved:
        return
    if replaced is not None:
        _check_replaceable(disk, moved, replaced, target_path)
    disk.rename(
        (source.directory, source.name),
        (target.directory, target.name),
        source_path=source_path,
        target_path=target_path,
    )


def exchange(disk: SimDisk, one: Place, other: Place, *, first_path: str, second_path: str) -> None:
    """Let two names swap what they stand for."""
    if one.is_dots or other.is_dots:
        fail(errno.EBUSY, first_path)
    mine, theirs = present(one, first_path), present(other, second_path)
    for place, inode in ((one, mine), (other, theirs)):
        if place.is_slashed and disk.entries(inode) is None:
            fail(errno.ENOTDIR, first_path)
    if mine in other.directories or theirs in one.directories:
        fail(errno.EINVAL, first_path)
    if mine != theirs:
        disk.exchange(
            (one.directory, one.name),
            (other.directory, other.name),
            first_path=first_path,
            second_path=second_path,
        )


def _check_replaceable(disk: SimDisk, moved: int, replaced: int, path: str) -> None:
    mine, theirs = disk.entries(moved), disk.entries(replaced)
    if mine is None and theirs is not None:
        fail(errno.EISDIR, path)
    if mine is not None and theirs is None:
        fail(errno.ENOTDIR, path)
    if theirs:
        fail(errno.ENOTEMPTY, path)
