"""A store of few methods made into a whole `Storage`, for the checks and the oracle.

A third party writes `append_log_entries`, `get_log_entries`, `first_log_index`, `last_log_index`
and `close`, and what belongs to its capabilities; everything else is answered from these. Errors
that are no `StorageError` are told as a `BackendError` unless the store declares typed errors, so
that whoever judges can tell a refusal from a bug in the testbed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar, cast

from wavetank.engine import (
    Buffer,
    CancelToken,
    EntryNotFoundError,
    LogBounds,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    SnapshotData,
    SnapshotMetadata,
    Storage,
    StorageError,
)
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["BackendError", "CompletedStore", "MissingMethodError", "completed", "translating"]

_Result = TypeVar("_Result")
_METHODS = (
    *("save_state", "load_state", "append_log_entries", "get_log_entries", "get_log_entry"),
    *("truncate_log_suffix", "truncate_log_prefix", "save_snapshot", "load_snapshot"),
    *("first_log_index", "last_log_index", "last_log_term", "log_bounds", "close"),
)


class BackendError(StorageError):
    """A store under test raised an error of its own; it is the cause."""


class MissingMethodError(TypeError):
    """A store declares a capability and has not the method for it."""


def completed(
    store: object,
    capabilities: frozenset[Capability],
    inside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Storage:
    """Return a store with every method of `Storage`.

    Args:
        store: the store of a third party.
        capabilities: what it declares.
        inside: makes the context in which each of its methods runs.
    """
    if (
        inside is nullcontext
        and Capability.TYPED_ERRORS in capabilities
        and all(hasattr(type(store), name) for name in _METHODS)
    ):
        return cast("Storage", store)
    return CompletedStore(store, capabilities, inside)


class CompletedStore:
    """A store of few methods as a `Storage`; `timeout` and `cancel` are passed on if given.

    Args:
        store: with the methods that its capabilities need.
        capabilities: what it declares.
        inside: makes the context in which each of its methods runs.
    """

    def __init__(
        self,
        store: object,
        capabilities: frozenset[Capability],
        inside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._store = store
        self._capabilities = capabilities
        self._inside = inside

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.save_state`."""
        self._call("save_state", state, **_given(timeout, cancel))

    def load_state(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> PersistentState:
        """See `Storage.load_state`; a store without votes is at term 0."""
        if Capability.VOTES not in self._capabilities:
            return PersistentState(0, "")
        return cast("PersistentState", self._call("load_state", **_given(timeout, cancel)))

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.append_log_entries`."""
        self._call("append_log_entries", entries, **_given(timeout, cancel))

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Sequence[LogEntry]:
        """See `Storage.get_log_entries`."""
        came = self._call("get_log_entries", start, end, **_given(timeout, cancel))
        return self._translated(lambda: tuple(cast("Sequence[LogEntry]", came)))

    def get_log_entries_limited(self, start: int, end: int, max_bytes: int) -> Sequence[LogEntry]:
        """Return what the store returns for a read of at most so many bytes."""
        came = self._call("get_log_entries_limited", start, end, max_bytes)
        return self._translated(lambda: tuple(cast("Sequence[LogEntry]", came)))

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        """See `Storage.get_log_entry`; by way of a range if the store has no such method."""
        if self._has("get_log_entry"):
            try:
                return cast(
                    "LogEntry", self._call("get_log_entry", index, **_given(timeout, cancel))
                )
            except BackendError as error:
                if not self.first_log_index <= index <= self.last_log_index:
                    raise EntryNotFoundError(str(error)) from error
                raise
        first, last = self.first_log_index, self.last_log_index
        if not first <= index <= last:
            raise EntryNotFoundError(f"index: expected {first} <= index <= {last} but got {index}")
        return self.get_log_entries(index, index + 1, timeout=timeout, cancel=cancel)[0]

    def truncate_log_suffix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """See `Storage.truncate_log_suffix`."""
        self._call("truncate_log_suffix", index, **_given(timeout, cancel))

    def truncate_log_prefix(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """See `Storage.truncate_log_prefix`."""
        self._call("truncate_log_prefix", index, **_given(timeout, cancel))

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See `Storage.save_snapshot`."""
        self._call("save_snapshot", metadata, data, **_given(timeout, cancel))

    def load_snapshot(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[SnapshotMetadata, bytes]:
        """See `Storage.load_snapshot`; a store without snapshots has none."""
        if Capability.SNAPSHOTS not in self._capabilities:
            raise NoSnapshotError("the store declares no snapshots")
        try:
            came = self._call("load_snapshot", **_given(timeout, cancel))
        except BackendError as error:
            if isinstance(error.__cause__, (LookupError, FileNotFoundError)):
                raise NoSnapshotError(str(error)) from error
            raise
        if came is None:
            raise NoSnapshotError("load_snapshot returned None")
        metadata, data = cast("tuple[SnapshotMetadata, Buffer]", came)
        return metadata, bytes(data)

    @property
    def first_log_index(self) -> int:
        """See `Storage.first_log_index`."""
        return cast("int", self._value("first_log_index"))

    @property
    def last_log_index(self) -> int:
        """See `Storage.last_log_index`."""
        return cast("int", self._value("last_log_index"))

    @property
    def last_log_term(self) -> int:
        """See `Storage.last_log_term`; that of the last entry if the store does not say."""
        if self._has("last_log_term"):
            return cast("int", self._value("last_log_term"))
        last = self.last_log_index
        return self.get_log_entry(last).term if last >= self.first_log_index else 0

    def log_bounds(self) -> LogBounds:
        """See `Storage.log_bounds`."""
        if self._has("log_bounds"):
            return cast("LogBounds", self._call("log_bounds"))
        return LogBounds(
            first_index=self.first_log_index,
            last_index=self.last_log_index,
            last_term=self.last_log_term,
        )

    def close(self) -> None:
        """See `Storage.close`."""
        self._call("close")

    def _call(self, name: str, *arguments: object, **options: object) -> object:
        method = getattr(self._store, name, None)
        if method is None:
            raise MissingMethodError(
                f"{type(self._store).__name__}: expected a method {name}, which its capabilities "
                f"call for, but it has none; write it, or declare less"
            )
        return self._translated(lambda: method(*arguments, **options))

    def _value(self, name: str) -> object:
        """Return an attribute, a property, or what a method of that name returns."""
        if not self._has(name):
            raise MissingMethodError(f"{type(self._store).__name__}: expected a property {name}")
        found = self._translated(lambda: getattr(self._store, name))
        return self._translated(found) if callable(found) else found

    def _has(self, name: str) -> bool:
        """Whether the store has an attribute; to look for one may run its code, inside."""
        with self._inside():
            return hasattr(type(self._store), name) or hasattr(self._store, name)

    def _translated(self, act: Callable[[], _Result]) -> _Result:
        with translating(typed=Capability.TYPED_ERRORS in self._capabilities), self._inside():
            return act()


@contextmanager
def translating(*, typed: bool) -> Iterator[None]:
    """Tell errors that are no `StorageError` as a `BackendError`, unless they are to be `typed`."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        if typed:
            raise
        raise BackendError(f"{type(error).__name__}: {error}") from error


def _given(timeout: float | None, cancel: CancelToken | None) -> dict[str, object]:
    options: dict[str, object] = {"timeout": timeout, "cancel": cancel}
    return {name: value for name, value in options.items() if value is not None}
