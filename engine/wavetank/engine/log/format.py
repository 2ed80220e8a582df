"""The bytes of log.dat: checksums, its header, frames, and the entries in a frame's payload.

docs/format.md has the layout as tables. A frame holds one append batch or one suffix truncation.
Checksums are crc32c with a start value that is never zero: with zero the checksum of zeros is zero,
and an all-zero block would pass for a frame. Mixing the incarnation into the start value makes the
same bytes fail in every other incarnation, since crc32c tells two start values apart for equal
bytes.
"""

from __future__ import annotations

import re
from array import array
from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from enum import IntEnum
from hashlib import blake2b
from itertools import repeat
from struct import Struct, pack, unpack_from
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

from attrs import Factory, field, frozen
from google_crc32c import extend

from wavetank.engine.values import LogEntry, UncheckedEntry

__all__ = [
    "ALGORITHM_CRC32C",
    "FILLER_PERIOD",
    "FRAME_HEADER_SIZE",
    "FRAME_MAGIC",
    "FRAME_ROW",
    "GUARD_SIZE",
    "LOG_HEADER_SIZE",
    "LOG_VERSION",
    "LONGEST_TAIL",
    "ROW_SIZE",
    "SEED",
    "SERIALIZERS",
    "TRUNCATION_SIZE",
    "BinaryBlock",
    "Encoding",
    "EntryBlock",
    "EntryCodec",
    "FrameHeader",
    "FrameKind",
    "FrameRow",
    "FrameTable",
    "LogHeader",
    "Serializer",
    "checksum",
    "decode_frame_header",
    "decode_log_header",
    "encode_frame",
    "encode_log_header",
    "entries_frame_size",
    "filler",
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


_FILLER: Final = b"\xf6Wvfree\n"
FILLER_PERIOD: Final = len(_FILLER)
"""Bytes after which filler repeats."""


def filler(offset: int, length: int) -> bytes:
    """Return the bytes with which space for frames to come is filled.

    They depend on the offset alone, so that they are known without a note of where the space
    begins. They are no zeros, so that a frame whose blocks were zeroed is not taken for free space.
    The fifth byte is no kind of frame, so no header begins like them.

    Args:
        offset: of the first byte in log.dat.
        length: how many bytes.
    """
    phase = offset % len(_FILLER)
    return (_FILLER * (length // len(_FILLER) + 2))[phase : phase + length]


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


def encode_frame(  # noqa: PLR0917 - positional, since every append calls it
    kind: int,
    encoding: int,
    count: int,
    number: int,
    first_index: int,
    watermark: int,
    first_term: int,
    last_term: int,
    previous_checksum: int,
    payload: bytes,
    seed: int,
) -> tuple[bytes, int]:
    """Return the bytes of a frame, and its checksum, to which the next frame links.

    `FrameHeader` says what the arguments are; `seed` is that of the incarnation.
    """
    fields = _FRAME_FIELDS.pack(
        FRAME_MAGIC,
        kind,
        encoding,
        0,
        count,
        number,
        first_index,
        len(payload),
        watermark,
        first_term,
        last_term,
        previous_checksum,
        extend(seed, payload),
    )
    crc: int = extend(seed, fields)
    return b"".join((fields, _CRC.pack(crc), payload)), crc


def entries_frame_size(command_sizes: Sequence[int]) -> int:
    """Return the bytes of the frame that holds a batch in binary.

    Args:
        command_sizes: bytes of each entry's command.

    >>> entries_frame_size([3]) - entries_frame_size([0])
    3
    """
    return FRAME_HEADER_SIZE + len(command_sizes) * ROW_SIZE + sum(command_sizes)


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


_LARGEST: Final = 2**64 - 1
# At most 20 digits: a longer number is refused unread, however long it is.
_NUMBER: Final = rb"(0|[1-9][0-9]{0,19})"
_JSON_ENTRY: Final = re.compile(
    rb'[\[,]\{"index":' + _NUMBER + rb',"term":' + _NUMBER + rb',"command":"([A-Za-z0-9+/]*+=*+)"\}'
)


class EntryBlock(Protocol):
    """The entries of one frame, decoded as far as they are asked for."""

    def term(self, index: int) -> int:
        """Return the term of one entry of the block."""
        ...

    def rows(self, start: int, end: int) -> tuple[Sequence[int], Sequence[bytes]]:
        """Return terms and commands of the entries with ``start <= index < end``."""
        ...

    def add_entries(self, entries: list[LogEntry], start: int, end: int) -> int:
        """Append the entries with ``start <= index < end``; return the bytes of their commands."""
        ...


class Serializer(Protocol):
    """One way to write entries."""

    @property
    def encoding(self) -> Encoding:
        """What a frame says of a payload written so."""
        ...

    def encode(
        self,
        first_index: int,
        terms: Sequence[int],
        commands: Sequence[bytes],
        ends: Sequence[int],
    ) -> bytes:
        """Return entries, at least one, as a payload; `ends` is where each command ends."""
        ...

    def decode(self, first_index: int, count: int, payload: bytes) -> EntryBlock | None:
        """Return the entries in a payload, None if it is not what `encode` writes.

        A checksum proves that bytes are those that were written, not that they make sense: nothing
        in a payload is trusted.
        """
        ...


@frozen
class BinaryBlock:
    """Entries in binary; only the rows that are asked for are decoded.

    Args:
        first_index: index of the first row.
        count: how many rows there are.
        payload: all terms, then all command ends, then the commands.
    """

    first_index: int
    count: int
    payload: bytes

    def term(self, index: int) -> int:
        """See `EntryBlock.term`."""
        (term,) = unpack_from("<Q", self.payload, 8 * (index - self.first_index))
        return int(term)

    def rows(self, start: int, end: int) -> tuple[Sequence[int], Sequence[bytes]]:
        """See `EntryBlock.rows`."""
        skipped, count = start - self.first_index, end - start
        terms = unpack_from(f"<{count}Q", self.payload, 8 * skipped)
        column = 8 * self.count
        ends = unpack_from(f"<{count}Q", self.payload, column + 8 * skipped)
        begin = unpack_from("<Q", self.payload, column + 8 * skipped - 8)[0] if skipped else 0
        payload, base = self.payload, self.count * ROW_SIZE
        begin += base
        commands = []
        for command_end in ends:
            stop = base + command_end
            commands.append(payload[begin:stop])
            begin = stop
        return terms, commands

    def add_entries(self, entries: list[LogEntry], start: int, end: int) -> int:
        """See `EntryBlock.add_entries`."""
        skipped, count = start - self.first_index, end - start
        payload, column, base = self.payload, 8 * self.count, self.count * ROW_SIZE
        terms = unpack_from(f"<{count}Q", payload, 8 * skipped)
        ends = unpack_from(f"<{count}Q", payload, column + 8 * skipped)
        begin = base
        if skipped:
            begin += unpack_from("<Q", payload, column + 8 * skipped - 8)[0]
        first, index, add = begin, start, entries.append
        for term, command_end in zip(terms, ends, strict=True):
            stop = base + command_end
            entry: Any = UncheckedEntry()
            entry.index = index
            entry.term = term
            entry.command = payload[begin:stop]
            entry.__class__ = LogEntry
            add(entry)
            index += 1
            begin = stop
        return int(begin - first)


class FrameTable:
    """Where each entry of a verified binary frame lies, so that one can be read and verified alone.

    Args:
        block: the entries.
        commands: all of them.
        offset: of the frame in log.dat, in bytes.
        seed: of the incarnation.

    Attributes:
        first_index: index of the first entry.
        offset: of the first command in log.dat, in bytes.
        terms: of the entries.
        ends: where each command ends, in bytes from the first one.
        checksums: of the commands.
    """

    __slots__ = ("checksums", "ends", "first_index", "offset", "terms")

    def __init__(
        self, block: BinaryBlock, commands: Sequence[bytes], offset: int, seed: int
    ) -> None:
        count, payload = block.count, block.payload
        self.first_index = block.first_index
        self.offset = offset + FRAME_HEADER_SIZE + count * ROW_SIZE
        self.terms = array("Q", unpack_from(f"<{count}Q", payload))
        self.ends = array("Q", unpack_from(f"<{count}Q", payload, 8 * count))
        self.checksums = array("I", map(extend, repeat(seed), commands))


class BinarySerializer:
    """Columns of fixed width, then the commands: compact, and any row is found at once."""

    encoding = Encoding.BINARY

    def encode(
        self,
        first_index: int,  # noqa: ARG002 - the frame's header says it
        terms: Sequence[int],
        commands: Sequence[bytes],
        ends: Sequence[int],
    ) -> bytes:
        """See `Serializer.encode`."""
        count, term = len(terms), terms[0]
        if term == terms[-1]:
            column = term.to_bytes(8, "little") * count  # terms never fall, so all are equal
        else:
            column = pack(f"<{count}Q", *terms)
        return b"".join((column, pack(f"<{count}Q", *ends), *commands))

    def decode(self, first_index: int, count: int, payload: bytes) -> EntryBlock | None:
        """See `Serializer.decode`."""
        table = count * ROW_SIZE
        if not count or table > len(payload):
            return None
        (end,) = unpack_from("<Q", payload, table - 8)
        return BinaryBlock(first_index, count, payload) if end == len(payload) - table else None


@frozen
class JsonBlock:
    """Entries that came as JSON, all of them decoded."""

    first_index: int
    terms: Sequence[int]
    commands: Sequence[bytes]

    def term(self, index: int) -> int:
        """See `EntryBlock.term`."""
        return self.terms[index - self.first_index]

    def rows(self, start: int, end: int) -> tuple[Sequence[int], Sequence[bytes]]:
        """See `EntryBlock.rows`."""
        rows = slice(start - self.first_index, end - self.first_index)
        return self.terms[rows], self.commands[rows]

    def add_entries(self, entries: list[LogEntry], start: int, end: int) -> int:
        """See `EntryBlock.add_entries`."""
        terms, commands = self.rows(start, end)
        entries.extend(map(LogEntry, range(start, end), terms, commands))
        return sum(map(len, commands))


class JsonSerializer:
    """An array of objects, for people and for tools of any kind; commands are in base64.

    The layout is fixed, so it is read by a pattern: nothing in it can nest, and no number or text
    is taken apart before it is known to be in place.
    """

    encoding = Encoding.JSON

    def encode(
        self,
        first_index: int,
        terms: Sequence[int],
        commands: Sequence[bytes],
        ends: Sequence[int],  # noqa: ARG002 - texts end where their quotes do
    ) -> bytes:
        """See `Serializer.encode`."""
        entries = (
            b'{"index":%d,"term":%d,"command":"%b"}'
            % (index, term, b2a_base64(command, newline=False))
            for index, (term, command) in enumerate(zip(terms, commands, strict=True), first_index)
        )
        return b"[%b]" % b",".join(entries)

    def decode(self, first_index: int, count: int, payload: bytes) -> EntryBlock | None:
        """See `Serializer.decode`."""
        terms: list[int] = []
        commands: list[bytes] = []
        position = 0
        if not payload.startswith(b"["):
            return None
        for index in range(first_index, first_index + count):
            match = _JSON_ENTRY.match(payload, position)
            if match is None or int(match[1]) != index or int(match[2]) > _LARGEST:
                return None
            if terms and payload[position : position + 1] != b",":
                return None
            try:
                commands.append(a2b_base64(match[3], strict_mode=True))
            except BinasciiError:
                return None
            terms.append(int(match[2]))
            position = match.end()
        return JsonBlock(first_index, terms, commands) if payload[position:] == b"]" else None


SERIALIZERS: Final[Mapping[int, Serializer]] = MappingProxyType(
    {each.encoding: each for each in (BinarySerializer(), JsonSerializer())}
)
"""Every serializer, by the number that stands in a frame."""


class EntryCodec:
    """Entries to payloads in one encoding, and payloads of any encoding to entries.

    Args:
        binary: write binary payloads; else JSON.
    """

    def __init__(self, *, binary: bool) -> None:
        serializer = SERIALIZERS[Encoding.BINARY if binary else Encoding.JSON]
        self.encoding = serializer.encoding
        self.encode = serializer.encode

    def decode(self, header: FrameHeader, payload: bytes) -> EntryBlock | None:
        """Return the entries of an intact frame, None if its payload makes no sense."""
        serializer = SERIALIZERS.get(header.encoding)
        if serializer is None:
            return None
        return serializer.decode(header.first_index, header.count, payload)
