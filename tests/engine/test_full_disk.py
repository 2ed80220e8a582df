"""Disks without room: nothing acknowledged is lost, and work goes on once there is room.

The disk is made to end at every block that the work could need, so that each write, file and
reservation is once the one that finds no room. What a typed error must hold here: ENOSPC, in itself
or among its causes.
"""

import errno
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from shutil import rmtree

import pytest
from attrs import evolve
from engine_site import INLINE, NOTHING_RETAINED, EngineSite, entries
from full_disks import (
    BLOCK,
    LITTER,
    WORK,
    Content,
    Full,
    Roomy,
    agrees,
    content,
    finish,
    require_want_of_room,
    work_until_full,
)
from recovery_crashes import opened
from small_tmpfs import small_tmpfs

from wavetank.engine import (
    CorruptedSnapshotError,
    FileStorage,
    FileStorageOptions,
    PersistentState,
    SnapshotMetadata,
    StorageIOError,
    StoragePoisonedError,
)
from wavetank.scenarios import Limits
from wavetank.scenarios.exploration.recovery_graph import images_during
from wavetank.sim import (
    POSIX,
    DiskImage,
    PendingOps,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
    all_images,
)

PLAIN = evolve(NOTHING_RETAINED, chunk_size=2048)
BACKGROUND = FileStorageOptions(retained_log_size=0)
OPTIONS = {
    "plain": PLAIN,
    "background": BACKGROUND,
    "json-scanning": evolve(
        PLAIN,
        features=evolve(INLINE, binary_format=False, index_map=False, chunked_io=False),
    ),
    "reserving": evolve(PLAIN, preallocate=2 * BLOCK),
    "unsynced": evolve(PLAIN, sync_on_append=False),
}
EASY = {1, 4}
"""Steps whose frame has room in the last block of the log."""
APPENDS = {2, 3, 5, 8, 11}
GROWING_STATE = {6}
"""The first copy may be in place when the second, a block longer than before, finds no room."""

ALL_ROOM = 80
SAMPLE = 5
MOST_BLOCKS = 8
PLACES = list(product(range(len(WORK)), range(MOST_BLOCKS)))
"""Before which step the room is taken, and how many blocks are left."""


def full_at(step: int, blocks: int, options: FileStorageOptions) -> tuple[Roomy, Full]:
    place = Roomy.simulated(ALL_ROOM)
    return place, work_until_full(place, place.site.open(options), step, blocks)


def is_poisoned(store: FileStorage) -> bool:
    """Whether it refuses changes that need no room."""
    try:
        store.truncate_log_suffix(store.last_log_index + 1)
    except StoragePoisonedError as error:
        require_want_of_room(error)
        return True
    return False


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_wherever_the_room_ends_nothing_is_lost_and_work_goes_on_when_there_is_some(
    options: FileStorageOptions,
) -> None:
    stopped, poisoning = set(), set()
    for step, blocks in PLACES:
        place, full = full_at(step, blocks, options)
        if full.step is None:
            continue
        stopped.add(full.step)
        store = full.store
        poisoned = is_poisoned(store)
        if poisoned:
            poisoning.add(full.step)
            reopen_without_room(place, full, options)
        place.make_room()
        if poisoned:
            store = place.site.reopen(options)
        assert place.litter() == []
        finish(store, full)
        expected = content(store)
        for _ in range(2):
            store.close()
            assert place.litter() == []
            store = place.site.open(options)
            assert content(store) == expected
    assert {step for step, _ in PLACES} - stopped == EASY
    assert poisoning == GROWING_STATE | (set() if options.preallocate else APPENDS)


def reopen_without_room(place: Roomy, full: Full, options: FileStorageOptions) -> None:
    """Open a poisoned store where there still is no room; this may fail."""
    assert full.step is not None
    try:
        found = content(place.site.reopen(options))
    except StorageIOError as error:
        require_want_of_room(error)
        return
    assert agrees(found, full.held) or agrees(found, WORK[full.step][2](full.held))


@pytest.mark.parametrize("step", [0, 2, 5, 6, 7, 10])
@pytest.mark.parametrize("blocks", range(3))
def test_a_crash_after_the_room_has_ended_loses_nothing_either(step: int, blocks: int) -> None:
    place, full = full_at(step, blocks, PLAIN)
    assert full.step is not None
    allowed = [full.held, WORK[full.step][2](full.held)]
    images = images_since(place, full.begun)
    assert images
    for image in images:
        found = content(opened(image, PLAIN)[0])
        assert any(agrees(found, each) for each in allowed)


def images_since(place: Roomy, begun: int) -> list[DiskImage]:
    """Return every disk that a crash leaves from there on."""
    assert place.disk is not None
    log = tuple(place.disk.log)
    pending = PendingOps(place.disk.image, POSIX)
    pending.take_all(log[:begun])
    images, choice = images_during(pending, log[begun:], Limits())
    assert not choice.points
    return [each.image for each in images]


# Without room for a snapshot or a compaction


@pytest.mark.parametrize("options", [PLAIN, BACKGROUND], ids=["inline", "background"])
def test_a_compaction_without_room_waits_for_the_next_snapshot(
    options: FileStorageOptions, caplog: pytest.LogCaptureFixture
) -> None:
    place, runtime = Roomy.simulated(ALL_ROOM), SerialRuntime()
    place.site.make_runtime = lambda: runtime
    store = place.site.open(options)
    store.append_log_entries(entries(1, 9, size=2000))
    place.leave(6)
    store.save_snapshot(SnapshotMetadata(3, 1), b"three")
    runtime.run_pending(1)
    assert "the next snapshot tries again" in caplog.text
    assert (store.first_log_index, place.litter()) == (1, [])
    store.append_log_entries(entries(10, 10))
    place.make_room()
    store.save_snapshot(SnapshotMetadata(4, 1), b"four")
    runtime.run_pending(1)
    assert store.first_log_index == 5


@pytest.mark.parametrize("name", ["snapshot.dat", "snapshot_meta.json", "log.dat", "state.json"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_finds_out_late_that_it_is_full_poisons_nothing_before_it_counts(
    site: EngineSite, name: str, number: int
) -> None:
    store = site.open(PLAIN)
    store.append_log_entries(entries(1, 9))
    site.watched.refuse = lambda call: (
        number if (call.kind, call.name) == ("fsync", f"{name}.tmp") else None
    )
    before = content(store)
    with pytest.raises(StorageIOError) if name != "log.dat" else nullcontext():
        store.save_snapshot(SnapshotMetadata(3, 1), b"three")
        store.save_state(PersistentState(1, "a"))
    assert agrees(content(store), before) == (name in ("snapshot.dat", "snapshot_meta.json"))
    assert not [each for each in site.names() if each.endswith(LITTER)]
    site.heal()
    store.save_snapshot(SnapshotMetadata(4, 1), b"four")
    store.save_state(PersistentState(1, "a"))
    found = content(site.reopen(PLAIN))
    assert found.log == tuple(entries(5, 9))
    assert found.snapshot == (SnapshotMetadata(4, 1), b"four")


def test_an_append_that_finds_out_late_poisons_and_says_why(site: EngineSite) -> None:
    store = site.open(PLAIN)
    site.watched.refuse = lambda call: errno.ENOSPC if call.kind == "datasync" else None
    with pytest.raises(StorageIOError) as caught:
        store.append_log_entries(entries(1, 1))
    assert caught.value.errno == errno.ENOSPC
    site.heal()
    assert is_poisoned(store)


@pytest.mark.parametrize("name", ["log.dat", "metadata.json"])
def test_a_snapshot_counts_even_where_the_new_log_finds_no_room(
    site: EngineSite, name: str
) -> None:
    store = site.open(PLAIN)
    store.append_log_entries(entries(1, 9))
    site.watched.refuse = lambda call: (
        errno.ENOSPC if (call.kind, call.name) == ("create", f"{name}.tmp") else None
    )
    with pytest.raises(StorageIOError) as caught:
        store.save_snapshot(SnapshotMetadata(20, 1), b"twenty")
    require_want_of_room(caught.value)
    assert is_poisoned(store)
    with pytest.raises(StorageIOError) if name == "log.dat" else nullcontext():
        site.reopen(PLAIN)
    site.heal()
    found = content(site.reopen(PLAIN))
    assert found == Content(snapshot=(SnapshotMetadata(20, 1), b"twenty"))


def test_a_close_without_room_is_none_and_the_next_open_recovers(site: EngineSite) -> None:
    store = site.open(PLAIN)
    store.append_log_entries(entries(1, 9))
    site.watched.refuse = lambda call: errno.ENOSPC if call.kind == "create" else None
    with pytest.raises(StorageIOError) as caught:
        store.close()
    require_want_of_room(caught.value)
    store.close()
    site.heal()
    store = site.open(PLAIN)
    assert not store.recovery_report.clean
    assert content(store).log == tuple(entries(1, 9))


def test_without_atomic_writes_a_snapshot_that_found_no_room_is_found_damaged() -> None:
    options = evolve(PLAIN, features=evolve(INLINE, atomic_writes=False))
    place = Roomy.simulated(ALL_ROOM)
    store = place.site.open(options)
    store.save_snapshot(SnapshotMetadata(3, 1), b"three")
    place.leave(3)
    with pytest.raises(StorageIOError) as caught:
        store.save_snapshot(SnapshotMetadata(4, 1), b"4" * 9 * BLOCK)
    require_want_of_room(caught.value)
    assert store.load_snapshot() == (SnapshotMetadata(3, 1), b"three")
    place.make_room()
    with pytest.raises(CorruptedSnapshotError):
        place.site.reopen(options)


def test_what_a_compaction_could_not_write_is_removed_and_poisons_nothing() -> None:
    place = Roomy.simulated(ALL_ROOM)
    options = evolve(PLAIN, compaction_requires_snapshot=False)
    store = place.site.open(options)
    store.append_log_entries(entries(1, 9, size=2000))
    place.leave(3)
    for _ in range(2):
        with pytest.raises(StorageIOError) as caught:
            store.truncate_log_prefix(3)
        require_want_of_room(caught.value)
        assert place.litter() == []
        assert place.free_bytes() == 3 * BLOCK
    store.append_log_entries(entries(10, 10))
    place.make_room()
    store.truncate_log_prefix(3)
    expected = entries(3, 9, size=2000) + entries(10, 10)
    assert content(place.site.reopen(options)).log == tuple(expected)


# Opening


def test_a_store_is_made_where_there_is_room_for_it_and_else_once_there_is() -> None:
    made_at_once = []
    for blocks in range(12):
        place = Roomy.simulated(ALL_ROOM)
        place.leave(blocks)
        try:
            place.site.open(PLAIN).close()
            made_at_once.append(blocks)
        except StorageIOError as error:
            require_want_of_room(error)
        place.make_room()
        store = place.site.reopen(PLAIN)
        assert content(store) == Content()
        assert place.litter() == []
        store.append_log_entries(entries(1, 3))
        assert content(place.site.reopen(PLAIN)).log == tuple(entries(1, 3))
    assert made_at_once == list(range(made_at_once[0], 12))
    assert made_at_once[0] > 5


def crashed(step: int) -> list[DiskImage]:
    """Return some of the disks that a crash leaves while a step is done with room enough."""
    place = Roomy.simulated(ALL_ROOM)
    store = place.site.open(PLAIN)
    for _, act, _ in WORK[:step]:
        act(store)
    begun = len(list(place.disk.log)) if place.disk else 0
    WORK[step][1](store)
    return images_since(place, begun)[::SAMPLE]


@pytest.mark.parametrize("step", [0, 2, 6, 10])
def test_an_open_without_room_either_succeeds_or_leaves_what_the_next_one_needs(step: int) -> None:
    refused = 0
    for image in crashed(step):
        expected = content(opened(image, PLAIN)[0])
        for blocks in range(3):
            disk = SimDisk(image, capacity_bytes=taken(image) + blocks * BLOCK)
            try:
                store = EngineSite(SimFileSystem(disk), SerialRuntime, "/store").open(PLAIN)
            except StorageIOError as error:
                require_want_of_room(error)
                refused += 1
            else:
                assert content(store) == expected
                continue
            pending = PendingOps(image, POSIX)
            pending.take_all(disk.log)
            assert content(opened(pending.full, PLAIN)[0]) == expected
            for kept in all_images(pending, limit=8).images[::SAMPLE]:
                assert content(opened(pending.image(kept), PLAIN)[0]) == expected
    assert refused


def taken(image: DiskImage) -> int:
    """Return how much room an image takes."""
    much = 1 << 30
    free = SimDisk(image, capacity_bytes=much).free_bytes
    assert free is not None
    return much - free


def test_a_full_disk_keeps_nobody_from_looking() -> None:
    place, full = full_at(9, 0, PLAIN)
    assert full.step == 9
    assert full.store.verify().sound
    place.site.kill()
    before = place.site.content()
    store = place.site.open(evolve(PLAIN, read_only=True))
    assert agrees(content(store), full.held)
    assert place.site.content() == before


# For real


def test_a_small_tmpfs_treats_a_store_as_the_simulated_disk_does(tmp_path: Path) -> None:
    stopped = set()
    with small_tmpfs(tmp_path, ALL_ROOM * BLOCK) as mount_point:
        for step, blocks in PLACES:
            if blocks > 3:
                continue
            place = Roomy.real(mount_point)
            full = work_until_full(place, place.site.open(PLAIN), step, blocks)
            store = full.store
            poisoned = is_poisoned(store)
            place.make_room()
            if full.step is not None:
                stopped.add(full.step)
                if poisoned:
                    store = place.site.reopen(PLAIN)
                finish(store, full)
            expected = content(store)
            store.close()
            assert place.litter() == []
            store = place.site.reopen(PLAIN)
            assert content(store) == expected
            store.close()
            rmtree(mount_point / "store")
    # Files of no content take no room there, and an append may fit the end of a block.
    assert stopped >= {0, 2, 3, 5, 6, 7, 8, 9, 11}
