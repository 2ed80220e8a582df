"""Truncations that may forget what they cut off: by hand, and against a reading byte by byte."""

from collections.abc import Iterable

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from laws import examples
from litmus_words import litmus
from order_rules import legal_sets, micro_ops, undecided

from wavetank.engine import OpenFlag
from wavetank.sim import (
    BLOCK_SIZE,
    EXT4,
    EXT4_ORDERED,
    POSIX,
    PROFILES,
    SEQUENTIAL,
    STALE_WORD,
    AppendFill,
    AtomicUnit,
    Attribute,
    Data,
    Dirent,
    Kept,
    LitmusState,
    MicroOp,
    PendingOps,
    Profile,
    SimDisk,
    SimFile,
    SimFileSystem,
    Tear,
    Tearing,
    all_images,
    closed_sets,
    newest_images,
    possible_states,
)

LIMIT = 1 << 12
MOST_UNDECIDED = 9
CREATE = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE
WHOLE_BLOCKS = Tearing(atomic_unit=AtomicUnit.BLOCK)
FREED = STALE_WORD[:1]


def forgetting(profile: Profile) -> Profile:
    return evolve(profile, truncate_discards=True)


def block(letter: str) -> bytes:
    return letter.encode() * BLOCK_SIZE


def durable_file(content: bytes) -> tuple[SimDisk, SimFile]:
    fs = SimFileSystem(disk := SimDisk())
    file = fs.open("/f", CREATE)
    file.append(content)
    fs.sync()
    return disk, file


def pending_ops(disk: SimDisk, profile: Profile) -> PendingOps:
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    return pending


def contents(
    disk: SimDisk, profile: Profile = POSIX, tearing: Tearing = WHOLE_BLOCKS
) -> set[bytes]:
    """The file after each legal power cut, one byte for each block."""
    pending = pending_ops(disk, forgetting(profile))
    images = all_images(pending, limit=LIMIT, tearing=tearing)
    assert images.complete
    assert all(pending.is_legal(kept) for kept in images.images)
    return {pending.image(kept).files()["/f"][::BLOCK_SIZE] for kept in images.images}


def states(program: str, profile: Profile, setup: str = "") -> set[LitmusState]:
    return set(possible_states(litmus(program, setup=setup), profile))


def test_a_rewritten_file_may_be_zeros_where_the_size_comes_without_the_data() -> None:
    """What a real ext4 was seen to leave; by the micro-op table the old block shows again."""
    program, setup = "truncate i1 0; append i1 n", "create f i1; append i1 o"
    by_the_table = {LitmusState.of({"f": each}) for each in ("o", "", "n")}
    assert states(program, POSIX, setup) == by_the_table
    assert states(program, forgetting(POSIX), setup) == by_the_table | {LitmusState.of({"f": "?"})}
    assert states(program, forgetting(EXT4_ORDERED), setup) == by_the_table


def test_only_what_was_cut_off_is_forgotten() -> None:
    program, setup = "truncate i1 1; append i1 x; append i1 y", "create f i1; append i1 a"
    setup += "; append i1 b; append i1 c"
    more = states(program, forgetting(POSIX), setup) - states(program, POSIX, setup)
    assert more == {LitmusState.of({"f": each}) for each in ("a?", "a??", "ax?", "a?y")}


def test_what_was_written_after_the_truncation_is_there() -> None:
    setup = "create f i1; append i1 a"
    program = "truncate i1 0; append i1 a; sync"
    assert LitmusState.of({"f": "?"}) in states(program, forgetting(POSIX), setup)
    assert states(f"{program}; mark ok", forgetting(POSIX), setup) - states(
        program, forgetting(POSIX), setup
    ) == {LitmusState.of({"f": "a"}, "ok")}


def test_writing_what_a_block_held_before_it_was_cut_off_counts() -> None:
    program = "truncate i1 0; truncate i1 1; overwrite i1 0 a; sync; mark ok"
    found = states(program, forgetting(POSIX), "create f i1; append i1 a")
    assert {each for each in found if each.marks} == {LitmusState.of({"f": "a"}, "ok")}


def test_a_truncation_that_comes_after_what_was_written_later_does_not_free_that() -> None:
    """Only overwrites come before the name that is synced; the sizes are still pending then."""
    profile = Profile(
        name="mine", summary="a disk", overwrites_before_metadata=True, truncate_discards=True
    )
    program = "truncate i1 0; truncate i1 1; overwrite i1 0 x; create g i2; fsyncdir .; mark ok"
    found = states(program, profile, "create f i1; append i1 a")
    assert {each for each in found if each.marks} == {
        LitmusState.of({"f": each, "g": ""}, "ok") for each in ("x", "")
    }


def test_a_block_that_comes_back_shows_zeros_or_foreign_bytes_or_what_it_held() -> None:
    disk, file = durable_file(block("a") + block("b"))
    file.truncate(BLOCK_SIZE)
    file.append(block("X"))
    assert contents(disk) == {b"ab", b"a", b"aX", b"a\0", b"a" + FREED}
    assert contents(disk, tearing=evolve(WHOLE_BLOCKS, append_fill=AppendFill.ZEROS)) == {
        b"ab",
        b"a",
        b"aX",
        b"a\0",
    }
    assert contents(disk, SEQUENTIAL) == {b"ab", b"a", b"aX"}


def test_it_is_forgotten_also_if_the_truncation_is_durable() -> None:
    disk, file = durable_file(block("a") + block("b"))
    file.truncate(BLOCK_SIZE)
    file.fsync()
    file.append(block("X"))
    assert contents(disk) == {b"a", b"ab", b"aX", b"a\0", b"a" + FREED}


def test_it_is_forgotten_also_if_the_truncation_was_before_an_earlier_crash() -> None:
    disk, file = durable_file(block("a") + block("b"))
    file.truncate(BLOCK_SIZE)
    file.fsync()
    later = SimDisk(pending_ops(disk, POSIX).durable, first_call=100, first_number=100)
    SimFileSystem(later).open("/f", OpenFlag.WRITE).append(block("X"))
    assert contents(later) == {b"a", b"ab", b"aX", b"a\0", b"a" + FREED}


def test_a_hole_over_freed_blocks_never_shows_foreign_bytes() -> None:
    disk, file = durable_file(block("a") + block("b"))
    file.truncate(BLOCK_SIZE)
    file.append(block("X"))
    file.truncate(BLOCK_SIZE)
    file.truncate(2 * BLOCK_SIZE)
    pending = pending_ops(disk, forgetting(POSIX))
    last = max(op.number for op in pending.ops)
    found = {
        pending.image(kept).files()["/f"][::BLOCK_SIZE]
        for kept in all_images(pending, limit=LIMIT, tearing=WHOLE_BLOCKS).images
        if kept.forgotten and last in kept.numbers
    }
    assert found == {b"a\0"}


def test_the_end_of_a_block_that_was_cut_in_the_middle_reads_zeros() -> None:
    disk, file = durable_file(b"a" * 300)
    file.truncate(100)
    file.append(b"b" * 100)
    pending = pending_ops(disk, forgetting(POSIX))
    masks = closed_sets(pending, limit=LIMIT)
    assert masks is not None
    found = {
        pending.image(pending.kept(mask, forgotten=True)).files()["/f"].rstrip(b"\0").decode()
        + "." * pending.image(pending.kept(mask, forgotten=True)).files()["/f"].count(b"\0")
        for mask in masks
    }
    a, b, zeros = "a" * 100, "b" * 100, "." * 100
    assert found == {a * 3, a, a + b, a + zeros, a + b + a}


def test_what_a_profile_keeps_is_no_legal_name_under_it() -> None:
    disk, file = durable_file(block("a"))
    file.truncate(0)
    file.append(block("b"))
    number = max(op.number for op in pending_ops(disk, POSIX).ops if isinstance(op, Data))
    assert not pending_ops(disk, POSIX).is_legal(Kept((), forgotten=True))
    pending = pending_ops(disk, forgetting(POSIX))
    assert pending.is_legal(Kept((), forgotten=True))
    torn = Kept((number,), (Tear(number, 1),))
    assert pending.is_legal(torn)
    assert not pending.is_legal(evolve(torn, forgotten=True))


def test_the_rule_that_would_forbid_it_has_a_name() -> None:
    named = dict(forgetting(POSIX).with_one_rule_more())
    assert not named["truncate_discards = no"].truncate_discards
    assert "truncate_discards = no" not in dict(POSIX.with_one_rule_more())


def test_a_fork_has_a_future_of_its_own() -> None:
    disk, file = durable_file(block("a") + block("b"))
    file.truncate(BLOCK_SIZE)
    file.append(block("X"))
    pending = pending_ops(disk, forgetting(POSIX))
    before = {pending.image(each).digest() for each in all_images(pending, limit=LIMIT).images}
    fork = pending.fork()
    file.fsync()
    fork.take([*disk.log][-1])
    assert {fork.image(each).files()["/f"] for each in all_images(fork, limit=LIMIT).images} == {
        block("a") + block("X")
    }
    again = {pending.image(each).digest() for each in all_images(pending, limit=LIMIT).images}
    assert again == before


# A program is a list of small numbers; each picks a call and a place in the file.
programs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=5)
PLACES = (0, 100, 4000, BLOCK_SIZE, 6000, 2 * BLOCK_SIZE)


def run_program(program: Iterable[tuple[int, int]]) -> SimDisk:
    disk, file = durable_file(b"o" * 5000)
    for number, (call, place) in enumerate(program):
        content = bytes([ord("p") + number])
        match call:
            case 0 | 1 | 2:
                file.truncate(PLACES[place])
            case 3:
                file.append(content * BLOCK_SIZE)
            case 4:
                file.append(content * 70)
            case 5:
                file.pwrite(content * 300, PLACES[place])
            case _:
                file.fsync()
    return disk


def shown(ops: Iterable[MicroOp], *, forgets: bool) -> bytes:
    """The file after these ops, cell by cell."""
    cells: dict[int, int] = {}
    size = 0
    for op in ops:
        if isinstance(op, (Dirent, Attribute)):
            continue
        if isinstance(op, Data):
            first = op.block * BLOCK_SIZE + op.start
            cells |= {first + place: byte for place, byte in enumerate(op.content)}
            continue
        size = op.size
        if forgets and not op.extends:
            cells = {place: byte for place, byte in cells.items() if place < size}
    return bytes(cells.get(place, 0) for place in range(size))


promises = st.sampled_from(PROFILES) | st.builds(
    Profile,
    name=st.just("mine"),
    summary=st.just("a disk"),
    metadata_ordered=st.booleans(),
    appends_atomic=st.booleans(),
    appends_ordered=st.booleans(),
    overwrites_before_metadata=st.booleans(),
    rename_after_source=st.booleans(),
    tail_block_as_overwrite=st.booleans(),
)


@examples(150)
@given(program=programs, profile=promises)
def test_the_disk_agrees_with_a_reading_byte_by_byte(
    program: list[tuple[int, int]], profile: Profile
) -> None:
    disk = run_program(program)
    pending = pending_ops(disk, forgetting(profile))
    masks = closed_sets(pending, limit=1 << 8)
    records = list(disk.log)
    if masks is None or len(undecided(records, profile)) > MOST_UNDECIDED:
        return
    sets = [
        [op for op in micro_ops(records) if op.number in present]
        for present in legal_sets(records, profile)
    ]
    for forgets in (False, True):
        assert {
            pending.image(pending.kept(mask, forgotten=forgets)).files().get("/f", b"")
            for mask in masks
        } == {shown(ops, forgets=forgets) for ops in sets}


@given(program=programs)
def test_each_image_that_is_new_with_an_op_holds_it(program: list[tuple[int, int]]) -> None:
    profile = EXT4
    disk = run_program(program)
    pending = PendingOps(disk.image, profile)
    met = {disk.image.digest()}
    for record in disk.log:
        pending.take(record)
        if pending.whole:
            now = all_images(pending, limit=LIMIT, tearing=WHOLE_BLOCKS)
            new = newest_images(pending, limit=LIMIT, tearing=WHOLE_BLOCKS)
            met |= {pending.image(kept).digest() for kept in new.images}
            assert {pending.image(kept).digest() for kept in now.images} <= met


@examples(200)
@given(program=programs, profile=st.sampled_from([EXT4, forgetting(POSIX)]))
def test_every_set_is_tried_both_ways_where_that_shows(
    program: list[tuple[int, int]], profile: Profile
) -> None:
    pending = pending_ops(run_program(program), profile)
    masks = closed_sets(pending, limit=1 << 8)
    if masks is None:
        return
    without_bytes_of_others = evolve(WHOLE_BLOCKS, append_fill=AppendFill.ZEROS)
    tried = all_images(pending, limit=1 << 8, tearing=without_bytes_of_others).images
    assert {tuple(pending.image(kept).files().items()) for kept in tried} == {
        tuple(pending.image(pending.kept(mask, forgotten=forgotten)).files().items())
        for mask in masks
        for forgotten in (False, True)
    }


def test_without_a_truncation_nothing_is_tried_twice() -> None:
    disk, file = durable_file(block("a"))
    for letter in "bc":
        file.append(block(letter))
    file.truncate(9 * BLOCK_SIZE)
    tried = all_images(pending_ops(disk, EXT4), limit=LIMIT, tearing=WHOLE_BLOCKS).images
    assert not any(kept.forgotten for kept in tried)
    file.truncate(8 * BLOCK_SIZE)
    tried = all_images(pending_ops(disk, EXT4), limit=LIMIT, tearing=WHOLE_BLOCKS).images
    assert any(kept.forgotten for kept in tried)


def test_only_ext4_as_it_is_mounted_by_default_discards() -> None:
    assert [profile for profile in PROFILES if profile.truncate_discards] == [EXT4]
