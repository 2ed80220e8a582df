"""Logs with many entries, filled once for all measurements that read or open one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from wavetank.engine import FileStorage, FileStorageOptions, StorageConfig
from wavetank.reports.bench.comparison import Site
from wavetank.reports.bench.entries import command_of, entry_of, key_of

__all__ = ["FRAME_ENTRIES", "LMDB_MAP_BYTES", "engine_log", "lmdb_log", "sqlite_log"]

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
