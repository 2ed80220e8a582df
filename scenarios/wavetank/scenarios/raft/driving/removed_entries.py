"""A set of log entries that changes as a history goes on, and is still known at every moment of it.

A history has thousands of moments, at each of which thousands of entries have been removed. Sets
of their own would take memory by the square of its length. Here all moments share one table, which
says for each entry at which moments it came into the set and left it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from wavetank.engine import LogEntry

__all__ = ["RemovedEntries"]


class RemovedEntries(AbstractSet[LogEntry]):
    """The entries that have been removed at one moment; a value, equal to a set of the same.

    >>> one, two = LogEntry(1, 1, b""), LogEntry(2, 1, b"")
    >>> before = RemovedEntries([one])
    >>> after = before.changed(add=[two], drop=[one])
    >>> (set(before) == {one}, set(after) == {two})
    (True, True)
    """

    __slots__ = ("_changes", "_length", "_moment", "_newest")

    def __init__(self, entries: Iterable[LogEntry] = ()) -> None:
        # For each entry the moments at which it came and left, by turns, ascending.
        self._changes: dict[LogEntry, list[int]] = {entry: [0] for entry in entries}
        self._length = len(self._changes)
        self._moment = 0
        # The last moment of the table, for all who share it.
        self._newest: list[int] = [0]

    def changed(
        self, *, add: Iterable[LogEntry] = (), drop: Iterable[LogEntry] = ()
    ) -> RemovedEntries:
        """Return the set with other entries, at the next moment; this one stays as it is.

        Args:
            add: come into it.
            drop: leave it, also if they are added.
        """
        dropped = set(drop)
        came = {entry for entry in add if entry not in dropped and entry not in self}
        left = {entry for entry in dropped if entry in self}
        if not came and not left:
            return self
        if self._moment != self._newest[0]:
            # Another history goes on from here, which must not change the one that there is.
            return RemovedEntries((set(self) | came) - left)
        twin = RemovedEntries()
        twin._changes = self._changes
        twin._newest = self._newest
        twin._newest[0] += 1
        twin._moment = twin._newest[0]
        twin._length = self._length + len(came) - len(left)
        for entry in came | left:
            self._changes.setdefault(entry, []).append(twin._moment)
        return twin

    def __contains__(self, entry: object) -> bool:
        moments = self._changes.get(entry, ()) if isinstance(entry, LogEntry) else ()
        return bisect_right(moments, self._moment) % 2 == 1

    def __iter__(self) -> Iterator[LogEntry]:
        return (entry for entry in self._changes if entry in self)

    def __len__(self) -> int:
        return self._length

    def __hash__(self) -> int:
        return self._hash()
