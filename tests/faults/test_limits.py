"""Descriptors that run out, and a filesystem that gives up writing."""

import errno

import pytest
from fault_site import FaultSite

from wavetank.engine import FileSystem, OpenFlag
from wavetank.faults import FaultInjector, FaultyFileSystem, parse_plan
from wavetank.sim import SimDisk, SimFileSystem

Ground = tuple[FileSystem, str]


def test_only_so_many_files_may_be_open_at_once(ground: Ground) -> None:
    site = FaultSite(ground, "open: fail EMFILE from 2 open")
    first, second = site.open(), site.open()
    for _ in range(2):
        with pytest.raises(OSError, match=f"Errno {errno.EMFILE}"):
            site.open("new")
    assert site.names() == ["f", "sub"]
    second.close()
    second.close()
    third = site.open("new")
    with pytest.raises(OSError, match=f"Errno {errno.EMFILE}"):
        site.open()
    assert site.fired == [3]
    # A process that begins has no descriptors of another.
    site.next_process()
    site.open()
    first.close()
    third.close()
    assert site.fired == [3]


def test_a_descriptor_counts_no_longer_when_the_filesystem_below_fails_to_close_it() -> None:
    below = FaultyFileSystem(SimFileSystem(SimDisk()), FaultInjector(parse_plan("close: fail EIO")))
    fs = FaultyFileSystem(below, FaultInjector(parse_plan("open: fail EMFILE from 1 open")))
    flags = OpenFlag.WRITE | OpenFlag.CREATE
    with pytest.raises(OSError, match=f"Errno {errno.EIO}"):
        fs.open("/f", flags).close()
    fs.open("/f", flags).close()


def test_what_changes_something_fails_once_the_filesystem_is_read_only(ground: Ground) -> None:
    site = FaultSite(ground, "any #2: read-only")
    file = site.open()
    other = site.open("f", OpenFlag.READ)
    for call in (
        lambda: file.pwrite(b"x", 0),
        lambda: file.truncate(0),
        lambda: file.preallocate(0, 100),
        file.fsync,
        lambda: site.open("f", OpenFlag.WRITE),
        lambda: site.open("new"),
        lambda: site.fs.rename(site.path("f"), site.path("g")),
        lambda: site.fs.unlink(site.path("f")),
        lambda: site.fs.link(site.path("f"), site.path("g")),
        lambda: site.fs.mkdir(site.path("g")),
        lambda: site.fs.rmdir(site.path("sub")),
        lambda: site.fs.fsync_dir(site.directory),
    ):
        with pytest.raises(OSError, match=f"Errno {errno.EROFS}"):
            call()
    assert (other.pread(9, 0), file.size()) == (b"01234567", 8)
    assert site.fs.stat(site.path("f")).size == 8
    assert sorted(site.fs.listdir(site.directory)) == ["f", "sub"]
    site.open("f", OpenFlag.READ).close()
    assert (site.content(), site.names()) == (b"01234567", ["f", "sub"])
    assert site.fired == [12]
