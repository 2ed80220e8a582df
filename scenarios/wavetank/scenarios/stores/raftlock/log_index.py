"""The log's extent as the published RaftLock package keeps it: bounds, index and metadata.json.

metadata.json is written by rewrites and at open, never by appends (M1), and nothing ties it to
log.dat (M3). An empty log has the bounds zero whatever its past (T3).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

from attrs import evolve, frozen

from wavetank.engine.errors import (
    CorruptedLogError,
    CorruptedStateError,
    EmptyEntriesError,
    EntryNotFoundError,
    IndexOutOfRangeError,
    NonContiguousEntriesError,
    OutOfOrderEntriesError,
    StorageError,
)
from wavetank.engine.values import LogEntry
from wavetank.scenarios.stores.raftlock.files import (
    LOG,
    METADATA,
    PublishedDirectory,
    decode_fields,
    encode_fields,
    unsigned_field,
)
from wavetank.scenarios.stores.raftlock.log import Check, Position, PublishedLog

__all__ = ["Bounds", "PublishedLedger"]


@frozen(kw_only=True)
class Bounds:
    """First and last index and the last term; all zero for an empty log."""

    first: int = 0
    last: int = 0
    last_term: int = 0


class PublishedLedger:
    """Bounds and index of one log; the caller holds the log's lock.

    Args:
        directory: where metadata.json lies.
        log: the records.
        index_map: whether an index is kept; without it bounds come from metadata.json alone.
    """

    def __init__(
        self, directory: PublishedDirectory, log: PublishedLog, *, index_map: bool
    ) -> None:
        self._directory = directory
        self._log = log
        self._index_map = index_map
        self._positions: list[Position] = []
        self._bounds = Bounds()

    @property
    def bounds(self) -> Bounds:
        """The log's extent."""
        return self._bounds

    def forget_missing_log(self) -> None:
        """Reset a metadata.json whose log.dat is not there (A1); asked only after a marker."""
        if self._directory.exists(METADATA) and not self._directory.exists(LOG):
            self._write_metadata(Bounds())

    def open(self) -> None:
        """Read metadata.json; with an index, believe log.dat instead where the two disagree.

        Raises:
            CorruptedStateError: metadata.json is unreadable or its range is turned round.
            CorruptedLogError: the indices in log.dat contradict one another.
        """
        self._bounds = self._read_metadata()
        if self._index_map:
            self._positions = self._log.build_index()
            self._adopt_index()
        else:
            self._bounds = evolve(self._bounds, last_term=self._scanned_last_term())

    def append(self, entries: Sequence[LogEntry], before: Bounds, check: Check) -> None:
        """Append a batch that follows `before`, the bounds as the caller saw them earlier (L1).

        Raises:
            EmptyEntriesError: no entries.
            OutOfOrderEntriesError: a gap or a repeat inside the batch.
            NonContiguousEntriesError: the batch does not begin right behind `before`.
            CorruptedLogError: the log has moved since `before` was seen.
        """
        _refuse_misfits(entries, before.last)
        positions = self._log.append(entries, check)
        first = self._bounds.first or entries[0].index
        last = entries[-1]
        self._bounds = Bounds(first=first, last=last.index, last_term=last.term)
        if self._index_map:
            self._extend_index(positions, before)

    def _extend_index(self, positions: Sequence[Position], before: Bounds) -> None:
        self._positions.extend(positions)
        try:
            self._adopt_index()
        except StorageError:
            first = 0 if self._bounds.first == positions[0].index else self._bounds.first
            self._bounds = evolve(before, first=first)
            del self._positions[-len(positions) :]
            raise

    def read_one(self, index: int) -> LogEntry:
        """Return one entry.

        Raises:
            EntryNotFoundError: no entry at this index.
            CorruptedLogError: its record does not fit.
        """
        first, last = self._bounds.first, self._bounds.last
        entries = self._read(index, index + 1) if last > 0 and first <= index <= last else []
        if len(entries) != 1:
            raise EntryNotFoundError(f"expected an index within {first}..{last} but got {index}")
        return entries[0]

    def read_range(self, start: int, end: int) -> list[LogEntry]:
        """Return the entries with ``start <= index < end``; fewer where log.dat ends early.

        Raises:
            IndexOutOfRangeError: a part lies outside the bounds.
            CorruptedLogError: a record does not fit.
        """
        first, last = self._bounds.first, self._bounds.last
        if last == 0 or start < first or end > last + 1:
            raise IndexOutOfRangeError(
                f"expected indices within {first}..{last} but got start={start}, end={end}"
            )
        return self._read(start, end)

    def _read(self, start: int, end: int) -> list[LogEntry]:
        if not self._index_map:
            return self._log.scan_range(start, end)
        first = self._positions[0].index
        return self._log.read(self._positions[start - first : end - first])

    def cut_suffix(self, index: int, check: Check) -> None:
        """Remove the entries from `index` on.

        Raises:
            IndexOutOfRangeError: `index` is more than one beyond the last entry.
        """
        self._refuse_beyond(index)
        if index <= self._bounds.first:
            self._keep([], check)
        elif self._bounds.last > 0:
            self._keep(self._read(self._bounds.first, index), check)

    def cut_prefix(self, index: int, check: Check) -> None:
        """Remove the entries before `index`.

        Raises:
            IndexOutOfRangeError: `index` is more than one beyond the last entry.
        """
        bounds = self._bounds
        if index <= bounds.first:
            return
        self._refuse_beyond(index)
        kept = [] if index == bounds.last + 1 else self._read(index, bounds.last + 1)
        self._keep(kept, check)

    def _refuse_beyond(self, index: int) -> None:
        last = self._bounds.last
        if index > last + 1:
            raise IndexOutOfRangeError(f"expected index <= {last + 1} but got {index}")

    def _keep(self, entries: Sequence[LogEntry], check: Check) -> None:
        """Rewrite log.dat with just these entries, then metadata.json."""
        positions = self._log.rewrite(entries, check)
        self._bounds = _extent(positions)
        self._positions = positions if self._index_map else []
        self._write_metadata(self._bounds)

    def _adopt_index(self) -> None:
        """Take the bounds from the index; rewrite a metadata.json that says something else."""
        found = _extent(self._positions)
        if (found.first, found.last) != (self._bounds.first, self._bounds.last):
            self._write_metadata(found)
        self._bounds = found
        if self._positions and found.last - found.first + 1 != len(self._positions):
            raise CorruptedLogError(
                f"{self._directory.path}/{LOG}: expected one entry for each index "
                f"{found.first}..{found.last} but got {len(self._positions)} entries"
            )

    def _scanned_last_term(self) -> int:
        last = self._bounds.last
        if last == 0 or not self._directory.exists(LOG):
            return 0
        with suppress(CorruptedLogError):
            return next((entry.term for entry in self._log.scan_range(last, last + 1)), 0)
        return 0

    def _read_metadata(self) -> Bounds:
        content = self._directory.read(METADATA)
        if content is None:
            return Bounds()
        try:
            fields = decode_fields(content)
            first = unsigned_field(fields, "first_index")
            last = unsigned_field(fields, "last_index")
        except ValueError as error:
            raise self._corrupted(str(error)) from error
        if 0 < last < first:
            raise self._corrupted(f"first_index {first} > last_index {last}")
        return Bounds(first=first, last=last)

    def _corrupted(self, came: str) -> CorruptedStateError:
        path = f"{self._directory.path}/{METADATA}"
        return CorruptedStateError(f"{path}: expected the log's bounds but got {came}", path=path)

    def _write_metadata(self, bounds: Bounds) -> None:
        fields = {"first_index": bounds.first, "last_index": bounds.last}
        self._directory.replace(METADATA, encode_fields(fields))


def _extent(positions: Sequence[Position]) -> Bounds:
    if not positions:
        return Bounds()
    last = positions[-1]
    return Bounds(first=positions[0].index, last=last.index, last_term=last.term)


def _refuse_misfits(entries: Sequence[LogEntry], last: int) -> None:
    if not entries:
        raise EmptyEntriesError("expected at least one entry but got none")
    for earlier, later in pairwise(entries):
        if later.index != earlier.index + 1:
            raise OutOfOrderEntriesError(
                f"expected index {earlier.index + 1} behind {earlier.index} but got {later.index}"
            )
    if entries[0].index != last + 1:
        raise NonContiguousEntriesError(
            f"expected the batch to begin at {last + 1} but got {entries[0].index}"
        )
