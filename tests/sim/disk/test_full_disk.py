"""A simulated disk of limited size: what fits, what fails with ENOSPC, and what gives room back."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import examples
from live_calls import Call, Mount, call
from small_tmpfs import small_tmpfs

from wavetank.engine import OpenFlag, OsFileSystem
from wavetank.sim import POSIX, PendingOps, SimDisk, SimFile, SimFileSystem

BLOCK = 4096
NEW = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE
ROOM = 6
"""Blocks on the disks of these tests."""


def disk_with(blocks: int) -> tuple[SimFileSystem, SimDisk]:
    disk = SimDisk(capacity_bytes=blocks * BLOCK)
    return SimFileSystem(disk), disk


def free_blocks(disk: SimDisk) -> int:
    assert disk.free_bytes is not None
    assert disk.free_bytes % BLOCK == 0
    return disk.free_bytes // BLOCK


def refused(action: Callable[[], object]) -> bool:
    with pytest.raises(OSError, match=r"No space left") as caught:
        action()
    return caught.value.errno == errno.ENOSPC


def test_a_disk_without_a_limit_is_never_full() -> None:
    assert SimDisk().free_bytes is None
    assert SimDisk().process_kill().free_bytes is None


def test_content_and_inodes_take_whole_blocks_and_names_take_none() -> None:
    fs, disk = disk_with(ROOM)
    fs.mkdir("/d")
    assert free_blocks(disk) == ROOM - 1
    file = fs.open("/d/f", NEW)
    assert free_blocks(disk) == ROOM - 2
    file.pwrite(b"x", BLOCK - 1)
    file.pwrite(b"yy", BLOCK - 1)
    assert free_blocks(disk) == ROOM - 4
    fs.link("/d/f", "/g")
    fs.rename("/g", "/d/h")
    file.pwrite(b"over", 0)
    assert free_blocks(disk) == ROOM - 4


def test_a_write_that_fits_in_part_is_taken_up_to_the_end_of_a_block() -> None:
    fs, disk = disk_with(3)
    file = fs.open("/f", NEW)
    assert file.pwrite(b"x" * 3 * BLOCK, 100) == 2 * BLOCK - 100
    assert file.size() == 2 * BLOCK
    assert refused(lambda: file.pwrite(b"y", 2 * BLOCK))
    assert refused(lambda: file.append(b"y"))
    assert file.pwrite(b"over", BLOCK) == 4
    assert (free_blocks(disk), file.size()) == (0, 2 * BLOCK)


@pytest.mark.parametrize(
    "make",
    [
        lambda fs: fs.open("/g", NEW),
        lambda fs: fs.mkdir("/g"),
        lambda fs: fs.symlink("f", "/g"),
        lambda fs: fs.open_unnamed("/", NEW),
    ],
    ids=["file", "directory", "link", "unnamed"],
)
def test_nothing_is_made_on_a_full_disk(make: Callable[[SimFileSystem], object]) -> None:
    fs, disk = disk_with(1)
    fs.open("/f", NEW)
    before = len(disk.log)
    assert refused(lambda: make(fs))
    assert fs.listdir("/") == ["f"]
    assert len(disk.log) == before


def test_holes_take_no_room_until_they_are_written() -> None:
    fs, disk = disk_with(2)
    file = fs.open("/f", NEW)
    file.truncate(9 * BLOCK)
    assert free_blocks(disk) == 1
    assert file.pwrite(b"x" * 2 * BLOCK, 4 * BLOCK) == BLOCK
    assert refused(lambda: file.pwrite(b"x", 0))


def test_reserved_room_is_taken_as_a_whole_or_not_at_all() -> None:
    fs, disk = disk_with(4)
    file, other = fs.open("/f", NEW), fs.open("/g", NEW)
    assert refused(lambda: file.preallocate(0, 2 * BLOCK + 1))
    assert (free_blocks(disk), file.size()) == (2, 0)
    file.preallocate(10, 2 * BLOCK - 10)
    assert (free_blocks(disk), file.size()) == (0, 2 * BLOCK)
    file.preallocate(0, BLOCK)
    assert file.pwrite(b"x" * 2 * BLOCK, 0) == 2 * BLOCK
    assert refused(lambda: other.append(b"x"))


def shortened(fs: SimFileSystem, file: SimFile) -> int:
    file.truncate(BLOCK + 1)
    file.close()
    fs.unlink("/held")
    return 2


def opened_anew(fs: SimFileSystem, _: SimFile) -> int:
    fs.open("/f", NEW | OpenFlag.TRUNCATE)
    return 3


def unlinked(fs: SimFileSystem, file: SimFile) -> int:
    file.close()
    fs.unlink("/f")
    return 4


def unlinked_but_open(fs: SimFileSystem, _: SimFile) -> int:
    fs.unlink("/f")
    return 0


def unlinked_then_closed(fs: SimFileSystem, file: SimFile) -> int:
    fs.unlink("/f")
    file.close()
    file.close()
    return 4


def unlinked_under_one_name(fs: SimFileSystem, file: SimFile) -> int:
    file.close()
    fs.link("/f", "/g")
    fs.unlink("/f")
    return 0


def replaced(fs: SimFileSystem, file: SimFile) -> int:
    file.close()
    fs.rename("/held", "/f")
    return 4


def exchanged(fs: SimFileSystem, file: SimFile) -> int:
    file.close()
    fs.exchange("/held", "/f")
    return 0


@pytest.mark.parametrize(
    "act",
    [
        shortened,
        opened_anew,
        unlinked,
        unlinked_but_open,
        unlinked_then_closed,
        unlinked_under_one_name,
        replaced,
        exchanged,
    ],
)
def test_room_comes_back_with_what_held_it(act: Callable[[SimFileSystem, SimFile], int]) -> None:
    fs, disk = disk_with(ROOM)
    fs.open("/held", NEW).close()
    file = fs.open("/f", NEW)
    file.pwrite(b"x" * 3 * BLOCK, 0)
    before = free_blocks(disk)
    assert act(fs, file) + before == free_blocks(disk)


def test_a_killed_process_gives_back_what_it_alone_held() -> None:
    fs, disk = disk_with(ROOM)
    fs.open("/f", NEW).append(b"f" * BLOCK)
    fs.open("/gone", NEW).append(b"g" * BLOCK)
    fs.unlink("/gone")
    fs.open_unnamed("/", NEW)
    assert free_blocks(disk) == 1
    after = disk.process_kill()
    assert (free_blocks(after), free_blocks(disk)) == (4, 1)
    SimFileSystem(after).unlink("/f")
    assert (free_blocks(after), free_blocks(disk)) == (6, 1)


def test_after_a_power_cut_what_is_on_the_disk_takes_room() -> None:
    fs, disk = disk_with(ROOM)
    fs.mkdir("/d")
    file = fs.open("/d/f", NEW)
    file.append(b"x" * 2 * BLOCK)
    file.pwrite(b"x", 5 * BLOCK)
    fs.link("/d/f", "/g")
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    for blocks, free in ((9, 4), (5, 0), (2, 0)):
        rebooted = SimDisk(pending.full, capacity_bytes=blocks * BLOCK)
        assert free_blocks(rebooted) == free
    SimFileSystem(rebooted).unlink("/g")
    SimFileSystem(rebooted).unlink("/d/f")
    assert free_blocks(rebooted) == 1


FILES = 3
steps = st.lists(
    st.builds(
        lambda name, handle, offset, length: (
            call(name, length, handle=handle)
            if name == "truncate"
            else call(name, offset, length, handle=handle)
            if name == "preallocate"
            else call(name, bytes([handle + 65]) * length, offset, handle=handle)
        ),
        st.sampled_from(["pwrite", "pwrite", "truncate", "preallocate"]),
        st.integers(0, FILES - 1),
        st.integers(0, 4 * BLOCK) | st.sampled_from([0, BLOCK, 2 * BLOCK]),
        st.integers(0, 5 * BLOCK) | st.sampled_from([0, 1, BLOCK]),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def mount_point() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory, small_tmpfs(Path(directory), ROOM * BLOCK):
        yield Path(directory)


@examples(150)
@given(steps=steps)
def test_a_small_tmpfs_fills_up_in_the_same_way(mount_point: Path, steps: list[Call]) -> None:
    """What an inode takes aside: a tmpfs counts those elsewhere."""
    disk = SimDisk(capacity_bytes=(ROOM + FILES) * BLOCK)
    simulated = SimFileSystem(disk)
    sides = [Mount(simulated, simulated, ""), Mount(OsFileSystem(), os, str(mount_point))]
    try:
        for side, number in product(sides, range(FILES)):
            side.run(call("open", f"f{number}", NEW | OpenFlag.TRUNCATE))
        for step in steps:
            answers = [side.run(step) for side in sides]
            assert answers[0] == answers[1], step
            assert sides[0].state() == sides[1].state(), step
            free = os.statvfs(mount_point)
            assert disk.free_bytes == free.f_bavail * free.f_frsize, step
    finally:
        for side in sides:
            for handle in side.handles:
                handle.truncate(0)
            side.close()
