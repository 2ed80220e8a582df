"""A read that fails poisons nothing, wherever it happens: the call fails, and the store goes on."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

import pytest
from attrs import evolve, frozen
from engine_site import INLINE, Call, EngineSite, entries

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    PersistentState,
    SnapshotMetadata,
    StorageFeatureFlags,
    StorageIOError,
    verify_directory,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

READS: Final = frozenset({"pread", "size", "stat", "listdir"})
OPTIONS: Final = FileStorageOptions(
    retained_log_size=0, chunk_size=512, features=INLINE, auto_truncate_on_snapshot=False
)
SCANNING: Final = evolve(
    OPTIONS, features=StorageFeatureFlags(async_truncation=False, index_map=False)
)
COMPACTING: Final = evolve(OPTIONS, auto_truncate_on_snapshot=True)
BESIDE: Final = evolve(COMPACTING, features=StorageFeatureFlags())


@frozen
class Reading:
    """A call that reads from the disk.

    Args:
        work: the call.
        options: of the store.
    """

    work: Callable[[FileStorage], object]
    options: FileStorageOptions = OPTIONS


READINGS: Final = {
    "one entry": Reading(lambda store: store.get_log_entry(2)),
    "one entry without an index": Reading(lambda store: store.get_log_entry(2), SCANNING),
    "a range": Reading(lambda store: store.get_log_entries(2, 9)),
    "a range without an index": Reading(lambda store: store.get_log_entries(2, 9), SCANNING),
    "all": Reading(list),
    "the snapshot": Reading(lambda store: store.load_snapshot()),
    "a truncation of the suffix": Reading(lambda store: store.truncate_log_suffix(8)),
    "a truncation without an index": Reading(lambda store: store.truncate_log_suffix(8), SCANNING),
    "a truncation of the prefix": Reading(lambda store: store.truncate_log_prefix(3)),
    "a compaction without an index": Reading(lambda store: store.truncate_log_prefix(3), SCANNING),
    "a comparison with a snapshot": Reading(
        lambda store: store.save_snapshot(SnapshotMetadata(5, 1), b"five")
    ),
    "a snapshot and its compaction": Reading(
        lambda store: store.save_snapshot(SnapshotMetadata(5, 1), b"five"), COMPACTING
    ),
    "a backup": Reading(lambda store: store.backup("/copy")),
}


def make_store(options: FileStorageOptions) -> tuple[EngineSite, FileStorage, SerialRuntime]:
    """Return an open store that has read nothing of its log yet."""
    runtime = SerialRuntime()
    site = EngineSite(SimFileSystem(SimDisk()), lambda: runtime, "/store")
    store = site.open(OPTIONS)
    store.save_state(PersistentState(1, "node-a"))
    for first in (1, 4, 7):
        store.append_log_entries(entries(first, first + 2, size=300))
    store.save_snapshot(SnapshotMetadata(2, 1), b"two" * 300)
    store.close()
    return site, site.open(options), runtime


def fails(site: EngineSite, number: int, *, once: bool) -> Callable[[Call], int | None]:
    """Return what lets the read of this number fail with EIO, or that and all after it."""
    reads = 0

    def refuse(call: Call) -> int | None:
        nonlocal reads
        reads += call.kind in READS
        bad = call.kind in READS and (reads - 1 == number if once else reads - 1 >= number)
        return errno.EIO if bad else None

    site.forget()
    return refuse


def check_it_goes_on(site: EngineSite, store: FileStorage) -> None:
    """Change the store in each way, close it cleanly, and find everything."""
    first, last = store.first_log_index, store.last_log_index
    assert list(store) == entries(first, last, size=300)
    store.append_log_entries(entries(last + 1, last + 1))
    store.save_state(PersistentState(2, "node-b"))
    store.save_snapshot(SnapshotMetadata(6, 1), b"six")
    assert not [name for name in site.names() if name.endswith(".tmp")]
    store.close()
    store = site.open(OPTIONS)
    assert store.recovery_report.clean
    assert store.get_log_entries(7, last + 2) == [
        *entries(7, last, size=300),
        *entries(last + 1, last + 1),
    ]
    assert store.load_snapshot() == (SnapshotMetadata(6, 1), b"six")
    assert store.verify().sound


@pytest.mark.parametrize("once", [True, False], ids=["once", "from now on"])
@pytest.mark.parametrize("name", list(READINGS))
def test_a_call_whose_read_fails_changes_nothing_and_poisons_nothing(
    name: str, *, once: bool
) -> None:
    reading = READINGS[name]
    failures = 0
    for number in range(count_reads(reading)):
        site, store, _ = make_store(reading.options)
        bounds = store.log_bounds()
        site.watched.refuse = fails(site, number, once=once)
        try:
            reading.work(store)
        except StorageIOError as error:
            failures += 1
            assert error.errno == errno.EIO  # noqa: PT017 - a second read may have succeeded
            assert store.log_bounds() == bounds
        site.heal()
        check_it_goes_on(site, store)
    assert failures


def count_reads(reading: Reading) -> int:
    site, store, _ = make_store(reading.options)
    site.forget()
    reading.work(store)
    count = len(site.calls(READS))
    assert count
    return count


@pytest.mark.parametrize("once", [True, False], ids=["once", "from now on"])
def test_a_compaction_beside_gives_up_where_a_read_fails_and_leaves_nothing(*, once: bool) -> None:
    for number in range(4):
        site, store, runtime = make_store(BESIDE)
        store.save_snapshot(SnapshotMetadata(5, 1), b"five")
        site.watched.refuse = fails(site, number, once=once)
        runtime.run_pending(1)
        site.heal()
        assert store.first_log_index == 1 or number >= len(site.calls(READS))
        check_it_goes_on(site, store)


@pytest.mark.parametrize("once", [True, False], ids=["once", "from now on"])
def test_verify_reports_or_raises_what_it_cannot_read_and_poisons_nothing(*, once: bool) -> None:
    verify = Reading(lambda store: store.verify())
    unread = 0
    for number in range(count_reads(verify)):
        site, store, _ = make_store(verify.options)
        site.watched.refuse = fails(site, number, once=once)
        try:
            unread += not store.verify().sound
        except StorageIOError as error:
            assert error.errno == errno.EIO  # noqa: PT017 - one of two right outcomes
        site.heal()
        check_it_goes_on(site, store)
    assert unread


def test_nothing_of_a_backup_is_left_where_a_read_fails() -> None:
    backup = READINGS["a backup"]
    for number in range(count_reads(backup)):
        site, store, _ = make_store(backup.options)
        site.watched.refuse = fails(site, number, once=True)
        try:
            backup.work(store)
        except StorageIOError:
            assert "copy" not in site.filesystem.listdir("/")
        else:
            assert verify_directory("/copy", fs=site.filesystem).sound
