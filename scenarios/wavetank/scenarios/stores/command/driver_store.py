"""A driver as a store: each call of the suite is one request, each answer its return or error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from wavetank.engine import (
    EntryNotFoundError,
    LogEntry,
    PersistentState,
    SnapshotData,
    SnapshotMetadata,
    StorageClosedError,
)
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.command.driver_process import DriverProcess
from wavetank.scenarios.stores.command.errors import DriverAnswerError
from wavetank.scenarios.stores.command.protocol import (
    Answer,
    bytes_of,
    capabilities_in,
    entry_words,
)

__all__ = ["DriverStore"]

_Answered = TypeVar("_Answered")


class DriverStore:
    """The store of a driver that runs.

    Args:
        process: the driver, just started.

    Attributes:
        declared: the capabilities that the driver names.

    Raises:
        StorageError: the store does not open; the error is the driver's.
        DriverError: the driver does not answer as it should; it has been killed.
    """

    def __init__(self, process: DriverProcess) -> None:
        self._process = process
        self._is_closed = False
        line = process.first_line()
        try:
            self.declared: frozenset[Capability] = capabilities_in(line)
        except BaseException:
            process.kill()
            raise

    def save_state(self, state: PersistentState) -> None:
        """See `Storage.save_state`."""
        vote = bytes_of(state.voted_for.encode("utf-8"))
        self._ask(f"save-state {state.current_term} {vote}", Answer.nothing)

    def load_state(self) -> PersistentState:
        """See `Storage.load_state`."""
        return self._ask("load-state", Answer.state)

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        """See `Storage.append_log_entries`."""
        self._ask(f"append {entry_words(entries)}".rstrip(), Answer.nothing)

    def get_log_entries(self, start: int, end: int) -> tuple[LogEntry, ...]:
        """See `Storage.get_log_entries`."""
        return self._ask(f"read {start} {end}", Answer.entries)

    def get_log_entries_limited(self, start: int, end: int, max_bytes: int) -> tuple[LogEntry, ...]:
        """Return entries with ``start <= index < end``: one, and more up to so many bytes."""
        return self._ask(f"read-limited {start} {end} {max_bytes}", Answer.entries)

    def get_log_entry(self, index: int) -> LogEntry:
        """See `Storage.get_log_entry`; a range of one."""
        found = self.get_log_entries(index, index + 1)
        if not found:
            raise EntryNotFoundError(f"index: expected one in the log but got {index}")
        return found[0]

    def truncate_log_suffix(self, index: int) -> None:
        """See `Storage.truncate_log_suffix`."""
        self._ask(f"truncate-suffix {index}", Answer.nothing)

    def truncate_log_prefix(self, index: int) -> None:
        """See `Storage.truncate_log_prefix`."""
        self._ask(f"truncate-prefix {index}", Answer.nothing)

    def save_snapshot(self, metadata: SnapshotMetadata, data: SnapshotData) -> None:
        """See `Storage.save_snapshot`."""
        whole = data if isinstance(data, (bytes, bytearray, memoryview)) else b"".join(data)
        place = f"{metadata.last_included_index} {metadata.last_included_term}"
        self._ask(f"save-snapshot {place} {bytes_of(bytes(whole))}", Answer.nothing)

    def load_snapshot(self) -> tuple[SnapshotMetadata, bytes]:
        """See `Storage.load_snapshot`."""
        return self._ask("load-snapshot", Answer.snapshot)

    @property
    def first_log_index(self) -> int:
        """See `Storage.first_log_index`."""
        return self._bounds()[0]

    @property
    def last_log_index(self) -> int:
        """See `Storage.last_log_index`."""
        return self._bounds()[1]

    @property
    def is_over(self) -> bool:
        """Whether its driver has ended or was killed."""
        return self._process.is_over

    def close(self) -> None:
        """Let the driver close its store and end; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            Answer.of("close", self._process.ask("close")).nothing()
            self._process.end()
        finally:
            self._process.kill()

    def kill(self) -> None:
        """Kill the driver, as `SIGKILL` does, and all that it has started."""
        self._process.kill()

    def _bounds(self) -> list[int]:
        return self._ask("bounds", lambda answer: answer.numbers(2))

    def _ask(self, request: str, read: Callable[[Answer], _Answered]) -> _Answered:
        if self._is_closed:
            raise StorageClosedError("expected a store that is open but it has been closed")
        line = self._process.ask(request)
        try:
            return read(Answer.of(request.partition(" ")[0], line))
        except DriverAnswerError:
            self._process.kill()
            raise
