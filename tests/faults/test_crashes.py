"""Lines that end the process: what has been done by then, and that nothing is done after."""

import pytest
from fault_site import NEW, FaultSite

from wavetank.engine import File, FileSystem
from wavetank.faults import Crash, CrashEnd, CrashSignal, Moment
from wavetank.sim import SimDisk, SimFileSystem, Sync

Ground = tuple[FileSystem, str]


@pytest.mark.parametrize(
    ("words", "crash"),
    [
        ("crash before", Crash(CrashEnd.POWER_CUT, Moment.BEFORE)),
        ("kill inside", Crash(CrashEnd.KILL, Moment.INSIDE)),
        ("kill after then power cut", Crash(CrashEnd.KILL_THEN_POWER_CUT, Moment.AFTER)),
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
def test_a_write_has_come_so_far(ground: Ground, moment: str, content: bytes) -> None:
    site = FaultSite(ground, f"write: crash {moment}")
    file = site.open()
    with pytest.raises(CrashSignal):
        file.pwrite(b"abcd", 2)
    assert site.content() == content


@pytest.mark.parametrize(
    ("moment", "names"),
    [("before", ["f", "sub"]), ("inside", ["g", "sub"]), ("after", ["g", "sub"])],
)
def test_what_is_one_step_has_been_done_unless_it_had_not_begun(
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


def test_a_process_that_has_ended_does_nothing_any_more(ground: Ground) -> None:
    site = FaultSite(ground, "read: kill before\nany: fail EIO from now on")
    # The file stays open, and all that the process tries is in vain.
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
