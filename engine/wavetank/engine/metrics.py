"""A histogram of durations in log-scaled buckets: every sample counts, in little memory.

Each power of two is cut into 32 buckets of equal width, so a percentile is at most 1/64 (1.6 %)
away from the sample it stands for, whatever the range; below 64 it is exact. Left out: decay over
time, and locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum, IntEnum
from types import TracebackType
from typing import Final, Protocol

from wavetank.engine.runtime import Runtime
from wavetank.engine.values import LogEntry

__all__ = [
    "METRICS_DISABLED",
    "Counter",
    "Histogram",
    "Latency",
    "Meter",
    "Metrics",
    "NoMetrics",
    "Operation",
    "metrics_text",
]

_SUBDIVISION_BITS: Final = 5
_EXACT_BITS: Final = _SUBDIVISION_BITS + 1


class Histogram:
    """Counts whole numbers >= 0, here nanoseconds.

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

    def record(self, value: int) -> None:
        """Count one value."""
        self.count += 1
        self.total += value
        self.largest = max(self.largest, value)
        bucket = _bucket_of(value)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

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


def _bucket_of(value: int) -> int:
    shift = max(0, value.bit_length() - _EXACT_BITS)
    return (shift << _SUBDIVISION_BITS) + (value >> shift)


def _middle_of(bucket: int) -> int:
    shift = max(0, (bucket >> _SUBDIVISION_BITS) - 1)
    least = (bucket - (shift << _SUBDIVISION_BITS)) << shift
    return least + ((1 << shift) - 1) // 2


_PERCENTILES: Final = (95, 99)


class Counter(IntEnum):
    """What is counted: a place in a list, since that is the fastest; the name is the key."""

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

    @property
    def key(self) -> str:
        """What the metrics call it."""
        return self.name.lower()


class Latency(IntEnum):
    """What takes time; `key` is how it stands in the keys."""

    APPEND = 0
    READ = 1
    STATE = 2
    SNAPSHOT = 3
    SERIALIZATION = 4
    DESERIALIZATION = 5

    @property
    def key(self) -> str:
        """The part of its keys between what and unit."""
        name = self.name.lower()
        return f"{name}_time" if name.endswith("serialization") else f"{name}_latency"


class Operation(Enum):
    """A call of the store: what counts it, its failures, and its time."""

    APPEND = (Counter.APPEND_OPS, Counter.APPEND_ERRORS, Latency.APPEND)
    READ = (Counter.READ_OPS, Counter.READ_ERRORS, Latency.READ)
    STATE = (Counter.STATE_OPS, Counter.STATE_ERRORS, Latency.STATE)
    SNAPSHOT_SAVE = (Counter.SNAPSHOT_SAVE_OPS, Counter.SNAPSHOT_ERRORS, Latency.SNAPSHOT)
    SNAPSHOT_LOAD = (Counter.SNAPSHOT_LOAD_OPS, Counter.SNAPSHOT_ERRORS, Latency.SNAPSHOT)
    TRUNCATE_PREFIX = (Counter.TRUNCATE_PREFIX_OPS, None, None)
    TRUNCATE_SUFFIX = (Counter.TRUNCATE_SUFFIX_OPS, None, None)


def _no_counts() -> list[int]:
    return [0] * len(Counter)


def _no_durations() -> list[Histogram]:
    return [Histogram() for _ in range(len(Latency))]


_WITH_ERRORS: Final = tuple(each.value for each in Operation if each.value[1] is not None)
_RATED_OPS: Final = frozenset(ops for ops, _, _ in _WITH_ERRORS)
_RATED_ERRORS: Final = frozenset(errors for _, errors, _ in _WITH_ERRORS if errors)


class Meter(Protocol):
    """Who is told what the store does."""

    def operation(self, operation: Operation) -> AbstractContextManager[None]:
        """Count and time a call of the store, as failed if it raises."""
        ...

    def timing(self, latency: Latency) -> AbstractContextManager[None]:
        """Time a piece of work."""
        ...

    def appended(self, entries: Sequence[LogEntry]) -> None:
        """Count what an append has added."""
        ...

    def read(self, entries: Sequence[LogEntry]) -> None:
        """Count what a read has returned."""
        ...

    def count(self, counter: Counter) -> None:
        """Count one."""
        ...


class NoMetrics:
    """The meter that is switched off."""

    def operation(self, operation: Operation) -> AbstractContextManager[None]:  # noqa: ARG002 - the Meter's signature
        """See `Meter.operation`."""
        return _NOTHING

    def timing(self, latency: Latency) -> AbstractContextManager[None]:  # noqa: ARG002 - as above
        """See `Meter.timing`."""
        return _NOTHING

    def appended(self, entries: Sequence[LogEntry]) -> None:
        """See `Meter.appended`."""

    def read(self, entries: Sequence[LogEntry]) -> None:
        """See `Meter.read`."""

    def count(self, counter: Counter) -> None:
        """See `Meter.count`."""


_NOTHING: Final = nullcontext()


class Metrics:
    """The meter that counts.

    Args:
        runtime: where the clock and the lock come from.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._now_s = runtime.monotonic
        self._lock = runtime.lock()
        self._counts = _no_counts()
        self._durations_ns = _no_durations()

    def operation(self, operation: Operation) -> AbstractContextManager[None]:
        """See `Meter.operation`."""
        return _Stopwatch(self, *operation.value)

    def timing(self, latency: Latency) -> AbstractContextManager[None]:
        """See `Meter.timing`."""
        return _Stopwatch(self, None, None, latency)

    def appended(self, entries: Sequence[LogEntry]) -> None:
        """See `Meter.appended`."""
        size = sum([len(entry.command) for entry in entries])
        with self._lock:
            self._counts[Counter.APPEND_BYTES] += size

    def read(self, entries: Sequence[LogEntry]) -> None:
        """See `Meter.read`."""
        size = sum([len(entry.command) for entry in entries])
        with self._lock:
            self._counts[Counter.READ_BYTES] += size
            self._counts[Counter.READ_ENTRIES] += len(entries)

    def count(self, counter: Counter) -> None:
        """See `Meter.count`."""
        with self._lock:
            self._counts[counter] += 1

    def clock_s(self) -> float:
        """Return the runtime's monotonic time in seconds."""
        return self._now_s()

    def finished(
        self, ops: Counter | None, errors: Counter | None, latency: Latency | None, start_s: float
    ) -> None:
        """Count what began at `start_s` and has ended now; None for what does not count."""
        duration_ns = round((self._now_s() - start_s) * 1e9)
        with self._lock:
            if ops is not None:
                self._counts[ops] += 1
            if errors is not None:
                self._counts[errors] += 1
            if latency is not None:
                self._durations_ns[latency].record(max(0, duration_ns))

    def reset(self) -> None:
        """Begin anew."""
        with self._lock:
            self._counts = _no_counts()
            self._durations_ns = _no_durations()

    def values(self) -> dict[str, int]:
        """Return every counter, duration and ratio by its key."""
        with self._lock:
            counts = self._counts
            found = {counter.key: counts[counter] for counter in Counter}
            for latency in Latency:
                found |= _durations(latency, self._durations_ns[latency])
            found["bytes_per_append"] = _ratio(
                counts[Counter.APPEND_BYTES], counts[Counter.APPEND_OPS]
            )
            found["bytes_per_read"] = _ratio(counts[Counter.READ_BYTES], counts[Counter.READ_OPS])
            errors = sum(counts[counter] for counter in _RATED_ERRORS)
            ops = sum(counts[counter] for counter in _RATED_OPS)
            found["error_rate_ppt"] = _ratio(1000 * errors, ops)
        return found


class _Stopwatch:
    """One piece of work that is being timed."""

    __slots__ = ("_errors", "_latency", "_metrics", "_ops", "_start_s")

    def __init__(
        self,
        metrics: Metrics,
        ops: Counter | None,
        errors: Counter | None,
        latency: Latency | None,
    ) -> None:
        self._metrics = metrics
        self._ops = ops
        self._errors = errors
        self._latency = latency
        self._start_s = 0.0

    def __enter__(self) -> None:
        self._start_s = self._metrics.clock_s()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        errors = self._errors if error is not None else None
        self._metrics.finished(self._ops, errors, self._latency, self._start_s)


def _durations(latency: Latency, histogram: Histogram) -> dict[str, int]:
    # The published keys: the largest in nanoseconds, what is derived in microseconds; and of
    # serialization the largest is a "time" where all others are a "latency".
    key = latency.key
    name = key if key.endswith("_latency") else f"{key}_latency"
    found = {
        f"max_{key}_ns": histogram.largest,
        f"avg_{name}_us": histogram.average() // 1000,
    }
    for percent in _PERCENTILES:
        found[f"p{percent}_{name}_us"] = histogram.percentile(percent) // 1000
    return found


def _ratio(amount: int, count: int) -> int:
    return amount // count if count else 0


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
