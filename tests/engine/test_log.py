"""The log: what append, reads, truncations and bounds promise, and in which order they refuse."""

import errno

import pytest
from engine_site import INLINE, NOTHING_RETAINED, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    EmptyEntriesError,
    EntryConflictError,
    EntryNotFoundError,
    EntryTooLargeError,
    FileStorage,
    FileStorageOptions,
    IndexOutOfRangeError,
    InvalidLogRangeError,
    LogBounds,
    LogEntry,
    NonContiguousEntriesError,
    NoSnapshotError,
    OperationCancelledError,
    OutOfOrderEntriesError,
    SnapshotMetadata,
    SnapshotOutOfDateError,
    StorageIOError,
    StoragePoisonedError,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

NO_SNAPSHOTS = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, features=INLINE
)


class Cancelled:
    def is_set(self) -> bool:
        return True


def bounds(first: int, last: int, term: int) -> LogBounds:
    return LogBounds(first_index=first, last_index=last, last_term=term)


def log_of(store: FileStorage) -> list[LogEntry]:
    extent = store.log_bounds()
    if not extent.entry_count:
        return []
    return store.get_log_entries(extent.first_index, extent.last_index + 1)


# Append


def test_an_empty_log_has_the_bounds_of_its_base(site: EngineSite) -> None:
    store = site.open()
    assert store.log_bounds() == bounds(1, 0, 0)
    assert (store.first_log_index, store.last_log_index, store.last_log_term) == (1, 0, 0)


def test_batches_are_read_back_and_survive_close_and_kill(site: EngineSite) -> None:
    expected = entries(1, 3) + entries(4, 4, term=2) + entries(5, 300, term=3)
    with site.open() as store:
        store.append_log_entries(expected[:3])
        store.append_log_entries(expected[3:4])
        store.append_log_entries(tuple(expected[4:]))
        assert log_of(store) == expected
    assert log_of(site.open()) == expected
    assert log_of(site.reopen()) == expected


def test_the_checks_of_append_come_in_their_order(site: EngineSite) -> None:
    """Each batch also breaks every later rule, so only the order decides."""
    store = site.open(FileStorageOptions(max_entry_size=8))
    large = b"123456789"
    both = [LogEntry(7, 2, large), LogEntry(9, 1, large)]
    with pytest.raises(TypeError, match=r"entries\[0\]"):
        store.append_log_entries(["x"], cancel=Cancelled())  # type: ignore[list-item]
    with pytest.raises(OperationCancelledError):
        store.append_log_entries([], cancel=Cancelled())
    with pytest.raises(EmptyEntriesError):
        store.append_log_entries([])
    with pytest.raises(OutOfOrderEntriesError, match="expected index 8"):
        store.append_log_entries(both)
    with pytest.raises(NonContiguousEntriesError, match="index 1 "):
        store.append_log_entries(both[:1])
    with pytest.raises(EntryTooLargeError, match="8 bytes"):
        store.append_log_entries([LogEntry(1, 1, large)])
    assert store.log_bounds() == bounds(1, 0, 0)
    store.append_log_entries([LogEntry(1, 1, large[:8])])


@pytest.mark.parametrize(
    "batch",
    [
        [LogEntry(1, 1, b""), LogEntry(3, 1, b"")],
        [LogEntry(1, 1, b""), LogEntry(1, 1, b"")],
        [LogEntry(1, 2, b""), LogEntry(2, 1, b"")],
    ],
    ids=["gap", "repeat", "falling term"],
)
def test_a_batch_out_of_order_changes_nothing(site: EngineSite, batch: list[LogEntry]) -> None:
    store = site.open()
    site.forget()
    with pytest.raises(OutOfOrderEntriesError):
        store.append_log_entries(batch)
    assert site.calls() == []
    assert store.log_bounds() == bounds(1, 0, 0)


def test_a_term_below_the_last_entrys_is_out_of_order(site: EngineSite) -> None:
    store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(1, 3, term=2))
    site.forget()
    with pytest.raises(OutOfOrderEntriesError, match="term >= 2 behind index 3"):
        store.append_log_entries(entries(4, 4, term=1))
    with pytest.raises(NonContiguousEntriesError):
        store.append_log_entries(entries(3, 3, term=1))
    assert site.calls() == []
    store.truncate_log_prefix(4)
    with pytest.raises(OutOfOrderEntriesError, match="term >= 2 behind index 3"):
        store.append_log_entries(entries(4, 4, term=1))
    store.append_log_entries(entries(4, 4, term=2))
    store.append_log_entries(entries(5, 5, term=3))
    store.truncate_log_suffix(5)
    store.append_log_entries(entries(5, 5, term=2))


@pytest.mark.parametrize("batch", ["ab", b"ab", 5, None, LogEntry(1, 1, b"")])
def test_what_is_no_batch_is_a_type_error(site: EngineSite, batch: object) -> None:
    with pytest.raises(TypeError, match="entries"):
        site.open().append_log_entries(batch)  # type: ignore[arg-type]


def test_an_append_is_one_write_and_one_sync_of_the_log_alone(site: EngineSite) -> None:
    store = site.open()
    for batch in (entries(1, 1), entries(2, 500, size=300)):
        site.forget()
        store.append_log_entries(batch)
        assert [(call.kind, call.name) for call in site.calls()] == [
            ("pwrite", "log.dat"),
            ("datasync", "log.dat"),
        ]


def test_without_sync_on_append_an_append_is_one_write_until_the_close(site: EngineSite) -> None:
    store = site.open(FileStorageOptions(sync_on_append=False))
    site.forget()
    store.append_log_entries(entries(1, 5))
    assert [call.kind for call in site.calls()] == ["pwrite"]
    store.close()
    assert ("datasync", "log.dat") in [(call.kind, call.name) for call in site.calls()]
    assert log_of(site.open()) == entries(1, 5)


@pytest.mark.parametrize("kind", ["pwrite", "datasync"])
def test_a_failed_append_is_invisible_and_poisons_the_store(site: EngineSite, kind: str) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 2))
    site.watched.refuse = lambda call: errno.ENOSPC if call.kind == kind else None
    with pytest.raises(StorageIOError) as caught:
        store.append_log_entries(entries(3, 4))
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == site.path("log.dat")
    assert isinstance(caught.value.__cause__, OSError)
    assert log_of(store) == entries(1, 2)
    site.heal()
    with pytest.raises(StoragePoisonedError) as poisoned:
        store.append_log_entries(entries(3, 4))
    assert poisoned.value.__cause__ is not None
    store.close()
    store = site.open()
    kept = log_of(store)
    assert kept == (entries(1, 2) if kind == "pwrite" else entries(1, 4))
    store.append_log_entries(entries(len(kept) + 1, 9))
    assert log_of(site.reopen()) == entries(1, 9)


@examples(60)
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=40)), min_size=1, max_size=6),
        min_size=1,
        max_size=6,
    ),
    first_term=st.integers(0, 2**64 - 100),
    chunk_size=st.sampled_from([512, 1 << 20]),
)
def test_whatever_is_appended_is_read_back(
    batches: list[list[tuple[int, bytes]]], first_term: int, chunk_size: int
) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    options = FileStorageOptions(chunk_size=chunk_size)
    store = site.open(options)
    expected: list[LogEntry] = []
    term = first_term
    for batch in batches:
        made: list[LogEntry] = []
        for rise, command in batch:
            term += rise
            made.append(LogEntry(len(expected) + len(made) + 1, term, command))
        store.append_log_entries(made)
        expected += made
    for _ in range(2):
        assert log_of(store) == expected
        for entry in expected:
            assert store.get_log_entry(entry.index) == entry
        for start in range(1, len(expected) + 1):
            assert store.get_log_entries(start, start + 1) == expected[start - 1 : start]
        store = site.reopen(options)


# Reads


def test_ranges_are_half_open_and_never_clamped(site: EngineSite) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 5))
    assert store.get_log_entries(2, 4) == entries(2, 3)
    for start, end in ((3, 3), (4, 3), (99, 9), (0, 0)):
        with pytest.raises(InvalidLogRangeError):
            store.get_log_entries(start, end)
    for start, end in ((0, 3), (-1, 2), (5, 7), (6, 7), (1, 100)):
        with pytest.raises(IndexOutOfRangeError):
            store.get_log_entries(start, end)


@pytest.mark.parametrize("index", [-1, 0, 6, 2**64])
def test_an_entry_that_is_not_there_is_not_found(site: EngineSite, index: int) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 5))
    with pytest.raises(EntryNotFoundError, match="1 <= index <= 5"):
        store.get_log_entry(index)


@pytest.mark.parametrize("index", ["1", 1.0, None, True])
def test_an_index_of_another_type_is_a_type_error(site: EngineSite, index: object) -> None:
    store = site.open()
    for call in (
        lambda: store.get_log_entry(index),  # type: ignore[arg-type]
        lambda: store.get_log_entries(index, 2),  # type: ignore[arg-type]
        lambda: store.get_log_entries(1, index),  # type: ignore[arg-type]
        lambda: store.truncate_log_suffix(index),  # type: ignore[arg-type]
        lambda: store.truncate_log_prefix(index),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="expected int"):
            call()


def test_a_read_that_the_filesystem_refuses_poisons_nothing(site: EngineSite) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 5))
    site.watched.refuse = lambda call: errno.EIO if call.kind == "pread" else None
    with pytest.raises(StorageIOError):
        store.get_log_entry(3)
    site.heal()
    assert store.get_log_entry(3) == entries(3, 3)[0]
    store.append_log_entries(entries(6, 6))


# Suffix truncation


def test_a_suffix_goes_and_other_entries_take_its_place(site: EngineSite) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 4))
    store.append_log_entries(entries(5, 9))
    store.truncate_log_suffix(7)
    assert store.log_bounds() == bounds(1, 6, 1)
    store.append_log_entries(entries(7, 8, term=2))
    store.truncate_log_suffix(3)
    store.append_log_entries(entries(3, 5, term=4))
    expected = entries(1, 2) + entries(3, 5, term=4)
    assert log_of(store) == expected
    assert log_of(site.reopen()) == expected
    store = site.reopen()
    store.close()
    assert log_of(site.open()) == expected


def test_a_suffix_truncation_at_the_end_is_a_no_op_and_beyond_it_refused(
    site: EngineSite,
) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 4))
    site.forget()
    store.truncate_log_suffix(5)
    with pytest.raises(IndexOutOfRangeError):
        store.truncate_log_suffix(6)
    assert site.calls() == []


@pytest.mark.parametrize("index", [1, 0, -5])
def test_at_or_before_the_first_entry_it_empties_the_log(site: EngineSite, index: int) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 4, term=3))
    store.truncate_log_suffix(index)
    assert store.log_bounds() == bounds(1, 0, 0)
    store = site.reopen()
    assert store.log_bounds() == bounds(1, 0, 0)
    store.append_log_entries(entries(1, 1))
    assert log_of(store) == entries(1, 1)


def test_what_a_snapshot_has_committed_is_not_truncated(site: EngineSite) -> None:
    store = site.open(FileStorageOptions(features=INLINE))
    store.append_log_entries(entries(1, 8))
    store.save_snapshot(SnapshotMetadata(5, 1), b"s")
    for index in (1, 5):
        with pytest.raises(EntryConflictError, match="beyond the snapshot's 5"):
            store.truncate_log_suffix(index)
    store.truncate_log_suffix(6)
    assert store.log_bounds() == bounds(1, 5, 1)


@pytest.mark.parametrize("count", [10, 10_000])
def test_a_suffix_truncation_costs_one_small_frame_whatever_the_log(
    site: EngineSite, count: int
) -> None:
    store = site.open()
    for first in range(1, count + 1, 10):
        store.append_log_entries(entries(first, first + 9, size=100))
    site.forget()
    store.truncate_log_suffix(count - 1)
    assert [(call.kind, call.name, call.length) for call in site.calls()] == [
        ("pwrite", "log.dat", 80),
        ("datasync", "log.dat", 0),
    ]


# Prefix truncation


def test_a_prefix_goes_and_the_rest_and_the_base_survive(site: EngineSite) -> None:
    store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(1, 6))
    store.append_log_entries(entries(7, 9, term=2))
    store.truncate_log_suffix(9)
    store.truncate_log_prefix(4)
    expected = entries(4, 6) + entries(7, 8, term=2)
    for _ in range(2):
        assert store.log_bounds() == bounds(4, 8, 2)
        assert log_of(store) == expected
        with pytest.raises(EntryNotFoundError):
            store.get_log_entry(3)
        store = site.reopen(NO_SNAPSHOTS)
    store.append_log_entries(entries(9, 9, term=2))


def test_a_log_compacted_to_nothing_keeps_its_base(site: EngineSite) -> None:
    store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(1, 6, term=5))
    store.truncate_log_prefix(7)
    for _ in range(2):
        assert store.log_bounds() == bounds(7, 6, 5)
        with pytest.raises(NonContiguousEntriesError):
            store.append_log_entries(entries(1, 1, term=5))
        store.close()
        store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(7, 7, term=5))
    assert log_of(site.reopen(NO_SNAPSHOTS)) == entries(7, 7, term=5)


def test_a_prefix_truncation_keeps_the_retained_entries(site: EngineSite) -> None:
    options = FileStorageOptions(retained_log_size=4, compaction_requires_snapshot=False)
    store = site.open(options)
    store.append_log_entries(entries(1, 10))
    store.truncate_log_prefix(9)
    assert store.log_bounds() == bounds(7, 10, 1)
    site.forget()
    store.truncate_log_prefix(9)
    assert site.calls() == []


def test_the_limits_of_a_prefix_truncation(site: EngineSite) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 9))
    site.forget()
    for index in (-1, 0, 1):
        store.truncate_log_prefix(index)
    with pytest.raises(IndexOutOfRangeError):
        store.truncate_log_prefix(11)
    with pytest.raises(NoSnapshotError):
        store.truncate_log_prefix(2)
    assert site.calls() == []
    store.save_snapshot(SnapshotMetadata(5, 1), b"s")
    with pytest.raises(SnapshotOutOfDateError, match="at most 6"):
        store.truncate_log_prefix(7)
    store.truncate_log_prefix(6)
    assert store.log_bounds() == bounds(6, 9, 1)


def test_a_compaction_is_durable_before_it_replaces_the_log(site: EngineSite) -> None:
    store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(1, 9))
    site.forget()
    store.truncate_log_prefix(5)
    order = [(call.kind, call.name) for call in site.calls()]
    assert order == [
        ("create", "log.dat.tmp"),
        ("pwrite", "log.dat.tmp"),
        ("pwrite", "log.dat.tmp"),
        ("fsync", "log.dat.tmp"),
        ("rename", "log.dat"),
        ("fsync_dir", "store"),
        ("create", "metadata.json.tmp"),
        ("pwrite", "metadata.json.tmp"),
        ("fsync", "metadata.json.tmp"),
        ("rename", "metadata.json"),
    ]


@pytest.mark.parametrize("step", range(10))
def test_a_compaction_that_fails_anywhere_loses_nothing(site: EngineSite, step: int) -> None:
    store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(1, 9))
    site.fail_change(step)
    with pytest.raises(StorageIOError):
        store.truncate_log_prefix(5)
    assert log_of(store)[-5:] == entries(5, 9)
    with pytest.raises(StoragePoisonedError):
        store.append_log_entries(entries(10, 10))
    site.heal()
    store = site.reopen(NO_SNAPSHOTS)
    assert store.log_bounds() in (bounds(1, 9, 1), bounds(5, 9, 1))
    store.append_log_entries(entries(10, 10))
    assert log_of(site.reopen(NO_SNAPSHOTS))[-6:] == entries(5, 10)
    assert not [name for name in site.names() if name.endswith(".tmp")]


def test_a_cancelled_compaction_leaves_nothing_behind(site: EngineSite) -> None:
    class Later:
        """Set once the call has passed the lock."""

        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 2

    store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(1, 9))
    with pytest.raises(OperationCancelledError):
        store.truncate_log_prefix(5, cancel=Later())
    assert "log.dat.tmp" not in site.names()
    assert log_of(store) == entries(1, 9)
    store.append_log_entries(entries(10, 10))


def test_compactions_and_truncations_in_a_row_agree_with_a_plain_list(site: EngineSite) -> None:
    store = site.open(NO_SNAPSHOTS)
    model: list[LogEntry] = []
    base, term = 0, 0
    for step in range(60):
        last = base + len(model)
        if step % 7 == 3 and model:
            cut = base + 1 + (step * 5) % len(model)
            store.truncate_log_suffix(cut)
            model = model[: cut - base - 1]
        elif step % 11 == 5 and model:
            first = base + 1 + (step * 3) % (len(model) + 1)
            store.truncate_log_prefix(first)
            model, base = model[first - base - 1 :], first - 1
        else:
            term += step % 2
            batch = entries(last + 1, last + 1 + step % 4, term=term)
            store.append_log_entries(batch)
            model += batch
        if step % 5 == 0:
            store = site.reopen(NO_SNAPSHOTS)
        assert log_of(store) == model
        assert store.log_bounds().first_index == base + 1


def test_the_default_options_are_those_of_the_tests_but_for_retention(site: EngineSite) -> None:
    with site.open(FileStorageOptions()) as store:
        store.append_log_entries(entries(1, 200))
        store.save_snapshot(SnapshotMetadata(150, 1), b"s")
    store = site.open(NOTHING_RETAINED)
    assert store.log_bounds() == bounds(101, 200, 1)
