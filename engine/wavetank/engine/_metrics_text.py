"""The metrics as text for people: operations, latencies, storage, errors.

Left out: the numbers (_metrics.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["METRICS_DISABLED", "metrics_text"]

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
    for unit, divisor in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if duration_ns >= divisor:
            return f"{duration_ns / divisor:.1f} {unit}"
    return f"{duration_ns} ns"
