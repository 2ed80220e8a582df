"""Without the index every read looks for its frames in the file, and finds the same entries."""

import tracemalloc

import pytest
from attrs import evolve
from engine_site import INLINE, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedLogError,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    StorageConfig,
    StorageFeatureFlags,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

INDEXED = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, features=INLINE, chunk_size=512
)
SCANNING = evolve(INDEXED, features=StorageFeatureFlags(async_truncation=False, index_map=False))


def simulated() -> EngineSite:
    return EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")


def twins() -> list[tuple[EngineSite, FileStorageOptions, FileStorage]]:
    made = []
    for options in (INDEXED, SCANNING):
        site = simulated()
        made.append((site, options, site.open(options)))
    return made


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "append", "suffix", "suffix", "prefix", "reopen"]),
        st.integers(0, 12),
        st.integers(0, 400),
    ),
    max_size=30,
)


@examples(120)
@given(steps=_STEPS, ranges=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=5))
def test_both_stores_show_the_same_and_leave_the_same_bytes(
    steps: list[tuple[str, int, int]], ranges: list[tuple[int, int]]
) -> None:
    sites = twins()
    for step, number, size in steps:
        extent = sites[0][2].log_bounds()
        for place, (site, options, store) in enumerate(sites):
            if step == "append":
                batch = entries(extent.last_index + 1, extent.last_index + 1 + number, 99, size)
                store.append_log_entries(batch)
            elif step == "suffix":
                store.truncate_log_suffix(max(extent.first_index, extent.last_index + 1 - number))
            elif step == "prefix":
                store.truncate_log_prefix(min(extent.last_index + 1, extent.first_index + number))
            else:
                sites[place] = (site, options, site.reopen(options))
        (site, _, indexed), (other_site, _, scanning) = sites
        assert scanning.log_bounds() == indexed.log_bounds()
        assert other_site.read("log.dat") == site.read("log.dat")
    extent = sites[0][2].log_bounds()
    for start, length in [*ranges, (extent.first_index, max(1, extent.entry_count))]:
        first = max(start, extent.first_index)
        end = min(first + length, extent.last_index + 1)
        if first < end:
            expected = sites[0][2].get_log_entries(first, end)
            assert sites[1][2].get_log_entries(first, end) == expected
            assert sites[1][2].get_log_entry(first) == expected[0]


def test_rows_beyond_what_is_kept_in_memory_are_found_again() -> None:
    """More frames than are kept at once, with an end that was replaced again and again."""
    site = simulated()
    store = site.open(evolve(SCANNING, chunk_size=1 << 16))
    expected: list[LogEntry] = []
    for index in range(1, 5001):
        batch = entries(index, index)
        store.append_log_entries(batch)
        expected += batch
        if index % 500 == 0:
            store.truncate_log_suffix(index - 1)
            again = entries(index - 1, index, term=1, size=20)
            store.append_log_entries(again)
            expected[-2:] = again
    assert store.get_log_entries(1, 5001) == expected
    assert store.get_log_entries(4090, 4100) == expected[4089:4099]
    store.truncate_log_prefix(3)
    assert store.get_log_entries(3, 5001) == expected[2:]
    assert site.reopen(INDEXED).get_log_entries(3, 5001) == expected[2:]


def test_a_log_is_opened_and_read_in_memory_that_does_not_grow_with_it() -> None:
    filesystem = SimFileSystem(SimDisk())
    config = StorageConfig(directory="/store")

    def opened() -> FileStorage:
        return FileStorage(config, SCANNING, fs=filesystem, runtime=SerialRuntime())

    peaks = []
    store = opened()
    for last in (500, 6000):
        for index in range(store.last_log_index + 1, last + 1):
            store.append_log_entries(entries(index, index))
        store.close()
        tracemalloc.start()
        try:
            store = opened()
            assert store.get_log_entry(last) == entries(last, last)[0]
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 10_000


def test_the_metrics_know_no_index(site: EngineSite) -> None:
    store = site.open(SCANNING)
    store.append_log_entries(entries(1, 5))
    store.truncate_log_prefix(3)
    metrics = store.metrics()
    assert metrics is not None
    assert (metrics["index_map_size"], metrics["index_rebuild_ops"]) == (0, 0)
    assert metrics["compaction_ops"] == 1


@pytest.mark.parametrize("within", [0, 30, 71])
def test_a_damaged_header_puts_what_lies_behind_it_out_of_reach(
    site: EngineSite, within: int
) -> None:
    store = site.open(SCANNING)
    offsets = []
    for index in range(1, 4):
        offsets.append(len(site.read("log.dat")))
        store.append_log_entries(entries(index, index, size=100))
    site.flip("log.dat", offsets[1] + within)
    assert store.get_log_entry(1) == entries(1, 1, size=100)[0]
    for index in (2, 3):
        with pytest.raises(CorruptedLogError) as caught:
            store.get_log_entry(index)
        assert caught.value.offset == offsets[1]
