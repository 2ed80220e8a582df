"""What an open does: with a mode it judges and repairs, with ``read_only`` it only looks.

Both read the directory through `inspect`. `recover` refuses what its mode may not give up before it
changes anything, and its repairs depend on nothing but the directory, so that a crash anywhere in
them leaves what the next open brings to the same end. `look` takes no lock, since one that is held
is no reason not to look, and shows whatever is intact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from attrs import define, evolve, field, frozen

from wavetank.engine.directory import (
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    STORE_NAMES,
    TEMPORARY_NAMES,
    StoreDirectory,
    let_go,
)
from wavetank.engine.document import DamagedDocumentError, LogMetadata, publish_metadata
from wavetank.engine.errors import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    NotInitializedError,
)
from wavetank.engine.filesystem import File
from wavetank.engine.inspection import Inspection, Look, found_files, inspect, settled
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.compaction import (
    contradicts,
    create_log,
    give_name,
    successor,
    write_successor,
)
from wavetank.engine.log.format import EntryCodec, LogHeader, encode_log_header
from wavetank.engine.log.reader import FrameReader
from wavetank.engine.log.repair import LogFinding, repair_log
from wavetank.engine.options import FileStorageOptions, RecoveryMode
from wavetank.engine.report import LostData, RecoveryAction, RecoveryReport, RecoveryStep
from wavetank.engine.snapshot import SnapshotFinding
from wavetank.engine.state import INITIAL_STATE, StateRecord
from wavetank.engine.status import Part, is_unreadable
from wavetank.engine.values import SnapshotMetadata

__all__ = ["RecoveredStore", "check_openable", "look", "recover"]


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
        try:
            let_go(self.log.file)
        finally:
            if self.snapshot.file is not None:
                let_go(self.snapshot.file)


def recover(directory: StoreDirectory, options: FileStorageOptions) -> RecoveredStore:
    """Judge and repair `directory`, or make a store in it; the caller holds its lock.

    Errors as for `check_openable`, and ``OSError`` from the repairs.
    """
    repair = _Repair(_judged(directory, options), options)
    try:
        return repair.run()
    except BaseException:
        repair.close()
        raise


def check_openable(directory: StoreDirectory, options: FileStorageOptions) -> None:
    """Judge `directory` without changing anything.

    Raises:
        CorruptedStateError: no intact term and vote.
        CorruptedLogError: acknowledged entries are damaged or missing.
        CorruptedSnapshotError: the snapshot is damaged or missing.
        UnsupportedFormatError: a file of another version.
        OSError: from the filesystem.
    """
    _judged(directory, options).close()


def _judged(directory: StoreDirectory, options: FileStorageOptions) -> Inspection:
    """Return the inspection of a directory that may be opened; errors as for `check_openable`."""
    how = Look(
        mode=options.recovery_mode,
        chunk_size=options.transfer_size,
        indexed=options.features.index_map,
    )
    found = inspect(directory, how)
    try:
        _require_openable(found, options)
    except BaseException:
        found.close()
        raise
    return found


def _require_openable(found: Inspection, options: FileStorageOptions) -> None:
    dropped = found.snapshot_damage
    if dropped is not None and not _can_do_without(found, options, dropped):
        raise dropped
    lost_log = found.lost_log()
    if lost_log is not None:
        raise lost_log
    lost_state = found.lost_state(atomic=options.features.atomic_writes)
    if lost_state is not None:
        raise lost_state
    lost_snapshot = found.lost_snapshot()
    if lost_snapshot is not None and options.compaction_requires_snapshot:
        raise lost_snapshot


def _can_do_without(
    found: Inspection, options: FileStorageOptions, damage: CorruptedSnapshotError
) -> bool:
    """Whether the mode gives up a damaged snapshot, and the log provably holds all it held."""
    finding = found.log
    if options.recovery_mode is not RecoveryMode.AGGRESSIVE or finding is None:
        return False
    if finding.lost or finding.log.header.base_index:
        return False
    if damage.index is None or damage.term is None:
        # It may have been saved beyond the log; but no run that did that closes cleanly before
        # the log has followed.
        return finding.trusted
    snapshot = SnapshotMetadata(damage.index, damage.term)
    return not contradicts(finding.log, _reader(found.directory, options), snapshot)


def _codec(options: FileStorageOptions) -> EntryCodec:
    return EntryCodec(binary=options.features.binary_format)


def _reader(directory: StoreDirectory, options: FileStorageOptions) -> FrameReader:
    return FrameReader(directory.path_of(LOG), options.transfer_size)


@define(eq=False)
class _Repair:
    """From a judged directory to a store that can be used."""

    found: Inspection
    options: FileStorageOptions
    steps: list[RecoveryStep] = field(init=False, factory=list)
    lost: list[LostData] = field(init=False, factory=list)
    replaced: ActiveLog | None = field(init=False, default=None)

    def run(self) -> RecoveredStore:
        found, directory, options = self.found, self.found.directory, self.options
        created = found.created
        dropped = found.snapshot_damage
        files = found_files(found, snapshot_damage=dropped)
        if METADATA not in found.names:
            # A killed run may have made the directory without making its name durable.
            directory.sync_own_name()
        if dropped is not None:
            self._drop_snapshot(dropped)
        self._repair_names()
        directory.sync()
        if SNAPSHOT_MARKER in found.names:
            directory.unlink(SNAPSHOT_MARKER)
            self._did(RecoveryAction.REMOVED, SNAPSHOT_MARKER, "its snapshot is settled")
        finding = found.log
        metadata = found.metadata
        if finding is None:
            assert self.replaced is not None
            log = self.replaced
        else:
            log = finding.log
            if finding.lost or finding.rebuilt:
                log = self._salvage_log(finding)
                metadata = self._publish(log)
            else:
                self._repair_log_end(finding)
        header = self._base_to_move_to(log)
        if header is not None:
            log = self._replace_log(log, header, last_index=header.base_index)
            metadata = self._publish(log)
            reason = "it ended before the snapshot or contradicted it"
            self._did(RecoveryAction.REPLACED, LOG, reason)
        if metadata is None or metadata.reserved_ahead != (options.preallocate or 0):
            reason = "other space is reserved ahead from here on"
            if metadata is None:
                reason = found.metadata_damage
            metadata = self._publish(log)
            directory.sync()
            action = RecoveryAction.CREATED if created else RecoveryAction.REBUILT
            self._did(action, METADATA, reason)
        return RecoveredStore(
            state=found.state.record or INITIAL_STATE,
            log=log,
            metadata=metadata,
            snapshot=found.snapshot,
            report=RecoveryReport(
                clean=finding is not None and finding.trusted,
                created=created,
                steps=tuple(self.steps),
                cut=finding.tail if finding is not None else None,
                mode=options.recovery_mode,
                found=files,
                lost=tuple(self.lost),
            ),
        )

    def _drop_snapshot(self, damage: CorruptedSnapshotError) -> None:
        """Remove a snapshot that is given up: the data first, since the metadata says whose it was.

        Each name is durably gone before the next goes, so that a crash leaves what ends here too.
        """
        directory = self.found.directory
        held = f"the log still holds every entry from index 1 on: {damage}"
        self.lost.append(LostData(path=directory.path_of(SNAPSHOT), reason=held))
        for name in (SNAPSHOT, SNAPSHOT_META):
            if name in self.found.names:
                directory.unlink(name)
                directory.sync()
                self._did(RecoveryAction.REMOVED, name, "the snapshot is damaged")

    def _repair_names(self) -> None:
        found, directory = self.found, self.found.directory
        if RECOVERY_MARKER not in found.names:
            directory.create_empty(RECOVERY_MARKER)
        if found.snapshot.renames:
            # A killed run may not have reached its commit point: pass it before a name changes.
            directory.sync()
        consumed = set()
        for source, target in found.snapshot.renames:
            directory.rename(source, target)
            consumed.add(source)
            self._did(RecoveryAction.ROLLED_FORWARD, target, "its snapshot was committed")
        for name in TEMPORARY_NAMES:
            if name in found.names and name not in consumed:
                directory.unlink(name)
                self._did(RecoveryAction.REMOVED, name, "left by an unfinished replacement")
        record = found.state.record or INITIAL_STATE
        made = found.state.record is None
        for copy in found.state.doubtful:
            directory.replace(copy.name, record.encode())
            action = RecoveryAction.CREATED if made else RecoveryAction.REPAIRED
            self._did(action, copy.name, copy.reason)
        if found.log is None:
            self.replaced = create_log(directory, indexed=self.options.features.index_map)
            give_name(directory, self.replaced)
            self._did(RecoveryAction.CREATED, LOG, "missing")

    def _repair_log_end(self, finding: LogFinding) -> None:
        unproven = finding.log.end - finding.unproven_offset
        if unproven:
            reason = f"{unproven} bytes at offset {finding.unproven_offset} beyond the watermark"
            self._did(RecoveryAction.ADOPTED, LOG, reason)
        if finding.tail is not None:
            reason = f"{finding.tail.length} bytes at offset {finding.tail.offset}"
            self._did(RecoveryAction.CUT, LOG, f"{reason}: {finding.tail.reason}")
        repair_log(finding, self.options.transfer_size)

    def _salvage_log(self, finding: LogFinding) -> ActiveLog:
        """Put what is kept into a new log; the old one stays whole until the new one is durable."""
        old = finding.log
        reason = "its header was damaged; metadata.json knows it"
        if finding.lost:
            self.lost.extend(finding.lost)
            reason = "the frames before the damage are kept, the rest is given up"
        header = successor(old, old.header.base_index, old.header.base_term)
        new = self._replace_log(old, header, last_index=old.last_index)
        self._did(RecoveryAction.REPLACED, LOG, reason)
        return new

    def _base_to_move_to(self, log: ActiveLog) -> LogHeader | None:
        """Return the header of the log that a snapshot beyond the log, or of another branch, needs.

        It finishes what save_snapshot does to such a log.
        """
        record, finding = self.found.snapshot.record, self.found.log
        if record is None:
            return None
        snapshot = record.metadata
        if (
            finding is not None
            and finding.trusted
            and (snapshot.last_included_index <= log.last_index)
        ):
            return None
        if not contradicts(log, _reader(self.found.directory, self.options), snapshot):
            return None
        return successor(log, snapshot.last_included_index, snapshot.last_included_term)

    def _replace_log(self, old: ActiveLog, header: LogHeader, *, last_index: int) -> ActiveLog:
        """Put the entries of `old` from the new base to `last_index` into a log of its own."""
        directory = self.found.directory
        reader = _reader(directory, self.options)
        new = write_successor(
            directory,
            reader,
            reader.section(old, header.base_index + 1, last_index + 1),
            header,
            codec=_codec(self.options),
            indexed=self.options.features.index_map,
            chunk_size=self.options.transfer_size,
            check_wanted=lambda: None,
        )
        self.replaced = new
        let_go(old.file)
        give_name(directory, new)
        directory.sync()
        return new

    def _publish(self, log: ActiveLog) -> LogMetadata:
        metadata = LogMetadata.of(log.view(), reserved_ahead=self.options.preallocate or 0)
        publish_metadata(self.found.directory, metadata)
        return metadata

    def _did(self, action: RecoveryAction, name: str, reason: str) -> None:
        path = self.found.directory.path_of(name)
        self.steps.append(RecoveryStep(action=action, path=path, reason=reason))

    def close(self) -> None:
        try:
            self.found.close()
        finally:
            if self.replaced is not None:
                let_go(self.replaced.file)


def look(directory: StoreDirectory, options: FileStorageOptions) -> RecoveredStore:
    """Read a directory without changing anything in it.

    Raises:
        NotInitializedError: it holds no store, or one whose creation has not come to its end.
        UnsupportedFormatError: a file of another version.
        OSError: from the filesystem.
    """
    return settled(
        directory,
        lambda: _looked(directory, options),
        problems=lambda store: [
            repr(part) for part in (*store.report.lost, store.report.cut) if part
        ],
        needs_rest=True,
        give_up=RecoveredStore.close,
    )


def _looked(directory: StoreDirectory, options: FileStorageOptions) -> RecoveredStore:
    try:
        found = inspect(directory, Look(mode=None, chunk_size=options.transfer_size, indexed=True))
    except FileNotFoundError as error:
        raise _nothing(directory) from error
    try:
        return _shown(found, options)
    except BaseException:
        found.close()
        raise


def _nothing(directory: StoreDirectory) -> NotInitializedError:
    return NotInitializedError(
        f"{directory.path}: expected a store but found none, or one whose creation was "
        "cut short; open it without read_only to make it"
    )


def _shown(found: Inspection, options: FileStorageOptions) -> RecoveredStore:
    """Return what is intact; what is not is damage by part."""
    directory = found.directory
    if not found.names.intersection(STORE_NAMES):
        raise _nothing(directory)
    damage = _damage_by_part(found, options)
    used = found.state.record not in (None, INITIAL_STATE) or Part.STATE in damage
    if not used and not found.names & {LOG, METADATA, SNAPSHOT, SNAPSHOT_META}:
        raise _nothing(directory)
    finding = found.log
    lost = [*finding.lost] if finding is not None else []
    lost += [
        LostData(path=each.path or directory.path, reason=str(each)) for each in damage.values()
    ]
    report = RecoveryReport(
        clean=finding is not None and finding.trusted and not lost,
        created=False,
        steps=(),
        cut=finding.tail if finding is not None else None,
        mode=options.recovery_mode,
        found=found_files(
            found,
            snapshot_damage=damage.get(Part.SNAPSHOT),
            state=Part.STATE not in damage,
        ),
        lost=tuple(lost),
    )
    if finding is None and found.log_file is not None:
        let_go(found.log_file)
    return RecoveredStore(
        state=found.state.record or INITIAL_STATE,
        log=_log_shown(found, options),
        metadata=found.metadata,
        snapshot=found.snapshot,
        report=report,
        damage=damage,
    )


def _damage_by_part(found: Inspection, options: FileStorageOptions) -> dict[Part, CorruptedError]:
    """Return why a part cannot be read; errors that say nothing about the store leave."""
    damage: dict[Part, CorruptedError] = {}
    for name, error in found.errors.items():
        if isinstance(error, CorruptedStateError):
            damage[Part.STATE] = error
        elif isinstance(error, CorruptedLogError):
            damage[Part.LOG] = error
        elif isinstance(error, CorruptedSnapshotError):
            damage[Part.SNAPSHOT] = error
        elif name == SNAPSHOT and isinstance(error, OSError) and is_unreadable(error):
            path = found.directory.path_of(SNAPSHOT)
            unreadable = CorruptedSnapshotError(
                f"{path}: the medium does not give back it, or its metadata", path=path
            )
            unreadable.__cause__ = error
            damage[Part.SNAPSHOT] = unreadable
        elif not isinstance(error, DamagedDocumentError):
            raise error
    if LOG not in found.names:
        path = found.directory.path_of(LOG)
        damage[Part.LOG] = CorruptedLogError(f"{path}: the log is missing", path=path)
    lost_state = found.lost_state(atomic=options.features.atomic_writes)
    if lost_state is not None:
        damage.setdefault(Part.STATE, lost_state)
    lost_snapshot = found.lost_snapshot()
    if lost_snapshot is not None and options.compaction_requires_snapshot:
        damage.setdefault(Part.SNAPSHOT, lost_snapshot)
    return damage


def _log_shown(found: Inspection, options: FileStorageOptions) -> ActiveLog:
    """Return the log as an open for writing would leave it, where it is intact."""
    finding, record = found.log, found.snapshot.record
    if finding is None:
        header = LogHeader(incarnation=0, generation=0, base_index=0, base_term=0)
        return ActiveLog(cast("File", _NoFile()), header, 0, indexed=True)
    log = finding.log
    if record is None or finding.lost:
        return log
    snapshot = record.metadata
    if not contradicts(log, _reader(found.directory, options), snapshot):
        return log
    header = evolve(
        log.header,
        base_index=snapshot.last_included_index,
        base_term=snapshot.last_included_term,
    )
    return ActiveLog(log.file, header, encode_log_header(header)[1], indexed=True)


class _NoFile:
    """The file of a log that cannot be read: it can be closed.

    No call gets as far as reading it, since the log's damage is raised before.
    """

    def close(self) -> None:
        """Do nothing."""
