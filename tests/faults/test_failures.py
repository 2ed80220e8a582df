"""Failures: operations that report an error or move fewer bytes, on a simulated and a real disk."""

import errno
import re
from collections.abc import Callable

import pytest
from fault_site import NEW, FaultSite, Ground, fails_with

from wavetank.engine import OpenFlag, OsFileSystem
from wavetank.faults import (
    FaultErrno,
    FaultInjector,
    FaultyFileSystem,
    parse_plan,
)
from wavetank.sim import SimDisk, SimFileSystem, Sync


@pytest.mark.parametrize("error", FaultErrno, ids=lambda error: error.name)
def test_any_error_can_be_reported(ground: Ground, error: FaultErrno) -> None:
    site = FaultSite(ground, f"stat: fail {error.name}")
    with fails_with(error.value):
        site.fs.stat(site.path("f"))


def test_a_write_is_short_or_fails_half_way(ground: Ground) -> None:
    site = FaultSite(ground, "write #1: short 3 bytes\nwrite #2: fail EIO after 2 bytes")
    file = site.open()
    assert file.pwrite(b"abcdef", 0) == 3
    assert file.append(bytearray(b"xy")) == 2
    with pytest.raises(OSError, match="f"):
        file.append(memoryview(b"nmop"))
    assert site.content() == b"abc34567xynm"
    assert site.fired == [1, 1]


def test_a_read_is_short(ground: Ground) -> None:
    site = FaultSite(ground, "read: short 3 bytes 2 times")
    file = site.open()
    assert [file.pread(5, 1) for _ in range(3)] == [b"123", b"123", b"12345"]


def test_a_disk_fills_up_by_the_bytes_that_are_written(ground: Ground) -> None:
    site = FaultSite(
        ground, "any f: fail ENOSPC from 5 bytes written\nany: fail EDQUOT from 7 bytes written"
    )
    file, other = site.open(), site.open("other")
    assert [file.pwrite(b"abc", 0), file.pwrite(b"def", 3), other.pwrite(b"gh", 0)] == [3, 2, 2]
    refused: list[Callable[[], object]] = [
        lambda: file.pwrite(b"i", 0),
        lambda: file.append(b"i"),
        lambda: file.preallocate(0, 1),
        lambda: other.pwrite(b"i", 0),
        lambda: site.fs.mkdir(site.path("new")),
    ]
    numbers = []
    for call in refused:
        with pytest.raises(OSError, match=re.escape(site.directory)) as caught:
            call()
        numbers.append(caught.value.errno)
    assert numbers == [errno.ENOSPC] * 3 + [errno.EDQUOT] * 2
    file.fsync()
    file.truncate(1)
    site.fs.unlink(site.path("other"))
    site.open("third")
    assert site.fired == [4, 2]


def test_a_named_kind_fails_once_the_disk_is_full(ground: Ground) -> None:
    site = FaultSite(ground, "fsync: fail ENOSPC from 3 bytes written")
    file = site.open()
    file.pwrite(b"ab", 0)
    file.fsync()
    file.pwrite(b"cd", 0)
    with pytest.raises(OSError, match=f"Errno {errno.ENOSPC}"):
        file.fsync()
    assert site.content() == b"cd234567"


@pytest.mark.parametrize(
    ("machine", "failing", "shows"),
    [
        ("ext4", [True, False], b"new"),
        ("ext4-data-journal", [False, True], b"new"),
        ("btrfs", [True, False], b"old"),
    ],
)
def test_a_sync_fails_as_it_does_on_a_filesystem(
    machine: str, failing: list[bool], shows: bytes
) -> None:
    disk = SimDisk()
    injector = FaultInjector(parse_plan(f"fsync f #2: fail EIO {machine}"))
    fs = FaultyFileSystem(SimFileSystem(disk), injector, disk)
    file, other = fs.open("/f", NEW), fs.open("/other", NEW)
    file.pwrite(b"old", 0)
    file.datasync()
    file.pwrite(b"new", 0)
    other.fsync()
    failed = []
    for _ in range(2):
        try:
            file.fsync()
        except OSError:
            failed.append(True)
        else:
            failed.append(False)
    assert failed == failing
    assert file.pread(3, 0) == shows
    disk.evict()
    assert file.pread(3, 0) == b"old"
    assert [record.failed for record in disk.log if isinstance(record, Sync)] == [
        False,
        False,
        *failing,
    ]
    assert injector.fired() == {f"fsync f #2: fail EIO {machine}": 1}


def test_a_machine_needs_a_simulated_disk() -> None:
    injector = FaultInjector(parse_plan("stat: fail EIO\nfsync: fail EIO btrfs"))
    with pytest.raises(ValueError, match="expected a simulated disk for 'fsync: fail EIO btrfs'"):
        FaultyFileSystem(OsFileSystem(), injector)


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


@pytest.mark.idle_faults("open: fail EMFILE from 1 open")
def test_a_descriptor_counts_no_longer_when_the_filesystem_below_fails_to_close_it() -> None:
    below = FaultyFileSystem(SimFileSystem(SimDisk()), FaultInjector(parse_plan("close: fail EIO")))
    fs = FaultyFileSystem(below, FaultInjector(parse_plan("open: fail EMFILE from 1 open")))
    flags = OpenFlag.WRITE | OpenFlag.CREATE
    with pytest.raises(OSError, match=f"Errno {errno.EIO}"):
        fs.open("/f", flags).close()
    fs.open("/f", flags).close()


def test_a_read_only_filesystem_refuses_every_change(ground: Ground) -> None:
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
