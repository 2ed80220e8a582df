"""Readers hold nobody up, and nobody's disk holds readers up; shown with real threads and gates.

What must not wait is called with ``timeout=0``, which fails where a lock is not free.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from engine_site import INLINE, Call, EngineSite, entries
from gates import Gate, held

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    StorageFeatureFlags,
    ThreadRuntime,
)

OPTIONS: Final = FileStorageOptions(
    retained_log_size=0, chunk_size=512, features=INLINE, auto_truncate_on_snapshot=False
)
SCANNING: Final = evolve(
    OPTIONS, features=StorageFeatureFlags(async_truncation=False, index_map=False)
)
INDEXES: Final = pytest.mark.parametrize(
    "options", [OPTIONS, SCANNING], ids=["indexed", "scanning"]
)


def open_filled(directory: Path, options: FileStorageOptions) -> tuple[EngineSite, FileStorage]:
    """Return a store of nine entries in frames of three, and a snapshot of the first five."""
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{directory}/store")
    store = site.open(options)
    for first in (1, 4, 7):
        store.append_log_entries(entries(first, first + 2, size=300))
    store.save_snapshot(SnapshotMetadata(5, 1), b"five")
    store.close()
    return site, site.open(options)


def read_everything(store: FileStorage, last: int) -> None:
    """Read in each way; nothing of it may wait for a lock."""
    bounds = store.log_bounds()
    assert bounds.last_index == last
    found = store.get_log_entries(bounds.first_index, last + 1, timeout=0)
    assert found == entries(bounds.first_index, last, size=300)
    for entry in found:
        assert store.get_log_entry(entry.index, timeout=0) == entry
    assert store.load_snapshot(timeout=0) == (SnapshotMetadata(5, 1), b"five")
    assert store.load_state(timeout=0) == PersistentState(0)


CHANGES: Final[dict[str, Callable[[FileStorage], object]]] = {
    "an append": lambda store: store.append_log_entries(entries(10, 11), timeout=0),
    "a truncation": lambda store: store.truncate_log_suffix(7, timeout=0),
    "a compaction": lambda store: store.truncate_log_prefix(6, timeout=0),
    "a snapshot": lambda store: store.save_snapshot(SnapshotMetadata(7, 1), b"7", timeout=0),
    "a save of the state": lambda store: store.save_state(PersistentState(1), timeout=0),
    "a verification": lambda store: store.verify(timeout=0),
    "another read": lambda store: read_everything(store, 9),
}


@INDEXES
@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("range_read", [True, False], ids=["a range", "an entry"])
def test_a_slow_read_holds_nobody_up_and_gets_what_it_asked_for(
    tmp_path: Path, options: FileStorageOptions, change: str, *, range_read: bool
) -> None:
    site, store = open_filled(tmp_path, options)
    site.watched.refuse = gate = Gate("pread", "log.dat", who="slow")
    read = (
        (lambda: store.get_log_entries(4, 10)) if range_read else (lambda: [store.get_log_entry(8)])
    )
    with held(gate, read, "slow") as reading:
        CHANGES[change](store)
        assert not reading.done()
    expected = entries(4, 9, size=300) if range_read else entries(8, 8, size=300)
    assert reading.result() == expected
    store.close()
    assert site.watched.open_names == []


@INDEXES
def test_a_replaced_log_is_closed_by_the_last_reader_that_leaves_it(
    tmp_path: Path, options: FileStorageOptions
) -> None:
    site, store = open_filled(tmp_path, options)
    first = Gate("pread", "log.dat", who="first")
    second = Gate("pread", "log.dat", who="second")

    def refuse(call: Call) -> None:
        first(call)
        second(call)

    site.watched.refuse = refuse
    with held(first, lambda: store.get_log_entries(1, 10), "first") as one:
        with held(second, lambda: store.get_log_entry(9), "second") as two:
            store.truncate_log_prefix(6, timeout=0)
            assert site.watched.open_names.count("log.dat") == 2
        assert two.result() == entries(9, 9, size=300)[0]
        assert site.watched.open_names.count("log.dat") == 2
    assert one.result() == entries(1, 9, size=300)
    assert site.watched.open_names.count("log.dat") == 1
    assert store.get_log_entries(6, 10, timeout=0) == entries(6, 9, size=300)


def test_a_replaced_snapshot_is_closed_by_the_last_stream_that_leaves_it(tmp_path: Path) -> None:
    site, store = open_filled(tmp_path, OPTIONS)
    site.watched.refuse = gate = Gate("pread", "snapshot.dat", who="slow")
    with held(gate, store.load_snapshot, "slow") as loading:
        store.save_snapshot(SnapshotMetadata(7, 1), b"seven", timeout=0)
        assert store.load_snapshot(timeout=0) == (SnapshotMetadata(7, 1), b"seven")
        assert site.watched.open_names.count("snapshot.dat") == 2
    assert loading.result() == (SnapshotMetadata(5, 1), b"five")
    assert site.watched.open_names.count("snapshot.dat") == 1


SLOW_CALLS: Final = [
    ("an append", "pwrite", "log.dat"),
    ("an append", "datasync", "log.dat"),
    ("a truncation", "pread", "log.dat"),
    ("a truncation", "pwrite", "log.dat"),
    ("a truncation", "datasync", "log.dat"),
    ("a compaction", "pread", "log.dat"),
    ("a compaction", "pwrite", "log.dat.tmp"),
    ("a compaction", "fsync", "log.dat.tmp"),
    ("a compaction", "rename", "log.dat"),
    ("a compaction", "fsync_dir", "store"),
    ("a snapshot", "pwrite", "snapshot.dat.tmp"),
    ("a snapshot", "fsync", "snapshot.dat.tmp"),
    ("a snapshot", "fsync_dir", "store"),
    ("a snapshot", "rename", "snapshot.dat"),
    ("a save of the state", "fsync", "state.json.tmp"),
    ("a save of the state", "fsync_dir", "store"),
    ("a verification", "pread", "log.dat"),
    ("a verification", "pread", "snapshot.dat"),
]


@INDEXES
@pytest.mark.parametrize(("change", "kind", "name"), SLOW_CALLS)
def test_no_slow_call_of_a_change_holds_up_a_read(
    tmp_path: Path, options: FileStorageOptions, change: str, kind: str, name: str
) -> None:
    site, store = open_filled(tmp_path, options)
    site.watched.refuse = gate = Gate(kind, name, who="slow")
    with held(gate, lambda: CHANGES[change](store), "slow") as changing:
        read_everything(store, 9)
        assert not changing.done()
    changing.result()
    store.close()
    assert site.watched.open_names == []
