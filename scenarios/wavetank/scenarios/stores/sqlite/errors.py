"""The errors of this package; what else a store raises are the engine's own.

::

    ImportError
    └── ApswMissingError              SQLite itself is not there
    StorageError
    └── JournalModeError (RuntimeError)  SQLite would not do what the store's mode asks for
"""

from __future__ import annotations

from wavetank.engine import StorageError

__all__ = ["ApswMissingError", "JournalModeError"]


class ApswMissingError(ImportError):
    """The package apsw, which brings SQLite, is not installed.

    Common cause: wavetank was installed without its extra ``sqlite``.
    """

    def __init__(self) -> None:
        super().__init__(
            "expected the package apsw, which brings SQLite, but it is not installed; "
            "python -m pip install 'wavetank[sqlite]'",
            name="apsw",
        )


class JournalModeError(StorageError, RuntimeError):
    """SQLite has set another journal mode or level than it was asked for.

    Common causes: WAL without shared memory and without exclusive locking; another connection that
    has the database open.
    """
