"""Checks of opening and closing: restarts, leftovers, interrupted creation, stale files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wavetank.engine import PersistentState, SnapshotMetadata, Storage
from wavetank.scenarios.conformance.check import (
    CheckFailure,
    CheckSkipped,
    entries,
    expect,
    expect_log,
    group_of,
    refused,
)
from wavetank.scenarios.conformance.isolation import resource_snapshot
from wavetank.scenarios.conformance.store_harness import (
    StoreHarness,
    right_or_refused,
    with_contents,
)
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import Dirent

__all__ = ["OPEN_CLOSE"]

_STATE: Final = PersistentState(3, "node-a")


def _filled(harness: StoreHarness) -> Storage:
    store = harness.open()
    if harness.adapter.has(Capability.VOTES):
        store.save_state(_STATE)
    store.append_log_entries(entries(1, 4))
    if harness.adapter.has(Capability.SNAPSHOTS):
        store.save_snapshot(SnapshotMetadata(2, 1), b"state at 2")
    store.append_log_entries(entries(5, 2, term=2))
    return store


def _is_filled(harness: StoreHarness, store: Storage) -> None:
    last = entries(3, 2) + entries(5, 2, term=2)
    expect(store.last_log_index, 6, "the last index")
    expect(tuple(store.get_log_entries(3, 7)), last, "the entries from 3 on")
    if harness.adapter.has(Capability.VOTES):
        expect(store.load_state(), _STATE, "the state")
    if harness.adapter.has(Capability.SNAPSHOTS):
        wanted = (SnapshotMetadata(2, 1), b"state at 2")
        expect(store.load_snapshot(), wanted, "the snapshot")


def reopen_keeps_all(harness: StoreHarness) -> None:
    """Everything is still there after each of several restarts and a kill."""
    store = _filled(harness)
    for _ in range(3):
        store = harness.reopen(store)
        _is_filled(harness, store)
    _is_filled(harness, harness.kill())


def clean_close_leaves_nothing_pending(harness: StoreHarness) -> None:
    """What was closed cleanly is there when the power goes right then."""
    harness.close(_filled(harness))
    _is_filled(harness, harness.cut_power())


def use_after_close(harness: StoreHarness) -> None:
    """A closed store takes nothing more."""
    store = _filled(harness)
    harness.close(store)
    refused(lambda: store.append_log_entries(entries(7, 1)), "an append after the close")
    _is_filled(harness, harness.open())


def second_opener_refused(harness: StoreHarness) -> None:
    """A directory that is in use is refused, and is free once it is closed."""
    store = _filled(harness)
    refused(harness.open, "opening a directory that is in use")
    _is_filled(harness, store)
    _is_filled(harness, harness.reopen(store))


def leftover_temp_ignored(harness: StoreHarness) -> None:
    """What a crash left under the store's own temporary names is not taken for content."""
    harness.close(_filled(harness))
    names = sorted(_names_that_were_there(harness))
    if not names:
        raise CheckSkipped("the store uses no temporary names")
    for name in names:
        again = harness.another(harness.image())
        again.put({name: b"left over"})
        _is_filled(again, again.open())


def foreign_files_ignored(harness: StoreHarness) -> None:
    """Files that others put into the directory are neither read nor removed."""
    harness.close(_filled(harness))
    foreign = {"README.txt": b"hands off", ".DS_Store": b"\0\1", "notes.bak": b""}
    harness.put({f"{STORE_DIRECTORY}/{name}": data for name, data in foreign.items()})
    store = harness.open()
    _is_filled(harness, store)
    _is_filled(harness, harness.reopen(store))
    files = harness.files()
    left = {name: files.get(f"{STORE_DIRECTORY}/{name}") for name in foreign}
    expect(left, foreign, "the files of others")


def interrupted_creation(harness: StoreHarness) -> None:
    """A first start that a power cut interrupted leaves a store that opens empty and works."""
    harness.open()
    if not len(harness.disk.log):
        raise CheckSkipped("the store writes nothing before its first append")
    for restarted in harness.crashed():
        store = restarted.open()
        expect_log(store, (), first=store.first_log_index)
        store.append_log_entries(entries(1, 2))
        expect_log(restarted.reopen(store), entries(1, 2))


def metadata_disagreeing(harness: StoreHarness) -> None:
    """A file from before, beside the log of now, is noticed or does no harm."""
    before = harness.another()
    store = before.open()
    store.append_log_entries(entries(1, 4))
    before.close(store)
    old = before.files()
    store = before.open()
    store.append_log_entries(entries(5, 2, term=2))
    before.close(store)
    new = before.files()
    last = entries(5, 2, term=2)[-1].command
    changed = [
        path for path in old if path in new and old[path] != new[path] and last not in new[path]
    ]
    if not changed:
        raise CheckSkipped("the store keeps nothing beside its log that could disagree with it")
    wanted = entries(1, 4) + entries(5, 2, term=2)
    for path in changed:
        image = with_contents(before.image(), {path: old[path]})
        right_or_refused(harness, image, wanted, f"{path} is older than the rest")


def leaves_nothing_running(harness: StoreHarness) -> None:
    """A store that was closed leaves no thread and no open descriptor behind."""
    before = resource_snapshot()
    harness.close(_filled(harness))
    harness.close(harness.open())
    left = before.more_than_before()
    if left:
        raise CheckFailure(f"left behind after two clean closes: {left}")


def _names_that_were_there(harness: StoreHarness) -> Iterator[str]:
    """Yield the paths of names that the store made and that are gone."""
    there = set(harness.files())
    made = {
        record.path
        for record in harness.disk.log
        if isinstance(record, Dirent) and record.inode is not None and not record.is_directory
    }
    yield from made - there


OPEN_CLOSE: Final = group_of(
    "open_close",
    (
        (reopen_keeps_all, ()),
        (clean_close_leaves_nothing_pending, ()),
        (use_after_close, ()),
        (second_opener_refused, (Capability.REFUSES_SECOND_OPENER,)),
        (leftover_temp_ignored, ()),
        (foreign_files_ignored, ()),
        (interrupted_creation, ()),
        (leaves_nothing_running, ()),
        (metadata_disagreeing, (Capability.DETECTS_DAMAGE,)),
    ),
)
"""Every check of this group; concurrent_readers_one_writer is in thread_checks.py."""
