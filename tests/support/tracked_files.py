"""`TrackedOsFileSystem`: the real filesystem, whose files are closed at the end of a test.

A real file that is dropped without `close` warns, and a warning fails the test. Where a test is
about something else than closing, it uses this one.
"""

from __future__ import annotations

from wavetank.engine import File, OpenFlag, OsFileSystem

__all__ = ["TrackedOsFileSystem"]


class TrackedOsFileSystem(OsFileSystem):
    """The machine's filesystem, which remembers what it has opened."""

    def __init__(self) -> None:
        self._files: list[File] = []

    def open(self, path: str, flags: OpenFlag) -> File:
        """See `OsFileSystem.open`."""
        file = super().open(path, flags)
        self._files.append(file)
        return file

    def close_all(self) -> None:
        """Close what is still open."""
        while self._files:
            self._files.pop().close()
