"""The one table, and everything that is asked of it.

The entries stand under their own indices; term and vote under key 0, the log's base under -1, the
snapshot under -2. All in one table: a transaction that touches few pages has few ways to be torn,
and all of them can be tried.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ADD_ENTRY",
    "BASE_TERM",
    "BOUNDS",
    "COVERED",
    "ENTRIES",
    "REMOVE_ALL",
    "REMOVE_BEFORE",
    "REMOVE_FROM",
    "SCHEMA",
    "SET_BASE",
    "SET_SNAPSHOT",
    "SET_STATE",
    "SNAPSHOT",
    "SNAPSHOT_METADATA",
    "STATE",
    "VERSION",
]

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE raft (key INTEGER PRIMARY KEY, position INTEGER, term INTEGER, content BLOB);
INSERT INTO raft VALUES (0, 0, 0, ''), (-1, 0, 0, NULL)
"""

STATE: Final = "SELECT term, content FROM raft WHERE key = 0"
SET_STATE: Final = "UPDATE raft SET term = ?, content = ? WHERE key = 0"

BOUNDS: Final = """
SELECT base.position, base.term, last.key, last.term FROM raft AS base
LEFT JOIN (SELECT key, term FROM raft WHERE key > 0 ORDER BY key DESC LIMIT 1) AS last
WHERE base.key = -1
"""
BASE_TERM: Final = "SELECT term FROM raft WHERE key = -1"
SET_BASE: Final = "UPDATE raft SET position = ?, term = ? WHERE key = -1"

ENTRIES: Final = "SELECT key, term, content FROM raft WHERE key >= ? AND key < ? ORDER BY key"
ADD_ENTRY: Final = "INSERT INTO raft VALUES (?, NULL, ?, ?)"
REMOVE_FROM: Final = "DELETE FROM raft WHERE key >= ?"
REMOVE_BEFORE: Final = "DELETE FROM raft WHERE key > 0 AND key < ?"
REMOVE_ALL: Final = "DELETE FROM raft WHERE key > 0"

COVERED: Final = "SELECT position FROM raft WHERE key = -2"
SNAPSHOT_METADATA: Final = "SELECT position, term FROM raft WHERE key = -2"
SNAPSHOT: Final = "SELECT position, term, content FROM raft WHERE key = -2"
SET_SNAPSHOT: Final = "INSERT OR REPLACE INTO raft VALUES (-2, ?, ?, ?)"
