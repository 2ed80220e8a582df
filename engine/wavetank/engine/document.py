"""The codec of the small JSON files: format name, version, checksum, payload, in one fixed layout.

A document is intact only if it is, byte for byte, what `encode` makes of its payload, so that every
flipped bit in it shows. Left out: what the payloads mean (their owners check types and ranges).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from wavetank.engine.directory import StoreDirectory
from wavetank.engine.errors import UnsupportedFormatError
from wavetank.engine.log.format import checksum

__all__ = [
    "DOCUMENT_LIMIT",
    "DamagedDocumentError",
    "DocumentFormat",
    "Payload",
    "text",
    "unsigned",
]

DOCUMENT_LIMIT: Final = 1 << 20
"""Largest document in bytes; a larger file is damage and is not read."""

Payload = Mapping[str, object]

_VERSION: Final = 1
_LARGEST: Final = 2**64 - 1
_CHECKSUM_DIGITS: Final = 8
_PAYLOAD_KEY: Final = b'","payload":'
_END: Final = b"}\n"
_encode_json: Final = json.JSONEncoder(separators=(",", ":")).encode


class DamagedDocumentError(Exception):
    """A document is not what `DocumentFormat.encode` wrote; never leaves the engine."""


@frozen
class DocumentFormat:
    """One kind of document.

    Args:
        name: what stands in the file as its format.
    """

    name: str

    def encode(self, payload: Payload) -> bytes:
        """Return the file's content."""
        body = _encode_json(payload).encode("ascii")
        digits = f"{checksum(body):0{_CHECKSUM_DIGITS}x}".encode("ascii")
        return self._head() + digits + _PAYLOAD_KEY + body + _END

    def decode(self, path: str, content: bytes) -> dict[str, object]:
        """Return the payload.

        Raises:
            DamagedDocumentError: the content is not a document of this kind.
            UnsupportedFormatError: it is, in a version that this release does not know.
        """
        head = self._head()
        start = len(head) + _CHECKSUM_DIGITS
        body = content[start + len(_PAYLOAD_KEY) : -len(_END)]
        digits = f"{checksum(body):0{_CHECKSUM_DIGITS}x}".encode("ascii")
        if content != head + digits + _PAYLOAD_KEY + body + _END:
            self._refuse_other_version(path, content)
            raise DamagedDocumentError("layout or checksum are wrong")
        return _parse(body)

    def read(self, directory: StoreDirectory, name: str) -> dict[str, object]:
        """Return the payload of a file; errors as for `decode`, and ``OSError``."""
        content = directory.read_small(name, DOCUMENT_LIMIT)
        if content is None:
            raise DamagedDocumentError(f"larger than {DOCUMENT_LIMIT} bytes")
        return self.decode(directory.path_of(name), content)

    def was(self, content: bytes, payload: Payload) -> bool:
        """Whether damaged content shows that it was the document of this payload.

        Either its checksum still stands where it belongs, or all that the checksum is of.
        """
        whole = self.encode(payload)
        start = len(self._head())
        behind = start + _CHECKSUM_DIGITS
        checksums = slice(start, behind)
        return content[checksums] == whole[checksums] or content[behind:] == whole[behind:]

    def _head(self) -> bytes:
        head = f'{{"format":"{self.name}","version":{_VERSION},"checksum":"'
        return head.encode("ascii")

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
        raise DamagedDocumentError("not JSON") from error
    if not isinstance(document, dict):
        raise DamagedDocumentError("not a JSON object")
    return document
