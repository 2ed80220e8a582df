"""Images chosen by what is read of them, against all images: a reader comes to know the same."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import OpenFlag
from wavetank.sim import (
    BLOCK_SIZE,
    EXT4,
    POSIX,
    ROOT_INODE,
    SAFE_PROFILES,
    AppendFill,
    AtomicUnit,
    Cell,
    DiskImage,
    FileContent,
    Kept,
    PendingOps,
    Profile,
    ReadTrace,
    SimDisk,
    SimFileSystem,
    SyncKind,
    Tearing,
    all_images,
    forked_images,
    newest_images,
)

MANY = 1 << 14
FILES = ("/a", "/b", "/d/c")

# Each call is what is done, to which file, and at which block.
calls = st.tuples(
    st.sampled_from(
        ["append", "append", "overwrite", "straddle", "truncate", "rename", "unlink", "fsync"]
    ),
    st.integers(0, 2),
    st.integers(0, 1),
)
programs = st.lists(calls, min_size=1, max_size=4)
Program = list[tuple[str, int, int]]


def run(program: Program) -> SimDisk:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.mkdir("/d")
    for path in FILES[:2]:
        fs.open(path, OpenFlag.WRITE | OpenFlag.CREATE).pwrite(b"durable", 0)
    disk.sync(SyncKind.EVERYTHING, 0, path="")
    for number, (call, which, block) in enumerate(program):
        _do(fs, FILES[which], call, block, bytes([ord("A") + number]))
    return disk


def _do(fs: SimFileSystem, path: str, call: str, block: int, letter: bytes) -> None:
    file = fs.open(path, OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE)
    match call:
        case "append":
            file.pwrite(letter * 700, file.size())
        case "overwrite":
            file.pwrite(letter * 600, block * BLOCK_SIZE)
        case "straddle":
            file.pwrite(letter * 1200, BLOCK_SIZE - 600)
        case "truncate":
            file.truncate(block * BLOCK_SIZE)
        case "rename":
            fs.rename(path, FILES[block])
        case "unlink":
            fs.unlink(path)
        case _:
            file.fsync()


# Readers: each opens a disk, looks at some of it, and says what it came to know.


def reads_everything(fs: SimFileSystem) -> object:
    return [
        (directory, name, _read(fs, f"{directory}/{name}"))
        for directory in ("", "/d")
        for name in fs.listdir(directory or "/")
        if name != "d"
    ]


def stops_early(fs: SimFileSystem) -> object:
    """Look at the second file only if the first says so, and at its end only if its head does."""
    first = _read(fs, "/a", 0, 600)
    if first is None or b"A" not in first:
        return first
    head = _read(fs, "/b", 0, 10)
    return first, head, _read(fs, "/b", BLOCK_SIZE, BLOCK_SIZE) if head else None


def writes_first(fs: SimFileSystem) -> object:
    """Change the disk before looking, as recoveries do."""
    file = fs.open("/b", OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE)
    file.pwrite(b"recovered", 2 * BLOCK_SIZE)
    fs.rename("/b", "/a")
    return _read(fs, "/a", 0, 3 * BLOCK_SIZE), fs.listdir("/d")


def _read(fs: SimFileSystem, path: str, offset: int = 0, length: int = MANY) -> bytes | None:
    try:
        return fs.open(path, OpenFlag.READ).pread(length, offset)
    except FileNotFoundError:
        return None


Program_reader = Callable[[SimFileSystem], object]
READERS = [reads_everything, stops_early, writes_first]


def seen(reader: Program_reader, image: DiskImage) -> tuple[object, tuple[Cell, ...]]:
    trace = ReadTrace()
    return reader(SimFileSystem(SimDisk(image, reads=trace))), trace.cells


def check_equal(
    program: Program, profile: Profile, tearing: Tearing, reader: Program_reader
) -> None:
    disk = run(program)
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)

    def look(kept: Kept) -> tuple[Cell, ...]:
        return seen(reader, pending.image(kept))[1]

    def knowledge(images: tuple[Kept, ...]) -> set[str]:
        return {repr(seen(reader, pending.image(kept))[0]) for kept in images}

    forked = forked_images(pending, look, limit=MANY, tearing=tearing)
    everything = all_images(pending, limit=MANY, tearing=tearing)
    assert everything.complete
    assert forked is not None
    assert len(set(forked)) == len(forked)
    assert all(pending.is_legal(kept) for kept in forked)
    assert knowledge(forked) == knowledge(everything.images)


@given(
    program=programs,
    profile=st.sampled_from(SAFE_PROFILES),
    tearing=st.sampled_from(
        [
            Tearing(),
            Tearing(atomic_unit=AtomicUnit.BLOCK),
            Tearing(append_fill=AppendFill.ZEROS),
            Tearing(atomic_unit=AtomicUnit.BLOCK, append_fill=AppendFill.ZEROS),
        ]
    ),
    reader=st.sampled_from(READERS),
)
@examples(100)
def test_a_reader_comes_to_know_the_same_as_from_all_images(
    program: Program, profile: Profile, tearing: Tearing, reader: Program_reader
) -> None:
    check_equal(program, profile, tearing, reader)


@given(program=programs, profile=st.sampled_from(SAFE_PROFILES))
def test_a_reader_of_everything_meets_each_disk_once(program: Program, profile: Profile) -> None:
    disk = run(program)
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    whole = Tearing(atomic_unit=AtomicUnit.BLOCK, append_fill=AppendFill.ZEROS)
    forked = forked_images(
        pending,
        lambda kept: seen(reads_everything, pending.image(kept))[1],
        limit=MANY,
        tearing=whole,
    )
    assert forked is not None
    everything = all_images(pending, limit=MANY, tearing=whole)
    assert len(forked) <= len(everything.images)


@given(program=programs, profile=st.sampled_from([POSIX, EXT4]))
def test_a_digest_made_from_what_was_written_equals_that_of_the_whole(
    program: Program, profile: Profile
) -> None:
    disk = run(program)
    pending = PendingOps(disk.image, profile)
    for record in disk.log:
        pending.take(record)
        for kept in newest_images(pending, limit=8).images if pending.whole else ():
            for _, _, node in pending.image(kept).walk():
                if isinstance(node, FileContent):
                    assert node.digest == FileContent(node.size, node.blocks).digest


def long_log(records: int) -> PendingOps:
    """Many unsynced records of a block each, of which a reader stops at the first that is lost."""
    disk = SimDisk()
    inode = disk.create(ROOT_INODE, "log", path="/log")
    disk.write(inode, 0, bytes(records * BLOCK_SIZE), path="/log")
    disk.sync(SyncKind.EVERYTHING, 0, path="")
    for number in range(records):
        disk.write(inode, number * BLOCK_SIZE, b"r" * BLOCK_SIZE, path="/log")
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    return pending


def record_by_record(fs: SimFileSystem) -> object:
    file = fs.open("/log", OpenFlag.READ)
    for number in range(file.size() // BLOCK_SIZE):
        if file.pread(BLOCK_SIZE, number * BLOCK_SIZE) != b"r" * BLOCK_SIZE:
            return number
    return "all"


def test_a_reader_that_goes_record_by_record_makes_many_images_few() -> None:
    """2 ** 40 sets of lost records, and 41 ways to go on."""
    pending = long_log(40)
    images = all_images(
        pending,
        limit=100,
        tearing=Tearing(atomic_unit=AtomicUnit.BLOCK),
        reader=lambda kept: seen(record_by_record, pending.image(kept))[1],
    )
    assert (images.complete, images.forked, len(images.images)) == (True, True, 41)


def test_a_reader_of_whole_files_leaves_too_many_and_the_answer_says_so() -> None:
    pending = long_log(10)
    images = all_images(
        pending,
        limit=100,
        tearing=Tearing(atomic_unit=AtomicUnit.BLOCK),
        reader=lambda kept: seen(
            lambda fs: _read(fs, "/log", 0, 10 * BLOCK_SIZE), pending.image(kept)
        )[1],
    )
    assert (images.complete, images.forked) == (False, False)


def test_only_images_with_the_newest_op_are_new() -> None:
    pending = long_log(40)
    newest = newest_images(
        pending,
        limit=100,
        tearing=Tearing(atomic_unit=AtomicUnit.BLOCK),
        reader=lambda kept: seen(record_by_record, pending.image(kept))[1],
    )
    last = max(op.number for op in pending.ops)
    assert newest.complete
    assert len(newest.images) == 40
    assert all(last in kept.numbers for kept in newest.images)


@pytest.mark.parametrize(
    "tearing",
    [
        Tearing(atomic_unit=AtomicUnit.WRITE),
        Tearing(atomic_write_max_bytes=512),
        Tearing(append_fill=AppendFill.NEVER),
        Tearing(append_fill=AppendFill.ZERO_TAIL),
    ],
)
def test_devices_that_tie_writes_together_are_not_forked(tearing: Tearing) -> None:
    assert forked_images(long_log(3), lambda _: (), limit=100, tearing=tearing) is None


def test_truncations_that_discard_are_forked_too() -> None:
    """Of 2 ** 21 sets a reader of the head meets the old block, the new one, and zeros there."""
    disk = SimDisk()
    fs = SimFileSystem(disk)
    file = fs.open("/log", OpenFlag.WRITE | OpenFlag.CREATE)
    file.append(b"o" * 20 * BLOCK_SIZE)
    fs.sync()
    file.truncate(BLOCK_SIZE)
    for _ in range(20):
        file.append(b"n" * BLOCK_SIZE)
    pending = PendingOps(disk.image, EXT4)
    pending.take_all(disk.log)

    def look(fs: SimFileSystem) -> object:
        return _read(fs, "/log", BLOCK_SIZE, 1)

    images = all_images(
        pending,
        limit=200,
        tearing=Tearing(atomic_unit=AtomicUnit.BLOCK, append_fill=AppendFill.ZEROS),
        reader=lambda kept: seen(look, pending.image(kept))[1],
    )
    assert (images.complete, images.forked) == (True, True)
    assert {seen(look, pending.image(kept))[0] for kept in images.images} == {
        b"o", b"", b"n", b"\0",
    }  # fmt: skip


def test_what_nobody_looks_at_is_not_tried() -> None:
    assert forked_images(long_log(40), lambda _: (), limit=1, tearing=Tearing()) == (Kept(()),)


def test_equal_disks_are_forked_equally() -> None:
    def forked() -> tuple[Kept, ...] | None:
        pending = long_log(8)
        return forked_images(
            pending,
            lambda kept: seen(record_by_record, pending.image(kept))[1],
            limit=MANY,
            tearing=Tearing(),
        )

    assert forked() == forked()
