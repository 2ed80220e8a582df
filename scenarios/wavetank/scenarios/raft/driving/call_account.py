"""`Account`: what the metrics of the engine must say of the calls it was asked for (O17).

It is kept from outside, in the simplest way there is: every duration as it is, percentiles from the
sorted list. The engine's are from a histogram, and may be off by what that rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["Account"]

_COUNTED: Final = (
    *("append_ops", "append_bytes", "append_errors"),
    *("read_ops", "read_bytes", "read_entries", "read_errors"),
    *("state_ops", "state_errors"),
    *("snapshot_save_ops", "snapshot_load_ops", "snapshot_errors"),
    *("truncate_prefix_ops", "truncate_suffix_ops", "slow_operations"),
)
_TIMED: Final = ("append", "read", "state", "snapshot")
_RATED: Final = ("append", "read", "state", "snapshot_save", "snapshot_load")
_SLOW_AFTER_S: Final = 0.1
_PERCENTILES: Final = (95, 99)
_ROUNDED_BY: Final = 64
"""A percentile may be off by one part in so many."""


class Account:
    """Counts and times calls.

    Attributes:
        counts: by the names of the metrics.

    >>> account = Account()
    >>> account.ended("append", 0.25, failed=False)
    >>> account.ended("append", 0.5, failed=True)
    >>> {name: least for name, least, most in account.expected() if "append" in name and least}
    {'append_ops': 2, 'append_errors': 1, 'max_append_latency_ns': 500000000, \
'avg_append_latency_us': 375000, 'p95_append_latency_us': 492187, \
'p99_append_latency_us': 492187}
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._durations_ns: dict[str, list[int]] = {kind: [] for kind in _TIMED}

    def ended(self, what: str, duration_s: float, *, failed: bool) -> None:
        """Take a call that has ended.

        Args:
            what: the metrics' name of it.
            duration_s: how long it took.
            failed: it raised.
        """
        kind = what.partition("_")[0]
        self.counts[f"{what}_ops"] += 1
        if failed:
            self.counts[f"{kind}_errors"] += 1
        if duration_s >= _SLOW_AFTER_S:
            self.counts["slow_operations"] += 1
        if kind in self._durations_ns:
            self._durations_ns[kind].append(max(0, round(duration_s * 1e9)))

    def reset(self) -> None:
        """Begin anew."""
        self.counts.clear()
        for durations_ns in self._durations_ns.values():
            durations_ns.clear()

    def expected(self) -> Iterator[tuple[str, int, int]]:
        """Yield each metric by its name, with the least and the most that it may be."""
        counts = self.counts
        for name in _COUNTED:
            yield name, counts[name], counts[name]
        ops = sum(counts[f"{kind}_ops"] for kind in _RATED)
        errors = sum(counts[f"{kind}_errors"] for kind in _TIMED)
        for name, part, whole in (
            ("bytes_per_append", counts["append_bytes"], counts["append_ops"]),
            ("bytes_per_read", counts["read_bytes"], counts["read_ops"]),
            ("error_rate_ppt", 1000 * errors, ops),
        ):
            rounded = part // whole if whole else 0
            yield name, rounded, rounded
        for kind, durations_ns in self._durations_ns.items():
            yield from _durations(f"{kind}_latency", durations_ns)


def _durations(name: str, durations_ns: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    found = sorted(durations_ns)
    largest = found[-1] if found else 0
    average = sum(found) // len(found) if found else 0
    yield f"max_{name}_ns", largest, largest
    yield f"avg_{name}_us", average // 1000, average // 1000
    for percent in _PERCENTILES:
        # The least value that so many per cent of all do not exceed.
        value = found[-(-len(found) * percent // 100) - 1] if found else 0
        off = value // _ROUNDED_BY
        yield f"p{percent}_{name}_us", (value - off) // 1000, (value + off) // 1000
