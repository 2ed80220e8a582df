"""Files that a program makes anew after a crash, whose content nobody needs to see."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["is_rebuilt"]

_SHM: Final = "-shm"
_LMDB_LOCK: Final = "lock.mdb"


def is_rebuilt(name: str, siblings: Collection[str], patterns: Collection[str]) -> bool:
    """Whether a file is rebuilt after a crash.

    Args:
        name: its name.
        siblings: names in its directory: SQLite's index of shared memory stands beside a database.
        patterns: names that the user gave, with ``*`` for any letters.

    >>> is_rebuilt("x.db-shm", {"x.db"}, ()), is_rebuilt("x-shm", {}, ())
    (True, False)
    """
    if name == _LMDB_LOCK or any(fnmatchcase(name, each) for each in patterns):
        return True
    return name.endswith(_SHM) and name.removesuffix(_SHM) in siblings
