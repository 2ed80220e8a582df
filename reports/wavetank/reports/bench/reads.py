"""Random reads of a long log: one entry, and ranges of a hundred, against SQLite and lmdb.

All of it is in the page cache, where a node's reads for its followers find it. What each contender
returned is compared with what was written, once the clock has stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from itertools import islice
from random import Random  # noqa: TID251 - a fixed seed: every run reads the same places
from typing import Final, TypeAlias

from wavetank.engine import FileStorage, StorageConfig
from wavetank.reports.bench.comparison import ENGINE, Attempt, Comparison, Site, Work
from wavetank.reports.bench.environment import LMDB, SQLITE
from wavetank.reports.bench.logs import (
    FRAME_ENTRIES,
    LMDB_MAP_BYTES,
    check_equal,
    command_of,
    engine_log,
    entry_of,
    key_of,
    lmdb_log,
    sqlite_log,
)

__all__ = ["RANGE_ENTRIES", "compare_ranges", "compare_single_reads"]

RANGE_ENTRIES: Final = 100
_SEED: Final = 1

_ReadAll: TypeAlias = Callable[[Sequence[int]], list[object]]
"""Reads at each of some indices, in a loop of its own, and returns what came."""

_Expected: TypeAlias = Callable[[int], object]
"""What a contender returns for an index, in the form in which it returns it."""


def compare_single_reads(site: Site, *, reads: int) -> AbstractContextManager[Comparison]:
    """Return a comparison of reads of one entry.

    Args:
        site: where.
        reads: in a round of a full run.
    """
    openers = {ENGINE: _engine_single, SQLITE: _sqlite_single, LMDB: _lmdb_single}
    return _comparison(site, openers, site.scale.units(reads), width=1)


def compare_ranges(site: Site, *, reads: int) -> AbstractContextManager[Comparison]:
    """Return a comparison of reads of `RANGE_ENTRIES` entries in a row.

    Args:
        site: where.
        reads: in a round of a full run.
    """
    openers = {ENGINE: _engine_range, SQLITE: _sqlite_range, LMDB: _lmdb_range}
    return _comparison(site, openers, site.scale.units(reads), width=RANGE_ENTRIES)


_Reader: TypeAlias = tuple[_ReadAll, _Expected]
_Opener: TypeAlias = Callable[[Site], AbstractContextManager[_Reader]]


@contextmanager
def _comparison(
    site: Site, openers: Mapping[str, _Opener], most_reads: int, *, width: int
) -> Iterator[Comparison]:
    chance = Random(_SEED)  # noqa: S311 - places to read, no secret
    entries = site.scale.log_entries
    places = [chance.randrange(1, max(2, entries - width + 2)) for _ in range(most_reads)]
    with ExitStack() as stack:
        readers = {
            name: stack.enter_context(opener(site))
            for name, opener in openers.items()
            if name in {ENGINE, *site.peers}
        }

        def contenders(units: int) -> Mapping[str, Attempt]:
            chosen = places[:units]
            return {
                name: partial(_attempt, name, reader, chosen) for name, reader in readers.items()
            }

        yield Comparison(
            contenders=contenders,
            most_units=most_reads,
            describe=lambda units: (
                f"{units:,} reads a round, of a log of {entries:,} entries in frames of "
                f"{FRAME_ENTRIES}, cached"
            ),
        )


@contextmanager
def _attempt(name: str, reader: _Reader, places: Sequence[int]) -> Iterator[Work]:
    read_all, expected = reader
    found: list[object] = []
    yield lambda: found.extend(read_all(places))
    for place, each in zip(places, found, strict=True):
        check_equal(each, expected(place), f"{name}, read at index {place}")


@contextmanager
def _engine_single(site: Site) -> Iterator[_Reader]:
    with FileStorage(StorageConfig(directory=engine_log(site))) as store:

        def read_all(places: Sequence[int]) -> list[object]:
            read = store.get_log_entry
            return [read(index) for index in places]

        yield read_all, entry_of


@contextmanager
def _engine_range(site: Site) -> Iterator[_Reader]:
    with FileStorage(StorageConfig(directory=engine_log(site))) as store:

        def read_all(places: Sequence[int]) -> list[object]:
            read = store.get_log_entries
            return [list(read(index, index + RANGE_ENTRIES)) for index in places]

        yield read_all, lambda first: [entry_of(index) for index in _range(first)]


@contextmanager
def _sqlite_single(site: Site) -> Iterator[_Reader]:
    import sqlite3  # noqa: PLC0415 - only where its turn comes

    with closing(sqlite3.connect(sqlite_log(site), isolation_level=None)) as connection:

        def read_all(places: Sequence[int]) -> list[object]:
            execute, query = connection.execute, "select t, c from log where i = ?"
            return [execute(query, (index,)).fetchone() for index in places]

        yield read_all, lambda index: (1, command_of(index))


@contextmanager
def _sqlite_range(site: Site) -> Iterator[_Reader]:
    import sqlite3  # noqa: PLC0415 - only where its turn comes

    with closing(sqlite3.connect(sqlite_log(site), isolation_level=None)) as connection:

        def read_all(places: Sequence[int]) -> list[object]:
            execute, query = connection.execute, "select i, t, c from log where i >= ? and i < ?"
            return [execute(query, (index, index + RANGE_ENTRIES)).fetchall() for index in places]

        yield read_all, _tuples


@contextmanager
def _lmdb_single(site: Site) -> Iterator[_Reader]:
    import lmdb  # noqa: PLC0415 - optional

    with closing(lmdb.open(str(lmdb_log(site)), map_size=LMDB_MAP_BYTES)) as environment:

        def read_all(places: Sequence[int]) -> list[object]:
            found: list[object] = []
            for index in places:
                with environment.begin() as transaction:
                    found.append(transaction.get(key_of(index)))
            return found

        yield read_all, command_of


@contextmanager
def _lmdb_range(site: Site) -> Iterator[_Reader]:
    import lmdb  # noqa: PLC0415 - optional

    with closing(lmdb.open(str(lmdb_log(site)), map_size=LMDB_MAP_BYTES)) as environment:

        def read_all(places: Sequence[int]) -> list[object]:
            found: list[object] = []
            for index in places:
                with environment.begin() as transaction:
                    cursor = transaction.cursor()
                    cursor.set_key(key_of(index))
                    found.append(
                        [
                            (int.from_bytes(key, "big"), 1, command)
                            for key, command in islice(cursor, RANGE_ENTRIES)
                        ]
                    )
            return found

        yield read_all, _tuples


def _tuples(first: int) -> list[tuple[int, int, bytes]]:
    return [(index, 1, command_of(index)) for index in _range(first)]


def _range(first: int) -> range:
    return range(first, first + RANGE_ENTRIES)
