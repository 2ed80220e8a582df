"""The first part of a recovery report: each file of the store, as it was before any repair.

Left out: judging; this only words what the judges said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from wavetank.engine.directory import (
    LOCK,
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    STATE,
    STATE_COPY,
    STORE_NAMES,
    TEMPORARY_NAMES,
    StoreDirectory,
    let_go,
)
from wavetank.engine.document import DamagedDocumentError
from wavetank.engine.errors import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    StorageError,
    UnsupportedFormatError,
)
from wavetank.engine.filesystem import File, FileKind
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.compaction import (
    contradicts,
)
from wavetank.engine.log.format import LOG_HEADER_SIZE, EntryCodec
from wavetank.engine.log.readable import ReadableLog, read_log
from wavetank.engine.log.reader import FrameReader
from wavetank.engine.log.repair import LogFinding, judge_log
from wavetank.engine.metadata import LogMetadata, read_metadata
from wavetank.engine.options import FileStorageOptions, RecoveryMode
from wavetank.engine.report import BadPlace, FileCondition, FoundFile, VerifyReport
from wavetank.engine.snapshot import SnapshotFinding, judge_snapshot
from wavetank.engine.state import (
    INITIAL_STATE,
    StateFinding,
    StateRecord,
    judge_state,
    read_copy,
    require_newest,
)
from wavetank.engine.values import SnapshotMetadata

__all__ = [
    "Examination",
    "Judgement",
    "found_log",
    "found_metadata",
    "found_rest",
    "found_snapshot",
    "found_state",
    "judge_directory",
]


def found_state(directory: StoreDirectory, finding: StateFinding) -> Iterator[FoundFile]:
    """Yield both copies of the state."""
    doubtful = {copy.name: copy for copy in finding.doubtful}
    for name in (STATE, STATE_COPY):
        condition, detail = FileCondition.INTACT, ""
        if name in doubtful:
            condition, detail = doubtful[name].condition, doubtful[name].reason
        elif finding.record is not None:
            record = finding.record
            detail = f"save {record.sequence}, term {record.state.current_term}"
        yield _found(directory, name, condition, detail)


def found_log(
    directory: StoreDirectory, log: ActiveLog | None, condition: FileCondition
) -> Iterator[FoundFile]:
    """Yield log.dat, in this condition if it could be read."""
    if log is None:
        yield _found(directory, LOG, FileCondition.MISSING, "there is no log to read")
        return
    entries = f"entries {log.first_index} to {log.last_index}"
    if log.last_index < log.first_index:
        entries = f"no entries behind index {log.header.base_index}"
    yield _found(directory, LOG, condition, f"generation {log.header.generation}, {entries}")


def found_metadata(
    directory: StoreDirectory, metadata: LogMetadata | None, damage: str, log: ActiveLog | None
) -> Iterator[FoundFile]:
    """Yield metadata.json."""
    if metadata is None:
        missing = damage == "missing"
        condition = FileCondition.MISSING if missing else FileCondition.DAMAGED
        yield _found(directory, METADATA, condition, damage)
        return
    outdated = log is not None and metadata.incarnation != log.header.incarnation
    detail = f"generation {metadata.generation}, entries up to {metadata.last_index}"
    condition = FileCondition.OUTDATED if outdated else FileCondition.INTACT
    yield _found(directory, METADATA, condition, detail)


def found_snapshot(
    directory: StoreDirectory, finding: SnapshotFinding, damage: str
) -> Iterator[FoundFile]:
    """Yield the snapshot, if there is or was one; `damage` says what is wrong with it, if so."""
    if damage:
        yield _found(directory, SNAPSHOT, FileCondition.DAMAGED, damage)
    elif finding.record is not None:
        record = finding.record
        condition = FileCondition.UNFINISHED if finding.renames else FileCondition.INTACT
        detail = f"up to index {record.metadata.last_included_index}, {record.data_length} bytes"
        yield _found(directory, SNAPSHOT_META, condition, detail)


def found_rest(directory: StoreDirectory, names: Collection[str]) -> Iterator[FoundFile]:
    """Yield what only an interrupted run leaves."""
    for name in (RECOVERY_MARKER, SNAPSHOT_MARKER, *TEMPORARY_NAMES):
        if name in names:
            detail = "the last run did not end cleanly"
            if name != RECOVERY_MARKER:
                detail = "left by an interrupted replacement"
            yield _found(directory, name, FileCondition.UNFINISHED, detail)


def _found(
    directory: StoreDirectory, name: str, condition: FileCondition, detail: str
) -> FoundFile:
    return FoundFile(path=directory.path_of(name), condition=condition, detail=detail)


def judge_directory(directory: StoreDirectory, options: FileStorageOptions) -> Judgement:
    """Read everything in `directory` and decide what counts; the caller closes the judgement.

    Raises:
        CorruptedStateError: no intact term and vote.
        CorruptedLogError: acknowledged entries are damaged or missing.
        CorruptedSnapshotError: the snapshot is damaged or missing.
        UnsupportedFormatError: a file of another version.
        OSError: from the filesystem.
    """
    judgement = Judgement(directory, options)
    try:
        judgement.look()
    except BaseException:
        judgement.close()
        raise
    return judgement


@define(eq=False)
class Judgement:
    """What counts of a directory.

    Args:
        directory: where the files lie.
        options: what may be given up.

    Attributes:
        names: what is in the directory.
        metadata: what an intact metadata.json says.
        metadata_damage: what is wrong with it, if it is not intact.
        state: both copies of it.
        log: what log.dat holds, None if there is none.
        snapshot: the one that counts.
        dropped_snapshot: why the mode gives the snapshot up, or None.
        found: each file for the report.
    """

    directory: StoreDirectory
    options: FileStorageOptions
    names: frozenset[str] = field(init=False, factory=frozenset)
    metadata: LogMetadata | None = field(init=False, default=None)
    metadata_damage: str = field(init=False, default="missing")
    state: StateFinding = field(init=False, default=StateFinding(None, ()))
    log: LogFinding | None = field(init=False, default=None)
    snapshot: SnapshotFinding = field(init=False, factory=SnapshotFinding)
    dropped_snapshot: CorruptedSnapshotError | None = field(init=False, default=None)
    found: tuple[FoundFile, ...] = field(init=False, default=())

    def look(self) -> None:
        """Look at everything; errors as for `judge_directory`."""
        self.names = self.directory.names()
        for name in (RECOVERY_MARKER, SNAPSHOT_MARKER, *TEMPORARY_NAMES):
            if name in self.names:
                self.directory.require_file(name)
        # A snapshot that is being replaced belies a clean close: a name that was never durable may
        # be missing.
        clean = RECOVERY_MARKER not in self.names and SNAPSHOT_MARKER not in self.names
        self.metadata = self._judge_metadata()
        self.state = judge_state(self.directory, self.names)
        if LOG in self.names:
            self.log = judge_log(
                self.directory,
                self.metadata,
                clean=clean,
                chunk_size=self.options.transfer_size,
                mode=self.options.recovery_mode,
                indexed=self.options.features.index_map,
            )
        try:
            self.snapshot = judge_snapshot(
                self.directory,
                self.names,
                clean=self.log is not None and self.log.trusted,
                chunk_size=self.options.transfer_size,
            )
        except CorruptedSnapshotError as damage:
            if not self._can_do_without(damage):
                raise
            self.dropped_snapshot = damage
        self._require_what_must_exist()
        self._require_newest_state(clean=clean)
        self._require_snapshot_of_base()
        self.found = tuple(self._found())

    def _judge_metadata(self) -> LogMetadata | None:
        if METADATA not in self.names:
            return None
        try:
            return read_metadata(self.directory)
        except DamagedDocumentError as damage:
            self.metadata_damage = f"damaged: {damage}"
            return None

    def _require_what_must_exist(self) -> None:
        """Missing files are those of an unfinished creation, or they are lost."""
        record = self.state.record
        if self.log is None:
            used = record is not None and record != INITIAL_STATE
            if METADATA in self.names or used or self.snapshot.record is not None:
                path = self.directory.path_of(LOG)
                raise CorruptedLogError(f"{path}: the log is missing", path=path)
        elif record is None and (METADATA in self.names or not self._log_is_virgin(self.log)):
            path = self.directory.path_of(STATE)
            raise CorruptedStateError(f"{path}: both copies of the state are missing", path=path)

    def _require_newest_state(self, *, clean: bool) -> None:
        if not clean and not self.options.features.atomic_writes:
            # A kill in the middle of a copy damages it, and the other one is as it should be.
            return
        log, record = self.log, self.snapshot.record
        terms = [log.log.last_term] if log is not None else []
        terms += [record.metadata.last_included_term] if record is not None else []
        terms += [self.metadata.last_term] if self.metadata is not None else []
        require_newest(self.directory, self.state, terms)

    def _can_do_without(self, damage: CorruptedSnapshotError) -> bool:
        """Whether the mode gives up a damaged snapshot, and the log provably holds all it held."""
        finding = self.log
        if self.options.recovery_mode is not RecoveryMode.AGGRESSIVE or finding is None:
            return False
        if finding.lost is not None or finding.log.header.base_index:
            return False
        if damage.index is None or damage.term is None:
            # It may have been saved beyond the log; but no run that did that closes cleanly before
            # the log has followed.
            return finding.trusted
        return not contradicts(
            finding.log, self.reader(), SnapshotMetadata(damage.index, damage.term)
        )

    def _found(self) -> Iterator[FoundFile]:
        directory = self.directory
        damage = str(self.dropped_snapshot or "")
        log = self.log.log if self.log else None
        yield from found_state(directory, self.state)
        condition = self.log.condition if self.log else FileCondition.MISSING
        yield from found_log(directory, log, condition)
        yield from found_metadata(directory, self.metadata, self.metadata_damage, log)
        yield from found_snapshot(directory, self.snapshot, damage)
        yield from found_rest(directory, self.names)

    @staticmethod
    def _log_is_virgin(finding: LogFinding) -> bool:
        return finding.log.header.generation == 1 and finding.size == LOG_HEADER_SIZE

    def _require_snapshot_of_base(self) -> None:
        if self.log is None or not self.options.compaction_requires_snapshot:
            return
        header = self.log.log.header
        base_index = header.base_index
        record = self.snapshot.record
        if base_index and (record is None or record.metadata.last_included_index < base_index):
            path = self.directory.path_of(SNAPSHOT)
            raise CorruptedSnapshotError(
                f"{path}: the log begins behind index {base_index}, but there is no snapshot of it",
                path=path,
                index=base_index,
                term=header.base_term,
            )

    @property
    def created(self) -> bool:
        """Whether there is no store yet, or one whose creation was cut short."""
        if METADATA in self.names:
            return False
        unused = self.state.record in (None, INITIAL_STATE)
        return self.log is None or (self._log_is_virgin(self.log) and unused)

    def codec(self) -> EntryCodec:
        """Return what encodes entries as the options say."""
        return EntryCodec(binary=self.options.features.binary_format)

    def reader(self) -> FrameReader:
        """Return what reads entries."""
        path = self.directory.path_of(LOG)
        return FrameReader(path, self.options.transfer_size)

    def close(self) -> None:
        """Let go of the files."""
        if self.log is not None:
            let_go(self.log.log.file)
        if self.snapshot.file is not None:
            let_go(self.snapshot.file)


_CHUNK_SIZE: Final = 1 << 18
_KINDS: Final = {FileKind.DIRECTORY: "a directory", FileKind.OTHER: "a link or a special file"}
_CONTENT: Final = frozenset({STATE, STATE_COPY, LOG, METADATA, SNAPSHOT, SNAPSHOT_META})


@define(eq=False)
class Examination:
    """One examination of a directory; each method looks at a part, in the order they stand.

    The log comes before the snapshot: one that is compacted meanwhile then has a snapshot that is
    at least as new as what was seen of it.

    Args:
        directory: of the store.
        in_use: this process has the store open, and its marker belongs there.
        needs_snapshot: a log that begins behind index 1 must have a snapshot of what came before.
    """

    directory: StoreDirectory
    in_use: bool
    needs_snapshot: bool
    names: frozenset[str] = field(init=False, factory=frozenset)
    odd_names: set[str] = field(init=False, factory=set)
    records: dict[str, StateRecord] = field(init=False, factory=dict)
    metadata: LogMetadata | None = field(init=False, default=None)
    log: ReadableLog | None = field(init=False, default=None)
    places: list[BadPlace] = field(init=False, factory=list)
    notes: list[str] = field(init=False, factory=list)
    byte_count: int = field(init=False, default=0)
    snapshot_term: int = field(init=False, default=0)

    def names_there(self) -> None:
        """Look at which names there are, and what kinds of thing they stand for."""
        self.names = self.directory.names()
        for name in (LOCK, *STORE_NAMES):
            if name not in self.names:
                continue
            with self._looking_at(name):
                kind = self.directory.stat(name).kind
                if kind is not FileKind.FILE:
                    self._bad(name, f"expected a regular file but found {_KINDS[kind]}")
                    self.odd_names.add(name)
                    self.names -= {name}
        if RECOVERY_MARKER in self.names and not self.in_use:
            self._note(RECOVERY_MARKER, "in use, or the last run did not end cleanly")
        for name in STORE_NAMES:
            if name in self.names and name not in _CONTENT and name != RECOVERY_MARKER:
                self._note(name, "of a replacement that goes on, or was interrupted")

    def state(self) -> None:
        """Look at both copies of term and vote."""
        records = self.records
        for name in (STATE, STATE_COPY):
            if name not in self.names:
                continue
            with self._looking_at(name):
                records[name] = read_copy(self.directory, name)
        newest = max((record.sequence for record in records.values()), default=0)
        for name, record in records.items():
            if record.sequence < newest:
                self._note(name, "older than the other copy; the next open makes them equal")
        if len({repr(record) for record in records.values() if record.sequence == newest}) > 1:
            self._bad(STATE, f"the two copies of save {newest} differ")

    def read_metadata(self) -> None:
        """Look at metadata.json."""
        if METADATA not in self.names:
            return
        with self._looking_at(METADATA):
            self.metadata = read_metadata(self.directory)

    def read_log(self, opened: tuple[File, int] | None = None) -> None:
        """Look at all of log.dat; or, in this open file, up to the end of the last frame."""
        if LOG not in self.names:
            return
        with self._looking_at(LOG):
            self.log = read_log(
                self.directory,
                self.metadata,
                clean=RECOVERY_MARKER not in self.names,
                chunk_size=_CHUNK_SIZE,
                indexed=False,
                opened=opened,
            )
            self._take_log(self.log)

    def _take_log(self, readable: ReadableLog) -> None:
        log, cut = readable.log, readable.cut
        let_go(log.file)
        self.byte_count += log.end
        if readable.rebuilt:
            reason = "the header is damaged; metadata.json knows what it said"
            self._bad(LOG, reason, offset=0, index=log.first_index)
        for loss in readable.lost:
            self._bad(LOG, loss.reason, offset=loss.offset, index=loss.first_index)
        if cut is not None:
            self.places.append(
                BadPlace(
                    path=cut.path,
                    offset=cut.offset,
                    index=log.last_index + 1,
                    reason=f"{cut.length} bytes that are no frame: {cut.reason}",
                    ambiguous=cut.ambiguous,
                )
            )
        if self.metadata is not None and self.metadata.incarnation != log.header.incarnation:
            self._note(METADATA, "of an older log; the next clean close renews it")

    def snapshot(self) -> None:
        """Look at the snapshot, all of its data."""
        if self.odd_names & {SNAPSHOT, SNAPSHOT_META}:
            return
        with self._looking_at(SNAPSHOT):
            finding = judge_snapshot(
                self.directory, self.names, clean=False, chunk_size=_CHUNK_SIZE
            )
            if finding.file is not None:
                let_go(finding.file)
            record = finding.record
            self.byte_count += record.data_length if record is not None else 0
            self.snapshot_term = record.metadata.last_included_term if record else 0
            self._require_snapshot(record.metadata.last_included_index if record else 0)

    def newest_state(self) -> None:
        """Look whether the copy of the state that is left is older than log or snapshot."""
        try:
            finding = judge_state(self.directory, self.names)
        except (StorageError, OSError):
            return  # its copies have been told of
        terms = [self.snapshot_term]
        terms += [self.log.log.last_term] if self.log is not None else []
        terms += [self.metadata.last_term] if self.metadata is not None else []
        with self._looking_at(STATE):
            require_newest(self.directory, finding, terms)

    def _require_snapshot(self, snapshot_index: int) -> None:
        base_index = self.log.log.header.base_index if self.log is not None else 0
        if snapshot_index >= base_index:
            return
        reason = f"the log begins behind index {base_index}, but there is no snapshot of that"
        if self.needs_snapshot:
            self._bad(SNAPSHOT, reason, index=snapshot_index + 1)
        else:
            self._note(SNAPSHOT, reason)

    def report(self) -> VerifyReport:
        """Return all that was found."""
        for name in (STATE, STATE_COPY, LOG, METADATA):
            if name not in self.names:
                self._missing(name)
        log = self.log.log if self.log is not None else None
        places = sorted(self.places, key=lambda place: (place.path, place.offset or 0))
        return VerifyReport(
            directory=self.directory.path,
            places=tuple(places),
            notes=tuple(self.notes),
            first_index=log.first_index if log else None,
            last_index=log.last_index if log else None,
            frame_count=self.log.frame_count if self.log else 0,
            byte_count=self.byte_count,
        )

    def _missing(self, name: str) -> None:
        """Note or accuse: what is missing is of an unfinished creation, or it is lost."""
        must_be_there = self.names & {METADATA, SNAPSHOT, SNAPSHOT_META} or self._has_work
        if name not in self.odd_names and must_be_there:
            self._bad(name, "missing")

    @property
    def _has_work(self) -> bool:
        """Whether term, vote or log show that the store's creation came to its end."""
        log = self.log.log if self.log is not None else None
        used_log = log is not None and (log.header.generation > 1 or log.last_batch > 0)
        return used_log or any(record.sequence for record in self.records.values())

    @contextmanager
    def _looking_at(self, name: str) -> Iterator[None]:
        try:
            yield
        except DamagedDocumentError as damage:
            self._bad(name, f"damaged: {damage}")
        except CorruptedError as damage:
            path = damage.path or self.directory.path_of(name)
            reason = str(damage).removeprefix(f"{path}: ")
            self.places.append(
                BadPlace(path=path, offset=damage.offset, index=damage.index, reason=reason)
            )
        except UnsupportedFormatError as error:
            reason = str(error).removeprefix(f"{self.directory.path_of(name)}: ")
            self._bad(name, reason)
        except StorageError:
            raise
        except OSError as error:
            path = str(error.filename or self.directory.path_of(name))
            reason = f"cannot be read: {error.strerror or error}"
            self.places.append(BadPlace(path=path, reason=reason))

    def _bad(
        self, name: str, reason: str, *, offset: int | None = None, index: int | None = None
    ) -> None:
        path = self.directory.path_of(name)
        self.places.append(BadPlace(path=path, offset=offset, index=index, reason=reason))

    def _note(self, name: str, text: str) -> None:
        self.notes.append(f"{self.directory.path_of(name)}: {text}")
