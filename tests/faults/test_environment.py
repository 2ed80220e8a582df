"""Environment faults: the process ends, the cache is dropped, time passes or jumps."""

import pytest
from fault_site import NEW, FaultSite, Ground

from wavetank.engine import File
from wavetank.faults import (
    Crash,
    CrashEnd,
    CrashSignal,
    When,
)
from wavetank.sim import FsyncFailure, SerialRuntime, SimDisk, SimFileSystem, Sync


@pytest.mark.parametrize(
    ("words", "crash"),
    [
        ("crash before", Crash(CrashEnd.POWER_CUT, When.BEFORE)),
        ("kill inside", Crash(CrashEnd.KILL, When.INSIDE)),
        ("kill after then power cut", Crash(CrashEnd.KILL_THEN_POWER_CUT, When.AFTER)),
    ],
)
def test_the_signal_says_how_it_ended_and_where(ground: Ground, words: str, crash: Crash) -> None:
    site = FaultSite(ground, f"rename #2: {words}")
    site.fs.rename(site.path("f"), site.path("g"))
    with pytest.raises(CrashSignal) as caught:
        site.fs.rename(site.path("g"), site.path("h"))
    assert caught.value.crash == crash
    assert str(caught.value) == f"{words} rename {site.path('g')} {site.path('h')}"
    assert not isinstance(caught.value, Exception)
    assert site.fired == [1]


@pytest.mark.parametrize(
    ("moment", "content"),
    [("before", b"01234567"), ("inside", b"01ab4567"), ("after", b"01abcd67")],
)
def test_a_crash_inside_a_write_keeps_half_of_it(
    ground: Ground, moment: str, content: bytes
) -> None:
    site = FaultSite(ground, f"write: crash {moment}")
    file = site.open()
    with pytest.raises(CrashSignal):
        file.pwrite(b"abcd", 2)
    assert site.content() == content


@pytest.mark.parametrize(
    ("moment", "names"),
    [("before", ["f", "sub"]), ("inside", ["g", "sub"]), ("after", ["g", "sub"])],
)
def test_a_crash_inside_or_after_a_rename_has_renamed(
    ground: Ground, moment: str, names: list[str]
) -> None:
    site = FaultSite(ground, f"rename: kill {moment}")
    with pytest.raises(CrashSignal):
        site.fs.rename(site.path("f"), site.path("g"))
    assert site.names() == names


@pytest.mark.parametrize(("moment", "syncs"), [("before", 0), ("inside", 0), ("after", 1)])
@pytest.mark.parametrize("kind", ["fsync", "fsync_dir"])
def test_a_sync_is_done_only_before_a_crash_after_it(kind: str, moment: str, syncs: int) -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.mkdir("/d")
    site = FaultSite((fs, "/d"), f"{kind}: crash {moment}")
    file = site.open()
    with pytest.raises(CrashSignal):
        file.fsync() if kind == "fsync" else site.fs.fsync_dir("/d")
    assert sum(isinstance(record, Sync) for record in disk.log) == syncs


@pytest.mark.idle_faults("any: fail EIO from now on")
def test_a_process_that_has_ended_does_nothing(ground: Ground) -> None:
    site = FaultSite(ground, "read: kill before\nany: fail EIO from now on")
    # The file stays open, and nothing that the process tries has an effect.
    site.injector.lifted = True
    file = site.open()
    site.injector.lifted = False
    with pytest.raises(CrashSignal) as caught:
        file.pread(1, 0)
    for call in (
        lambda: file.pwrite(b"x", 0),
        lambda: file.truncate(0),
        file.fsync,
        file.size,
        lambda: site.fs.unlink(site.path("f")),
        lambda: site.fs.mkdir(site.path("new")),
        lambda: site.open("new"),
        lambda: site.fs.stat(site.path("f")),
        lambda: site.fs.fsync_dir(site.directory),
    ):
        with pytest.raises(CrashSignal) as again:
            call()
        assert again.value is caught.value
    assert (site.content(), site.names()) == (b"01234567", ["f", "sub"])
    assert site.fired == [1, 0]


def test_a_dead_process_gives_its_locks_back_and_the_next_one_works(ground: Ground) -> None:
    site = FaultSite(ground, "write: kill before")
    file = site.open()
    file.lock()
    with pytest.raises(CrashSignal):
        file.pwrite(b"x", 0)
    file.close()
    site.next_process()
    again: File = site.open("f", NEW)
    again.lock()
    assert again.pwrite(b"x", 0) == 1
    again.close()
    assert site.content() == b"x1234567"
    assert site.fired == [1]


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
def test_an_environment_fault_needs_a_simulation(ground: Ground, line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FaultSite(ground, line)
