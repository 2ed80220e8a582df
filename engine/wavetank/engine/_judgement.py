"""What a directory holds: each file judged by itself, then all of them together.

Nothing in the directory changes here, so that a refusal leaves it as it was. Left out: the repairs
(_recovery.py), and how each file is judged (`judge_state`, `judge_log`, `judge_snapshot`).
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from wavetank.engine._directory import (
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_MARKER,
    STATE,
    TEMPORARY_NAMES,
    StoreDirectory,
    let_go,
)
from wavetank.engine._document import DamagedDocumentError
from wavetank.engine._found_files import (
    found_log,
    found_metadata,
    found_rest,
    found_snapshot,
    found_state,
)
from wavetank.engine._frame import LOG_HEADER_SIZE
from wavetank.engine._log_reader import LogReader
from wavetank.engine._log_recovery import LogFinding, judge_log
from wavetank.engine._log_rewriter import (
    contradicts,
)
from wavetank.engine._metadata import LogMetadata, read_metadata
from wavetank.engine._metrics import NoMetrics
from wavetank.engine._serializer import EntryCodec
from wavetank.engine._snapshot_recovery import SnapshotFinding, judge_snapshot
from wavetank.engine._state import INITIAL_STATE, StateFinding, judge_state, require_newest
from wavetank.engine.errors import CorruptedLogError, CorruptedSnapshotError, CorruptedStateError
from wavetank.engine.options import FileStorageOptions, RecoveryMode
from wavetank.engine.report import (
    FileCondition,
    FoundFile,
)
from wavetank.engine.values import SnapshotMetadata

__all__ = ["Judgement", "judge_directory"]


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
        return EntryCodec(binary=self.options.features.binary_format, meter=NoMetrics())

    def reader(self) -> LogReader:
        """Return what reads entries."""
        path = self.directory.path_of(LOG)
        return LogReader(path, self.options.transfer_size, self.codec())

    def close(self) -> None:
        """Let go of the files."""
        if self.log is not None:
            let_go(self.log.log.file)
        if self.snapshot.file is not None:
            let_go(self.snapshot.file)
