"""`backup`: a copy of a running store, of one moment, which opens as after a clean close."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from engine_site import INLINE, NOTHING_RETAINED, EngineSite, entries
from gates import PATIENCE_S, Gate, held

from wavetank.engine import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    FileStorage,
    FileStorageOptions,
    LockTimeoutError,
    LogEntry,
    NoSnapshotError,
    OperationCancelledError,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    StorageClosedError,
    StorageConfig,
    StorageError,
    StorageIOError,
    ThreadRuntime,
)
from wavetank.faults import FaultInjector, FaultyFileSystem, parse_plan
from wavetank.sim import POSIX, PendingOps, SerialRuntime, SimDisk, SimFileSystem, all_images

OPTIONS: Final = FileStorageOptions(features=INLINE, auto_truncate_on_snapshot=False)

Content = tuple[PersistentState, list[LogEntry], tuple[SnapshotMetadata, bytes] | None]


def content_of(store: FileStorage) -> Content:
    try:
        snapshot = store.load_snapshot()
    except NoSnapshotError:
        snapshot = None
    return store.load_state(), list(store), snapshot


def fill(store: FileStorage) -> None:
    store.save_state(PersistentState(2, "node-a"))
    for first in (1, 4, 7):
        store.append_log_entries(entries(first, first + 2, size=300))
    store.truncate_log_suffix(9)
    store.save_snapshot(SnapshotMetadata(5, 1), b"five" * 100)


def copy_site(site: EngineSite, name: str = "copy") -> EngineSite:
    """Return where a copy beside the store lies."""
    directory = f"{site.directory.rpartition('/')[0]}/{name}"
    return EngineSite(site.filesystem, site.make_runtime, directory)


def siblings(site: EngineSite) -> list[str]:
    """Return the names beside the store."""
    return list(site.filesystem.listdir(site.directory.rpartition("/")[0] or "/"))


def opened_copy(site: EngineSite, name: str = "copy") -> Content:
    """Open a copy, which must be one of a store that was closed cleanly, and return its content."""
    with copy_site(site, name).open(OPTIONS) as store:
        report = store.recovery_report
        assert (report.created, report.clean, report.cut, report.lost) == (False, True, None, ())
        assert store.verify().sound
        return content_of(store)


@pytest.mark.parametrize("kind", ["empty", "filled", "compacted"])
def test_a_copy_holds_what_the_store_holds_and_opens_cleanly(site: EngineSite, kind: str) -> None:
    store = site.open(NOTHING_RETAINED if kind == "compacted" else OPTIONS)
    if kind != "empty":
        fill(store)
    copy = copy_site(site)
    store.backup(copy.directory)
    names = {"log.dat", "metadata.json", "state.copy.json", "state.json"}
    if kind != "empty":
        names |= {"snapshot.dat", "snapshot_meta.json"}
    assert copy.names() == names
    before = content_of(store)
    store.append_log_entries(entries(store.last_log_index + 1, 20))
    store.close()
    assert opened_copy(site) == before


def test_a_copy_goes_on_as_a_store_of_its_own(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    fill(store)
    copy = copy_site(site)
    store.backup(copy.directory)
    twin = copy.open(OPTIONS)
    twin.append_log_entries(entries(9, 10, term=3))
    twin.save_state(PersistentState(3))
    store.append_log_entries(entries(9, 9))
    assert copy.reopen(OPTIONS).last_log_index == 10
    assert site.reopen(OPTIONS).load_state() == PersistentState(2, "node-a")


def test_a_directory_that_is_there_and_empty_is_filled_and_one_that_is_not_is_left(
    site: EngineSite,
) -> None:
    store = site.open(OPTIONS)
    fill(store)
    copy = copy_site(site)
    site.filesystem.mkdir(copy.directory)
    store.backup(copy.directory)
    content = copy.content()
    for directory in (copy.directory, site.directory):
        with pytest.raises(StorageIOError) as caught:
            store.backup(directory)
        assert caught.value.errno == errno.EEXIST
    assert copy.content() == content
    store.append_log_entries(entries(9, 9))


def test_a_backup_is_refused_by_name_and_after_the_close(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    with pytest.raises(TypeError, match="directory"):
        store.backup(7)  # type: ignore[arg-type]
    store.close()
    with pytest.raises(StorageClosedError):
        store.backup(copy_site(site).directory)
    assert "copy" not in siblings(site)


def test_a_poisoned_store_and_one_that_is_only_read_can_be_copied(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    fill(store)
    site.fail_change(0)
    with pytest.raises(StorageIOError):
        store.append_log_entries(entries(9, 9))
    site.heal()
    before = content_of(store)
    store.backup(copy_site(site).directory)
    assert opened_copy(site) == before
    store.close()
    store = site.open(evolve(OPTIONS, read_only=True))
    store.backup(copy_site(site, "second").directory)
    assert opened_copy(site, "second") == before


@pytest.mark.parametrize("free_chunks", range(3))
def test_a_cancelled_backup_leaves_nothing(site: EngineSite, free_chunks: int) -> None:
    class Token:
        def __init__(self) -> None:
            self.left = free_chunks

        def is_set(self) -> bool:
            self.left -= "copy" in siblings(site)
            return self.left < 0

    store = site.open(OPTIONS)
    fill(store)
    store.append_log_entries(entries(9, 9, size=3 << 20))
    with pytest.raises(OperationCancelledError):
        store.backup(copy_site(site).directory, cancel=Token())
    assert "copy" not in siblings(site)
    store.append_log_entries(entries(10, 10))


@pytest.mark.parametrize(
    ("name", "offset", "error"),
    [("log.dat", 200, CorruptedLogError), ("snapshot.dat", 9, CorruptedSnapshotError)],
)
def test_a_damaged_store_is_reported_and_nothing_is_left(
    site: EngineSite, name: str, offset: int, error: type[StorageError]
) -> None:
    store = site.open(OPTIONS)
    fill(store)
    site.flip(name, offset)
    with pytest.raises(error, match="the store is damaged"):
        store.backup(f"{site.directory}-copies/copy")
    assert "store-copies" not in siblings(site)
    store.append_log_entries(entries(9, 9))


@pytest.mark.parametrize("name", ["log.dat", "snapshot.dat", "state.json", "metadata.json"])
@pytest.mark.parametrize("fault", ["read {}: flip bit 0 at 60", "read {}: unreadable 0..512"])
def test_a_copy_that_does_not_hold_what_was_written_is_at_fault_itself(
    name: str, fault: str
) -> None:
    disk = SimDisk()
    plan = parse_plan(fault.format(f"/copy/{name}"))
    fs = FaultyFileSystem(SimFileSystem(disk), FaultInjector(plan), disk)
    site = EngineSite(fs, SerialRuntime, "/store")
    store = site.open(OPTIONS)
    fill(store)
    with pytest.raises(StorageIOError) as caught:
        store.backup("/copy")
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, f"/copy/{name}")
    assert "store is damaged" not in str(caught.value)
    assert fs.listdir("/") == ["store"]
    store.append_log_entries(entries(9, 9))


def test_nothing_is_left_where_a_call_fails(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    fill(store)
    number = 0
    while True:
        site.fail_change(number)
        try:
            store.backup(copy_site(site).directory)
        except StorageIOError:
            assert "copy" not in siblings(site)
        else:
            break
        number += 1
    assert number > 20
    site.heal()
    assert opened_copy(site) == content_of(store)
    store.append_log_entries(entries(9, 9))


def test_a_disk_without_room_for_the_copy_is_left_as_it_was() -> None:
    disk = SimDisk(capacity_bytes=32 << 12)
    site = EngineSite(SimFileSystem(disk), SerialRuntime, "/store")
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 1, size=48 << 10))
    free = disk.free_bytes
    with pytest.raises(StorageIOError) as caught:
        store.backup("/copy")
    assert caught.value.errno == errno.ENOSPC
    assert disk.free_bytes == free
    assert site.filesystem.listdir("/") == ["store"]
    store.append_log_entries(entries(2, 2))


def test_a_copy_is_of_one_moment_while_the_store_goes_on(tmp_path: Path) -> None:
    """Each round writes one number everywhere; a copy may not hold parts of two rounds."""
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(FileStorageOptions(retained_log_size=0, sync_on_append=False))
    rounds, copies = 40, 8

    def write() -> None:
        for number in range(1, rounds + 1):
            store.append_log_entries(entries(2 * number - 1, 2 * number, term=number))
            store.save_state(PersistentState(number))
            if number % 3 == 0:
                text = str(number).encode()
                store.save_snapshot(SnapshotMetadata(2 * number, number), text)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        for copy in range(copies):
            store.backup(f"{tmp_path}/copy{copy}", timeout=PATIENCE_S)
        writing.result()
    store.close()
    for copy in range(copies):
        with FileStorage(StorageConfig(directory=tmp_path / f"copy{copy}")) as twin:
            assert twin.recovery_report.clean
            term = twin.load_state().current_term
            last = twin.last_log_index // 2
            assert last - term in (0, 1)  # the state is saved behind the append
            assert twin.last_log_index % 2 == 0
            try:
                covered, text = twin.load_snapshot()
            except NoSnapshotError:
                assert term <= 3
                assert twin.first_log_index == 1
            else:
                assert text == str(covered.last_included_term).encode()
                assert term - covered.last_included_term in (0, 1, 2, 3)
                assert twin.first_log_index <= covered.last_included_index + 1
            for entry in twin:
                assert entry.term == (entry.index + 1) // 2


@pytest.mark.parametrize(
    ("call", "name"),
    [("fsync", "snapshot.dat.tmp"), ("fsync", "log.dat.tmp"), ("rename", "log.dat")],
)
def test_no_copy_is_begun_between_a_snapshot_and_the_log_that_follows_it(
    tmp_path: Path, call: str, name: str
) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(OPTIONS)
    fill(store)
    site.watched.refuse = gate = Gate(call, name, who="slow")
    newer = SnapshotMetadata(20, 3)
    with (
        held(gate, lambda: store.save_snapshot(newer, b"twenty"), "slow"),
        pytest.raises(LockTimeoutError),
    ):
        store.backup(f"{tmp_path}/copy", timeout=0)
    store.backup(f"{tmp_path}/copy", timeout=0)
    assert opened_copy(site) == (PersistentState(2, "node-a"), [], (newer, b"twenty"))


@pytest.mark.parametrize(
    "call", [("pwrite", "log.dat.tmp"), ("pwrite", "snapshot.dat.tmp"), ("fsync_dir", "copy")]
)
def test_everything_goes_on_while_a_copy_is_written(tmp_path: Path, call: tuple[str, str]) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(NOTHING_RETAINED)
    fill(store)
    before = content_of(store)
    site.watched.refuse = gate = Gate(*call, who="slow")
    with held(gate, lambda: store.backup(f"{tmp_path}/copy"), "slow") as copying:
        store.save_state(PersistentState(3, "node-b"), timeout=0)
        store.append_log_entries(entries(9, 12), timeout=0)
        store.truncate_log_suffix(11, timeout=0)
        store.save_snapshot(SnapshotMetadata(9, 1), b"nine", timeout=0)
        assert store.get_log_entry(10, timeout=0) == entries(10, 10)[0]
        assert store.first_log_index == 10
        assert not copying.done()
    copying.result()
    assert opened_copy(site) == before
    store.close()
    assert site.watched.open_names == []


@pytest.mark.parametrize("with_state", [True, False], ids=["used", "with entries alone"])
@pytest.mark.parametrize("ends", ["well", "refused"])
def test_a_crash_leaves_a_whole_copy_or_none_that_opens(*, with_state: bool, ends: str) -> None:
    disk = SimDisk()
    site = EngineSite(SimFileSystem(disk), SerialRuntime, "/store")
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 2))
    if with_state:
        store.save_state(PersistentState(2, "node-a"))
        store.save_snapshot(SnapshotMetadata(1, 1), b"one")
    whole = content_of(store)
    empty: Content = (PersistentState(0), [], None)
    begun = len(disk.log)
    if ends == "refused":
        # The copy of the state is read only when the whole copy is checked.
        site.watched.refuse = lambda call: (
            errno.EIO if (call.kind, call.name) == ("pread", "state.json") else None
        )
        with pytest.raises(StorageIOError, match="the store is not at fault"):
            store.backup("/copy")
    else:
        store.backup("/copy")
    pending = PendingOps(disk.image, POSIX)
    outcomes = set()
    for position, record in enumerate(disk.log, start=1):
        pending.take(record)
        if position < begun or not pending.whole:
            continue
        for kept in all_images(pending, limit=4096).images:
            outcomes.add(outcome_of(SimDisk(pending.image(kept)), whole, empty))
    assert outcomes == {"empty", "refused", "whole"}


def outcome_of(disk: SimDisk, whole: Content, empty: Content) -> str:
    """Return what opening the copy on a disk comes to."""
    filesystem = SimFileSystem(disk)
    there = "copy" in filesystem.listdir("/") and [
        name for name in filesystem.listdir("/copy") if not name.endswith(".tmp")
    ]
    site = EngineSite(filesystem, SerialRuntime, "/copy")
    try:
        store = site.open(OPTIONS)
    except CorruptedError:
        assert there
        return "refused"
    content = content_of(store)
    if content == whole:
        return "whole"
    assert content == empty
    assert not there
    return "empty"
