"""The simulated filesystem where no other one can be compared: kills, locks, closed files.

That it answers as the real one does is held in test_live_semantics.py.
"""

from collections.abc import Callable
from typing import Final

import pytest

from wavetank.engine import FileKind, OpenFlag
from wavetank.sim import SimDisk, SimFileSystem

READ_WRITE: Final = OpenFlag.READ | OpenFlag.WRITE


def test_an_open_file_outlives_its_name() -> None:
    fs = SimFileSystem(SimDisk())
    file = fs.open("/a", READ_WRITE | OpenFlag.CREATE)
    file.append(b"still here")
    fs.unlink("/a")
    assert file.pread(10, 0) == b"still here"
    assert fs.open("/a", READ_WRITE | OpenFlag.CREATE).size() == 0


def test_a_lock_excludes_until_it_is_closed_or_its_process_is_killed() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    first = fs.open("/lock", READ_WRITE | OpenFlag.CREATE)
    first.lock()
    second = fs.open("/lock", READ_WRITE)
    with pytest.raises(BlockingIOError):
        second.lock()
    SimFileSystem(disk.process_kill()).open("/lock", READ_WRITE).lock()
    first.close()
    second.lock()


def test_a_killed_process_leaves_its_cache_to_the_next_and_its_own_disk_as_it_was() -> None:
    disk = SimDisk()
    file = SimFileSystem(disk).open("/a", READ_WRITE | OpenFlag.CREATE)
    file.append(b"one")
    successor = disk.process_kill()
    file.append(b" two")
    other = SimFileSystem(successor).open("/a", READ_WRITE)
    assert other.pread(9, 0) == b"one"
    other.append(b" three")
    assert file.pread(9, 0) == b"one two"
    assert [len(disk.log), len(successor.log)] == [5, 5]


@pytest.mark.parametrize(
    "use",
    [
        lambda file: file.pread(1, 0),
        lambda file: file.append(b"x"),
        lambda file: file.size(),
        lambda file: file.fsync(),
        lambda file: file.truncate(0),
        lambda file: file.lock(),
    ],
)
def test_a_closed_file_refuses_everything(use: Callable[[object], object]) -> None:
    fs = SimFileSystem(SimDisk())
    file = fs.open("/a", READ_WRITE | OpenFlag.CREATE)
    file.close()
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        use(file)


def test_the_kind_of_a_name_is_told() -> None:
    fs = SimFileSystem(SimDisk())
    fs.mkdir("/d")
    assert fs.stat("/d").kind is FileKind.DIRECTORY
