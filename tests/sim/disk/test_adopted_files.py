"""A file that is adopted late behaves as if it had been in the image from the beginning."""

import errno
from collections.abc import Callable

import pytest

from wavetank.sim import (
    BLOCK_SIZE,
    POSIX,
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    FsyncFailure,
    PendingOps,
    SimDisk,
    SyncKind,
    all_images,
)

CONTENT = FileContent(2 * BLOCK_SIZE, (b"a" * BLOCK_SIZE, b"b" * BLOCK_SIZE))
INODE = 2


def from_image(arm: Callable[[SimDisk], None], capacity_bytes: int | None = None) -> SimDisk:
    image = DiskImage.empty().derive({INODE: CONTENT, ROOT_INODE: DirectoryContent({"f": INODE})})
    disk = SimDisk(image, capacity_bytes=capacity_bytes)
    arm(disk)
    return disk


def adopted(arm: Callable[[SimDisk], None], capacity_bytes: int | None = None) -> SimDisk:
    disk = SimDisk(capacity_bytes=capacity_bytes)
    arm(disk)
    assert disk.adopt(ROOT_INODE, "f", CONTENT) == INODE
    return disk


def after_failed_sync(disk: SimDisk) -> tuple[bytes, bytes, list[dict[str, bytes]]]:
    """What programs see before and after eviction, and what a power cut may leave."""
    disk.write(INODE, 0, b"X", path="/f")
    disk.truncate(INODE, BLOCK_SIZE + 1, path="/f")
    with pytest.raises(OSError, match="Input/output error"):
        disk.sync(SyncKind.FILE, INODE, path="/f")
    shown = disk.read(INODE, 0, 4 * BLOCK_SIZE)
    disk = disk.process_kill()
    disk.evict()
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    images = all_images(pending, limit=100).images
    return shown, disk.read(INODE, 0, 4 * BLOCK_SIZE), [pending.image(k).files() for k in images]


@pytest.mark.parametrize(
    "machine", [each for each in FsyncFailure if "DATA_JOURNAL" not in each.name]
)
def test_a_sync_that_fails_leaves_an_adopted_file_as_any_other(machine: FsyncFailure) -> None:
    def arm(disk: SimDisk) -> None:
        disk.fail_next_sync(machine)

    expected = after_failed_sync(from_image(arm))
    assert expected[1].startswith(b"a")  # the write is lost, and the content before it is not
    assert after_failed_sync(adopted(arm)) == expected


def use_room(disk: SimDisk) -> list[int | str | None]:
    """Write, cut, fill and remove the file; return the room that was left after each."""
    rooms: list[int | str | None] = [disk.free_bytes]

    def note(call: Callable[[], object]) -> None:
        try:
            call()
        except OSError as error:
            rooms.append(errno.errorcode[error.errno or 0])
        rooms.append(disk.free_bytes)

    note(lambda: disk.write(INODE, 0, b"X" * BLOCK_SIZE, path="/f"))
    note(lambda: disk.truncate(INODE, BLOCK_SIZE, path="/f"))
    note(lambda: disk.write(INODE, BLOCK_SIZE, bytes(8 * BLOCK_SIZE), path="/f"))
    note(lambda: disk.write(INODE, 0, b"Y", path="/f"))
    note(lambda: disk.write(INODE, 9 * BLOCK_SIZE, b"Y", path="/f"))
    note(lambda: disk.unlink(ROOT_INODE, "f", path="/f"))
    return rooms


def test_an_adopted_file_takes_room_as_any_other() -> None:
    def nothing(disk: SimDisk) -> None:
        del disk

    blocks = BLOCK_SIZE
    rooms = use_room(adopted(nothing, 6 * BLOCK_SIZE))
    assert rooms == use_room(from_image(nothing, 6 * BLOCK_SIZE))
    expected = [3 * blocks, 3 * blocks, 4 * blocks, 0, 0, "ENOSPC", 0, 6 * blocks]
    assert rooms == expected


def test_an_adopted_file_may_be_larger_than_the_disk() -> None:
    disk = SimDisk(capacity_bytes=BLOCK_SIZE)
    inode = disk.adopt(ROOT_INODE, "f", CONTENT)
    assert disk.free_bytes == 0
    assert disk.write(inode, 0, b"X", path="/f") == 1
    with pytest.raises(OSError, match="No space left"):
        disk.create(ROOT_INODE, "g", path="/g")
