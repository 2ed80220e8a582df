"""Metadata service: metadata.json, which says what log.dat must at least hold.

It is published last at creation, so its presence means that the log exists; it is rewritten after a
log rewrite and at a clean close. It is evidence, never a source: recovery rebuilds it from the log.
"""

from __future__ import annotations

from typing import Final

from attrs import asdict, fields, frozen

from wavetank.engine.directory import METADATA, StoreDirectory
from wavetank.engine.document import DamagedDocumentError, DocumentFormat, unsigned_fields
from wavetank.engine.log.active import ActiveLog, LogView
from wavetank.engine.status import is_unreadable

__all__ = ["LogMetadata", "MetadataService", "publish_metadata", "read_metadata"]

_FORMAT: Final = DocumentFormat("wavetank.metadata")


@frozen(kw_only=True)
class LogMetadata:
    """What is known of a log whose every frame is durable.

    Attributes:
        incarnation: of the log.
        generation: of the log.
        base_index: index of the entry before the first one.
        base_term: term of that entry.
        first_index: of the log.
        last_index: of the log.
        last_term: of the log.
        log_length: bytes up to the end of the last frame.
        last_checksum: of the last frame.
        watermark: number of the last frame.
        reserved_ahead: bytes of space that whoever has the store open reserves behind the frames at
            a time; 0 for none. It is durable before the first such byte is, so it tells space that
            was never written from a frame that was lost.
    """

    incarnation: int
    generation: int
    base_index: int
    base_term: int
    first_index: int
    last_index: int
    last_term: int
    log_length: int
    last_checksum: int
    watermark: int
    reserved_ahead: int

    @classmethod
    def of(cls, log: LogView, *, reserved_ahead: int) -> LogMetadata:
        """Describe a log."""
        return cls(
            incarnation=log.header.incarnation,
            generation=log.header.generation,
            base_index=log.header.base_index,
            base_term=log.header.base_term,
            first_index=log.first_index,
            last_index=log.last_index,
            last_term=log.last_term,
            log_length=log.end,
            last_checksum=log.checksum,
            watermark=log.batch,
            reserved_ahead=reserved_ahead,
        )

    def encode(self) -> bytes:
        """Return the content of metadata.json."""
        return _FORMAT.encode(asdict(self))

    def describes(self, log: ActiveLog) -> bool:
        """Whether it names exactly this log, to its last byte."""
        return (
            self.incarnation == log.header.incarnation
            and self.log_length == log.end
            and self.last_checksum == log.last_checksum
        )


_NAMES: Final = {attribute.name for attribute in fields(LogMetadata)}


def read_metadata(directory: StoreDirectory) -> LogMetadata:
    """Read metadata.json.

    Raises:
        DamagedDocumentError: it is not what was written, or cannot be read off the medium.
        UnsupportedFormatError: it is of another version.
        OSError: from the filesystem.
    """
    try:
        payload = _FORMAT.read(directory, METADATA)
    except OSError as error:
        # A sector that cannot be read is damage, since what it held stands somewhere else too; any
        # other refusal (too many open files, no permission) says nothing about the file.
        if not is_unreadable(error):
            raise
        raise DamagedDocumentError("unreadable") from error
    if payload.keys() != _NAMES:
        raise DamagedDocumentError("unexpected keys")
    return LogMetadata(**unsigned_fields(payload))


def publish_metadata(
    directory: StoreDirectory, metadata: LogMetadata, *, atomic: bool = True
) -> None:
    """Replace metadata.json; its name is durable after the directory's sync.

    Args:
        directory: where it lies.
        metadata: what it is to say.
        atomic: in one step; else in place, where a crash may damage it.
    """
    put = directory.replace if atomic else directory.overwrite
    put(METADATA, metadata.encode())


class MetadataService:
    """Keeps metadata.json up to date while the store is open.

    Args:
        directory: where it lies.
        published: what it says now, None if nothing intact.
        atomic: replace it in one step; else in place.
        reserved_ahead: bytes of space reserved behind the frames at a time.

    Attributes:
        published: what it says now.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        published: LogMetadata | None,
        *,
        atomic: bool,
        reserved_ahead: int,
    ) -> None:
        self.published = published
        self._directory = directory
        self._atomic = atomic
        self._reserved_ahead = reserved_ahead

    @property
    def size(self) -> int:
        """Bytes of the file; no I/O."""
        return len(self.published.encode()) if self.published else 0

    def publish(self, log: ActiveLog) -> None:
        """Describe a log of which every frame is durable, unless that is what the file says.

        The name is durable after the directory's sync; ``OSError`` from the filesystem.
        """
        metadata = LogMetadata.of(log.view(), reserved_ahead=self._reserved_ahead)
        if metadata != self.published:
            publish_metadata(self._directory, metadata, atomic=self._atomic)
            self.published = metadata
