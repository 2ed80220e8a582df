"""Metrics: every key counts what its name says, and switched off they cost and tell nothing."""

import errno
from collections.abc import Callable

import pytest
from attrs import define, field
from engine_site import NOTHING_RETAINED, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    EmptyEntriesError,
    EntryNotFoundError,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    OperationCancelledError,
    PersistentState,
    RWOperationLocker,
    SnapshotMetadata,
    StateRegressionError,
    StorageClosedError,
    StorageFeatureFlags,
    StorageIOError,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

OFF = FileStorageOptions(
    retained_log_size=0, features=StorageFeatureFlags(async_truncation=False, metrics=False)
)
OPERATIONS = ("append", "read", "state", "snapshot")
KEYS = {
    *["append_ops", "append_bytes", "read_ops", "read_bytes", "read_entries", "state_ops"],
    *["snapshot_save_ops", "snapshot_load_ops", "truncate_prefix_ops", "truncate_suffix_ops"],
    *["index_rebuild_ops", "compaction_ops", "slow_operations"],
    *["log_size", "state_size", "snapshot_size", "metadata_size", "index_map_size"],
    *["append_errors", "read_errors", "state_errors", "snapshot_errors"],
    *["bytes_per_append", "bytes_per_read", "error_rate_ppt"],
    *(f"max_{name}_latency_ns" for name in OPERATIONS),
    *(f"{kind}_{name}_latency_us" for name in OPERATIONS for kind in ("avg", "p95", "p99")),
    *(f"max_{name}_time_ns" for name in ("serialization", "deserialization")),
    *(
        f"{kind}_{name}_time_latency_us"
        for name in ("serialization", "deserialization")
        for kind in ("avg", "p95", "p99")
    ),
}


class WatchedRuntime(SerialRuntime):
    """Counts how often the clock is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        return super().monotonic()


@define
class TimeTaker:
    """A cancel token that lets time pass when it is asked first, while a lock is being taken."""

    runtime: SerialRuntime
    durations_s: list[float]
    asked: bool = field(default=False)

    def is_set(self) -> bool:
        self.asked = not self.asked
        if self.asked:
            self.runtime.sleep(self.durations_s.pop(0))
        return False


def simulated() -> tuple[EngineSite, WatchedRuntime]:
    runtime = WatchedRuntime()
    return EngineSite(SimFileSystem(SimDisk()), lambda: runtime, "/store"), runtime


def everything(store: FileStorage) -> None:
    store.save_state(PersistentState(1, "node-a"))
    store.load_state()
    store.append_log_entries(entries(1, 9))
    store.get_log_entries(2, 5)
    store.get_log_entry(2)
    store.truncate_log_suffix(9)
    store.save_snapshot(SnapshotMetadata(4, 1), b"data")
    store.truncate_log_prefix(5)
    store.load_snapshot()
    with store.open_snapshot() as stream:
        list(stream)
    store.log_bounds()


def test_the_keys_are_there_from_the_beginning_and_stay(site: EngineSite) -> None:
    store = site.open()
    metrics = store.metrics()
    assert metrics is not None
    assert set(metrics) == KEYS
    everything(store)
    metrics = store.metrics()
    assert metrics is not None
    assert set(metrics) == KEYS
    assert all(type(value) is int and value >= 0 for value in metrics.values())


def test_each_operation_counts_once_with_what_it_moved(site: EngineSite) -> None:
    store = site.open()
    everything(store)
    metrics = store.metrics()
    assert metrics is not None
    appended = sum(len(entry.command) for entry in entries(1, 9))
    read = sum(len(entry.command) for entry in entries(2, 4) + entries(2, 2))
    expected = {
        "append_ops": 1,
        "append_bytes": appended,
        "bytes_per_append": appended,
        "read_ops": 2,
        "read_entries": 4,
        "read_bytes": read,
        "bytes_per_read": read // 2,
        "state_ops": 2,
        "snapshot_save_ops": 1,
        "snapshot_load_ops": 2,
        "truncate_prefix_ops": 1,
        "truncate_suffix_ops": 1,
        "compaction_ops": 1,
        "index_rebuild_ops": 2,
        "error_rate_ppt": 0,
    }
    assert {key: metrics[key] for key in expected} == expected
    assert not any(metrics[f"{name}_errors"] for name in OPERATIONS)


def test_sizes_are_those_of_the_files_and_cost_no_io(site: EngineSite) -> None:
    store = site.open()
    everything(store)
    site.forget()
    metrics = store.metrics()
    assert metrics is not None
    store.metrics_summary()
    assert site.watched.calls == []
    files = {"log": "log.dat", "state": "state.json", "metadata": "metadata.json"}
    files["snapshot"] = "snapshot.dat"
    for key, name in files.items():
        assert metrics[f"{key}_size"] == len(site.read(name))
    assert metrics["index_map_size"] == 1


def refused(store: FileStorage) -> None:
    with pytest.raises(EmptyEntriesError):
        store.append_log_entries([])
    with pytest.raises(EntryNotFoundError):
        store.get_log_entry(99)
    with pytest.raises(StateRegressionError):
        store.save_state(PersistentState(0))


def test_a_failed_operation_is_an_operation_and_its_own_kind_of_error(site: EngineSite) -> None:
    store = site.open()
    store.save_state(PersistentState(1, "node-a"))
    store.reset_metrics()
    refused(store)
    site.watched.refuse = lambda call: errno.ENOSPC if call.kind == "create" else None
    with pytest.raises(StorageIOError):
        store.save_snapshot(SnapshotMetadata(1, 1), b"")
    metrics = store.metrics()
    assert metrics is not None
    for name in ("append", "read", "state"):
        assert (metrics[f"{name}_ops"], metrics[f"{name}_errors"]) == (1, 1)
    assert (metrics["snapshot_save_ops"], metrics["snapshot_errors"]) == (1, 1)
    assert metrics["error_rate_ppt"] == 1000
    assert (metrics["append_bytes"], metrics["read_entries"]) == (0, 0)


def test_wrong_types_are_no_operations(site: EngineSite) -> None:
    store = site.open()
    with pytest.raises(TypeError):
        store.append_log_entries("ab")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.get_log_entry("1")  # type: ignore[arg-type]
    metrics = store.metrics()
    assert metrics is not None
    assert (metrics["append_ops"], metrics["read_ops"]) == (0, 0)


def test_a_reset_begins_anew_but_for_the_sizes(site: EngineSite) -> None:
    store = site.open()
    everything(store)
    refused(store)
    store.reset_metrics()
    metrics = store.metrics()
    assert metrics is not None
    left = {key for key, value in metrics.items() if value}
    sizes = {"log_size", "state_size", "snapshot_size", "metadata_size", "index_map_size"}
    assert left == sizes


@examples(60)
@given(durations_us=st.lists(st.integers(0, 10**7), min_size=1, max_size=80))
def test_latencies_are_those_of_the_clock(durations_us: list[int]) -> None:
    """The largest and the mean exactly, the percentiles within 1/64, whatever the range."""
    site, runtime = simulated()
    store = site.open()
    token = TimeTaker(runtime, [duration / 1e6 for duration in durations_us])
    for _ in durations_us:
        store.load_state(cancel=token)
    metrics = store.metrics()
    assert metrics is not None
    ordered = sorted(durations_us)
    assert metrics["max_state_latency_ns"] == pytest.approx(ordered[-1] * 1000, abs=2)
    assert metrics["avg_state_latency_us"] == pytest.approx(sum(ordered) / len(ordered), abs=1)
    for percent in (95, 99):
        exact = ordered[-(-len(ordered) * percent // 100) - 1]
        found = metrics[f"p{percent}_state_latency_us"]
        assert abs(found - exact) <= exact / 64 + 1


def test_each_kind_of_call_has_its_own_latency() -> None:
    site, runtime = simulated()
    store = site.open()
    store.save_state(PersistentState(1, ""), cancel=TimeTaker(runtime, [1.0]))
    store.append_log_entries([LogEntry(1, 1, b"")], cancel=TimeTaker(runtime, [2.0]))
    store.get_log_entry(1, cancel=TimeTaker(runtime, [4.0]))
    metrics = store.metrics()
    assert metrics is not None
    largest = [metrics[f"max_{name}_latency_ns"] for name in OPERATIONS]
    assert largest == [2 * 10**9, 4 * 10**9, 10**9, 0]


def test_slow_operations_are_counted_whether_they_end_well_or_not() -> None:
    class Cancels(TimeTaker):
        def is_set(self) -> bool:
            super().is_set()
            return True

    site, runtime = simulated()
    store = site.open()
    store.load_state(cancel=TimeTaker(runtime, [0.09]))
    store.append_log_entries(entries(1, 1), cancel=TimeTaker(runtime, [0.11]))
    with pytest.raises(OperationCancelledError):
        store.get_log_entry(1, cancel=Cancels(runtime, [5.0]))
    metrics = store.metrics()
    assert metrics is not None
    assert metrics["slow_operations"] == 2


@pytest.mark.parametrize("mode", ["read", "update"])
def test_a_lock_tells_what_was_slow_and_how_long_it_took(mode: str) -> None:
    runtime = WatchedRuntime()
    told: list[tuple[str, float]] = []
    locker = RWOperationLocker(
        runtime,
        name="log",
        default_timeout_s=None,
        on_slow=lambda *words: told.append(words),
        slow_after_s=2.0,
    )
    enter = {"read": locker.read, "update": locker.update}[mode]
    for duration_s in (1.9, 2.0, 7.0):
        with enter():
            runtime.sleep(duration_s)
    assert [word for word, _ in told] == [mode, mode]
    assert [duration_s for _, duration_s in told] == pytest.approx([2.0, 7.0])


def test_switched_off_they_never_ask_the_clock_and_tell_nothing() -> None:
    asked: list[int] = []
    for options in (OFF, NOTHING_RETAINED):
        site, runtime = simulated()
        store = site.open(options)
        everything(store)
        refused(store)
        store.close()
        asked.append(runtime.asked)
    assert asked[0] == 0
    assert asked[1] > 0


def test_switched_off_there_is_none(site: EngineSite) -> None:
    store = site.open(OFF)
    everything(store)
    assert store.metrics() is None
    assert store.metrics_summary() == "Storage metrics disabled"
    store.reset_metrics()


def test_the_summary_of_a_store_tells_all_sections() -> None:
    site, runtime = simulated()
    store = site.open()
    store.append_log_entries([LogEntry(1, 1, b"x" * 2048)], cancel=TimeTaker(runtime, [0.25]))
    store.get_log_entry(1)
    with pytest.raises(EntryNotFoundError):
        store.get_log_entry(2)
    text = store.metrics_summary()
    for line in (
        "Operations:",
        "  appends: 1, 2.0 KiB",
        "  reads: 2, 1 entries, 2.0 KiB",
        "Latencies:",
        "  read: avg 0 ns, p95 0 ns, p99 0 ns, max 0 ns",
        "Storage:",
        f"  log: {(len(site.read('log.dat'))) / 1024:.1f} KiB",
        "  index: 1 frames",
        "Errors:",
        "  read: 1",
        "Slow operations: 1",
        "Error rate: 33.3 %",
    ):
        assert line in text.splitlines()
    (append,) = [line for line in text.splitlines() if line.startswith("  append: avg")]
    assert append.startswith("  append: avg 250.0 ms, p95 2")
    assert append.endswith(" ms, max 250.0 ms")


@pytest.mark.parametrize(
    ("duration_s", "told"), [(0, "0 ns"), (0.000_003, "3.0 us"), (0.003, "3.0 ms"), (3, "3.0 s")]
)
def test_the_summary_tells_times_in_ascii(duration_s: float, told: str) -> None:
    site, runtime = simulated()
    store = site.open()
    store.load_state(cancel=TimeTaker(runtime, [duration_s]))
    text = store.metrics_summary()
    assert f"  state: avg {told}," in text
    assert text.isascii()


@pytest.mark.parametrize(
    "call", [FileStorage.metrics, FileStorage.metrics_summary, FileStorage.reset_metrics]
)
@pytest.mark.parametrize("options", [NOTHING_RETAINED, OFF], ids=["on", "off"])
def test_a_closed_store_tells_nothing(
    site: EngineSite, call: Callable[[FileStorage], object], options: FileStorageOptions
) -> None:
    store = site.open(options)
    store.close()
    with pytest.raises(StorageClosedError):
        call(store)
