"""A histogram of durations in log-scaled buckets: every sample counts, in little memory.

Each power of two is cut into 32 buckets of equal width, so a percentile is at most 1/64 (1.6 %)
away from the sample it stands for, whatever the range; below 64 it is exact. Left out: decay over
time, and locks.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Histogram"]

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
