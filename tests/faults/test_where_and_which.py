"""Faults that stand only under a condition, below a caller, or by chance."""

from contextlib import suppress

import pytest
from fault_site import FaultSite

from wavetank.engine import FileSystem
from wavetank.faults import FaultInjector, FaultyFileSystem, parse_plan
from wavetank.sim import SimDisk, SimFileSystem

Ground = tuple[FileSystem, str]


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
def test_a_condition_is_decided_when_the_operation_begins(
    ground: Ground, condition: str, stands: list[bool]
) -> None:
    site = FaultSite(ground, f"stat while {condition}: fail EIO from now on")
    seen = [fails(site)]
    file = site.open("new")
    seen.append(fails(site))
    file.append(b"four")
    seen.append(fails(site))
    assert seen == stands


def test_a_name_is_looked_for_where_the_operation_is(ground: Ground) -> None:
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


def test_what_is_damaged_is_there_for_conditions(ground: Ground) -> None:
    site = FaultSite(ground, "stat f: missing\nstat sub while f exists: fail EIO")
    assert [fails(site, "f"), fails(site)] == [True, True]


def save_snapshot(site: FaultSite, name: str) -> bool:
    return fails(site, name)


def test_only_what_a_function_or_module_asks_for(ground: Ground) -> None:
    line = "stat in save_snapshot #2: fail EIO\nstat sub in test_where_and_which: fail EIO"
    site = FaultSite(ground, line)
    assert [fails(site, "f"), save_snapshot(site, "f"), fails(site, "f")] == [False] * 3
    assert save_snapshot(site, "f")
    assert [fails(site), fails(site)] == [True, False]
    assert site.fired == [1, 1]


def test_the_injectors_themselves_call_nothing(ground: Ground) -> None:
    site = FaultSite(
        ground, "any in strike: fail EIO\nany in _process: fail EIO\nstat in stat: fail EIO"
    )
    assert not fails(site)


def struck(plan: str, seed: int) -> list[int]:
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


def test_chance_is_the_same_in_each_run_of_a_seed_and_moved_by_no_other_line() -> None:
    line = "stat: fail EIO with probability 0.1 from disk"
    numbers = struck(line, 1)
    assert numbers[:4] == [3, 5, 9, 13]
    assert 10 < len(numbers) < 32
    assert struck(f"{line}\nlist: fail EIO with probability 0.5 from disk", 1) == numbers
    assert struck(line, 2) != numbers
    assert struck(line.replace("disk", "cable"), 1) != numbers


def test_chance_waits_for_its_first_match() -> None:
    assert struck("stat #150: fail EIO with probability 1.0 from disk", 1) == list(range(150, 201))


def throws(injector: FaultInjector) -> list[bool]:
    fs = FaultyFileSystem(SimFileSystem(SimDisk()), injector)
    thrown = []
    for _ in range(20):
        before = sum(injector.fired().values())
        with suppress(OSError):
            fs.stat("/")
        thrown.append(sum(injector.fired().values()) > before)
    return thrown


def test_an_injector_that_goes_on_throws_on() -> None:
    plan = parse_plan("stat: fail EIO with probability 0.5 from disk")
    whole, first = FaultInjector(plan, seed=3), FaultInjector(plan, seed=3)
    expected = throws(whole), throws(whole)
    assert expected[0] != expected[1]
    assert (throws(first), throws(FaultInjector(plan, since=first.state))) == expected
