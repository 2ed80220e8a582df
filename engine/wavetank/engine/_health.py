"""Whether a store may still be used: closed, poisoned, or neither; and how errors leave it.

Left out: any retry. After a failed write or sync the page cache and the disk may disagree, and only
recovery, which reads and rewrites, can tell.
"""

from __future__ import annotations

from types import TracebackType

from wavetank.engine.errors import (
    StorageClosedError,
    StorageError,
    StorageIOError,
    StoragePoisonedError,
)

__all__ = ["Health", "Mutation", "Reading", "io_error"]


def io_error(action: str, path: str, error: OSError) -> StorageIOError:
    """Return the typed error for a refusal by the filesystem."""
    return StorageIOError(error.errno, f"{action}: {error.strerror or error}", path)


class Health:
    """The store's condition, shared by its services.

    Attributes:
        closed: `close` has begun its last step.
        closing: `close` waits for the locks and wants long work to stop.
        cause: what poisoned the store, or None.
    """

    def __init__(self) -> None:
        self.closed = False
        self.closing = False
        self.cause: BaseException | None = None

    def require_open(self) -> None:
        """Raise `StorageClosedError` after close."""
        if self.closed:
            raise StorageClosedError("the store is closed")

    def require_writable(self) -> None:
        """Raise if the store is closed or poisoned."""
        if self.closed:
            raise StorageClosedError("the store is closed")
        if self.cause is not None:
            raise StoragePoisonedError(
                f"an earlier write or sync failed ({self.cause}); reopen the store"
            ) from self.cause

    def poison(self, cause: BaseException) -> None:
        """Refuse every later change; the first cause is kept."""
        if self.cause is None:
            self.cause = cause

    def mutation(self, action: str, path: str) -> Mutation:
        """Return a context in which any failure poisons the store."""
        return Mutation(self, action, path)


class Mutation:
    """A stretch of work after which, if it fails, the disk's content is unknown.

    An ``OSError`` leaves as `StorageIOError`. A typed refusal by the engine itself means that
    nothing was half done, and passes.
    """

    __slots__ = ("_action", "_health", "_path")

    def __init__(self, health: Health, action: str, path: str) -> None:
        self._health = health
        self._action = action
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or (
            isinstance(error, StorageError) and not isinstance(error, StorageIOError)
        ):
            return
        self._health.poison(error)
        if isinstance(error, OSError) and not isinstance(error, StorageIOError):
            raise io_error(self._action, self._path, error) from error


class Reading:
    """A stretch of work that changes nothing: an ``OSError`` leaves as `StorageIOError`."""

    __slots__ = ("_action", "_path")

    def __init__(self, action: str, path: str) -> None:
        self._action = action
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise io_error(self._action, self._path, error) from error
