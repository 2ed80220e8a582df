"""Damage by an operation: writes, reads and syncs report success and do something else."""

import pytest
from fault_site import FaultSite, Ground

from wavetank.engine import OpenFlag
from wavetank.faults import (
    TornShape,
    TornWrite,
)
from wavetank.sim import SimDisk, SimFileSystem, Sync

SECTOR = 512


OLD = b"o" * (4 * SECTOR)


def test_only_some_sectors_of_a_torn_write_land(ground: Ground) -> None:
    site = FaultSite(ground, "write: torn sectors 0,2", OLD)
    file = site.open()
    # The write begins in the middle of a sector, whose rest is the first that it touches.
    assert file.pwrite(b"n" * 1200, 300) == 1200
    assert site.content() == b"o" * 300 + b"n" * 212 + b"o" * 512 + b"n" * 476 + OLD[1500:]
    assert file.pwrite(b"m" * 4, 0) == 4
    assert site.content()[:5] == b"mmmmo"
    assert site.fired == [1]


def test_a_file_is_as_long_as_if_all_had_landed(ground: Ground) -> None:
    site = FaultSite(ground, "write: torn first 1 sectors\nwrite: lost", b"o" * 100)
    file = site.open()
    assert file.append(b"n" * 1000) == 1000
    assert site.content() == b"o" * 100 + b"n" * 412 + bytes(588)
    assert file.pwrite(b"m" * 100, 1050) == 100
    assert site.content() == b"o" * 100 + b"n" * 412 + bytes(638)
    assert site.fired == [1, 1]


@pytest.mark.parametrize(
    ("words", "landed"),
    [
        ("sectors 1", b".#.."),
        ("all but sectors 1", b"#.##"),
        ("first 3 sectors", b"###."),
        ("last 1 sectors", b"...#"),
        ("first 0 sectors", b"...."),
        ("last 9 sectors", b"####"),
        ("garbage after 2 sectors", b"##?."),
    ],
)
def test_which_sectors_land(ground: Ground, words: str, landed: bytes) -> None:
    site = FaultSite(ground, f"write: torn {words}", OLD)
    new = b"n" * len(OLD)
    assert site.open().pwrite(new, 0) == len(new)
    content = site.content()
    sectors = [content[start : start + SECTOR] for start in range(0, len(content), SECTOR)]
    seen = {OLD[:SECTOR]: b".", new[:SECTOR]: b"#"}
    assert b"".join(seen.get(sector, b"?") for sector in sectors) == landed


@pytest.mark.parametrize(
    ("shape", "numbers"),
    [(TornShape.ONLY, (2, 0)), (TornShape.ONLY, (1, 1)), (TornShape.FIRST, (1, 2))],
)
def test_sectors_that_make_no_sense_are_refused(shape: TornShape, numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="numbers: expected"):
        TornWrite(shape, numbers)


def test_appends_can_be_lost_misdirected_and_torn(ground: Ground) -> None:
    site = FaultSite(ground, "write: lost\nwrite: misdirected to 2\nwrite: torn last 1 sectors")
    file = site.open("f", OpenFlag.WRITE | OpenFlag.APPEND)
    # A write to a place is refused by such a file, and no fault is spent on it.
    with pytest.raises(OSError, match="f"):
        file.pwrite(b"x", 0)
    assert [file.append(b"ab"), file.append(b"cd"), file.append(b"ef")] == [2, 2, 2]
    assert site.content() == b"01cd4567\0\0\0\0ef"
    file.close()
    assert site.fired == [1, 1, 1]


def test_a_misdirected_write_lands_elsewhere_in_its_file(ground: Ground) -> None:
    site = FaultSite(ground, "write offset 8..99: misdirected to 1")
    file = site.open()
    assert file.pwrite(b"ab", 0) == 2
    assert file.pwrite(b"xyz", 8) == 3
    assert site.content() == b"axyz4567\0\0\0"


def test_a_misdirected_read_shows_what_is_elsewhere(ground: Ground) -> None:
    site = FaultSite(ground, "read #2: misdirected to 6 2 times")
    file = site.open()
    assert [file.pread(4, 0) for _ in range(4)] == [b"0123", b"67\0\0", b"67\0\0", b"0123"]
    assert site.content() == b"01234567"
    assert site.fired == [2]


def test_a_flipped_bit_is_seen_by_every_read_of_its_byte(ground: Ground) -> None:
    site = FaultSite(ground, "read f: flip bit 17 at 1\nread f #2: flip bit 0 at 0")
    file = site.open()
    # Bit 17 from offset 1 on is bit 1 of byte 3, "3": it becomes "1".
    assert file.pread(8, 0) == b"01214567"
    assert file.pread(8, 0) == b"11214567"
    assert [file.pread(1, 3), file.pread(3, 0), file.pread(4, 4)] == [b"1", b"112", b"4567"]
    assert site.content() == b"01234567"
    assert site.fired == [3, 2]


def test_a_sync_that_lies_does_nothing() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.mkdir("/d")
    site = FaultSite((fs, "/d"), "fsync f: lie\nfsync_dir: lie from now on")
    file = site.open()
    for _ in range(2):
        file.datasync()
        site.fs.fsync_dir("/d")
    assert [record.path for record in disk.log if isinstance(record, Sync)] == ["/d/f"]
    assert site.fired == [1, 2]
