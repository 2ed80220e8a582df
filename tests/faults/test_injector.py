"""The injector: how often faults fired, and another injector that continues from its state."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from fault_site import FaultSite, Ground

from wavetank.faults import (
    FaultInjector,
    FaultyFileSystem,
    parse_plan,
)
from wavetank.sim import SimDisk, SimFileSystem


def test_counts_go_on_in_the_next_process() -> None:
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
def test_an_injector_continues_from_the_state_of_another(line: str, rounds: int) -> None:
    def operate(site: FaultSite) -> list[object]:
        came: list[object] = []
        for _ in range(3):
            came.append(refusal_of(lambda: site.fs.stat(site.path("f"))))
            file = site.open()
            came.append(refusal_of(lambda: file.pwrite(b"0123", 0)))  # noqa: B023 - called at once
            came.append(file.pread(4, 0))
            file.close()
        return came

    def grounded() -> Ground:
        fs = SimFileSystem(SimDisk())
        fs.mkdir("/d")
        return fs, "/d"

    one, other = FaultSite(grounded(), line), FaultSite(grounded(), line)
    for _ in range(rounds):
        operate(one)
    other.injector = FaultInjector(one.injector.plan, since=one.injector.state)
    other.fs = FaultyFileSystem(other.pristine, other.injector)
    assert other.injector.state == one.injector.state
    before = one.injector.fired()[line]
    assert operate(other) == operate(one)
    assert other.injector.state == one.injector.state
    assert other.injector.fired()[line] == one.injector.fired()[line] - before


def test_matches_are_no_longer_counted_once_they_change_nothing(ground: Ground) -> None:
    site = FaultSite(ground, "stat #2: fail EIO")
    states = []
    for _ in range(4):
        refusal_of(lambda: site.fs.stat(site.path("f")))
        states.append(site.injector.state)
    assert [state.matches for state in states] == [(1,), (2,), (2,), (2,)]
    assert [state.has_fired for state in states] == [(False,), (True,), (True,), (True,)]


@pytest.mark.idle_faults("read: fail EIO from now on")
def test_only_damage_fires_while_everything_else_is_lifted(ground: Ground) -> None:
    counted = []
    plan = parse_plan("read: fail EIO from now on\nread: flip bit 0 at 0")
    site = FaultSite(ground, "")
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


def throws(injector: FaultInjector) -> list[bool]:
    fs = FaultyFileSystem(SimFileSystem(SimDisk()), injector)
    thrown = []
    for _ in range(20):
        before = sum(injector.fired().values())
        with suppress(OSError):
            fs.stat("/")
        thrown.append(sum(injector.fired().values()) > before)
    return thrown


def test_chance_continues_from_the_state_of_another() -> None:
    plan = parse_plan("stat: fail EIO with probability 0.5 from disk")
    whole, first = FaultInjector(plan, seed=3), FaultInjector(plan, seed=3)
    expected = throws(whole), throws(whole)
    assert expected[0] != expected[1]
    assert (throws(first), throws(FaultInjector(plan, since=first.state))) == expected


@pytest.mark.idle_faults("list: fail EIO")
def test_lines_that_are_equal_are_counted_together() -> None:
    injector = FaultInjector(parse_plan("stat: fail EIO\nstat: fail EIO\nlist: fail EIO"))
    fs = FaultyFileSystem(SimFileSystem(SimDisk()), injector)
    for _ in range(2):
        with pytest.raises(OSError, match="/"):
            fs.stat("/")
    assert injector.fired() == {"stat: fail EIO": 2, "list: fail EIO": 0}
