"""Checks of the removal of entries, from the end of the log and from its front."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from wavetank.engine import SnapshotMetadata, Storage
from wavetank.scenarios.conformance.assertions import (
    CheckFailure,
    CheckSkipped,
    entries,
    expect,
    expect_log,
    refused,
)
from wavetank.scenarios.conformance.check import group_of
from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["TRUNCATION"]


def _filled(bench: Bench, count: int = 6) -> Storage:
    store = bench.open()
    store.append_log_entries(entries(1, count))
    return store


def suffix_none(bench: Bench) -> None:
    """Removing from behind the last entry removes nothing, or is refused."""
    store = _filled(bench)
    try:
        store.truncate_log_suffix(7)
    except Exception:  # noqa: BLE001 - stores differ, and both answers are sound
        expect_log(store, entries(1, 6))
    expect_log(bench.reopen(store), entries(1, 6))


def suffix_all(bench: Bench) -> None:
    """Removing from the first entry on leaves an empty log, which takes entries again."""
    store = _filled(bench)
    store.truncate_log_suffix(1)
    expect_log(store, ())
    store = bench.reopen(store)
    store.append_log_entries(entries(1, 2, term=3))
    expect_log(bench.reopen(store), entries(1, 2, term=3))


def suffix_middle(bench: Bench) -> None:
    """Removing from the middle keeps exactly what stands before."""
    store = _filled(bench)
    store.truncate_log_suffix(4)
    expect_log(store, entries(1, 3))
    refused(lambda: store.get_log_entry(4), "the first entry that was removed")
    expect_log(bench.reopen(store), entries(1, 3))


def suffix_beyond(bench: Bench) -> None:
    """Removing from far behind the end removes nothing, or is refused."""
    store = _filled(bench)
    try:
        store.truncate_log_suffix(100)
    except Exception:  # noqa: BLE001 - stores differ, and both answers are sound
        expect_log(store, entries(1, 6))
    store.append_log_entries(entries(7, 1))
    expect_log(bench.reopen(store), entries(1, 7))


def overwrite_with_other_term(bench: Bench) -> None:
    """What another leader puts in the place of removed entries is what is there."""
    store = _filled(bench)
    store.truncate_log_suffix(3)
    store.append_log_entries(entries(3, 4, term=2))
    wanted = entries(1, 2) + entries(3, 4, term=2)
    expect_log(store, wanted)
    expect_log(bench.reopen(store), wanted)


def everything_then_other_index(bench: Bench) -> None:
    """After all is removed the log begins where the next entry says, if it may begin anywhere."""
    store = _filled(bench)
    store.truncate_log_suffix(1)
    store.append_log_entries(entries(30, 2, term=2))
    expect_log(bench.reopen(store), entries(30, 2, term=2), first=30)


def _starts_at(store: Storage, at_most: int, last: int) -> None:
    """Require a log whose front is gone as far as `at_most`, and that ends at `last`."""
    first = store.first_log_index
    if not 1 <= first <= at_most:
        raise CheckFailure(f"the first index: expected 1..{at_most} but got {first}")
    expect_log(store, entries(first, last - first + 1), first=first)


def prefix_first(bench: Bench) -> None:
    """Removing what stands before the first entry removes nothing."""
    store = _filled(bench)
    bench.compact(store, 1)
    expect_log(store, entries(1, 6))
    expect_log(bench.reopen(store), entries(1, 6))


def prefix_middle(bench: Bench) -> None:
    """Removing a prefix keeps all entries from there on, under their indices."""
    store = _filled(bench)
    bench.compact(store, 4)
    _starts_at(store, 4, 6)
    expect(tuple(store.get_log_entries(4, 7)), entries(4, 3), "the entries from 4 on")
    store = bench.reopen(store)
    _starts_at(store, 4, 6)


def prefix_last(bench: Bench) -> None:
    """Removing all but the last entry keeps the last entry."""
    store = _filled(bench)
    bench.compact(store, 6)
    expect(store.get_log_entry(6), entries(6, 1)[0], "the last entry")
    store = bench.reopen(store)
    expect(store.get_log_entry(6), entries(6, 1)[0], "the last entry after a restart")
    _starts_at(store, 6, 6)


def prefix_all_keeps_base(bench: Bench) -> None:
    """A log from which all was removed at the front does not begin at 1 again."""
    if bench.plug.has(Capability.ANY_FIRST_INDEX):
        raise CheckSkipped("an empty log of this store takes any first index, and needs no base")
    store = _filled(bench)
    bench.compact(store, 7)
    expect(store.last_log_index, 6, "the last index")
    store = bench.reopen(store)
    expect(store.last_log_index, 6, "the last index after a restart")


def append_after_prefix_all(bench: Bench) -> None:
    """A log from which all was removed at the front takes the next index."""
    store = _filled(bench)
    bench.compact(store, 7)
    store.append_log_entries(entries(7, 2, term=2))
    expect(tuple(store.get_log_entries(7, 9)), entries(7, 2, term=2), "the new entries")
    store = bench.reopen(store)
    expect(tuple(store.get_log_entries(7, 9)), entries(7, 2, term=2), "them after a restart")


def noop_ranges(bench: Bench) -> None:
    """Removing again what is gone changes nothing, or is refused."""
    store = _filled(bench)
    bench.compact(store, 4)
    store.truncate_log_suffix(6)
    with suppress(Exception):  # stores differ, and both answers are sound
        store.truncate_log_prefix(2)
    with suppress(Exception):
        store.truncate_log_suffix(6)
    _starts_at(store, 4, 5)
    _starts_at(bench.reopen(store), 4, 5)


def compaction_in_background(bench: Bench) -> None:
    """Work goes on while a compaction runs beside it, and neither disturbs the other."""
    store = _filled(bench)
    store.save_snapshot(SnapshotMetadata(4, 1), b"state at 4")
    store.append_log_entries(entries(7, 2))
    bench.work_behind()
    store.append_log_entries(entries(9, 1))
    expect(tuple(store.get_log_entries(5, 10)), entries(5, 5), "the entries from 5 on")
    store = bench.reopen(store)
    expect(tuple(store.get_log_entries(5, 10)), entries(5, 5), "them after a restart")


def compaction_never_outruns_snapshot(bench: Bench) -> None:
    """No entry is removed that no snapshot covers."""
    store = _filled(bench)
    store.save_snapshot(SnapshotMetadata(2, 1), b"state at 2")
    refused(lambda: store.truncate_log_prefix(6), "removing more than the snapshot covers")
    bench.work_behind()
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
