"""Closing a descriptor reports an error; and an error of reading that ends an open is its cause."""

import errno
from pathlib import Path

import pytest

from wavetank.engine import (
    CorruptedStateError,
    FileStorage,
    LogEntry,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
    StorageIOError,
)
from wavetank.faults import FaultInjector, FaultyFileSystem, parse_plan
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem


def open_store(disk: SimDisk, *faults: str) -> FileStorage:
    injector = FaultInjector(parse_plan("\n".join(faults)))
    return FileStorage(
        StorageConfig(directory="/store"),
        fs=FaultyFileSystem(SimFileSystem(disk), injector),
        runtime=SerialRuntime(0),
    )


def test_a_close_ends_well_and_releases_the_directory_whatever_descriptors_report() -> None:
    disk = SimDisk()
    store = open_store(disk)
    store.append_log_entries([LogEntry(1, 1, b"kept")])
    store.close()
    open_store(disk, "close log.dat: fail EIO", "close LOCK: fail EIO").close()
    assert open_store(disk).get_log_entry(1) == LogEntry(1, 1, b"kept")


def test_a_refused_open_releases_the_directory_whatever_descriptors_report() -> None:
    disk = SimDisk()
    open_store(disk).close()
    with pytest.raises(StorageIOError) as caught:
        open_store(disk, "open log.dat: fail EMFILE", "close: fail EIO from now on")
    assert caught.value.errno == errno.EMFILE
    open_store(disk).close()


def test_a_snapshot_is_saved_though_closing_its_durable_data_reports_an_error() -> None:
    disk = SimDisk()
    store = open_store(disk, "close snapshot.dat.tmp: fail EIO")
    store.append_log_entries([LogEntry(1, 1, b"covered")])
    store.save_snapshot(SnapshotMetadata(1, 1), b"data")
    store.close()
    assert open_store(disk).load_snapshot() == (SnapshotMetadata(1, 1), b"data")


def test_a_state_that_the_medium_does_not_give_back_names_that_as_the_cause() -> None:
    disk = SimDisk()
    store = open_store(disk)
    store.save_state(PersistentState(1, "a"))
    store.close()
    with pytest.raises(CorruptedStateError) as caught:
        open_store(disk, "read state*.json: fail EIO from now on")
    cause = caught.value.__cause__
    assert cause is not None
    assert isinstance(cause.__cause__, OSError)
    assert cause.__cause__.errno == errno.EIO
    assert open_store(disk).load_state() == PersistentState(1, "a")


DESCRIPTORS = Path("/proc/self/fd")


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="counts the descriptors that Linux shows")
@pytest.mark.parametrize("name", ["log.dat", "snapshot.dat"])
def test_a_size_that_cannot_be_asked_for_leaves_no_descriptor_open(
    tmp_path: Path, name: str
) -> None:
    config = StorageConfig(directory=str(tmp_path))
    with FileStorage(config) as store:
        store.append_log_entries([LogEntry(1, 1, b"covered")])
        store.save_snapshot(SnapshotMetadata(1, 1), b"data")
    injector = FaultInjector(parse_plan(f"size {name}: fail EIO"))
    before = len(list(DESCRIPTORS.iterdir()))
    with pytest.raises(StorageIOError):
        FileStorage(config, fs=FaultyFileSystem(OsFileSystem(), injector))
    assert len(list(DESCRIPTORS.iterdir())) == before


def test_metadata_that_the_medium_does_not_give_back_is_rebuilt() -> None:
    disk = SimDisk()
    with open_store(disk) as store:
        store.append_log_entries([LogEntry(1, 1, b"kept")])
    opened = open_store(disk, "read metadata.json: fail EIO")
    assert opened.get_log_entry(1) == LogEntry(1, 1, b"kept")
    assert str(opened.recovery_report.steps[-1]) == (
        "rebuilt /store/metadata.json: damaged: unreadable"
    )
