"""Snapshots as the published RaftLock package writes, reads and "recovers" them.

A snapshot is a pair of files published by two renames (N4), its metadata never synced (N5), its
data without length or checksum (N11). A marker file tells how far a save came; what writes it and
what reads it disagree about one word (N2).
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from wavetank.engine.errors import CorruptedSnapshotError, NoSnapshotError, StorageError
from wavetank.engine.filesystem import OpenFlag
from wavetank.engine.values import SnapshotMetadata
from wavetank.scenarios.stores.raftlock.files import (
    SNAPSHOT_DATA,
    SNAPSHOT_MARKER,
    SNAPSHOT_METADATA,
    PublishedDirectory,
    append_all,
    decode_fields,
    encode_fields,
    temporary,
    unsigned_field,
)
from wavetank.scenarios.stores.raftlock.log import Check

__all__ = ["PublishedSnapshots"]

_INDEX_FIELD: Final = "last_included_index"
_TERM_FIELD: Final = "last_included_term"
_COMMITTED_AS_WRITTEN: Final = "meta_committed"
_COMMITTED_AS_READ: Final = b"meta_committed=true"


@frozen(kw_only=True)
class PublishedSnapshots:
    """The snapshot pair and its marker; plain ``OSError`` where the filesystem refuses.

    Args:
        directory: where the files lie.
        chunk_size: data longer than this many bytes is written in pieces of this size.
        origin: the first words of the marker: process and time.
    """

    directory: PublishedDirectory
    chunk_size: int
    origin: str

    def begin(self, metadata: SnapshotMetadata) -> None:
        """Write the marker that a save is under way."""
        text = (
            f"{self.origin},last_idx={metadata.last_included_index}"
            f",last_term={metadata.last_included_term}"
        )
        self.directory.write(SNAPSHOT_MARKER, text.encode())

    def end(self) -> None:
        """Remove the marker, whatever became of the save."""
        self.directory.discard(SNAPSHOT_MARKER)

    def save(self, metadata: SnapshotMetadata, data: bytes, check: Check) -> None:
        """Write both temporary files, then rename the metadata, then the data.

        Nothing compares the snapshot with the one it replaces (N7).
        """
        try:
            self._prepare(metadata, data, check)
            self._publish()
        except (OSError, StorageError):
            self.directory.discard(temporary(SNAPSHOT_METADATA))
            self.directory.discard(temporary(SNAPSHOT_DATA))
            raise

    def _prepare(self, metadata: SnapshotMetadata, data: bytes, check: Check) -> None:
        fields = {
            _INDEX_FIELD: metadata.last_included_index,
            _TERM_FIELD: metadata.last_included_term,
        }
        self.directory.write(temporary(SNAPSHOT_METADATA), encode_fields(fields))
        check()
        flags = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.APPEND
        file = self.directory.open(temporary(SNAPSHOT_DATA), flags)
        try:
            for start in range(0, len(data), self.chunk_size):
                check()
                append_all(file, memoryview(data)[start : start + self.chunk_size])
            file.fsync()
        finally:
            file.close()
        self._note("files_written")

    def _publish(self) -> None:
        self.directory.publish(SNAPSHOT_METADATA)
        self._note(_COMMITTED_AS_WRITTEN)
        self._publish_data()

    def _publish_data(self) -> None:
        try:
            self.directory.publish(SNAPSHOT_DATA)
        except OSError:
            self.directory.discard(SNAPSHOT_METADATA)
            raise

    def _note(self, status: str) -> None:
        """Add a word to the marker by rewriting it; the package passes over every failure."""
        try:
            content = self.directory.read(SNAPSHOT_MARKER)
            if content is not None:
                self.directory.write(SNAPSHOT_MARKER, content + f",{status}".encode())
        except OSError:
            return

    def load(self) -> tuple[SnapshotMetadata, bytes]:
        """Return whatever pair the two names stand for.

        Raises:
            NoSnapshotError: no metadata file.
            CorruptedSnapshotError: unreadable metadata, index 0, or no data file.
        """
        metadata = self._load_metadata()
        data = self.directory.read(SNAPSHOT_DATA)
        if data is None:
            raise self._damage(SNAPSHOT_DATA, "the file of snapshot_meta.json", "no file")
        return metadata, data

    def _load_metadata(self) -> SnapshotMetadata:
        content = self.directory.read(SNAPSHOT_METADATA)
        if content is None:
            raise NoSnapshotError(f"{self.directory.path}: expected a snapshot but none was saved")
        try:
            fields = decode_fields(content)
            index = unsigned_field(fields, _INDEX_FIELD)
            term = unsigned_field(fields, _TERM_FIELD)
        except ValueError as error:
            raise self._damage(SNAPSHOT_METADATA, "index and term", str(error)) from error
        if index == 0:
            raise self._damage(SNAPSHOT_METADATA, f"{_INDEX_FIELD} of at least 1", "0")
        return SnapshotMetadata(index, term)

    def recover(self) -> None:
        """Clean up after a save that did not end, as far as the marker is understood.

        The committed word is looked for in a form that `save` never writes (N2), so a snapshot
        between its two renames is never finished: its data is thrown away under new metadata.
        """
        marker = self.directory.read(SNAPSHOT_MARKER)
        if marker is None:
            return
        temporary_metadata = self.directory.seen(temporary(SNAPSHOT_METADATA))
        temporary_data = self.directory.seen(temporary(SNAPSHOT_DATA))
        if _COMMITTED_AS_READ not in marker:
            if temporary_metadata or temporary_data:
                self.directory.discard(temporary(SNAPSHOT_METADATA))
                self.directory.discard(temporary(SNAPSHOT_DATA))
            else:
                self.end()
        elif (
            temporary_data
            and self.directory.seen(SNAPSHOT_METADATA)
            and not self.directory.seen(SNAPSHOT_DATA)
        ):
            self._publish_data()
        else:
            self.end()

    def _damage(self, name: str, expected: str, came: str) -> CorruptedSnapshotError:
        path = f"{self.directory.path}/{name}"
        return CorruptedSnapshotError(f"{path}: expected {expected} but got {came}", path=path)
