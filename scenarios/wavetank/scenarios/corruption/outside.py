"""Damaged files as seen by whoever has no store open: verification, a dump, a read-only open.

None of them may change anything, raise anything without a type, or keep a file open. Where an open
for writing must refuse, verification must name a bad place; and a dump shows the entries of a frame
only if the frame is still what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain

from attrs import evolve

from wavetank.engine import (
    NotInitializedError,
    OpenFlag,
    RecoveryMode,
    StorageError,
    dump_directory,
    verify_directory,
)
from wavetank.scenarios.corruption.damaged_store import (
    DIRECTORY,
    LOG,
    StoreRecord,
    disk_of,
    files_of,
)
from wavetank.scenarios.corruption.damages import DamagedFiles
from wavetank.scenarios.corruption.expectation import Expectation
from wavetank.scenarios.corruption.opened import Opener, medium_on
from wavetank.scenarios.corruption.rules import RULES, Outcome
from wavetank.sim import SimFileSystem

__all__ = ["problem_from_outside"]


def problem_from_outside(
    record: StoreRecord, damaged: DamagedFiles, expected: Expectation, opener: Opener
) -> str:
    """Return what is wrong with how damaged files are shown to others, or "".

    Args:
        record: the undamaged store.
        damaged: its files now.
        expected: the rules that apply.
        opener: what opens the store.
    """
    problems = chain(
        _verified(damaged, expected),
        _read_only(record, damaged, opener),
        _dumped_while_it_changes(record, damaged),
    )
    return next(problems, "")


def _verified(damaged: DamagedFiles, expected: Expectation) -> Iterator[str]:
    disk = disk_of(damaged.files)
    try:
        report = verify_directory(DIRECTORY, fs=medium_on(disk, damaged))
    except StorageError as error:
        yield f"not to be verified: {type(error).__name__}: {error}"
        return
    if report.sound and _must_be_refused(expected):
        yield "verification finds nothing: an open for writing refuses these files"
    if disk.open_paths:
        yield f"verification keeps files open: {disk.open_paths}"


def _must_be_refused(expected: Expectation) -> bool:
    parts = (expected.state, expected.metadata, expected.snapshot, expected.log.rule)
    only = frozenset({Outcome.DETECTED})
    return any(RULES[rule][RecoveryMode.NORMAL] == only for rule in parts)


def _read_only(record: StoreRecord, damaged: DamagedFiles, opener: Opener) -> Iterator[str]:
    disk = disk_of(damaged.files)
    with suppress(StorageError):
        store = opener(medium_on(disk, damaged), evolve(record.options, read_only=True))
        questions: tuple[Callable[[], object], ...] = (
            store.load_state,
            lambda: list(store),
            store.load_snapshot,
            store.verify,
        )
        for question in questions:
            with suppress(StorageError):
                question()
        store.close()
    if disk.open_paths:
        yield f"a read-only open keeps files open: {disk.open_paths}"
    if files_of(SimFileSystem(disk)) != damaged.files:
        yield "a read-only open has changed the directory"


def _dumped_while_it_changes(record: StoreRecord, damaged: DamagedFiles) -> Iterator[str]:
    """Dump the undamaged store, put the damaged bytes in their place, and ask for entries."""
    content = damaged.files.get(LOG)
    if content is None or content == record.files[LOG] or LOG in damaged.unreadable:
        return
    fs = SimFileSystem(disk_of(record.files))
    try:
        dump = dump_directory(DIRECTORY, fs=fs)
    except NotInitializedError:
        return
    file = fs.open(f"{DIRECTORY}/{LOG}", OpenFlag.WRITE | OpenFlag.TRUNCATE)
    file.pwrite(content, 0)
    file.close()
    for frame in record.frames:
        shown = dump.entries(frame)
        if shown and shown != record.dump.entries(frame):
            yield f"a dump shows other entries once the frame at {frame.offset} has changed"
