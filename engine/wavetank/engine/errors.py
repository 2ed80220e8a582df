"""Every error the engine raises, one root, and the fitting builtin beside it.

::

    StorageError
    ├── StorageIOError (OSError)              the filesystem refused; the cause is chained
    │   └── StoragePoisonedError              a write or sync failed earlier; reopen the store
    ├── NotInitializedError (RuntimeError)    the directory holds no store and may not get one
    ├── StorageClosedError (RuntimeError)     used after close()
    ├── StorageForkedError (RuntimeError)     inherited through fork; the child opens its own
    ├── StorageReadOnlyError (PermissionError) a change to a store opened with read_only
    ├── StorageLockedError (OSError)          another process or instance has the directory
    ├── LockTimeoutError (TimeoutError)       a lock was not free in time
    ├── OperationCancelledError               the caller's cancel token was set
    ├── UnsupportedFormatError (ValueError)   a file of a newer or unknown format version
    ├── StateRegressionError (ValueError)     term or vote would go back
    ├── LogError
    │   ├── EmptyEntriesError (ValueError)
    │   ├── OutOfOrderEntriesError (ValueError)
    │   ├── NonContiguousEntriesError (ValueError)
    │   ├── EntryTooLargeError (ValueError)
    │   ├── EntryConflictError (ValueError)
    │   ├── InvalidLogRangeError (ValueError)
    │   ├── IndexOutOfRangeError (IndexError)
    │   └── EntryNotFoundError (LookupError)
    ├── SnapshotError
    │   ├── NoSnapshotError (LookupError)
    │   ├── SnapshotOutOfDateError (ValueError)
    │   └── SnapshotMismatchError (ValueError)
    └── CorruptedError                        what is on disk is not what was written
        ├── CorruptedStateError
        ├── CorruptedLogError
        │   └── InvalidOffsetError (LogError, ValueError)
        └── CorruptedSnapshotError

Wrong types raise ``TypeError`` and values out of range ``ValueError``, both plain, naming the
argument, what was expected and what came.
"""

from __future__ import annotations

__all__ = [
    "CorruptedError",
    "CorruptedLogError",
    "CorruptedSnapshotError",
    "CorruptedStateError",
    "EmptyEntriesError",
    "EntryConflictError",
    "EntryNotFoundError",
    "EntryTooLargeError",
    "IndexOutOfRangeError",
    "InvalidLogRangeError",
    "InvalidOffsetError",
    "LockTimeoutError",
    "LogError",
    "NoSnapshotError",
    "NonContiguousEntriesError",
    "NotInitializedError",
    "OperationCancelledError",
    "OutOfOrderEntriesError",
    "SnapshotError",
    "SnapshotMismatchError",
    "SnapshotOutOfDateError",
    "StateRegressionError",
    "StorageClosedError",
    "StorageError",
    "StorageForkedError",
    "StorageIOError",
    "StorageLockedError",
    "StoragePoisonedError",
    "StorageReadOnlyError",
    "UnsupportedFormatError",
]


class StorageError(Exception):
    """Root of everything the engine raises on purpose.

    >>> try:
    ...     store.load_snapshot()
    ... except StorageError as error:
    ...     print(type(error).__name__, isinstance(error, LookupError))
    NoSnapshotError True
    """


class StorageIOError(StorageError, OSError):
    """The filesystem refused an operation; ``__cause__`` is the original ``OSError``.

    Common causes: a full disk, a failing device, missing permissions.
    """


class StoragePoisonedError(StorageIOError):
    """An earlier write or sync failed, so nothing more is acknowledged until the store is reopened.

    After a failed fsync the page cache and the disk may disagree; retrying would hide the loss.
    """


class NotInitializedError(StorageError, RuntimeError):
    """The directory holds no store, and the options (``read_only``) forbid making one."""


class StorageClosedError(StorageError, RuntimeError):
    """The store was used after ``close()``."""


class StorageForkedError(StorageError, RuntimeError):
    """The store was opened by another process, and this one inherited it through ``os.fork``.

    Both would write to the same files under one lock, so only the process that opened the store
    may use it. Raised before anything is touched. A child can only ``close()`` what it inherited,
    which releases its own descriptors; to use the directory it opens a store of its own, once the
    parent has closed its.
    """


class StorageReadOnlyError(StorageError, PermissionError):
    """A change was asked of a store that was opened with ``read_only``; nothing was changed."""


class StorageLockedError(StorageError, OSError):
    """Another process, or another instance in this one, holds the directory."""


class LockTimeoutError(StorageError, TimeoutError):
    """A lock was not free within the timeout; nothing was changed."""


class OperationCancelledError(StorageError):
    """The caller's cancel token was set before anything was written."""


class UnsupportedFormatError(StorageError, ValueError):
    """A file carries a format version that this release does not know; it is left untouched."""


class StateRegressionError(StorageError, ValueError):
    """The new state has a lower term, or changes or withdraws the vote within the term."""


class LogError(StorageError):
    """Root of the errors about log entries and indices."""


class EmptyEntriesError(LogError, ValueError):
    """An append of no entries."""


class OutOfOrderEntriesError(LogError, ValueError):
    """A gap or a repeated index inside one batch, or a term lower than the one before."""


class NonContiguousEntriesError(LogError, ValueError):
    """The batch does not begin right behind the last entry of the log."""


class EntryTooLargeError(LogError, ValueError):
    """An entry's command is larger than ``max_entry_size``."""


class EntryConflictError(LogError, ValueError):
    """A suffix truncation would remove entries that a snapshot has committed."""


class InvalidLogRangeError(LogError, ValueError):
    """A range with ``start >= end``."""


class IndexOutOfRangeError(LogError, IndexError):
    """Some part of the request lies outside the log."""


class EntryNotFoundError(LogError, LookupError):
    """No entry at this index: compacted away, or beyond the end."""


class SnapshotError(StorageError):
    """Root of the errors about snapshots."""


class NoSnapshotError(SnapshotError, LookupError):
    """There is no snapshot."""


class SnapshotOutOfDateError(SnapshotError, ValueError):
    """The snapshot is older than what the operation needs."""


class SnapshotMismatchError(SnapshotError, ValueError):
    """A snapshot of the same index but another term is already there."""


class CorruptedError(StorageError):
    """What is on disk is not what was written.

    Args:
        message: what was expected, where, what came, and how to go on.
        path: the damaged file, or None.
        offset: the first damaged byte in it, or None.
        index: the first log index lost, or None.
        term: the term of that index where it is still legible, or None.
        ambiguous: whether the damage may also be an unacknowledged torn tail.

    >>> CorruptedLogError("no intact header", path="/store/log.dat", offset=0).offset
    0
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        offset: int | None = None,
        index: int | None = None,
        term: int | None = None,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset
        self.index = index
        self.term = term
        self.ambiguous = ambiguous


class CorruptedStateError(CorruptedError):
    """No intact copy of the term and vote exists."""


class CorruptedLogError(CorruptedError):
    """Acknowledged log entries are unreadable; nothing was cut."""


class InvalidOffsetError(CorruptedLogError, LogError, ValueError):
    """An index maps to a place in log.dat that is not there: the file was cut short meanwhile."""


class CorruptedSnapshotError(CorruptedError):
    """The snapshot's metadata or data is damaged or missing."""
