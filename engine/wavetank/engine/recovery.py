"""What an open hands to the services: `RecoveredStore`. Left out: how it came about."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field, frozen

from wavetank.engine.directory import (
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    TEMPORARY_NAMES,
    StoreDirectory,
    let_go,
)
from wavetank.engine.errors import CorruptedError
from wavetank.engine.inspection import Judgement, judge_directory
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.compaction import (
    contradicts,
    create_log,
    give_name,
    successor,
    write_successor,
)
from wavetank.engine.log.format import LogHeader
from wavetank.engine.log.repair import LogFinding, repair_log
from wavetank.engine.metadata import LogMetadata, publish_metadata
from wavetank.engine.options import FileStorageOptions
from wavetank.engine.report import (
    LostData,
    RecoveryAction,
    RecoveryReport,
    RecoveryStep,
)
from wavetank.engine.snapshot import SnapshotFinding
from wavetank.engine.state import INITIAL_STATE, StateRecord
from wavetank.engine.status import Part

__all__ = ["RecoveredStore", "check_openable", "recover"]


@frozen(kw_only=True)
class RecoveredStore:
    """A directory ready for use.

    Attributes:
        state: what both copies of the state hold.
        log: log.dat, open.
        metadata: what metadata.json says.
        snapshot: the current snapshot with its open data.
        report: what was found and done.
        damage: parts that cannot be read, where nothing may be repaired; what stands for them above
            means nothing.
    """

    state: StateRecord
    log: ActiveLog
    metadata: LogMetadata | None
    snapshot: SnapshotFinding
    report: RecoveryReport
    damage: Mapping[Part, CorruptedError] = field(factory=dict)

    def close(self) -> None:
        """Let go of the files of a store that is not used after all."""
        let_go(self.log.file)
        if self.snapshot.file is not None:
            let_go(self.snapshot.file)


def recover(directory: StoreDirectory, options: FileStorageOptions) -> RecoveredStore:
    """Judge and repair `directory`, or make a store in it; the caller holds its lock.

    Errors as for `judge_directory`, and ``OSError`` from the repairs.
    """
    repair = _Repair(judge_directory(directory, options))
    try:
        return repair.run()
    except BaseException:
        repair.close()
        raise


def check_openable(directory: StoreDirectory, options: FileStorageOptions) -> None:
    """Judge `directory` without changing anything; errors as for `judge_directory`."""
    judge_directory(directory, options).close()


@define(eq=False)
class _Repair:
    """From a judged directory to a store that can be used."""

    judged: Judgement
    steps: list[RecoveryStep] = field(init=False, factory=list)
    lost: list[LostData] = field(init=False, factory=list)
    metadata: LogMetadata | None = field(init=False)
    active: ActiveLog | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.metadata = self.judged.metadata
        self.active = self.judged.log.log if self.judged.log is not None else None

    @property
    def directory(self) -> StoreDirectory:
        return self.judged.directory

    @property
    def options(self) -> FileStorageOptions:
        return self.judged.options

    def run(self) -> RecoveredStore:
        created = self.judged.created
        if METADATA not in self.judged.names:
            # A killed run may have made the directory without making its name durable.
            self.directory.sync_own_name()
        self._drop_snapshot()
        self._repair_names()
        self.directory.sync()
        if SNAPSHOT_MARKER in self.judged.names:
            self.directory.unlink(SNAPSHOT_MARKER)
            self._did(RecoveryAction.REMOVED, SNAPSHOT_MARKER, "its snapshot is settled")
        self._repair_log_end()
        self._repair_log_base()
        self._repair_metadata(created=created)
        return self._store(created=created)

    def _drop_snapshot(self) -> None:
        """Remove a snapshot that is given up: the data first, since the metadata says whose it was.

        Each name is durably gone before the next goes, so that a crash leaves what ends here too.
        """
        damage = self.judged.dropped_snapshot
        if damage is None:
            return
        held = f"the log still holds every entry from index 1 on: {damage}"
        self.lost.append(LostData(path=self.directory.path_of(SNAPSHOT), reason=held))
        for name in (SNAPSHOT, SNAPSHOT_META):
            if name in self.judged.names:
                self.directory.unlink(name)
                self.directory.sync()
                self._did(RecoveryAction.REMOVED, name, "the snapshot is damaged")

    def _repair_names(self) -> None:
        directory = self.directory
        if RECOVERY_MARKER not in self.judged.names:
            directory.create_empty(RECOVERY_MARKER)
        if self.judged.snapshot.renames:
            # A killed run may not have reached its commit point: pass it before a name changes.
            directory.sync()
        consumed = set()
        for source, target in self.judged.snapshot.renames:
            directory.rename(source, target)
            consumed.add(source)
            self._did(RecoveryAction.ROLLED_FORWARD, target, "its snapshot was committed")
        for name in TEMPORARY_NAMES:
            if name in self.judged.names and name not in consumed:
                directory.unlink(name)
                self._did(RecoveryAction.REMOVED, name, "left by an unfinished replacement")
        record = self.judged.state.record or INITIAL_STATE
        for copy in self.judged.state.doubtful:
            directory.replace(copy.name, record.encode())
            made = self.judged.state.record is None
            self._did(
                RecoveryAction.CREATED if made else RecoveryAction.REPAIRED, copy.name, copy.reason
            )
        if self.active is None:
            self.active = create_log(directory, indexed=self.options.features.index_map)
            give_name(directory, self.active)
            self._did(RecoveryAction.CREATED, LOG, "missing")

    def _repair_log_end(self) -> None:
        finding = self.judged.log
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
        record = self.judged.snapshot.record
        assert self.active is not None
        if record is None:
            return
        old, snapshot = self.active, record.metadata
        trusted = self.judged.log is not None and self.judged.log.trusted
        if trusted and snapshot.last_included_index <= old.last_index:
            return
        if not contradicts(old, self.judged.reader(), snapshot):
            return
        header = successor(old, snapshot.last_included_index, snapshot.last_included_term)
        self._replace_log(old, header, last_index=header.base_index)
        self._did(RecoveryAction.REPLACED, LOG, "it ended before the snapshot or contradicted it")

    def _replace_log(self, old: ActiveLog, header: LogHeader, *, last_index: int) -> None:
        """Put the entries of `old` from the new base to `last_index` into a log of its own."""
        reader = self.judged.reader()
        new = write_successor(
            self.directory,
            reader,
            reader.section(old, header.base_index + 1, last_index + 1),
            header,
            codec=self.judged.codec(),
            indexed=self.options.features.index_map,
            chunk_size=self.options.transfer_size,
            check_wanted=lambda: None,
        )
        self.active = new
        let_go(old.file)
        give_name(self.directory, new)
        self.directory.sync()
        self.metadata = self._metadata_of(new)
        publish_metadata(self.directory, self.metadata)

    def _repair_metadata(self, *, created: bool) -> None:
        assert self.active is not None
        reason = self.judged.metadata_damage
        if self.metadata is not None:
            if self.metadata.reserved_ahead == (self.options.preallocate or 0):
                return
            reason = "other space is reserved ahead from here on"
        self.metadata = self._metadata_of(self.active)
        publish_metadata(self.directory, self.metadata)
        self.directory.sync()
        action = RecoveryAction.CREATED if created else RecoveryAction.REBUILT
        self._did(action, METADATA, reason)

    def _metadata_of(self, log: ActiveLog) -> LogMetadata:
        return LogMetadata.of(log.view(), reserved_ahead=(self.options.preallocate or 0))

    def _store(self, *, created: bool) -> RecoveredStore:
        assert self.active is not None
        return RecoveredStore(
            state=self.judged.state.record or INITIAL_STATE,
            log=self.active,
            metadata=self.metadata,
            snapshot=self.judged.snapshot,
            report=RecoveryReport(
                clean=self.judged.log is not None and self.judged.log.trusted,
                created=created,
                steps=tuple(self.steps),
                cut=self.judged.log.tail if self.judged.log else None,
                mode=self.options.recovery_mode,
                found=self.judged.found,
                lost=tuple(self.lost),
            ),
        )

    def _did(self, action: RecoveryAction, name: str, reason: str) -> None:
        path = self.directory.path_of(name)
        self.steps.append(RecoveryStep(action=action, path=path, reason=reason))

    def close(self) -> None:
        self.judged.close()
        if self.active is not None:
            let_go(self.active.file)
