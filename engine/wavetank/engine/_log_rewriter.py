"""Log rewriter: the entries worth keeping, as a new incarnation under log.dat's temporary name.

Frames are copied one at a time; the new file is durable when `write` returns, and has no name that
counts yet. Left out: publishing it.
"""

from __future__ import annotations

from collections.abc import Callable

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._checksum import next_incarnation
from wavetank.engine._directory import LOG, StoreDirectory, let_go, temporary, write_all
from wavetank.engine._frame import LogHeader, encode_log_header
from wavetank.engine._log_reader import LogReader
from wavetank.engine._log_section import LogSection
from wavetank.engine._serializer import EntryCodec
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.values import SnapshotMetadata

__all__ = [
    "contradicts",
    "copy_entries",
    "create_log",
    "give_name",
    "successor",
    "write_successor",
]


def contradicts(log: ActiveLog, reader: LogReader, snapshot: SnapshotMetadata) -> bool:
    """Whether `log` must give way to `snapshot`: it ends before it, or is another branch."""
    index, term = snapshot.last_included_index, snapshot.last_included_term
    if index < log.header.base_index:
        return False
    return index > log.last_index or reader.term(log, index) != term


def successor(log: ActiveLog, base_index: int, base_term: int) -> LogHeader:
    """Return the header of the log that replaces `log` with this base."""
    old = log.header
    return LogHeader(
        incarnation=next_incarnation(old.incarnation, log.last_checksum, base_index, base_term),
        generation=old.generation + 1,
        base_index=base_index,
        base_term=base_term,
    )


def create_log(directory: StoreDirectory, *, indexed: bool) -> ActiveLog:
    """Write the first log of a store under the temporary name, durably; ``OSError`` as it comes."""
    header = LogHeader(
        incarnation=next_incarnation(0, 0, 0, 0), generation=1, base_index=0, base_term=0
    )
    file = directory.create_temporary(LOG)
    try:
        log = _begin(file, header, indexed=indexed)
        file.fsync()
    except BaseException:
        let_go(file)
        raise
    return log


def give_name(directory: StoreDirectory, log: ActiveLog) -> None:
    """Rename a log that was written under the temporary name, and open it under its own."""
    log.file.close()
    directory.rename(temporary(LOG), LOG)
    log.file = directory.open(LOG, OpenFlag.READ | OpenFlag.WRITE)


def write_successor(
    directory: StoreDirectory,
    reader: LogReader,
    section: LogSection,
    header: LogHeader,
    *,
    codec: EntryCodec,
    indexed: bool,
    chunk_size: int,
    check_wanted: Callable[[], None],
) -> ActiveLog:
    """Write a new log with the entries of a section of the old one, durably.

    Args:
        directory: where the temporary file goes.
        reader: reads the section.
        section: what to copy, from behind the base of `header` on.
        header: of the new log.
        codec: encodes the entries.
        indexed: keep an index of the new log in memory.
        chunk_size: bytes to write at once.
        check_wanted: called before each frame; raises to give up.

    Raises:
        OSError: from the filesystem; the temporary file stays behind.
        CorruptedLogError: a frame of the section is damaged.
    """
    file = directory.create_temporary(LOG)
    try:
        new = _begin(file, header, indexed=indexed)
        # The file gets its name only once it is durable as a whole, so whatever frame is ever read
        # from it proves that all frames written here were durable.
        copy_entries(
            reader,
            section,
            new,
            codec=codec,
            watermark=section.frame_count(),
            chunk_size=chunk_size,
            check_wanted=check_wanted,
        )
        file.fsync()
    except BaseException:
        let_go(file)
        raise
    new.durable_batch = new.last_batch
    return new


def _begin(file: File, header: LogHeader, *, indexed: bool) -> ActiveLog:
    content, header_checksum = encode_log_header(header)
    write_all(file, content, 0)
    return ActiveLog(file, header, header_checksum, indexed=indexed)


def copy_entries(
    reader: LogReader,
    section: LogSection,
    new: ActiveLog,
    *,
    codec: EntryCodec,
    watermark: int,
    chunk_size: int,
    check_wanted: Callable[[], None],
) -> None:
    """Write the entries of a section behind the last frame of a log.

    Args:
        reader: reads the section.
        section: what to copy.
        new: the log to write to, which nobody reads yet.
        codec: encodes the entries.
        watermark: for every frame written.
        chunk_size: bytes to write at once.
        check_wanted: called before each frame; raises to give up.
    """
    pending = bytearray()
    written = new.end
    for block, first, stop in reader.blocks(section):
        check_wanted()
        frame = new.encode(codec.batch(first, *block.rows(first, stop)), watermark=watermark)
        new.accept(frame.header)
        pending += frame.content
        if len(pending) >= chunk_size:
            write_all(new.file, bytes(pending), written)
            written += len(pending)
            pending.clear()
    if pending:
        write_all(new.file, bytes(pending), written)
