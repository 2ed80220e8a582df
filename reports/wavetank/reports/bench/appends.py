"""Appends of batches to a new log: the engine, the bare system calls, and each peer.

Every contender is a context that makes a new store in an empty directory, hands out the work of
appending all batches, and closes the store. Only the work is timed, so each has its own loop, and
none pays for a call that another does not make. Peers do the least that keeps the commands by
index: those that map keys to values are spared the term.
"""

from __future__ import annotations

import os  # noqa: TID251 - the raw limit is the system calls themselves
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeAlias

from wavetank.engine import FileStorage, FileStorageOptions, LogEntry, StorageConfig
from wavetank.reports.bench.comparison import ENGINE, RAW, Attempt, Comparison, Site, Work
from wavetank.reports.bench.environment import LMDB, PYSYNCOBJ, ROCKSDICT, SQLITE
from wavetank.reports.bench.logs import (
    LMDB_MAP_BYTES,
    RAW_ENTRY_BYTES,
    batches_of,
    check_log,
    key_of,
)

__all__ = ["compare_appends"]

Batches: TypeAlias = Sequence[Sequence[LogEntry]]


class _Appender(Protocol):
    """Makes a new log and yields the work of appending all batches, each of the same size."""

    def __call__(
        self, directory: Path, batches: Batches, *, synced: bool
    ) -> AbstractContextManager[Work]: ...


def compare_appends(
    site: Site, *, batch_size: int, batches: int, synced: bool
) -> AbstractContextManager[Comparison]:
    """Return a comparison of appends to new logs.

    Args:
        site: where.
        batch_size: entries in a batch.
        batches: in a round of a full run.
        synced: each batch is durable before the next one begins.
    """
    return _comparison(site, batch_size, site.scale.units(batches), synced=synced)


@contextmanager
def _comparison(
    site: Site, batch_size: int, most_batches: int, *, synced: bool
) -> Iterator[Comparison]:
    batches = batches_of(batch_size, most_batches)
    appenders = {
        name: each for name, each in _APPENDERS.items() if name in {ENGINE, RAW, *site.peers}
    }

    def contenders(units: int) -> Mapping[str, Attempt]:
        chosen = batches[:units]
        return {
            name: partial(_attempt, appender, site.directory, chosen, synced=synced)
            for name, appender in appenders.items()
        }

    yield Comparison(
        contenders=contenders,
        most_units=most_batches,
        describe=lambda units: f"{units:,} batches of {batch_size:,} a round, to a new log",
    )


@contextmanager
def _attempt(
    appender: _Appender, parent: Path, batches: Batches, *, synced: bool
) -> Iterator[Work]:
    with (
        TemporaryDirectory(dir=parent) as directory,
        appender(Path(directory), batches, synced=synced) as work,
    ):
        yield work


@contextmanager
def _engine(directory: Path, batches: Batches, *, synced: bool) -> Iterator[Work]:
    options = FileStorageOptions(sync_on_append=synced)
    with FileStorage(StorageConfig(directory=directory), options) as store:

        def work() -> None:
            append = store.append_log_entries
            for batch in batches:
                append(batch)

        yield work
        check_log(store, batches[-1][-1].index, who=ENGINE)


@contextmanager
def _raw(directory: Path, batches: Batches, *, synced: bool) -> Iterator[Work]:
    content = b"y" * (RAW_ENTRY_BYTES * len(batches[0]))
    with (directory / "log").open("xb", buffering=0) as file:

        def work() -> None:
            handle = file.fileno()
            write, sync = os.write, os.fdatasync
            for _ in batches:
                write(handle, content)
                if synced:
                    sync(handle)

        yield work


@contextmanager
def _sqlite(directory: Path, batches: Batches, *, synced: bool) -> Iterator[Work]:
    import sqlite3  # noqa: PLC0415 - only where its turn comes

    with closing(sqlite3.connect(directory / "log.db", isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {'full' if synced else 'off'}")
        connection.execute("create table log (i integer primary key, t integer, c blob)")

        def work() -> None:
            execute, executemany = connection.execute, connection.executemany
            for batch in batches:
                execute("begin")
                executemany(
                    "insert into log values (?, ?, ?)",
                    [(entry.index, entry.term, entry.command) for entry in batch],
                )
                execute("commit")

        yield work


@contextmanager
def _lmdb(directory: Path, batches: Batches, *, synced: bool) -> Iterator[Work]:
    import lmdb  # noqa: PLC0415 - optional

    environment = lmdb.open(
        str(directory / "log.lmdb"), map_size=LMDB_MAP_BYTES, sync=synced, metasync=synced
    )
    with closing(environment):

        def work() -> None:
            for batch in batches:
                with environment.begin(write=True) as transaction:
                    for entry in batch:
                        transaction.put(key_of(entry.index), entry.command, append=True)

        yield work


@contextmanager
def _pysyncobj(directory: Path, batches: Batches, *, synced: bool) -> Iterator[Work]:
    from pysyncobj.journal import FileJournal  # noqa: PLC0415 - optional

    journal = FileJournal(str(directory / "log.journal"))

    def work() -> None:
        add, flush = journal.add, journal.flush
        for batch in batches:
            for entry in batch:
                add(entry.command, entry.index, entry.term)
            if synced:
                flush()

    try:
        yield work
    finally:
        # Its only way to close what it has open; the name is its own.
        journal._destroy()  # noqa: SLF001


@contextmanager
def _rocksdict(directory: Path, batches: Batches, *, synced: bool) -> Iterator[Work]:
    import rocksdict  # noqa: PLC0415 - optional

    database = rocksdict.Rdict(str(directory / "log.rocks"), rocksdict.Options(raw_mode=True))
    options = rocksdict.WriteOptions()
    options.sync = synced
    with closing(database):

        def work() -> None:
            new_batch: Callable[..., rocksdict.WriteBatch] = rocksdict.WriteBatch
            for batch in batches:
                writes = new_batch(raw_mode=True)
                for entry in batch:
                    writes.put(key_of(entry.index), entry.command)
                database.write(writes, options)

        yield work


_APPENDERS: Final[Mapping[str, _Appender]] = {
    ENGINE: _engine,
    RAW: _raw,
    SQLITE: _sqlite,
    LMDB: _lmdb,
    PYSYNCOBJ: _pysyncobj,
    ROCKSDICT: _rocksdict,
}
