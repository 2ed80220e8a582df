"""Files that are missing or not as long as they were written, until something is written."""

import errno

import pytest
from fault_site import NEW, FaultSite, fails_with

from wavetank.engine import FileSystem, OpenFlag

Ground = tuple[FileSystem, str]

READ = OpenFlag.READ


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


def test_a_length_that_is_wrong_is_not_made_wrong_again_until_it_is_right(ground: Ground) -> None:
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


def test_a_file_that_is_emptied_on_opening_has_nothing_left(ground: Ground) -> None:
    site = FaultSite(ground, "read f: unreadable 0..3\nstat f: lengthened by 5 bytes")
    with fails_with(errno.EIO):
        site.shown()
    site.fs.stat(site.path("f"))
    file = site.open("f", NEW | OpenFlag.TRUNCATE)
    assert file.size() == 0
    file.truncate(4)
    assert site.shown() == bytes(4)
