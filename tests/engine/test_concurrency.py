"""Readers beside writers in real threads: nothing half done is ever seen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

from engine_site import INLINE, EngineSite, entries

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    IndexOutOfRangeError,
    OsFileSystem,
    SnapshotMetadata,
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
