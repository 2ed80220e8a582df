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
    """Anything that can say that the caller has lost interest; ``threading.Event`` fits."""

    def is_set(self) -> bool:
        """Whether the operation should stop."""
        ...


class Storage(Protocol):
    """A durable Raft store."""

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace term and vote, atomically; durable on return."""
        ...

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """Return term and vote; term 0 and no vote if never saved."""
        ...

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Add a batch behind the last entry, all or nothing; durable on return."""
        ...

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Sequence[LogEntry]:
        """Return the entries with ``start <= index < end``, all of them."""
        ...

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """Return one entry."""
        ...

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries from `index` on; durable on return."""
        ...

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Remove the entries before `index`, keeping as many as the options ask for."""
        ...

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Replace the snapshot, metadata and data as one unit; durable on return."""
        ...

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """Return the snapshot."""
        ...

    @property
    def first_log_index(self) -> int:
        """Index of the first entry; base + 1 for an empty log."""
        ...

    @property
    def last_log_index(self) -> int:
        """Index of the last entry; the base for an empty log."""
        ...

    @property
    def last_log_term(self) -> int:
        """Term of the last entry; the base's for an empty log."""
        ...

    def log_bounds(self) -> LogBounds:
        """Return all bounds as one value, without I/O."""
        ...

    def close(self) -> None:
        """Finish background work, make everything durable, release the directory."""
        ...
