"""What is below a block: torn sectors in every shape, garbage, stale fill; exact sets."""

from collections.abc import Iterator

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import OpenFlag
from wavetank.sim import (
    BLOCK_SIZE,
    EXT4_OBSERVED,
    EXT4_ORDERED,
    POSIX,
    SAFE_PROFILES,
    SECTOR_SIZE,
    SEQUENTIAL,
    STALE_WORD,
    AppendFill,
    AtomicUnit,
    Data,
    PendingOps,
    Profile,
    SimDisk,
    SimFile,
    SimFileSystem,
    Tearing,
    TearShape,
    all_images,
    newest_images,
)

CREATE = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE
LIMIT = 1 << 12
WHOLE_BLOCKS = Tearing(atomic_unit=AtomicUnit.BLOCK)


def only(*shapes: TearShape) -> Tearing:
    return Tearing(shapes=frozenset(shapes))


def durable_file(content: bytes) -> tuple[SimDisk, SimFile]:
    fs = SimFileSystem(disk := SimDisk())
    file = fs.open("/f", CREATE)
    file.append(content)
    fs.sync()
    return disk, file


def states(disk: SimDisk, tearing: Tearing, profile: Profile = POSIX) -> set[bytes]:
    """The file after each legal power cut."""
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    images = all_images(pending, limit=LIMIT, tearing=tearing)
    assert images.complete
    assert len(set(images.images)) == len(images.images)
    assert all(pending.is_legal(kept) for kept in images.images)
    return {pending.image(kept).files()["/f"] for kept in images.images}


def sectors(content: bytes) -> bytes:
    """One byte for each sector."""
    return content[::SECTOR_SIZE]


def overwritten(count: int) -> SimDisk:
    """A file of old sectors, and a pending write of `count` new ones over its beginning."""
    disk, file = durable_file(b"o" * BLOCK_SIZE)
    file.pwrite(b"n" * SECTOR_SIZE * count, 0)
    return disk


def test_the_default_is_what_is_promised_everywhere() -> None:
    assert Tearing() == Tearing(
        sector_bytes=512,
        atomic_unit=AtomicUnit.SECTOR,
        shapes=frozenset(TearShape),
        powersafe_overwrite=True,
        append_fill=AppendFill.STALE,
        atomic_write_max_bytes=0,
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sector_bytes", 500, r"sector_bytes: expected one of \[512, 1024, 2048, 4096\]"),
        ("atomic_write_max_bytes", -1, "atomic_write_max_bytes: expected bytes >= 0 but got -1"),
        ("shapes", frozenset({"prefix"}), "shapes: expected a frozenset of TearShape"),
    ],
)
def test_what_is_no_tearing_is_refused_by_name(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evolve(Tearing(), **{field: value})  # type: ignore[arg-type]


# Shapes


@pytest.mark.parametrize(
    ("shape", "torn"),
    [
        (TearShape.PREFIX, {b"noooo", b"nnooo", b"nnnoo"}),
        (TearShape.SUFFIX, {b"ooono", b"oonno", b"onnno"}),
    ],
)
def test_a_block_is_torn_at_its_front_or_at_its_back(shape: TearShape, torn: set[bytes]) -> None:
    found = {sectors(state)[:5] for state in states(overwritten(4), only(shape))}
    assert found == torn | {b"ooooo", b"nnnno"}


def test_any_subset_of_up_to_six_sectors_may_be_there() -> None:
    found = {sectors(state) for state in states(overwritten(6), only(TearShape.SUBSET))}
    assert len(found) == 1 << 6
    assert {state[6:] for state in found} == {b"oo"}


def test_beyond_six_sectors_subsets_are_fronts_and_backs() -> None:
    found = {sectors(state) for state in states(overwritten(7), only(TearShape.SUBSET))}
    assert len(found) == 6 + 6 + 2


def test_sectors_are_aligned_to_the_file_and_not_to_the_write() -> None:
    disk, file = durable_file(b"o" * 1000)
    file.pwrite(b"n" * 400, 300)
    front, back = b"n" * 212 + b"o" * 188, b"o" * 212 + b"n" * 188
    assert {state[300:700] for state in states(disk, only(TearShape.SUBSET))} == {
        b"o" * 400,
        front,
        back,
        b"n" * 400,
    }


def test_a_write_inside_one_sector_is_never_torn() -> None:
    disk, file = durable_file(b"o" * 1000)
    file.pwrite(b"n" * 100, 600)
    shapes = only(TearShape.PREFIX, TearShape.SUFFIX, TearShape.SUBSET)
    assert len(states(disk, shapes)) == 2


def test_larger_sectors_are_torn_less_often() -> None:
    shapes = only(TearShape.SUBSET)
    large = evolve(shapes, sector_bytes=2048)
    assert {sectors(state) for state in states(overwritten(8), large)} == {
        b"oooooooo",
        b"nnnnoooo",
        b"oooonnnn",
        b"nnnnnnnn",
    }
    assert len(states(overwritten(8), evolve(shapes, sector_bytes=4096))) == 2


def test_a_device_that_writes_bytes_stops_anywhere() -> None:
    disk, file = durable_file(b"old!")
    file.pwrite(b"new?", 0)
    by_bytes = evolve(only(TearShape.PREFIX), atomic_unit=AtomicUnit.BYTE)
    assert states(disk, by_bytes) == {b"old!", b"nld!", b"ned!", b"new!", b"new?"}


# Garbage


def garbage_states(old: bytes, new: bytes, *, powersafe: bool) -> tuple[bytes, bytes, set[bytes]]:
    """A write of `new` in the midst of one sector: the states before, after, and the others."""
    disk, file = durable_file(b"<" * 100 + old + b">" * 1000)
    file.pwrite(new, 100)
    tearing = evolve(only(TearShape.GARBAGE), powersafe_overwrite=powersafe)
    before, after = (b"<" * 100 + each + b">" * 1000 for each in (old, new))
    return before, after, states(disk, tearing) - {before, after}


def test_garbage_stands_only_where_old_and_new_bytes_differ() -> None:
    before, after, others = garbage_states(b"same old same", b"same new same", powersafe=True)
    (mixed,) = others
    changed = [place for place in range(len(mixed)) if mixed[place] != before[place]]
    assert changed
    assert set(changed) <= {105, 106, 107}
    assert mixed != after


def test_without_powersafe_overwrites_garbage_fills_the_sector_and_no_other() -> None:
    before, _, others = garbage_states(b"old", b"new", powersafe=False)
    (mixed,) = others
    assert mixed[SECTOR_SIZE:] == before[SECTOR_SIZE:]
    assert mixed[:100] != before[:100]
    assert mixed[103:SECTOR_SIZE] != before[103:SECTOR_SIZE]


def test_without_powersafe_overwrites_a_torn_sector_is_garbage_in_every_shape() -> None:
    tearing = evolve(only(TearShape.PREFIX), powersafe_overwrite=False)
    assert len(states(overwritten(1), tearing)) == 3


def test_garbage_comes_behind_a_front() -> None:
    found = states(overwritten(3), only(TearShape.GARBAGE, TearShape.PREFIX, TearShape.SUFFIX))
    shapes = {
        bytes(
            state[at] if state[at : at + 512].count(state[at]) == SECTOR_SIZE else ord("?")
            for at in range(0, 3 * SECTOR_SIZE, SECTOR_SIZE)
        )
        for state in found
    }
    garbage = {b"?oo", b"n?o", b"nn?"}
    assert shapes == garbage | {b"ooo", b"noo", b"nno", b"oon", b"onn", b"nnn"}


def test_garbage_is_the_same_every_time() -> None:
    assert states(overwritten(5), Tearing()) == states(overwritten(5), Tearing())


# What is atomic


def two_blocks() -> tuple[SimDisk, SimFile]:
    disk, file = durable_file(b"o" * 2 * BLOCK_SIZE)
    file.pwrite(b"n" * 2 * BLOCK_SIZE, 0)
    return disk, file


def blocks(state: bytes) -> bytes:
    return state[::BLOCK_SIZE]


def test_whole_blocks_are_not_torn_and_writes_of_several_are() -> None:
    disk, _ = two_blocks()
    assert {blocks(state) for state in states(disk, WHOLE_BLOCKS)} == {b"oo", b"no", b"on", b"nn"}
    assert all(len(set(state[:BLOCK_SIZE])) == 1 for state in states(disk, WHOLE_BLOCKS))


@pytest.mark.parametrize(
    "tearing",
    [Tearing(atomic_unit=AtomicUnit.WRITE), Tearing(atomic_write_max_bytes=2 * BLOCK_SIZE)],
)
def test_an_atomic_write_is_there_wholly_or_not_at_all_at_every_point(tearing: Tearing) -> None:
    disk, _ = two_blocks()
    pending = PendingOps(disk.image, POSIX)
    for record in disk.log:
        pending.take(record)
        if isinstance(record, Data):
            images = newest_images(pending, limit=LIMIT, tearing=tearing).images
            assert all(not kept.tears for kept in images)
            assert {state[0] == state[-1] for state in states(disk, tearing)} == {True}
    assert states(disk, tearing) == {b"o" * 2 * BLOCK_SIZE, b"n" * 2 * BLOCK_SIZE}


def test_the_blocks_of_an_atomic_write_that_is_under_way_are_on_no_image() -> None:
    disk, _ = two_blocks()
    pending = PendingOps(disk.image, POSIX)
    first = next(
        record for record in disk.log if isinstance(record, Data) and record.content[:1] == b"n"
    )
    for record in disk.log:
        pending.take(record)
        if record is first:
            break
    atomic = Tearing(atomic_unit=AtomicUnit.WRITE)
    assert newest_images(pending, limit=LIMIT, tearing=atomic).images == ()
    assert newest_images(pending, limit=LIMIT, tearing=WHOLE_BLOCKS).images != ()


def test_a_write_beyond_the_greatest_atomic_one_is_torn() -> None:
    disk, _ = two_blocks()
    assert len(states(disk, Tearing(atomic_write_max_bytes=2 * BLOCK_SIZE - 1))) > 4


# What was never written

STALE = (STALE_WORD * BLOCK_SIZE)[:BLOCK_SIZE]


def appended() -> SimDisk:
    """Half a durable block; then an append that fills it and begins another."""
    disk, file = durable_file(b"o" * 2048)
    file.append(b"n" * 2048)
    file.append(b"n" * 100)
    return disk


NOTHING, FILLED, ALL = b"o" * 2048, b"o" * 2048 + b"n" * 2048, b"o" * 2048 + b"n" * 2148
ZERO_TAIL = b"o" * 2048 + bytes(2048)


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        (AppendFill.NEVER, {NOTHING, FILLED, ALL}),
        (AppendFill.ZERO_TAIL, {NOTHING, FILLED, ALL, ZERO_TAIL, ZERO_TAIL + b"n" * 100}),
        (
            AppendFill.ZEROS,
            {
                NOTHING,
                *(FILLED, FILLED + bytes(100), ALL),
                *(ZERO_TAIL, ZERO_TAIL + bytes(100), ZERO_TAIL + b"n" * 100),
            },
        ),
        (
            AppendFill.STALE,
            {
                NOTHING,
                *(FILLED, FILLED + bytes(100), FILLED + STALE[:100], ALL),
                *(ZERO_TAIL, ZERO_TAIL + bytes(100), ZERO_TAIL + STALE[:100]),
                ZERO_TAIL + b"n" * 100,
            },
        ),
    ],
)
def test_what_a_file_shows_that_has_grown_without_its_data(
    fill: AppendFill, expected: set[bytes]
) -> None:
    assert states(appended(), evolve(WHOLE_BLOCKS, append_fill=fill)) == expected


def test_where_data_comes_before_its_size_nothing_unwritten_is_ever_shown() -> None:
    assert states(appended(), WHOLE_BLOCKS, EXT4_ORDERED) == {NOTHING, FILLED, ALL}


def test_holes_that_a_program_made_are_zeros() -> None:
    disk, file = durable_file(b"o")
    file.truncate(3 * BLOCK_SIZE)
    file.preallocate(3 * BLOCK_SIZE, BLOCK_SIZE)
    assert states(disk, Tearing()) == {
        b"o",
        b"o".ljust(3 * BLOCK_SIZE, b"\0"),
        b"o".ljust(4 * BLOCK_SIZE, b"\0"),
    }


def test_ext4_may_leave_zeros_inside_the_old_tail_and_without_delayed_allocation_it_may_not() -> (
    None
):
    """2,500 durable bytes, then appends of 13 and 2,500: Ferrite's case."""
    disk, file = durable_file(b"a" * 2500)
    file.append(b"b" * 13)
    file.append(b"c" * 2500)
    old, first, second = b"a" * 2500, b"b" * 13, b"c" * 1583
    in_order = {old, old + first, old + first + second, old + first + b"c" * 2500}
    assert states(disk, WHOLE_BLOCKS, EXT4_OBSERVED) == in_order | {
        old + bytes(13),
        old + bytes(13 + 1583),
        old + first + bytes(1583),
        old + bytes(13 + 1583) + b"c" * 917,
        old + first + bytes(1583) + b"c" * 917,
    }
    assert old + bytes(13 + 1583) in states(disk, WHOLE_BLOCKS, EXT4_OBSERVED)
    nodelalloc = evolve(EXT4_OBSERVED, tail_block_as_overwrite=False)
    assert states(disk, WHOLE_BLOCKS, nodelalloc) == in_order
    assert states(disk, WHOLE_BLOCKS, EXT4_ORDERED) == in_order


# Laws

tearings = st.builds(
    Tearing,
    sector_bytes=st.sampled_from([512, 1024, 4096]),
    atomic_unit=st.sampled_from(AtomicUnit),
    shapes=st.frozensets(st.sampled_from(TearShape)),
    powersafe_overwrite=st.booleans(),
    append_fill=st.sampled_from(AppendFill),
    atomic_write_max_bytes=st.sampled_from([0, 600, 5000]),
)
writes = st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 6000)), min_size=1, max_size=3)


def images(disk: SimDisk, tearing: Tearing, profile: Profile) -> Iterator[tuple[bool, bytes]]:
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    found = all_images(pending, limit=LIMIT, tearing=tearing)
    for kept in found.images:
        assert pending.is_legal(kept)
        yield bool(kept.tears), pending.image(kept).files()["/f"]


@examples(50)
@given(places=writes, tearing=tearings, profile=st.sampled_from(SAFE_PROFILES))
def test_a_weaker_device_leaves_all_that_a_stronger_one_leaves(
    places: list[tuple[int, int]], tearing: Tearing, profile: Profile
) -> None:
    disk, file = durable_file(b"o" * 5000)
    for number, (offset, length) in enumerate(places):
        file.pwrite(bytes([65 + number]) * length, offset)
    whole = evolve(tearing, atomic_unit=AtomicUnit.BLOCK, atomic_write_max_bytes=0)
    strict = evolve(tearing, atomic_unit=AtomicUnit.WRITE)
    found = {state for _, state in images(disk, tearing, profile)}
    if tearing.atomic_unit in (AtomicUnit.BYTE, AtomicUnit.SECTOR):
        if not tearing.atomic_write_max_bytes:
            assert {state for _, state in images(disk, whole, profile)} <= found
        assert {state for _, state in images(disk, strict, profile)} <= found
    else:
        assert not any(torn for torn, _ in images(disk, tearing, profile))


@examples(50)
@given(places=writes, tearing=tearings)
def test_bytes_that_no_pending_write_touches_are_never_harmed(
    places: list[tuple[int, int]], tearing: Tearing
) -> None:
    safe = evolve(tearing, powersafe_overwrite=True)
    disk, file = durable_file(b"o" * 14_000)
    touched: set[int] = set()
    for offset, length in places:
        file.pwrite(b"n" * length, offset)
        touched |= set(range(offset, offset + length))
    untouched = [place for place in range(14_000) if place not in touched]
    for _, state in images(disk, safe, POSIX):
        assert len(state) == 14_000
        assert all(state[place] == ord("o") for place in untouched)


@given(places=writes)
def test_the_strongest_profile_tears_only_what_came_last(places: list[tuple[int, int]]) -> None:
    disk, file = durable_file(b"o" * 14_000)
    states_so_far = [b"o" * 14_000]
    for offset, length in places:
        file.pwrite(b"n" * length, offset)
        states_so_far.append(file.pread(14_000, 0))
    whole = {state for torn, state in images(disk, WHOLE_BLOCKS, SEQUENTIAL) if not torn}
    assert set(states_so_far) <= whole


# Overwrites with the bytes that are there already


def pending_overwrite(second: bytes, profile: Profile = POSIX) -> PendingOps:
    """A durable block of ``a``, overwritten with `second`."""
    disk, file = durable_file(b"a" * BLOCK_SIZE)
    file.pwrite(second, 0)
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    return pending


SAME = b"a" * 2 * SECTOR_SIZE
CHANGED = SAME[:-1] + b"b"


@pytest.mark.parametrize("profile", SAFE_PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("unit", [AtomicUnit.SECTOR, AtomicUnit.BYTE])
def test_a_device_that_destroys_what_it_writes_does_so_to_equal_bytes(
    profile: Profile, unit: AtomicUnit
) -> None:
    tearing = Tearing(powersafe_overwrite=False, atomic_unit=unit)
    for choose in (newest_images, all_images):
        same = choose(pending_overwrite(SAME, profile), limit=LIMIT, tearing=tearing)
        changed = choose(pending_overwrite(CHANGED, profile), limit=LIMIT, tearing=tearing)
        assert same == changed
        chosen = choose(pending_overwrite(SAME, profile), limit=0, tearing=tearing)
        assert chosen == choose(pending_overwrite(CHANGED, profile), limit=0, tearing=tearing)


def test_equal_bytes_may_become_garbage_sector_by_sector() -> None:
    pending = pending_overwrite(SAME)
    tearing = Tearing(powersafe_overwrite=False)
    images = all_images(pending, limit=LIMIT, tearing=tearing).images
    assert all(pending.is_legal(kept) for kept in images)
    shown = {pending.image(kept).files()["/f"] for kept in images}
    harmed = {tuple(part != b"a" * SECTOR_SIZE for part in _parts(content)) for content in shown}
    assert harmed == {(False,) * 8, (True, *(False,) * 7), (False, True, *(False,) * 6)}


def _parts(content: bytes) -> list[bytes]:
    return [content[at : at + SECTOR_SIZE] for at in range(0, BLOCK_SIZE, SECTOR_SIZE)]


@pytest.mark.parametrize("tearing", [Tearing(), WHOLE_BLOCKS, Tearing(atomic_unit=AtomicUnit.BYTE)])
def test_equal_bytes_make_no_image_where_no_tear_shows_in_them(tearing: Tearing) -> None:
    pending = pending_overwrite(SAME)
    assert newest_images(pending, limit=LIMIT, tearing=tearing).images == ()
    (only_one,) = all_images(pending, limit=LIMIT, tearing=tearing).images
    assert pending.image(only_one).digest() == pending.durable.digest()
    assert not only_one.tears


def test_equal_bytes_in_a_write_that_is_whole_or_not_there() -> None:
    """The second block of an atomic write is what was there; the first is lost or kept."""
    disk, file = durable_file(b"a" * 2 * BLOCK_SIZE)
    file.pwrite(b"b" * BLOCK_SIZE + b"a" * BLOCK_SIZE, 0)
    whole = Tearing(atomic_unit=AtomicUnit.WRITE)
    assert {content[::BLOCK_SIZE] for content in states(disk, whole)} == {b"aa", b"ba"}
