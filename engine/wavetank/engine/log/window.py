"""A forward-moving window over a file, so that walking small frames does not cost a read each.

Left out: writing, and going back cheaply.
"""

from __future__ import annotations

from wavetank.engine.directory import read_at
from wavetank.engine.filesystem import File
from wavetank.engine.status import is_unreadable

__all__ = ["Window"]


class Window:
    """Reads ahead up to a chunk, never beyond a limit.

    Args:
        file: what is read.
        limit: offset behind the last byte of interest.
        chunk_size: bytes to read at once.
    """

    __slots__ = ("_chunk", "_chunk_offset", "_chunk_size", "_file", "_limit")

    def __init__(self, file: File, limit: int, chunk_size: int) -> None:
        self._file = file
        self._limit = limit
        self._chunk_size = chunk_size
        self._chunk = b""
        self._chunk_offset = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`, fewer only where the file or the limit ends."""
        start = offset - self._chunk_offset
        if start < 0 or start + length > len(self._chunk):
            self._chunk = self._ahead(offset, length)
            self._chunk_offset = offset
            start = 0
        return self._chunk[start : start + length]

    def _ahead(self, offset: int, length: int) -> bytes:
        left = self._limit - offset
        wanted = min(max(length, self._chunk_size), left)
        if wanted <= 0:
            return b""
        try:
            return read_at(self._file, wanted, offset)
        except OSError as error:
            if wanted <= length or not is_unreadable(error):
                raise
            # A bad sector ahead is no reason to refuse what was asked for.
            return read_at(self._file, min(length, left), offset)
