"""Damage at rest: everybody sees it until it is written over, and below is the truth."""

import errno
import re

import pytest
from fault_site import NEW, FaultSite, Ground, fails_with
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine import OpenFlag
from wavetank.faults import (
    FaultInjector,
    FaultyFileSystem,
    parse_plan,
)
from wavetank.sim import SimDisk, SimFileSystem

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


def test_a_new_file_has_no_damage_of_a_deleted_one(ground: Ground) -> None:
    site = FaultSite(ground, "read f: zeroed 0..2\nsize f: shortened to 1 bytes")
    assert site.shown() == b"\0\x00234567"
    file = site.open()
    assert file.size() == 1
    file.close()
    site.fs.unlink(site.path("f"))
    file = site.open()
    file.append(b"abc")
    assert (file.size(), site.shown()) == (3, b"abc")


@pytest.mark.idle_faults("read f: stale 0..3")
def test_bytes_are_not_stale_from_another_file_of_the_same_name(ground: Ground) -> None:
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


@pytest.mark.idle_faults(
    "any: missing", "any: shortened to 8 bytes", "read: zeroed 8..9", "read: stale 0..8"
)
def test_an_operation_that_the_damage_does_not_change_is_not_counted(ground: Ground) -> None:
    # "missing" would hide the file, so it has a site of its own.
    site = FaultSite(ground, "any: missing")
    with fails_with(errno.ENOENT):
        site.fs.stat(site.path("none"))
    site.fs.stat(site.path("sub"))
    assert site.fired == [0]
    plan = "any: shortened to 8 bytes\nread: zeroed 8..9\nread: stale 0..8"
    site = FaultSite((site.pristine, site.path("sub")), plan)
    assert site.shown() == b"01234567"
    assert site.fired == [0, 0, 0]


def test_a_file_is_missing_until_one_is_made(ground: Ground) -> None:
    site = FaultSite(ground, "open f #2: missing")
    kept = site.open()
    with fails_with(errno.ENOENT):
        site.open("f", READ)
    for call in (
        lambda: site.fs.stat(site.path("f")),
        lambda: site.fs.unlink(site.path("f")),
        lambda: site.fs.rename(site.path("f"), site.path("g")),
        lambda: site.fs.link(site.path("f"), site.path("g")),
    ):
        with fails_with(errno.ENOENT):
            call()
    assert sorted(site.fs.listdir(site.directory)) == ["sub"]
    assert kept.pread(3, 0) == b"012"
    assert site.names() == ["f", "sub"]
    site.open("f", NEW | OpenFlag.EXCLUSIVE).append(b"new")
    assert (site.shown(), site.content()) == (b"new", b"new")
    assert sorted(site.fs.listdir(site.directory)) == ["f", "sub"]
    assert site.fired == [1]


@pytest.mark.parametrize("way", ["rename", "link", "mkdir"])
def test_whatever_is_made_under_a_missing_name_is_there(ground: Ground, way: str) -> None:
    site = FaultSite(ground, "any f: missing")
    with fails_with(errno.ENOENT):
        site.fs.stat(site.path("f"))
    if way == "mkdir":
        site.fs.mkdir(site.path("f"))
    else:
        site.open("g").append(b"new")
        make = {"rename": site.fs.rename, "link": site.fs.link}[way]
        make(site.path("g"), site.path("f"))
    assert site.fs.stat(site.path("f")) == site.pristine.stat(site.path("f"))


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("stat f: shortened to 3 bytes", 3),
        ("any f: emptied", 0),
        ("open f: shortened to 3 bytes", 3),
    ],
)
def test_a_file_has_lost_its_end(ground: Ground, line: str, size: int) -> None:
    site = FaultSite(ground, line)
    site.open().close()
    assert site.fs.stat(site.path("f")).size == size
    file = site.open()
    assert (file.size(), file.pread(8, 0), file.pread(4, 2)) == (
        size,
        b"01234567"[:size],
        b"01234567"[2:size],
    )
    assert site.content() == b"01234567"
    site.injector.lifted = True
    assert (file.size(), site.fs.stat(site.path("f")).size, site.shown()) == (8, 8, b"01234567")
    site.injector.lifted = False
    # A program that goes on writes to the file that it sees.
    assert file.append(b"ab") == 2
    assert site.content() == b"01234567"[:size] + b"ab"
    assert file.size() == size + 2
    assert site.fired == [1]


def test_a_wrong_length_is_not_changed_again_until_it_is_right(ground: Ground) -> None:
    site = FaultSite(ground, "any f: shortened to 3 bytes 2 times")
    file = site.open()
    assert [file.size(), file.size()] == [3, 3]
    assert site.fired == [1]
    file.append(b"ab")
    assert [file.size(), file.size()] == [3, 3]
    assert site.fired == [2]
    file.append(b"cd")
    assert (file.size(), site.content()) == (5, b"012cd")


def test_only_what_a_program_asks_for_is_counted(ground: Ground) -> None:
    site = FaultSite(ground, "size f #2: emptied")
    file = site.open()
    file.append(b"8")
    file.append(b"9")
    assert [file.size(), file.size()] == [10, 0]


def test_a_file_has_garbage_behind_its_end(ground: Ground) -> None:
    site = FaultSite(ground, "any f: lengthened by 300 bytes")
    file = site.open()
    seen = file.pread(1000, 0)
    assert (file.size(), len(seen), seen[:8]) == (308, 308, b"01234567")
    assert len(set(seen[8:])) > 200
    assert [file.pread(10, 300), file.pread(5, 308), site.shown()] == [seen[300:], b"", seen]
    assert site.content() == b"01234567"
    file.pwrite(b"ab", 10)
    assert site.content() == seen[:10] + b"ab" + seen[12:]


def test_truncating_on_open_ends_all_damage_of_a_file(ground: Ground) -> None:
    site = FaultSite(ground, "read f: unreadable 0..3\nstat f: lengthened by 5 bytes")
    with fails_with(errno.EIO):
        site.shown()
    site.fs.stat(site.path("f"))
    file = site.open("f", NEW | OpenFlag.TRUNCATE)
    assert file.size() == 0
    file.truncate(4)
    assert site.shown() == bytes(4)


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


@pytest.mark.idle_faults("any: fail EIO from now on")
def test_damage_stays_while_failures_are_lifted(ground: Ground) -> None:
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


@pytest.mark.idle_faults
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
