"""Log entries to write, the check of what comes back, and long logs that measurements share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from wavetank.engine import FileStorage, FileStorageOptions, LogEntry, Storage, StorageConfig
from wavetank.reports.bench.comparison import Site

__all__ = [
    "COMMAND_BYTES",
    "FRAME_ENTRIES",
    "LMDB_MAP_BYTES",
    "RAW_ENTRY_BYTES",
    "WrongDataError",
    "batches_of",
    "check_equal",
    "check_log",
    "command_of",
    "engine_log",
    "entry_of",
    "key_of",
    "lmdb_log",
    "sqlite_log",
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
    wavetank.reports.bench.logs.WrongDataError: engine, the last index: expected 2, got 1
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


FRAME_ENTRIES: Final = 100
"""Entries in one batch, so in one frame, of the engine's log."""

LMDB_MAP_BYTES: Final = 1 << 32
"""Address space for an lmdb file, which must be named ahead; the file itself grows as needed."""


def engine_log(site: Site) -> Path:
    """Return the directory of the engine's log, closed cleanly."""
    return site.shared("engine", partial(_fill_engine, site.scale.log_entries))


def sqlite_log(site: Site) -> Path:
    """Return SQLite's file."""
    return site.shared("sqlite", partial(_fill_sqlite, site.scale.log_entries)) / "log.db"


def lmdb_log(site: Site) -> Path:
    """Return lmdb's directory."""
    return site.shared("lmdb", partial(_fill_lmdb, site.scale.log_entries)) / "log.lmdb"


def _fill_engine(entries: int, directory: Path) -> None:
    options = FileStorageOptions(sync_on_append=False)
    with FileStorage(StorageConfig(directory=directory), options) as store:
        for first, end in _frames(entries):
            store.append_log_entries([entry_of(index) for index in range(first, end)])


def _fill_sqlite(entries: int, directory: Path) -> None:
    import sqlite3  # noqa: PLC0415 - only where its turn comes

    with closing(sqlite3.connect(directory / "log.db", isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table log (i integer primary key, t integer, c blob)")
        connection.execute("begin")
        connection.executemany(
            "insert into log values (?, 1, ?)",
            ((index, command_of(index)) for index in range(1, entries + 1)),
        )
        connection.execute("commit")


def _fill_lmdb(entries: int, directory: Path) -> None:
    import lmdb  # noqa: PLC0415 - optional

    path = str(directory / "log.lmdb")
    with closing(lmdb.open(path, map_size=LMDB_MAP_BYTES, sync=False)) as environment:
        with environment.begin(write=True) as transaction:
            for index in range(1, entries + 1):
                transaction.put(key_of(index), command_of(index), append=True)
        environment.sync(True)  # noqa: FBT003 - takes its argument by place


def _frames(entries: int) -> Iterator[tuple[int, int]]:
    for first in range(1, entries + 1, FRAME_ENTRIES):
        yield first, min(first + FRAME_ENTRIES, entries + 1)
