"""SQLite on a simulated disk, and a Raft store in it for every journal and level.

General layout::

    modes.py       journals and levels as values
    adapters.py    each as a store under test; start reading here
    raft_log.py    the store; _queries.py its table, _arguments.py what it refuses at once
    _database.py   a database opened in one mode; its errors as the engine's own
    vfs.py         SQLite's door to the operating system, over a filesystem and a runtime
    _open_file.py  its files; _locks.py their locks
    _failure.py    what the filesystem said, behind what SQLite made of it
    _refusals.py   an errno as SQLite's code
    errors.py      errors of this package

`vfs` and `raft_log` need apsw, from the extra ``sqlite``; they are imported by their own names, so
that everything else does without.
"""

from wavetank.scenarios.stores.sqlite.adapters import (
    SQLITE_LISTED,
    SQLITE_STORES,
    require_apsw,
    sqlite_store,
)
from wavetank.scenarios.stores.sqlite.errors import ApswMissingError, JournalModeError
from wavetank.scenarios.stores.sqlite.modes import SQLITE_MODES, Journal, SqliteMode, SyncLevel

__all__ = [
    "SQLITE_LISTED",
    "SQLITE_MODES",
    "SQLITE_STORES",
    "ApswMissingError",
    "Journal",
    "JournalModeError",
    "SqliteMode",
    "SyncLevel",
    "require_apsw",
    "sqlite_store",
]
