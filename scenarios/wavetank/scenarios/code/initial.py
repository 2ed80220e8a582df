"""What a crash test begins with, and what a crash left: directories, real or simulated.

A mapping from paths to contents, a real directory, or a filesystem of pyfakefs can be the durable
beginning of a test. Each crash image can be laid out as a real directory, or into pyfakefs, so that
tests that exist already run on what a crash left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeAlias

from wavetank.sim import (
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
)

__all__ = ["FakeFiles", "Initial", "initial_image", "lay_out", "lay_out_into"]


class FakeFiles(Protocol):
    """What is needed of pyfakefs's ``fs``."""

    @property
    def root_dir(self) -> Any:  # noqa: ANN401 - pyfakefs has no type for what is in a directory
        """The root directory."""
        ...

    def create_file(self, file_path: str, *, contents: bytes) -> object:
        """Make a file."""
        ...

    def create_dir(self, directory_path: str) -> object:
        """Make a directory."""
        ...

    def create_symlink(self, file_path: str, link_target: str) -> object:
        """Make a symbolic link."""
        ...


Initial: TypeAlias = Mapping[str, bytes | str | None] | str | Path | FakeFiles
"""Paths below the directory with their contents (None for a directory); a real directory to copy;
or a pyfakefs filesystem, all of it."""

_Tree: TypeAlias = dict[str, "bytes | PurePosixPath | _Tree"]


def initial_image(empty: DiskImage, directory: str, initial: Initial | None) -> DiskImage:
    """Return a disk on which everything is durable from the beginning.

    Args:
        empty: a disk that holds the simulated directory.
        directory: that directory.
        initial: what is in it.

    Raises:
        ValueError: a path is absolute, leads out of the directory, or is both file and directory.
        NotADirectoryError: no such real directory.
        TypeError: it is none of the three.
    """
    if initial is None:
        return empty
    inode = next(inode for path, inode, _ in empty.walk() if path == directory)
    return _with_tree(empty, inode, _tree(initial))


def _tree(initial: Initial) -> _Tree:
    if isinstance(initial, Mapping):
        return _tree_of_mapping(initial)
    if isinstance(initial, (str, Path)):
        return _tree_of_directory(Path(initial))
    if hasattr(initial, "root_dir"):
        return _tree_of_fake(initial.root_dir)
    raise TypeError(
        f"initial: expected a mapping of paths to contents, a directory, or a pyfakefs filesystem "
        f"but got {initial!r}"
    )


def _tree_of_mapping(contents: Mapping[str, bytes | str | None]) -> _Tree:
    tree: _Tree = {}
    for path, content in contents.items():
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise ValueError(f"initial: expected a path below the directory but got {path!r}")
        below = tree
        for name in pure.parts[:-1]:
            entry = below.setdefault(name, {})
            if not isinstance(entry, dict):
                raise ValueError(  # noqa: TRY004 - a wrong value, not a wrong type
                    f"initial: expected {name!r} to be a directory in {path!r}"
                )
            below = entry
        if content is None:
            below.setdefault(pure.name, {})
        elif pure.name in below:
            raise ValueError(f"initial: expected {path!r} once but it is there twice")
        else:
            below[pure.name] = content.encode() if isinstance(content, str) else bytes(content)
    return tree


def _tree_of_directory(root: Path) -> _Tree:
    if not root.is_dir():
        raise NotADirectoryError(f"initial: expected a directory but {str(root)!r} is none")
    tree: _Tree = {}
    for path in sorted(root.iterdir()):
        if path.is_symlink():
            tree[path.name] = PurePosixPath(path.readlink())
        else:
            tree[path.name] = _tree_of_directory(path) if path.is_dir() else path.read_bytes()
    return tree


def _tree_of_fake(directory: Any) -> _Tree:  # noqa: ANN401 - see `FakeFiles`
    tree: _Tree = {}
    for name, entry in sorted(directory.entries.items()):
        if hasattr(entry, "entries"):
            tree[name] = _tree_of_fake(entry)
        else:
            tree[name] = bytes(entry.byte_contents or b"")
    return tree


def _with_tree(image: DiskImage, inode: int, tree: _Tree) -> DiskImage:
    nodes: dict[int, Node] = {}
    numbers = iter(range(image.next_inode, 2**62))

    def put(tree: _Tree) -> DirectoryContent:
        entries: dict[str, int] = {}
        for name, entry in sorted(tree.items()):
            number = entries[name] = next(numbers)
            if isinstance(entry, dict):
                nodes[number] = put(entry)
            elif isinstance(entry, PurePosixPath):
                nodes[number] = LinkContent(str(entry))
            else:
                nodes[number] = FileContent.of(entry)
        return DirectoryContent(entries)

    nodes[inode] = put(tree)
    return image.derive(nodes)


def lay_out(image: DiskImage, directory: str, target: str | Path) -> None:
    """Write what stands below a simulated directory into a real one.

    Args:
        image: the disk.
        directory: the simulated directory.
        target: the real one; it is made if it is not there, and must be empty.

    Raises:
        FileExistsError: it is not empty.
    """
    root = Path(target)
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(f"target: expected an empty directory but {str(root)!r} is not")
    for path, node in _below(image, directory):
        place = root / path
        if isinstance(node, DirectoryContent):
            place.mkdir()
        elif isinstance(node, LinkContent):
            place.symlink_to(node.target)
        else:
            place.write_bytes(node.read(0, node.size))


def lay_out_into(image: DiskImage, directory: str, fs: FakeFiles, target: str) -> None:
    """Write what stands below a simulated directory into a filesystem of pyfakefs.

    Args:
        image: the disk.
        directory: the simulated directory.
        fs: pyfakefs's filesystem.
        target: where in it; it must not be there.
    """
    fs.create_dir(target)
    for path, node in _below(image, directory):
        place = f"{target}/{path}"
        if isinstance(node, DirectoryContent):
            fs.create_dir(place)
        elif isinstance(node, LinkContent):
            fs.create_symlink(place, node.target)
        else:
            fs.create_file(place, contents=node.read(0, node.size))


def _below(image: DiskImage, directory: str) -> Iterator[tuple[str, Node]]:
    """Yield what stands below a directory, each directory before what is in it."""
    found = [(path, node) for path, _, node in image.walk()]
    for path, node in sorted(found, key=lambda each: each[0]):
        if path.startswith(directory.rstrip("/") + "/"):
            yield path[len(directory.rstrip("/")) + 1 :], node
