"""Calls beyond the engine's seam: symbolic links, exchange, files without a name, other syncs."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tracked_files import TrackedOsFileSystem

from wavetank.engine import FileKind, FileSystem, OpenFlag
from wavetank.sim import (
    ALICE,
    APFS,
    BTRFS,
    EXT4_ORDERED,
    POSIX,
    SEQUENTIAL,
    Dirent,
    DiskImage,
    LinkContent,
    PendingOps,
    Profile,
    SimDisk,
    SimFileSystem,
    Sync,
    SyncKind,
    Tearing,
    all_images,
)

CREATE = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE
UNTORN = Tearing(shapes=frozenset())
State = dict[str, bytes]


def images(disk: SimDisk, profile: Profile) -> list[DiskImage]:
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    found = all_images(pending, limit=1 << 12, tearing=UNTORN)
    assert found.complete
    return [pending.image(kept) for kept in found.images]


def states(disk: SimDisk, profile: Profile) -> list[State]:
    """The files after each legal power cut, each state once."""
    found: list[State] = []
    for image in images(disk, profile):
        if image.files() not in found:
            found.append(image.files())
    return found


def same(found: list[State], *expected: State) -> bool:
    return len(found) == len(expected) and all(state in found for state in expected)


def two_files() -> tuple[SimDisk, SimFileSystem]:
    fs = SimFileSystem(disk := SimDisk())
    for name in ("a", "b"):
        fs.open(f"/{name}", CREATE).append(name.encode())
    fs.sync()
    return disk, fs


def error_of(call: Callable[[], object]) -> int | None:
    try:
        call()
    except OSError as error:
        return error.errno
    return None


# Symbolic links


def tree(fs: FileSystem, symlink: Callable[[str, str], object], root: str) -> None:
    fs.mkdir(f"{root}/d")
    fs.open(f"{root}/d/f", CREATE).append(b"content")
    symlink("d/f", f"{root}/to-file")
    symlink("d", f"{root}/to-directory")
    symlink("nowhere", f"{root}/dangling")
    symlink("loop", f"{root}/loop")


def answers(fs: FileSystem, root: str) -> list[object]:
    read = OpenFlag.READ
    return [
        error_of(lambda: fs.open(f"{root}/to-file", read)),
        error_of(lambda: fs.open(f"{root}/loop", read)),
        error_of(lambda: fs.open(f"{root}/dangling", CREATE)),
        error_of(lambda: fs.open(f"{root}/to-file", CREATE | OpenFlag.EXCLUSIVE)),
        fs.open(f"{root}/to-directory/f", read).pread(9, 0),
        error_of(lambda: fs.listdir(f"{root}/loop")),
        error_of(lambda: fs.listdir(f"{root}/dangling")),
        fs.listdir(f"{root}/to-directory"),
        [
            (fs.stat(f"{root}/{name}").kind, fs.stat(f"{root}/{name}").size)
            for name in ("loop", "d")
        ],
        error_of(lambda: fs.stat(f"{root}/to-file/x")),
        error_of(lambda: fs.stat(f"{root}/loop/x")),
        error_of(lambda: fs.mkdir(f"{root}/dangling")),
        error_of(lambda: fs.rmdir(f"{root}/to-directory")),
        error_of(lambda: fs.fsync_dir(f"{root}/to-directory")),
        error_of(lambda: fs.link(f"{root}/to-file", f"{root}/again")),
        fs.stat(f"{root}/again").kind,
        error_of(lambda: fs.rename(f"{root}/to-file", f"{root}/d/f")),
        fs.stat(f"{root}/d/f").kind,
        error_of(lambda: fs.unlink(f"{root}/dangling")),
        sorted(fs.listdir(root)),
    ]


def test_symbolic_links_are_what_they_are_on_the_real_filesystem(tmp_path: Path) -> None:
    fs = SimFileSystem(SimDisk())
    tree(fs, fs.symlink, "")
    real = TrackedOsFileSystem()
    tree(real, os.symlink, str(tmp_path))
    assert answers(fs, "/.") == answers(real, str(tmp_path))
    real.close_all()


def test_a_link_tells_where_it_points_and_a_file_does_not() -> None:
    fs = SimFileSystem(SimDisk())
    fs.symlink("some/where", "/link")
    fs.open("/file", CREATE)
    assert fs.readlink("/link") == "some/where"
    assert fs.stat("/link").kind is FileKind.OTHER
    assert error_of(lambda: fs.readlink("/file")) == errno.EINVAL
    assert error_of(lambda: fs.symlink("x", "/file")) == errno.EEXIST
    assert error_of(lambda: fs.symlink("", "/new")) == errno.ENOENT


def test_a_link_is_one_directory_op_and_its_target_comes_with_it() -> None:
    fs = SimFileSystem(disk := SimDisk())
    fs.symlink("target", "/link")
    fs.link("/link", "/second")
    assert [type(record) for record in disk.log] == [Dirent, Dirent]
    for image in images(disk, POSIX):
        nodes = {path: node for path, _, node in image.walk()}
        assert all(node == LinkContent("target") for node in nodes.values())
        reopened = SimFileSystem(SimDisk(image))
        assert all(reopened.readlink(path) == "target" for path in nodes)
    assert {tuple(path for path, _, _ in image.walk()) for image in images(disk, POSIX)} == {
        (),
        ("/link",),
        ("/second",),
        ("/link", "/second"),
    }


def test_links_to_other_places_are_other_disks() -> None:
    digests = set()
    for target in ("one", "other"):
        fs = SimFileSystem(disk := SimDisk())
        fs.symlink(target, "/link")
        (_, image) = sorted(images(disk, SEQUENTIAL), key=lambda each: len(list(each.walk())))
        digests.add(image.digest())
    assert len(digests) == 2


# Exchange


def test_an_exchange_swaps_two_names_in_one_step() -> None:
    disk, fs = two_files()
    fs.exchange("/a", "/b")
    assert fs.open("/a", OpenFlag.READ).pread(9, 0) == b"b"
    before, after = {"/a": b"a", "/b": b"b"}, {"/a": b"b", "/b": b"a"}
    for profile in (SEQUENTIAL, EXT4_ORDERED, BTRFS, POSIX):
        assert same(states(disk, profile), before, after)
    assert same(
        states(disk, ALICE), before, after, {"/a": b"b", "/b": b"b"}, {"/a": b"a", "/b": b"a"}
    )


@pytest.mark.parametrize("name", ["/a", "/b"])
def test_syncing_either_file_makes_an_exchange_durable_where_it_covers_its_own_names(
    name: str,
) -> None:
    disk, fs = two_files()
    fs.exchange("/a", "/b")
    fs.open(name, OpenFlag.READ).fsync()
    assert same(states(disk, BTRFS), {"/a": b"b", "/b": b"a"})


def test_a_directory_may_change_places_with_a_file() -> None:
    _, fs = two_files()
    fs.mkdir("/d")
    fs.open("/d/f", CREATE)
    fs.exchange("/d", "/a")
    assert [fs.stat(path).kind for path in ("/a", "/d")] == [FileKind.DIRECTORY, FileKind.FILE]
    assert fs.listdir("/a") == ["f"]


@pytest.mark.parametrize(
    ("first", "second", "number"),
    [
        ("/a", "/missing", errno.ENOENT),
        ("/missing", "/a", errno.ENOENT),
        ("/d", "/d/f", errno.EINVAL),
        ("/d/f", "/d", errno.EINVAL),
        ("/", "/a", errno.EBUSY),
        ("/a", "/a", None),
    ],
)
def test_what_cannot_be_exchanged(first: str, second: str, number: int | None) -> None:
    disk, fs = two_files()
    fs.mkdir("/d")
    fs.open("/d/f", CREATE)
    length = len(disk.log)
    assert error_of(lambda: fs.exchange(first, second)) == number
    assert len(disk.log) == length


# Files without a name


def test_a_file_without_a_name_is_nowhere_until_it_is_linked() -> None:
    fs = SimFileSystem(disk := SimDisk())
    file = fs.open_unnamed("/", CREATE ^ OpenFlag.CREATE)
    file.append(b"ready")
    file.fsync()
    assert fs.listdir("/") == []
    assert states(disk, POSIX) == [{}]
    fs.link_unnamed(file, "/f")
    assert same(states(disk, POSIX), {}, {"/f": b"ready"})
    fs.fsync_dir("/")
    assert states(disk, POSIX) == [{"/f": b"ready"}]


def test_linked_before_it_is_synced_it_may_come_empty() -> None:
    fs = SimFileSystem(disk := SimDisk())
    file = fs.open_unnamed("/", OpenFlag.WRITE)
    file.append(b"ready")
    fs.link_unnamed(file, "/f")
    assert {state.get("/f") for state in states(disk, EXT4_ORDERED)} == {None, b"", b"ready"}


def test_a_file_gets_its_first_name_once() -> None:
    _, fs = two_files()
    file = fs.open_unnamed("/", OpenFlag.WRITE)
    assert error_of(lambda: fs.link_unnamed(file, "/a")) == errno.EEXIST
    fs.link_unnamed(file, "/c")
    fs.unlink("/c")
    assert error_of(lambda: fs.link_unnamed(file, "/c")) == errno.ENOENT
    named = fs.open("/a", CREATE)
    assert error_of(lambda: fs.link_unnamed(named, "/d")) == errno.ENOENT
    assert error_of(lambda: fs.open_unnamed("/", OpenFlag.READ)) == errno.EINVAL
    assert error_of(lambda: fs.open_unnamed("/a", OpenFlag.WRITE)) == errno.ENOTDIR


# Syncs


def appended() -> tuple[SimDisk, SimFileSystem]:
    disk, fs = two_files()
    fs.open("/a", CREATE).append(b"+")
    fs.open("/new", CREATE)
    return disk, fs


def test_sync_makes_everything_durable() -> None:
    disk, fs = appended()
    fs.sync()
    for profile in (SEQUENTIAL, EXT4_ORDERED, POSIX):
        assert states(disk, profile) == [{"/a": b"a+", "/b": b"b", "/new": b""}]


def test_sync_file_range_promises_nothing() -> None:
    disk, fs = appended()
    length, before = len(disk.log), states(disk, POSIX)
    file = fs.open("/a", CREATE)
    file.sync_file_range(0, 2)
    assert len(disk.log) == length
    assert states(disk, POSIX) == before
    assert error_of(lambda: file.sync_file_range(-1, 2)) == errno.EINVAL


def test_only_a_full_sync_persists_on_apfs() -> None:
    disk, fs = two_files()
    file = fs.open("/a", CREATE)
    fs.open("/a", CREATE).full_fsync()
    file.append(b"+")
    file.fsync()
    assert {state.get("/a") for state in states(disk, APFS)} > {b"a+"}
    file.full_fsync()
    assert {state.get("/a") for state in states(disk, APFS)} == {b"a+"}
    kinds = [record.kind for record in disk.log if isinstance(record, Sync)]
    assert kinds[-2:] == [SyncKind.FILE, SyncKind.FULL]
