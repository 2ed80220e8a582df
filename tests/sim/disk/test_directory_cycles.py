"""Crashes that split a rename can leave a directory inside itself; such an image can be read."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wavetank.sim import (
    ALICE,
    DirectoryContent,
    DiskImage,
    PendingOps,
    SimDisk,
    SimFileSystem,
    all_images,
)
from wavetank.sim.python_files import PythonFiles


def images_of_split_renames(root: str = "") -> list[DiskImage]:
    """Return what a crash may leave of three renames of two directories, each image once."""
    disk = SimDisk()
    fs = SimFileSystem(disk)
    if root:
        fs.mkdir(root)
    fs.mkdir(f"{root}/a")
    fs.mkdir(f"{root}/b")
    fs.sync()
    fs.rename(f"{root}/b", f"{root}/a/b")
    fs.rename(f"{root}/a/b", f"{root}/b")
    fs.rename(f"{root}/a", f"{root}/b/a")
    pending = PendingOps(disk.image, ALICE)
    pending.take_all(disk.log)
    found = all_images(pending, limit=1 << 10)
    assert found.complete
    images = [pending.image(kept) for kept in found.images]
    return list({image.digest(): image for image in images}.values())


def paths(image: DiskImage) -> tuple[str, ...]:
    return tuple(path for path, _, _ in image.walk())


def test_the_name_that_closes_a_circle_is_listed_and_nothing_below_it() -> None:
    images = images_of_split_renames()
    assert all(image.files() == {} for image in images)
    assert {paths(image) for image in images} == {
        (),
        ("/a",),
        ("/a", "/a/b"),
        ("/a", "/a/b", "/b"),
        ("/a", "/b"),
        ("/a", "/b", "/b/a"),
        ("/b",),
        ("/b", "/b/a"),
        # Circles:
        ("/a", "/a/b", "/a/b/a"),
        ("/b", "/b/a", "/b/a/b"),
        ("/a", "/a/b", "/a/b/a", "/b", "/b/a", "/b/a/b"),
    }


def test_a_name_that_closes_a_circle_cannot_be_looked_up() -> None:
    circle = next(each for each in images_of_split_renames() if "/a/b/a" in paths(each))
    fs = SimFileSystem(SimDisk(circle, capacity_bytes=1 << 20))
    assert fs.listdir("/a/b") == ["a"]
    calls: list[Callable[[], object]] = [
        lambda: fs.stat("/a/b/a"),
        lambda: fs.listdir("/a/b/a"),
        lambda: fs.rmdir("/a/b/a"),
        lambda: fs.rename("/a/b/a", "/c"),
        lambda: fs.mkdir("/a/b/a/c"),
    ]
    for call in calls:
        with pytest.raises(OSError, match="symbolic links") as caught:
            call()
        assert caught.value.errno == errno.ELOOP


@pytest.mark.slow
def test_python_code_walks_to_the_end_of_a_circle() -> None:
    with PythonFiles() as files:
        for image in images_of_split_renames(files.directory):
            with files.process(SimDisk(image)):
                seen = {place for place, _, _ in os.walk(files.directory)}
                assert all(Path(place).stat().st_nlink == 2 for place in seen)
                assert {place for place in paths(image) if Path(place).exists()} == seen
                circles = set(paths(image)) - seen
                assert circles <= {"/simulated/a/b/a", "/simulated/b/a/b"}


def test_directories_may_nest_deeper_than_calls() -> None:
    depth = 1100
    levels = {number: DirectoryContent({"d": number + 1}) for number in range(1, depth)}
    image = DiskImage.empty().derive({**levels, depth: DirectoryContent({})})
    assert len(paths(image)) == depth - 1
    assert image.digest() != DiskImage.empty().digest()
