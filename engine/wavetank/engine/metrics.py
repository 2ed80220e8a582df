"""Metrics: counters and durations of a store's operations, and their text.

A failed operation is an operation too, so that an error rate never exceeds 100 %.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from wavetank.engine.runtime import Runtime

__all__ = [
    "APPEND",
    "DESERIALIZATION",
    "METRICS_DISABLED",
    "MOST_SAMPLES",
    "READ",
    "SERIALIZATION",
    "SLOW_AFTER_S",
    "SNAPSHOT_LOAD",
    "SNAPSHOT_SAVE",
    "STATE",
    "TRUNCATE_PREFIX",
    "TRUNCATE_SUFFIX",
    "Counter",
    "Histogram",
    "Metrics",
    "Operation",
    "metrics_text",
]

_SUBDIVISION_BITS: Final = 5
_EXACT_BITS: Final = _SUBDIVISION_BITS + 1
_PERCENTILES: Final = (95, 99)
SLOW_AFTER_S: Final = 0.1
"""From how many seconds on an operation is slow."""

MOST_SAMPLES: Final = 1024
"""Samples that may wait to be counted."""


class Histogram:
    """Counts whole numbers >= 0, here nanoseconds, in log-scaled buckets.

    Each power of two is cut into 32 buckets of equal width, so a percentile is at most 1/64 (1.6 %)
    away from the sample it stands for, whatever the range; below 64 it is exact.

    Attributes:
        count: how many were recorded.
        total: their sum.
        largest: the largest, exactly; 0 if there are none.

    >>> histogram = Histogram()
    >>> for value in range(1, 101):
    ...     histogram.record(value)
    >>> (histogram.average(), histogram.percentile(50), histogram.largest)
    (50, 50, 100)
    """

    __slots__ = ("_buckets", "count", "largest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.largest = 0
        self._buckets: dict[int, int] = {}

    def record(self, *values: int) -> None:
        """Count values."""
        self.count += len(values)
        self.total += sum(values)
        self.largest = max(self.largest, *values)
        buckets = self._buckets
        for value in values:
            shift = value.bit_length() - _EXACT_BITS
            bucket = value if shift <= 0 else (shift << _SUBDIVISION_BITS) + (value >> shift)
            buckets[bucket] = buckets.get(bucket, 0) + 1

    def average(self) -> int:
        """Return the mean, rounded down; 0 if nothing was recorded."""
        return self.total // self.count if self.count else 0

    def percentile(self, percent: int) -> int:
        """Return the least value that `percent` % of all do not exceed, within 1/64; 0 if none."""
        wanted = -(-self.count * percent // 100)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(_middle_of(bucket), self.largest)
        return 0


def _middle_of(bucket: int) -> int:
    shift = max(0, (bucket >> _SUBDIVISION_BITS) - 1)
    least = (bucket - (shift << _SUBDIVISION_BITS)) << shift
    return least + ((1 << shift) - 1) // 2


class Counter(IntEnum):
    """What is counted, by its place in a list; the name in lower case is the key."""

    APPEND_OPS = 0
    APPEND_BYTES = 1
    READ_OPS = 2
    READ_BYTES = 3
    READ_ENTRIES = 4
    STATE_OPS = 5
    SNAPSHOT_SAVE_OPS = 6
    SNAPSHOT_LOAD_OPS = 7
    TRUNCATE_PREFIX_OPS = 8
    TRUNCATE_SUFFIX_OPS = 9
    INDEX_REBUILD_OPS = 10
    COMPACTION_OPS = 11
    APPEND_ERRORS = 12
    READ_ERRORS = 13
    STATE_ERRORS = 14
    SNAPSHOT_ERRORS = 15
    SLOW_OPERATIONS = 16


class Latency(IntEnum):
    """What takes time, by its place in a list."""

    APPEND = 0
    READ = 1
    STATE = 2
    SNAPSHOT = 3
    SERIALIZATION = 4
    DESERIALIZATION = 5


class Operation(NamedTuple):
    """A piece of work; a tuple of plain numbers, since every call of the store counts one.

    Attributes:
        name: for logs.
        latency: place of its durations.
        ops: place of its counter; None for a part of an operation, which is only timed.
        errors: place of the counter of its failures, if they are counted.
        moved_bytes: place of the counter of the bytes it moved, if they are counted.
    """

    name: str
    latency: int | None
    ops: int | None = None
    errors: int | None = None
    moved_bytes: int | None = None


APPEND: Final = Operation(
    "append",
    int(Latency.APPEND),
    int(Counter.APPEND_OPS),
    int(Counter.APPEND_ERRORS),
    int(Counter.APPEND_BYTES),
)
READ: Final = Operation(
    "read",
    int(Latency.READ),
    int(Counter.READ_OPS),
    int(Counter.READ_ERRORS),
    int(Counter.READ_BYTES),
)
STATE: Final = Operation(
    "state", int(Latency.STATE), int(Counter.STATE_OPS), int(Counter.STATE_ERRORS)
)
SNAPSHOT_SAVE: Final = Operation(
    "snapshot save",
    int(Latency.SNAPSHOT),
    int(Counter.SNAPSHOT_SAVE_OPS),
    int(Counter.SNAPSHOT_ERRORS),
)
SNAPSHOT_LOAD: Final = Operation(
    "snapshot load",
    int(Latency.SNAPSHOT),
    int(Counter.SNAPSHOT_LOAD_OPS),
    int(Counter.SNAPSHOT_ERRORS),
)
TRUNCATE_PREFIX: Final = Operation("truncate prefix", None, int(Counter.TRUNCATE_PREFIX_OPS))
TRUNCATE_SUFFIX: Final = Operation("truncate suffix", None, int(Counter.TRUNCATE_SUFFIX_OPS))
SERIALIZATION: Final = Operation("serialization", int(Latency.SERIALIZATION))
DESERIALIZATION: Final = Operation("deserialization", int(Latency.DESERIALIZATION))

_READ_ENTRIES: Final = int(Counter.READ_ENTRIES)
_RATED_OPS: Final = (
    Counter.APPEND_OPS,
    Counter.READ_OPS,
    Counter.STATE_OPS,
    Counter.SNAPSHOT_SAVE_OPS,
    Counter.SNAPSHOT_LOAD_OPS,
)
_RATED_ERRORS: Final = (
    Counter.APPEND_ERRORS,
    Counter.READ_ERRORS,
    Counter.STATE_ERRORS,
    Counter.SNAPSHOT_ERRORS,
)


class Metrics:
    """Counts and times what a store does. It never does I/O.

    Args:
        runtime: where the clock and the lock come from.
        on_slow: called with the name and the seconds of each operation that took 0.1 s or longer.

    Attributes:
        now_s: the clock, in seconds.
        samples: work that has ended and waits to be counted: operation, seconds, bytes of commands
            moved, entries returned, failed. Appending is atomic, so that a call takes no lock.
    """

    __slots__ = ("_counts", "_durations_ns", "_lock", "_on_slow", "now_s", "samples")

    def __init__(self, runtime: Runtime, on_slow: Callable[[str, float], None]) -> None:
        self.now_s: Callable[[], float] = runtime.monotonic
        self._on_slow = on_slow
        self._lock = runtime.lock()
        self._counts = [0] * len(Counter)
        self._durations_ns = [Histogram() for _ in Latency]
        self.samples: deque[tuple[Operation, float, int, int, bool]] = deque()

    def finished(
        self, operation: Operation, start_s: float, size: int = 0, *, failed: bool = False
    ) -> None:
        """Count an operation that has ended now.

        Args:
            operation: what it was.
            start_s: when it began, on `now_s`.
            size: bytes of commands that it appended.
            failed: it raised.
        """
        duration_s = self.now_s() - start_s
        self.samples.append((operation, duration_s, size, 0, failed))
        if duration_s >= SLOW_AFTER_S:
            self.report_slow(operation, duration_s)
        if len(self.samples) >= MOST_SAMPLES:
            self.fold()

    def report_slow(self, operation: Operation, duration_s: float) -> None:
        """Count and report an operation that took `SLOW_AFTER_S` or longer."""
        self.count(Counter.SLOW_OPERATIONS)
        self._on_slow(operation.name, duration_s)

    def count(self, counter: Counter) -> None:
        """Count one."""
        with self._lock:
            self._counts[counter] += 1

    def reset(self) -> None:
        """Begin anew."""
        with self._lock:
            self.samples.clear()
            self._counts = [0] * len(Counter)
            self._durations_ns = [Histogram() for _ in Latency]

    def values(self) -> dict[str, int]:
        """Return every counter, duration and ratio by its key."""
        self.fold()
        with self._lock:
            counts = self._counts
            found = {counter.name.lower(): counts[counter] for counter in Counter}
            for latency in Latency:
                found |= _durations(latency, self._durations_ns[latency])
        appends, reads = found["append_ops"], found["read_ops"]
        found["bytes_per_append"] = found["append_bytes"] // appends if appends else 0
        found["bytes_per_read"] = found["read_bytes"] // reads if reads else 0
        ops = sum(counts[counter] for counter in _RATED_OPS)
        errors = sum(counts[counter] for counter in _RATED_ERRORS)
        found["error_rate_ppt"] = 1000 * errors // ops if ops else 0
        return found

    def fold(self) -> None:
        """Count the samples that wait."""
        with self._lock:
            samples, counts = self.samples, self._counts
            durations_ns = [list[int]() for _ in Latency]
            while samples:
                operation, duration_s, size, entry_count, failed = samples.popleft()
                _, latency, ops, errors, moved_bytes = operation
                if latency is not None:
                    durations_ns[latency].append(max(0, round(duration_s * 1e9)))
                if ops is None:
                    continue
                counts[ops] += 1
                if failed and errors is not None:
                    counts[errors] += 1
                if moved_bytes is not None:
                    counts[moved_bytes] += size
                if entry_count:
                    counts[_READ_ENTRIES] += entry_count
            for histogram, found in zip(self._durations_ns, durations_ns, strict=True):
                if found:
                    histogram.record(*found)


def _durations(latency: Latency, histogram: Histogram) -> dict[str, int]:
    # The published keys: the largest in nanoseconds, what is derived in microseconds; and of
    # serialization the largest is a "time" where all others are a "latency".
    name = latency.name.lower()
    largest = f"{name}_time" if name.endswith("serialization") else f"{name}_latency"
    derived = f"{largest}_latency" if largest.endswith("_time") else largest
    found = {
        f"max_{largest}_ns": histogram.largest,
        f"avg_{derived}_us": histogram.average() // 1000,
    }
    for percent in _PERCENTILES:
        found[f"p{percent}_{derived}_us"] = histogram.percentile(percent) // 1000
    return found


METRICS_DISABLED: Final = "Storage metrics disabled"

_LATENCIES: Final = (
    ("append", "append_latency", "append_latency"),
    ("read", "read_latency", "read_latency"),
    ("state", "state_latency", "state_latency"),
    ("snapshot", "snapshot_latency", "snapshot_latency"),
    ("serialization", "serialization_time", "serialization_time_latency"),
    ("deserialization", "deserialization_time", "deserialization_time_latency"),
)
_SIZE_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_KIBI: Final = 1024


def metrics_text(metrics: Mapping[str, int]) -> str:
    """Return the metrics of `FileStorage.metrics` as a few lines."""
    return "\n".join(
        (
            "Storage metrics",
            *_section("Operations", _operations(metrics)),
            *_section("Latencies", _latencies(metrics)),
            *_section("Storage", _storage(metrics)),
            *_section("Errors", _errors(metrics)),
            "",
            f"Slow operations: {metrics['slow_operations']}",
            f"Error rate: {metrics['error_rate_ppt'] / 10:.1f} %",
        )
    )


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)]


def _operations(metrics: Mapping[str, int]) -> list[str]:
    read_bytes = _size(metrics["read_bytes"])
    return [
        f"appends: {metrics['append_ops']}, {_size(metrics['append_bytes'])}",
        f"reads: {metrics['read_ops']}, {metrics['read_entries']} entries, {read_bytes}",
        f"state: {metrics['state_ops']}",
        f"snapshots saved: {metrics['snapshot_save_ops']}",
        f"snapshots loaded: {metrics['snapshot_load_ops']}",
        f"prefix truncations: {metrics['truncate_prefix_ops']}",
        f"suffix truncations: {metrics['truncate_suffix_ops']}",
        f"compactions: {metrics['compaction_ops']}",
        f"index builds: {metrics['index_rebuild_ops']}",
    ]


def _latencies(metrics: Mapping[str, int]) -> list[str]:
    return [
        f"{title}: avg {_time(metrics[f'avg_{name}_us'] * 1000)}, "
        f"p95 {_time(metrics[f'p95_{name}_us'] * 1000)}, "
        f"p99 {_time(metrics[f'p99_{name}_us'] * 1000)}, "
        f"max {_time(metrics[f'max_{largest}_ns'])}"
        for title, largest, name in _LATENCIES
    ]


def _storage(metrics: Mapping[str, int]) -> list[str]:
    sizes = [
        f"{name}: {_size(metrics[f'{name}_size'])}"
        for name in ("log", "state", "snapshot", "metadata")
    ]
    return [*sizes, f"index: {metrics['index_map_size']} frames"]


def _errors(metrics: Mapping[str, int]) -> list[str]:
    return [
        f"{name}: {metrics[f'{name}_errors']}" for name in ("append", "read", "state", "snapshot")
    ]


def _size(size_bytes: int) -> str:
    amount, unit = float(size_bytes), 0
    while amount >= _KIBI and unit < len(_SIZE_UNITS) - 1:
        amount /= _KIBI
        unit += 1
    return f"{amount:.1f} {_SIZE_UNITS[unit]}" if unit else f"{size_bytes} B"


def _time(duration_ns: int) -> str:
    for unit, divisor in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if duration_ns >= divisor:
            return f"{duration_ns / divisor:.1f} {unit}"
    return f"{duration_ns} ns"
