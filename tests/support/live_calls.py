"""One call at a time on a filesystem behind the engine's seam, with answers that can be compared.

A `Mount` is a filesystem seen from a directory of it, with the handles that were opened there. What
it answers holds nothing that may differ between two right filesystems: no inode numbers, no order
of names, no texts of errors.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from attrs import frozen

from wavetank.engine import Buffer, File, FileKind, FileSystem, OpenFlag

__all__ = ["Answer", "Argument", "Call", "Links", "Mount", "call"]

Argument: TypeAlias = str | int | Buffer | OpenFlag
Answer: TypeAlias = object


class Links(Protocol):
    """Symbolic links, which the engine's seam leaves out."""

    def symlink(self, target: str, path: str, /) -> None: ...

    def readlink(self, path: str, /) -> str: ...


@frozen
class Call:
    """A method and its arguments; paths are relative to the mount, or begin with a slash there.

    Attributes:
        name: of the method of `FileSystem` or `Links`, or of `File` if there is a handle.
        arguments: of the method.
        handle: number of the handle, counted from the first one that was opened.
    """

    name: str
    arguments: tuple[Argument, ...]
    handle: int | None = None


def call(name: str, *arguments: Argument, handle: int | None = None) -> Call:
    """Return a call, written as one reads it."""
    return Call(name, arguments, handle)


class Mount:
    """A filesystem, the directory in it that counts as its root, and the handles opened there.

    Args:
        fs: the filesystem.
        links: its symbolic links.
        root: path of the directory.

    Attributes:
        handles: every handle that was opened, closed ones too.
    """

    def __init__(self, fs: FileSystem, links: Links, root: str) -> None:
        self._fs = fs
        self._links = links
        self._root = root
        self.handles: list[File] = []

    def run(self, call: Call) -> Answer:
        """Make the call; the answer of a call that fails is its error, as type and errno."""
        try:
            return self._run(call)
        except (OSError, ValueError, TypeError) as error:
            return (type(error).__name__, getattr(error, "errno", None))

    def close(self) -> None:
        """Close every handle."""
        for file in self.handles:
            file.close()

    def state(self) -> dict[str, Answer]:
        """Return all there is to see: names, kinds, content, which names are one file, handles."""
        seen: dict[str, Answer] = {}
        first_names: dict[int, str] = {}
        self._walk("", seen, first_names)
        for number, file in enumerate(self.handles):
            try:
                seen[f"handle {number}"] = file.size()
            except OSError as error:
                seen[f"handle {number}"] = error.errno
        return seen

    def _run(self, call: Call) -> Answer:
        if call.handle is not None:
            return getattr(self.handles[call.handle], call.name)(*call.arguments)
        if call.name in ("symlink", "readlink"):
            return self._run_on_links(call.name, *map(str, call.arguments))
        paths = [self._path(each) for each in call.arguments if isinstance(each, str)]
        others = [each for each in call.arguments if not isinstance(each, str)]
        answer = getattr(self._fs, call.name)(*paths, *others)
        if call.name == "open":
            self.handles.append(answer)
            return f"handle {len(self.handles) - 1}"
        if call.name == "listdir":
            return sorted(answer)
        if call.name == "stat":
            return (answer.kind, answer.kind is FileKind.FILE and answer.size)
        return answer

    def _walk(self, path: str, seen: dict[str, Answer], first_names: dict[int, str]) -> None:
        for name in sorted(self._fs.listdir(self._path(path))):
            inner = f"{path}/{name}"
            status = self._fs.stat(self._path(inner))
            same_as = first_names.setdefault(status.inode, inner)
            if status.kind is FileKind.DIRECTORY:
                seen[inner] = (status.kind, same_as)
                self._walk(inner, seen, first_names)
                continue
            if status.kind is FileKind.OTHER:
                seen[inner] = (status.kind, same_as, self._readlink(inner))
                continue
            file = self._fs.open(self._path(inner), OpenFlag.READ)
            seen[inner] = (status.kind, same_as, status.size, file.pread(status.size + 1, 0))
            file.close()

    def _run_on_links(self, name: str, *paths: str) -> Answer:
        if name == "readlink":
            return self._readlink(paths[0])
        target = self._path(paths[0]) if paths[0].startswith("/") else paths[0]
        self._links.symlink(target, self._path(paths[1]))
        return None

    def _readlink(self, path: str) -> str:
        return self._links.readlink(self._path(path)).removeprefix(self._root)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path.removeprefix('/')}"
