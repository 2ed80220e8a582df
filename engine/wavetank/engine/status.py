"""Whether a store may be used (closed, poisoned, read-only, forked, damaged), and its I/O errors.

After a failed write or sync the page cache and the disk may disagree, and only recovery, which
reads and rewrites, can tell. So nothing is retried: the store is poisoned, and refuses every later
change.
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

__all__ = [
    "Part",
    "PoisonOnError",
    "StoreStatus",
    "TranslateErrors",
    "io_error",
    "is_full_disk",
    "is_unreadable",
]

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_unreadable(error: OSError) -> bool:
    """Whether the medium lost these bytes (EIO); says nothing about who asks for them."""
    return error.errno == errno.EIO


def is_full_disk(error: BaseException) -> bool:
    """Whether there is no room: on the disk, for this user, or in this file."""
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


class StoreStatus:
    """Whether the store may be read and changed; shared by its parts.

    Args:
        read_only: the options forbid every change.
        process_id: returns the number of the process that asks.

    Attributes:
        closing: `close` waits for the locks and wants long work to stop.
        closed: `close` has begun its last step.
        cause: what poisoned the store, or None.
        writable: neither closed, read-only nor poisoned; one attribute, so that a change costs one
            look.
        damage: parts that cannot be read, and why.
    """

    __slots__ = (
        "_failed_action",
        "_owner",
        "_process_id",
        "cause",
        "closed",
        "closing",
        "damage",
        "read_only",
        "writable",
    )

    def __init__(self, *, read_only: bool, process_id: Callable[[], int]) -> None:
        self.read_only = read_only
        self.closing = False
        self.closed = False
        self.writable = not read_only
        self.cause: BaseException | None = None
        self.damage: Mapping[Part, CorruptedError] = {}
        self._failed_action = ""
        self._process_id = process_id
        self._owner = process_id()

    @property
    def inherited(self) -> bool:
        """Whether this process got the store from its parent by ``fork``."""
        return self._process_id() != self._owner

    def require_open(self) -> None:
        """Raise `StorageForkedError` in a forked child, and `StorageClosedError` after close.

        The fork is checked before any lock is taken: the parent may have held one at that moment.
        """
        if self._process_id() != self._owner:
            raise StorageForkedError(
                f"the store was opened by process {self._owner} but process {self._process_id()} "
                "inherited it through fork; close() it here, and open the directory anew once the "
                "parent has closed it"
            )
        if self.closed:
            raise StorageClosedError("the store is closed")

    def require_readable(self, part: Part) -> None:
        """Raise if the store is closed, or this part of it is damaged."""
        if self.closed:
            raise StorageClosedError("the store is closed")
        damage = self.damage.get(part) if self.damage else None
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
        if self.writable:
            return
        if self.closed:
            raise StorageClosedError("the store is closed")
        if self.read_only:
            raise StorageReadOnlyError("the store was opened with read_only=True")
        raise StoragePoisonedError(
            f"an earlier {self._failed_action} failed ({_described(self.cause)}); reopen the store"
        ) from self.cause

    def close(self) -> None:
        """Refuse every later call."""
        self.closed = True
        self.writable = False

    def poison(self, action: str, error: BaseException) -> None:
        """Refuse every later change.

        Args:
            action: what failed half way.
            error: what ended it; the first one is kept as the cause.
        """
        if self.cause is None:
            self.cause = error
            self._failed_action = action
            self.writable = False

    def poison_on_error(self, action: str, path: str) -> PoisonOnError:
        """Return a context for work that counts: any failure in it poisons the store."""
        return PoisonOnError(self, action, path, counts=True)

    def preparing(self, action: str, path: str) -> PoisonOnError:
        """Return a context for work on files that do not count yet.

        Only a write or sync that fails for another reason than room poisons the store: the device
        is failing. The caller removes the files.
        """
        return PoisonOnError(self, action, path, counts=False)


class PoisonOnError:
    """A stretch of work after which, if it fails, the disk's content is unknown.

    An ``OSError`` leaves as `StorageIOError`. A typed refusal by the engine itself (or a read that
    was refused, which is typed where it happens) means that nothing was half done, and passes.
    """

    __slots__ = ("_action", "_counts", "_path", "_status")

    def __init__(self, status: StoreStatus, action: str, path: str, *, counts: bool) -> None:
        self._status = status
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
        if error is None or isinstance(error, StorageError):
            return
        if self._counts or (isinstance(error, OSError) and not is_full_disk(error)):
            self._status.poison(self._action, error)
        if isinstance(error, OSError):
            raise io_error(self._action, self._path, error) from error


class TranslateErrors:
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


def _described(error: BaseException | None) -> str:
    """Return what went wrong, for errors without a text (such as KeyboardInterrupt) by name."""
    return str(error) or type(error).__name__
