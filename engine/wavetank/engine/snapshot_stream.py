"""Snapshot reader: `SnapshotStream`, a snapshot's data in chunks.

The data is verified while it streams, so the caller may use it only once the stream has ended
without an error; and it never seems to have ended before that. Left out: seeking.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from wavetank.engine._checksum import SEED, checksum
from wavetank.engine._directory import read_at
from wavetank.engine._health import Reading
from wavetank.engine._shared_file import SharedFile
from wavetank.engine._snapshot import SnapshotRecord
from wavetank.engine.errors import CorruptedSnapshotError, StorageClosedError
from wavetank.engine.values import SnapshotMetadata

__all__ = ["SnapshotStream"]


class SnapshotStream:
    """An iterator over the chunks of one snapshot, made by `FileStorage.open_snapshot`.

    It keeps its snapshot readable even when a newer one replaces it, until it ends or is closed;
    use it as a context manager. The last chunk is followed by the check of the whole: an iteration
    that ends without `CorruptedSnapshotError` has delivered what was saved.

    Args:
        record: what the data must be.
        shared: the data's file, of which this stream becomes a user.
        path: of the data, for errors.
        chunk_size: bytes per chunk.

    >>> from wavetank.engine.values import SnapshotMetadata
    >>> store.save_snapshot(SnapshotMetadata(9, 2), b"x=1")
    >>> with store.open_snapshot() as stream:
    ...     stream.metadata.last_included_index, stream.size, next(stream)
    (9, 3, b'x=1')
    >>> stream.close()  # a second time, which does nothing
    """

    def __init__(
        self, record: SnapshotRecord, shared: SharedFile, *, path: str, chunk_size: int
    ) -> None:
        self._record = record
        self._shared: SharedFile | None = shared.acquire()
        self._path = path
        self._chunk_size = chunk_size
        self._offset = 0
        self._found = SEED
        self._ended = False
        self._reason = ""

    @property
    def metadata(self) -> SnapshotMetadata:
        """Which log entries the snapshot stands for."""
        return self._record.metadata

    @property
    def size(self) -> int:
        """Length of the data in bytes."""
        return self._record.data_length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return the next chunk.

        Raises:
            CorruptedSnapshotError: the data is not what was saved; from then on at every call.
            StorageClosedError: the stream was closed before its end.
            StorageIOError: the filesystem refused; another call tries the same chunk again.
        """
        if self._reason:
            raise self._damage()
        if self._ended:
            raise StopIteration
        if self._shared is None:
            raise StorageClosedError("the stream was closed before its end")
        length = min(self._chunk_size, self.size - self._offset)
        if not length:
            self._finish()
            raise StopIteration
        with Reading("read of the snapshot", self._path):
            chunk = read_at(self._shared.file, length, self._offset)
        if len(chunk) < length:
            raise self._damaged(f"expected {self.size} bytes but the file ends early")
        self._found = checksum(chunk, self._found)
        self._offset += length
        return chunk

    def _finish(self) -> None:
        assert self._shared is not None
        with Reading("read of the snapshot", self._path):
            size = self._shared.file.size()
        if size != self.size:
            raise self._damaged(f"expected {self.size} bytes but the file has {size}")
        if self._found != self._record.data_checksum:
            raise self._damaged("the data fails its checksum")
        self._ended = True
        self.close()

    def _damaged(self, reason: str) -> CorruptedSnapshotError:
        self._reason = reason
        self.close()
        return self._damage()

    def _damage(self) -> CorruptedSnapshotError:
        metadata = self._record.metadata
        return CorruptedSnapshotError(
            f"{self._path}: the snapshot of index {metadata.last_included_index} is damaged: "
            f"{self._reason}",
            path=self._path,
            index=metadata.last_included_index,
            term=metadata.last_included_term,
        )

    def close(self) -> None:
        """Let go of the file; there are no more chunks. A second call does nothing."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
