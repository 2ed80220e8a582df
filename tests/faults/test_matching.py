"""Operation matchers and triggers: which operations match, and at which of them a fault fires."""

from contextlib import suppress

import pytest
from fault_site import FaultSite, Ground

from wavetank.faults import (
    Fault,
    FaultErrno,
    FaultInjector,
    FaultyFileSystem,
    FillUp,
    FlipBit,
    OperationKind,
    OperationMatcher,
    Trigger,
    What,
    parse_plan,
)
from wavetank.sim import SimDisk, SimFileSystem


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        (None, "/store/log.dat", True),
        ("log.dat", "/store/log.dat", True),
        ("log.dat", "/store/old-log.dat", False),
        ("*.tmp", "/store/a/state.tmp", True),
        ("store", "/store/", True),
        ("/store/*", "/store/log.dat", True),
        ("/store/*", "/other/log.dat", False),
        ("LOG.DAT", "/store/log.dat", False),
    ],
)
def test_a_pattern_matches_paths(pattern: str | None, path: str, *, matches: bool) -> None:
    assert OperationMatcher(path=pattern).matches_path(path) is matches


@pytest.mark.parametrize("path", ["", "a b", "a:b", "a#b", "offset", "in", "while", " a"])
def test_a_pattern_that_no_line_can_hold_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path: expected a pattern"):
        OperationMatcher(path=path)


def test_a_rename_matches_by_either_name(ground: Ground) -> None:
    site = FaultSite(ground, "rename g: fail EIO\nrename f: fail EACCES")
    for error in (OSError, PermissionError):
        with pytest.raises(error):
            site.fs.rename(site.path("f"), site.path("g"))
    site.fs.rename(site.path("f"), site.path("g"))
    assert site.fired == [1, 1]


def test_fsync_matches_datasync_but_not_the_other_way_round(
    ground: Ground,
) -> None:
    site = FaultSite(ground, "fsync #2: fail EIO\ndatasync #2: fail EIO")
    file = site.open()
    file.fsync()
    with pytest.raises(OSError, match="f"):
        file.datasync()
    file.fsync()
    # The first sync of content was not seen by the second line, since the first fired at it.
    file.datasync()
    with pytest.raises(OSError, match="f"):
        file.datasync()
    assert site.fired == [1, 1]


def test_only_transfers_that_touch_the_range_match(ground: Ground) -> None:
    site = FaultSite(
        ground, "write offset 8..10: short 1 bytes\nread offset 2..4: fail EIO from now on"
    )
    file = site.open()
    assert file.pwrite(b"AB", 6) == 2
    assert file.append(b"CD") == 1
    assert file.append(b"EF") == 2
    assert [file.pread(2, 0), file.pread(9, 4)] == [b"01", b"45ABCEF"]
    for offset in (1, 3):
        with pytest.raises(OSError, match="f"):
            file.pread(2, offset)
    assert site.fired == [1, 2]


def fails(site: FaultSite, name: str = "sub") -> bool:
    try:
        site.fs.stat(site.path(name))
    except OSError:
        return True
    return False


@pytest.mark.parametrize(
    ("condition", "stands"),
    [
        ("new exists", [False, True, True]),
        ("new absent", [True, False, False]),
        ("new >= 4 bytes", [False, False, True]),
        ("new < 4 bytes", [False, True, False]),
    ],
)
def test_a_condition_is_tested_when_the_operation_begins(
    ground: Ground, condition: str, stands: list[bool]
) -> None:
    site = FaultSite(ground, f"stat while {condition}: fail EIO from now on")
    seen = [fails(site)]
    file = site.open("new")
    seen.append(fails(site))
    file.append(b"four")
    seen.append(fails(site))
    assert seen == stands


def test_a_name_is_looked_up_in_the_directory_of_the_operation(ground: Ground) -> None:
    site = FaultSite(ground, "any while f exists: fail EIO from now on")
    for call in (
        lambda: site.fs.listdir(site.directory),
        lambda: site.fs.fsync_dir(site.directory),
        lambda: site.fs.mkdir(site.path("new")),
    ):
        with pytest.raises(OSError, match="5"):
            call()
    assert list(site.fs.listdir(site.path("sub"))) == []
    site.fs.mkdir(site.path("sub/new"))


def test_a_condition_may_name_a_whole_path(ground: Ground) -> None:
    site = FaultSite(ground, "stat while /nowhere/f absent: fail EIO")
    assert fails(site)


def test_a_condition_sees_the_disk_without_its_damage(ground: Ground) -> None:
    site = FaultSite(ground, "stat f: missing\nstat sub while f exists: fail EIO")
    assert [fails(site, "f"), fails(site)] == [True, True]


def save_snapshot(site: FaultSite, name: str) -> bool:
    return fails(site, name)


def test_a_caller_is_a_function_or_module_on_the_stack(ground: Ground) -> None:
    line = "stat in save_snapshot #2: fail EIO\nstat sub in test_matching: fail EIO"
    site = FaultSite(ground, line)
    assert [fails(site, "f"), save_snapshot(site, "f"), fails(site, "f")] == [False] * 3
    assert save_snapshot(site, "f")
    assert [fails(site), fails(site)] == [True, False]
    assert site.fired == [1, 1]


@pytest.mark.idle_faults(
    *(f"any in {caller}: fail EIO" for caller in ("begin", "matching", "stat"))
)
def test_this_package_itself_is_no_caller(ground: Ground) -> None:
    site = FaultSite(
        ground, "any in begin: fail EIO\nany in matching: fail EIO\nany in stat: fail EIO"
    )
    assert not fails(site)


def test_a_fault_fires_from_the_first_match_on_so_many_times(
    ground: Ground,
) -> None:
    site = FaultSite(ground, "size #2: fail EIO 3 times\nstat #2: fail EIO from now on")
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


@pytest.mark.parametrize(
    ("what", "which"),
    [(FlipBit(0, 0), Trigger()), (FillUp(FaultErrno.ENOSPC, 0), Trigger(first=2, times=None))],
)
def test_a_fault_that_never_ends_takes_no_number_of_times(what: What, which: Trigger) -> None:
    with pytest.raises(ValueError, match=r"(times|first): expected"):
        Fault(matcher=OperationMatcher(kind=OperationKind.READ), what=what, trigger=which)


def matches_fired_at(plan: str, seed: int) -> list[int]:
    """Return which of 200 operations fail by the first line of a plan."""
    injector = FaultInjector(parse_plan(plan), seed=seed)
    fs = FaultyFileSystem(SimFileSystem(SimDisk()), injector)
    numbers = []
    line = plan.splitlines()[0]
    for number in range(1, 201):
        before = injector.fired()[line]
        with suppress(OSError):
            fs.stat("/")
        if injector.fired()[line] > before:
            numbers.append(number)
    return numbers


@pytest.mark.idle_faults("list: fail EIO with probability 0.5 from disk")
def test_chance_depends_on_seed_and_stream_alone() -> None:
    line = "stat: fail EIO with probability 0.1 from disk"
    numbers = matches_fired_at(line, 1)
    assert numbers[:4] == [3, 5, 9, 13]
    assert 10 < len(numbers) < 32
    assert matches_fired_at(f"{line}\nlist: fail EIO with probability 0.5 from disk", 1) == numbers
    assert matches_fired_at(line, 2) != numbers
    assert matches_fired_at(line.replace("disk", "cable"), 1) != numbers


def test_chance_waits_for_its_first_match() -> None:
    assert matches_fired_at("stat #150: fail EIO with probability 1.0 from disk", 1) == list(
        range(150, 201)
    )
