"""Log appender: checks a batch and writes it as one frame, with one write and at most one sync.

Left out: locks, and publishing the frame to readers; the log store does both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._directory import is_full_disk, write_all
from wavetank.engine._frame import FRAME_HEADER_SIZE, Batch, FrameHeader
from wavetank.engine.errors import (
    EmptyEntriesError,
    EntryTooLargeError,
    NonContiguousEntriesError,
    OutOfOrderEntriesError,
)
from wavetank.engine.values import LogEntry

__all__ = ["check_batch", "require_entries", "reserve_space", "write_batch"]


def require_entries(entries: object) -> tuple[LogEntry, ...]:
    """Return the batch as a tuple of its own, or raise ``TypeError``."""
    if isinstance(entries, (str, bytes, bytearray)) or not isinstance(entries, Iterable):
        kind = type(entries).__name__
        raise TypeError(f"entries: expected a sequence of LogEntry but got {entries!r} ({kind})")
    batch = tuple(entries)
    for position, entry in enumerate(batch):
        if not isinstance(entry, LogEntry):
            kind = type(entry).__name__
            raise TypeError(f"entries[{position}]: expected LogEntry but got {entry!r} ({kind})")
    return batch


def check_batch(
    entries: Sequence[LogEntry], *, last_index: int, last_term: int, max_entry_size: int
) -> None:
    """Raise unless `entries` may follow the last entry; the order of checks is part of the API."""
    if not entries:
        raise EmptyEntriesError("entries: expected at least one entry but got none")
    previous = entries[0]
    for entry in entries[1:]:
        if entry.index != previous.index + 1 or entry.term < previous.term:
            raise OutOfOrderEntriesError(
                f"entries: expected index {previous.index + 1} with a term >= {previous.term} "
                f"behind index {previous.index} but got index {entry.index} of term {entry.term}"
            )
        previous = entry
    first = entries[0]
    if first.index == last_index + 1 and first.term < last_term:
        raise OutOfOrderEntriesError(
            f"entries: expected a term >= {last_term} behind index {last_index} "
            f"but index {first.index} is of term {first.term}"
        )
    if first.index != last_index + 1:
        raise NonContiguousEntriesError(
            f"entries: expected a batch that begins at index {last_index + 1} "
            f"but it begins at {first.index}"
        )
    for entry in entries:
        if len(entry.command) > max_entry_size:
            raise EntryTooLargeError(
                f"entries: expected commands of at most {max_entry_size} bytes "
                f"but index {entry.index} has {len(entry.command)}"
            )


def reserve_space(log: ActiveLog, batch: Batch, reserved_ahead: int) -> None:
    """Make sure that there is room for `batch` before anything of it is written.

    Args:
        log: where it goes.
        batch: what is to be written.
        reserved_ahead: bytes to reserve at a time; 0 for none at all.

    Raises:
        OSError: there is no room, not even for this one frame; nothing has changed.
    """
    size = FRAME_HEADER_SIZE + len(batch.payload)
    if not reserved_ahead or log.end + size <= log.reserved_end:
        return
    length = max(size, reserved_ahead)
    try:
        log.file.preallocate(log.end, length)
    except OSError as error:
        if not is_full_disk(error) or length == size:
            raise
        length = size
        log.file.preallocate(log.end, length)
    log.reserved_end = log.end + length


def write_batch(log: ActiveLog, batch: Batch, *, sync: bool) -> FrameHeader:
    """Write `batch` behind the last frame and return its header; ``OSError`` as it comes."""
    frame = log.encode(batch)
    write_all(log.file, frame.content, log.end)
    if sync:
        log.file.datasync()
    return frame.header
