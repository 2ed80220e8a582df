"""The end of a store: whoever ends it, in whatever order, everything is given back, once."""

from __future__ import annotations

import errno
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Final
from warnings import catch_warnings

import pytest
from attrs import evolve
from engine_site import INLINE, NOTHING_RETAINED, Call, EngineSite, entries
from gates import PATIENCE_S, Gate, held

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LockTimeoutError,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    StorageClosedError,
    StorageConfig,
    StorageIOError,
    StorageLockedError,
    ThreadRuntime,
)

OPTIONS: Final = FileStorageOptions(features=INLINE)
READ_ONLY: Final = evolve(OPTIONS, read_only=True)


def open_filled(directory: Path) -> tuple[EngineSite, FileStorage]:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{directory}/store")
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 6, size=300))
    store.save_snapshot(SnapshotMetadata(3, 1), b"three")
    store.close()
    return site, site.open(OPTIONS)  # which has nothing of the log in memory


@pytest.mark.parametrize(
    ("kind", "name"),
    [("fsync", "metadata.json.tmp"), ("unlink", "recovery.marker"), ("size", "log.dat")],
)
@pytest.mark.parametrize("fails", [False, True], ids=["well", "with an error"])
def test_a_close_that_comes_meanwhile_returns_when_everything_is_released(
    tmp_path: Path, kind: str, name: str, *, fails: bool
) -> None:
    site, store = open_filled(tmp_path)
    store.append_log_entries(entries(7, 7))
    gate = Gate(kind, name, who="first")

    def refuse(call: Call) -> int | None:
        gate(call)
        return errno.EIO if fails and (call.kind, call.name) == (kind, name) else None

    site.watched.refuse = refuse
    after: list[object] = []

    def close_too() -> None:
        store.close()
        after.extend(site.watched.open_names)
        FileStorage(StorageConfig(directory=site.directory)).close()

    with held(gate, store.close, "first") as first, ThreadPoolExecutor(1) as pool:
        with pytest.raises(StorageClosedError):
            store.load_state()
        with pytest.raises(StorageLockedError):
            site.open(OPTIONS)
        second = pool.submit(close_too)
        gate.opened.set()
        second.result(PATIENCE_S)
    assert after == []
    error = first.exception()
    assert isinstance(error, StorageIOError) if fails else error is None


def test_a_close_waits_for_the_readers_inside_who_get_what_they_asked_for(tmp_path: Path) -> None:
    site, store = open_filled(tmp_path)
    gate = Gate("pread", "log.dat", who="reader")
    told = Event()

    def refuse(call: Call) -> None:
        gate(call)
        if (call.kind, call.name) == ("fsync_dir", "store"):
            told.set()

    site.watched.refuse = refuse
    with (
        held(gate, lambda: store.get_log_entries(4, 7), "reader") as reading,
        ThreadPoolExecutor(1) as pool,
    ):
        closing = pool.submit(store.close)
        assert told.wait(PATIENCE_S)  # the last sync of a close
        with pytest.raises(StorageClosedError):
            store.get_log_entry(4)
        assert "log.dat" in site.watched.open_names
        assert not closing.done()
        gate.opened.set()
        closing.result(PATIENCE_S)
        assert site.watched.open_names == []
    assert reading.result() == entries(4, 6, size=300)


def test_a_stream_keeps_its_snapshot_beyond_the_close_and_then_gives_it_back(
    tmp_path: Path,
) -> None:
    site, store = open_filled(tmp_path)
    with store.open_snapshot() as stream:
        store.close()
        assert site.watched.open_names == ["snapshot.dat"]
        assert b"".join(stream) == b"three"
    assert site.watched.open_names == []


def test_a_close_that_gives_up_waiting_leaves_the_store_open(tmp_path: Path) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(evolve(OPTIONS, lock_timeout=0.001))
    site.watched.refuse = gate = Gate("datasync", "log.dat", who="slow")
    with held(gate, lambda: store.append_log_entries(entries(1, 1)), "slow") as appending:
        with pytest.raises(LockTimeoutError):
            store.close()
        store.save_state(PersistentState(1))
    appending.result()
    assert list(store) == entries(1, 1)
    store.close()
    assert site.watched.open_names == []


@pytest.mark.parametrize("options", [OPTIONS, READ_ONLY], ids=["writable", "read only"])
def test_an_open_that_fails_at_any_call_leaves_no_descriptor(
    tmp_path: Path, options: FileStorageOptions
) -> None:
    site, store = open_filled(tmp_path)
    store.close()
    number, finished = 0, False
    while not finished:
        seen = 0

        def refuse(_: Call, wanted: int = number) -> int | None:
            nonlocal seen
            seen += 1
            return errno.EIO if seen > wanted else None

        site.watched.refuse = refuse
        try:
            store = site.open(options)
        except StorageIOError:
            assert site.watched.open_names == []
        else:
            site.heal()
            finished = True
            store.close()
        assert site.watched.open_names == []
        number += 1
    assert number > 5
    site.heal()
    assert list(site.open(OPTIONS)) == entries(1, 6, size=300)


def used(directory: Path) -> None:
    """Use a store, and drop it without a close."""
    store = FileStorage(StorageConfig(directory=directory), OPTIONS)
    store.append_log_entries(entries(store.last_log_index + 1, store.last_log_index + 3))
    store.get_log_entry(1)
    store.save_state(PersistentState(1, "node-a"))
    store.truncate_log_suffix(store.last_log_index)
    list(store)
    store.verify()


def test_a_store_that_is_dropped_warns_and_can_be_opened_again(tmp_path: Path) -> None:
    gc.disable()  # whatever would need the collector would stay locked
    try:
        with catch_warnings(record=True, action="always") as warned:
            used(tmp_path / "store")
        assert {Path(str(warning.message).partition(" ")[0]).name for warning in warned} == {
            "LOCK",
            "log.dat",
        }
        with FileStorage(StorageConfig(directory=tmp_path / "store"), OPTIONS) as store:
            assert list(store) == entries(1, 2)
    finally:
        gc.enable()


def test_a_dropped_store_with_snapshots_and_a_compaction_can_be_opened_again(
    tmp_path: Path,
) -> None:
    def use() -> None:
        store = FileStorage(StorageConfig(directory=tmp_path / "store"), NOTHING_RETAINED)
        store.append_log_entries(entries(1, 9))
        store.save_snapshot(SnapshotMetadata(4, 1), b"four")
        store.truncate_log_prefix(5)
        store.load_snapshot()
        store.backup(str(tmp_path / "copy"))

    gc.disable()
    try:
        with catch_warnings(record=True, action="always") as warned:
            use()
        assert {warning.category for warning in warned} == {ResourceWarning}
        with FileStorage(StorageConfig(directory=tmp_path / "store"), OPTIONS) as store:
            assert list(store) == entries(5, 9)
    finally:
        gc.enable()


def test_a_store_that_was_closed_warns_of_nothing(tmp_path: Path) -> None:
    with FileStorage(StorageConfig(directory=tmp_path / "store"), OPTIONS) as store:
        store.append_log_entries(entries(1, 3))
    del store
    gc.collect()
