"""A store read back: `verify_directory` names every bad place, `write_backup` makes a copy.

Verifying needs no open store, takes no lock, changes nothing, and works on a directory that is
damaged or in use. What to do about what it finds is in docs/engine.md.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from attrs import evolve, frozen

from wavetank.engine.directory import (
    LOCK,
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_META,
    STATE,
    STATE_COPY,
    STORE_NAMES,
    StoreDirectory,
    let_go,
    read_at,
    temporary,
    write_all,
)
from wavetank.engine.document import DamagedDocumentError, LogMetadata, publish_metadata
from wavetank.engine.errors import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    NotInitializedError,
    OperationCancelledError,
)
from wavetank.engine.filesystem import File, FileKind, FileSystem, OpenFlag
from wavetank.engine.inspection import STATES, Guards, Inspection, Look, inspect, settled
from wavetank.engine.log.active import LogView
from wavetank.engine.log.repair import LogFinding
from wavetank.engine.options import StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.report import BadPlace, FileCondition, VerifyReport
from wavetank.engine.snapshot import SnapshotRecord
from wavetank.engine.state import StateRecord
from wavetank.engine.status import io_error
from wavetank.engine.storage import CancelToken

__all__ = ["StoreContent", "examine", "examine_once", "verify_directory", "write_backup"]

_CHUNK_SIZE: Final = 1 << 18
_KINDS: Final = {FileKind.DIRECTORY: "a directory", FileKind.OTHER: "a link or a special file"}
_CONTENT: Final = frozenset({STATE, STATE_COPY, LOG, METADATA, SNAPSHOT, SNAPSHOT_META})


def verify_directory(
    directory: str, *, fs: FileSystem | None = None, compaction_requires_snapshot: bool = True
) -> VerifyReport:
    """Check every checksum in a store's directory, and change nothing.

    The directory may be damaged, or in use by another process: if files are replaced while it is
    read, it is read again. Memory does not grow with the snapshot or the entries.

    Args:
        directory: of the store.
        fs: the filesystem; the machine's if omitted.
        compaction_requires_snapshot: as in the store's options: whether a compacted log without its
            snapshot is wrong.

    Returns:
        A report that names every bad place by file, offset in bytes and first log index.

    Raises:
        NotInitializedError: there is no store in it.
        StorageIOError: the directory cannot be listed.
        TypeError, ValueError: `directory` is no path.

    >>> import tempfile
    >>> from wavetank.engine import FileStorage
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     FileStorage(StorageConfig(directory=directory)).close()
    ...     verify_directory(directory).sound
    True
    """
    path = StorageConfig(directory=directory).directory
    place = StoreDirectory(fs if fs is not None else OsFileSystem(), path)
    try:
        names = place.names()
    except OSError as error:
        raise io_error("look at the store", path, error) from error
    if not names.intersection(STORE_NAMES):
        raise NotInitializedError(f"{path}: expected a store but found none of its files")
    return examine(place, needs_snapshot=compaction_requires_snapshot)


def examine(directory: StoreDirectory, *, needs_snapshot: bool) -> VerifyReport:
    """Examine a directory that nobody here has open, again where it changes meanwhile."""
    return settled(
        directory,
        lambda: examine_once(directory, needs_snapshot=needs_snapshot),
        problems=lambda report: report.places,
        needs_rest=False,
    )


def examine_once(
    directory: StoreDirectory,
    *,
    needs_snapshot: bool,
    guards: Guards | None = None,
) -> VerifyReport:
    """Examine a directory.

    Args:
        directory: of the store.
        needs_snapshot: a log that begins behind index 1 must have a snapshot of what came before.
        guards: hold off changes, where this process has the store open.
    """
    report = _Report(directory, needs_snapshot=needs_snapshot)
    odd = report.odd_names()
    look = Look(
        mode=None,
        chunk_size=_CHUNK_SIZE,
        all_data=True,
        ignored=frozenset(odd),
        guards=guards,
    )
    found = inspect(directory, look)
    found.close()
    return report.of(found, odd, in_use=guards is not None)


class _Report:
    """Words what an inspection found."""

    def __init__(self, directory: StoreDirectory, *, needs_snapshot: bool) -> None:
        self._directory = directory
        self._needs_snapshot = needs_snapshot
        self._places: list[BadPlace] = []
        self._notes: list[str] = []

    def odd_names(self) -> set[str]:
        """Return the store's names that stand for no regular file; each is a bad place."""
        odd = set()
        for name in sorted(self._directory.names().intersection((LOCK, *STORE_NAMES))):
            try:
                kind = self._directory.stat(name).kind
            except FileNotFoundError:
                continue  # it was replaced meanwhile
            except OSError as error:
                self._refused(name, error)
                continue
            if kind is not FileKind.FILE:
                self._bad(name, f"expected a regular file but found {_KINDS[kind]}")
                odd.add(name)
        return odd

    def of(self, found: Inspection, odd: set[str], *, in_use: bool) -> VerifyReport:
        """Return all that is to be told."""
        names, finding, metadata = found.names, found.log, found.metadata
        self._take_names(names, in_use=in_use)
        self._take_errors(found, odd)
        if finding is not None:
            self._take_log(finding)
            if metadata is not None and metadata.incarnation != finding.log.header.incarnation:
                self._note(METADATA, "of an older log; the next clean close renews it")
        lost_state = found.lost_state(atomic=True)
        if found.copies and lost_state is not None:
            self._refused(STATE, lost_state)
        lost_snapshot = found.lost_snapshot()
        if SNAPSHOT not in found.errors and lost_snapshot and not odd & {SNAPSHOT, SNAPSHOT_META}:
            self._uncovered(found, lost_snapshot)
        self._missing(found, odd)
        record = found.snapshot.record
        log = finding.log if finding is not None else None
        places = sorted(self._places, key=lambda place: (place.path, place.offset or 0))
        return VerifyReport(
            directory=self._directory.path,
            places=tuple(places),
            notes=tuple(self._notes),
            first_index=log.first_index if log else None,
            last_index=log.last_index if log else None,
            frame_count=finding.frame_count if finding else 0,
            byte_count=(log.end if log else 0) + (record.data_length if record else 0),
        )

    def _take_names(self, names: frozenset[str], *, in_use: bool) -> None:
        if RECOVERY_MARKER in names and not in_use:
            self._note(RECOVERY_MARKER, "in use, or the last run did not end cleanly")
        for name in STORE_NAMES:
            if name in names and name not in _CONTENT and name != RECOVERY_MARKER:
                self._note(name, "of a replacement that goes on, or was interrupted")

    def _take_errors(self, found: Inspection, odd: set[str]) -> None:
        for name, error in found.errors.items():
            if name == SNAPSHOT and odd & {SNAPSHOT, SNAPSHOT_META}:
                continue  # that is what is wrong with it
            if name != STATES or not found.damaged_copies:
                self._refused(STATE if name == STATES else name, error)
        for copy in found.state.doubtful:
            if copy.condition is FileCondition.OUTDATED:
                self._note(copy.name, "older than the other copy; the next open makes them equal")

    def _take_log(self, finding: LogFinding) -> None:
        log, cut = finding.log, finding.tail
        if finding.rebuilt:
            reason = "the header is damaged; metadata.json knows what it said"
            self._bad(LOG, reason, offset=0, index=log.first_index)
        for loss in finding.lost:
            self._bad(LOG, loss.reason, offset=loss.offset, index=loss.first_index)
        if cut is not None:
            reason = f"{cut.length} bytes that are no frame: {cut.reason}"
            index = log.last_index + 1
            place = BadPlace(path=cut.path, offset=cut.offset, index=index, reason=reason)
            self._places.append(evolve(place, ambiguous=cut.ambiguous))

    def _uncovered(self, found: Inspection, lost: CorruptedSnapshotError) -> None:
        record = found.snapshot.record
        covered = record.metadata.last_included_index if record is not None else 0
        reason = str(lost).partition(": ")[2]
        if self._needs_snapshot:
            self._bad(SNAPSHOT, reason, index=covered + 1)
        else:
            self._note(SNAPSHOT, reason)

    def _missing(self, found: Inspection, odd: set[str]) -> None:
        """Report what is missing, unless it is of an unfinished creation."""
        finding = found.log
        worked = not found.log_is_pristine or (finding is not None and finding.log.last_batch > 0)
        for copy in found.copies.values():
            worked = worked or (isinstance(copy, StateRecord) and copy.sequence > 0)
        if worked or found.names & {METADATA, SNAPSHOT, SNAPSHOT_META}:
            for name in (STATE, STATE_COPY, LOG, METADATA):
                if name not in found.names and name not in odd:
                    self._bad(name, "missing")

    def _refused(self, name: str, error: Exception) -> None:
        """Report what an error says about a file."""
        path = self._directory.path_of(name)
        if isinstance(error, CorruptedError):
            path = error.path or path
            reason = str(error).removeprefix(f"{path}: ")
            self._places.append(
                BadPlace(path=path, offset=error.offset, index=error.index, reason=reason)
            )
        elif isinstance(error, DamagedDocumentError):
            self._bad(name, f"damaged: {error}")
        elif isinstance(error, OSError):
            path = str(error.filename or path)
            reason = f"cannot be read: {error.strerror or error}"
            self._places.append(BadPlace(path=path, reason=reason))
        else:
            self._bad(name, str(error).removeprefix(f"{path}: "))

    def _bad(
        self, name: str, reason: str, *, offset: int | None = None, index: int | None = None
    ) -> None:
        path = self._directory.path_of(name)
        self._places.append(BadPlace(path=path, offset=offset, index=index, reason=reason))

    def _note(self, name: str, text: str) -> None:
        self._notes.append(f"{self._directory.path_of(name)}: {text}")


_COPIED_AT_ONCE: Final = 1 << 20


@frozen(kw_only=True)
class StoreContent:
    """What a store held at one moment; its files must stay open while it is copied.

    Attributes:
        state: term and vote.
        log: the log.
        snapshot: what the snapshot is, and its open data; None for none.
        needs_snapshot: a log that begins behind index 1 must have a snapshot of what came before.
    """

    state: StateRecord
    log: LogView
    snapshot: tuple[SnapshotRecord, File] | None
    needs_snapshot: bool


def write_backup(
    directory: StoreDirectory, content: StoreContent, cancel: CancelToken | None
) -> None:
    """Write a store's content into a directory, durably, and check every checksum of it.

    Args:
        directory: of the copy; made if missing, and else empty.
        content: what to copy.
        cancel: looked at between chunks.

    Raises:
        FileExistsError: the directory is not empty.
        OperationCancelledError: the token was set.
        CorruptedLogError, CorruptedSnapshotError: what was copied is damaged.
        OSError: from the filesystem, or the copy does not hold what was written (``EIO``).
    """
    made: list[str] = []
    there = directory.exists()
    if there and directory.names():
        raise FileExistsError(
            errno.EEXIST, "expected an empty directory for the backup", directory.path
        )
    try:
        if not there:
            directory.make(made)
        _write(directory, content, _checker(cancel))
        _require_sound(directory, content)
    except BaseException:
        with suppress(OSError):  # what ended the backup is what counts
            _remove(directory)
        directory.unmake(made)
        raise


def _remove(directory: StoreDirectory) -> None:
    """Remove a copy, the log durably first: without it no crash leaves a store that opens."""
    names = directory.names()
    if LOG in names:
        directory.unlink(LOG)
        directory.sync()
    for name in sorted(names - {LOG, METADATA}):
        directory.unlink(name)
    if METADATA in names:
        directory.sync()
        directory.unlink(METADATA)


def _require_sound(directory: StoreDirectory, content: StoreContent) -> None:
    """Raise what is at fault if a copy is not sound: the copy's medium, or else the store.

    The store is damaged only if its own file holds just what cannot be believed in the copy.
    """
    report = examine(directory, needs_snapshot=content.needs_snapshot)
    if report.sound:
        return
    place = report.places[0]
    sources = {directory.path_of(LOG): (LOG, content.log.file, content.log.end)}
    if content.snapshot is not None:
        record, file = content.snapshot
        sources[directory.path_of(SNAPSHOT)] = (SNAPSHOT, file, record.data_length)
    in_snapshot = place.path == directory.path_of(SNAPSHOT)
    if not (in_snapshot and content.snapshot is None) and (
        place.path not in sources or not _is_copied(directory, *sources[place.path])
    ):
        raise OSError(
            errno.EIO,
            f"the copy does not hold what was written to it ({place.reason}); the store is not at "
            "fault; write the backup to another medium",
            place.path,
        )
    kind = CorruptedSnapshotError if in_snapshot else CorruptedLogError
    raise kind(
        f"backup to {directory.path}: the copy is not sound, so the store is damaged; "
        f"verify() lists where: {place}"
    )


def _is_copied(directory: StoreDirectory, name: str, source: File, length: int) -> bool:
    """Whether a file of a copy holds the bytes of its source; ``OSError`` if it cannot be read."""
    copy = directory.open(name, OpenFlag.READ)
    try:
        return copy.size() == length and all(
            read_at(copy, _COPIED_AT_ONCE, offset)
            == read_at(source, min(_COPIED_AT_ONCE, length - offset), offset)
            for offset in range(0, length, _COPIED_AT_ONCE)
        )
    finally:
        let_go(copy)


def _checker(cancel: CancelToken | None) -> Callable[[], None]:
    def check_wanted() -> None:
        if cancel is not None and cancel.is_set():
            raise OperationCancelledError("the cancel token was set while the backup was written")

    return check_wanted


def _write(
    directory: StoreDirectory, content: StoreContent, check_wanted: Callable[[], None]
) -> None:
    """Write the files in an order in which no crash leaves a store that opens with less.

    Where metadata.json is, a store without its log does not open; so it comes first, and the log
    gets its name last, when it is whole.
    """
    publish_metadata(directory, LogMetadata.of(content.log, reserved_ahead=0))
    directory.sync()
    for name in (STATE, STATE_COPY):
        directory.replace(name, content.state.encode())
    if content.snapshot is not None:
        record, file = content.snapshot
        _copy(directory, SNAPSHOT, file, record.data_length, check_wanted)
        directory.replace(SNAPSHOT_META, record.encode())
    directory.sync()
    _copy(directory, LOG, content.log.file, content.log.end, check_wanted)
    directory.sync()


def _copy(
    directory: StoreDirectory,
    name: str,
    source: File,
    length: int,
    check_wanted: Callable[[], None],
) -> None:
    target = directory.create_temporary(name)
    try:
        for offset in range(0, length, _COPIED_AT_ONCE):
            check_wanted()
            chunk = read_at(source, min(_COPIED_AT_ONCE, length - offset), offset)
            if chunk:
                write_all(target, chunk, offset)
        target.fsync()
    finally:
        let_go(target)
    directory.rename(temporary(name), name)
