"""Checksums: crc32c with a seed that is never zero, and the ids of log incarnations.

With a zero start value the checksum of zeros is zero, and an all-zero block would pass for a frame.
Mixing the incarnation into the seed makes the same bytes fail in every other incarnation: for equal
bytes, crc32c tells two seeds apart without exception. Left out: protection against forgery.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
from struct import Struct, pack
from typing import Final, TypeAlias

from attrs import Factory, field, frozen
from google_crc32c import extend

__all__ = [
    "ALGORITHM_CRC32C",
    "FRAME_HEADER_SIZE",
    "FRAME_MAGIC",
    "FRAME_ROW",
    "GUARD_SIZE",
    "LOG_HEADER_SIZE",
    "LOG_VERSION",
    "LONGEST_TAIL",
    "ROW_SIZE",
    "SEED",
    "TRUNCATION_SIZE",
    "Batch",
    "EncodedFrame",
    "Encoding",
    "FrameHeader",
    "FrameKind",
    "FrameRow",
    "LogHeader",
    "checksum",
    "decode_frame_header",
    "decode_log_header",
    "encode_frame",
    "encode_log_header",
    "frame_header",
    "frame_link",
    "log_header_version",
    "next_incarnation",
    "seed_for",
]

SEED: Final = 0x57617665
ALGORITHM_CRC32C: Final = 1


def checksum(content: bytes, seed: int = SEED) -> int:
    """Return the crc32c of `content`, continued from `seed`."""
    return int(extend(seed, content))


def seed_for(*numbers: int) -> int:
    """Return the seed that ties content to these 64-bit numbers."""
    return extend(SEED, pack(f"<{len(numbers)}Q", *numbers)) or SEED


def next_incarnation(incarnation: int, last_checksum: int, base_index: int, base_term: int) -> int:
    """Derive the id of the log that replaces another one.

    It depends on nothing but the old log and the new base, so that a rewrite which a crash cut
    short comes out the same when it is done again.
    """
    parts = (incarnation, last_checksum, base_index, base_term)
    digest = blake2b(b"".join(part.to_bytes(8, "little") for part in parts), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


LONGEST_TAIL: Final = 1 << 30
"""Bytes behind the last intact frame beyond which nobody searches for minutes, or writes zeros."""


LOG_VERSION: Final = 1
FRAME_MAGIC: Final = b"\xf7WvF"
ROW_SIZE: Final = 16
"""Bytes per entry in binary: its term and the end of its command; no encoding takes fewer."""


_LOG_MAGIC: Final = b"\xf7WVTLOG\n"
_LOG_FIELDS: Final = Struct("<8sHBBQQQQ")
_FRAME_FIELDS: Final = Struct("<4sBBHIQQQQQQII")
_CRC: Final = Struct("<I")
_LINK: Final = slice(60, 64)

FrameRow: TypeAlias = tuple[bytes, int, int, int, int, int, int, int, int, int, int, int, int, int]
"""The fields of a frame header as they lie there, from the magic to the header's checksum."""

FRAME_ROW: Final = Struct("<4sBBHIQQQQQQIII")
"""Packs and unpacks a `FrameRow`."""

LOG_HEADER_SIZE: Final = _LOG_FIELDS.size + _CRC.size
FRAME_HEADER_SIZE: Final = _FRAME_FIELDS.size + _CRC.size

TRUNCATION_SIZE: Final = 8
"""Bytes of a TRUNCATE frame's payload: the index of the last entry removed."""

GUARD_SIZE: Final = FRAME_HEADER_SIZE
"""Most zeros that may follow the last frame: a header's place, and less than any frame."""


class FrameKind(IntEnum):
    """What a frame does to the log."""

    ENTRIES = 1
    TRUNCATE = 2


class Encoding(IntEnum):
    """How a frame's payload is written; truncations are always binary."""

    BINARY = 1
    JSON = 2


@frozen(kw_only=True)
class LogHeader:
    """The head of one incarnation of log.dat.

    Args:
        incarnation: 64-bit id of this log; changes whenever log.dat is made anew.
        generation: how many logs this store has had, from 1.
        base_index: index of the entry before the first one.
        base_term: term of that entry.

    Attributes:
        seed: start value of every frame checksum of this incarnation.
    """

    incarnation: int
    generation: int
    base_index: int
    base_term: int
    seed: int = field(
        init=False, default=Factory(lambda self: seed_for(self.incarnation), takes_self=True)
    )


@frozen
class FrameHeader:
    """The head of one frame, in the order of its bytes.

    Attributes:
        kind: a `FrameKind`, or a number that a newer release may know.
        encoding: an `Encoding`, likewise.
        count: entries in the payload; 0 for a truncation.
        batch: position among the frames of this incarnation, from 1.
        first_index: of the first entry, or of the first one removed.
        payload_length: bytes behind this header.
        watermark: the highest batch known durable when this frame was published.
        first_term: of the first entry.
        last_term: of the last entry that the log holds after this frame.
        previous_checksum: of the frame before, or of the log's header.
        payload_checksum: seeded with the incarnation.
        checksum: of this header, and through it of all that came before.
    """

    kind: int
    encoding: int
    count: int
    batch: int
    first_index: int
    payload_length: int
    watermark: int
    first_term: int
    last_term: int
    previous_checksum: int
    payload_checksum: int
    checksum: int

    @property
    def size(self) -> int:
        """Bytes of the whole frame."""
        return FRAME_HEADER_SIZE + self.payload_length


@frozen(kw_only=True)
class Batch:
    """What a frame is to say, before it has a place in a log.

    Args:
        kind: entries, or a truncation.
        encoding: of the payload.
        first_index: of the first entry, or of the first one removed.
        count: how many entries; 0 for a truncation.
        first_term: of the first entry; for a truncation as `last_term`.
        last_term: of the last entry that the log holds after this frame.
        payload: what follows the header.
    """

    kind: FrameKind
    encoding: Encoding = Encoding.BINARY
    first_index: int
    count: int
    first_term: int
    last_term: int
    payload: bytes

    @classmethod
    def of_truncation(cls, first_removed: int, last_removed: int, last_term: int) -> Batch:
        """Return the batch that removes the entries from `first_removed` to `last_removed`."""
        return cls(
            kind=FrameKind.TRUNCATE,
            first_index=first_removed,
            count=0,
            first_term=last_term,
            last_term=last_term,
            payload=pack("<Q", last_removed),
        )


@frozen
class EncodedFrame:
    """A frame's bytes beside the header they begin with."""

    header: FrameHeader
    content: bytes


def encode_log_header(header: LogHeader) -> tuple[bytes, int]:
    """Return the bytes of a log's header and their checksum, which begins the chain."""
    fields = _LOG_FIELDS.pack(
        _LOG_MAGIC,
        LOG_VERSION,
        ALGORITHM_CRC32C,
        0,
        header.incarnation,
        header.generation,
        header.base_index,
        header.base_term,
    )
    crc = checksum(fields)
    return fields + _CRC.pack(crc), crc


def decode_log_header(content: bytes) -> tuple[LogHeader, int] | None:
    """Return the header and its checksum, None if it is damaged or of another version."""
    if len(content) != LOG_HEADER_SIZE:
        return None
    magic, version, algorithm, zero, *numbers = _LOG_FIELDS.unpack_from(content)
    crc: int = extend(SEED, content[: _LOG_FIELDS.size])
    if (
        magic != _LOG_MAGIC
        or (version, algorithm, zero) != (LOG_VERSION, ALGORITHM_CRC32C, 0)
        or (crc,) != _CRC.unpack_from(content, _LOG_FIELDS.size)
    ):
        return None
    incarnation, generation, base_index, base_term = numbers
    header = LogHeader(
        incarnation=incarnation, generation=generation, base_index=base_index, base_term=base_term
    )
    return header, crc


def log_header_version(content: bytes) -> int | None:
    """Return the version of an intact header, None if it is damaged.

    Magic, version and checksum keep their places in every version to come.
    """
    if len(content) != LOG_HEADER_SIZE or not content.startswith(_LOG_MAGIC):
        return None
    fields = content[: _LOG_FIELDS.size]
    if _CRC.pack(checksum(fields)) != content[_LOG_FIELDS.size :]:
        return None
    version: int = _LOG_FIELDS.unpack(fields)[1]
    return version


def encode_frame(
    batch: Batch, *, number: int, watermark: int, previous_checksum: int, seed: int
) -> EncodedFrame:
    """Return a batch as the frame of this number, with this watermark, behind that checksum."""
    values = (
        batch.kind,
        batch.encoding,
        batch.count,
        number,
        batch.first_index,
        len(batch.payload),
        watermark,
        batch.first_term,
        batch.last_term,
        previous_checksum,
        checksum(batch.payload, seed),
    )
    fields = _FRAME_FIELDS.pack(FRAME_MAGIC, *values[:2], 0, *values[2:])
    crc = checksum(fields, seed)
    return EncodedFrame(
        FrameHeader(*values, crc), b"".join((fields, _CRC.pack(crc), batch.payload))
    )


def decode_frame_header(content: bytes, seed: int) -> FrameHeader | None:
    """Return the header in exactly `FRAME_HEADER_SIZE` bytes, None if it is not intact."""
    if len(content) != FRAME_HEADER_SIZE:
        return None
    row: FrameRow = FRAME_ROW.unpack(content)
    if row[0] != FRAME_MAGIC or row[3] or extend(seed, content[: _FRAME_FIELDS.size]) != row[13]:
        return None
    return frame_header(row)


def frame_header(row: FrameRow) -> FrameHeader:
    """Return the header whose fields these are."""
    return FrameHeader(row[1], row[2], *row[4:])


def frame_link(content: bytes) -> int | None:
    """Return the link in a frame's header that need not be intact, None where it ends before."""
    link = content[_LINK]
    return int.from_bytes(link, "little") if len(link) == _CRC.size else None
