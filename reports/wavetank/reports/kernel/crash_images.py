"""What a power cut may leave of a device: the choice of writes, and image files that hold them.

A flush makes everything before it durable. Between two flushes lies a window: a cut in it leaves
the writes of all windows before, and any subset of its own. A request that holds file blocks is cut
into these, since a device promises less than a request; one that holds metadata is kept whole or
lost. The subsets are chosen in this order: all, none, each prefix, each without one write, each of
one write alone, then random ones.
"""

from __future__ import annotations

import errno
import os  # noqa: TID251 - this is the machine's side
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice, zip_longest
from pathlib import Path
from random import Random  # noqa: TID251 - seeded by the caller
from typing import Final

from attrs import frozen

from wavetank.reports.kernel.recording_device import DeviceWrite, Flush, LoggedEvent

__all__ = [
    "CrashPoint",
    "PlacedMark",
    "Window",
    "apply_writes",
    "copy_sparse",
    "crash_points",
    "windows",
]

_BLOCK_BYTES: Final = 4096
_RANDOM_TRIES: Final = 4


@frozen
class PlacedMark:
    """A mark of a program.

    Attributes:
        position: length of the device's log when the mark was made, in bytes.
        word: what it says.
    """

    position: int
    word: str


@frozen(kw_only=True)
class Window:
    """What the device was given between two flushes.

    Attributes:
        start: length of its log after the flush before.
        end: length of its log in front of the next flush, or at the end of the log.
        writes: what can be lost by itself, each with the length of the log after its request.
    """

    start: int
    end: int
    writes: tuple[tuple[int, DeviceWrite], ...]


@frozen(kw_only=True)
class CrashPoint:
    """One legal content of the device, and the moments at which a cut may leave it.

    Attributes:
        kept: which of the window's writes, by number, ascending.
        marks: the marks made by then; several, where marks were made while the writes were pending.
    """

    kept: tuple[int, ...]
    marks: tuple[tuple[str, ...], ...]


def windows(events: Sequence[LoggedEvent]) -> Iterator[Window]:
    """Yield the windows of a log, in order; the last one may have no flush behind it."""
    start = end = 0
    writes: list[tuple[int, DeviceWrite]] = []
    for logged in events:
        if isinstance(logged.event, Flush):
            yield Window(start=start, end=end, writes=tuple(writes))
            writes = []
            start = logged.position
        else:
            writes += [(logged.position, part) for part in _parts(logged.event)]
        end = logged.position
    yield Window(start=start, end=end, writes=tuple(writes))


def crash_points(
    window: Window, first: int, last: int, marks: Sequence[PlacedMark], *, most: int, seed: int
) -> Iterator[CrashPoint]:
    """Yield what a cut in this window may leave, while a program ran.

    What the device was given before the program started is kept: it shows nothing of the program.

    Args:
        window: where the cut comes.
        first: length of the log when the program started.
        last: length of the log when the observation ended.
        marks: the program's marks, in order.
        most: how many subsets to look at; positive.
        seed: of the random subsets.
    """
    end = min(window.end, last)
    if max(window.start, first) > end:
        return
    positions = [position for position, _ in window.writes]
    begin, stop = bisect_right(positions, first), bisect_right(positions, end)
    for chosen in islice(_subsets(stop - begin, seed), most):
        kept = (*range(begin), *(begin + number for number in chosen))
        earliest = max(first, window.start, *(positions[number] for number in kept))
        yield CrashPoint(kept=kept, marks=tuple(_marks_between(marks, earliest, end)))


def _parts(write: DeviceWrite) -> tuple[DeviceWrite, ...]:
    """Cut a write into blocks if each is one letter over and over, as litmus files are."""
    starts = range(0, len(write.data), _BLOCK_BYTES)
    blocks = [write.data[start : start + _BLOCK_BYTES] for start in starts]
    if not all(block.count(block[0]) == len(block) for block in blocks):
        return (write,)
    return tuple(
        DeviceWrite(write.offset + start, block)
        for start, block in zip(starts, blocks, strict=True)
    )


def _marks_between(
    marks: Sequence[PlacedMark], earliest: int, latest: int
) -> Iterator[tuple[str, ...]]:
    """Yield the marks made by each moment at which the log was this long, both ends included."""
    for count in range(len(marks) + 1):
        begins = marks[count - 1].position if count else 0
        ends = marks[count].position if count < len(marks) else latest
        if begins <= latest and ends >= earliest:
            yield tuple(mark.word for mark in marks[:count])


def _subsets(count: int, seed: int) -> Iterator[tuple[int, ...]]:
    """Yield subsets of the first numbers, each once, the most telling ones first."""
    everything = tuple(range(count))
    prefixes = (everything[:length] for length in range(1, count))
    dropped = (everything[:number] + everything[number + 1 :] for number in everything)
    alone = ((number,) for number in everything)
    by_turns = (each for row in zip_longest(prefixes, dropped, alone) for each in row)
    seen: set[tuple[int, ...]] = set()
    for kept in chain([everything, ()], by_turns, _random_subsets(count, seed)):
        if kept is not None and kept not in seen:
            seen.add(kept)
            yield kept


def _random_subsets(count: int, seed: int) -> Iterator[tuple[int, ...]]:
    chance = Random(seed)  # noqa: S311 - no secret: repeatable choices
    for _ in range(_RANDOM_TRIES * count):
        yield tuple(number for number in range(count) if chance.random() < 0.5)  # noqa: PLR2004 - a fair coin


_PIECE_BYTES: Final = 1 << 16


def copy_sparse(source: Path, target: Path) -> None:
    """Make `target` a copy of `source`, with holes where it has holes or long runs of zeros.

    Raises:
        OSError: the machine refused.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(source.open("rb", buffering=0)).fileno()
        writer = stack.enter_context(target.open("wb", buffering=0)).fileno()
        size = os.fstat(reader).st_size
        os.ftruncate(writer, size)
        for start, end in _data_ranges(reader, size):
            for offset in range(start, end, _PIECE_BYTES):
                piece = os.pread(reader, min(_PIECE_BYTES, end - offset), offset)
                if piece.count(0) != len(piece):
                    os.pwrite(writer, piece, offset)


def apply_writes(path: Path, writes: Iterable[DeviceWrite]) -> None:
    """Put writes into a file, in order.

    Raises:
        OSError: the machine refused.
    """
    with path.open("r+b", buffering=0) as file:
        for write in writes:
            os.pwrite(file.fileno(), write.data, write.offset)


def _data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a sparse file has data, as start and end."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
