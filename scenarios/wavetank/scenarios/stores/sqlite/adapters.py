"""SQLite's modes as stores under test, by name, and what each declares.

All declare that an append that has returned is durable, since that is what the checks are to find
out. None declares to notice damage: SQLite's format has no checksums.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from wavetank.engine import Storage
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.sqlite.errors import ApswMissingError
from wavetank.scenarios.stores.sqlite.modes import SQLITE_MODES, SqliteMode

__all__ = ["SQLITE_LISTED", "SQLITE_STORES", "require_apsw", "sqlite_store"]

_NOT_DECLARED: Final = frozenset(
    {
        Capability.ANY_FIRST_INDEX,
        Capability.LIMITED_READS,
        Capability.BACKGROUND_COMPACTION,
        Capability.CHECKS_ARGUMENTS,
        Capability.DETECTS_DAMAGE,
        # Its library has locks of its own.
        Capability.SITE_RUNTIME,
    }
)


def sqlite_store(
    mode: SqliteMode, *, on_integrity: Callable[[str], None] | None = None
) -> StoreAdapter:
    """Return SQLite in one mode as a store for the suite.

    Args:
        mode: journal and level.
        on_integrity: told what ``PRAGMA integrity_check`` says at each opening.

    >>> from wavetank.scenarios.stores.sqlite import Journal, SyncLevel
    >>> sqlite_store(SqliteMode(Journal.WAL, SyncLevel.FULL)).name
    'sqlite:wal-full'
    """

    def open_store(site: Site) -> Storage:
        from wavetank.scenarios.stores.sqlite.raft_log import SqliteRaftLog  # noqa: PLC0415 - needs apsw

        return SqliteRaftLog(site, mode, on_integrity=on_integrity)

    return StoreAdapter(
        name=f"sqlite:{mode.name}",
        summary=f"a log in SQLite, journal_mode {mode.journal.name}, synchronous {mode.level.name}",
        factory=open_store,
        capabilities=frozenset(Capability) - _NOT_DECLARED,
    )


SQLITE_STORES: Final = MappingProxyType(
    {store.name: store for store in map(sqlite_store, SQLITE_MODES)}
)
"""SQLite in every mode, by name."""

SQLITE_LISTED: Final = tuple(
    f"sqlite:{mode}"
    for mode in ("delete-off", "delete-full", "delete-extra", "wal-off", "wal-normal", "wal-full")
)
"""Names of those that lists show: the modes on which SQLite's documentation commits itself."""


def require_apsw() -> None:
    """Require that SQLite can be loaded.

    Raises:
        ApswMissingError: the extra is not installed.
    """
    if find_spec("apsw") is None:
        raise ApswMissingError
