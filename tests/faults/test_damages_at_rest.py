"""Damage that lies on the disk: it is seen until it is written over, and below is the truth."""

import errno
import re

import pytest
from fault_site import NEW, FaultSite, fails_with
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine import FileSystem, OpenFlag
from wavetank.faults import FaultInjector, FaultyFileSystem, parse_plan
from wavetank.sim import SimDisk, SimFileSystem

Ground = tuple[FileSystem, str]

READ = OpenFlag.READ
WRITE = OpenFlag.WRITE


def test_bytes_are_unreadable_until_they_are_rewritten(ground: Ground) -> None:
    site = FaultSite(ground, "read f: unreadable 2..5")
    file = site.open()
    assert file.pread(2, 0) == b"01"
    for _ in range(2):
        with pytest.raises(OSError, match=re.escape(site.path("f"))) as caught:
            file.pread(4, 0)
        assert caught.value.errno == errno.EIO
    assert file.pread(3, 5) == b"567"
    file.pwrite(b"ab", 2)
    assert file.pread(4, 0) == b"01ab"
    with fails_with(errno.EIO):
        file.pread(1, 4)
    file.truncate(4)
    file.truncate(5)
    assert file.pread(9, 0) == b"01ab\0"
    assert site.fired == [3]


def test_bytes_are_zeros_until_they_are_rewritten(ground: Ground) -> None:
    site = FaultSite(ground, "read f #2: zeroed 2..5")
    assert [site.shown() for _ in range(3)] == [
        b"01234567",
        b"01" + bytes(3) + b"567",
        b"01" + bytes(3) + b"567",
    ]
    site.open("f", WRITE).pwrite(b"ab", 1)
    assert site.shown() == b"0ab" + bytes(2) + b"567"
    assert site.content() == b"0ab34567"
    assert site.fired == [3]


def test_damage_that_comes_from_now_on_comes_back(ground: Ground) -> None:
    site = FaultSite(ground, "read: zeroed 0..2 from now on")
    file = site.open()
    file.pwrite(b"ab", 0)
    assert [file.pread(3, 0), file.pread(1, 1), file.pread(2, 2)] == [b"\0\x002", b"\0", b"23"]
    assert site.fired == [2]


def test_stale_bytes_are_those_of_before_the_last_write(ground: Ground) -> None:
    site = FaultSite(ground, "read f #2: stale 1..20")
    file = site.open("f", WRITE)
    assert site.shown() == b"01234567"
    file.pwrite(b"abcd", 2)
    file.pwrite(b"xy", 3)
    file.append(b"new")
    # Of bytes 0, 1, 6 and 7 nothing older is known; bytes that were not there were zeros.
    assert site.shown() == b"01axyd67new"
    assert site.shown() == b"012bc567\0\0\0"
    file.pwrite(b"z", 3)
    assert site.shown() == b"012zc567\0\0\0"
    assert site.content() == b"01azyd67new"
    assert site.fired == [2]


def test_a_file_that_took_a_name_may_show_the_one_that_had_it(ground: Ground) -> None:
    site = FaultSite(ground, "read f: stale 2..6")
    other = site.open("new")
    other.pwrite(b"abcdefgh", 0)
    other.close()
    site.fs.rename(site.path("new"), site.path("f"))
    assert site.shown() == b"ab2345gh"
    assert site.content() == b"abcdefgh"


def test_damage_stays_with_a_file_that_is_renamed(ground: Ground) -> None:
    site = FaultSite(ground, "read *: zeroed 0..2")
    assert site.shown() == b"\0\x00234567"
    site.fs.rename(site.path("f"), site.path("g"))
    assert site.shown("g") == b"\0\x00234567"
    # What is made under the old name is another file.
    file = site.open()
    file.pwrite(b"abc", 0)
    assert site.shown() == b"abc"


def test_a_new_file_has_nothing_of_one_whose_number_it_may_have(ground: Ground) -> None:
    site = FaultSite(ground, "read f: zeroed 0..2\nsize f: shortened to 1 bytes")
    assert site.shown() == b"\0\x00234567"
    file = site.open()
    assert file.size() == 1
    file.close()
    site.fs.unlink(site.path("f"))
    file = site.open()
    file.append(b"abc")
    assert (file.size(), site.shown()) == (3, b"abc")


def test_a_name_that_is_another_file_s_by_now_tells_nothing_of_what_was(ground: Ground) -> None:
    site = FaultSite(ground, "read f: stale 0..3")
    file = site.open()
    site.open("new").append(b"abcdef")
    site.fs.rename(site.path("new"), site.path("f"))
    file.pwrite(b"xy", 0)
    assert file.pread(3, 0) == b"xy2"
    site.fs.unlink(site.path("f"))
    assert file.pwrite(b"z", 0) == 1
    assert file.pread(3, 0) == b"zy2"


def test_a_short_write_makes_stale_what_it_wrote_over_alone() -> None:
    disk = SimFileSystem(SimDisk())
    disk.mkdir("/d")
    below = FaultyFileSystem(disk, FaultInjector(parse_plan("write f #3: short 1 bytes")))
    site = FaultSite((below, "/d"), "read f: stale 0..4")
    file = site.open()
    assert [file.pwrite(b"cdef", 0), file.pwrite(b"ab", 0)] == [4, 1]
    assert site.shown() == b"c1234567"


def test_what_changes_nothing_is_not_counted(ground: Ground) -> None:
    site = FaultSite(
        ground,
        "any: missing\nany: shortened to 8 bytes\nread: zeroed 8..9\nread: stale 0..8",
    )
    with fails_with(errno.ENOENT):
        site.fs.stat(site.path("none"))
    site.fs.stat(site.path("sub"))
    assert site.fired == [0, 0, 0, 0]
    site = FaultSite((site.pristine, site.path("sub")), "read: zeroed 8..9\nread: stale 0..8")
    assert site.shown() == b"01234567"
    assert site.fired == [0, 0]


def test_lifted_faults_show_the_truth_and_what_is_written_meanwhile_heals(ground: Ground) -> None:
    site = FaultSite(ground, "read f: zeroed 0..4\nstat f: missing")
    file = site.open()
    assert file.pread(9, 0) == b"\0\0\0\x004567"
    with fails_with(errno.ENOENT):
        site.fs.stat(site.path("f"))
    site.injector.lifted = True
    assert site.fs.stat(site.path("f")).size == 8
    assert site.shown() == b"01234567"
    file.pwrite(b"ab", 1)
    site.injector.lifted = False
    assert file.pread(9, 0) == b"\0ab\x004567"
    with fails_with(errno.ENOENT):
        site.fs.stat(site.path("f"))


def test_damage_strikes_while_failures_are_lifted(ground: Ground) -> None:
    site = FaultSite(ground, "read: zeroed 0..2\nany: fail EIO from now on\nsize: emptied")
    site.injector.damage_only = True
    file = site.open()
    assert (file.pread(4, 0), file.size()) == (b"\0\x0023", 0)
    assert site.fired == [1, 0, 1]


def test_damage_is_there_for_the_next_process_and_for_an_injector_that_goes_on() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.mkdir("/d")
    plan = "read f: zeroed 0..2\nstat f: missing\nread f #2: stale 4..6"
    site = FaultSite((fs, "/d"), plan)
    file = site.open()
    file.pwrite(b"ab", 4)
    assert file.pread(8, 0) == b"\0\x0023ab67"
    assert file.pread(2, 4) == b"45"
    with fails_with(errno.ENOENT):
        site.fs.stat("/d/f")
    injector = FaultInjector(parse_plan(plan), since=site.injector.state)
    assert injector.state == site.injector.state
    twin = FaultyFileSystem(SimFileSystem(disk.process_kill()), injector)
    with fails_with(errno.ENOENT):
        twin.stat("/d/f")
    site.next_process()
    with fails_with(errno.ENOENT):
        site.open("f", READ)
    assert file.pread(8, 0) == b"\0\x00234567"


writes = st.lists(
    st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=20)), min_size=1, max_size=8
)


@given(before=writes, after=writes, start=st.integers(0, 40), length=st.integers(1, 20))
def test_stale_bytes_are_a_shadow_one_write_behind(
    before: list[tuple[int, bytes]], after: list[tuple[int, bytes]], start: int, length: int
) -> None:
    fs = SimFileSystem(SimDisk())
    line = f"read f: stale {start}..{start + length}"
    faulty = FaultyFileSystem(fs, FaultInjector(parse_plan(line)))
    file = faulty.open("/f", NEW)
    content, former = bytearray(), {}
    for offset, data in before:
        content = content.ljust(offset, b"\0")
        for place, byte in enumerate(data, offset):
            former[place] = content[place] if place < len(content) else 0
            content[place : place + 1] = bytes([byte])
        file.pwrite(data, offset)
    places = [p for p in range(start, start + length) if p in former and p < len(content)]
    expected = bytearray(content)
    for place in places:
        expected[place] = former[place]
    assert file.pread(100, 0) == expected
    if not places:
        return
    for offset, data in after:
        file.pwrite(data, offset)
        expected = expected.ljust(offset, b"\0")
        expected[offset : offset + len(data)] = data
    assert file.pread(100, 0) == expected
