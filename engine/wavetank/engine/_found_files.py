"""The first part of a recovery report: each file of the store, as it was before any repair.

Left out: judging; this only words what the judges said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._directory import (
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
)
from wavetank.engine._metadata import LogMetadata
from wavetank.engine._snapshot_recovery import SnapshotFinding
from wavetank.engine._state import StateFinding
from wavetank.engine.report import FileCondition, FoundFile

__all__ = ["found_log", "found_metadata", "found_rest", "found_snapshot", "found_state"]


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
