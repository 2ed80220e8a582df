"""What the store refuses before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from wavetank.engine import (
    EmptyEntriesError,
    IndexOutOfRangeError,
    LogBounds,
    LogEntry,
    OutOfOrderEntriesError,
    SnapshotData,
    SnapshotMetadata,
    SnapshotMismatchError,
    SnapshotOutOfDateError,
)

__all__ = [
    "LARGEST",
    "check_end",
    "check_fits",
    "check_newer",
    "check_type",
    "checked_batch",
    "whole",
]

LARGEST: Final = 2**63 - 1
"""The largest integer that SQLite has."""


def checked_batch(entries: Sequence[LogEntry]) -> tuple[LogEntry, ...]:
    """Return a batch that may follow itself; errors as `Storage.append_log_entries` has them."""
    batch = tuple(entries)
    if not batch:
        raise EmptyEntriesError("entries: expected at least one but got none")
    for entry in batch:
        check_type("entries", entry, LogEntry)
    for before, entry in pairwise(batch):
        if entry.index != before.index + 1 or entry.term < before.term:
            raise OutOfOrderEntriesError(
                f"entries: expected index {before.index + 1} and a term from {before.term} on "
                f"but got index {entry.index} and term {entry.term}"
            )
    check_fits("entries.index", batch[-1].index)
    check_fits("entries.term", batch[-1].term)
    return batch


def check_type(name: str, value: object, kind: type) -> None:
    """Raise TypeError unless a value is of a kind; no bool is an int."""
    if not isinstance(value, kind) or isinstance(value, bool):
        came = type(value).__name__
        raise TypeError(f"{name}: expected {kind.__name__} but got {value!r} ({came})")


def check_fits(name: str, value: int) -> None:
    """Raise ValueError unless a number fits into SQLite's integers."""
    if value > LARGEST:
        raise ValueError(f"{name}: expected at most 2**63-1, as SQLite has it, but got {value}")


def check_end(index: int, bounds: LogBounds) -> None:
    """Raise IndexOutOfRangeError for an index more than one beyond the log."""
    if index > bounds.last_index + 1:
        raise IndexOutOfRangeError(
            f"index: expected at most {bounds.last_index + 1}, one behind the log, but got {index}"
        )


def check_newer(metadata: SnapshotMetadata, held: tuple[int, int] | None) -> None:
    """Raise for a snapshot older than the one held, or another of the same index."""
    if held is None:
        return
    if metadata.last_included_index < held[0]:
        raise SnapshotOutOfDateError(
            f"metadata: expected an index from {held[0]} on but got {metadata!r}"
        )
    if metadata.last_included_index == held[0] and metadata.last_included_term != held[1]:
        raise SnapshotMismatchError(
            f"metadata: expected term {held[1]} at index {held[0]} but got {metadata!r}"
        )


def whole(data: SnapshotData) -> bytes:
    """Return a snapshot's content in one piece."""
    return bytes(data) if isinstance(data, (bytearray, memoryview)) else b"".join(_chunks(data))


def _chunks(data: SnapshotData) -> Sequence[bytes]:
    return [data] if isinstance(data, bytes) else [bytes(chunk) for chunk in data]
