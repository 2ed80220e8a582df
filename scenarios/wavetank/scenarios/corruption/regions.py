"""The regions of a store's files by what they mean, so that damage can be put into each of them.

Fields of log.dat stand where docs/format.md says, frames where `dump_directory` finds them; fields
of the documents stand where their keys do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from attrs import frozen

from wavetank.engine import DumpedFrame
from wavetank.scenarios.corruption.damaged_store import LOG, StoreRecord

__all__ = ["Region", "regions"]

_HEADER: Final = (
    ("magic", 0),
    ("version", 8),
    ("algorithm", 10),
    ("reserved byte", 11),
    ("incarnation", 12),
    ("generation", 20),
    ("base index", 28),
    ("base term", 36),
    ("checksum", 44),
    ("", 48),
)
_FRAME: Final = (
    ("magic", 0),
    ("kind", 4),
    ("encoding", 5),
    ("reserved bytes", 6),
    ("count", 8),
    ("batch number", 12),
    ("first index", 20),
    ("payload length", 28),
    ("watermark", 36),
    ("first term", 44),
    ("last term", 52),
    ("link", 60),
    ("payload checksum", 64),
    ("header checksum", 68),
    ("", 72),
)
_HEADER_BYTES: Final = 48
_FRAME_HEADER_BYTES: Final = 72
_WORD: Final = 8
_VALUE: Final = re.compile(rb'"([a-z_]+)":("(?:[^"\\]|\\.)*"|[0-9]+|null)')


@frozen(order=True, kw_only=True)
class Region:
    """Bytes of one file that mean one thing.

    Attributes:
        file: its name.
        begin: offset of the first byte.
        end: offset behind the last byte; equal to `begin` in an empty file.
        meaning: what stands there, the same for all places of one kind.
    """

    file: str
    begin: int
    end: int
    meaning: str


def regions(record: StoreRecord) -> Iterator[Region]:
    """Yield every region of every file of a store, and one for each file as a whole."""
    for name, content in record.files.items():
        yield Region(file=name, begin=0, end=len(content), meaning="whole file")
        if name == LOG:
            yield from _log(record, len(content))
        elif name.endswith((".json", ".json.tmp")):
            yield from _document(name, content)
        elif content:
            yield from _thirds(name, "data", 0, len(content))


def _log(record: StoreRecord, size: int) -> Iterator[Region]:
    yield from _fields("header", _HEADER, 0)
    for frame in record.frames:
        yield from _fields("frame header", _FRAME, frame.offset)
        yield from _payload(frame)
    if record.end_of_frames < size:
        yield from _thirds(LOG, "behind the last frame", record.end_of_frames, size)


def _fields(prefix: str, fields: tuple[tuple[str, int], ...], offset: int) -> Iterator[Region]:
    for (name, begin), (_, end) in pairwise(fields):
        yield Region(file=LOG, begin=offset + begin, end=offset + end, meaning=f"{prefix}: {name}")


def _payload(frame: DumpedFrame) -> Iterator[Region]:
    begin, end = frame.offset + _FRAME_HEADER_BYTES, frame.offset + frame.size
    if frame.kind != "entries":
        yield Region(file=LOG, begin=begin, end=end, meaning="payload: truncation")
    elif frame.encoding != "binary":
        yield from _thirds(LOG, "payload: JSON", begin, end)
    else:
        terms, ends = begin + _WORD * frame.count, begin + 2 * _WORD * frame.count
        yield Region(file=LOG, begin=begin, end=terms, meaning="payload: terms")
        yield Region(file=LOG, begin=terms, end=ends, meaning="payload: ends")
        yield from _thirds(LOG, "payload: commands", ends, end)


def _document(name: str, content: bytes) -> Iterator[Region]:
    for found in _VALUE.finditer(content):
        key = found[1].decode("ascii")
        yield Region(file=name, begin=found.start(1), end=found.end(1), meaning=f"key {key}")
        yield Region(file=name, begin=found.start(2), end=found.end(2), meaning=f"value of {key}")
    if content:
        last = len(content) - 1
        yield Region(file=name, begin=last, end=len(content), meaning="line end")


def _thirds(name: str, meaning: str, begin: int, end: int) -> Iterator[Region]:
    cuts = sorted({begin, begin + (end - begin) // 3, begin + 2 * (end - begin) // 3, end})
    for first, behind in pairwise(cuts):
        yield Region(file=name, begin=first, end=behind, meaning=meaning)
