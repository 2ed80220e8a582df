"""A database opened in one mode, and what goes wrong in it as the engine's own errors.

The journal mode and the level are read back: SQLite passes silently over what it cannot do. Left
out: tables and what is in them (raft_log.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from posixpath import dirname, join
from typing import Final

from wavetank.engine import (
    CorruptedLogError,
    OpenFlag,
    StorageError,
    StorageIOError,
    StorageLockedError,
    UnsupportedFormatError,
)
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.sqlite.errors import JournalModeError
from wavetank.scenarios.stores.sqlite.modes import Journal, SqliteMode, SyncLevel
from wavetank.scenarios.stores.sqlite.vfs import SqliteVfs

# Behind vfs.py, which has a better error where apsw is missing.
import apsw  # isort: skip

__all__ = ["Database"]

_NAME: Final = "raft.db"
_DAMAGED: Final = (apsw.CorruptError, apsw.NotADBError)
# A quarter of SQLite's own choice: a page of few sectors has few ways to be torn, all tried.
_PAGE_BYTES: Final = 1024
_JOURNAL_SUFFIXES: Final = ("-journal", "-wal")
_LOCKED: Final = (apsw.BusyError, apsw.LockedError)


class Database:
    """A database in a site's directory; both are made if they are not there.

    Args:
        site: where.
        mode: journal and level.
        version: of the tables, as ``PRAGMA user_version``.
        schema: makes the tables.

    Raises:
        StorageError: as in `telling`.
        UnsupportedFormatError: tables of another version.
        JournalModeError: SQLite does not do what the mode asks for.
    """

    def __init__(self, site: Site, mode: SqliteMode, *, version: int, schema: str) -> None:
        self._fs = site.fs
        self._directory = site.directory.rstrip("/")
        self._mode = mode
        self._vfs = SqliteVfs(site.fs, site.runtime, self._directory, keeps_files=True)
        self._connection: apsw.Connection | None = None
        path = join(self._directory, _NAME)
        try:
            with self.telling("open the database"):
                self._open(path, version, schema)
        except BaseException:
            self.abandon()
            raise

    def __del__(self) -> None:
        # Who drops a store without closing it has lost its process: SQLite must not tidy up then.
        self.abandon()

    def abandon(self) -> None:
        """Let the database go without another write; what is on the disk stays as it is."""
        self._vfs.failure.end()
        if self._connection is not None:
            with suppress(BaseException):
                self._connection.close(force=True)
        with suppress(OSError):  # a descriptor is given back whatever its close reports
            self._vfs.release()

    def _open(self, path: str, version: int, schema: str) -> None:
        if self._exists(path):
            self._settle(path)
        else:
            self._make_directory()
        self._vfs.seed(path)
        self._connection = apsw.Connection(path, vfs=self._vfs.name)
        self._make_tables(self._set_level(), version, schema)
        self._set_journal()

    @property
    def connection(self) -> apsw.Connection:
        """SQLite's own."""
        assert self._connection is not None, "it has been opened"
        return self._connection

    @contextmanager
    def telling(self, action: str) -> Iterator[None]:
        """Tell what SQLite raises as the engine would, with the system's own error as the cause.

        Args:
            action: what is being done, for people.

        Raises:
            StorageIOError: the filesystem refused something.
            StorageLockedError: another connection is in the way.
            CorruptedLogError: the database is damaged.
            StorageError: whatever else SQLite says.
        """
        try:
            yield
        except StorageError:
            raise
        except (apsw.Error, OSError) as error:
            raise self._told(action, error) from self._refused(error)
        left = self._vfs.failure.take()
        # SQLite copes with some refusals: what they were for has been done in another way.
        if left is not None and not isinstance(left, OSError):
            raise left

    @contextmanager
    def transaction(self, action: str) -> Iterator[apsw.Connection]:
        """Run the block as one transaction: all of it happens or none; errors as in `telling`."""
        connection = self.connection
        with self.telling(action):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(apsw.Error, OSError):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the connection; under WAL, let the disk know that the WAL is gone."""
        with self.telling("close the database"):
            try:
                self.connection.close()
            finally:
                refused = self._vfs.failure.take()
                self._vfs.release()
            if refused is not None:
                raise refused
            if self._mode.journal is Journal.WAL and self._mode.level is not SyncLevel.OFF:
                # SQLite removes a WAL that it needs no more, and does not sync that.
                self._fs.fsync_dir(self._directory)

    def _exists(self, path: str) -> bool:
        with suppress(FileNotFoundError):
            self._fs.stat(path)
            return True
        return False

    def _make_directory(self) -> None:
        with suppress(FileExistsError):
            self._fs.mkdir(self._directory)
        self._fs.fsync_dir(dirname(self._directory) or "/")

    def _settle(self, path: str) -> None:
        """Make durable what an opened store is about to show.

        A process that was killed may have left a commit that no sync stands behind. SQLite shows
        it as it is; a node that has seen its vote must not lose it to a power cut after that.
        """
        if self._mode.level is SyncLevel.OFF:
            return
        for suffix in _JOURNAL_SUFFIXES:
            if self._exists(path + suffix):
                journal = self._fs.open(path + suffix, OpenFlag.READ)
                try:
                    journal.fsync()
                finally:
                    journal.close()
        self._fs.fsync_dir(self._directory)

    def _set_level(self) -> int:
        """Set the level, and return the version of the tables that are there; 0: none."""
        level = self._mode.level.value
        # Without shared memory, which the filesystem has not, WAL has to lock exclusively, and
        # that must be settled before the first look at the database.
        locking = "EXCLUSIVE" if self._mode.journal is Journal.WAL else "NORMAL"
        asked = (
            f"PRAGMA locking_mode = {locking}; PRAGMA synchronous = {level}; PRAGMA synchronous; "
            f"PRAGMA user_version"
        )
        locking_came, came, version = (row[0] for row in self.connection.execute(asked))
        if (came, locking_came.upper()) != (level, locking):
            raise JournalModeError(
                f"mode: expected synchronous {level} and locking {locking} but SQLite has set "
                f"{came} and {locking_came}"
            )
        return int(version)

    def _make_tables(self, came: int, version: int, schema: str) -> None:
        if came not in (0, version):
            raise UnsupportedFormatError(f"expected tables of version {version} but got {came}")
        if not came:
            self.connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            # Before WAL: a new page needs no journal, and fewer writes.
            with self.transaction("make the tables") as connection:
                connection.execute(f"{schema}; PRAGMA user_version = {version}")

    def _set_journal(self) -> None:
        journal = self._mode.journal.value
        came = self.connection.execute(f"PRAGMA journal_mode = {journal}").get
        if came != journal:
            raise JournalModeError(
                f"mode: expected journal {journal} but SQLite has set {came}; close what else has "
                f"the database open"
            )

    def _refused(self, error: Exception) -> Exception:
        refused = self._vfs.failure.take()
        if refused is not None and not isinstance(refused, Exception):
            raise refused
        return refused or error

    def _told(self, action: str, error: Exception) -> StorageError:
        refused = self._vfs.failure.first or error
        if isinstance(refused, OSError) and not isinstance(refused, BlockingIOError):
            named = refused.filename or self._directory
            return StorageIOError(refused.errno, f"{action}: {refused.strerror or refused}", named)
        text = f"{action}: {type(error).__name__}: {error}"
        if isinstance(error, _LOCKED):
            return StorageLockedError(f"{text}; close what else has the database open")
        if isinstance(error, _DAMAGED):
            return CorruptedLogError(f"{text}; restore it from a backup")
        return StorageError(text)
