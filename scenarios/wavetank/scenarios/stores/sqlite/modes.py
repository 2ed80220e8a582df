"""How SQLite keeps a database safe: journal and level, as values."""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

__all__ = ["SQLITE_MODES", "Journal", "SqliteMode", "SyncLevel"]


class Journal(Enum):
    """What `PRAGMA journal_mode` is set to."""

    DELETE = "delete"
    TRUNCATE = "truncate"
    PERSIST = "persist"
    WAL = "wal"


class SyncLevel(Enum):
    """What `PRAGMA synchronous` is set to; the number is SQLite's own."""

    OFF = 0
    NORMAL = 1
    FULL = 2
    EXTRA = 3


@frozen
class SqliteMode:
    """A journal and a level.

    Attributes:
        journal: what makes a transaction atomic.
        level: how often SQLite syncs.

    >>> SqliteMode(Journal.WAL, SyncLevel.FULL).name
    'wal-full'
    """

    journal: Journal
    level: SyncLevel

    @property
    def name(self) -> str:
        """Both words."""
        return f"{self.journal.value}-{self.level.name.lower()}"


SQLITE_MODES: Final = tuple(
    SqliteMode(journal, level) for journal in Journal for level in SyncLevel
)
"""Every journal with every level."""
