"""Sets of pending ops that stand for too many: grouped by origin, closed, the simple ones first."""

from functools import partial
from random import Random

import disk_programs
import pytest

from wavetank.sim import (
    POSIX,
    PROFILES,
    ROOT_INODE,
    SEQUENTIAL,
    Choice,
    PendingOps,
    Profile,
    SimDisk,
    SyncKind,
    all_images,
    call_site,
    newest_images,
)
from wavetank.sim.crashes.representatives import OpGroups

NOBODY = "nobody."


def six_writes(disk: SimDisk) -> PendingOps:
    """Three writes each to two durable files, at two places of the program."""
    inodes = [disk.create(ROOT_INODE, name, path=f"/{name}") for name in ("a", "b")]
    for inode in inodes:
        disk.write(inode, 0, bytes(3 * 4096), path="")
    disk.sync(SyncKind.EVERYTHING, 0, path="")
    for block in range(3):
        disk.write(inodes[0], block * 4096, b"new", path="")
        disk.write(inodes[1], block * 4096, b"new", path="")
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    return pending


def letters(pending: PendingOps, mask: int) -> str:
    """The kept ops, those of the first file as letters and those of the second as digits."""
    return "".join(
        letter
        for letter, op in zip("a1b2c3", pending.ops, strict=True)
        if mask & pending.bit(op.number)
    )


def test_ops_are_grouped_by_the_place_that_made_them() -> None:
    disk = SimDisk(site=partial(call_site, NOBODY))
    groups = OpGroups(six_writes(disk))
    assert len(groups) == 2


def test_the_sets_in_which_few_groups_differ_come_first() -> None:
    pending = six_writes(SimDisk(site=partial(call_site, NOBODY)))
    found = [letters(pending, mask) for mask in OpGroups(pending).sets(100)]
    assert found == [
        "a1b2c3",
        "",
        "123",  # the first group lost
        "abc",  # and alone kept
        "a123",  # its newer half lost
        "ab",  # and its older half alone kept
        "a1bc",  # the same of the second
        "12",
        "1",  # and of both
        "a1b2c",
        "a",
        "a1b23",
        "a1",
        "a1b2",
    ]


def test_what_nobody_knows_the_place_of_is_grouped_by_file() -> None:
    disk = SimDisk()
    for name in ("a", "b"):
        disk.create(ROOT_INODE, name, path=f"/{name}")
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    assert len(OpGroups(pending)) == 2


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_set_is_legal_and_holds_what_it_must(profile: Profile) -> None:
    chance, tried = Random(profile.name), 0
    for _ in range(30):
        disk = disk_programs.run(disk_programs.any_program(chance))
        pending = PendingOps(disk.image, profile)
        for record in disk.log:
            pending.take(record)
            if not pending.whole or not profile.keeps_unsynced:
                continue
            holding = pending.newest_needs
            for mask in OpGroups(pending, holding=holding).sets(40):
                tried += 1
                assert not holding & ~mask
                assert pending.is_legal(pending.kept(mask))
    assert (tried > 0) is profile.keeps_unsynced


def test_groups_that_the_order_rules_tie_together_leave_few_sets() -> None:
    """There are 4**40 combinations, and 41 sets."""
    disk = SimDisk()
    for number in range(40):
        disk.create(ROOT_INODE, str(number), path=f"/{number}")
    pending = PendingOps(disk.image, SEQUENTIAL)
    pending.take_all(disk.log)
    groups = OpGroups(pending)
    assert (len(groups), len(groups.sets(100))) == (40, 41)


def test_a_choice_says_how_large_it_is() -> None:
    pending = six_writes(SimDisk(site=partial(call_site, NOBODY)))
    assert all_images(pending, limit=64).choice is None
    choice = all_images(pending, limit=32).choice
    assert choice == Choice(points=1, ops=6, groups=2, sets=22)
    assert newest_images(pending, limit=8).choice == Choice(points=1, ops=6, groups=2, sets=8)


def test_the_place_of_an_op_is_no_part_of_what_it_is() -> None:
    traced, plain = SimDisk(site=partial(call_site, NOBODY)), SimDisk()
    six_writes(traced)
    six_writes(plain)
    assert list(traced.log) == list(plain.log)
    assert [repr(each) for each in traced.log] == [repr(each) for each in plain.log]


def test_the_chain_of_calls_ends_at_the_driver() -> None:
    def save() -> str:
        return call_site(__name__)

    assert save() == ""
    frames = call_site(NOBODY).split(" < ")
    assert frames[0].startswith("test_representatives.py:")
