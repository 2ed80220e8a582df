"""What pending ops need, against each pair asked; and the cost of reading one more record."""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

import pytest
from attrs import evolve
from counting import lines_run
from disk_programs import any_program, run
from pairwise_order import PairwiseOrder

from wavetank.sim import (
    BLOCK_SIZE,
    PROFILES,
    ROOT_INODE,
    DirentCover,
    Mark,
    PendingOps,
    Profile,
    Record,
    SimDisk,
    Sync,
    SyncKind,
)

RULES = [
    *("program_order", "dirents_ordered", "metadata_ordered", "appends_atomic", "appends_ordered"),
    *("overwrites_before_metadata", "rename_after_source", "rename_atomic"),
    *("fsync_file_covers_sizes", "tail_block_as_overwrite", "truncate_discards"),
    *("fsync_persists", "full_fsync_persists", "synchronous_dirents", "data_at_once"),
]


def any_profile(chance: Random) -> Profile:
    """Any combination of rules; few filesystems are so odd, but each rule meets each other one."""
    return Profile(
        name="any",
        summary="any",
        fsync_file_covers=chance.choice(list(DirentCover)),
        fsync_dir_covers=chance.choice([DirentCover.ALL, DirentCover.OWN]),
        **{rule: chance.random() < 0.3 for rule in RULES},
    )


def records(disk: SimDisk, *, mixes: int, drops: int) -> Iterator[Record]:
    """Yield a log with calls that overlap (`mixes`), and syncs that lose writes (`drops`)."""
    for record in disk.log:
        if isinstance(record, Sync) and drops:
            lost = range(record.call % 3, record.call * 2, 2 + drops)
            yield evolve(record, dropped=tuple(lost), failed=bool(record.call % 2))
        elif isinstance(record, (Sync, Mark)) or not mixes:
            yield record
        else:
            yield evolve(record, call=record.call - record.call % (1 + mixes) * (record.number % 2))


# Seeds and not strategies: short and regular programs, which hypothesis prefers, break few rules.
@pytest.mark.parametrize("seed", range(8))
def test_ops_need_what_the_rules_say_pair_by_pair(seed: int) -> None:
    chance = Random(seed)
    for _ in range(40):
        profile = chance.choice([any_profile(chance), chance.choice(PROFILES)])
        disk = run(any_program(chance))
        pending, twin = PendingOps(disk.image, profile), PairwiseOrder(profile)
        log = records(disk, mixes=chance.randrange(4), drops=chance.randrange(3))
        forked = chance.randrange(60)
        for place, record in enumerate(log):
            pending.take(record)
            twin.take(record)
            if place % 5 == 4:
                agree(pending, twin)
            if place == forked:
                pending = pending.fork()
        agree(pending, twin)


def agree(pending: PendingOps, twin: PairwiseOrder) -> None:
    assert [op.number for op in pending.ops] == list(twin.ops)
    assert pending.whole is (not twin.group)

    def numbers(mask: int) -> frozenset[int]:
        return frozenset(pending.kept(mask).numbers)

    assert numbers(pending.everything) == set(twin.ops)
    assert {number: numbers(pending.needs(number)) for number in twin.ops} == twin.needs
    for number in twin.ops:
        assert numbers(pending.dependents(number)) == twin.dependents(number)


# Growth: the number of executed lines, not of seconds.


def appends(count: int) -> SimDisk:
    disk = SimDisk()
    inode = disk.create(ROOT_INODE, "f", path="/f")
    for number in range(count):
        disk.write(inode, number * 64, b"x" * 64, path="/f")
    return disk


def appends_beside_syncs(count: int) -> SimDisk:
    """Append to a file that is never synced, and sync another after each."""
    disk = SimDisk()
    one, other = (disk.create(ROOT_INODE, name, path="") for name in "ab")
    disk.sync(SyncKind.EVERYTHING, 0, path="")
    for number in range(count):
        disk.write(one, number * BLOCK_SIZE, b"x" * BLOCK_SIZE, path="")
        disk.write(other, 0, b"%d" % number, path="")
        disk.sync(SyncKind.FILE, other, path="")
    return disk


def renames(count: int) -> SimDisk:
    disk = SimDisk()
    for number in range(count):
        inode = disk.create(ROOT_INODE, "new", path="")
        disk.write(inode, 0, b"%d" % number, path="")
        disk.rename((ROOT_INODE, "new"), (ROOT_INODE, "f"), source_path="", target_path="")
    return disk


@pytest.mark.parametrize("program", [appends, appends_beside_syncs, renames])
def test_reading_a_record_costs_the_same_in_a_long_log(program: Callable[[int], SimDisk]) -> None:
    few, many = 50, 150
    logs = [program(few), program(many)]
    for profile in PROFILES:
        lines = []
        for disk in logs:
            pending = PendingOps(disk.image, profile)
            log = tuple(disk.log)
            lines.append(lines_run(partial(pending.take_all, log)) / len(log))
        assert lines[1] <= 1.1 * lines[0], (profile.name, lines)
