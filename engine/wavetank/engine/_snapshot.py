"""What snapshot_meta.json says: which entries the snapshot stands for, and which data is its own.

Left out: reading and writing the data.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from wavetank.engine._checksum import SEED, checksum
from wavetank.engine._directory import StoreDirectory, read_at
from wavetank.engine._document import DocumentFormat, unsigned
from wavetank.engine.filesystem import File
from wavetank.engine.values import SnapshotMetadata

__all__ = ["SnapshotRecord"]

_FORMAT: Final = DocumentFormat("wavetank.snapshot")


@frozen
class SnapshotRecord:
    """A snapshot's metadata and what identifies its data.

    Attributes:
        metadata: the index and term it stands for.
        data_length: bytes of data.
        data_checksum: of the data.
    """

    metadata: SnapshotMetadata
    data_length: int
    data_checksum: int

    def encode(self) -> bytes:
        """Return the content of snapshot_meta.json."""
        return _FORMAT.encode(
            {
                "last_included_index": self.metadata.last_included_index,
                "last_included_term": self.metadata.last_included_term,
                "data_length": self.data_length,
                "data_checksum": self.data_checksum,
            }
        )

    @classmethod
    def read(cls, directory: StoreDirectory, name: str) -> SnapshotRecord:
        """Read a record.

        Raises:
            DamagedDocumentError: it is not what was written.
            UnsupportedFormatError: it is of another version.
            OSError: from the filesystem.
        """
        payload = _FORMAT.read(directory, name)
        metadata = SnapshotMetadata(
            unsigned(payload, "last_included_index"), unsigned(payload, "last_included_term")
        )
        return cls(metadata, unsigned(payload, "data_length"), unsigned(payload, "data_checksum"))

    def matches(self, file: File, chunk_size: int) -> bool:
        """Whether `file` holds this snapshot's data, all of it and nothing more."""
        if file.size() != self.data_length:
            return False
        found = SEED
        for offset in range(0, self.data_length, chunk_size):
            length = min(chunk_size, self.data_length - offset)
            found = checksum(read_at(file, length, offset), found)
        return found == self.data_checksum
