"""The small JSON files: their codec, and metadata.json, which says what log.dat must at least hold.

A document is intact only if it is, byte for byte, what `DocumentFormat.encode` makes of its
payload, so that every flipped bit in it shows. metadata.json is published last at creation, so its
presence means that the log exists; it is written again behind a new log and at a clean close. It is
evidence, never a source: recovery rebuilds it from the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from attrs import asdict, field, fields, frozen
from google_crc32c import extend

from wavetank.engine.directory import METADATA, StoreDirectory, let_go
from wavetank.engine.errors import UnsupportedFormatError
from wavetank.engine.filesystem import OpenFlag
from wavetank.engine.log.active import ActiveLog, LogView
from wavetank.engine.log.format import SEED, checksum
from wavetank.engine.status import is_unreadable

__all__ = [
    "DOCUMENT_LIMIT",
    "DamagedDocumentError",
    "DocumentFormat",
    "LogMetadata",
    "MetadataService",
    "Payload",
    "publish_metadata",
    "read_metadata",
    "text",
    "unsigned",
    "unsigned_fields",
]

DOCUMENT_LIMIT: Final = 1 << 20
"""Largest document in bytes; a larger file is damage and is not read."""

Payload = Mapping[str, object]

_VERSION: Final = 1
_LARGEST: Final = 2**64 - 1
_FIRST_READ: Final = 4096
"""Bytes read at once: more than any document but one with a very long vote."""

_CHECKSUM_DIGITS: Final = 8
_PAYLOAD_KEY: Final = b'","payload":'
_END: Final = b"}\n"
_decode_json: Final = json.JSONDecoder().decode
_encode_json: Final = json.JSONEncoder(separators=(",", ":")).encode


class DamagedDocumentError(Exception):
    """A document is not what `DocumentFormat.encode` wrote; never leaves the engine.

    Args:
        reason: what is wrong with it.
        content: what it holds, b"" where that is not known.
    """

    def __init__(self, reason: str, content: bytes = b"") -> None:
        super().__init__(reason)
        self.content = content


@frozen
class DocumentFormat:
    """One kind of document.

    Args:
        name: what stands in the file as its format.
    """

    name: str
    head: bytes = field(init=False, repr=False)
    """How every intact document of this kind begins."""

    @head.default
    def _head(self) -> bytes:
        return f'{{"format":"{self.name}","version":{_VERSION},"checksum":"'.encode("ascii")

    def encode(self, payload: Payload) -> bytes:
        """Return the file's content."""
        body = _encode_json(payload).encode("ascii")
        digits = f"{checksum(body):0{_CHECKSUM_DIGITS}x}".encode("ascii")
        return self.head + digits + _PAYLOAD_KEY + body + _END

    def read(self, directory: StoreDirectory, name: str) -> dict[str, object]:
        """Return the payload of a file.

        Raises:
            DamagedDocumentError: it is not a document of this kind.
            UnsupportedFormatError: it is, in a version that this release does not know.
            OSError: from the filesystem.
        """
        file = directory.open(name, OpenFlag.READ)
        try:
            content = file.pread(_FIRST_READ, 0)
            payload = self._payload_of(content)
            if payload is not None:
                return payload
            # Longer than usual, a short read, or damage.
            while len(content) <= DOCUMENT_LIMIT:
                piece = file.pread(DOCUMENT_LIMIT + 1 - len(content), len(content))
                if not piece:
                    break
                content += piece
        finally:
            let_go(file)
        if len(content) > DOCUMENT_LIMIT:
            raise DamagedDocumentError(f"larger than {DOCUMENT_LIMIT} bytes")
        payload = self._payload_of(content)
        if payload is not None:
            return payload
        self._refuse_other_version(directory.path_of(name), content)
        raise DamagedDocumentError("layout or checksum are wrong", content)

    def _payload_of(self, content: bytes) -> dict[str, object] | None:
        """Return the payload of an intact document, None for anything else."""
        head = self.head
        start = len(head) + _CHECKSUM_DIGITS
        body = content[start + len(_PAYLOAD_KEY) : -len(_END)]
        digits = b"%08x" % extend(SEED, body)
        if content != head + digits + _PAYLOAD_KEY + body + _END:
            return None
        try:
            payload = _decode_json(body.decode("ascii"))
        except (ValueError, RecursionError) as error:
            raise DamagedDocumentError("not JSON", content) from error
        if type(payload) is not dict:
            raise DamagedDocumentError("not a JSON object", content)
        return payload

    def was(self, content: bytes, payload: Payload) -> bool:
        """Whether damaged content shows that it was the document of this payload.

        Either its checksum still stands where it belongs, or all that the checksum is of.
        """
        whole = self.encode(payload)
        start = len(self.head)
        behind = start + _CHECKSUM_DIGITS
        checksums = slice(start, behind)
        return content[checksums] == whole[checksums] or content[behind:] == whole[behind:]

    def _refuse_other_version(self, path: str, content: bytes) -> None:
        """A newer release may lay its files out as it likes, but for these two keys."""
        document = _parse(content)
        version = document.get("version")
        if document.get("format") == self.name and type(version) is int and version != _VERSION:
            raise UnsupportedFormatError(
                f"{path}: expected {self.name} version {_VERSION} but found version {version}"
            )


def unsigned(payload: Payload, key: str) -> int:
    """Return a 64-bit number of a payload, or raise `DamagedDocumentError`."""
    value = payload.get(key)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise DamagedDocumentError(f"{key} is no 64-bit number")
    return value


def unsigned_fields(payload: Payload) -> dict[str, int]:
    """Return a payload that is all 64-bit numbers, or raise `DamagedDocumentError`."""
    numbers = {}
    for key, value in payload.items():
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise DamagedDocumentError(f"{key} is no 64-bit number")
        numbers[key] = value
    return numbers


def text(payload: Payload, key: str) -> str:
    """Return a text of a payload, or raise `DamagedDocumentError`."""
    value = payload.get(key)
    if not isinstance(value, str):
        raise DamagedDocumentError(f"{key} is no text")
    return value


def _parse(content: bytes) -> dict[str, object]:
    try:
        document = json.loads(content.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise DamagedDocumentError("not JSON", content) from error
    if not isinstance(document, dict):
        raise DamagedDocumentError("not a JSON object", content)
    return document


_METADATA: Final = DocumentFormat("wavetank.metadata")


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
        return _METADATA.encode(asdict(self))

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
        payload = _METADATA.read(directory, METADATA)
    except OSError as error:
        # A sector that cannot be read is damage, since what it held stands somewhere else too; any
        # other refusal (too many open files, no permission) says nothing about the file.
        if not is_unreadable(error):
            raise
        raise DamagedDocumentError("unreadable") from error
    if payload.keys() != _NAMES:
        raise DamagedDocumentError("unexpected keys")
    numbers = unsigned_fields({key: payload[key] for key in _NAMES - {"first_index"}})
    first_index = payload["first_index"]
    # An empty log whose base is the largest index begins one behind it.
    if type(first_index) is not int or not 0 <= first_index <= _LARGEST + 1:
        raise DamagedDocumentError("first_index is neither a 64-bit number nor one behind them")
    return LogMetadata(first_index=first_index, **numbers)


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
