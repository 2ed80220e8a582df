"""A copy of a store's content as the directory of a store that was closed cleanly."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from attrs import frozen

from wavetank.engine.directory import (
    LOG,
    SNAPSHOT,
    SNAPSHOT_META,
    STATE,
    STATE_COPY,
    StoreDirectory,
    let_go,
    read_at,
    temporary,
    write_all,
)
from wavetank.engine.errors import CorruptedLogError, OperationCancelledError
from wavetank.engine.filesystem import File
from wavetank.engine.log.active import LogView
from wavetank.engine.metadata import LogMetadata, publish_metadata
from wavetank.engine.snapshot import SnapshotRecord
from wavetank.engine.state import StateRecord
from wavetank.engine.storage import CancelToken
from wavetank.engine.verify import examine

__all__ = ["StoreContent", "write_backup"]

_CHUNK_SIZE: Final = 1 << 20


@frozen(kw_only=True)
class StoreContent:
    """What a store held at one moment; its files must stay open while it is copied.

    Attributes:
        state: term and vote.
        log: the log.
        snapshot: what the snapshot is, and its open data; None for none.
        needs_snapshot: a log that begins behind index 1 must have a snapshot of what came before.
    """

    state: StateRecord
    log: LogView
    snapshot: tuple[SnapshotRecord, File] | None
    needs_snapshot: bool


def write_backup(
    directory: StoreDirectory, content: StoreContent, cancel: CancelToken | None
) -> None:
    """Write a store's content into a directory, durably, and check every checksum of it.

    Args:
        directory: of the copy; made if missing, and else empty.
        content: what to copy.
        cancel: looked at between chunks.

    Raises:
        FileExistsError: the directory is not empty.
        OperationCancelledError: the token was set.
        CorruptedLogError: what was copied is damaged.
        OSError: from the filesystem.
    """
    made: list[str] = []
    if directory.exists():
        if directory.names():
            raise FileExistsError(
                errno.EEXIST, "expected an empty directory for the backup", directory.path
            )
    else:
        directory.make(made)
    try:
        _write(directory, content, _checker(cancel))
        report = examine(directory, needs_snapshot=content.needs_snapshot)
        if not report.sound:
            raise CorruptedLogError(
                f"backup to {directory.path}: the copy is not sound, so the store is damaged; "
                f"verify() lists where: {report.places[0]}"
            )
    except BaseException:
        for name in sorted(directory.names()):
            directory.unlink(name)
        directory.unmake(made)
        raise


def _checker(cancel: CancelToken | None) -> Callable[[], None]:
    def check_wanted() -> None:
        if cancel is not None and cancel.is_set():
            raise OperationCancelledError("the cancel token was set while the backup was written")

    return check_wanted


def _write(
    directory: StoreDirectory, content: StoreContent, check_wanted: Callable[[], None]
) -> None:
    """Write the files in an order in which no crash leaves a store that opens with less.

    Without the log a store with a state or a snapshot does not open, and the log gets its name last,
    when it is whole.
    """
    for name in (STATE, STATE_COPY):
        directory.replace(name, content.state.encode())
    if content.snapshot is not None:
        record, file = content.snapshot
        _copy(directory, SNAPSHOT, file, record.data_length, check_wanted)
        directory.replace(SNAPSHOT_META, record.encode())
    directory.sync()
    _copy(directory, LOG, content.log.file, content.log.end, check_wanted)
    directory.sync()
    publish_metadata(directory, LogMetadata.of(content.log, reserved_ahead=0))
    directory.sync()


def _copy(
    directory: StoreDirectory,
    name: str,
    source: File,
    length: int,
    check_wanted: Callable[[], None],
) -> None:
    target = directory.create_temporary(name)
    try:
        for offset in range(0, length, _CHUNK_SIZE):
            check_wanted()
            chunk = read_at(source, min(_CHUNK_SIZE, length - offset), offset)
            if chunk:
                write_all(target, chunk, offset)
        target.fsync()
    finally:
        let_go(target)
    directory.rename(temporary(name), name)
