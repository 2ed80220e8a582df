"""Mode, owner and times of inodes: what a crash keeps of them, and that nobody else pays."""

import pickle
from random import Random

import pytest
from attrs import evolve
from disk_programs import any_program, run
from pairwise_order import PairwiseOrder

from wavetank.sim import (
    EXT4,
    LAZYFS,
    POSIX,
    PROCESS_KILL,
    PROFILES,
    ROOT_INODE,
    Attribute,
    AttributeKind,
    AttributeReads,
    Attributes,
    Data,
    Dirent,
    DiskImage,
    Kept,
    Mark,
    OpLog,
    PendingOps,
    Profile,
    ReadMemory,
    ReadTrace,
    SimDisk,
    Sync,
    SyncKind,
    Tearing,
    all_images,
    forked_images,
    newest_images,
)

EVERYTHING = tuple(AttributeKind)
PRIVATE = Attributes(mode=0o600)


def new_disk(*seen: AttributeKind) -> SimDisk:
    disk = SimDisk(DiskImage.empty(AttributeReads(seen)))
    times = iter(range(10**6))
    disk.keep_times(lambda: next(times))
    return disk


def any_disk(chance: Random, *seen: AttributeKind) -> SimDisk:
    """A disk after a program whose inodes are given attributes here and there."""
    disk = new_disk(*seen)
    for _ in range(3):
        run(any_program(chance)[:8], disk)
        for inode in range(2, 6):
            if chance.random() < 0.5:
                disk.set_attributes(inode, Attributes(mode=chance.randrange(8)), path="")
    return disk


def modes(image: DiskImage) -> dict[str, int | None]:
    return {
        path: None if node.attributes is None else node.attributes.mode
        for path, _, node in image.walk()
    }


def crashed(disk: SimDisk, profile: Profile, image: DiskImage | None = None) -> PendingOps:
    pending = PendingOps(image or disk.image, profile)
    pending.take_all(disk.log)
    return pending


def file_on(disk: SimDisk, name: str = "f") -> int:
    made = Attributes(mode=0o644, owner=(1, 2), modified_ns=0)
    inode = disk.create(ROOT_INODE, name, path=f"/{name}", made=made)
    disk.sync(SyncKind.EVERYTHING, 0, path="")
    return inode


# What a crash keeps


@pytest.mark.parametrize("seed", range(4))
def test_attributes_are_ordered_as_the_rules_say_pair_by_pair(seed: int) -> None:
    chance = Random(seed)
    for _ in range(25):
        profile = chance.choice(PROFILES)
        disk = any_disk(chance, *EVERYTHING)
        pending, twin = PendingOps(disk.image, profile), PairwiseOrder(profile)
        for record in disk.log:
            pending.take(record)
            twin.take(record)
            assert [op.number for op in pending.ops] == list(twin.ops)
            if not twin.group:
                for number, needed in twin.needs.items():
                    kept = pending.kept(pending.needs(number))
                    assert frozenset(kept.numbers) == needed


def test_attributes_follow_names_in_a_journal_and_nothing_else() -> None:
    name = Dirent(number=0, call=1, directory=1, name="f", inode=2, subject=2)
    mode = Attribute(number=1, call=2, inode=2, change=PRIVATE)
    ordered = [each.name for each in PROFILES if each.must_precede(name, mode)]
    assert ordered == [
        *("sequential", "data-journal", "ext3-ordered", "ext4-ordered", "xfs", "ext4-observed"),
        *("writeback", "ext4", "process-kill"),
    ]
    later = evolve(name, number=2, call=3)
    assert [each.name for each in PROFILES if each.must_precede(mode, later)] == ordered


@pytest.mark.parametrize(
    ("kind", "covering"),
    [
        (SyncKind.FILE, len(PROFILES)),
        (SyncKind.FULL, len(PROFILES)),
        (SyncKind.EVERYTHING, len(PROFILES)),
        (SyncKind.DATA, 0),
    ],
)
def test_syncs_of_the_file_cover_its_attributes_but_fdatasync(
    kind: SyncKind, covering: int
) -> None:
    sync = Sync(kind=kind, call=3, inode=2)
    op = Attribute(number=1, call=2, inode=2, change=PRIVATE)
    assert sum(each.covers(sync, op) for each in PROFILES) == covering


@pytest.mark.parametrize(
    "profile", [each for each in PROFILES if each.fsync_persists], ids=lambda each: each.name
)
def test_what_was_synced_is_kept_and_what_was_not_is_lost_first(profile: Profile) -> None:
    disk = new_disk(*EVERYTHING)
    inode = file_on(disk)
    disk.set_attributes(inode, PRIVATE, path="/f")
    pending = crashed(disk, profile)
    at_once = profile in (PROCESS_KILL, LAZYFS)
    assert modes(pending.durable) == {"/f": 0o600 if at_once else 0o644}
    disk.sync(SyncKind.FILE, inode, path="/f")
    pending = crashed(disk, profile)
    assert modes(pending.full) == {"/f": 0o600}
    assert modes(pending.durable) == {"/f": 0o600}
    assert list(pending.ops) == []


def test_a_process_kill_keeps_them_all() -> None:
    disk = new_disk()
    inode = file_on(disk)
    disk.set_attributes(inode, Attributes(owner=(5, 6)), path="/f")
    disk.set_attributes(inode, Attributes(extended=(("user.a", b"1"),)), path="/f")
    disk.write(inode, 0, b"x", path="/f")
    expected = Attributes(mode=0o644, owner=(5, 6), modified_ns=2, extended=(("user.a", b"1"),))
    assert disk.process_kill().attributes(inode) == expected
    node = crashed(disk, PROCESS_KILL).durable.node(inode)
    assert node is not None
    assert node.attributes == expected


def test_an_extended_attribute_that_is_removed_is_gone() -> None:
    disk = new_disk()
    inode = file_on(disk)
    for value in (b"1", None):
        disk.set_attributes(inode, Attributes(extended=(("user.a", value),)), path="/f")
    assert disk.attributes(inode).extended == ()
    node = crashed(disk, POSIX).full.node(inode)
    assert node is not None
    assert node.attributes is not None
    assert node.attributes.extended == ()


def test_times_ride_along_with_what_changes_an_inode() -> None:
    disk = new_disk(AttributeKind.TIMES)
    inode = file_on(disk)
    disk.write(inode, 0, b"x", path="/f")
    assert [type(op).__name__ for op in disk.log] == ["Dirent", "Sync", "Data", "Size"]
    pending = crashed(disk, POSIX)
    found = set()
    for kept in all_images(pending, limit=64).images:
        node = pending.image(kept).node(inode)
        assert node is not None
        assert node.attributes is not None
        found.add((kept.numbers, node.attributes.modified_ns))
    assert {(), (1,), (2,), (1, 2)} == {numbers for numbers, _ in found}
    assert dict(found) == {(): 0, (1,): 1, (2,): 2, (1, 2): 2}


def test_a_name_that_comes_without_its_attributes_has_those_of_its_creation() -> None:
    disk = new_disk(*EVERYTHING)
    made = Attributes(mode=0o640)
    inode = disk.create(ROOT_INODE, "f", path="/f", made=made)
    disk.set_attributes(inode, PRIVATE, path="/f")
    disk.rename((ROOT_INODE, "f"), (ROOT_INODE, "g"), source_path="/f", target_path="/g")
    pending = crashed(disk, POSIX)
    assert modes(pending.image(Kept((2, 3)))) == {"/g": 0o640}
    assert modes(pending.image(Kept((1, 2, 3)))) == {"/g": 0o600}


def test_a_failed_journal_drops_attributes() -> None:
    disk = new_disk(*EVERYTHING)
    inode = file_on(disk)
    disk.set_attributes(inode, PRIVATE, path="/f")
    disk.fail_next_commit()
    with pytest.raises(OSError, match="Input/output error"):
        disk.sync(SyncKind.FILE, inode, path="/f")
    assert modes(crashed(disk, EXT4).full) == {"/f": 0o644}
    with pytest.raises(OSError, match="Read-only"):
        disk.set_attributes(inode, PRIVATE, path="/f")


# Who never looks


def without_attributes(disk: SimDisk) -> list[object]:
    """The same log with nothing that changes attributes alone."""
    return [record for record in disk.log if not isinstance(record, Attribute)]


# Where sizes and data keep their order with attributes, a sync of attributes takes them along.
APART = [each for each in PROFILES if not each.metadata_ordered or each is PROCESS_KILL]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_nobody_who_never_looks_is_shown_other_images(seed: int) -> None:
    chance = Random(seed)
    for _ in range(6):
        profile = chance.choice(APART)
        disk = any_disk(chance)
        pending, bare = PendingOps(disk.image, profile), PendingOps(disk.image, profile)
        for record in disk.log:
            pending.take(record)
            if isinstance(record, Attribute):
                assert newest_images(pending, limit=64).images == ()
            else:
                bare.take(record)
            if not pending.whole or isinstance(record, (Mark, Attribute)):
                continue
            mine, theirs = all_images(pending, limit=20), all_images(bare, limit=20)
            assert mine.complete == theirs.complete
            assert [pending.image(each).digest() for each in mine.images] == [
                bare.image(each).digest() for each in theirs.images
            ]
            if isinstance(record, Sync):
                continue
            mine, theirs = newest_images(pending, limit=20), newest_images(bare, limit=20)
            assert len(mine.images) == len(theirs.images)


def test_images_differ_by_what_was_looked_at() -> None:
    disk = new_disk()
    inode = file_on(disk)
    disk.set_attributes(inode, PRIVATE, path="/f")
    disk.set_attributes(inode, Attributes(modified_ns=99), path="/f")
    pending = crashed(disk, POSIX)

    def distinct() -> int:
        images = all_images(pending, limit=64).images
        return len({pending.image(each).digest() for each in images})

    assert (distinct(), len(list(pending.ops))) == (1, 0)
    disk.look_at_attributes(inode, AttributeKind.MODE)
    assert (distinct(), len(list(pending.ops))) == (2, 1)
    disk.look_at_attributes(inode, AttributeKind.TIMES)
    assert (distinct(), len(list(pending.ops))) == (3, 2)


def test_a_look_counts_in_a_copy_of_the_flags_from_then_on() -> None:
    reads = AttributeReads((AttributeKind.OWNER,))
    twin = pickle.loads(pickle.dumps(reads))
    twin.note(AttributeKind.MODE)
    assert (reads.seen, twin.seen) == (
        (AttributeKind.OWNER,),
        (AttributeKind.MODE, AttributeKind.OWNER),
    )


def test_an_overwrite_with_the_same_bytes_shows_in_the_time_alone() -> None:
    disk = new_disk()
    inode = file_on(disk)
    disk.write(inode, 0, b"x", path="/f")
    disk.sync(SyncKind.FILE, inode, path="/f")
    disk.write(inode, 0, b"x", path="/f")
    pending = crashed(disk, POSIX)
    assert newest_images(pending, limit=8).images == ()
    disk.look_at_attributes(inode, AttributeKind.TIMES)
    assert [each.numbers for each in newest_images(pending, limit=8).images] == [(3,)]


# Images chosen by what is read


def test_each_mode_that_may_be_found_is_found_by_a_reader() -> None:
    disk = new_disk(AttributeKind.MODE)
    inode = file_on(disk)
    for mode in (1, 2):
        disk.set_attributes(inode, Attributes(mode=mode), path="/f")
        disk.write(inode, 0, b"x" * mode, path="/f")
    pending = crashed(disk, POSIX)
    met: list[int | None] = []

    def read(kept: Kept) -> tuple[tuple[str, int], ...]:
        trace = ReadTrace()
        twin = SimDisk(pending.image(kept), reads=trace)
        twin.look_at_attributes(inode, AttributeKind.MODE)
        met.append(twin.attributes(inode).mode)
        return trace.cells  # type: ignore[return-value] # no look into a block

    images = forked_images(pending, read, limit=512, tearing=Tearing())
    assert images is not None
    assert set(met) == {0o644, 1, 2}
    blind = forked_images(pending, lambda _: (), limit=512, tearing=Tearing())
    assert blind is not None
    assert len(blind) == 1


def test_a_memory_tells_attributes_apart_where_they_were_read() -> None:
    disk = new_disk()
    inode = file_on(disk)
    one = crashed(disk, POSIX).full
    disk.set_attributes(inode, PRIVATE, path="/f")
    other = crashed(disk, POSIX).full
    memory: ReadMemory[str] = ReadMemory()
    memory.remember(one, (("attributes", inode),), "public")
    assert (memory.recall(one), memory.recall(other)) == ("public", None)


def test_a_log_without_attributes_says_nothing_of_them() -> None:
    disk = SimDisk()
    inode = disk.create(ROOT_INODE, "f", path="/f")
    disk.write(inode, 0, b"x", path="/f")
    log = OpLog()
    for record in disk.log:
        log.append(record)
    assert [getattr(record, "modified_ns", None) for record in log] == [None] * 3
    data = next(record for record in log if isinstance(record, Data))
    # Digests of runs are made of this.
    assert repr(data) == (
        f"Data(number=1, call=2, inode={inode}, block=0, start=0, content=b'x', extends=True, "
        "tail_block=False, joins_next=True, write_bytes=1, continues=False, path='/f')"
    )
    assert data.content == b"x"
    assert disk.attributes(inode) == Attributes()
