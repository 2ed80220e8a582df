"""The public face of a Raft store: what a node calls, and what every backend provides.

Every operation takes ``timeout`` (seconds, for the locks it needs; None means the store's own
default) and ``cancel``; both are honoured until the first byte of log or state is written. What
each call promises, which errors it raises and in which order stands in docs/engine.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

from wavetank.engine.filesystem import Buffer
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata

__all__ = ["CancelToken", "SnapshotData", "Storage"]

SnapshotData: TypeAlias = Buffer | Iterable[bytes]
"""A snapshot's content: bytes, or chunks of it in order."""


class CancelToken(Protocol):
    """Anything that can say that the caller has lost interest; ``threading.Event`` fits.

    >>> from threading import Event
    >>> token = Event()
    >>> token.set()
    >>> store.load_state(cancel=token)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    wavetank.engine.errors.OperationCancelledError: the cancel token was set before ...
    """

    def is_set(self) -> bool:
        """Whether the operation should stop."""
        ...


class Storage(Protocol):
    """A durable Raft store.

    Every operation takes `timeout`, seconds for each lock that it needs (None: the store's own
    default), and `cancel`, a token. Beside the errors named at each operation it raises
    `LockTimeoutError`, `OperationCancelledError`, `StorageClosedError` and `StorageIOError`, and
    ``TypeError`` for arguments of another type.
    """

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace term and vote, atomically; durable on return.

        Args:
            state: the term, and whom this node has voted for in it.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set before anything is written.

        Raises:
            StateRegressionError: a lower term, or a vote of this term changed or withdrawn.
        """
        ...

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """Return term and vote; term 0 and no vote if never saved.

        Args:
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set.

        Raises:
            CorruptedStateError: nothing intact is there.
        """
        ...

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Add a batch behind the last entry, all or nothing; durable on return.

        Args:
            entries: at least one, with contiguous indices and terms that never fall.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set before anything is written.

        Raises:
            EmptyEntriesError: no entries.
            OutOfOrderEntriesError: a gap or a repeat inside the batch, or a falling term.
            NonContiguousEntriesError: the batch does not begin behind the last entry.
            EntryTooLargeError: a command beyond the store's limit.
        """
        ...

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Sequence[LogEntry]:
        """Return the entries with ``start <= index < end``, all of them.

        Args:
            start: index of the first entry.
            end: index behind the last one.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set.

        Raises:
            InvalidLogRangeError: ``start >= end``.
            IndexOutOfRangeError: some part of the range lies outside the log.
            CorruptedLogError: an entry is not what was written.
        """
        ...

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """Return one entry.

        Args:
            index: of the entry.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set.

        Raises:
            EntryNotFoundError: compacted away, or beyond the end.
            CorruptedLogError: the entry is not what was written.
        """
        ...

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries from `index` on; durable on return.

        Args:
            index: of the first entry to remove.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set before anything is written.

        Raises:
            IndexOutOfRangeError: more than one beyond the last entry.
            EntryConflictError: at or under the snapshot's index.
        """
        ...

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries before `index`, keeping as many as the options ask for.

        Args:
            index: of the first entry that need not go.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set before the new log counts.

        Raises:
            IndexOutOfRangeError: more than one beyond the last entry.
            NoSnapshotError: no snapshot covers them, and the options ask for one.
            SnapshotOutOfDateError: the snapshot covers only a part of them.
        """
        ...

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace the snapshot, metadata and data as one unit; durable on return.

        Args:
            metadata: the last log entry that the snapshot stands for.
            data: its content: bytes, or chunks of it in order.
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set before all of the data is written.

        Raises:
            ValueError: index 0.
            SnapshotOutOfDateError: older than the current snapshot.
            SnapshotMismatchError: the current snapshot's index with another term.
        """
        ...

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """Return the snapshot's metadata and all of its data, verified.

        Args:
            timeout: seconds to wait for each lock.
            cancel: ends the call if it is set.

        Raises:
            NoSnapshotError: there is none.
            CorruptedSnapshotError: the data is not what was saved.
        """
        ...

    @property
    def first_log_index(self) -> int:
        """Index of the first entry; base + 1 for an empty log.

        Raises:
            StorageClosedError: after `close`.
        """
        ...

    @property
    def last_log_index(self) -> int:
        """Index of the last entry; the base for an empty log.

        Raises:
            StorageClosedError: after `close`.
        """
        ...

    @property
    def last_log_term(self) -> int:
        """Term of the last entry; the base's for an empty log.

        Raises:
            StorageClosedError: after `close`.
        """
        ...

    def log_bounds(self) -> LogBounds:
        """Return all bounds as one value, without I/O.

        Raises:
            StorageClosedError: after `close`.
        """
        ...

    def close(self) -> None:
        """Finish background work, make everything durable, release the directory.

        Raises:
            LockTimeoutError: another call still runs; the store stays open.
            StorageIOError: the filesystem refused; the store is closed, but not cleanly.
        """
        ...
