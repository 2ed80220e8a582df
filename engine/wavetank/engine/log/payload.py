"""Serializers: the entries of a batch as a frame's payload, in binary or in JSON, and back.

Each frame names its encoding, so that one log may mix them. `EntryCodec` writes in one and reads
both. docs/format.md has the bytes. Left out: frames, and checksums over payloads.
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from itertools import accumulate
from struct import pack, unpack_from
from types import MappingProxyType
from typing import Final, Protocol

from attrs import frozen

from wavetank.engine.log.format import ROW_SIZE, Batch, Encoding, FrameHeader, FrameKind
from wavetank.engine.metrics import Latency, Meter

__all__ = ["SERIALIZERS", "EntryBlock", "EntryCodec", "Serializer"]

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


class Serializer(Protocol):
    """One way to write entries."""

    @property
    def encoding(self) -> Encoding:
        """What a frame says of a payload written so."""
        ...

    def encode(self, first_index: int, terms: Sequence[int], commands: Sequence[bytes]) -> bytes:
        """Return entries, at least one, as a payload."""
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
        base = self.count * ROW_SIZE
        commands = []
        for stop in ends:
            commands.append(self.payload[base + begin : base + stop])
            begin = stop
        return terms, commands


class BinarySerializer:
    """Columns of fixed width, then the commands: compact, and any row is found at once."""

    encoding = Encoding.BINARY

    def encode(self, first_index: int, terms: Sequence[int], commands: Sequence[bytes]) -> bytes:  # noqa: ARG002 - the frame's header says it
        """See `Serializer.encode`."""
        count = len(terms)
        columns = pack(f"<{count}Q", *terms), pack(f"<{count}Q", *accumulate(map(len, commands)))
        return b"".join((*columns, *commands))

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


class JsonSerializer:
    """An array of objects, for people and for tools of any kind; commands are in base64.

    The layout is fixed, so it is read by a pattern: nothing in it can nest, and no number or text
    is taken apart before it is known to be in place.
    """

    encoding = Encoding.JSON

    def encode(self, first_index: int, terms: Sequence[int], commands: Sequence[bytes]) -> bytes:
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
    """Entries to batches in one encoding, and frames of any encoding to entries.

    Args:
        binary: write binary payloads; else JSON.
        meter: is told how long it took.
    """

    def __init__(self, *, binary: bool, meter: Meter) -> None:
        self._serializer = SERIALIZERS[Encoding.BINARY if binary else Encoding.JSON]
        self._meter = meter

    def batch(self, first_index: int, terms: Sequence[int], commands: Sequence[bytes]) -> Batch:
        """Return the batch that appends entries, at least one."""
        with self._meter.timing(Latency.SERIALIZATION):
            payload = self._serializer.encode(first_index, terms, commands)
        return Batch(
            kind=FrameKind.ENTRIES,
            encoding=self._serializer.encoding,
            first_index=first_index,
            count=len(terms),
            first_term=terms[0],
            last_term=terms[-1],
            payload=payload,
        )

    def block(self, header: FrameHeader, payload: bytes) -> EntryBlock | None:
        """Return the entries of an intact frame, None if its payload makes no sense."""
        serializer = SERIALIZERS.get(header.encoding)
        if serializer is None:
            return None
        with self._meter.timing(Latency.DESERIALIZATION):
            return serializer.decode(header.first_index, header.count, payload)
