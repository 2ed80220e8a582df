"""The fast enumeration of legal images against a brute-force twin, and the inclusion laws."""

import order_rules
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import examples

from wavetank.sim import (
    ALICE,
    BTRFS,
    DATA_JOURNAL,
    EXT3_ORDERED,
    EXT4,
    EXT4_OBSERVED,
    EXT4_ORDERED,
    LAZYFS,
    LYING_FSYNC,
    POSIX,
    PROCESS_KILL,
    PROFILES,
    ROOT_INODE,
    SAFE_PROFILES,
    SEQUENTIAL,
    WRITEBACK,
    XFS,
    Kept,
    PendingOps,
    Profile,
    Record,
    SimDisk,
    SyncKind,
    closed_sets,
)

LIMIT = 1 << 12

# A program is a list of small numbers; each picks a call, its file, and its place.
programs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 2)), max_size=7)
Program = list[tuple[int, int, int]]


def run_program(program: Program, *, synced: int | None = None) -> SimDisk:
    """Run calls on three durable files of two names each; `synced` puts a sync at that place."""
    disk = SimDisk()
    folder = disk.create(ROOT_INODE, "d", path="/d", is_directory=True)
    places = [(ROOT_INODE, "a"), (ROOT_INODE, "b"), (folder, "c")]
    inodes = [disk.create(*place, path=place[1]) for place in places]
    for inode in inodes[:2]:
        disk.write(inode, 0, b"durable " * 512, path="")
    disk.sync(SyncKind.EVERYTHING, 0, path="")
    for number, (call, which, block) in enumerate(program):
        if number == synced:
            disk.sync(SyncKind.EVERYTHING, 0, path="")
        if call not in {4, 5, 6}:
            _use_file(disk, call, inodes[which], block)
        else:
            _use_name(disk, call, places[which], places[block], inodes[block])
    if synced is not None and synced >= len(program):
        disk.sync(SyncKind.EVERYTHING, 0, path="")
    return disk


def _use_file(disk: SimDisk, call: int, inode: int, block: int) -> None:
    match call:
        case 0 | 1:
            disk.write(inode, disk.size(inode), b"n" * (4096 if call else 100), path="")
        case 2:
            disk.write(inode, 0, b"o" * 10, path="")
        case 3:
            disk.truncate(inode, block * 4096, path="")
        case 7:
            disk.sync(SyncKind.FILE, inode, path="")
        case 8:
            disk.sync(SyncKind.DATA, inode, path="")
        case _:
            disk.sync(SyncKind.DIRECTORY, ROOT_INODE, path="")


def _use_name(
    disk: SimDisk, call: int, place: tuple[int, str], other: tuple[int, str], inode: int
) -> None:
    directory, name = place
    names = disk.entries(directory)
    assert names is not None
    if call == 4 and name in names and other != place:
        disk.rename(place, other, source_path=name, target_path=other[1])
    elif call == 5 and name in names:
        disk.unlink(directory, name, path=name)
    elif call == 6 and name not in names:
        disk.link(directory, name, inode, path=name)


def kept_sets(disk: SimDisk, profile: Profile) -> tuple[PendingOps, list[Kept]] | None:
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    masks = closed_sets(pending, limit=LIMIT)
    return None if masks is None else (pending, [pending.kept(mask) for mask in masks])


def visible(disk: SimDisk, profile: Profile) -> set[tuple[tuple[str, bytes], ...]] | None:
    """The states that a power cut at the end may leave, without tearing."""
    found = kept_sets(disk, profile)
    if found is None:
        return None
    pending, sets = found
    if profile.truncate_discards:
        sets += [evolve(kept, forgotten=True) for kept in sets]
    return {tuple(pending.image(kept).files().items()) for kept in sets}


@examples(300)
@given(program=programs, profile=st.sampled_from(PROFILES))
def test_the_fast_enumeration_agrees_with_the_rules_read_literally(
    program: Program, profile: Profile
) -> None:
    records = list(run_program(program).log)
    if len(order_rules.undecided(records, profile)) > 11:
        return
    idle = order_rules.idle_writes(records)
    literal = {present - idle for present in order_rules.legal_sets(records, profile)}
    assert {present - idle for present in _fast(records, profile)} == literal


@pytest.mark.minutes
@settings(max_examples=8000)
@given(program=programs, profile=st.sampled_from(PROFILES))
def test_the_fast_enumeration_agrees_on_thousands_of_programs(
    program: Program, profile: Profile
) -> None:
    records = list(run_program(program).log)
    if len(order_rules.undecided(records, profile)) > 12:
        return
    idle = order_rules.idle_writes(records)
    literal = {present - idle for present in order_rules.legal_sets(records, profile)}
    assert {present - idle for present in _fast(records, profile)} == literal


def _fast(records: list[Record], profile: Profile) -> set[frozenset[int]]:
    """Legal sets as all the ops on disk, the durable ones among them."""
    pending = PendingOps(SimDisk().image, profile)
    pending.take_all(records)
    durable = order_rules.durable(records, profile)
    masks = closed_sets(pending, limit=1 << 14)
    assert masks is not None
    kept = [frozenset(pending.kept(mask).numbers) | durable for mask in masks]
    assert len(set(kept)) == len(kept)
    return set(kept)


EXT4_KEEPING = evolve(EXT4, name="ext4-keeping", truncate_discards=False)
POSIX_DISCARDING = evolve(POSIX, name="posix-discarding", truncate_discards=True)

INCLUSIONS = [
    (SEQUENTIAL, EXT3_ORDERED),
    (EXT3_ORDERED, EXT4_ORDERED),
    (EXT4_ORDERED, EXT4_OBSERVED),
    (EXT4_OBSERVED, POSIX),
    (EXT3_ORDERED, WRITEBACK),
    (WRITEBACK, POSIX),
    (SEQUENTIAL, BTRFS),
    (EXT4_ORDERED, BTRFS),
    (BTRFS, POSIX),
    (XFS, POSIX),
    (POSIX, ALICE),
    (PROCESS_KILL, SEQUENTIAL),
    (POSIX, LYING_FSYNC),
    (EXT4_ORDERED, XFS),
    (XFS, EXT4_OBSERVED),
    (EXT4_ORDERED, EXT4),
    (EXT4_OBSERVED, EXT4_KEEPING),
    (WRITEBACK, EXT4_KEEPING),
    (EXT4_KEEPING, EXT4),
    (EXT4_KEEPING, POSIX),
    (EXT4, POSIX_DISCARDING),
    (POSIX, POSIX_DISCARDING),
]


@pytest.mark.parametrize(("stronger", "weaker"), INCLUSIONS, ids=lambda profile: profile.name)
@given(program=programs)
def test_a_stronger_profile_never_leaves_a_state_that_a_weaker_one_forbids(
    stronger: Profile, weaker: Profile, program: Program
) -> None:
    disk = run_program(program)
    few, many = visible(disk, stronger), visible(disk, weaker)
    if few is not None and many is not None:
        assert few <= many


def test_the_safe_profiles_come_the_strongest_first() -> None:
    order = [profile for profile in SAFE_PROFILES if profile not in (PROCESS_KILL, LAZYFS)]
    for stronger, weaker in INCLUSIONS:
        if stronger in order and weaker in order:
            assert order.index(stronger) < order.index(weaker), (stronger.name, weaker.name)


# lazyfs is no closed family: it loses all unsynced data together, so a sync shows what was not.
@given(
    program=programs,
    profile=st.sampled_from([profile for profile in PROFILES if profile.keeps_unsynced]),
    place=st.integers(0, 7),
)
def test_one_more_sync_never_adds_an_image(program: Program, profile: Profile, place: int) -> None:
    without = visible(run_program(program), profile)
    with_sync = visible(run_program(program, synced=place), profile)
    if without is not None and with_sync is not None:
        assert with_sync <= without


@given(program=programs)
def test_the_process_kill_and_lazyfs_profiles_have_exactly_one_image(program: Program) -> None:
    disk = run_program(program)
    for profile in (PROCESS_KILL, LAZYFS):
        states = visible(disk, profile)
        assert states is not None
        assert len(states) == 1


@given(program=programs)
def test_data_journal_is_sequential(program: Program) -> None:
    disk = run_program(program)
    assert visible(disk, DATA_JOURNAL) == visible(disk, SEQUENTIAL)


@given(program=programs, profile=st.sampled_from(PROFILES))
def test_leaving_out_content_without_a_name_leaves_out_no_disk(
    program: Program, profile: Profile
) -> None:
    disk = run_program(program)
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    every = closed_sets(pending, limit=LIMIT)
    visible = closed_sets(pending, limit=LIMIT, visible_only=True)
    if every is None or visible is None:
        return
    assert set(visible) <= set(every)

    def digests(masks: list[int]) -> set[bytes]:
        return {pending.image(pending.kept(mask)).digest() for mask in masks}

    assert digests(visible) == digests(every)


def test_beyond_the_limit_there_is_no_answer() -> None:
    disk = run_program([(0, 0, 0), (0, 1, 0), (0, 2, 0)])
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    assert closed_sets(pending, limit=10) is None
    assert closed_sets(pending, limit=64) is not None


def test_controls_are_not_among_the_safe() -> None:
    assert [profile.name for profile in PROFILES if profile.control] == [
        "alice",
        "lying-fsync",
        "apfs",
    ]
    assert [profile.name for profile in SAFE_PROFILES] == [
        "sequential",
        "data-journal",
        "ext3-ordered",
        "ext4-ordered",
        "xfs",
        "ext4-observed",
        "btrfs",
        "writeback",
        "ext4",
        "posix",
        "process-kill",
        "lazyfs",
    ]
