"""Checks of appends and reads, and of term and vote, on a machine without faults."""

from __future__ import annotations

from typing import Final

from wavetank.engine import LogEntry, PersistentState
from wavetank.scenarios.conformance.check import (
    CheckFailure,
    entries,
    expect,
    expect_log,
    group_of,
    refused,
    require,
)
from wavetank.scenarios.conformance.store_harness import StoreHarness
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["BASICS", "VOTES"]

_HUGE_BYTES: Final = 1 << 20
_BUFFER_BYTES: Final = 64 << 10


def empty_store_has_no_bounds(harness: StoreHarness) -> None:
    """A new store holds no entries: its last index is one before its first."""
    store = harness.open()
    first, last = store.first_log_index, store.last_log_index
    expect(last, first - 1, f"the last index of a new store that begins at {first}")


def append_read_each(harness: StoreHarness) -> None:
    """What is appended one by one is read one by one."""
    store = harness.open()
    batch = entries(1, 5)
    for entry in batch:
        store.append_log_entries([entry])
    for entry in batch:
        expect(store.get_log_entry(entry.index), entry, f"entry {entry.index}")


def append_batch_in_order(harness: StoreHarness) -> None:
    """A batch comes back whole, in order, behind what was there."""
    store = harness.open()
    store.append_log_entries(entries(1, 3))
    store.append_log_entries(entries(4, 4, term=2))
    expect_log(store, entries(1, 3) + entries(4, 4, term=2))


def empty_range(harness: StoreHarness) -> None:
    """A range without entries gives none, or is refused; it never gives one."""
    store = harness.open()
    store.append_log_entries(entries(1, 3))
    try:
        came = tuple(store.get_log_entries(2, 2))
    except Exception:  # noqa: BLE001 - stores differ, and both answers are sound
        return
    expect(came, (), "the range 2..2")


def half_open_range(harness: StoreHarness) -> None:
    """The end of a range is not part of it."""
    store = harness.open()
    store.append_log_entries(entries(1, 5))
    expect(tuple(store.get_log_entries(2, 4)), entries(2, 2), "the range 2..4")
    expect(tuple(store.get_log_entries(5, 6)), entries(5, 1), "the range 5..6")


def range_out_of_bounds(harness: StoreHarness) -> None:
    """A range beyond the log is refused, or gives what there is of it; nothing is invented."""
    store = harness.open()
    store.append_log_entries(entries(1, 3))
    try:
        came = tuple(store.get_log_entries(2, 9))
    except Exception:  # noqa: BLE001 - stores differ, and both answers are sound
        return
    expect(came, entries(2, 2), "the part of 2..9 that exists")


def full_range(harness: StoreHarness) -> None:
    """A read of everything gives everything."""
    store = harness.open()
    store.append_log_entries(entries(1, 50, size_bytes=100))
    expect_log(store, entries(1, 50, size_bytes=100))


def limited_read_returns_one_at_least(harness: StoreHarness) -> None:
    """A read limited in bytes gives at least its first entry, and a prefix of the range."""
    store = harness.open()
    batch = entries(1, 4, size_bytes=1000)
    store.append_log_entries(batch)
    read = getattr(store, "get_log_entries_limited", None)
    if read is None:
        raise CheckFailure("get_log_entries_limited: declared, but the store has it not")
    for limit_bytes, least in ((1, 1), (2500, 1), (1 << 20, 4)):
        came = tuple(read(1, 5, limit_bytes))
        if not least <= len(came) <= len(batch):
            raise CheckFailure(
                f"a read of at most {limit_bytes} bytes: expected at least {least} entries "
                f"but got {len(came)}"
            )
        expect(came, batch[: len(came)], f"a read of at most {limit_bytes} bytes")


def missing_index_not_found(harness: StoreHarness) -> None:
    """An index outside the log is refused."""
    store = harness.open()
    store.append_log_entries(entries(1, 3))
    refused(lambda: store.get_log_entry(4), "the entry behind the last one")
    refused(lambda: store.get_log_entry(100), "an entry far behind the last one")


def error_types_stable(harness: StoreHarness) -> None:
    """The same wrong call meets the same kind of error, whatever was done before."""
    store = harness.open()
    before = refused(lambda: store.get_log_entry(7), "an entry of an empty log")
    store.append_log_entries(entries(1, 3))
    after = refused(lambda: store.get_log_entry(7), "an entry behind the last one")
    store = harness.reopen(store)
    later = refused(lambda: store.get_log_entry(7), "the same after a restart")
    expect([type(before), type(later)], [type(after)] * 2, "the kind of error")


def reader_sees_later_appends(harness: StoreHarness) -> None:
    """What is appended after a read is seen by the next."""
    store = harness.open()
    for index in range(1, 6):
        store.append_log_entries(entries(index, 1))
        expect_log(store, entries(1, index))


def start_at_index_above_one(harness: StoreHarness) -> None:
    """An empty log takes a first entry of any index, and begins there."""
    store = harness.open()
    store.append_log_entries(entries(41, 3))
    expect_log(store, entries(41, 3), first=41)
    expect_log(harness.reopen(store), entries(41, 3), first=41)


def gap_before_batch_refused(harness: StoreHarness) -> None:
    """A batch that leaves out an index behind the log is refused."""
    store = harness.open()
    store.append_log_entries(entries(1, 3))
    refused(lambda: store.append_log_entries(entries(5, 2)), "a batch that leaves out entry 4")
    expect_log(store, entries(1, 3))


def gap_inside_batch_refused(harness: StoreHarness) -> None:
    """A batch with a hole is refused."""
    store = harness.open()
    batch = (*entries(1, 2), *entries(4, 1))
    refused(lambda: store.append_log_entries(batch), "a batch without entry 3")
    expect_log(store, ())


def refused_batch_changes_nothing(harness: StoreHarness) -> None:
    """A batch that was refused leaves no trace, on the disk neither."""
    store = harness.open()
    store.append_log_entries(entries(1, 2))
    refused(
        lambda: store.append_log_entries((*entries(3, 2), *entries(9, 1))),
        "a batch that jumps from 4 to 9",
    )
    expect_log(store, entries(1, 2))
    store.append_log_entries(entries(3, 1, term=2))
    expect_log(harness.reopen(store), entries(1, 2) + entries(3, 1, term=2))


def caller_buffer_not_aliased(harness: StoreHarness) -> None:
    """A store keeps a list of its own: what the caller does to his afterwards changes nothing."""
    store = harness.open()
    batch = list(entries(1, 3))
    store.append_log_entries(batch)
    batch.clear()
    came = list(store.get_log_entries(1, 4))
    expect(tuple(came), entries(1, 3), "the log after the caller has emptied his list")
    came.clear()
    expect_log(store, entries(1, 3))


def value_larger_than_buffer(harness: StoreHarness) -> None:
    """A command longer than any usual buffer comes back whole."""
    store = harness.open()
    batch = entries(1, 2, size_bytes=_BUFFER_BYTES + 1)
    store.append_log_entries(batch)
    expect_log(store, batch)
    expect_log(harness.reopen(store), batch)


def empty_append(harness: StoreHarness) -> None:
    """An append of nothing is refused, or does nothing."""
    store = harness.open()
    store.append_log_entries(entries(1, 2))
    try:
        store.append_log_entries([])
    except Exception:  # noqa: BLE001 - stores differ, and both answers are sound
        expect_log(store, entries(1, 2))
    expect_log(harness.reopen(store), entries(1, 2))


def huge_entry(harness: StoreHarness) -> None:
    """An entry of a mebibyte is kept, or refused; it is never accepted and then lost."""
    store = harness.open()
    small = entries(1, 1)
    store.append_log_entries(small)
    huge = (LogEntry(2, 1, b"h" * _HUGE_BYTES),)
    kept = small + huge
    try:
        store.append_log_entries(huge)
    except Exception:  # noqa: BLE001 - a store may have a limit
        kept = small
    expect_log(store, kept)
    expect_log(harness.reopen(store), kept)


BASICS: Final = group_of(
    "basics",
    (
        (empty_store_has_no_bounds, ()),
        (append_read_each, ()),
        (append_batch_in_order, ()),
        (empty_range, ()),
        (half_open_range, ()),
        (range_out_of_bounds, ()),
        (full_range, ()),
        (limited_read_returns_one_at_least, (Capability.LIMITED_READS,)),
        (missing_index_not_found, ()),
        (error_types_stable, ()),
        (reader_sees_later_appends, ()),
        (start_at_index_above_one, (Capability.ANY_FIRST_INDEX,)),
        (gap_before_batch_refused, (Capability.REFUSES_GAPS,)),
        (gap_inside_batch_refused, (Capability.REFUSES_GAPS,)),
        (refused_batch_changes_nothing, (Capability.REFUSES_GAPS,)),
        (caller_buffer_not_aliased, ()),
        (value_larger_than_buffer, ()),
        (empty_append, ()),
        (huge_entry, ()),
    ),
)
"""Every check of this group."""


def absent_at_first(harness: StoreHarness) -> None:
    """A new store is at term 0 and has voted for nobody."""
    expect(harness.open().load_state(), PersistentState(0, ""), "the state of a new store")


def roundtrip(harness: StoreHarness) -> None:
    """What is saved is loaded."""
    store = harness.open()
    for state in (PersistentState(1, "a"), PersistentState(2, ""), PersistentState(2, "node-b")):
        store.save_state(state)
        expect(store.load_state(), state, "the state")


def survives_reopen(harness: StoreHarness) -> None:
    """Term and vote are there after a restart, also beside appends."""
    store = harness.open()
    store.save_state(PersistentState(5, "node-c"))
    store.append_log_entries(entries(1, 2, term=5))
    expect(harness.reopen(store).load_state(), PersistentState(5, "node-c"), "after a restart")
    expect(harness.kill().load_state(), PersistentState(5, "node-c"), "after a kill")


def only_latest_kept(harness: StoreHarness) -> None:
    """Of many saves the last one counts, and their files do not pile up."""
    store = harness.open()
    store.save_state(PersistentState(1, "a"))
    few = sum(map(len, harness.files().values()))
    for term in range(2, 200):
        store.save_state(PersistentState(term, "a"))
    store = harness.reopen(store)
    expect(store.load_state(), PersistentState(199, "a"), "the state after 199 saves")
    many = sum(map(len, harness.files().values()))
    require(many < 10 * few + 65536, f"few bytes on disk after 199 saves, not {many}")


def durable_before_return(harness: StoreHarness) -> None:
    """A vote that was returned from is there when the power goes right then."""
    store = harness.open()
    for state in (PersistentState(1, "a"), PersistentState(2, "b")):
        store.save_state(state)
        store = harness.cut_power()
        expect(store.load_state(), state, "the state after a power cut")


def never_goes_back(harness: StoreHarness) -> None:
    """A lower term is refused."""
    store = harness.open()
    store.save_state(PersistentState(4, "a"))
    refused(lambda: store.save_state(PersistentState(3, "a")), "a save of term 3 after term 4")
    expect(store.load_state(), PersistentState(4, "a"), "the state")


def same_term_other_vote_refused(harness: StoreHarness) -> None:
    """A vote that was given is neither changed nor withdrawn within its term."""
    store = harness.open()
    store.save_state(PersistentState(4, "a"))
    refused(lambda: store.save_state(PersistentState(4, "b")), "a second vote in term 4")
    refused(lambda: store.save_state(PersistentState(4, "")), "taking back the vote of term 4")
    expect(harness.reopen(store).load_state(), PersistentState(4, "a"), "the state")


_VOTES = (Capability.VOTES,)
_STRICT = (Capability.VOTES, Capability.REFUSES_STALE_VOTES)

VOTES: Final = group_of(
    "vote",
    (
        (absent_at_first, _VOTES),
        (roundtrip, _VOTES),
        (survives_reopen, _VOTES),
        (only_latest_kept, _VOTES),
        (durable_before_return, _VOTES),
        (never_goes_back, _STRICT),
        (same_term_other_vote_refused, _STRICT),
    ),
)
"""Every check of this group."""
