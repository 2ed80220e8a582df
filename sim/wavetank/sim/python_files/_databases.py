"""Databases written in C: they reach their files past every name that could be replaced.

They are refused where they are opened, with the way to go. A SQLite database in memory has no
file; it is watched for those that are attached to it. Left out: databases that are imported only
while the code runs; they do not find the simulated directory on the real machine, and say so
themselves.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from wavetank.sim.python_files._simulation import Simulation

__all__ = ["DATABASE_ADVICE", "database_openers", "in_memory_only", "is_in_memory"]

DATABASE_ADVICE: Final = (
    "it writes its files in C, where no simulated disk sees it; SQLite can be run over the "
    "simulated filesystem through a VFS of apsw, other libraries cannot yet"
)

_OF_PYTHON: Final = ("_gdbm", "_dbm", "sqlite3")
_LOADED: Final[Mapping[str, tuple[str, ...]]] = {
    "_gdbm": ("open",),
    "_dbm": ("open",),
    "lmdb": ("open", "Environment"),
    "sqlite3": ("connect",),
}
_ATTACH: Final = 24
"""SQLITE_ATTACH, which VACUUM INTO is, too."""
_OK, _DENY = 0, 1


def database_openers() -> dict[str, dict[str, Callable[..., object]]]:
    """Return the functions that open such databases, by module, as far as there are any."""
    for name in _OF_PYTHON:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    return {
        module: {name: getattr(sys.modules[module], name) for name in names}
        for module, names in _LOADED.items()
        if module in sys.modules
    }


def is_in_memory(database: object) -> bool:
    """Whether a name that SQLite is given stands for no file.

    >>> [is_in_memory(each) for each in (":memory:", "file:x?mode=memory&cache=shared", "x.db")]
    [True, True, False]
    """
    name = database.decode("utf-8", "replace") if isinstance(database, bytes) else database
    if not isinstance(name, str):
        return False
    if not name.startswith("file:"):
        return name in ("", ":memory:")
    parts = urlsplit(name)
    return parts.path in ("", ":memory:") or parse_qs(parts.query).get("mode") == ["memory"]


def in_memory_only(simulation: Simulation, connect: Callable[..., object]) -> Callable[..., object]:
    """Return what stands for `sqlite3.connect`: databases that have no file, and get none."""

    def refuse(database: object) -> None:
        raise simulation.refuse(
            f"expected no database file but got {database!r}: {DATABASE_ADVICE}"
        )

    def watch(action: int, name: str | None, *_: object) -> int:
        if action != _ATTACH or is_in_memory(name):
            return _OK
        simulation.refuse(f"ATTACH: expected no database file but got {name!r}: {DATABASE_ADVICE}")
        return _DENY

    @functools.wraps(connect)
    def call(*args: object, **kwargs: object) -> object:
        database = args[0] if args else kwargs.get("database")
        if not simulation.is_inside():
            simulation.keep_out("sqlite3.connect", (database,))
            return connect(*args, **kwargs)
        if not is_in_memory(database):
            refuse(database)
        connection = connect(*args, **kwargs)
        # A library may be built to take no addresses, and these names for files.
        if any(row[2] for row in connection.execute("PRAGMA database_list")):  # type: ignore[attr-defined]
            connection.close()  # type: ignore[attr-defined]
            refuse(database)
        connection.set_authorizer(watch)  # type: ignore[attr-defined]
        return connection

    return call
