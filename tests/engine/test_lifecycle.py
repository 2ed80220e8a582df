"""Opening, closing, locking, and what each leaves in the directory."""

import errno
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from engine_site import CHANGES, INLINE, NOTHING_RETAINED, SYNCS, EngineSite, entries

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    FileSystem,
    LockTimeoutError,
    LogBounds,
    LogEntry,
    OsFileSystem,
    PersistentState,
    RecoveryAction,
    SnapshotMetadata,
    Storage,
    StorageClosedError,
    StorageConfig,
    StorageIOError,
    StorageLockedError,
    StoragePoisonedError,
    ThreadRuntime,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

FILES = {"LOCK", "log.dat", "metadata.json", "state.json", "state.copy.json"}
SNAPSHOT_FILES = {"snapshot.dat", "snapshot_meta.json"}

EVERY_CALL: list[Callable[[FileStorage], object]] = [
    lambda store: store.save_state(PersistentState(9, "z")),
    lambda store: store.load_state(),
    lambda store: store.append_log_entries(entries(1, 1)),
    lambda store: store.get_log_entries(1, 2),
    lambda store: store.get_log_entry(1),
    lambda store: store.truncate_log_suffix(1),
    lambda store: store.truncate_log_prefix(1),
    lambda store: store.save_snapshot(SnapshotMetadata(1, 1), b""),
    lambda store: store.load_snapshot(),
    lambda store: store.open_snapshot(),
    lambda store: store.first_log_index,
    lambda store: store.last_log_index,
    lambda store: store.last_log_term,
    lambda store: store.log_bounds(),
]


def fill(store: Storage) -> None:
    """Use every part of a store, through the contract alone."""
    store.save_state(PersistentState(1, "a"))
    store.append_log_entries(entries(1, 9))
    store.truncate_log_suffix(8)
    store.save_snapshot(SnapshotMetadata(3, 1), b"three")


def test_a_clean_close_leaves_the_files_of_a_store_and_nothing_else(site: EngineSite) -> None:
    with site.open() as store:
        assert store.recovery_report.created
        fill(store)
        assert "recovery.marker" in site.names()
    assert site.names() == FILES | SNAPSHOT_FILES


def test_a_clean_open_changes_nothing_but_the_marker(site: EngineSite) -> None:
    with site.open() as store:
        fill(store)
    before = site.content()
    store = site.open()
    assert store.recovery_report.clean
    assert store.recovery_report.steps == ()
    assert [(call.kind, call.name) for call in site.calls()] == [
        ("create", "recovery.marker"),
        ("fsync_dir", "store"),
    ]
    store.close()
    assert site.content() == before


def test_opening_twice_after_a_kill_does_the_same_and_leaves_the_same(site: EngineSite) -> None:
    fill(site.open())
    first = site.reopen().recovery_report
    after_first = site.content()
    store = site.reopen()
    assert store.recovery_report == first
    assert site.content() == after_first
    assert not first.clean
    assert store.load_state() == PersistentState(1, "a")


def test_equal_histories_leave_equal_bytes() -> None:
    """Nothing written depends on time, chance or identity."""
    contents = []
    for runtime in (SerialRuntime, ThreadRuntime):
        site = EngineSite(SimFileSystem(SimDisk()), runtime, "/store")
        fill(site.open())
        site.reopen().close()
        contents.append(site.content())
    assert contents[0] == contents[1]


def test_a_second_close_does_nothing_and_every_call_after_it_is_refused(
    site: EngineSite,
) -> None:
    store = site.open()
    fill(store)
    store.close()
    site.forget()
    store.close()
    for call in EVERY_CALL:
        with pytest.raises(StorageClosedError):
            call(store)
    assert site.watched.calls == []


def test_a_clean_close_syncs_metadata_and_then_the_directory(site: EngineSite) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 2))
    site.forget()
    store.close()
    assert [(call.kind, call.name) for call in site.calls()] == [
        ("create", "metadata.json.tmp"),
        ("pwrite", "metadata.json.tmp"),
        ("fsync", "metadata.json.tmp"),
        ("rename", "metadata.json"),
        ("unlink", "recovery.marker"),
        ("fsync_dir", "store"),
    ]


def test_a_store_that_was_only_read_closes_with_one_sync(site: EngineSite) -> None:
    site.open().close()
    store = site.open()
    site.forget()
    store.close()
    assert [call.kind for call in site.calls()] == ["unlink", "fsync_dir"]


@pytest.mark.parametrize("step", range(6))
def test_a_close_that_fails_releases_the_directory_and_loses_nothing(
    site: EngineSite, step: int
) -> None:
    store = site.open()
    fill(store)
    store.append_log_entries(entries(8, 8))
    site.fail_change(step)
    with pytest.raises(StorageIOError):
        store.close()
    with pytest.raises(StorageClosedError):
        store.load_state()
    store.close()
    site.heal()
    store = site.open()
    assert store.load_state() == PersistentState(1, "a")
    assert store.log_bounds() == LogBounds(first_index=4, last_index=8, last_term=1)


def test_a_poisoned_store_closes_without_touching_a_file(site: EngineSite) -> None:
    store = site.open()
    site.fail_change(0)
    with pytest.raises(StorageIOError):
        store.append_log_entries(entries(1, 1))
    site.heal()
    site.forget()
    store.close()
    assert site.calls() == []
    assert "recovery.marker" in site.names()
    site.open().append_log_entries(entries(1, 1))


def test_a_second_opener_is_refused_until_the_first_has_closed(site: EngineSite) -> None:
    store = site.open()
    other = EngineSite(site.filesystem, site.make_runtime, site.directory)
    with pytest.raises(StorageLockedError, match="LOCK"):
        other.open()
    store.append_log_entries(entries(1, 1))
    store.close()
    assert other.open().get_log_entry(1) == entries(1, 1)[0]


def test_foreign_files_are_left_alone(site: EngineSite) -> None:
    site.open().close()
    for name in ("notes.txt", "other.tmp", "log.dat.bak"):
        site.write(name, b"not ours")
    fill(site.open())
    site.reopen().close()
    for name in ("notes.txt", "other.tmp", "log.dat.bak"):
        assert site.read(name) == b"not ours"


def test_leftovers_of_our_own_are_removed_and_reported(site: EngineSite) -> None:
    names = [name for name in FILES | SNAPSHOT_FILES if name != "LOCK"]
    litter = {f"{name}.tmp" for name in names} | {"snapshot.marker"}
    with site.open() as store:
        fill(store)
    for name in litter:
        site.write(name, b"half a file")
    store = site.open()
    removed = {
        step.path for step in store.recovery_report.steps if step.action is RecoveryAction.REMOVED
    }
    assert removed == {site.path(name) for name in litter}
    assert not litter & site.names()


def test_missing_parents_are_made(tmp_path: Path) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/a/b/c")
    fill(site.open())
    assert site.reopen().last_log_index == 7
    assert site.watched.calls


@pytest.mark.parametrize("step", range(25))
def test_an_interrupted_creation_goes_on_where_it_stopped(site: EngineSite, step: int) -> None:
    site.fail_change(step)
    with suppress(StorageIOError):
        site.open().close()
    site.heal()
    site.kill()
    store = site.open()
    assert store.load_state() == PersistentState(0, "")
    assert store.log_bounds() == LogBounds(first_index=1, last_index=0, last_term=0)
    fill(store)
    assert site.reopen().last_log_index == 7


def test_every_refusal_during_an_open_is_typed_and_the_next_open_works(site: EngineSite) -> None:
    fill(site.open())
    site.kill()
    step = 0
    while True:
        site.heal()
        site.forget()
        total = [0]

        def refuse(_: object, step: int = step, total: list[int] = total) -> int | None:
            total[0] += 1
            return errno.EMFILE if total[0] == step + 1 else None

        site.watched.refuse = refuse
        refused: StorageIOError | None = None
        try:
            store = site.open()
        except StorageIOError as error:
            refused = error
        if refused is None:
            break
        assert refused.errno == errno.EMFILE
        assert isinstance(refused.__cause__, OSError)
        site.kill()
        step += 1
    assert step > 20
    assert store.load_state() == PersistentState(1, "a")
    assert store.last_log_index == 7


@pytest.mark.parametrize(
    "name",
    ["log.dat", "state.json", "metadata.json", "LOCK", "recovery.marker", "snapshot.dat.tmp"],
)
def test_a_directory_where_a_file_belongs_is_a_typed_error(site: EngineSite, name: str) -> None:
    with site.open() as store:
        fill(store)
    if name in site.names():
        site.remove(name)
    site.filesystem.mkdir(site.path(name))
    with pytest.raises(StorageIOError):
        site.open()


@pytest.mark.parametrize("name", ["log.dat", "state.json", "LOCK", "snapshot.dat", "log.dat.tmp"])
def test_a_symbolic_link_is_refused_and_its_target_untouched(tmp_path: Path, name: str) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    with site.open() as store:
        fill(store)
    target = tmp_path / "outside"
    target.write_bytes(b"outside")
    path = Path(site.path(name))
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    with pytest.raises(StorageIOError):
        site.open()
    assert target.read_bytes() == b"outside"


def test_a_file_where_the_directory_belongs_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(StorageIOError):
        EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store").open()


def test_the_start_of_a_small_store_takes_few_calls(site: EngineSite) -> None:
    """The inner loop of every crash test; a call more per open is a slower testbed."""
    store = site.open()
    store.save_state(PersistentState(1, "a"))
    store.append_log_entries(entries(1, 3))
    site.reopen()
    assert len(site.watched.calls) <= 26
    assert len(site.calls(SYNCS)) == 3
    site.reopen().close()
    site.open()
    assert len(site.watched.calls) <= 21
    assert len(site.calls(SYNCS)) == 1


# Background work and locks


def test_background_compaction_runs_beside_and_ends_before_close() -> None:
    runtime = SerialRuntime()
    site = EngineSite(SimFileSystem(SimDisk()), lambda: runtime, "/store")
    options = FileStorageOptions(retained_log_size=0)
    with site.open(options) as store:
        store.append_log_entries(entries(1, 9))
        store.save_snapshot(SnapshotMetadata(3, 1), b"3")
        store.save_snapshot(SnapshotMetadata(6, 1), b"6")
        assert store.first_log_index == 1
        runtime.run_pending(1)
        assert store.first_log_index == 4
    assert site.open(options).first_log_index == 7


def test_compaction_that_outlives_its_store_touches_nothing() -> None:
    """L4: work that is still queued when the directory belongs to somebody else."""
    late: list[Callable[[], None]] = []

    class Never:
        def join(self, timeout_s: float | None = None) -> bool:
            return timeout_s is None

        def done(self) -> bool:
            return False

    class LateRuntime(SerialRuntime):
        def spawn(self, name: str, work: Callable[[], None]) -> Never:
            assert name
            late.append(work)
            return Never()

    site = EngineSite(SimFileSystem(SimDisk()), LateRuntime, "/store")
    store = site.open(FileStorageOptions(retained_log_size=0))
    store.append_log_entries(entries(1, 9))
    store.save_snapshot(SnapshotMetadata(6, 1), b"6")
    store.close()
    before = site.content()
    (work,) = late
    work()
    assert site.content() == before


def test_a_failure_in_the_background_is_met_by_the_next_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = SerialRuntime()
    site = EngineSite(SimFileSystem(SimDisk()), lambda: runtime, "/store")
    store = site.open(FileStorageOptions(retained_log_size=0))
    store.append_log_entries(entries(1, 9))
    store.save_snapshot(SnapshotMetadata(6, 1), b"6")
    site.fail_change(0)
    with caplog.at_level(logging.WARNING, "wavetank.engine"):
        runtime.run_pending(1)
    assert "compaction behind index 6 failed" in caplog.text
    with pytest.raises(StoragePoisonedError) as caught:
        store.append_log_entries(entries(10, 10))
    assert isinstance(caught.value.__cause__, OSError)
    assert store.get_log_entries(1, 10) == entries(1, 9)


def test_a_lock_that_is_not_free_in_time_changes_nothing_and_leaks_nothing() -> None:
    """The snapshot's own data asks for the snapshot lock again, and for the log's."""
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    store = site.open(FileStorageOptions(features=INLINE))
    store.append_log_entries(entries(1, 4))

    class Data:
        def __iter__(self) -> "Data":
            return self

        def __next__(self) -> bytes:
            with pytest.raises(LockTimeoutError, match="snapshot"):
                store.save_snapshot(SnapshotMetadata(2, 1), b"", timeout=0)
            store.append_log_entries(entries(5, 5), timeout=0)
            raise StopIteration

    store.save_snapshot(SnapshotMetadata(3, 1), Data())
    store.save_snapshot(SnapshotMetadata(4, 1), b"", timeout=0)
    assert store.last_log_index == 5


@pytest.mark.parametrize("timeout", ["1", -1.0, float("nan"), True])
def test_a_timeout_that_is_none_is_refused(site: EngineSite, timeout: object) -> None:
    store = site.open()
    for call in (store.load_state, store.load_snapshot):
        with pytest.raises((TypeError, ValueError), match="timeout"):
            call(timeout=timeout)  # type: ignore[arg-type]


def test_configuration_and_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="config"):
        FileStorage(str(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="options"):
        FileStorage(StorageConfig(directory=str(tmp_path)), {})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"StorageConfig\.directory"):
        StorageConfig(directory=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"StorageConfig\.directory"):
        StorageConfig(directory="")
    assert StorageConfig(directory=tmp_path).directory == str(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_storage_contract_is_met() -> None:
    """Static: a `FileStorage` is a `Storage`, and both file systems are a `FileSystem`."""
    filesystems: list[FileSystem] = [OsFileSystem(), SimFileSystem(SimDisk())]
    for filesystem in filesystems[1:]:
        with EngineSite(filesystem, SerialRuntime, "/store").open(NOTHING_RETAINED) as store:
            fill(store)
    assert CHANGES > SYNCS
    assert LogEntry(1, 1, b"").command == b""
