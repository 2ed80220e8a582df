"""The hunt for planted patches: in other processes, on a patched copy of the engine."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from wavetank.reports.patch_hunt import hunt_patches
from wavetank.scenarios.mutants import PATCHES

QUICKEST = ("run", "leader-steady", "--profile", "sequential")
QUICK = tuple(each.id for each in PATCHES.values() if each.command == QUICKEST)[:2]


def hunt(ids: tuple[str, ...], workers: int) -> None:
    """Hunt patches; each must report what its header says first, and the engine nothing."""
    told: list[tuple[str, int, int]] = []
    with ThreadPoolExecutor(workers) as executor:
        found = hunt_patches(ids, executor=executor, on_progress=lambda *each: told.append(each))
    assert {hunt.id: hunt.invariants[:1] for hunt in found.hunts} == {
        each: PATCHES[each].reports for each in ids
    }
    assert found.survivors == ()
    assert found.false_alarms == ()
    assert found.passed
    commands = len({PATCHES[each].command for each in ids})
    assert told[len(ids) - 1] == ("planted patches", len(ids), len(ids))
    assert told[-1] == ("the engine as it is", commands, commands)


def test_two_patches_are_found_and_the_engine_is_not_reported() -> None:
    hunt(QUICK, 1)


@pytest.mark.minutes
def test_every_patch_is_found() -> None:
    hunt(tuple(PATCHES), 2)
