"""SQLite's five lock levels on one file, for all connections of one VFS.

Between connections of one VFS the levels mean what SQLite's documentation says. Between two VFSes,
which stand for two processes, the filesystem has only one kind of lock, so that any level of one
keeps the other out: stricter than SQLite asks for, and never looser.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from wavetank.engine import File

__all__ = ["FileLocks", "Level"]


class Level(IntEnum):
    """SQLite's lock levels, by SQLite's own numbers."""

    NONE = 0
    SHARED = 1
    RESERVED = 2
    PENDING = 3
    EXCLUSIVE = 4


class FileLocks:
    """Who has which lock on one file.

    Args:
        open_guard: opens the file once more, to lock it against other processes.
        keeps_guard: whether other processes stay locked out until `release`, also while no
            connection has a lock.
    """

    __slots__ = ("_guard", "_held", "_keeps_guard", "_open_guard")

    def __init__(self, open_guard: Callable[[], File], *, keeps_guard: bool) -> None:
        self._open_guard = open_guard
        self._keeps_guard = keeps_guard
        self._guard: File | None = None
        self._held: dict[object, Level] = {}

    @property
    def reserved(self) -> bool:
        """Whether a connection is about to write."""
        return any(level >= Level.RESERVED for level in self._held.values())

    def raise_to(self, owner: object, wanted: Level) -> bool:
        """Give a connection a higher level; False if others stand in the way.

        A connection that wants EXCLUSIVE and has to wait for readers keeps PENDING, so that no new
        reader comes in.

        Raises:
            OSError: the filesystem does not lock; ``BlockingIOError`` if another process has it.
        """
        held = self._held.get(owner, Level.NONE)
        if held >= wanted:
            return True
        others = [level for other, level in self._held.items() if other is not owner]
        highest = max(others, default=Level.NONE)
        if wanted is Level.SHARED:
            if highest >= Level.PENDING:
                return False
            self._lock_guard()
        elif highest >= Level.RESERVED:
            return False
        elif wanted is Level.EXCLUSIVE and others:
            self._held[owner] = Level.PENDING
            return False
        self._held[owner] = wanted
        return True

    def lower_to(self, owner: object, wanted: Level) -> None:
        """Take a connection down to SHARED or NONE."""
        if wanted is Level.NONE:
            self._held.pop(owner, None)
            if not self._held and not self._keeps_guard:
                self.release()
        elif self._held.get(owner, Level.NONE) > wanted:
            self._held[owner] = wanted

    def release(self) -> None:
        """Let other processes have the file."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.close()

    def _lock_guard(self) -> None:
        if self._guard is not None:
            return
        guard = self._open_guard()
        try:
            guard.lock()
        except BaseException:
            guard.close()
            raise
        self._guard = guard
