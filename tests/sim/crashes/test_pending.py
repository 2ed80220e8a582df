"""What a power cut may leave, held to sets worked out by hand and to a brute-force reading."""

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine import OpenFlag
from wavetank.sim import (
    BLOCK_SIZE,
    POSIX,
    PROFILES,
    ROOT_INODE,
    SEQUENTIAL,
    Data,
    Dirent,
    DiskImage,
    Kept,
    Mark,
    PendingOps,
    Profile,
    SimDisk,
    SimFileSystem,
    Size,
    Sync,
    SyncKind,
    Tear,
    Tearing,
    TearShape,
    all_images,
    newest_images,
)

LIMIT = 300
NO_GARBAGE = Tearing(shapes=frozenset({TearShape.SUBSET}))
CREATE = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE


def legal_images(disk: SimDisk, profile: Profile) -> Iterator[DiskImage]:
    """Every image that a power cut at the end of `disk.log` may leave, by trying all subsets."""
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    numbers = [op.number for op in pending.ops]
    for count in range(len(numbers) + 1):
        for chosen in combinations(numbers, count):
            kept = Kept(chosen)
            if pending.is_legal(kept):
                yield pending.image(kept)


def states(disk: SimDisk, profile: Profile) -> set[tuple[tuple[str, bytes], ...]]:
    return {tuple(image.files().items()) for image in legal_images(disk, profile)}


def block(letter: str) -> bytes:
    return letter.encode() * BLOCK_SIZE


def test_an_append_may_lose_its_data_and_keep_its_size_under_posix_only() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    file = fs.open("/f", CREATE)
    fs.fsync_dir("/")
    file.append(b"new")
    assert states(disk, POSIX) == {
        (("/f", b""),),
        (("/f", b"\0\0\0"),),
        (("/f", b"new"),),
    }
    assert states(disk, SEQUENTIAL) == {(("/f", b""),), (("/f", b"new"),)}


def test_a_file_synced_without_its_directory_may_vanish_under_posix_only() -> None:
    disk = SimDisk()
    file = SimFileSystem(disk).open("/f", CREATE)
    file.append(b"new")
    file.fsync()
    assert states(disk, POSIX) == {(), (("/f", b"new"),)}
    assert states(disk, SEQUENTIAL) == {(("/f", b"new"),)}


def test_a_rename_is_seen_whole_or_not_at_all() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    for name, content in (("/old", b"o"), ("/new", b"n")):
        file = fs.open(name, CREATE)
        file.append(content)
        file.fsync()
    fs.fsync_dir("/")
    fs.rename("/new", "/old")
    expected = {(("/new", b"n"), ("/old", b"o")), (("/old", b"n"),)}
    assert states(disk, POSIX) == expected
    assert states(disk, SEQUENTIAL) == expected


def test_a_truncated_block_shows_again_when_a_later_size_comes_without_its_data() -> None:
    """The stale-bytes case that a store must survive when it reuses the end of a file."""
    disk = SimDisk()
    fs = SimFileSystem(disk)
    file = fs.open("/log", CREATE)
    file.append(block("a") + block("b") + block("c"))
    file.fsync()
    fs.fsync_dir("/")
    file.truncate(BLOCK_SIZE)
    file.append(block("X"))
    assert {dict(state)["/log"][::BLOCK_SIZE] for state in states(disk, POSIX)} == {
        b"a",
        b"ab",
        b"aX",
        b"abc",
        b"aXc",
    }
    assert {dict(state)["/log"][::BLOCK_SIZE] for state in states(disk, SEQUENTIAL)} == {
        b"a",
        b"aX",
        b"abc",
    }


def test_a_torn_overwrite_leaves_whole_sectors() -> None:
    disk = SimDisk()
    file = SimFileSystem(disk).open("/f", CREATE)
    file.append(b"o" * 1536)
    disk.sync(SyncKind.EVERYTHING, 0, path="")
    file.pwrite(b"n" * 1536, 0)
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    torn = {
        pending.image(kept).files()["/f"][::512]
        for kept in newest_images(pending, limit=LIMIT, tearing=NO_GARBAGE).images
        if kept.tears
    }
    assert torn == {b"noo", b"nno", b"oon", b"onn", b"non", b"ono"}


def test_an_ordered_append_cannot_be_torn_since_its_size_comes_last() -> None:
    disk = SimDisk()
    SimFileSystem(disk).open("/f", CREATE).append(b"n" * 1536)
    pending = PendingOps(disk.image, SEQUENTIAL)
    pending.take_all(disk.log)
    assert [kept for kept in all_images(pending, limit=LIMIT).images if kept.tears] == []
    data = next(op for op in pending.ops if isinstance(op, Data))
    everything = tuple(op.number for op in pending.ops)
    assert not pending.is_legal(Kept(everything, (Tear(data.number, 0b1),)))


def test_no_crash_point_lies_inside_an_atomic_rename() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.open("/a", CREATE)
    fs.fsync_dir("/")
    fs.rename("/a", "/b")
    pending = PendingOps(disk.image, POSIX)
    whole = []
    for record in disk.log:
        pending.take(record)
        whole.append(pending.whole)
    assert whole == [True, True, False, True]


def test_an_image_of_foreign_ops_is_refused_by_name() -> None:
    pending = PendingOps(DiskImage.empty(), POSIX)
    with pytest.raises(ValueError, match=r"\[3\], which are not pending"):
        pending.image(Kept((3,)))


# Laws over random programs

names = st.sampled_from(["/a", "/b", "/d/a"])
actions = st.one_of(
    st.tuples(st.just("append"), names, st.binary(min_size=1, max_size=5000)),
    st.tuples(st.just("overwrite"), names, st.integers(0, 6000)),
    st.tuples(st.just("truncate"), names, st.integers(0, 6000)),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("unlink"), names),
    st.tuples(st.just("fsync"), names),
    st.tuples(st.just("fsync_dir"), st.sampled_from(["/", "/d"])),
    st.tuples(st.just("sync")),
)


def run_program(program: list[tuple[object, ...]]) -> SimDisk:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.mkdir("/d")
    for action in program:
        try:
            perform(disk, fs, action)
        except OSError:
            disk.mark("refused")
    return disk


def perform(disk: SimDisk, fs: SimFileSystem, action: tuple[object, ...]) -> None:
    match action:
        case ("append", str(path), bytes(content)):
            fs.open(path, CREATE).append(content)
        case ("overwrite", str(path), int(offset)):
            fs.open(path, CREATE).pwrite(b"overwritten", offset)
        case ("truncate", str(path), int(size)):
            fs.open(path, CREATE).truncate(size)
        case ("rename", str(source), str(target)):
            fs.rename(source, target)
        case ("unlink", str(path)):
            fs.unlink(path)
        case ("fsync", str(path)):
            fs.open(path, OpenFlag.READ).fsync()
        case ("fsync_dir", str(path)):
            fs.fsync_dir(path)
        case _:
            disk.sync(SyncKind.EVERYTHING, 0, path="")


programs = st.lists(actions, max_size=12)


@given(program=programs, profile=st.sampled_from(PROFILES))
def test_keeping_everything_shows_what_programs_saw(
    program: list[tuple[object, ...]], profile: Profile
) -> None:
    disk = run_program(program)
    fs = SimFileSystem(disk)
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    seen = {path: fs.open(path, OpenFlag.READ).pread(1 << 20, 0) for path in pending.full.files()}
    assert pending.full.files() == seen
    everything = tuple(op.number for op in pending.ops)
    assert pending.image(Kept(everything)).digest() == pending.full.digest()
    assert pending.image(Kept(())).digest() == pending.durable.digest()


@given(program=programs, profile=st.sampled_from(PROFILES))
def test_a_choice_stands_in_where_the_sets_are_too_many_and_is_a_part_of_them(
    program: list[tuple[object, ...]], profile: Profile
) -> None:
    disk = run_program(program)
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    few, many = all_images(pending, limit=1), all_images(pending, limit=LIMIT)
    assert all(pending.is_legal(kept) for kept in few.images)
    if many.complete:
        assert digests(pending, few.images) <= digests(pending, many.images)
        newest = newest_images(pending, limit=LIMIT).images
        assert digests(pending, newest) <= digests(pending, many.images)


def digests(pending: PendingOps, images: tuple[Kept, ...]) -> set[bytes]:
    return {pending.image(kept).digest() for kept in images}


@given(program=programs, profile=st.sampled_from(PROFILES))
def test_every_image_is_new_at_exactly_one_point_until_a_sync_forbids_it(
    program: list[tuple[object, ...]], profile: Profile
) -> None:
    """The images of a point are those of the point before that are still legal, and the new."""
    disk = run_program(program)
    pending = PendingOps(disk.image, profile)
    before: set[bytes] = {pending.durable.digest()}
    for record in disk.log:
        pending.take(record)
        if not pending.whole:
            continue
        images = all_images(pending, limit=LIMIT)
        if not images.complete:
            return
        now = digests(pending, images.images)
        if not isinstance(record, (Sync, Mark)):
            newest = newest_images(pending, limit=LIMIT).images
            assert now <= before | digests(pending, newest)
        before = now


@given(program=programs)
def test_images_built_from_what_was_lost_equal_images_built_from_nothing(
    program: list[tuple[object, ...]],
) -> None:
    """Twin implementation: apply the kept ops one by one to the durable files, byte by byte."""
    disk = run_program(program)
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    for kept in all_images(pending, limit=50).images:
        if not kept.tears and not kept.stale:
            assert pending.image(kept).files() == _replayed(disk, pending, set(kept.numbers))


def _replayed(disk: SimDisk, pending: PendingOps, kept: set[int]) -> dict[str, bytes]:
    waiting = {op.number for op in pending.ops}
    contents: dict[int, bytearray] = {}
    sizes: dict[int, int] = {}
    folders: dict[int, dict[str, int]] = {ROOT_INODE: {}}
    for record in disk.log:
        if isinstance(record, (Sync, Mark)):
            continue
        if record.number in waiting and record.number not in kept:
            continue
        if isinstance(record, Data):
            content = contents.setdefault(record.inode, bytearray())
            start = record.block * BLOCK_SIZE + record.start
            content.extend(bytes(max(0, start + len(record.content) - len(content))))
            content[start : start + len(record.content)] = record.content
        elif isinstance(record, Size):
            sizes[record.inode] = record.size
        elif isinstance(record, Dirent):
            _replay_name(folders, record)
    return dict(sorted(_files(folders, contents, sizes, ROOT_INODE, "")))


def _replay_name(folders: dict[int, dict[str, int]], record: Dirent) -> None:
    names = folders.setdefault(record.directory, {})
    if record.inode is None:
        names.pop(record.name, None)
    else:
        names[record.name] = record.inode
        if record.is_directory:
            folders.setdefault(record.inode, {})


def _files(
    folders: dict[int, dict[str, int]],
    contents: dict[int, bytearray],
    sizes: dict[int, int],
    directory: int,
    prefix: str,
) -> Iterator[tuple[str, bytes]]:
    for name, inode in folders[directory].items():
        if inode in folders:
            yield from _files(folders, contents, sizes, inode, f"{prefix}/{name}")
        else:
            size = sizes.get(inode, 0)
            content = bytes(contents.get(inode, b""))[:size]
            yield f"{prefix}/{name}", content.ljust(size, b"\0")
