"""What the effects of system calls share: the disk, where paths lead, and who has what open."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeAlias

from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.traces.rebuilt import is_rebuilt
from wavetank.sim.traces.strace import argument_words
from wavetank.sim.traces.strace.places import ConflictError, Inside, Links, Outside, Place, Places
from wavetank.sim.traces.strace.processes import Location, OpenFile, Process

__all__ = ["OutsideReads", "RefusalError", "TracedMachine"]

OutsideReads: TypeAlias = Callable[[bytes, int, int], "bytes | None"]
"""Reads a real file outside that nobody has changed: path, offset, length; None if it cannot."""

_ABOVE: Final = "give a directory above both as the one to record"
_NO_FILES: Final = (b"/dev/", b"/proc/", b"/sys/")
_SLASH: Final = "\\x2f"


class RefusalError(Exception):
    """A system call that cannot be recorded, in words."""


class TracedMachine:
    """A simulated disk to which traced processes do what they did to the real directory.

    Args:
        disk: the disk; the directory stands under its own name in its root.
        root: the real path of the directory, without links.
        acks: real path of the file of acknowledgements; None if there is none.
        rebuilt: patterns of names whose files are left out.
        links: tells of links outside of the directory.
        outside_reads: reads files outside of it.

    Attributes:
        disk: the same.
        places: where paths lead.
        processes: by pid.
        outside: files outside that were written to, in hexadecimal.
        left_out: paths of files that were left out.
    """

    def __init__(
        self,
        disk: SimDisk,
        root: bytes,
        *,
        acks: bytes | None,
        rebuilt: Collection[str],
        links: Links,
        outside_reads: OutsideReads,
    ) -> None:
        self.disk = disk
        self.root = root
        self.places = Places(disk, root, links)
        self.processes: dict[int, Process] = {}
        self.outside: set[str] = set()
        self.left_out: set[str] = set()
        self.outside_reads = outside_reads
        self.heard: list[bytes] = []
        self._acks = None if acks is None else argument_words.to_hex(acks)
        self._rebuilt = tuple(rebuilt)
        self._root_hex = argument_words.to_hex(root)
        self._special: set[tuple[int, str]] = set()

    # Paths

    def is_inside(self, path: str) -> bool:
        """Whether a path in hexadecimal is the directory, or lies in it."""
        root = self._root_hex
        return path.startswith(root) and (
            len(path) == len(root) or path.startswith(_SLASH, len(root))
        )

    def is_acks(self, path: str) -> bool:
        """Whether a path in hexadecimal is that of the acknowledgements."""
        return path == self._acks

    def place(
        self, process: Process, path: str, base: str = "AT_FDCWD", *, follow: bool = False
    ) -> Place:
        """Return where the path in an argument leads, from the descriptor in another.

        Raises:
            ConflictError: a directory on the way is not there.
        """
        content = argument_words.buffer(path)
        start: Location = b""
        if not content.startswith(b"/"):
            start = self._base(process, base)
        return self.places.walk(process, start, content, follow=follow)

    def _base(self, process: Process, text: str) -> Location:
        number = argument_words.descriptor(text)
        shown = argument_words.path_of_descriptor(text)
        if number == argument_words.AT_FDCWD:
            if process.cwd.location is None and shown is not None:
                process.cwd.location = self.location(process, shown)
            if process.cwd.location is None:
                raise RefusalError("expected to know the working directory of the process")
            return process.cwd.location
        file = process.descriptors.files.get(number)
        if file is not None and file.inode is not None:
            return file.inode
        if shown is None:
            raise RefusalError(f"expected the path of the descriptor {text!r} (strace -y)")
        return self.location(process, shown)

    def location(self, process: Process, path: bytes) -> Location:
        """Return a directory by its absolute path."""
        place = self.places.walk(process, b"", path, follow=True)
        if isinstance(place, Outside):
            return b"" if place.path == b"/" else place.path
        if place.inode is None:
            raise ConflictError(f"{place.path!r} is not there")
        return place.inode

    def is_left_out(self, place: Inside) -> bool:
        """Whether a name is of a file that is left out: rebuilt after a crash, or not regular."""
        name = place.name
        if (place.directory, name) in self._special:
            return True
        if not is_rebuilt(name, self.disk.entries(place.directory) or (), self._rebuilt):
            return False
        inode = place.inode
        if inode is not None and not self.disk.is_file(inode):
            return False
        self.left_out.add(place.path)
        return True

    def leave_out(self, place: Inside) -> None:
        """Let a name be of something that no crash test can have: a socket, a pipe."""
        self._special.add((place.directory, place.name))
        self.left_out.add(place.path)

    def forget(self, place: Inside) -> None:
        """Forget a name that was left out."""
        self._special.discard((place.directory, place.name))

    # Descriptors

    def file(self, process: Process, text: str) -> OpenFile | None:
        """Return the open file that a descriptor stands for; None if it is outside.

        Raises:
            RefusalError: it is in the directory, and nobody saw it being opened.
        """
        file = self.opened(process, text)
        return None if file is None or file.is_outside else file

    def opened(self, process: Process, text: str) -> OpenFile | None:
        """Return the open file that a descriptor stands for, even outside; None if nobody knows.

        Raises:
            RefusalError: it is in the directory, and nobody saw it being opened.
        """
        number, _, shown = text.partition("<")
        file = process.descriptors.files.get(int(number)) if number.isdecimal() else None
        if file is None and self.is_inside(shown.partition(">")[0]):
            raise RefusalError(
                f"expected descriptors of the directory that the program opened itself but "
                f"{number} came from elsewhere"
            )
        return file

    def note_outside(self, text: str) -> None:
        """Note a write to a descriptor that is not in the directory."""
        path = text.partition("<")[2].partition(">")[0]
        if path in self.outside or self.is_acks(path):
            return
        name = argument_words.from_hex(path)
        if name.startswith(b"/") and not name.startswith(_NO_FILES):
            self.outside.add(path)

    def came_from_outside(self, path: str) -> RefusalError:
        """Return the refusal of a file that was moved or linked into the directory."""
        return RefusalError(
            f"expected files that were made in the directory but {path!r} came from outside, where "
            f"its bytes were not recorded; {_ABOVE}"
        )
