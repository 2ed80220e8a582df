"""What may be missing from what a store shows, since the disk was to blame: `ToleratedLosses`.

A store on a damaged disk may refuse, which is judged where it is opened. If it opens, what it shows
is right all the same, but for entries that it names as gone, and for a suffix of the log of which
nothing legible is left that could speak of it.
"""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from attrs import evolve, frozen

from wavetank.engine import (
    DumpedFrame,
    FileSystem,
    NotInitializedError,
    RecoveryReport,
    Storage,
    StorageError,
    StoreDump,
    dump_directory,
)
from wavetank.scenarios.raft.judging.reported_losses import ReportedLosses

__all__ = [
    "NOTHING_TOLERATED",
    "ReportsRecovery",
    "ToleratedLosses",
    "legible_end",
    "tolerated_losses_of",
]

_FRAME_HEADER_BYTES: Final = 72
_LOG_HEADER_BYTES: Final = 48


@runtime_checkable
class ReportsRecovery(Protocol):
    """A store that says what its opening found, did, cut and lost."""

    @property
    def recovery_report(self) -> RecoveryReport:
        """The report of its opening."""
        ...


@frozen(kw_only=True)
class ToleratedLosses:
    """What a store on a lying disk may leave out.

    Attributes:
        is_damaged: whether the disk showed other content than was written, and it made a
            difference.
        has_lied: whether a sync had said that it was done and was not.
        log_gone_from: the first index that the store's own report names as gone, 0 if it names
            none; None if it tells of no loss.
        snapshot_gone: whether the report says that the snapshot is given up.
        legible_end: where the log ends that was still legible, if nothing legible spoke of more.
        is_older: whether more than one place shows what it held before, so that older files may
            fit together.

    >>> ToleratedLosses() == NOTHING_TOLERATED
    True
    """

    is_damaged: bool = False
    has_lied: bool = False
    log_gone_from: int | None = None
    snapshot_gone: bool = False
    legible_end: int | None = None
    is_older: bool = False

    def after(self, first: ToleratedLosses) -> ToleratedLosses:
        """Return what counts after a second opening: what the first has named stays named."""
        named = [each for each in (first.log_gone_from, self.log_gone_from) if each is not None]
        return evolve(
            self,
            log_gone_from=min(named, default=None),
            snapshot_gone=self.snapshot_gone or first.snapshot_gone,
        )


NOTHING_TOLERATED: Final = ToleratedLosses()


def tolerated_losses_of(store: Storage, directory: str, disk: ToleratedLosses) -> ToleratedLosses:
    """Return what an opened store may leave out.

    Args:
        store: which has a report, or not: then it names nothing.
        directory: of the store.
        disk: what is known of the disk alone.
    """
    if not isinstance(store, ReportsRecovery):
        return evolve(disk, log_gone_from=None, snapshot_gone=False, legible_end=None)
    reported = ReportedLosses.of(store.recovery_report, directory)
    return evolve(disk, log_gone_from=reported.log_gone_from, snapshot_gone=reported.snapshot_gone)


def legible_end(fs: FileSystem, directory: str) -> int | None:
    """Return the last index of the log in a directory of the engine, if nothing speaks of more.

    None: something legible says that the log went on, so that its loss can be noticed; or there is
    no log of the engine's.

    Args:
        fs: as the store sees it, damage included.
        directory: of the store.
    """
    try:
        dump = dump_directory(directory, fs=fs)
        return _end_of(dump)
    except (NotInitializedError, StorageError, OSError):
        return None


def _end_of(dump: StoreDump) -> int | None:
    if dump.log_header is None:
        return None
    last_index, batch, end = dump.log_header.base_index, 0, _LOG_HEADER_BYTES
    fields = {} if dump.metadata is None else dump.metadata.fields or {}
    for part in dump.frames():
        if not isinstance(part, DumpedFrame):
            # Less than a frame's header, or reserved space: zeros there are no damage.
            is_void = part.length <= _FRAME_HEADER_BYTES or bool(fields.get("reserved_ahead"))
            if not is_void:
                return None
            continue
        if part.offset != end:
            return None
        batch, end = part.batch, part.offset + part.size
        last_index = part.first_index - 1 + part.count
    if fields.get("incarnation") == dump.log_header.incarnation:
        speaks_of_more = _exceeds(fields, "watermark", batch) or _exceeds(fields, "log_length", end)
    else:
        speaks_of_more = _exceeds(fields, "generation", dump.log_header.generation)
    return None if speaks_of_more else last_index


def _exceeds(fields: dict[str, int | str], name: str, known: int) -> bool:
    value = fields.get(name)
    return isinstance(value, int) and value > known
