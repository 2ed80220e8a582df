"""A trace on a crash image becomes a log that continues that image."""

import pytest
from traced.images import data_image

from wavetank.sim import PROCESS_KILL, CallSite, Dirent, Mark, PendingOps, SimDisk, Sync, SyncKind
from wavetank.sim.attributes import Attributes
from wavetank.sim.traces import Trace, TraceError, continued

IMAGE = data_image(old=b"1", journal=b"12")
DATA, OLD, JOURNAL = 2, 3, 4


def recovery() -> Trace:
    """A recovery that was recorded where the two files had each other's inode."""
    disk = SimDisk(data_image(journal=b"12", old=b"1"))
    disk.write(4, 0, b"2", path="/data/old")
    disk.set_attributes(4, Attributes(mode=0o600), path="/data/old")
    disk.sync(SyncKind.FILE, 4, path="/data/old")
    new = disk.create(DATA, "new", path="/data/new")
    disk.write(new, 0, b"3", path="/data/new")
    disk.unlink(DATA, "journal", path="/data/journal")
    disk.mark("told")
    return Trace(
        directory="/data",
        image=disk.image,
        log=tuple(disk.log),
        sites=(CallSite(1, "pwrite64", ""), CallSite(len(disk.log) - 1, "unlink", "")),
        tokens=("told",),
        calls=7,
    )


def test_the_log_does_to_the_image_what_the_recovery_did() -> None:
    moved = continued(recovery(), IMAGE)
    pending = PendingOps(IMAGE, PROCESS_KILL)
    pending.take_all(moved.log)
    assert moved.image is IMAGE
    assert pending.full.files() == {"/data/new": b"3", "/data/old": b"2"}


def test_the_numbers_are_those_of_the_image_and_of_the_log_that_is_continued() -> None:
    log = continued(recovery(), IMAGE, first=100).log
    numbers = [each.number for each in log if not isinstance(each, (Sync, Mark))]
    assert numbers == list(range(100, 100 + len(numbers)))
    assert [each.inode for each in log if isinstance(each, Sync)] == [OLD]
    names = [(each.name, each.inode, each.subject) for each in log if isinstance(each, Dirent)]
    assert names == [("new", IMAGE.next_inode, IMAGE.next_inode), ("journal", None, JOURNAL)]


def test_what_no_image_is_laid_out_with_is_left_out() -> None:
    trace = recovery()
    moved = continued(trace, IMAGE)
    assert len(moved.log) == len(trace.log) - 2
    assert [each.position for each in moved.sites] == [1, len(moved.log)]
    assert moved.tokens == ()


def test_a_trace_that_started_from_something_else_is_refused() -> None:
    with pytest.raises(TraceError, match="/data/journal"):
        continued(recovery(), data_image(old=b"1"))
