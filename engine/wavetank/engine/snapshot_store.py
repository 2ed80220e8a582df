"""Snapshot writers: data and metadata as one durable unit with one commit point, or in place.

`SnapshotWriter`: both files are durable under temporary names before the marker is made; once the
directory is synced they are there for good, and recovery finishes the renames whatever a crash
leaves of them. Until then recovery goes back. `InPlaceSnapshotWriter` gives the old snapshot up
first; what a crash leaves of the new one fails its checksums. Recovery is in snapshot.py and
recovery.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Protocol

from wavetank.engine.directory import (
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    StoreDirectory,
    close_file,
    let_go,
    temporary,
    write_all,
)
from wavetank.engine.errors import (
    NoSnapshotError,
    OperationCancelledError,
    SnapshotMismatchError,
    SnapshotOutOfDateError,
)
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.log.format import SEED, checksum
from wavetank.engine.snapshot import SharedFile, SnapshotRecord, SnapshotStream
from wavetank.engine.status import Part, PoisonOnError, StoreStatus
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.values import SnapshotMetadata

__all__ = [
    "InPlaceSnapshotWriter",
    "SnapshotSink",
    "SnapshotStore",
    "SnapshotWriter",
    "chunks_of",
    "require_data",
]


class SnapshotSink(Protocol):
    """Where a new snapshot goes."""

    def write(
        self, metadata: SnapshotMetadata, data: SnapshotData, cancel: CancelToken | None
    ) -> tuple[SnapshotRecord, File]:
        """Replace the snapshot, durably, and return it with its open data file.

        Raises:
            StorageIOError: the filesystem refused; the store is poisoned, unless only room was
                missing and nothing of the old snapshot is gone.
            OperationCancelledError: in time to leave nothing behind.
        """
        ...


def require_data(data: object) -> None:
    """Raise ``TypeError`` unless `data` is bytes or can be iterated over."""
    if isinstance(data, str) or not isinstance(data, Iterable):
        kind = type(data).__name__
        raise TypeError(f"data: expected bytes or an iterable of bytes but got {data!r} ({kind})")


def chunks_of(data: SnapshotData, chunk_size: int) -> Iterator[bytes]:
    """Yield `data` as chunks of `chunk_size` bytes, and the rest; ``TypeError`` for text."""
    whole = isinstance(data, (bytes, bytearray, memoryview))
    pieces: Iterable[object] = (data,) if whole else data
    pending = bytearray()
    for piece in pieces:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            kind = type(piece).__name__
            raise TypeError(f"data: expected chunks of bytes but got {piece!r} ({kind})")
        view = memoryview(piece).cast("B")
        offset = 0
        while offset < len(view):
            taken = view[offset : offset + chunk_size - len(pending)]
            offset += len(taken)
            if not pending and len(taken) == chunk_size:
                yield bytes(taken)
                continue
            pending += taken
            if len(pending) == chunk_size:
                yield bytes(pending)
                pending.clear()
    if pending:
        yield bytes(pending)


class SnapshotWriter:
    """Writes snapshots into a directory.

    Args:
        directory: where they go.
        chunk_size: bytes to write at once.
        status: poisoned by a failed write, unless only room was missing.
    """

    def __init__(self, directory: StoreDirectory, *, chunk_size: int, status: StoreStatus) -> None:
        self._directory = directory
        self._chunk_size = chunk_size
        self._status = status
        self._path = directory.path_of(SNAPSHOT)

    def write(
        self, metadata: SnapshotMetadata, data: SnapshotData, cancel: CancelToken | None
    ) -> tuple[SnapshotRecord, File]:
        """See `SnapshotSink.write`; cancelled between two chunks."""
        try:
            record = self._prepare(metadata, data, cancel)
        except BaseException:
            # The caller's data, its token or a full disk ended it: nothing counts yet, and two
            # names go away.
            if self._status.cause is None:
                with self._poison_on_error():
                    self._directory.discard_temporary(SNAPSHOT)
                    self._directory.discard_temporary(SNAPSHOT_META)
            raise
        with self._poison_on_error():
            self._commit()
            return record, self._directory.open(SNAPSHOT, OpenFlag.READ)

    def _prepare(
        self, metadata: SnapshotMetadata, data: SnapshotData, cancel: CancelToken | None
    ) -> SnapshotRecord:
        """Write all that the commit needs room for."""
        directory = self._directory
        with self._preparing():
            file = directory.create_temporary(SNAPSHOT)
        try:
            record = self._write_data(file, metadata, data, cancel)
            with self._preparing():
                file.fsync()
        finally:
            let_go(file)
        with self._preparing():
            directory.prepare(SNAPSHOT_META, record.encode())
            try:
                directory.create_empty(SNAPSHOT_MARKER)
            except BaseException:
                with suppress(FileNotFoundError):
                    directory.unlink(SNAPSHOT_MARKER)
                    # Else a power cut could bring it back, and with it what is refused here.
                    directory.sync()
                raise
        return record

    def _write_data(
        self,
        file: File,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        cancel: CancelToken | None,
    ) -> SnapshotRecord:
        offset, found = 0, SEED
        for chunk in chunks_of(data, self._chunk_size):
            _require_wanted(cancel)
            with self._preparing():
                write_all(file, chunk, offset)
            offset += len(chunk)
            found = checksum(chunk, found)
        return SnapshotRecord(metadata, offset, found)

    def _commit(self) -> None:
        directory = self._directory
        directory.sync()  # the commit point
        directory.rename(temporary(SNAPSHOT), SNAPSHOT)
        directory.rename(temporary(SNAPSHOT_META), SNAPSHOT_META)
        directory.sync()
        directory.unlink(SNAPSHOT_MARKER)

    def _poison_on_error(self) -> PoisonOnError:
        return self._status.poison_on_error("save of the snapshot", self._path)

    def _preparing(self) -> PoisonOnError:
        return self._status.preparing("save of the snapshot", self._path)


class InPlaceSnapshotWriter:
    """Writes snapshots under their own names, for stores without atomic writes.

    Readers keep the old data, whose file lives on without its name. The caller's data is collected
    before the old snapshot goes, since nothing could be taken back: memory for all of it.

    Args:
        directory: where they go.
        chunk_size: bytes to write at once.
        status: poisoned by any failed write.
    """

    def __init__(self, directory: StoreDirectory, *, chunk_size: int, status: StoreStatus) -> None:
        self._directory = directory
        self._chunk_size = chunk_size
        self._status = status

    def write(
        self, metadata: SnapshotMetadata, data: SnapshotData, cancel: CancelToken | None
    ) -> tuple[SnapshotRecord, File]:
        """See `SnapshotSink.write`; cancelled before the first byte."""
        chunks = list(chunks_of(data, self._chunk_size))
        _require_wanted(cancel)
        directory = self._directory
        with self._status.poison_on_error("save of the snapshot", directory.path_of(SNAPSHOT)):
            if SNAPSHOT in directory.names():
                directory.unlink(SNAPSHOT)
            record = self._write_data(metadata, chunks)
            directory.overwrite(SNAPSHOT_META, record.encode())
            directory.sync()
            return record, directory.open(SNAPSHOT, OpenFlag.READ)

    def _write_data(self, metadata: SnapshotMetadata, chunks: Iterable[bytes]) -> SnapshotRecord:
        offset, found = 0, SEED
        file = self._directory.open(SNAPSHOT, OpenFlag.WRITE | OpenFlag.CREATE)
        try:
            for chunk in chunks:
                write_all(file, chunk, offset)
                offset += len(chunk)
                found = checksum(chunk, found)
            file.fsync()
        finally:
            close_file(file)
        return SnapshotRecord(metadata, offset, found)


def _require_wanted(cancel: CancelToken | None) -> None:
    if cancel is not None and cancel.is_set():
        raise OperationCancelledError("the cancel token was set while the snapshot was written")


class SnapshotStore:
    """Holds the current snapshot.

    Args:
        directory: where the files lie.
        current: the snapshot found at open with its data file, or None.
        lock: guards the current snapshot; the caller of `replace` holds its update.
        writer: replaces the snapshot.
        chunk_size: bytes to read at once.
        status: the store's condition.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        current: tuple[SnapshotRecord, File] | None,
        *,
        lock: RWOperationLocker,
        writer: SnapshotSink,
        chunk_size: int,
        status: StoreStatus,
    ) -> None:
        self._path = directory.path_of(SNAPSHOT)
        self._lock = lock
        self._chunk_size = chunk_size
        self._status = status
        self._writer = writer
        self._current: tuple[SnapshotRecord, SharedFile] | None = None
        if current is not None:
            record, file = current
            self._current = record, SharedFile(file)

    def metadata(self) -> SnapshotMetadata | None:
        """Return what the current snapshot stands for, None for none; no lock, no I/O."""
        current = self._current
        return current[0].metadata if current else None

    @property
    def size(self) -> int:
        """Bytes of data of the current snapshot, 0 for none; no lock, no I/O."""
        current = self._current
        return current[0].data_length if current else 0

    def replace(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        base_index: int,
        cancel: CancelToken | None,
    ) -> None:
        """Write and publish a snapshot; the caller holds the lock's update.

        Args:
            metadata: what it stands for.
            data: its content.
            base_index: of the log; an older snapshot would leave a hole.
            cancel: looked at between chunks.

        Raises:
            SnapshotOutOfDateError: older than the current one or than the log's base.
            SnapshotMismatchError: of the same index as the current one, but another term.
        """
        self.require_newer(metadata, base_index)
        record, file = self._writer.write(metadata, data, cancel)
        previous = self._current
        with self._status.poison_on_error("save of the snapshot", self._path):
            try:
                current = record, SharedFile(file)
                with self._lock.exclusive():
                    self._current = current
            except BaseException:
                if self._current is previous:
                    let_go(file)
                raise
            if previous is not None:
                previous[1].release()

    def stream(self, timeout_s: float | None, cancel: CancelToken | None) -> SnapshotStream:
        """Return a stream over the current snapshot; `NoSnapshotError` if there is none."""
        with self._lock.read(timeout_s, cancel):
            self._status.require_readable(Part.SNAPSHOT)
            if self._current is None:
                raise NoSnapshotError("no snapshot has been saved")
            record, shared = self._current
            return SnapshotStream(record, shared, path=self._path, chunk_size=self._chunk_size)

    def entered(self, held: ExitStack) -> tuple[SnapshotRecord, File] | None:
        """Return the current snapshot with its data, which stays open until `held` is closed."""
        if self._current is None:
            return None
        record, shared = self._current
        held.callback(shared.acquire().release)
        return record, shared.file

    def close(self) -> None:
        """Let go of the data file."""
        previous, self._current = self._current, None
        if previous is not None:
            previous[1].release()

    @property
    def file(self) -> File | None:
        """The data file of the current snapshot; no lock."""
        return self._current[1].file if self._current is not None else None

    def require_newer(self, metadata: SnapshotMetadata, base_index: int) -> None:
        """Raise if a snapshot may not replace the current one; errors as for `replace`."""
        index, term = metadata.last_included_index, metadata.last_included_term
        current = self.metadata()
        least = max(base_index, current.last_included_index if current else 0)
        if index < least:
            raise SnapshotOutOfDateError(
                f"metadata: expected last_included_index >= {least} but got {index}"
            )
        if current and index == current.last_included_index and term != current.last_included_term:
            raise SnapshotMismatchError(
                f"metadata: expected term {current.last_included_term} at index {index}, "
                f"as in the current snapshot, but got term {term}"
            )
