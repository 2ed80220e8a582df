"""The one look at a store's directory: `inspect` reads every file once and changes nothing.

Opens, read-only opens, `verify` and `dump` are policies over the `Inspection` that it returns: what
each of them refuses, repairs, shows or reports is decided there (recovery.py, verify.py, dump.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from attrs import define, field, frozen

from wavetank.engine.directory import (
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    STATE,
    STATE_COPY,
    TEMPORARY_NAMES,
    StoreDirectory,
    let_go,
)
from wavetank.engine.document import DamagedDocumentError, LogMetadata, read_metadata
from wavetank.engine.errors import (
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    StorageError,
)
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.log.format import LOG_HEADER_SIZE
from wavetank.engine.log.repair import LogFinding, judge_log
from wavetank.engine.options import RecoveryMode
from wavetank.engine.report import FileCondition, FoundFile
from wavetank.engine.snapshot import SnapshotFiles, SnapshotFinding
from wavetank.engine.state import (
    INITIAL_STATE,
    StateFinding,
    StateRecord,
    judge_state,
    read_copy,
    require_newest,
)

__all__ = ["STATES", "Guards", "Inspection", "Look", "found_files", "inspect", "settled"]

_Found = TypeVar("_Found")
STATES: Final = "state"
"""Stands in `Inspection.errors` for both copies together."""

_READ_WRITE: Final = OpenFlag.READ | OpenFlag.WRITE
_NO_STATE: Final = StateFinding(None, ())
_NO_SNAPSHOT: Final = SnapshotFinding()
_COPIES: Final = (STATE, STATE_COPY)
_MUST_BE_FILES: Final = (RECOVERY_MARKER, SNAPSHOT_MARKER, *TEMPORARY_NAMES)


@frozen(kw_only=True)
class Guards:
    """What holds off changes of an open store while its names and small files are read.

    The large files are read later: what they hold up to then stays as it is. The log comes before
    the snapshot, which is then at least as new as the log needs.

    Attributes:
        state: entered for both copies of the state.
        log: entered for metadata.json and log.dat.
        snapshot: entered for the snapshot.
        log_end: asked inside `log` where the last frame ends.
    """

    state: AbstractContextManager[object]
    log: AbstractContextManager[object]
    snapshot: AbstractContextManager[object]
    log_end: Callable[[], int]


@frozen(kw_only=True)
class Look:
    """How to look at a directory.

    Attributes:
        mode: what an open for writing may give up of the log; the first error ends the inspection.
            None: only look; errors are kept by file.
        chunk_size: bytes to read at once.
        indexed: keep an index of the log's frames in memory.
        all_data: check the snapshot's data also after a clean close.
        shows: read every document, also one that does not count, and leave the large files, open,
            to the caller.
        ignored: names that are not to be read.
        guards: hold off changes of an open store, a part at a time; None: nobody here has it open.
    """

    mode: RecoveryMode | None
    chunk_size: int
    indexed: bool = False
    all_data: bool = False
    shows: bool = False
    ignored: frozenset[str] = frozenset()
    guards: Guards | None = None


@define(eq=False)
class Inspection:
    """What a directory holds; whoever has it closes it.

    Attributes:
        directory: where the files lie.
        names: what is in the directory.
        copies: both copies of the state, as far as they are there: what each says, or its damage.
        state: what the copies say together.
        metadata: what an intact metadata.json says.
        metadata_damage: what is wrong with it, if it is not intact.
        log: what log.dat holds, None if there is none or none that can be read.
        log_file: log.dat, open.
        log_end: where the last frame of an open store ends; None: the file is read to its end.
        snapshot: the one that counts.
        snapshot_files: what there is of snapshots, as far as it has been read.
        errors: what is wrong with each file, by the order in which they were read; empty where the
            first error ends the inspection.
    """

    directory: StoreDirectory
    names: frozenset[str] = frozenset()
    copies: dict[str, StateRecord | DamagedDocumentError] = field(factory=dict)
    state: StateFinding = _NO_STATE
    metadata: LogMetadata | None = None
    metadata_damage: str = "missing"
    log: LogFinding | None = None
    log_file: File | None = None
    log_end: int | None = None
    snapshot: SnapshotFinding = _NO_SNAPSHOT
    errors: dict[str, StorageError | OSError | DamagedDocumentError] = field(factory=dict)
    snapshot_files: SnapshotFiles = field(factory=SnapshotFiles)

    @property
    def clean(self) -> bool:
        """Whether the last run ended with a clean close.

        A snapshot that is being replaced belies one: a name that was never durable may be missing.
        """
        return RECOVERY_MARKER not in self.names and SNAPSHOT_MARKER not in self.names

    @property
    def damaged_copies(self) -> bool:
        """Whether a copy of the state is damaged in itself."""
        return any(isinstance(copy, DamagedDocumentError) for copy in self.copies.values())

    @property
    def snapshot_damage(self) -> CorruptedSnapshotError | None:
        """What is wrong with the snapshot, if that is all that is known of it."""
        error = self.errors.get(SNAPSHOT)
        return error if isinstance(error, CorruptedSnapshotError) else None

    @property
    def log_is_pristine(self) -> bool:
        """Whether there is no log yet, or one that nothing was ever written to."""
        finding = self.log
        return finding is None or (
            finding.log.header.generation == 1 and finding.size <= LOG_HEADER_SIZE
        )

    @property
    def created(self) -> bool:
        """Whether there is no store yet, or one whose creation was cut short."""
        unused = self.state.record in (None, INITIAL_STATE)
        return METADATA not in self.names and self.log_is_pristine and unused

    def gather(self, look: Look) -> None:
        """Read names and small files, and open the large ones."""
        self._list(look)
        if look.mode is not None:
            for name in _MUST_BE_FILES:
                if name in self.names:
                    self.directory.require_file(name)
        self._read_metadata(look)
        self._read_state(look)
        self._open_log(look)
        self._open_snapshot(look)

    def gather_guarded(self, look: Look, guards: Guards) -> None:
        """Do the same in a store that is open, each part with the names that belong to it."""
        with guards.state:
            self._list(look)
            self._read_state(look)
        with guards.log:
            self._list(look)
            self._read_metadata(look)
            self._open_log(look)
            self.log_end = guards.log_end()
        with guards.snapshot:
            self._list(look)
            self._open_snapshot(look)

    def _list(self, look: Look) -> None:
        self.names = self.directory.names() - look.ignored

    def _read_metadata(self, look: Look) -> None:
        if METADATA in self.names:
            try:
                self.metadata = read_metadata(self.directory)
            except DamagedDocumentError as damage:
                self.metadata_damage = f"damaged: {damage}"
                self.errors[METADATA] = damage
            except (StorageError, OSError) as error:
                self._keep(METADATA, error, look)

    def _read_state(self, look: Look) -> None:
        for name in _COPIES:
            if name in self.names:
                try:
                    self.copies[name] = read_copy(self.directory, name)
                except DamagedDocumentError as damage:
                    self.copies[name] = self.errors[name] = damage
                except (StorageError, OSError) as error:
                    self._keep(name, error, look)

    def _open_log(self, look: Look) -> None:
        if LOG in self.names:
            try:
                flags = OpenFlag.READ if look.mode is None else _READ_WRITE
                self.log_file = self.directory.open(LOG, flags)
            except OSError as error:
                self._keep(LOG, error, look)

    def _open_snapshot(self, look: Look) -> None:
        try:
            self.snapshot_files.read(self.directory, self.names, all_of_it=look.shows)
        except (StorageError, OSError) as error:
            self._keep(SNAPSHOT, error, look)

    def judge(self, look: Look) -> None:
        """Read the large files, and decide what counts."""
        if not self.errors or not self.errors.keys() & set(_COPIES) - self.copies.keys():
            try:
                self.state = judge_state(self.directory, self.copies)
            except CorruptedStateError as damage:
                self._keep(STATES, damage, look)
        if self.log_file is not None:
            try:
                self.log = judge_log(
                    self.log_file,
                    self.directory.path_of(LOG),
                    self.metadata,
                    clean=self.clean,
                    chunk_size=look.chunk_size,
                    mode=look.mode,
                    indexed=look.indexed,
                    end=self.log_end,
                )
            except (StorageError, OSError) as error:
                self._keep(LOG, error, look)
        if SNAPSHOT in self.errors:
            return
        try:
            self.snapshot = self.snapshot_files.judge(
                self.directory,
                self.names,
                clean=self.log is not None and self.log.trusted and not look.all_data,
                chunk_size=look.chunk_size,
            )
        except CorruptedSnapshotError as damage:
            self.snapshot_files.close()
            self.errors[SNAPSHOT] = damage  # which an open may do without
        except OSError as error:
            self.snapshot_files.close()
            self._keep(SNAPSHOT, error, look)

    def _keep(self, name: str, error: StorageError | OSError, look: Look) -> None:
        if look.mode is not None:
            raise error
        self.errors[name] = error

    def lost_log(self) -> CorruptedLogError | None:
        """Return the error for a log that is missing though the store was used, or None."""
        record = self.state.record
        used = record is not None and record != INITIAL_STATE
        if LOG in self.names or not (
            METADATA in self.names or used or self.snapshot.record is not None
        ):
            return None
        path = self.directory.path_of(LOG)
        return CorruptedLogError(f"{path}: the log is missing", path=path)

    def lost_state(self, *, atomic: bool) -> CorruptedStateError | None:
        """Return the error for a term and vote that are lost, or only the newest of them, or None.

        Args:
            atomic: the state is replaced in one step. Else a kill in the middle of a copy damages
                it, and the other one is as it should be.
        """
        record = self.state.record
        if record is None and not self.copies:
            if METADATA not in self.names and self.log_is_pristine:
                return None
            path = self.directory.path_of(STATE)
            return CorruptedStateError(f"{path}: both copies of the state are missing", path=path)
        if not self.clean and not atomic:
            return None
        snapshot = self.snapshot.record
        terms = [self.log.log.last_term] if self.log is not None else []
        terms += [snapshot.metadata.last_included_term] if snapshot is not None else []
        terms += [self.metadata.last_term] if self.metadata is not None else []
        try:
            require_newest(self.directory, self.state, terms)
        except CorruptedStateError as error:
            return error
        return None

    def lost_snapshot(self) -> CorruptedSnapshotError | None:
        """Return the error for a log whose beginning no snapshot stands for, or None."""
        header = self.log.log.header if self.log is not None else None
        record = self.snapshot.record
        covered = record.metadata.last_included_index if record is not None else 0
        if header is None or header.base_index <= covered:
            return None
        path = self.directory.path_of(SNAPSHOT)
        return CorruptedSnapshotError(
            f"{path}: the log begins behind index {header.base_index}, but there is no snapshot of "
            "it",
            path=path,
            index=header.base_index,
            term=header.base_term,
        )

    def close(self) -> None:
        """Close the files."""
        try:
            self.snapshot_files.close()
        finally:
            try:
                if self.snapshot.file is not None:
                    let_go(self.snapshot.file)
            finally:
                if self.log_file is not None:
                    let_go(self.log_file)


def inspect(directory: StoreDirectory, look: Look) -> Inspection:
    """Read everything in a directory; the caller closes the inspection.

    Raises:
        CorruptedError: where `look` has a mode: term and vote, or acknowledged entries, are damaged
            or missing. A damaged snapshot is left to the caller.
        UnsupportedFormatError: likewise, a file of another version.
        OSError: from the filesystem; without a mode, only if the directory cannot be listed.
    """
    inspection = Inspection(directory)
    try:
        if look.guards is None:
            inspection.gather(look)
        else:
            inspection.gather_guarded(look, look.guards)
        if not look.shows:
            inspection.judge(look)
    except BaseException:
        inspection.close()
        raise
    return inspection


_ATTEMPTS: Final = 10


def settled(
    directory: StoreDirectory,
    look: Callable[[], _Found],
    *,
    problems: Callable[[_Found], object],
    needs_rest: bool,
    give_up: Callable[[_Found], None] = lambda _: None,
) -> _Found:
    """Look at a directory that others may be changing, until what is seen can be relied on.

    Files may be replaced while they are read, and an inode number may be used again. So a problem
    counts only if two looks in a row find the same one, and nothing was replaced during the second.
    After ten looks the last one counts.

    Args:
        directory: what is looked at.
        look: takes one look.
        problems: what is wrong according to a look; false for nothing.
        needs_rest: a look without problems, too, counts only if nothing was replaced meanwhile.
        give_up: lets go of a look that does not count.

    Raises:
        StorageError, OSError: from `look`, likewise.
    """
    told: object = None
    for _ in range(_ATTEMPTS - 1):
        before = directory.identities()
        try:
            found = look()
        except (StorageError, OSError) as error:
            wrong: object = (type(error), str(error))
            if wrong == told and directory.identities() == before:
                raise
        else:
            counts = False
            try:
                wrong = problems(found)
                counts = (not wrong and not needs_rest) or (
                    (not wrong or wrong == told) and directory.identities() == before
                )
            finally:
                if not counts:
                    give_up(found)
            if counts:
                return found
        told = wrong
    return look()


def found_files(
    inspection: Inspection, *, snapshot_damage: object = "", state: bool = True
) -> tuple[FoundFile, ...]:
    """Return each file as it was before any repair, for the report.

    Args:
        inspection: of the directory.
        snapshot_damage: what is wrong with the snapshot, "" or None if nothing.
        state: the copies of the state too.
    """
    found = _found_state(inspection.state) if state else []
    found += _found_log(inspection.log, inspection.metadata, inspection.metadata_damage)
    snapshot = inspection.snapshot
    if snapshot_damage:
        found.append((SNAPSHOT, FileCondition.DAMAGED, str(snapshot_damage)))
    elif snapshot.record is not None:
        held = snapshot.record
        condition = FileCondition.UNFINISHED if snapshot.renames else FileCondition.INTACT
        says = f"up to index {held.metadata.last_included_index}, {held.data_length} bytes"
        found.append((SNAPSHOT_META, condition, says))
    for name in _MUST_BE_FILES:
        if name in inspection.names:
            says = "left by an interrupted replacement"
            if name == RECOVERY_MARKER:
                says = "the last run did not end cleanly"
            found.append((name, FileCondition.UNFINISHED, says))
    prefix = inspection.directory.path_of("")
    return tuple(
        [FoundFile(path=prefix + name, condition=how, detail=says) for name, how, says in found]
    )


def _found_state(finding: StateFinding) -> list[tuple[str, FileCondition, str]]:
    record = finding.record
    says = f"save {record.sequence}, term {record.state.current_term}" if record else ""
    found = [(STATE, FileCondition.INTACT, says), (STATE_COPY, FileCondition.INTACT, says)]
    for copy in finding.doubtful:
        found[_COPIES.index(copy.name)] = (copy.name, copy.condition, copy.reason)
    return found


def _found_log(
    finding: LogFinding | None, metadata: LogMetadata | None, metadata_damage: str
) -> list[tuple[str, FileCondition, str]]:
    of_log = (LOG, FileCondition.MISSING, "there is no log to read")
    if finding is not None:
        log = finding.log
        base_index = log.header.base_index
        entries = f"entries {base_index + 1} to {log.last_index}"
        if log.last_index <= base_index:
            entries = f"no entries behind index {base_index}"
        of_log = (LOG, finding.condition, f"generation {log.header.generation}, {entries}")
    if metadata is None:
        missing = metadata_damage == "missing"
        condition = FileCondition.MISSING if missing else FileCondition.DAMAGED
        return [of_log, (METADATA, condition, metadata_damage)]
    condition = FileCondition.INTACT
    if finding is not None and metadata.incarnation != finding.log.header.incarnation:
        condition = FileCondition.OUTDATED
    says = f"generation {metadata.generation}, entries up to {metadata.last_index}"
    return [of_log, (METADATA, condition, says)]
