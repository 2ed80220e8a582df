"""A damaged log read without changing it: what lies before and behind the damage must be shown.

Where acknowledged frames are damaged an open is refused, and `read_only` and `dump_directory` are
what is left to get at the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from attrs import evolve

from wavetank.engine import (
    DumpedFrame,
    FileSystem,
    LogEntry,
    StorageError,
    UnsupportedFormatError,
    dump_directory,
)
from wavetank.scenarios.corruption.damaged_store import DIRECTORY, StoreRecord
from wavetank.scenarios.corruption.damages import DamagedFiles
from wavetank.scenarios.corruption.expectation import Expectation
from wavetank.scenarios.corruption.log_expectation import LogExpectation
from wavetank.scenarios.corruption.opened import Opener, medium_of
from wavetank.scenarios.corruption.rules import Rule

__all__ = ["IS_READ_ASIDE", "problem_aside"]

IS_READ_ASIDE: Final = frozenset({Rule.ACKNOWLEDGED_FRAME, Rule.CLOSED_END})
"""The rules for a log of which a part is damaged that was acknowledged."""


def problem_aside(
    record: StoreRecord, damaged: DamagedFiles, expectation: Expectation, opener: Opener
) -> str:
    """Return what is wrong with what is shown of a damaged log without changing it, or "".

    Args:
        record: the undamaged store.
        damaged: its files now.
        expectation: which frames of its log are left, behind damage too.
        opener: what opens the store.
    """
    fs, expected = medium_of(damaged), expectation.log
    names_version = Rule.OTHER_VERSION in expectation.rules
    try:
        problems = chain(_read_only(record, expected, opener, fs), _dumped(record, expected, fs))
        return next(problems, "")
    except UnsupportedFormatError as error:
        # What a newer release wrote is refused by name, in any mode.
        return "" if names_version else f"refused without reason: {error}"
    except StorageError as error:
        return f"not to be read aside: {type(error).__name__}: {error}"


def _read_only(
    record: StoreRecord, expected: LogExpectation, opener: Opener, fs: FileSystem
) -> Iterator[str]:
    store = opener(fs, evolve(record.options, read_only=True))
    left = set(_indices(record, expected))
    for entry in record.log.entries:
        try:
            shown = store.get_log_entry(entry.index)
        except StorageError as error:
            if entry.index in left:
                yield f"read_only does not show entry {entry.index}: {error}"
            continue
        if shown != entry and shown not in record.ever_logged:
            yield f"wrong data: read_only shows {shown.index}/{shown.term}"
        elif shown != entry and entry.index in left:
            yield f"wrong data: read_only shows an older entry {shown.index}"
    if not store.recovery_report.lost:
        yield "silent loss: the report of a read-only open names none"
    store.close()


def _indices(record: StoreRecord, expected: LogExpectation) -> Iterator[int]:
    """Yield the indices of the entries whose frames are left, those removed later left out."""
    for number in expected.intact:
        frame = record.frames[number]
        held: set[LogEntry] = set(record.dump.entries(frame))
        yield from (entry.index for entry in record.log.entries if entry in held)


def _dumped(record: StoreRecord, expected: LogExpectation, fs: FileSystem) -> Iterator[str]:
    dump = dump_directory(DIRECTORY, fs=fs)
    shown = {
        part.offset: tuple(dump.entries(part))
        for part in dump.frames()
        if isinstance(part, DumpedFrame)
    }
    for number in expected.intact:
        frame = record.frames[number]
        if shown.get(frame.offset) != tuple(record.dump.entries(frame)):
            yield f"dump does not show the frame at offset {frame.offset}"
