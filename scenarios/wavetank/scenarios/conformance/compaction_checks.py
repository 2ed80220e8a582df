"""Checks of the removal of entries, at either end of the log, and of snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from wavetank.engine import SnapshotMetadata, Storage
from wavetank.scenarios.conformance.check import (
    CheckFailure,
    CheckSkipped,
    entries,
    expect,
    expect_log,
    group_of,
    refused,
    require,
)
from wavetank.scenarios.conformance.store_harness import StoreHarness
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["SNAPSHOTS", "TRUNCATION"]


def _filled(harness: StoreHarness, count: int = 6) -> Storage:
    store = harness.open()
    store.append_log_entries(entries(1, count))
    return store


def suffix_none(harness: StoreHarness) -> None:
    """Removing from behind the last entry removes nothing, or is refused."""
    store = _filled(harness)
    try:
        store.truncate_log_suffix(7)
    except Exception:  # noqa: BLE001 - stores differ, and both answers are sound
        expect_log(store, entries(1, 6))
    expect_log(harness.reopen(store), entries(1, 6))


def suffix_all(harness: StoreHarness) -> None:
    """Removing from the first entry on leaves an empty log, which takes entries again."""
    store = _filled(harness)
    store.truncate_log_suffix(1)
    expect_log(store, ())
    store = harness.reopen(store)
    store.append_log_entries(entries(1, 2, term=3))
    expect_log(harness.reopen(store), entries(1, 2, term=3))


def suffix_middle(harness: StoreHarness) -> None:
    """Removing from the middle keeps exactly what stands before."""
    store = _filled(harness)
    store.truncate_log_suffix(4)
    expect_log(store, entries(1, 3))
    refused(lambda: store.get_log_entry(4), "the first entry that was removed")
    expect_log(harness.reopen(store), entries(1, 3))


def suffix_beyond(harness: StoreHarness) -> None:
    """Removing from far behind the end removes nothing, or is refused."""
    store = _filled(harness)
    try:
        store.truncate_log_suffix(100)
    except Exception:  # noqa: BLE001 - stores differ, and both answers are sound
        expect_log(store, entries(1, 6))
    store.append_log_entries(entries(7, 1))
    expect_log(harness.reopen(store), entries(1, 7))


def overwrite_with_other_term(harness: StoreHarness) -> None:
    """What another leader puts in the place of removed entries is what is there."""
    store = _filled(harness)
    store.truncate_log_suffix(3)
    store.append_log_entries(entries(3, 4, term=2))
    wanted = entries(1, 2) + entries(3, 4, term=2)
    expect_log(store, wanted)
    expect_log(harness.reopen(store), wanted)


def everything_then_other_index(harness: StoreHarness) -> None:
    """After all is removed the log begins where the next entry says, if it may begin anywhere."""
    store = _filled(harness)
    store.truncate_log_suffix(1)
    store.append_log_entries(entries(30, 2, term=2))
    expect_log(harness.reopen(store), entries(30, 2, term=2), first=30)


def _starts_at(store: Storage, at_most: int, last: int) -> None:
    """Require a log whose front is gone as far as `at_most`, and that ends at `last`."""
    first = store.first_log_index
    if not 1 <= first <= at_most:
        raise CheckFailure(f"the first index: expected 1..{at_most} but got {first}")
    expect_log(store, entries(first, last - first + 1), first=first)


def prefix_first(harness: StoreHarness) -> None:
    """Removing what stands before the first entry removes nothing."""
    store = _filled(harness)
    harness.compact(store, 1)
    expect_log(store, entries(1, 6))
    expect_log(harness.reopen(store), entries(1, 6))


def prefix_middle(harness: StoreHarness) -> None:
    """Removing a prefix keeps all entries from there on, under their indices."""
    store = _filled(harness)
    harness.compact(store, 4)
    _starts_at(store, 4, 6)
    expect(tuple(store.get_log_entries(4, 7)), entries(4, 3), "the entries from 4 on")
    store = harness.reopen(store)
    _starts_at(store, 4, 6)


def prefix_last(harness: StoreHarness) -> None:
    """Removing all but the last entry keeps the last entry."""
    store = _filled(harness)
    harness.compact(store, 6)
    expect(store.get_log_entry(6), entries(6, 1)[0], "the last entry")
    store = harness.reopen(store)
    expect(store.get_log_entry(6), entries(6, 1)[0], "the last entry after a restart")
    _starts_at(store, 6, 6)


def prefix_all_keeps_base(harness: StoreHarness) -> None:
    """A log from which all was removed at the front does not begin at 1 again."""
    if harness.adapter.has(Capability.ANY_FIRST_INDEX):
        raise CheckSkipped("an empty log of this store takes any first index, and needs no base")
    store = _filled(harness)
    harness.compact(store, 7)
    expect(store.last_log_index, 6, "the last index")
    store = harness.reopen(store)
    expect(store.last_log_index, 6, "the last index after a restart")


def append_after_prefix_all(harness: StoreHarness) -> None:
    """A log from which all was removed at the front takes the next index."""
    store = _filled(harness)
    harness.compact(store, 7)
    store.append_log_entries(entries(7, 2, term=2))
    expect(tuple(store.get_log_entries(7, 9)), entries(7, 2, term=2), "the new entries")
    store = harness.reopen(store)
    expect(tuple(store.get_log_entries(7, 9)), entries(7, 2, term=2), "them after a restart")


def noop_ranges(harness: StoreHarness) -> None:
    """Removing again what is gone changes nothing, or is refused."""
    store = _filled(harness)
    harness.compact(store, 4)
    store.truncate_log_suffix(6)
    with suppress(Exception):  # stores differ, and both answers are sound
        store.truncate_log_prefix(2)
    with suppress(Exception):
        store.truncate_log_suffix(6)
    _starts_at(store, 4, 5)
    _starts_at(harness.reopen(store), 4, 5)


def compaction_in_background(harness: StoreHarness) -> None:
    """Work goes on while a compaction runs beside it, and neither disturbs the other."""
    store = _filled(harness)
    store.save_snapshot(SnapshotMetadata(4, 1), b"state at 4")
    store.append_log_entries(entries(7, 2))
    harness.work_behind()
    store.append_log_entries(entries(9, 1))
    expect(tuple(store.get_log_entries(5, 10)), entries(5, 5), "the entries from 5 on")
    store = harness.reopen(store)
    expect(tuple(store.get_log_entries(5, 10)), entries(5, 5), "them after a restart")


def compaction_never_outruns_snapshot(harness: StoreHarness) -> None:
    """No entry is removed that no snapshot covers."""
    store = _filled(harness)
    store.save_snapshot(SnapshotMetadata(2, 1), b"state at 2")
    refused(lambda: store.truncate_log_prefix(6), "removing more than the snapshot covers")
    harness.work_behind()
    expect(tuple(store.get_log_entries(3, 7)), entries(3, 4), "what the snapshot does not cover")


_SUFFIX = (Capability.TRUNCATE_SUFFIX,)
_PREFIX = (Capability.TRUNCATE_PREFIX,)

TRUNCATION: Final = group_of(
    "truncate",
    (
        (suffix_none, _SUFFIX),
        (suffix_all, _SUFFIX),
        (suffix_middle, _SUFFIX),
        (suffix_beyond, _SUFFIX),
        (overwrite_with_other_term, _SUFFIX),
        (everything_then_other_index, (*_SUFFIX, Capability.ANY_FIRST_INDEX)),
        (prefix_first, _PREFIX),
        (prefix_middle, _PREFIX),
        (prefix_last, _PREFIX),
        (prefix_all_keeps_base, _PREFIX),
        (append_after_prefix_all, _PREFIX),
        (noop_ranges, (*_SUFFIX, *_PREFIX)),
        (compaction_in_background, (Capability.SNAPSHOTS, Capability.BACKGROUND_COMPACTION)),
        (
            compaction_never_outruns_snapshot,
            (*_PREFIX, Capability.SNAPSHOTS, Capability.COMPACTION_NEEDS_SNAPSHOT),
        ),
    ),
)
"""Every check of this group."""


_CHUNK_BYTES: Final = 1 << 16
_CHUNKS: Final = 24


def roundtrip(harness: StoreHarness) -> None:
    """Metadata and data come back together, after a restart too."""
    store = harness.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(3, 1), b"state at 3")
    wanted = (SnapshotMetadata(3, 1), b"state at 3")
    expect(store.load_snapshot(), wanted, "the snapshot")
    expect(harness.reopen(store).load_snapshot(), wanted, "the snapshot after a restart")


def replaces_older(harness: StoreHarness) -> None:
    """A newer snapshot takes the place of the older."""
    store = harness.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(2, 1), b"two")
    store.save_snapshot(SnapshotMetadata(4, 1), b"four is longer")
    wanted = (SnapshotMetadata(4, 1), b"four is longer")
    expect(store.load_snapshot(), wanted, "the snapshot")
    expect(harness.reopen(store).load_snapshot(), wanted, "the snapshot after a restart")


def older_refused(harness: StoreHarness) -> None:
    """A snapshot older than the one that is there is refused."""
    store = harness.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(4, 1), b"four")
    refused(lambda: store.save_snapshot(SnapshotMetadata(2, 1), b"two"), "an older snapshot")
    expect(store.load_snapshot(), (SnapshotMetadata(4, 1), b"four"), "the snapshot")


def beyond_log_moves_base(harness: StoreHarness) -> None:
    """After a snapshot from beyond the log, the next entry is the one behind it."""
    store = harness.open()
    store.append_log_entries(entries(1, 3))
    store.save_snapshot(SnapshotMetadata(10, 4), b"ten")
    expect(store.last_log_index, 10, "the last index")
    store.append_log_entries(entries(11, 2, term=4))
    store = harness.reopen(store)
    expect(tuple(store.get_log_entries(11, 13)), entries(11, 2, term=4), "the new entries")
    expect(store.load_snapshot(), (SnapshotMetadata(10, 4), b"ten"), "the snapshot")


def meta_matches_data(harness: StoreHarness) -> None:
    """Whatever moment a power cut picks, the metadata stands beside its own data."""
    store = harness.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(2, 1), b"state at 2")
    start = len(harness.disk.log)
    store.save_snapshot(SnapshotMetadata(4, 1), b"the state at 4")
    legal = ((SnapshotMetadata(2, 1), b"state at 2"), (SnapshotMetadata(4, 1), b"the state at 4"))
    for each in harness.crashed(start):
        came = each.open().load_snapshot()
        require(came in legal, f"one of the two snapshots that were saved, not {came}")


def unfinished_not_listed(harness: StoreHarness) -> None:
    """A first snapshot that a crash interrupted is not there, or is there whole."""
    store = harness.open()
    store.append_log_entries(entries(1, 5))
    start = len(harness.disk.log)
    store.save_snapshot(SnapshotMetadata(4, 1), b"the state at 4")
    whole = (SnapshotMetadata(4, 1), b"the state at 4")
    for each in harness.crashed(start):
        opened = each.open()
        try:
            came = opened.load_snapshot()
        except LookupError:
            continue
        expect(came, whole, "the snapshot that was being saved")


def large_streamed(harness: StoreHarness) -> None:
    """A snapshot given in chunks comes back whole."""
    store = harness.open()
    store.append_log_entries(entries(1, 2))

    def chunks() -> Iterator[bytes]:
        for number in range(_CHUNKS):
            yield bytes([number]) * _CHUNK_BYTES

    store.save_snapshot(SnapshotMetadata(2, 1), chunks())
    _, data = harness.reopen(store).load_snapshot()
    expect(len(data), _CHUNKS * _CHUNK_BYTES, "the length of the snapshot")
    require(data == b"".join(chunks()), "the data that was saved")


def empty_data(harness: StoreHarness) -> None:
    """A snapshot without data is a snapshot."""
    store = harness.open()
    store.append_log_entries(entries(1, 2))
    store.save_snapshot(SnapshotMetadata(1, 1), b"")
    expect(harness.reopen(store).load_snapshot(), (SnapshotMetadata(1, 1), b""), "the snapshot")


_SNAPSHOTS = (Capability.SNAPSHOTS,)

SNAPSHOTS: Final = group_of(
    "snapshot",
    (
        (roundtrip, _SNAPSHOTS),
        (replaces_older, _SNAPSHOTS),
        (older_refused, (*_SNAPSHOTS, Capability.REFUSES_STALE_SNAPSHOTS)),
        (beyond_log_moves_base, (*_SNAPSHOTS, Capability.INSTALLS_SNAPSHOTS)),
        (meta_matches_data, _SNAPSHOTS),
        (unfinished_not_listed, _SNAPSHOTS),
        (large_streamed, _SNAPSHOTS),
        (empty_data, _SNAPSHOTS),
    ),
)
"""Every check of this group."""
