"""Whether a store may be used: closed, poisoned, read-only, damaged; and how errors leave it.

Left out: any retry. After a failed write or sync the page cache and the disk may disagree, and only
recovery, which reads and rewrites, can tell.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from enum import Enum
from types import TracebackType
from typing import Final

from wavetank.engine.errors import (
    CorruptedError,
    StorageClosedError,
    StorageError,
    StorageForkedError,
    StorageIOError,
    StoragePoisonedError,
    StorageReadOnlyError,
)

__all__ = ["Health", "Mutation", "Part", "Reading", "io_error", "is_full_disk", "is_unreadable"]


_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_unreadable(error: OSError) -> bool:
    """Whether it says that the medium lost these bytes, and nothing about who asks for them."""
    return error.errno == errno.EIO


def is_full_disk(error: BaseException) -> bool:
    """Whether it says that there is no room: on the disk, for this user, or in this file."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


class Part(Enum):
    """What a store consists of; only a read-only one is open while a part of it is damaged."""

    STATE = "state"
    LOG = "log"
    SNAPSHOT = "snapshot"


def io_error(action: str, path: str, error: OSError) -> StorageIOError:
    """Return the typed error for a refusal by the filesystem; it names the file that was refused.

    Args:
        action: what was to be done.
        path: of the file, or of the directory where the filesystem does not say which file.
        error: what it said.
    """
    named = error.filename if isinstance(error.filename, str) else path
    return StorageIOError(error.errno, f"{action}: {error.strerror or error}", named)


class Health:
    """The store's condition, shared by its services.

    Args:
        read_only: the options forbid every change.
        process_id: returns the number of the process that asks.

    Attributes:
        closed: `close` has begun its last step.
        closing: `close` waits for the locks and wants long work to stop.
        cause: what poisoned the store, or None.
        read_only: the options forbid every change.
        damage: parts that cannot be read, and why.
    """

    def __init__(self, *, read_only: bool, process_id: Callable[[], int]) -> None:
        self._process_id = process_id
        self._opened_by = process_id()
        self.closed = False
        self.closing = False
        self.cause: BaseException | None = None
        self.read_only = read_only
        self.damage: Mapping[Part, CorruptedError] = {}

    @property
    def forked(self) -> bool:
        """Whether this process inherited the store from the one that opened it."""
        return self._process_id() != self._opened_by

    def require_open(self) -> None:
        """Raise `StorageForkedError` in a forked child, and `StorageClosedError` after close."""
        if self._process_id() != self._opened_by:
            raise StorageForkedError(
                f"the store was opened by process {self._opened_by} but process "
                f"{self._process_id()} inherited it through fork; close() it here, and open the "
                f"directory anew once the parent has closed it"
            )
        if self.closed:
            raise StorageClosedError("the store is closed")

    def require_readable(self, part: Part) -> None:
        """Raise if the store is closed, or this part of it is damaged."""
        self.require_open()
        damage = self.damage.get(part)
        if damage is not None:
            raise type(damage)(
                str(damage),
                path=damage.path,
                offset=damage.offset,
                index=damage.index,
                term=damage.term,
            ) from damage

    def require_writable(self) -> None:
        """Raise if the store is closed, read-only or poisoned."""
        if self.closed:
            raise StorageClosedError("the store is closed")
        if self.read_only:
            raise StorageReadOnlyError("the store was opened with read_only=True")
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
        return Mutation(self, action, path, counts=True)

    def preparation(self, action: str, path: str) -> Mutation:
        """Return a context for work on files that do not count yet.

        As `mutation`, but that a disk without room poisons nothing. The caller removes the files:
        room is what is wanted.
        """
        return Mutation(self, action, path, counts=False)


class Mutation:
    """A stretch of work after which, if it fails, the disk's content is unknown.

    If nothing of it counts yet, a refusal for want of room is none that anybody need recover from.
    An ``OSError`` leaves as `StorageIOError`. A typed refusal by the engine itself means that
    nothing was half done, and passes.
    """

    __slots__ = ("_action", "_counts", "_health", "_path")

    def __init__(self, health: Health, action: str, path: str, *, counts: bool) -> None:
        self._health = health
        self._action = action
        self._path = path
        self._counts = counts

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
        if self._counts or not is_full_disk(error):
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
