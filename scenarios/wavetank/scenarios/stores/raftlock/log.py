"""log.dat as the published RaftLock package writes and reads it.

A record is a 4-byte big-endian length and a body: index, term and command length as big-endian
64-bit numbers, then the command. There is no checksum (A3), no file header and no link between
records, so a reader can only ask whether the lengths and the indices fit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.engine.errors import CorruptedLogError, StorageError
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.values import LogEntry
from wavetank.scenarios.stores.raftlock.files import LOG, PublishedDirectory, append_all, temporary

__all__ = ["Check", "Position", "PublishedLog"]

_LENGTH: Final = struct.Struct(">I")
_HEADER: Final = struct.Struct(">QQQ")
_ENTRIES_BETWEEN_CANCEL_CHECKS: Final = 10

Check: TypeAlias = Callable[[], None]


@frozen(kw_only=True)
class Position:
    """Where in log.dat an entry begins; the term rides along for the bounds."""

    index: int
    term: int
    offset: int


@frozen(kw_only=True)
class _Record:
    index: int
    term: int
    command: bytes
    next_offset: int


@frozen(kw_only=True)
class PublishedLog:
    """The operations on log.dat; plain ``OSError`` where the filesystem refuses.

    Args:
        directory: where log.dat lies.
        max_body_size: longest body in bytes that a read accepts; writes do not look at it (A10).
        sync_on_append: whether `append` ends with an fsync.
    """

    directory: PublishedDirectory
    max_body_size: int
    sync_on_append: bool

    def build_index(self) -> list[Position]:
        """Scan log.dat; cut it at the first record that does not fit, and call that success.

        Whatever stood behind the cut is gone (A4), and the cut itself is not synced (A5).
        """
        if not self.directory.exists(LOG):
            return []
        positions: list[Position] = []
        file = self.directory.open(LOG, OpenFlag.READ)
        try:
            damage = self._scan(file, positions)
        finally:
            file.close()
        if damage is not None:
            self.directory.truncate(LOG, damage)
        return positions

    def _scan(self, file: File, positions: list[Position]) -> int | None:
        """Fill `positions` and return the offset of the first misfit, or None at a clean end."""
        offset, last = 0, 0
        while True:
            try:
                record = self._read_record(file, offset)
            except CorruptedLogError:
                return offset
            if record is None:
                return None
            if last > 0 and record.index != last + 1:
                return offset
            positions.append(Position(index=record.index, term=record.term, offset=offset))
            offset, last = record.next_offset, record.index

    def read(self, positions: Sequence[Position]) -> list[LogEntry]:
        """Read the entries at these positions; fewer where the file ends early.

        Raises:
            CorruptedLogError: a record does not fit, or holds another index.
        """
        entries: list[LogEntry] = []
        file = self.directory.open(LOG, OpenFlag.READ)
        try:
            for position in positions:
                record = self._read_record(file, position.offset)
                if record is None:
                    break
                if record.index != position.index:
                    raise self._damage(position.offset, f"index {position.index}", record.index)
                entries.append(self._entry(record, position.offset))
        finally:
            file.close()
        return entries

    def scan_range(self, start: int, end: int) -> list[LogEntry]:
        """Read the entries with ``start <= index < end`` without an index, from the beginning.

        Raises:
            CorruptedLogError: a record on the way does not fit.
        """
        file = self.directory.open(LOG, OpenFlag.READ)
        try:
            return list(self._walk(file, start, end))
        finally:
            file.close()

    def _walk(self, file: File, start: int, end: int) -> Iterator[LogEntry]:
        offset = 0
        while (record := self._read_record(file, offset)) is not None and record.index < end:
            if record.index >= start:
                yield self._entry(record, offset)
            offset = record.next_offset

    def append(self, entries: Sequence[LogEntry], check: Check) -> list[Position]:
        """Append at the end of whatever log.dat holds, a torn tail included (A2).

        Args:
            entries: what to append.
            check: raises to cancel; asked before every tenth entry.

        A failure cuts the file back to its old size, unsynced, and the store goes on (A8).
        """
        file = self.directory.open(LOG, OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.APPEND)
        try:
            start = file.size()
            try:
                positions = _write_records(file, start, entries, check)
                if self.sync_on_append:
                    file.fsync()
            except (OSError, StorageError):
                file.close()
                self._cut_back(start)
                raise
        finally:
            file.close()
        return positions

    def _cut_back(self, size: int) -> None:
        try:
            self.directory.truncate(LOG, size)
        except OSError:
            return

    def rewrite(self, entries: Sequence[LogEntry], check: Check) -> list[Position]:
        """Replace log.dat by a file that holds just these entries; its new name is not synced (T1).

        The temporary file is made empty, closed, and opened again for appending.
        """
        name = temporary(LOG)
        self.directory.write(name, b"")
        try:
            file = self.directory.open(name, OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.APPEND)
            try:
                positions = _write_records(file, 0, entries, check)
                file.fsync()
            finally:
                file.close()
        except (OSError, StorageError):
            self.directory.discard(name)
            raise
        self.directory.publish(LOG)
        return positions

    def _read_record(self, file: File, offset: int) -> _Record | None:
        """Read one record; None at the end of the file or where at most a length is left (A2)."""
        prefix = _read_exactly(file, _LENGTH.size, offset)
        if len(prefix) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(prefix)
        if not 0 < length <= self.max_body_size:
            raise self._damage(offset, f"0 < body length <= {self.max_body_size}", length)
        # A length made of junk must not decide how much memory is asked for.
        available = file.size() - offset - _LENGTH.size
        body = _read_exactly(file, min(length, max(available, 0)), offset + _LENGTH.size)
        if not body:
            return None
        if len(body) < max(length, _HEADER.size):
            raise self._damage(offset, f"a body of {length} bytes", f"{len(body)} bytes")
        index, term, command_length = _HEADER.unpack_from(body)
        if command_length != length - _HEADER.size:
            expected = f"command length {length - _HEADER.size}"
            raise self._damage(offset, expected, command_length)
        return _Record(
            index=index,
            term=term,
            command=body[_HEADER.size :],
            next_offset=offset + _LENGTH.size + length,
        )

    def _entry(self, record: _Record, offset: int) -> LogEntry:
        if record.index == 0:
            raise self._damage(offset, "an index of at least 1", 0)
        return LogEntry(record.index, record.term, record.command)

    def _damage(self, offset: int, expected: str, came: int | str) -> CorruptedLogError:
        path = f"{self.directory.path}/{LOG}"
        return CorruptedLogError(
            f"{path}, offset {offset}: expected {expected} but got {came}",
            path=path,
            offset=offset,
        )


def _write_records(
    file: File, start: int, entries: Sequence[LogEntry], check: Check
) -> list[Position]:
    """Write each entry as two calls, its length and its body."""
    positions: list[Position] = []
    offset = start
    for count, entry in enumerate(entries):
        if count % _ENTRIES_BETWEEN_CANCEL_CHECKS == 0:
            check()
        body = _HEADER.pack(entry.index, entry.term, len(entry.command)) + entry.command
        positions.append(Position(index=entry.index, term=entry.term, offset=offset))
        append_all(file, _LENGTH.pack(len(body)))
        append_all(file, body)
        offset += _LENGTH.size + len(body)
    return positions


def _read_exactly(file: File, length: int, offset: int) -> bytes:
    """Read `length` bytes at `offset`; fewer only at the end of the file."""
    content = file.pread(length, offset)
    while len(content) < length:
        piece = file.pread(length - len(content), offset + len(content))
        if not piece:
            break
        content += piece
    return content
