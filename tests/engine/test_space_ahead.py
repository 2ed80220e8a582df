"""Free space filled ahead of the log, so that a sync of the next frames changes no file size."""

from __future__ import annotations

import errno
from typing import Final

import pytest
from attrs import evolve
from engine_site import INLINE, EngineSite, entries

from wavetank.engine import (
    CorruptedLogError,
    FileStorage,
    FileStorageOptions,
    RecoveryMode,
)

OPTIONS: Final = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, features=INLINE
)
MOST: Final = 256 << 10
SYNCED_WRITE: Final = [("pwrite", "log.dat"), ("datasync", "log.dat")]


def end_of(store: FileStorage) -> int:
    """Return where the frames of the log end."""
    metrics = store.metrics()
    assert metrics is not None
    return metrics["log_size"]


def free_space(site: EngineSite, store: FileStorage) -> int:
    return site.filesystem.stat(site.path("log.dat")).size - end_of(store)


def append(store: FileStorage, size: int = 0, term: int = 1) -> None:
    index = store.last_log_index + 1
    store.append_log_entries(entries(index, index, term=term, size=size))


def open_with_space(site: EngineSite) -> FileStorage:
    """Return a store with more free space than a few small frames take."""
    store = site.open(OPTIONS)
    append(store, size=8000)
    append(store)
    assert free_space(site, store) > 1000
    return store


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_free_space_grows_with_the_log_and_stays_below_half_of_it(
    site: EngineSite, size: int
) -> None:
    store = site.open(OPTIONS)
    append(store, size=size)
    assert free_space(site, store) == 0
    most = 0
    for _ in range(200):
        append(store, size=size)
        free = free_space(site, store)
        assert 0 <= free <= end_of(store) // 2
        most = max(most, free)
    assert most > end_of(store) // 16


def test_free_space_has_a_limit(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    append(store, size=3 * MOST)
    append(store, size=0)
    assert MOST - 512 < free_space(site, store) <= MOST


def test_a_large_frame_gets_no_free_space(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    append(store, size=8000)
    append(store, size=8000)
    assert free_space(site, store) == 0


def test_preallocate_0_switches_it_off(site: EngineSite) -> None:
    store = site.open(evolve(OPTIONS, preallocate=0))
    for _ in range(50):
        append(store, size=500)
        assert free_space(site, store) == 0


def test_an_append_into_free_space_is_one_write_and_one_sync_of_a_file_that_does_not_grow(
    site: EngineSite,
) -> None:
    store = open_with_space(site)
    size = site.filesystem.stat(site.path("log.dat")).size
    site.forget()
    append(store, size=20)
    assert [(call.kind, call.name) for call in site.watched.calls] == SYNCED_WRITE
    assert site.watched.calls[0].length < 200
    assert site.filesystem.stat(site.path("log.dat")).size == size


def test_free_space_is_written_with_a_frame_and_costs_no_call_of_its_own(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    append(store, size=8000)
    site.forget()
    append(store)
    assert [(call.kind, call.name) for call in site.watched.calls] == SYNCED_WRITE
    assert site.watched.calls[0].length > 1000


def test_a_clean_close_cuts_it_off(site: EngineSite) -> None:
    store = open_with_space(site)
    end = end_of(store)
    store.close()
    assert len(site.read("log.dat")) == end
    store = site.open(OPTIONS)
    assert (store.recovery_report.clean, store.recovery_report.cut) == (True, None)
    assert store.last_log_index == 2


@pytest.mark.parametrize("mode", list(RecoveryMode))
def test_a_kill_leaves_it_and_no_open_takes_it_for_an_unfinished_append(
    site: EngineSite, mode: RecoveryMode
) -> None:
    open_with_space(site)
    site.kill()
    left = site.read("log.dat")
    store = site.open(evolve(OPTIONS, read_only=True))
    assert (store.recovery_report.cut, store.recovery_report.lost) == (None, ())
    assert store.verify().sound
    assert site.read("log.dat") == left
    store = site.reopen(evolve(OPTIONS, recovery_mode=mode))
    assert (store.recovery_report.cut, store.recovery_report.lost) == (None, ())
    append(store)
    assert free_space(site, store) > 1000
    assert store.verify().sound
    assert len(site.reopen(OPTIONS)) == 3


def test_a_disk_without_room_for_it_goes_without(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    append(store, size=8000)
    site.watched.refuse = lambda call: (
        errno.ENOSPC if call.kind == "pwrite" and call.length > 1000 else None
    )
    for _ in range(3):
        append(store)
        assert free_space(site, store) == 0
    site.heal()
    append(store)
    assert free_space(site, store) > 1000
    assert len(site.reopen(OPTIONS)) == 5


def test_a_compacted_log_begins_without_it(site: EngineSite) -> None:
    store = open_with_space(site)
    store.truncate_log_prefix(2)
    assert free_space(site, store) == 0
    store.truncate_log_suffix(2)
    assert len(site.reopen(OPTIONS)) == 0


def test_a_truncation_into_it_is_found_again(site: EngineSite) -> None:
    store = open_with_space(site)
    size = site.filesystem.stat(site.path("log.dat")).size
    store.truncate_log_suffix(2)
    assert site.filesystem.stat(site.path("log.dat")).size == size
    store = site.reopen(OPTIONS)
    assert (store.last_log_index, store.recovery_report.cut) == (1, None)
    append(store, term=2)
    assert site.reopen(OPTIONS).last_log_term == 2


@pytest.mark.parametrize("kept", [1, 40, 71, 72, 80, 199])
def test_a_torn_frame_inside_it_is_cut(site: EngineSite, kept: int) -> None:
    store = open_with_space(site)
    end, before = end_of(store), site.read("log.dat")
    append(store, size=200)
    site.kill()
    after = site.read("log.dat")
    site.write("log.dat", after[: end + kept] + before[end + kept :])
    store = site.open(OPTIONS)
    cut = store.recovery_report.cut
    assert cut is not None
    assert cut.offset == end
    assert store.last_log_index == 2
    append(store, term=2)
    assert site.reopen(OPTIONS).last_log_term == 2


def test_a_zeroed_last_frame_inside_it_is_cut_and_reported_as_ambiguous(site: EngineSite) -> None:
    """It may have been acknowledged: free space is no zeros, so these are not free space."""
    store = open_with_space(site)
    end = end_of(store)
    append(store, size=200)
    size = end_of(store) - end
    site.kill()
    content = site.read("log.dat")
    zeroed = content[:end] + bytes(size) + content[end + size :]
    site.write("log.dat", zeroed)
    with pytest.raises(CorruptedLogError):
        site.open(evolve(OPTIONS, recovery_mode=RecoveryMode.CONSERVATIVE))
    site.kill()
    assert site.read("log.dat") == zeroed
    store = site.open(OPTIONS)
    cut = store.recovery_report.cut
    assert cut is not None
    assert (cut.offset, cut.ambiguous) == (end, True)
    assert store.last_log_index == 2


def test_a_zeroed_frame_before_another_one_is_refused(site: EngineSite) -> None:
    store = open_with_space(site)
    end = end_of(store)
    append(store, size=200)
    size = end_of(store) - end
    append(store)
    site.kill()
    content = site.read("log.dat")
    site.write("log.dat", content[:end] + bytes(size) + content[end + size :])
    with pytest.raises(CorruptedLogError, match="index 3"):
        site.open(OPTIONS)
