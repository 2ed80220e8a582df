"""Index service: from a log index to the frame that holds it, in O(log frames).

One row per live frame in compact arrays, never a command, so that a million entries cost little
memory. Left out: I/O.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from attrs import frozen

__all__ = ["FrameLocation", "LogIndex"]


@frozen
class FrameLocation:
    """Where a frame lies and which entries of it are alive.

    Attributes:
        offset: of the frame in log.dat, in bytes.
        size: of the frame in bytes.
        checksum: of its header.
        first_index: of its first entry.
        end_index: one behind the last entry of it that is alive.
    """

    offset: int
    size: int
    checksum: int
    first_index: int
    end_index: int


class LogIndex:
    """The live frames of one log, in order.

    Args:
        base_index: index of the entry before the first one.

    Attributes:
        last_index: index of the last entry; the base for an empty log.
    """

    __slots__ = ("_base_index", "_checksums", "_firsts", "_offsets", "_sizes", "last_index")

    def __init__(self, base_index: int) -> None:
        self._base_index = base_index
        self.last_index = base_index
        self._firsts = array("Q")
        self._offsets = array("Q")
        self._sizes = array("Q")
        self._checksums = array("I")

    def __len__(self) -> int:
        """How many frames are live."""
        return len(self._firsts)

    def add(self, *, first_index: int, count: int, offset: int, size: int, checksum: int) -> None:
        """Take a frame of `count` entries behind the last one."""
        self._firsts.append(first_index)
        self._offsets.append(offset)
        self._sizes.append(size)
        self._checksums.append(checksum)
        self.last_index = first_index + count - 1

    def remove_from(self, index: int) -> None:
        """Forget all entries from `index` on; costs the frames that go."""
        while self._firsts and self._firsts[-1] >= index:
            for column in (self._firsts, self._offsets, self._sizes, self._checksums):
                column.pop()
        self.last_index = max(index - 1, self._base_index)

    def frames(self, start: int, end: int) -> Iterator[FrameLocation]:
        """Yield the frames that hold the entries with ``start <= index < end``, all in the log."""
        if start >= end:
            return
        row = bisect_right(self._firsts, start) - 1
        rows = len(self._firsts)
        while row < rows and self._firsts[row] < end:
            following = self._firsts[row + 1] if row + 1 < rows else self.last_index + 1
            yield FrameLocation(
                self._offsets[row],
                self._sizes[row],
                self._checksums[row],
                self._firsts[row],
                following,
            )
            row += 1

    def frame_count(self, start: int, end: int) -> int:
        """Return how many frames `frames` would yield."""
        if start >= end:
            return 0
        return bisect_right(self._firsts, end - 1) - bisect_right(self._firsts, start) + 1

    def extend(
        self,
        *,
        firsts: Iterable[int],
        offsets: Iterable[int],
        sizes: Iterable[int],
        checksums: Iterable[int],
        last_index: int,
    ) -> None:
        """Take frames of entries behind the last one, a column at a time."""
        self._firsts.extend(firsts)
        self._offsets.extend(offsets)
        self._sizes.extend(sizes)
        self._checksums.extend(checksums)
        self.last_index = last_index
