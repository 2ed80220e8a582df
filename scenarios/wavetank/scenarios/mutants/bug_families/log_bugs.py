"""Planted bugs in truncations and compaction: T1, T2, T4."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from wavetank.engine import (
    Buffer,
    CancelToken,
    FileStorage,
    OpenFlag,
    SnapshotData,
    SnapshotMetadata,
    Storage,
    StorageConfig,
)
from wavetank.scenarios.mutants.bug_families.small_steps import AT_ONCE, append, snapshot, workload
from wavetank.scenarios.mutants.mutant_run import Trial
from wavetank.scenarios.mutants.planted_bug import PlantedBug, by_deceit, by_variant
from wavetank.scenarios.raft.steps import TruncateSuffix
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.interposed_filesystem import Deceit, MisledFile, call_site

__all__ = ["LOG_BUGS"]

_LOG: Final = "/log.dat"
_REWRITTEN: Final = "/log.dat.tmp"


def _truncates_by_rename(site: Site) -> Deceit:
    def write(file: MisledFile, data: Buffer, offset: int) -> int:
        if not file.path.endswith(_LOG) or call_site().operation != "truncate_log_suffix":
            return file.inner.pwrite(data, offset)
        flags = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE
        new = site.fs.open(site.directory + _REWRITTEN, flags)
        new.pwrite(file.inner.pread(offset, 0) + bytes(data), 0)
        new.fsync()
        new.close()
        site.fs.rename(site.directory + _REWRITTEN, file.path)
        file.inner.close()
        file.inner = site.fs.open(file.path, OpenFlag.READ | OpenFlag.WRITE)
        return len(data)

    return Deceit(write=write)


class _CompactsFirst(FileStorage):
    """Drops from the log what a snapshot is to cover before that is written."""

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        index, bounds = metadata.last_included_index, self.log_bounds()
        within = bounds.first_index <= index <= bounds.last_index
        if within and self.get_log_entry(index).term == metadata.last_included_term:
            self.truncate_log_prefix(index + 1)
        super().save_snapshot(metadata, data, timeout=timeout, cancel=cancel)


def _compacts_first(site: Site) -> Storage:
    # It is hunted by what a crash leaves: its own reads and truncations are not to be counted.
    features = evolve(site.options.features, metrics=False)
    options = evolve(site.options, compaction_requires_snapshot=False, features=features)
    config = StorageConfig(directory=site.directory)
    return _CompactsFirst(config, options, fs=site.fs, runtime=site.runtime)


def _unsynced_rewrite(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    def syncs(path: str) -> bool:
        return not path.endswith(_REWRITTEN) or call_site().operation == "open"

    return Deceit(syncs=syncs)


LOG_BUGS: Final[tuple[PlantedBug, ...]] = (
    by_deceit(
        "T1",
        "a suffix is truncated by a rename, and the directory is not synced; then comes an append",
        "deleted entries return, acknowledged ones go",
        _truncates_by_rename,
        Trial(
            workload=workload("conflict", append(1, 2), TruncateSuffix(2), append(2, term=2)),
            from_step=1,
        ),
    ),
    by_variant(
        "T2",
        "the log is compacted before the snapshot is durable",
        "committed state lost",
        _compacts_first,
        Trial(workload=workload("first-snapshot", append(1, 2), snapshot(1)), from_step=1),
    ),
    by_deceit(
        "T4",
        "the rewritten log is not synced before it gets its name",
        "an empty log",
        _unsynced_rewrite,
        Trial(
            workload=workload("compaction", append(1, 2), snapshot(1), options=AT_ONCE),
            from_step=1,
        ),
    ),
)
"""In the order of the list of planted bugs."""
