"""A snapshot counts while the log has not followed yet: no close and no opening passes that by."""

import pytest

from wavetank.engine import (
    CorruptedLogError,
    FileStorage,
    FileStorageOptions,
    FileSystem,
    LogEntry,
    NoSnapshotError,
    SnapshotMetadata,
    StorageConfig,
    StorageIOError,
)
from wavetank.faults import CrashSignal, FaultInjector, FaultyFileSystem, parse_plan
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

BEYOND = SnapshotMetadata(9, 4)
OTHER_BRANCH = SnapshotMetadata(3, 4)


def opened(fs: FileSystem) -> FileStorage:
    return FileStorage(
        StorageConfig(directory="/store"),
        FileStorageOptions(),
        fs=fs,
        runtime=SerialRuntime(),
    )


def with_five_entries() -> SimDisk:
    disk = SimDisk()
    store = opened(SimFileSystem(disk))
    store.append_log_entries([LogEntry(index, 1, b"entry") for index in range(1, 6)])
    store.close()
    return disk


def faulty(disk: SimDisk, plan: str) -> FaultyFileSystem:
    return FaultyFileSystem(SimFileSystem(disk), FaultInjector(parse_plan(plan)), disk)


def test_a_snapshot_that_is_being_replaced_belies_a_clean_close() -> None:
    disk = with_five_entries()
    store = opened(faulty(disk, "rename snapshot_meta.json: kill before"))
    with pytest.raises(CrashSignal):
        store.save_snapshot(BEYOND, b"snapshot")
    disk = disk.process_kill()
    fs = SimFileSystem(disk)
    # As a disk that lies about the names in a directory may leave it.
    fs.unlink("/store/recovery.marker")
    again = opened(fs)
    assert again.load_snapshot() == (BEYOND, b"snapshot")
    assert (again.first_log_index, again.last_log_index, again.last_log_term) == (10, 9, 4)


@pytest.mark.parametrize("damage", ["flip bit 0 at 60", "fail EIO"])
def test_a_log_that_cannot_be_read_refuses_a_snapshot_before_it_counts(damage: str) -> None:
    disk = with_five_entries()
    store = opened(faulty(disk, f"read log.dat in save_snapshot #1: {damage}"))
    with pytest.raises((CorruptedLogError, StorageIOError)):
        store.save_snapshot(OTHER_BRANCH, b"snapshot")
    with pytest.raises(NoSnapshotError):
        store.load_snapshot()
    store.append_log_entries([LogEntry(6, 4, b"entry")])
    store.close()
    again = opened(SimFileSystem(disk))
    assert (again.first_log_index, again.last_log_index, again.last_log_term) == (1, 6, 4)
