"""A store as a sequence of entries, and the kinds of bytes that a command may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from engine_site import NOTHING_RETAINED, EngineSite, entries

from wavetank.engine import IndexOutOfRangeError, LogEntry, StorageClosedError

OPTIONS = evolve(NOTHING_RETAINED, compaction_requires_snapshot=False)


def test_len_counts_the_entries_that_the_log_holds(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    assert len(store) == 0
    store.append_log_entries(entries(1, 9))
    assert len(store) == 9
    store.truncate_log_suffix(8)
    store.truncate_log_prefix(3)
    assert len(store) == 5


def test_a_store_is_true_even_if_it_is_empty_or_closed(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    assert store
    store.close()
    assert store
    for use in (len, iter):
        with pytest.raises(StorageClosedError):
            use(store)


def test_iteration_yields_every_entry_in_order(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    assert list(store) == []
    store.append_log_entries(entries(1, 9))
    store.truncate_log_prefix(4)
    assert list(store) == entries(4, 9)
    first, second = iter(store), iter(store)
    assert [next(first), next(second), next(first)] == [
        *entries(4, 4),
        *entries(4, 4),
        *entries(5, 5),
    ]


def test_iteration_reads_a_thousand_entries_at_a_time(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    for first in range(1, 2501, 100):
        store.append_log_entries(entries(first, first + 99))
    seen = iter(site.reopen(OPTIONS))
    assert [next(seen) for _ in range(1000)] == entries(1, 1000)
    site.forget()
    assert next(seen) == entries(1001, 1001)[0]
    assert site.calls(frozenset({"pread"}))
    site.forget()
    assert [next(seen) for _ in range(999)] == entries(1002, 2000)
    assert site.calls(frozenset({"pread"})) == []
    assert list(seen) == entries(2001, 2500)


def test_iteration_ends_where_the_log_ended_when_it_began(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 3))
    seen = iter(store)
    store.append_log_entries(entries(4, 5))
    assert list(seen) == entries(1, 3)


@pytest.mark.parametrize("removed", ["before", "behind"])
def test_iteration_over_entries_that_were_removed_meanwhile_is_refused(
    site: EngineSite, removed: str
) -> None:
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 2500))
    seen = iter(store)
    next(seen)
    if removed == "before":
        store.truncate_log_prefix(1501)
    else:
        store.truncate_log_suffix(1500)
    assert [next(seen) for _ in range(999)] == entries(2, 1000)
    with pytest.raises(IndexOutOfRangeError, match="but got \\[1001, 2001\\)"):
        next(seen)


@pytest.mark.parametrize(
    "kind",
    [bytes, bytearray, memoryview, lambda command: memoryview(bytes(reversed(command)))[::-1]],
    ids=["bytes", "bytearray", "memoryview", "strided"],
)
def test_a_command_may_be_any_kind_of_bytes_and_is_copied(
    site: EngineSite, kind: Callable[[bytes], bytes | bytearray | memoryview]
) -> None:
    command = kind(b"set x 1")
    entry = LogEntry(1, 1, command)
    if isinstance(command, bytearray):
        command[:] = b"set x 2"
    assert type(entry.command) is bytes
    assert entry == LogEntry(1, 1, b"set x 1")
    store = site.open(OPTIONS)
    store.append_log_entries([entry])
    assert site.reopen(OPTIONS).get_log_entry(1) == LogEntry(1, 1, b"set x 1")


@pytest.mark.parametrize("command", ["set x 1", [1, 2], 7, None])
def test_a_command_of_another_type_is_refused_by_name(command: object) -> None:
    with pytest.raises(TypeError, match=r"LogEntry\.command: expected bytes, bytearray or mem"):
        LogEntry(1, 1, command)
