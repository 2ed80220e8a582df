"""A file with several users, closed by the last one.

A snapshot that is replaced while somebody streams it stays open until the stream ends. Left out:
opening.
"""

from __future__ import annotations

from wavetank.engine._directory import let_go
from wavetank.engine.filesystem import File
from wavetank.engine.runtime import Runtime

__all__ = ["SharedFile"]


class SharedFile:
    """A count of users around an open file; the maker is the first.

    Args:
        file: closed with the last user.
        runtime: where the lock for the count comes from.
    """

    __slots__ = ("_lock", "_users", "file")

    def __init__(self, file: File, runtime: Runtime) -> None:
        self.file = file
        self._lock = runtime.lock()
        self._users = 1

    def acquire(self) -> SharedFile:
        """Become one more user."""
        with self._lock:
            self._users += 1
        return self

    def release(self) -> None:
        """Stop being a user; once per user."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            let_go(self.file)
