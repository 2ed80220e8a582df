"""An open that changes nothing: whatever is intact can be read, whatever is not says why.

No lock is taken and none is made: one that is held shows that the store is in use, and that is no
reason not to look. What is shown is what the disk held at that moment. If the directory changes
meanwhile, the look is taken again. Left out: promises for later; nothing read here is made durable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import define, evolve, field

from wavetank.engine.directory import (
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_META,
    STATE,
    STORE_NAMES,
    AbsentFile,
    StoreDirectory,
    let_go,
)
from wavetank.engine.document import DamagedDocumentError
from wavetank.engine.errors import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    NotInitializedError,
    StorageError,
)
from wavetank.engine.filesystem import File
from wavetank.engine.inspection import (
    found_log,
    found_metadata,
    found_rest,
    found_snapshot,
    found_state,
)
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.compaction import contradicts
from wavetank.engine.log.format import LogHeader, encode_log_header
from wavetank.engine.log.readable import ReadableLog, read_log
from wavetank.engine.log.reader import FrameReader
from wavetank.engine.metadata import LogMetadata, read_metadata
from wavetank.engine.options import FileStorageOptions
from wavetank.engine.recovery import RecoveredStore
from wavetank.engine.report import FileCondition, FoundFile, LostData, RecoveryReport
from wavetank.engine.snapshot import SnapshotFinding, judge_snapshot
from wavetank.engine.state import INITIAL_STATE, StateFinding, judge_state, require_newest
from wavetank.engine.status import Part, is_unreadable

__all__ = ["look"]

_ATTEMPTS: Final = 5


def look(directory: StoreDirectory, options: FileStorageOptions) -> RecoveredStore:
    """Read a directory without changing anything in it.

    Raises:
        NotInitializedError: it holds no store, or one whose creation has not come to its end.
        UnsupportedFormatError: a file of another version.
        OSError: from the filesystem.
    """
    for _ in range(_ATTEMPTS - 1):
        before = directory.identities(STORE_NAMES)
        try:
            looked = _look_once(directory, options)
        except (StorageError, OSError):
            if directory.identities(STORE_NAMES) == before:
                raise
            continue
        if directory.identities(STORE_NAMES) == before:
            return looked
        looked.close()
    return _look_once(directory, options)


def _look_once(directory: StoreDirectory, options: FileStorageOptions) -> RecoveredStore:
    looking = _Looking(directory, options)
    try:
        return looking.store()
    except BaseException:
        looking.close()
        raise


@define(eq=False)
class _Looking:
    """One look at the directory."""

    directory: StoreDirectory
    options: FileStorageOptions
    names: frozenset[str] = field(init=False, factory=frozenset)
    metadata: LogMetadata | None = field(init=False, default=None)
    metadata_damage: str = field(init=False, default="missing")
    state: StateFinding = field(init=False, default=StateFinding(None, ()))
    log: ReadableLog | None = field(init=False, default=None)
    snapshot: SnapshotFinding = field(init=False, factory=SnapshotFinding)
    damage: dict[Part, CorruptedError] = field(init=False, factory=dict)

    def store(self) -> RecoveredStore:
        try:
            self.names = self.directory.names()
        except FileNotFoundError as error:
            raise self._nothing() from error
        if not self.names.intersection(STORE_NAMES):
            raise self._nothing()
        self._look_at_metadata()
        self._look_at_state()
        self._look_at_log()
        self._require_state()
        self._look_at_snapshot()
        self._require_newest_state()
        if not self.names & {LOG, METADATA} and not self._is_used():
            raise self._nothing()
        return RecoveredStore(
            state=self.state.record or INITIAL_STATE,
            log=self._log_shown(),
            metadata=self.metadata,
            snapshot=self.snapshot,
            report=self._report(),
            damage=self.damage,
        )

    def close(self) -> None:
        if self.log is not None:
            let_go(self.log.log.file)
        if self.snapshot.file is not None:
            let_go(self.snapshot.file)

    def _nothing(self) -> NotInitializedError:
        return NotInitializedError(
            f"{self.directory.path}: expected a store but found none, or one whose creation was "
            "cut short; open it without read_only to make it"
        )

    def _is_used(self) -> bool:
        unused = self.state.record in (None, INITIAL_STATE) and Part.STATE not in self.damage
        return not unused or bool(self.names & {SNAPSHOT, SNAPSHOT_META})

    @property
    def _clean(self) -> bool:
        return RECOVERY_MARKER not in self.names

    def _look_at_metadata(self) -> None:
        if METADATA not in self.names:
            return
        try:
            self.metadata = read_metadata(self.directory)
        except DamagedDocumentError as damage:
            self.metadata_damage = f"damaged: {damage}"

    def _look_at_state(self) -> None:
        try:
            self.state = judge_state(self.directory, self.names)
        except CorruptedStateError as damage:
            self.damage[Part.STATE] = damage

    def _look_at_log(self) -> None:
        path = self.directory.path_of(LOG)
        if LOG not in self.names:
            self.damage[Part.LOG] = CorruptedLogError(f"{path}: the log is missing", path=path)
            return
        try:
            self.log = read_log(
                self.directory,
                self.metadata,
                clean=self._clean,
                chunk_size=self.options.transfer_size,
                indexed=True,
            )
        except CorruptedLogError as damage:
            self.damage[Part.LOG] = damage

    def _require_state(self) -> None:
        """Missing copies are those of an unfinished creation, or they are lost."""
        log = self.log.log if self.log is not None else None
        unused = log is None or (log.header.generation == 1 and not log.last_batch)
        if self.state.record is None and not (unused and METADATA not in self.names):
            path = self.directory.path_of(STATE)
            missing = CorruptedStateError(
                f"{path}: both copies of the state are missing", path=path
            )
            self.damage.setdefault(Part.STATE, missing)

    def _look_at_snapshot(self) -> None:
        clean = self.log is not None and self.log.trusted
        try:
            self.snapshot = judge_snapshot(
                self.directory, self.names, clean=clean, chunk_size=self.options.transfer_size
            )
        except CorruptedSnapshotError as damage:
            self.damage[Part.SNAPSHOT] = damage
            return
        except OSError as error:
            if not is_unreadable(error):
                raise
            path = self.directory.path_of(SNAPSHOT)
            unreadable = CorruptedSnapshotError(
                f"{path}: the medium does not give back it, or its metadata", path=path
            )
            unreadable.__cause__ = error
            self.damage[Part.SNAPSHOT] = unreadable
            return
        base_index = self.log.log.header.base_index if self.log is not None else 0
        record = self.snapshot.record
        needed = base_index and self.options.compaction_requires_snapshot
        if needed and (record is None or record.metadata.last_included_index < base_index):
            path = self.directory.path_of(SNAPSHOT)
            self.damage[Part.SNAPSHOT] = CorruptedSnapshotError(
                f"{path}: the log begins behind index {base_index}, but there is no snapshot of it",
                path=path,
                index=base_index,
            )

    def _require_newest_state(self) -> None:
        if not self._clean and not self.options.features.atomic_writes:
            return
        record = self.snapshot.record
        terms = [self.log.log.last_term] if self.log is not None else []
        terms += [record.metadata.last_included_term] if record is not None else []
        terms += [self.metadata.last_term] if self.metadata is not None else []
        try:
            require_newest(self.directory, self.state, terms)
        except CorruptedStateError as damage:
            self.damage.setdefault(Part.STATE, damage)

    def _log_shown(self) -> ActiveLog:
        """Return the log as an open for writing would leave it, where it is intact."""
        if self.log is None:
            return _empty_log(AbsentFile(), None, 0, 0)
        log, record = self.log.log, self.snapshot.record
        if record is None or self.log.lost:
            return log
        reader = FrameReader(self.directory.path_of(LOG), self.options.transfer_size)
        if not contradicts(log, reader, record.metadata):
            return log
        metadata = record.metadata
        return _empty_log(
            log.file, log.header, metadata.last_included_index, metadata.last_included_term
        )

    def _report(self) -> RecoveryReport:
        lost = [] if self.log is None else list(self.log.lost)
        lost += [
            LostData(path=damage.path or self.directory.path, reason=str(damage))
            for damage in self.damage.values()
        ]
        return RecoveryReport(
            clean=self.log is not None and self.log.trusted and not lost,
            created=False,
            steps=(),
            cut=self.log.cut if self.log is not None else None,
            mode=self.options.recovery_mode,
            found=tuple(self._found()),
            lost=tuple(lost),
        )

    def _found(self) -> Iterator[FoundFile]:
        directory = self.directory
        if Part.STATE not in self.damage:
            yield from found_state(directory, self.state)
        condition = self.log.condition if self.log is not None else FileCondition.DAMAGED
        log = self.log.log if self.log is not None else None
        yield from found_log(directory, log, condition)
        yield from found_metadata(directory, self.metadata, self.metadata_damage, log)
        yield from found_snapshot(directory, self.snapshot, str(self.damage.get(Part.SNAPSHOT, "")))
        yield from found_rest(directory, self.names)


def _empty_log(file: File, header: LogHeader | None, base_index: int, base_term: int) -> ActiveLog:
    if header is None:
        header = LogHeader(incarnation=0, generation=0, base_index=base_index, base_term=base_term)
    else:
        header = evolve(header, base_index=base_index, base_term=base_term)
    return ActiveLog(file, header, encode_log_header(header)[1], indexed=True)
