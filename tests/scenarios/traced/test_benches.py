"""A real directory shows exactly what an image has, whatever was done to it before."""

import errno
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.scenarios.traced import ImageDirectory, NoRoomError
from wavetank.scenarios.traced.benches import Benches
from wavetank.sim import (
    BLOCK_SIZE,
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
)
from wavetank.sim.image import Node

NAMES = ["a", "b", "c", os.fsdecode(b"\xff\n")]
LONG = {b"0": b"\0" * 5000, b"y": b"y" * BLOCK_SIZE, b"h": b"\0" * BLOCK_SIZE + b"z" * 10}
"""What stands for longer contents, which would fill a failure's report."""
CONTENTS = [b"", b"x", *LONG]

Tree = dict[str, "bytes | str | int | Tree"]
"""A directory by name: content of a file, target of a link, number of a shared file, directory."""

trees: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(
            st.sampled_from(CONTENTS), st.sampled_from(["a", "/none", "../b"]), st.integers(0, 1)
        ),
        max_size=4,
    ),
    lambda inner: st.dictionaries(
        st.sampled_from(NAMES), st.one_of(st.sampled_from(CONTENTS), inner), max_size=4
    ),
    max_leaves=6,
)


def image_of(tree: Tree) -> DiskImage:
    nodes: dict[int, Node] = {2: FileContent.of(b"shared"), 3: FileContent.of(b"")}

    def add(node: Node) -> int:
        inode = max(nodes) + 1
        nodes[inode] = node
        return inode

    def make(value: "bytes | str | int | Tree") -> int:
        match value:
            case bytes():
                return add(FileContent.of(LONG.get(value, value)))
            case str():
                return add(LinkContent(value))
            case int():
                return 2 + value
        return add(DirectoryContent({name: make(each) for name, each in value.items()}))

    nodes[ROOT_INODE] = DirectoryContent({"data": make(tree), "other": make({"a": b"unseen"})})
    return DiskImage.empty().derive(nodes)


def expected(image: DiskImage) -> dict[bytes, tuple[str, object, int]]:
    """Return kind, content and number of the first name of everything below /data."""
    first: dict[int, int] = {}
    found: dict[bytes, tuple[str, object, int]] = {}
    below = [each for each in image.walk() if each[0] == "/data" or each[0].startswith("/data/")]
    for at, (path, inode, node) in enumerate(sorted(below, key=lambda each: os.fsencode(each[0]))):
        number = first.setdefault(inode, at)
        match node:
            case FileContent():
                found[os.fsencode(path)] = ("file", node.read(0, node.size), number)
            case LinkContent():
                found[os.fsencode(path)] = ("link", os.fsencode(node.target), number)
            case _:
                found[os.fsencode(path)] = ("directory", b"", number)
    return found


def shown(root: Path) -> dict[bytes, tuple[str, object, int]]:
    top = os.fsencode(root)
    places = [
        os.path.join(where, name)  # noqa: PTH118 - names need not be UTF-8
        for where, directories, files in os.walk(top)
        for name in directories + files
    ]
    first: dict[int, int] = {}
    found: dict[bytes, tuple[str, object, int]] = {}
    for at, place in enumerate(sorted(places)):
        status = os.lstat(place)
        number = first.setdefault(status.st_ino, at)
        name = place[len(top) :]
        if stat.S_ISLNK(status.st_mode):
            found[name] = ("link", os.readlink(place), number)  # noqa: PTH115 - see above
        elif stat.S_ISDIR(status.st_mode):
            assert stat.S_IMODE(status.st_mode) == 0o755
            found[name] = ("directory", b"", number)
        else:
            assert stat.S_ISREG(status.st_mode)
            assert stat.S_IMODE(status.st_mode) == 0o644
            found[name] = ("file", Path(os.fsdecode(place)).read_bytes(), number)
    return found


def spoil(root: Path, chance: random.Random) -> None:
    """Do to a directory what a check may do."""
    for where, directories, files in os.walk(root, topdown=False):
        for name in files + directories:
            path = Path(where) / name
            act = chance.randrange(8)
            if act == 0 and path.is_file() and not path.is_symlink():
                path.write_bytes(path.read_bytes()[::-1] + b"more")
            elif act == 1 and path.is_file() and not path.is_symlink():
                before = path.stat()
                path.write_bytes(b"!" * before.st_size)
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            elif act == 2 and not path.is_dir():
                path.unlink()
            elif act == 3 and not path.is_symlink():
                path.chmod(0o500 if path.is_dir() else 0o400)
            elif act == 4 and not path.is_symlink() and path.is_file():
                os.link(path, Path(where) / f"{name}-link")
            elif act == 5 and path.is_dir() and not path.is_symlink():
                os.mkfifo(path / "fifo")
            elif act == 6:
                path.rename(Path(where) / f"{name}-moved")


@pytest.fixture
def directory() -> Iterator[ImageDirectory]:
    with Benches("/data", 1) as benches:
        yield benches.all[0].images


@given(seen=st.lists(trees, min_size=1, max_size=4), seed=st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_the_directory_is_the_image_after_whatever_was_done_to_it(
    seen: list[Tree], seed: int
) -> None:
    chance = random.Random(seed)
    with Benches("/data", 1) as benches:
        images = benches.all[0].images
        for tree in seen:
            image = image_of(tree)
            images.show(image)
            assert shown(images.path.parent) == expected(image)
            spoil(images.path.parent, chance)
        images.show(image)
        assert shown(images.path.parent) == expected(image)
    assert not images.path.parent.exists()


def test_what_is_equal_is_left_and_what_was_changed_through_a_mapping_is_not(
    directory: ImageDirectory,
) -> None:
    image = image_of({"same": b"1", "changed": b"2"})
    directory.show(image)
    numbers = {path.name: path.stat().st_ino for path in directory.path.iterdir()}
    before = (directory.path / "changed").stat()
    (directory.path / "changed").write_bytes(b"3")
    os.utime(directory.path / "changed", ns=(before.st_atime_ns, before.st_mtime_ns))
    directory.show(image)
    assert (directory.path / "changed").read_bytes() == b"2"
    assert (directory.path / "same").stat().st_ino == numbers["same"]


def test_a_directory_that_was_deleted_protected_or_replaced_is_there_again(
    directory: ImageDirectory,
) -> None:
    image = image_of({"a": b"1", "b": {"c": b"2"}})
    wanted = expected(image)
    directory.show(image)
    (directory.path / "b").chmod(0)
    directory.path.chmod(0o500)
    directory.path.parent.chmod(0o500)
    directory.show(image)
    assert shown(directory.path.parent) == wanted
    directory.path.rename(directory.path.parent / "away")
    directory.path.write_text("a file")
    directory.show(image)
    assert shown(directory.path.parent) == wanted
    directory.path.rename(directory.path.parent / "away")
    directory.path.symlink_to(directory.path.parent / "away")
    directory.show(image)
    assert shown(directory.path.parent) == wanted


def test_a_large_sparse_file_takes_no_room(directory: ImageDirectory) -> None:
    image = image_of({"sparse": b""})
    inode = next(inode for path, inode, _ in image.walk() if path == "/data/sparse")
    sparse = image.derive({inode: FileContent(1 << 40, (b"begin",))})
    directory.show(sparse)
    status = (directory.path / "sparse").stat()
    assert status.st_size == 1 << 40
    assert status.st_blocks * 512 <= 1 << 16
    directory.show(sparse)
    assert (directory.path / "sparse").stat().st_ino == status.st_ino


def test_a_directory_inside_itself_is_shown_once(directory: ImageDirectory) -> None:
    nodes: dict[int, Node] = {
        ROOT_INODE: DirectoryContent({"data": 2}),
        2: DirectoryContent({"in": 3}),
        3: DirectoryContent({"itself": 2, "file": 4}),
        4: FileContent.of(b"x"),
    }
    directory.show(DiskImage.empty().derive(nodes))
    names = {each.relative_to(directory.path).as_posix() for each in directory.path.rglob("*")}
    assert names == {"in", "in/itself", "in/file"}


def test_an_image_without_room_is_told_by_where_that_is(
    directory: ImageDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(NoRoomError) as error:
        directory.show(image_of({"a": b"1"}))
    assert str(error.value) == (
        f"expected room for a crash image in {directory.path.parent} but got "
        f"[Errno 28] No space left on device"
    )
