"""A crash image in a real directory: `ImageDirectory` lays images out, one after the other.

A check may change whatever it likes, through mappings too, which change no time stamp. So each
image is compared with what is really there, byte for byte, and what differs is made anew.
"""


# need not be UTF-8

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from wavetank.sim.image import DirectoryContent, DiskImage, FileContent, LinkContent, Node
from wavetank.sim.ops import BLOCK_SIZE

__all__ = ["ImageDirectory", "NoRoomError", "room_for_images"]

_Wanted: TypeAlias = Mapping[bytes, tuple[int, Node]]
_FILE_MODE: Final = 0o644
_DIRECTORY_MODE: Final = 0o755
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - in memory: images need no disk


class NoRoomError(RuntimeError):
    """The images do not fit where they are laid out; the message says where that is."""


def room_for_images() -> str | None:
    """Return the directory below which images are laid out best; None for the usual temporary."""
    usable = os.path.isdir(_SHARED_MEMORY) and os.access(_SHARED_MEMORY, os.W_OK)
    return _SHARED_MEMORY if usable else None


class ImageDirectory:
    """A real directory that shows one image after the other.

    Args:
        root: a real directory that holds nothing else.
        directory: the directory on the simulated disk that is laid out in it, such as ``/data``.

    Attributes:
        path: where that directory stands.
    """

    def __init__(self, root: Path, directory: str) -> None:
        self._root = os.fsencode(root)
        self._directory = os.fsencode(directory)
        self.path: Final = Path(os.fsdecode(self._root + self._directory))

    def show(self, image: DiskImage) -> None:
        """Make the directory exactly what an image has.

        Raises:
            NoRoomError: it does not fit.
        """
        wanted = {path: (inode, node) for path, inode, node in self._below(image)}
        try:
            os.chmod(self._root, _DIRECTORY_MODE)
            self._make(wanted, kept=self._remove_others(wanted))
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise
            raise NoRoomError(
                f"expected room for a crash image in {os.fsdecode(self._root)} but got {error}"
            ) from error

    def _below(self, image: DiskImage) -> Iterator[tuple[bytes, int, Node]]:
        for path, inode, node in image.walk():
            name = os.fsencode(path)
            if name == self._directory or name.startswith(self._directory + b"/"):
                yield name, inode, node

    def _remove_others(self, wanted: _Wanted) -> set[bytes]:
        """Remove all that is not as an image has it, and return the paths that are."""
        there = list(self._there())
        linked: dict[int, set[bytes]] = {}
        for path, found in there:
            linked.setdefault(found.st_ino, set()).add(path)
        names: dict[int, set[bytes]] = {}
        for path, (inode, _) in wanted.items():
            names.setdefault(inode, set()).add(path)
        kept = set()
        for path, found in there:
            inode, node = wanted.get(path, (0, None))
            # Names of one file come and go together.
            if linked[found.st_ino] == names.get(inode) and self._is_like(path, found, node):
                kept.add(path)
            elif not stat.S_ISDIR(found.st_mode):
                os.unlink(self._root + path)
            elif not isinstance(node, DirectoryContent):
                os.rmdir(self._root + path)
            else:
                kept.add(path)
        return kept

    def _there(self, above: bytes = b"") -> Iterator[tuple[bytes, os.stat_result]]:
        """Yield what is there, each directory after what is in it."""
        with os.scandir(self._root + above) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            path = above + b"/" + entry.name
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                # A check may have protected it.
                os.chmod(self._root + path, _DIRECTORY_MODE)
                yield from self._there(path)
            yield path, found

    def _is_like(self, path: bytes, found: os.stat_result, node: Node | None) -> bool:
        place = self._root + path
        if isinstance(node, LinkContent):
            is_link = stat.S_ISLNK(found.st_mode)
            return is_link and os.readlink(place) == os.fsencode(node.target)
        if not isinstance(node, FileContent):
            return isinstance(node, DirectoryContent) and stat.S_ISDIR(found.st_mode)
        is_plain = found.st_mode == stat.S_IFREG | _FILE_MODE
        return is_plain and found.st_size == node.size and _holds(place, node)

    def _make(self, wanted: _Wanted, kept: set[bytes]) -> None:
        first: dict[int, bytes] = {}
        for path, (inode, node) in wanted.items():
            earlier = first.setdefault(inode, path)
            place = self._root + path
            if path in kept:
                continue
            if isinstance(node, DirectoryContent):
                os.mkdir(place)
                os.chmod(place, _DIRECTORY_MODE)
            elif earlier != path:
                os.link(self._root + earlier, place, follow_symlinks=False)
            elif isinstance(node, LinkContent):
                os.symlink(os.fsencode(node.target), place)
            else:
                _write(place, node)

    def remove(self) -> None:
        """Remove all of it."""
        os.chmod(self._root, _DIRECTORY_MODE)
        for _ in self._there():
            pass  # each directory on the way can be changed again
        shutil.rmtree(os.fsdecode(self._root))


def _holds(place: bytes, node: FileContent) -> bool:
    """Whether a file has this content; holes are not read."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        position = 0
        for start, end in _data(descriptor, node.size):
            if not _is_zero(node, position, start):
                return False
            if os.pread(descriptor, end - start, start) != node.read(start, end - start):
                return False
            position = end
        return _is_zero(node, position, node.size)
    finally:
        os.close(descriptor)


def _data(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a file that are no holes, in pieces that fit into memory."""
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        position = min(end, start + _PIECE)
        yield start, position


_PIECE: Final = 1 << 22


def _is_zero(node: FileContent, start: int, end: int) -> bool:
    """Whether a range has never been written, or only with zeros."""
    last = min(-(-end // BLOCK_SIZE), len(node.blocks))
    for number in range(start // BLOCK_SIZE, last):
        position = number * BLOCK_SIZE
        if node.blocks[number][max(0, start - position) : end - position].strip(b"\0"):
            return False
    return True


def _write(place: bytes, node: FileContent) -> None:
    """Write a file; blocks of zeros are left out, as holes."""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    try:
        os.fchmod(descriptor, _FILE_MODE)
        for start, content in _runs(node):
            written = 0
            while written < len(content):
                written += os.pwrite(descriptor, content[written:], start + written)
        os.ftruncate(descriptor, node.size)
    finally:
        os.close(descriptor)


def _runs(node: FileContent) -> Iterator[tuple[int, bytes]]:
    """Yield what is not zero, neighbouring blocks together."""
    start, parts = 0, list[bytes]()
    for number, block in enumerate(node.blocks):
        position = number * BLOCK_SIZE
        content = block[: max(0, node.size - position)]
        if content.strip(b"\0"):
            start = start if parts else position
            parts.append(content.ljust(min(BLOCK_SIZE, node.size - position), b"\0"))
        elif parts:
            yield start, b"".join(parts)
            parts = []
    if parts:
        yield start, b"".join(parts)
