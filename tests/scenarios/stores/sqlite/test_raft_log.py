"""The store on SQLite where it differs from a store of few files: errors, locks, damage."""

from __future__ import annotations

import apsw
import pytest

from wavetank.engine import (
    CorruptedLogError,
    FileStorageOptions,
    FileSystem,
    LogEntry,
    OpenFlag,
    PersistentState,
    StorageIOError,
    StorageLockedError,
    UnsupportedFormatError,
)
from wavetank.faults import CrashSignal, FaultInjector, FaultPlan, FaultyFileSystem, parse_fault
from wavetank.scenarios import Site
from wavetank.scenarios.conformance.check import entries
from wavetank.scenarios.stores.sqlite import SQLITE_MODES, Journal, SqliteMode, SyncLevel
from wavetank.scenarios.stores.sqlite.raft_log import SqliteRaftLog
from wavetank.scenarios.stores.sqlite.vfs import SqliteVfs
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

WAL_FULL = SqliteMode(Journal.WAL, SyncLevel.FULL)
DELETE_FULL = SqliteMode(Journal.DELETE, SyncLevel.FULL)
EACH_JOURNAL = pytest.mark.parametrize(
    "mode", [mode for mode in SQLITE_MODES if mode.level is SyncLevel.FULL], ids=lambda it: it.name
)


def site(fs: FileSystem) -> Site:
    options = FileStorageOptions(retained_log_size=0)
    return Site(fs=fs, runtime=SerialRuntime(), directory="/store", options=options)


def faulty(disk: SimDisk, line: str) -> Site:
    injector = FaultInjector(FaultPlan((parse_fault(line),)))
    return site(FaultyFileSystem(SimFileSystem(disk), injector))


def append_eight(store: SqliteRaftLog) -> None:
    for index in range(1, 9):
        store.append_log_entries(entries(index, 1))


def database(disk: SimDisk) -> apsw.Connection:
    """Open the store's database as somebody else would."""
    vfs = SqliteVfs(SimFileSystem(disk), SerialRuntime(), "/store")
    return apsw.Connection("/store/raft.db", vfs=vfs.name)


@EACH_JOURNAL
def test_the_database_is_in_the_mode_that_was_asked_for(mode: SqliteMode) -> None:
    disk = SimDisk()
    SqliteRaftLog(site(SimFileSystem(disk)), mode).close()
    connection = database(disk)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    is_wal = mode.journal is Journal.WAL
    assert connection.execute("PRAGMA journal_mode").get == ("wal" if is_wal else "delete")


@EACH_JOURNAL
def test_a_second_store_is_refused_until_the_first_is_closed(mode: SqliteMode) -> None:
    fs = SimFileSystem(SimDisk())
    first = SqliteRaftLog(site(fs), mode)
    with pytest.raises(StorageLockedError):
        SqliteRaftLog(site(fs), mode)
    first.append_log_entries(entries(1, 2))
    first.close()
    assert SqliteRaftLog(site(fs), mode).last_log_index == 2


@EACH_JOURNAL
def test_a_refusal_comes_out_with_the_systems_error_as_its_cause(mode: SqliteMode) -> None:
    disk = SimDisk()
    store = SqliteRaftLog(faulty(disk, "fsync #8: fail EIO from now on"), mode)
    with pytest.raises(StorageIOError) as caught:
        append_eight(store)
    assert type(caught.value.__cause__) is OSError
    assert caught.value.errno == caught.value.__cause__.errno == 5


@EACH_JOURNAL
def test_the_end_of_the_process_comes_through_the_store(mode: SqliteMode) -> None:
    disk = SimDisk()
    store = SqliteRaftLog(faulty(disk, "fsync #12: kill before"), mode)
    with pytest.raises(CrashSignal):
        append_eight(store)
    length = len(disk.log)
    del store
    assert len(disk.log) == length
    again = SqliteRaftLog(site(SimFileSystem(disk.process_kill())), mode)
    last = again.last_log_index
    assert 1 <= last < 8
    assert again.get_log_entries(1, last + 1) == entries(1, last)


def test_a_store_that_could_not_be_opened_leaves_the_directory_free() -> None:
    disk = SimDisk()
    with pytest.raises(StorageIOError) as caught:
        SqliteRaftLog(faulty(disk, "write #6: fail EIO"), WAL_FULL)
    store = SqliteRaftLog(site(SimFileSystem(disk)), WAL_FULL)
    store.save_state(PersistentState(1, "node-a"))
    assert caught.value.errno == 5


def test_what_sqlite_finds_damaged_is_refused() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    store = SqliteRaftLog(site(fs), DELETE_FULL)
    store.append_log_entries(entries(1, 40, size_bytes=100))
    store.close()
    # The second page is the table's own: its first byte says what kind of page it is.
    fs.open("/store/raft.db", OpenFlag.WRITE).pwrite(b"\x07", 1024)
    told: list[str] = []
    with pytest.raises(CorruptedLogError):
        SqliteRaftLog(site(fs), DELETE_FULL, on_integrity=told.append)
    assert "ok" not in told


def test_tables_of_another_version_are_refused() -> None:
    disk = SimDisk()
    SqliteRaftLog(site(SimFileSystem(disk)), DELETE_FULL).close()
    connection = database(disk)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(UnsupportedFormatError, match="version 1 but got 2"):
        SqliteRaftLog(site(SimFileSystem(disk)), DELETE_FULL)


def test_numbers_that_sqlite_has_not_are_refused_before_anything_is_touched() -> None:
    disk = SimDisk()
    store = SqliteRaftLog(site(SimFileSystem(disk)), WAL_FULL)
    length = len(disk.log)
    with pytest.raises(ValueError, match="2\\*\\*63-1"):
        store.append_log_entries([LogEntry(1, 2**63, b"")])
    with pytest.raises(ValueError, match="2\\*\\*63-1"):
        store.save_state(PersistentState(2**63))
    assert len(disk.log) == length


def test_the_same_run_writes_the_same_bytes() -> None:
    logs = []
    for _ in range(2):
        disk = SimDisk()
        for count in (1, 2):
            store = SqliteRaftLog(site(SimFileSystem(disk)), WAL_FULL)
            store.append_log_entries(entries(count, 1))
            store.close()
        logs.append(tuple(disk.log))
    assert logs[0] == logs[1]
