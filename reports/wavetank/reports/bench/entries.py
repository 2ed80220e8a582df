"""The log entries that a benchmark writes, and the check that the engine returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wavetank.engine import LogEntry, Storage

__all__ = [
    "COMMAND_BYTES",
    "RAW_ENTRY_BYTES",
    "WrongDataError",
    "batches_of",
    "check_equal",
    "check_log",
    "command_of",
    "entry_of",
    "key_of",
]

COMMAND_BYTES: Final = 128

RAW_ENTRY_BYTES: Final = COMMAND_BYTES + 4
"""A command and its length: the least that a log can write for an entry."""

_TERM: Final = 1
_SHOWN: Final = 80


class WrongDataError(Exception):
    """A store returned something else than what was written, so its times mean nothing."""


def command_of(index: int) -> bytes:
    """Return the command of an entry, another one for each index.

    >>> command_of(7)[-3:], len(command_of(7))
    (b'007', 128)
    """
    return b"%0128d" % index


def entry_of(index: int) -> LogEntry:
    """Return the entry with an index."""
    return LogEntry(index, _TERM, command_of(index))


def key_of(index: int) -> bytes:
    """Return an index as a key that sorts as the index does."""
    return index.to_bytes(8, "big")


def batches_of(size: int, count: int) -> list[list[LogEntry]]:
    """Return the first `count` batches of a log, `size` entries each.

    >>> [[entry.index for entry in batch] for batch in batches_of(2, 3)]
    [[1, 2], [3, 4], [5, 6]]
    """
    return [
        [entry_of(index) for index in range(first, first + size)]
        for first in range(1, size * count + 1, size)
    ]


def check_log(store: Storage, last_index: int, *, who: str) -> None:
    """Check that a log ends where it should, and holds the right entries at some places.

    Args:
        store: open.
        last_index: index of the last entry that was acknowledged.
        who: whose log it is, for the message.

    Raises:
        WrongDataError: it does not.
    """
    check_equal(store.last_log_index, last_index, f"{who}, the last index")
    for index in sorted({1, last_index // 2 or 1, last_index}):
        check_equal(store.get_log_entry(index), entry_of(index), f"{who}, entry {index}")


def check_equal(found: object, expected: object, what: str) -> None:
    """Check something that was read.

    Args:
        found: what came.
        expected: what was written.
        what: it is, for the message.

    Raises:
        WrongDataError: they differ.

    >>> check_equal(1, 2, "engine, the last index")
    Traceback (most recent call last):
    wavetank.reports.bench.entries.WrongDataError: engine, the last index: expected 2, got 1
    """
    if found == expected:
        return
    if isinstance(found, Sequence) and isinstance(expected, Sequence):
        found, expected, what = _first_difference(found, expected, what)
    raise WrongDataError(f"{what}: expected {_shown(expected)}, got {_shown(found)}")


def _first_difference(
    found: Sequence[object], expected: Sequence[object], what: str
) -> tuple[object, object, str]:
    if len(found) != len(expected) or isinstance(expected, (bytes, str)):
        return found, expected, what
    pairs = zip(found, expected, strict=True)
    place = next(number for number, (one, other) in enumerate(pairs) if one != other)
    return found[place], expected[place], f"{what}, result {place}"


def _shown(value: object) -> str:
    if isinstance(value, (bytes, list, tuple)) and len(value) > _SHOWN:
        return f"{type(value).__name__} of {len(value)}, other content"
    text = repr(value)
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} ... {text[-_SHOWN:]}"
