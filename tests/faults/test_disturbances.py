"""What happens beside an operation: the cache is dropped, time passes or jumps."""

import pytest
from fault_site import FaultSite

from wavetank.engine import FileSystem
from wavetank.sim import FsyncFailure, SerialRuntime, SimDisk, SimFileSystem

Ground = tuple[FileSystem, str]


def test_a_stall_passes_time_and_the_operation_goes_on(ground: Ground) -> None:
    clock = SerialRuntime()
    site = FaultSite(ground, "any: stall 250 ms from now on\nstat #2: fail EIO", clock=clock)
    site.fs.stat(site.path("f"))
    assert clock.monotonic() == 0.25
    # What happens beside an operation hides it from no other line.
    with pytest.raises(OSError, match="f"):
        site.fs.stat(site.path("f"))
    assert clock.monotonic() == 0.5
    assert site.fired == [2, 1]


def test_the_wall_clock_jumps_and_the_other_goes_on(ground: Ground) -> None:
    clock = SerialRuntime()
    clock.sleep(10)
    site = FaultSite(
        ground, "write: clock jumps +3600 s\nwrite #2: clock jumps -4000 s", clock=clock
    )
    file = site.open()
    seen = []
    for _ in range(3):
        file.pwrite(b"x", 0)
        seen.append((clock.wall_clock(), clock.monotonic()))
    assert seen == [(3610, 10), (-390, 10), (-390, 10)]


def test_an_eviction_lets_the_disk_show_through() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.mkdir("/d")
    site = FaultSite((fs, "/d"), "read #2: evict", b"old", disk=disk)
    file = site.open()
    file.fsync()
    file.pwrite(b"new", 0)
    disk.fail_next_sync(FsyncFailure.EXT4)
    with pytest.raises(OSError, match="f"):
        file.fsync()
    assert [file.pread(3, 0), file.pread(3, 0)] == [b"new", b"old"]
    assert site.fired == [1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("any: evict", "disk: expected a simulated disk for 'any: evict'"),
        ("stat: stall 1 ms", "clock: expected a simulated clock for 'stat: stall 1 ms'"),
        ("stat: clock jumps -1 s", "clock: expected a simulated clock"),
    ],
)
def test_what_only_a_simulation_can_do_needs_one(ground: Ground, line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FaultSite(ground, line)
