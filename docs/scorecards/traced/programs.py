"""The programs of the scorecards: each acknowledges three commits, and opens what a crash left.

python programs.py run NAME DIR ACKS   # the program
python programs.py check NAME          # its check, as a persistent checker
"""

from __future__ import annotations

import importlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from wavetank.serving import serve_checks

COMMITS: Final = 3

Put = Callable[[str], object]
Has = Callable[[str], bool]


@contextmanager
def sqlite3_store(directory: str, mode: str) -> Iterator[tuple[Put, Has]]:
    """Open a table of SQLite; `mode` is the journal mode and synchronous, such as ``wal-full``."""
    journal, _, synchronous = mode.partition("-")
    database = sqlite3.connect(f"{directory}/db", isolation_level=None)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("CREATE TABLE IF NOT EXISTS pairs (key PRIMARY KEY)")

    def put(key: str) -> None:
        database.execute("INSERT INTO pairs VALUES (?)", (key,))

    def has(key: str) -> bool:
        return bool(database.execute("SELECT 1 FROM pairs WHERE key = ?", (key,)).fetchall())

    yield put, has
    database.close()


@contextmanager
def lmdb_store(directory: str, _: str) -> Iterator[tuple[Put, Has]]:
    """Open an environment of LMDB with its defaults."""
    with module("lmdb").open(f"{directory}/env", map_size=1 << 20) as environment:

        def put(key: str) -> None:
            with environment.begin(write=True) as transaction:
                transaction.put(key.encode(), b"value")

        def has(key: str) -> bool:
            with environment.begin() as transaction:
                return transaction.get(key.encode()) is not None

        yield put, has


@contextmanager
def rocksdict_store(directory: str, _: str) -> Iterator[tuple[Put, Has]]:
    """Open a database of RocksDB; each put is synced."""
    synced = module("rocksdict").WriteOptions()
    synced.sync = True
    database = module("rocksdict").Rdict(f"{directory}/db")
    yield lambda key: database.put(key, "value", synced), lambda key: key in database
    database.close()


@contextmanager
def plyvel_store(directory: str, _: str) -> Iterator[tuple[Put, Has]]:
    """Open a database of LevelDB; each put is synced."""
    with module("plyvel").DB(f"{directory}/db", create_if_missing=True) as database:
        yield (
            lambda key: database.put(key.encode(), b"value", sync=True),
            lambda key: database.get(key.encode()) is not None,
        )


@contextmanager
def diskcache_store(directory: str, _: str) -> Iterator[tuple[Put, Has]]:
    """Open a cache of diskcache with its defaults."""
    with module("diskcache").Cache(f"{directory}/cache") as cache:
        yield lambda key: cache.set(key, "value"), lambda key: key in cache


@contextmanager
def sqlitedict_store(directory: str, _: str) -> Iterator[tuple[Put, Has]]:
    """Open a dictionary of sqlitedict with its defaults; each value is committed."""
    with module("sqlitedict").SqliteDict(f"{directory}/db") as values:

        def put(key: str) -> None:
            values[key] = "value"
            values.commit()

        yield put, lambda key: key in values


def module(name: str) -> Any:  # noqa: ANN401 - other people's modules have no types
    """Import a module that not everybody has."""
    return importlib.import_module(name)


STORES: Final = {
    "sqlite3": sqlite3_store,
    "lmdb": lmdb_store,
    "rocksdict": rocksdict_store,
    "plyvel": plyvel_store,
    "diskcache": diskcache_store,
    "sqlitedict": sqlitedict_store,
}


def run(name: str, directory: str, acks: str) -> None:
    """Be the program: commit, and acknowledge each commit."""
    package, _, mode = name.partition("-")
    with STORES[package](directory, mode) as (put, _has), Path(acks).open("a", buffering=1) as file:
        for number in range(COMMITS):
            put(f"key {number}")
            file.write(f"ACK {number}\n")


def check(name: str, directory: Path, acked: list[str]) -> str | None:
    """Look for all that was acknowledged; a store that nobody has been promised may be damaged."""
    package, _, mode = name.partition("-")
    if not acked:
        return None
    with STORES[package](str(directory), mode) as (_put, has):
        missing = [each for each in acked if not has(f"key {each}")]
    return f"commit {missing[0]} is gone" if missing else None


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(*sys.argv[2:])
    else:
        package = sys.argv[2].partition("-")[0]
        module(package)
        serve_checks(lambda directory, acked: check(sys.argv[2], directory, acked))
