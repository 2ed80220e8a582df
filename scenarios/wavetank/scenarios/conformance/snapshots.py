"""Checks of snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wavetank.engine import SnapshotMetadata
from wavetank.scenarios.conformance.assertions import entries, expect, refused, require
from wavetank.scenarios.conformance.check import group_of
from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import POSIX, PendingOps, all_images

__all__ = ["SNAPSHOTS"]

_CHUNK_BYTES: Final = 1 << 16
_CHUNKS: Final = 24


def roundtrip(bench: Bench) -> None:
    """Metadata and data come back together, after a restart too."""
    store = bench.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(3, 1), b"state at 3")
    wanted = (SnapshotMetadata(3, 1), b"state at 3")
    expect(store.load_snapshot(), wanted, "the snapshot")
    expect(bench.reopen(store).load_snapshot(), wanted, "the snapshot after a restart")


def replaces_older(bench: Bench) -> None:
    """A newer snapshot takes the place of the older."""
    store = bench.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(2, 1), b"two")
    store.save_snapshot(SnapshotMetadata(4, 1), b"four is longer")
    wanted = (SnapshotMetadata(4, 1), b"four is longer")
    expect(store.load_snapshot(), wanted, "the snapshot")
    expect(bench.reopen(store).load_snapshot(), wanted, "the snapshot after a restart")


def older_refused(bench: Bench) -> None:
    """A snapshot older than the one that is there is refused."""
    store = bench.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(4, 1), b"four")
    refused(lambda: store.save_snapshot(SnapshotMetadata(2, 1), b"two"), "an older snapshot")
    expect(store.load_snapshot(), (SnapshotMetadata(4, 1), b"four"), "the snapshot")


def beyond_log_moves_base(bench: Bench) -> None:
    """After a snapshot from beyond the log, the next entry is the one behind it."""
    store = bench.open()
    store.append_log_entries(entries(1, 3))
    store.save_snapshot(SnapshotMetadata(10, 4), b"ten")
    expect(store.last_log_index, 10, "the last index")
    store.append_log_entries(entries(11, 2, term=4))
    store = bench.reopen(store)
    expect(tuple(store.get_log_entries(11, 13)), entries(11, 2, term=4), "the new entries")
    expect(store.load_snapshot(), (SnapshotMetadata(10, 4), b"ten"), "the snapshot")


def meta_matches_data(bench: Bench) -> None:
    """Whatever moment a power cut picks, the metadata stands beside its own data."""
    store = bench.open()
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(2, 1), b"state at 2")
    start = len(bench.disk.log)
    store.save_snapshot(SnapshotMetadata(4, 1), b"the state at 4")
    legal = ((SnapshotMetadata(2, 1), b"state at 2"), (SnapshotMetadata(4, 1), b"the state at 4"))
    for each in _crashes_since(bench, start):
        came = each.open().load_snapshot()
        require(came in legal, f"one of the two snapshots that were saved, not {came}")


def unfinished_not_listed(bench: Bench) -> None:
    """A first snapshot that a crash interrupted is not there, or is there whole."""
    store = bench.open()
    store.append_log_entries(entries(1, 5))
    start = len(bench.disk.log)
    store.save_snapshot(SnapshotMetadata(4, 1), b"the state at 4")
    whole = (SnapshotMetadata(4, 1), b"the state at 4")
    for each in _crashes_since(bench, start):
        opened = each.open()
        try:
            came = opened.load_snapshot()
        except LookupError:
            continue
        expect(came, whole, "the snapshot that was being saved")


def large_streamed(bench: Bench) -> None:
    """A snapshot given in chunks comes back whole."""
    store = bench.open()
    store.append_log_entries(entries(1, 2))

    def chunks() -> Iterator[bytes]:
        for number in range(_CHUNKS):
            yield bytes([number]) * _CHUNK_BYTES

    store.save_snapshot(SnapshotMetadata(2, 1), chunks())
    _, data = bench.reopen(store).load_snapshot()
    expect(len(data), _CHUNKS * _CHUNK_BYTES, "the length of the snapshot")
    require(data == b"".join(chunks()), "the data that was saved")


def empty_data(bench: Bench) -> None:
    """A snapshot without data is a snapshot."""
    store = bench.open()
    store.append_log_entries(entries(1, 2))
    store.save_snapshot(SnapshotMetadata(1, 1), b"")
    expect(bench.reopen(store).load_snapshot(), (SnapshotMetadata(1, 1), b""), "the snapshot")


def _crashes_since(bench: Bench, start: int) -> Iterator[Bench]:
    """Yield a machine for each image that a power cut from there on may leave."""
    pending = PendingOps(bench.disk.image, POSIX)
    seen: set[bytes] = set()
    for position, record in enumerate(bench.disk.log, start=1):
        pending.take(record)
        if position < start or not pending.whole:
            continue
        for kept in all_images(pending, limit=64).images:
            image = pending.image(kept)
            if image.digest() not in seen:
                seen.add(image.digest())
                yield Bench(bench.plug, image)


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
