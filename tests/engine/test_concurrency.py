"""Readers beside writers in real threads: nothing half done is ever seen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest
from engine_site import INLINE, EngineSite, entries
from gates import PATIENCE_S, Gate

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    IndexOutOfRangeError,
    LockTimeoutError,
    LogBounds,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    SnapshotOutOfDateError,
    StorageError,
    ThreadRuntime,
)

OPTIONS = FileStorageOptions(retained_log_size=5, sync_on_append=False, chunk_size=512)
BATCH = 5


def run_beside(store: FileStorage, write: Callable[[], None], read: Callable[[], None]) -> None:
    """Run `read` over and over in three threads while `write` runs once; re-raise what fails."""
    begin, ended = Barrier(4), Event()

    def reader() -> None:
        begin.wait()
        while not ended.is_set():
            read()

    def writer() -> None:
        begin.wait()
        try:
            write()
        finally:
            ended.set()

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(reader) for _ in range(3)] + [pool.submit(writer)]
        for future in running:
            future.result()
    store.close()


@pytest.mark.slow
def test_readers_see_whole_batches_while_the_log_grows_and_is_compacted(tmp_path: Path) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(OPTIONS)

    def write() -> None:
        for first in range(1, 151, BATCH):
            store.append_log_entries(entries(first, first + BATCH - 1))
            if first % 50 == 1:
                store.save_snapshot(SnapshotMetadata(first, 1), b"s" * first)

    def read() -> None:
        extent = store.log_bounds()
        assert extent.last_index % BATCH == 0
        if extent.entry_count:
            try:
                found = store.get_log_entries(extent.first_index, extent.last_index + 1)
            except IndexOutOfRangeError:
                assert store.first_log_index > extent.first_index
            else:
                assert found == entries(extent.first_index, extent.last_index)

    run_beside(store, write, read)
    store = site.open(OPTIONS)
    assert store.last_log_index == 150
    assert store.first_log_index > 90
    assert store.load_snapshot() == (SnapshotMetadata(101, 1), b"s" * 101)


def test_readers_never_see_what_a_conflict_has_replaced(tmp_path: Path) -> None:
    """The last two entries always carry one term, the newest that was acknowledged or before."""
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(FileStorageOptions(sync_on_append=False, features=INLINE))
    store.append_log_entries(entries(1, 4))

    def write() -> None:
        for term in range(2, 30):
            store.truncate_log_suffix(3)
            store.append_log_entries(entries(3, 4, term))

    def read() -> None:
        try:
            found = store.get_log_entries(3, 5)
        except IndexOutOfRangeError:
            return
        assert found == entries(3, 4, found[0].term)

    run_beside(store, write, read)
    assert site.open().get_log_entries(3, 5) == entries(3, 4, 29)


def test_readers_go_on_while_an_append_syncs_and_a_second_writer_gives_up_in_time(
    tmp_path: Path,
) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(FileStorageOptions(lock_timeout=0.001))
    store.append_log_entries(entries(1, 3))
    gate = Gate("datasync", "log.dat")
    site.watched.refuse = gate
    with ThreadPoolExecutor(1) as pool:
        appending = pool.submit(store.append_log_entries, entries(4, 6))
        assert gate.reached.wait(PATIENCE_S)
        try:
            for _ in range(3):
                assert store.get_log_entries(1, 4) == entries(1, 3)
                assert store.last_log_index == 3
                for timeout_s in (0, 0.001):
                    with pytest.raises(LockTimeoutError):
                        store.append_log_entries(entries(4, 4), timeout=timeout_s)
            store.save_state(PersistentState(1, "node-a"))
            with pytest.raises(LockTimeoutError):
                store.close()
        finally:
            gate.opened.set()
        appending.result()
    assert store.get_log_entries(1, 7) == entries(1, 6)
    store.append_log_entries(entries(7, 7))
    store.close()
    assert site.open().get_log_entries(1, 8) == entries(1, 7)


def test_appends_go_on_while_a_background_compaction_copies(tmp_path: Path) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(FileStorageOptions(retained_log_size=0))
    store.append_log_entries(entries(1, 9))
    gate = Gate("fsync", "log.dat.tmp")
    site.watched.refuse = gate
    store.save_snapshot(SnapshotMetadata(5, 1), b"five")
    assert gate.reached.wait(PATIENCE_S)
    try:
        store.append_log_entries(entries(10, 12), timeout=PATIENCE_S)
        store.truncate_log_suffix(11, timeout=PATIENCE_S)
        store.save_snapshot(SnapshotMetadata(6, 1), b"six", timeout=PATIENCE_S)
        assert store.log_bounds().first_index == 1
        with pytest.raises(LockTimeoutError):
            store.truncate_log_prefix(6, timeout=0)
    finally:
        gate.opened.set()
    store.close()
    store = site.open()
    assert store.log_bounds() == LogBounds(first_index=7, last_index=10, last_term=1)
    assert store.get_log_entries(7, 11) == entries(7, 10)
    assert "log.dat.tmp" not in site.names()


def test_a_compaction_gives_way_to_close(tmp_path: Path) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(
        FileStorageOptions(retained_log_size=0, chunk_size=512, truncation_timeout=0.001)
    )
    for index in range(1, 30):
        store.append_log_entries(entries(index, index, size=600))
    gate = Gate("pwrite", "log.dat.tmp")
    site.watched.refuse = gate
    store.save_snapshot(SnapshotMetadata(2, 1), b"two")
    assert gate.reached.wait(PATIENCE_S)
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(store.close)
        refusal: StorageError = SnapshotOutOfDateError()
        while not isinstance(refusal, LockTimeoutError):  # until the close has come to the locks
            with pytest.raises(StorageError) as caught:
                store.save_snapshot(SnapshotMetadata(1, 1), b"", timeout=0)
            refusal = caught.value
        gate.opened.set()
        closing.result()
    assert "log.dat.tmp" not in site.names()
    assert site.open().get_log_entries(1, 30) == entries(1, 29, size=600)
