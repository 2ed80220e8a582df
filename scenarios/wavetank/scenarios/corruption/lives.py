"""Any workload as a store of the matrix: run, its run over, with what its files held before."""

from __future__ import annotations

from attrs import frozen

from wavetank.engine import FileStorageOptions, RecoveryMode
from wavetank.scenarios.corruption.damaged_store import DIRECTORY, Files, StoreRecord, files_of
from wavetank.scenarios.corruption.store_builder import content_of, older_versions
from wavetank.scenarios.raft.driving.driver import LiveRun
from wavetank.scenarios.raft.driving.history import LiveProblem
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import SimFileSystem

__all__ = ["Life", "is_ruled", "life_of"]


@frozen
class Life:
    """What came of a workload.

    Attributes:
        record: the store at its end; None if it did not come to it.
        problems: what was wrong without damage.
    """

    record: StoreRecord | None
    problems: tuple[LiveProblem, ...]


def life_of(workload: Workload, *, closed: bool) -> Life:
    """Run a workload on the engine, and return the store that it leaves.

    Args:
        workload: without faults, in `DIRECTORY`.
        closed: whether the store is closed in the end; it is killed otherwise.

    Raises:
        ValueError: another directory.
    """
    if workload.directory != DIRECTORY:
        raise ValueError(f"workload: expected the directory {DIRECTORY}, got {workload.directory}")
    run = LiveRun(workload, BUILTIN)
    versions: list[Files] = []
    is_whole = True
    for number, step in enumerate(workload.steps):
        if number:
            versions.append(_files(run))
        is_whole = is_whole and run.take(number, step)
    if closed:
        versions.append(_files(run))
        run.finish()
    problems = tuple(run.problems)
    if problems or not is_whole:
        return Life(None, problems)
    files = _files(run)
    record = StoreRecord(
        name=workload.name,
        files=files,
        older=older_versions(versions, files),
        closed=closed,
        content=content_of(files, workload.options),
        before=None,
        options=workload.options,
    )
    return Life(record, problems)


def is_ruled(options: FileStorageOptions) -> bool:
    """Whether the rules of damage say what is right for a store with these options."""
    features = options.features
    return (
        options.sync_on_append
        and options.compaction_requires_snapshot
        and options.recovery_mode is RecoveryMode.NORMAL
        and options.preallocate is None
        and features.atomic_writes
        and features.index_map
    )


def _files(run: LiveRun) -> Files:
    return files_of(SimFileSystem(run.machine.disk))
