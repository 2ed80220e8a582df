"""What goes wrong over a filesystem, simulated or the machine's own: it is what the line says."""

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from fault_site import NEW
from fault_site import FaultSite as Site

from wavetank.engine import File, FileSystem, OpenFlag, OsFileSystem
from wavetank.faults import (
    OPERATIONS,
    FaultErrno,
    FaultInjector,
    FaultyFileSystem,
    OperationKind,
    parse_plan,
)
from wavetank.sim import SimDisk, SimFileSystem, Sync

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
READ: Final = OpenFlag.READ


CALLS: Final[dict[str, Callable[[Site, File], object]]] = {
    "pread": lambda _, file: file.pread(4, 0),
    "pwrite": lambda _, file: file.pwrite(b"ab", 0),
    "append": lambda _, file: file.append(b"ab"),
    "truncate": lambda _, file: file.truncate(3),
    "size": lambda _, file: file.size(),
    "fsync": lambda _, file: file.fsync(),
    "datasync": lambda _, file: file.datasync(),
    "preallocate": lambda _, file: file.preallocate(0, 100),
    "advise_dont_need": lambda _, file: file.advise_dont_need(),
    "lock": lambda _, file: file.lock(),
    "close": lambda _, file: file.close(),
    "open": lambda site, _: site.open("new"),
    "rename": lambda site, _: site.fs.rename(site.path("f"), site.path("g")),
    "unlink": lambda site, _: site.fs.unlink(site.path("f")),
    "link": lambda site, _: site.fs.link(site.path("f"), site.path("g")),
    "mkdir": lambda site, _: site.fs.mkdir(site.path("new")),
    "rmdir": lambda site, _: site.fs.rmdir(site.path("sub")),
    "listdir": lambda site, _: site.fs.listdir(site.directory),
    "stat": lambda site, _: site.fs.stat(site.path("f")),
    "fsync_dir": lambda site, _: site.fs.fsync_dir(site.directory),
}
EFFECTS: Final = {
    "pwrite": (b"ab234567", ["f", "sub"]),
    "append": (b"01234567ab", ["f", "sub"]),
    "truncate": (b"012", ["f", "sub"]),
    "preallocate": (b"01234567" + bytes(92), ["f", "sub"]),
    "open": (b"01234567", ["f", "new", "sub"]),
    "rename": (None, ["g", "sub"]),
    "unlink": (None, ["sub"]),
    "link": (b"01234567", ["f", "g", "sub"]),
    "mkdir": (b"01234567", ["f", "new", "sub"]),
    "rmdir": (b"01234567", ["f"]),
}
"""What the file holds and which names there are after a call; of others, what was there before."""


def words_of(method: str) -> str:
    return next(each.kind.value for each in OPERATIONS if each.method == method)


def state_of(site: Site) -> tuple[bytes | None, list[str]]:
    names = site.names()
    return site.content() if "f" in names else None, names


@pytest.mark.parametrize("error", FaultErrno, ids=lambda error: error.name)
@pytest.mark.parametrize("method", [each.method for each in OPERATIONS])
def test_any_operation_may_fail_without_effect(
    ground: tuple[FileSystem, str], method: str, error: FaultErrno
) -> None:
    kind = words_of(method)
    # The file is open before the faults begin, which is why `open` counts from its second match.
    number = " #2" if method == "open" else ""
    site = Site(ground, f"{kind}{number}: fail {error.name}")
    file = site.open()
    before = state_of(site)
    with pytest.raises(OSError, match=re.escape(site.directory)) as caught:
        CALLS[method](site, file)
    assert caught.value.errno == error.value
    assert state_of(site) == before
    assert site.fired == [1]
    # Once means once: the same call now does what it always does.
    CALLS[method](site, file)
    assert state_of(site) == EFFECTS.get(method, before)
    assert site.fired == [1]


@pytest.mark.parametrize("method", [each.method for each in OPERATIONS])
def test_an_operation_may_have_happened_and_yet_report_an_error(
    ground: tuple[FileSystem, str], method: str
) -> None:
    number = " #2" if method == "open" else ""
    site = Site(ground, f"{words_of(method)}{number}: fail EIO after effect")
    file = site.open()
    before = state_of(site)
    with pytest.raises(OSError, match=re.escape(site.directory)) as caught:
        CALLS[method](site, file)
    assert caught.value.errno == errno.EIO
    assert state_of(site) == EFFECTS.get(method, before)
    assert site.fired == [1]


def test_a_descriptor_is_given_back_whatever_close_reports(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "close: fail EIO")
    file = site.open()
    file.lock()
    with pytest.raises(OSError, match="f"):
        file.close()
    file.close()
    again = site.open()
    again.lock()
    with pytest.raises(OSError, match=f"Errno {errno.EBADF}"):
        file.size()
    assert site.fired == [1]


def test_a_fault_is_not_spent_on_a_closed_file(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "fsync: fail EIO\nwrite: fail EIO\nread: fail EIO\nsize: fail EIO")
    file = site.open()
    file.close()
    for call in (file.fsync, file.size, lambda: file.pwrite(b"a", 0), lambda: file.pread(1, 0)):
        with pytest.raises(OSError, match=f"Errno {errno.EBADF}"):
            call()
    assert site.fired == [0, 0, 0, 0]


def test_the_number_is_that_of_the_match_and_the_count_says_how_many_in_a_row(
    ground: tuple[FileSystem, str],
) -> None:
    site = Site(ground, "size #2: fail EIO 3 times\nstat #2: fail EIO from now on")
    file = site.open()
    failed: dict[str, list[int]] = {"size": [], "stat": []}
    for number in range(1, 8):
        for name, call in (("size", file.size), ("stat", lambda: site.fs.stat(site.path("f")))):
            try:
                call()
            except OSError:
                failed[name].append(number)
    assert failed == {"size": [2, 3, 4], "stat": [2, 3, 4, 5, 6, 7]}
    assert site.fired == [3, 6]


def test_a_sync_of_content_is_an_fsync_and_not_the_other_way_round(
    ground: tuple[FileSystem, str],
) -> None:
    site = Site(ground, "fsync #2: fail EIO\ndatasync #2: fail EIO")
    file = site.open()
    file.fsync()
    with pytest.raises(OSError, match="f"):
        file.datasync()
    file.fsync()
    # The first sync of content was not seen by the second line, since the first struck it.
    file.datasync()
    with pytest.raises(OSError, match="f"):
        file.datasync()
    assert site.fired == [1, 1]


def test_a_rename_matches_by_either_name(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "rename g: fail EIO\nrename f: fail EACCES")
    for error in (OSError, PermissionError):
        with pytest.raises(error):
            site.fs.rename(site.path("f"), site.path("g"))
    site.fs.rename(site.path("f"), site.path("g"))
    assert site.fired == [1, 1]


def test_a_write_is_short_or_fails_half_way(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "write #1: short 3 bytes\nwrite #2: fail EIO after 2 bytes")
    file = site.open()
    assert file.pwrite(b"abcdef", 0) == 3
    assert file.append(bytearray(b"xy")) == 2
    with pytest.raises(OSError, match="f"):
        file.append(memoryview(b"nmop"))
    assert site.content() == b"abc34567xynm"
    assert site.fired == [1, 1]


def test_a_read_is_short(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "read: short 3 bytes 2 times")
    file = site.open()
    assert [file.pread(5, 1) for _ in range(3)] == [b"123", b"123", b"12345"]


def test_only_transfers_that_touch_the_range_match(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "write offset 8..10: short 1 bytes\nread offset 2..4: fail EIO from now on")
    file = site.open()
    assert file.pwrite(b"AB", 6) == 2
    assert file.append(b"CD") == 1
    assert file.append(b"EF") == 2
    assert [file.pread(2, 0), file.pread(9, 4)] == [b"01", b"45ABCEF"]
    for offset in (1, 3):
        with pytest.raises(OSError, match="f"):
            file.pread(2, offset)
    assert site.fired == [1, 2]


def test_a_flipped_bit_is_seen_by_every_read_of_its_byte(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "read f: flip bit 17 at 1\nread f #2: flip bit 0 at 0")
    file = site.open()
    # Bit 17 from offset 1 on is bit 1 of byte 3, "3": it becomes "1".
    assert file.pread(8, 0) == b"01214567"
    assert file.pread(8, 0) == b"11214567"
    assert [file.pread(1, 3), file.pread(3, 0), file.pread(4, 4)] == [b"1", b"112", b"4567"]
    assert site.content() == b"01234567"
    assert site.fired == [3, 2]


def test_a_disk_fills_up_by_the_bytes_that_are_written(ground: tuple[FileSystem, str]) -> None:
    site = Site(
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


def test_a_named_kind_feels_that_the_disk_is_full(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "fsync: fail ENOSPC from 3 bytes written")
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


def test_counts_go_on_when_a_new_process_gets_a_filesystem_of_its_own() -> None:
    disk = SimDisk()
    injector = FaultInjector(parse_plan("stat #3: fail EIO"))
    first = FaultyFileSystem(SimFileSystem(disk), injector, disk)
    first.stat("/")
    first.stat("/")
    second = FaultyFileSystem(SimFileSystem(disk.process_kill()), injector, disk)
    with pytest.raises(OSError, match="/"):
        second.stat("/")


def refusal_of(call: Callable[[], object]) -> int | None:
    """What a call was refused with."""
    try:
        call()
    except OSError as error:
        return error.errno
    return None


@pytest.mark.parametrize(
    "line",
    [
        "stat #3: fail EIO",
        "stat: fail EIO 2 times",
        "stat #2: fail EIO from now on",
        "write: fail ENOSPC from 7 bytes written",
        "read #3: flip bit 0 at 0",
    ],
)
@pytest.mark.parametrize("rounds", range(3))
def test_an_injector_goes_on_from_the_state_of_another(line: str, rounds: int) -> None:
    def operate(site: Site) -> list[object]:
        came: list[object] = []
        for _ in range(3):
            came.append(refusal_of(lambda: site.fs.stat(site.path("f"))))
            file = site.open()
            came.append(refusal_of(lambda: file.pwrite(b"0123", 0)))  # noqa: B023 - called at once
            came.append(file.pread(4, 0))
            file.close()
        return came

    def grounded() -> tuple[FileSystem, str]:
        fs = SimFileSystem(SimDisk())
        fs.mkdir("/d")
        return fs, "/d"

    one, other = Site(grounded(), line), Site(grounded(), line)
    for _ in range(rounds):
        operate(one)
    other.injector = FaultInjector(one.injector.plan, since=one.injector.state)
    other.fs = FaultyFileSystem(other.pristine, other.injector)
    assert other.injector.state == one.injector.state
    before = one.injector.fired()[line]
    assert operate(other) == operate(one)
    assert other.injector.state == one.injector.state
    assert other.injector.fired()[line] == one.injector.fired()[line] - before


def test_what_has_struck_for_good_stands_where_it_stood(ground: tuple[FileSystem, str]) -> None:
    site = Site(ground, "stat #2: fail EIO")
    states = []
    for _ in range(4):
        refusal_of(lambda: site.fs.stat(site.path("f")))
        states.append(site.injector.state)
    assert [state.matches for state in states] == [(1,), (2,), (2,), (2,)]
    assert [state.has_fired for state in states] == [(False,), (True,), (True,), (True,)]


def test_damage_strikes_while_everything_else_is_lifted(ground: tuple[FileSystem, str]) -> None:
    counted = []
    plan = parse_plan("read: fail EIO from now on\nread: flip bit 0 at 0")
    site = Site(ground, "")
    site.injector = FaultInjector(plan, on_count=lambda: counted.append(1))
    site.fs = FaultyFileSystem(site.pristine, site.injector)
    site.injector.damage_only = True
    assert site.open().pread(2, 0) == b"11"
    assert site.injector.fired() == {"read: fail EIO from now on": 0, "read: flip bit 0 at 0": 1}
    assert counted
    site.injector.lifted = True
    counted.clear()
    assert site.open().pread(2, 0) == b"01"
    assert not counted


def test_a_machine_needs_a_simulated_disk() -> None:
    injector = FaultInjector(parse_plan("stat: fail EIO\nfsync: fail EIO btrfs"))
    with pytest.raises(ValueError, match="expected a simulated disk for 'fsync: fail EIO btrfs'"):
        FaultyFileSystem(OsFileSystem(), injector)


def test_lines_that_are_equal_are_counted_together() -> None:
    injector = FaultInjector(parse_plan("stat: fail EIO\nstat: fail EIO\nlist: fail EIO"))
    fs = FaultyFileSystem(SimFileSystem(SimDisk()), injector)
    for _ in range(2):
        with pytest.raises(OSError, match="/"):
            fs.stat("/")
    assert injector.fired() == {"stat: fail EIO": 2, "list: fail EIO": 0}


def test_the_page_s_examples_print_what_stands_below_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    blocks = [(language, text) for language, text in found if language != "sh"]
    assert [language for language, _ in blocks] == ["python", "text"] * 2
    for (_, source), (_, printed) in zip(blocks[::2], blocks[1::2], strict=True):
        exec(source, {"directory": str(tmp_path)})
        assert capsys.readouterr().out == printed


def test_the_page_has_every_kind_error_and_example_line() -> None:
    page = PAGE.read_text("utf-8")
    grammar = set(re.findall(r'"([^"]+)"', page))
    assert {each.value for each in OperationKind} <= grammar
    assert {each.name for each in FaultErrno} <= grammar
    lines = re.search(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert lines is not None
    assert str(parse_plan(lines[1])) == lines[1].strip()
