"""SQLite's VFS on the simulated machine, by SQLite itself and method by method."""

from __future__ import annotations

import errno
from ctypes import addressof, c_int

import apsw
import pytest

from wavetank.engine import OpenFlag
from wavetank.faults import CrashSignal, FaultInjector, FaultPlan, FaultyFileSystem, parse_fault
from wavetank.scenarios.stores.sqlite.vfs import SqliteVfs
from wavetank.sim import Dirent, SerialRuntime, SimDisk, SimFileSystem, Sync, SyncKind, Tearing

READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
MAIN = apsw.SQLITE_OPEN_MAIN_DB | READ_WRITE


def machine() -> tuple[SimDisk, SqliteVfs]:
    disk = SimDisk()
    return disk, SqliteVfs(SimFileSystem(disk), SerialRuntime(), "/")


def failing(*lines: str) -> tuple[SimDisk, SqliteVfs]:
    disk = SimDisk()
    runtime = SerialRuntime()
    injector = FaultInjector(FaultPlan(tuple(map(parse_fault, lines))))
    return disk, SqliteVfs(FaultyFileSystem(SimFileSystem(disk), injector), runtime, "/")


def syncs_of_directories(disk: SimDisk) -> int:
    return sum(
        isinstance(record, Sync) and record.kind is SyncKind.DIRECTORY for record in disk.log
    )


def extended_code(error: apsw.Error) -> int:
    # The stubs do not know of it.
    code: int = vars(error)["extendedresult"]
    return code


def test_a_read_beyond_the_end_is_short_and_sqlite_takes_it_for_zeros() -> None:
    _, vfs = machine()
    file = vfs.xOpen("/f", [MAIN, 0])
    file.xWrite(b"abc", 0)
    assert file.xRead(8, 1) == b"bc"
    assert file.xRead(8, 100) == b""
    # SQLite reads the header of an empty file, and goes on.
    assert apsw.Connection("/empty", vfs=vfs.name).execute("PRAGMA user_version").get == 0


def test_short_reads_and_writes_are_gone_on_with() -> None:
    _, vfs = failing("write: short 3 bytes from now on", "read: short 3 bytes from now on")
    file = vfs.xOpen("/f", [MAIN, 0])
    file.xWrite(b"0123456789", 0)
    assert file.xRead(10, 0) == b"0123456789"


def test_truncation_sets_the_size_both_ways() -> None:
    _, vfs = machine()
    file = vfs.xOpen("/f", [MAIN, 0])
    file.xWrite(b"abcdef", 0)
    for size in (2, 5):
        file.xTruncate(size)
        assert file.xFileSize() == size
    assert file.xRead(9, 0) == b"ab\0\0\0"


def test_only_the_first_sync_of_a_new_journal_syncs_the_directory() -> None:
    disk, vfs = machine()
    for kind, times in (
        (apsw.SQLITE_OPEN_MAIN_DB, 0),
        (apsw.SQLITE_OPEN_MAIN_JOURNAL, 1),
        (apsw.SQLITE_OPEN_WAL, 1),
    ):
        before = syncs_of_directories(disk)
        file = vfs.xOpen(f"/{kind}", [kind | READ_WRITE, 0])
        file.xSync(apsw.SQLITE_SYNC_NORMAL)
        file.xSync(apsw.SQLITE_SYNC_FULL)
        assert syncs_of_directories(disk) - before == times


def test_a_sync_of_data_alone_is_a_datasync() -> None:
    disk, vfs = machine()
    file = vfs.xOpen("/f", [MAIN, 0])
    file.xSync(apsw.SQLITE_SYNC_NORMAL | apsw.SQLITE_SYNC_DATAONLY)
    file.xSync(apsw.SQLITE_SYNC_NORMAL)
    kinds = [record.kind for record in disk.log if isinstance(record, Sync)]
    assert kinds == [SyncKind.DATA, SyncKind.FILE]


@pytest.mark.parametrize("syncs", [True, False])
def test_a_deletion_syncs_the_directory_if_it_is_asked_to(*, syncs: bool) -> None:
    disk, vfs = machine()
    vfs.xOpen("/f", [MAIN, 0]).xClose()
    vfs.xDelete("/f", syncs)
    assert syncs_of_directories(disk) == syncs
    with pytest.raises(apsw.IOError) as caught:
        vfs.xDelete("/f", syncs)
    assert extended_code(caught.value) == apsw.SQLITE_IOERR_DELETE_NOENT


def test_an_empty_file_counts_as_none() -> None:
    _, vfs = machine()
    file = vfs.xOpen("/f", [MAIN, 0])
    assert not vfs.xAccess("/f", apsw.SQLITE_ACCESS_EXISTS)
    assert vfs.xAccess("/f", apsw.SQLITE_ACCESS_READWRITE)
    file.xWrite(b"x", 0)
    assert vfs.xAccess("/f", apsw.SQLITE_ACCESS_EXISTS)
    assert not vfs.xAccess("/missing", apsw.SQLITE_ACCESS_READWRITE)


def test_a_file_without_a_name_is_gone_as_soon_as_it_is_open() -> None:
    disk, vfs = machine()
    temporary = apsw.SQLITE_OPEN_TEMP_DB | READ_WRITE
    one, other = (vfs.xOpen(None, [temporary, 0]) for _ in range(2))
    one.xWrite(b"mine", 0)
    assert other.xFileSize() == 0
    assert SimFileSystem(disk).listdir("/") == []
    made = [record.name for record in disk.log if isinstance(record, Dirent) and record.inode]
    assert len(set(made)) == 2


def test_names_are_made_absolute() -> None:
    vfs = SqliteVfs(SimFileSystem(SimDisk()), SerialRuntime(), "/store")
    assert vfs.xFullPathname("a/../b.db") == "/store/b.db"
    assert vfs.xFullPathname("/x//y") == "/x/y"


def test_time_is_the_runtimes() -> None:
    runtime = SerialRuntime()
    vfs = SqliteVfs(SimFileSystem(SimDisk()), runtime, "/")
    database = apsw.Connection("/t", vfs=vfs.name)
    assert database.execute("SELECT datetime('now')").get == "1970-01-01 00:00:00"
    assert vfs.xSleep(2_500_000) == 2_500_000
    assert runtime.monotonic() == 2.5
    assert database.execute("SELECT datetime('now')").get == "1970-01-01 00:00:02"


def test_what_the_device_does_not_promise_is_not_claimed() -> None:
    fs = SimFileSystem(SimDisk())
    careless = Tearing(powersafe_overwrite=False, sector_bytes=4096)
    for tearing, claims, sector in (
        (Tearing(), apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE, 512),
        (careless, 0, 4096),
    ):
        vfs = SqliteVfs(fs, SerialRuntime(), "/", tearing=tearing)
        file = vfs.xOpen("/f", [MAIN, 0])
        assert (file.xDeviceCharacteristics(), file.xSectorSize()) == (claims, sector)


def test_connections_of_one_process_keep_out_of_each_others_way() -> None:
    _, vfs = machine()
    one, other = (apsw.Connection("/shared", vfs=vfs.name) for _ in range(2))
    one.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    one.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)")
    assert other.execute("SELECT count(*) FROM t").get == 1
    with pytest.raises(apsw.BusyError):
        other.execute("BEGIN IMMEDIATE")
    reader = other.execute("SELECT a FROM t UNION ALL SELECT 9")
    next(reader)
    with pytest.raises(apsw.BusyError):
        one.execute("COMMIT")
    # The writer waits for the reader, and no new one comes in.
    third = apsw.Connection("/shared", vfs=vfs.name)
    with pytest.raises(apsw.BusyError):
        third.execute("SELECT count(*) FROM t")
    reader.close()
    one.execute("COMMIT")
    assert third.execute("SELECT count(*) FROM t").get == 2


def test_two_processes_lock_each_other_out_for_as_long_as_a_transaction_lasts() -> None:
    fs = SimFileSystem(SimDisk())
    one, other = (
        apsw.Connection("/shared", vfs=vfs.name)
        for vfs in [SqliteVfs(fs, SerialRuntime(), "/") for _ in range(2)]
    )
    one.execute("CREATE TABLE t (a)")
    one.execute("BEGIN IMMEDIATE")
    with pytest.raises(apsw.BusyError):
        other.execute("SELECT * FROM t").get  # noqa: B018 - reading it is what is refused
    one.execute("COMMIT")
    other.execute("INSERT INTO t VALUES (1)")
    assert one.execute("SELECT a FROM t").get == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("write #4: fail EIO", apsw.SQLITE_IOERR_WRITE),
        ("write #4: fail ENOSPC", apsw.SQLITE_FULL),
        ("fsync #1: fail EIO", apsw.SQLITE_IOERR_FSYNC),
        ("fsync_dir #1: fail EIO", apsw.SQLITE_IOERR_DIR_FSYNC),
        ("unlink #1: fail EACCES", apsw.SQLITE_IOERR_DELETE),
        ("open #1: fail EMFILE", apsw.SQLITE_CANTOPEN),
    ],
)
def test_a_refusal_reaches_sqlite_by_its_own_code(fault: str, code: int) -> None:
    _, vfs = failing(fault)
    with pytest.raises(apsw.Error) as caught:
        apsw.Connection("/f", vfs=vfs.name).execute("CREATE TABLE t (a)")
    assert extended_code(caught.value) == code
    cause = caught.value.__cause__
    assert isinstance(cause, OSError)
    assert errno.errorcode[cause.errno or 0] == fault.rsplit(maxsplit=1)[-1]
    assert vfs.failure.first is cause
    assert vfs.xGetLastError()[0] == cause.errno


def test_the_end_of_the_process_comes_through_and_nothing_is_written_after_it() -> None:
    disk, vfs = failing("write #3: kill before")
    database = apsw.Connection("/f", vfs=vfs.name)
    with pytest.raises(CrashSignal):
        database.execute("CREATE TABLE t (a)")
    length = len(disk.log)
    with pytest.raises(CrashSignal):
        database.execute("CREATE TABLE u (a)")
    assert len(disk.log) == length
    assert isinstance(vfs.failure.first, CrashSignal)


def test_a_wal_is_kept_where_sqlite_is_told_to() -> None:
    disk, vfs = machine()
    for keeps in (False, True):
        name = f"/kept-{keeps}"
        database = apsw.Connection(name, vfs=vfs.name)
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        assert database.execute("PRAGMA journal_mode = WAL").get == "wal"
        asked = c_int(1 if keeps else -1)
        assert database.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, addressof(asked))
        assert asked.value == keeps
        database.execute("CREATE TABLE t (a)")
        database.close()
        names = SimFileSystem(disk).listdir("/")
        assert (f"kept-{keeps}-wal" in names) is keeps


def test_random_numbers_follow_from_the_run_and_the_disk() -> None:
    drawn = []
    for content in (b"one", b"one", b"other"):
        fs = SimFileSystem(SimDisk())
        fs.open("/f", OpenFlag.WRITE | OpenFlag.CREATE).pwrite(content, 0)
        SqliteVfs(fs, SerialRuntime(), "/").seed("/f")
        drawn.append(apsw.randomness(8))
    assert drawn[0] == drawn[1] != drawn[2]
    assert apsw.vfs_names()[0] == "unix"
