"""Recovery service: from whatever a run left in the directory to a store that can be used.

First everything is read and judged, and a refusal leaves the directory as it was; then the repairs
are made, each of them safe to be cut short and done again. Nothing it writes depends on how often
it ran. The order of the repairs:

1. a damaged snapshot away, if the mode gives it up; before the marker, since the clean close that
   allows it must still show if this is cut short
2. the marker, finished renames (behind the snapshot's commit point), temporary files away, state
   and log where they are missing or doubtful
3. one sync of the directory: it also covers names that a killed run left unsynced
4. the log's end; or, where acknowledged frames are given up, a new log of those that are kept
5. the log replaced where it contradicts the snapshot
6. metadata.json where it is missing: published last, so that its presence proves the log

Left out: how each file is judged (`judge_state`, `judge_log`, `judge_snapshot`).
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._directory import (
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    STATE,
    TEMPORARY_NAMES,
    StoreDirectory,
)
from wavetank.engine._document import DamagedDocumentError
from wavetank.engine._found_files import (
    found_log,
    found_metadata,
    found_rest,
    found_snapshot,
    found_state,
)
from wavetank.engine._frame import LOG_HEADER_SIZE, LogHeader
from wavetank.engine._log_reader import LogReader
from wavetank.engine._log_recovery import LogFinding, judge_log, repair_log
from wavetank.engine._log_rewriter import (
    contradicts,
    create_log,
    give_name,
    successor,
    write_successor,
)
from wavetank.engine._metadata import LogMetadata, publish_metadata, read_metadata
from wavetank.engine._metrics import NoMetrics
from wavetank.engine._recovered import RecoveredStore
from wavetank.engine._serializer import EntryCodec
from wavetank.engine._snapshot_recovery import SnapshotFinding, judge_snapshot
from wavetank.engine._state import INITIAL_STATE, StateFinding, judge_state
from wavetank.engine.errors import CorruptedLogError, CorruptedSnapshotError, CorruptedStateError
from wavetank.engine.options import FileStorageOptions, RecoveryMode
from wavetank.engine.report import (
    FileCondition,
    FoundFile,
    LostData,
    RecoveryAction,
    RecoveryReport,
    RecoveryStep,
)
from wavetank.engine.values import SnapshotMetadata

__all__ = ["check_openable", "recover"]


def recover(directory: StoreDirectory, options: FileStorageOptions) -> RecoveredStore:
    """Judge and repair `directory`, or make a store in it; the caller holds its lock.

    Raises:
        CorruptedStateError: no intact term and vote.
        CorruptedLogError: acknowledged entries are damaged or missing.
        CorruptedSnapshotError: the snapshot is damaged or missing.
        UnsupportedFormatError: a file of another version.
        OSError: from the filesystem.
    """
    opening = _Opening(directory, options)
    try:
        opening.judge()
        return opening.repair()
    except BaseException:
        opening.close()
        raise


def check_openable(directory: StoreDirectory, options: FileStorageOptions) -> None:
    """Judge `directory` without changing anything; errors as for `recover`."""
    opening = _Opening(directory, options)
    try:
        opening.judge()
    finally:
        opening.close()


@define(eq=False)
class _Opening:
    """One open, from the first look at the directory to the store."""

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
    steps: list[RecoveryStep] = field(init=False, factory=list)
    lost: list[LostData] = field(init=False, factory=list)
    active: ActiveLog | None = field(init=False, default=None)

    # Judging: nothing in the directory changes

    def judge(self) -> None:
        self.names = self.directory.names()
        for name in (RECOVERY_MARKER, SNAPSHOT_MARKER, *TEMPORARY_NAMES):
            if name in self.names:
                self.directory.require_file(name)
        clean = RECOVERY_MARKER not in self.names
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
            self.active = self.log.log
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
            finding.log, self._reader(), SnapshotMetadata(damage.index, damage.term)
        )

    def _found(self) -> Iterator[FoundFile]:
        directory = self.directory
        damage = str(self.dropped_snapshot or "")
        yield from found_state(directory, self.state)
        condition = self.log.condition if self.log else FileCondition.MISSING
        yield from found_log(directory, self.active, condition)
        yield from found_metadata(directory, self.metadata, self.metadata_damage, self.active)
        yield from found_snapshot(directory, self.snapshot, damage)
        yield from found_rest(directory, self.names)

    def _log_is_virgin(self, finding: LogFinding) -> bool:
        return finding.log.header.generation == 1 and finding.size == LOG_HEADER_SIZE

    def _require_snapshot_of_base(self) -> None:
        if self.active is None or not self.options.compaction_requires_snapshot:
            return
        base_index = self.active.header.base_index
        record = self.snapshot.record
        if base_index and (record is None or record.metadata.last_included_index < base_index):
            path = self.directory.path_of(SNAPSHOT)
            raise CorruptedSnapshotError(
                f"{path}: the log begins behind index {base_index}, but there is no snapshot of it",
                path=path,
                index=base_index,
                term=self.active.header.base_term,
            )

    # Repairing

    def repair(self) -> RecoveredStore:
        created = METADATA not in self.names and (
            self.log is None or (self._log_is_virgin(self.log) and self._state_is_initial())
        )
        if METADATA not in self.names:
            # A killed run may have made the directory without making its name durable.
            self.directory.sync_own_name()
        self._drop_snapshot()
        self._repair_names()
        self.directory.sync()
        if SNAPSHOT_MARKER in self.names:
            self.directory.unlink(SNAPSHOT_MARKER)
            self._did(RecoveryAction.REMOVED, SNAPSHOT_MARKER, "its snapshot is settled")
        self._repair_log_end()
        self._repair_log_base()
        self._repair_metadata(created=created)
        return self._store(created=created)

    def _state_is_initial(self) -> bool:
        return self.state.record in (None, INITIAL_STATE)

    def _drop_snapshot(self) -> None:
        """Remove a snapshot that is given up: the data first, since the metadata says whose it was.

        Each name is durably gone before the next goes, so that a crash leaves what ends here too.
        """
        damage = self.dropped_snapshot
        if damage is None:
            return
        held = f"the log still holds every entry from index 1 on: {damage}"
        self.lost.append(LostData(path=self.directory.path_of(SNAPSHOT), reason=held))
        for name in (SNAPSHOT, SNAPSHOT_META):
            if name in self.names:
                self.directory.unlink(name)
                self.directory.sync()
                self._did(RecoveryAction.REMOVED, name, "the snapshot is damaged")

    def _repair_names(self) -> None:
        directory = self.directory
        if RECOVERY_MARKER not in self.names:
            directory.create_empty(RECOVERY_MARKER)
        if self.snapshot.renames:
            # A killed run may not have reached its commit point: pass it before a name changes.
            directory.sync()
        consumed = set()
        for source, target in self.snapshot.renames:
            directory.rename(source, target)
            consumed.add(source)
            self._did(RecoveryAction.ROLLED_FORWARD, target, "its snapshot was committed")
        for name in TEMPORARY_NAMES:
            if name in self.names and name not in consumed:
                directory.unlink(name)
                self._did(RecoveryAction.REMOVED, name, "left by an unfinished replacement")
        record = self.state.record or INITIAL_STATE
        for copy in self.state.doubtful:
            directory.replace(copy.name, record.encode())
            made = self.state.record is None
            self._did(
                RecoveryAction.CREATED if made else RecoveryAction.REPAIRED, copy.name, copy.reason
            )
        if self.active is None:
            self.active = create_log(directory, indexed=self.options.features.index_map)
            give_name(directory, self.active)
            self._did(RecoveryAction.CREATED, LOG, "missing")

    def _repair_log_end(self) -> None:
        finding = self.log
        if finding is None:
            return
        if finding.beyond_repair:
            self._salvage_log(finding)
            return
        if finding.unproven_offset < finding.log.end:
            length = finding.log.end - finding.unproven_offset
            reason = f"{length} bytes at offset {finding.unproven_offset} beyond the watermark"
            self._did(RecoveryAction.ADOPTED, LOG, reason)
        if finding.tail is not None:
            reason = f"{finding.tail.length} bytes at offset {finding.tail.offset}"
            self._did(RecoveryAction.CUT, LOG, f"{reason}: {finding.tail.reason}")
        repair_log(finding, self.options.transfer_size)

    def _salvage_log(self, finding: LogFinding) -> None:
        """Put what is kept into a new log; the old one stays whole until the new one is durable."""
        old = finding.log
        reason = "its header was damaged; metadata.json knows it"
        if finding.lost is not None:
            self.lost.append(finding.lost)
            reason = "the frames before the damage are kept, the rest is given up"
        header = successor(old, old.header.base_index, old.header.base_term)
        self._replace_log(old, header, last_index=old.last_index)
        self._did(RecoveryAction.REPLACED, LOG, reason)

    def _repair_log_base(self) -> None:
        """Finish what save_snapshot does to a log that ends before the snapshot or is stale."""
        record = self.snapshot.record
        assert self.active is not None
        if record is None or (self.log is not None and self.log.trusted):
            return
        old, snapshot = self.active, record.metadata
        if not contradicts(old, self._reader(), snapshot):
            return
        header = successor(old, snapshot.last_included_index, snapshot.last_included_term)
        self._replace_log(old, header, last_index=header.base_index)
        self._did(RecoveryAction.REPLACED, LOG, "it ended before the snapshot or contradicted it")

    def _replace_log(self, old: ActiveLog, header: LogHeader, *, last_index: int) -> None:
        """Put the entries of `old` from the new base to `last_index` into a log of its own."""
        reader = self._reader()
        new = write_successor(
            self.directory,
            reader,
            reader.section(old, header.base_index + 1, last_index + 1),
            header,
            codec=self._codec(),
            indexed=self.options.features.index_map,
            chunk_size=self.options.transfer_size,
            check_wanted=lambda: None,
        )
        self.active = new
        old.file.close()
        give_name(self.directory, new)
        self.directory.sync()
        self.metadata = self._metadata_of(new)
        publish_metadata(self.directory, self.metadata)

    def _codec(self) -> EntryCodec:
        return EntryCodec(binary=self.options.features.binary_format, meter=NoMetrics())

    def _reader(self) -> LogReader:
        path = self.directory.path_of(LOG)
        return LogReader(path, self.options.transfer_size, self._codec())

    def _repair_metadata(self, *, created: bool) -> None:
        assert self.active is not None
        reason = self.metadata_damage
        if self.metadata is not None:
            if self.metadata.reserved_ahead == self.options.preallocate:
                return
            reason = "other space is reserved ahead from here on"
        self.metadata = self._metadata_of(self.active)
        publish_metadata(self.directory, self.metadata)
        self.directory.sync()
        action = RecoveryAction.CREATED if created else RecoveryAction.REBUILT
        self._did(action, METADATA, reason)

    def _metadata_of(self, log: ActiveLog) -> LogMetadata:
        return LogMetadata.of(log, reserved_ahead=self.options.preallocate)

    def _store(self, *, created: bool) -> RecoveredStore:
        assert self.active is not None
        return RecoveredStore(
            state=self.state.record or INITIAL_STATE,
            log=self.active,
            metadata=self.metadata,
            snapshot=self.snapshot,
            report=RecoveryReport(
                clean=self.log is not None and self.log.trusted,
                created=created,
                steps=tuple(self.steps),
                cut=self.log.tail if self.log else None,
                mode=self.options.recovery_mode,
                found=self.found,
                lost=tuple(self.lost),
            ),
        )

    def _did(self, action: RecoveryAction, name: str, reason: str) -> None:
        path = self.directory.path_of(name)
        self.steps.append(RecoveryStep(action=action, path=path, reason=reason))

    def close(self) -> None:
        if self.active is not None:
            self.active.file.close()
        if self.snapshot.file is not None:
            self.snapshot.file.close()
