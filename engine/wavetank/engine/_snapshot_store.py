"""Snapshot store: the current snapshot, its replacement, and streams over it.

The current data file stays open, so that readers see the published snapshot whatever happens to its
name. Left out: what a snapshot means for the log.
"""

from __future__ import annotations

from wavetank.engine._directory import SNAPSHOT, StoreDirectory
from wavetank.engine._health import Health, Part
from wavetank.engine._shared_file import SharedFile
from wavetank.engine._snapshot import SnapshotRecord
from wavetank.engine._snapshot_writer import SnapshotSink
from wavetank.engine.errors import (
    NoSnapshotError,
    SnapshotMismatchError,
    SnapshotOutOfDateError,
)
from wavetank.engine.filesystem import File
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.runtime import Runtime
from wavetank.engine.snapshot_stream import SnapshotStream
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.values import SnapshotMetadata

__all__ = ["SnapshotStore"]


class SnapshotStore:
    """Holds the current snapshot.

    Args:
        directory: where the files lie.
        current: the snapshot found at open with its data file, or None.
        runtime: where locks come from.
        lock: guards the current snapshot; the caller of `replace` holds its update.
        writer: replaces the snapshot.
        chunk_size: bytes to read at once.
        health: the store's condition.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        current: tuple[SnapshotRecord, File] | None,
        *,
        runtime: Runtime,
        lock: RWOperationLocker,
        writer: SnapshotSink,
        chunk_size: int,
        health: Health,
    ) -> None:
        self._path = directory.path_of(SNAPSHOT)
        self._runtime = runtime
        self._lock = lock
        self._chunk_size = chunk_size
        self._health = health
        self._writer = writer
        self._current: tuple[SnapshotRecord, SharedFile] | None = None
        if current is not None:
            record, file = current
            self._current = record, SharedFile(file, runtime)

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
        self._require_newer(metadata, base_index)
        record, file = self._writer.write(metadata, data, cancel)
        with self._lock.exclusive():
            previous, self._current = self._current, (record, SharedFile(file, self._runtime))
        if previous is not None:
            previous[1].release()

    def stream(self, timeout_s: float | None, cancel: CancelToken | None) -> SnapshotStream:
        """Return a stream over the current snapshot; `NoSnapshotError` if there is none."""
        with self._lock.read(timeout_s, cancel):
            self._health.require_readable(Part.SNAPSHOT)
            if self._current is None:
                raise NoSnapshotError("no snapshot has been saved")
            record, shared = self._current
            return SnapshotStream(record, shared, path=self._path, chunk_size=self._chunk_size)

    def close(self) -> None:
        """Let go of the data file."""
        previous, self._current = self._current, None
        if previous is not None:
            previous[1].release()

    def _require_newer(self, metadata: SnapshotMetadata, base_index: int) -> None:
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
