"""The smallest bugs that one invariant alone reports: W3 to W18.

They hold the oracle: with that invariant switched off, each of them survives. For the other
invariants a bug of the list does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import evolve

from wavetank.engine import (
    CancelToken,
    FileStorage,
    FileSystem,
    LogEntry,
    OpenFlag,
    Storage,
    StorageConfig,
    VerifyReport,
)
from wavetank.scenarios.mutants.bug_families.small_steps import (
    NO_COMPACTION,
    append,
    save,
    snapshot,
    workload,
)
from wavetank.scenarios.mutants.mutant_run import Trial
from wavetank.scenarios.mutants.planted_bug import PlantedBug, by_deceit, by_variant
from wavetank.scenarios.raft.steps import Reopen, TruncateSuffix
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.interposed_filesystem import Deceit, call_site

__all__ = ["WITNESSES"]

_LOG: Final = "/log.dat"
_SECTOR_BYTES: Final = 512


def _unsynced_truncation(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    def syncs(path: str) -> bool:
        return not path.endswith(_LOG) or call_site().operation != "truncate_log_suffix"

    return Deceit(syncs=syncs)


def _unsynced_snapshot_names(site: Site) -> Deceit:
    def syncs(path: str) -> bool:
        return path != site.directory or call_site().operation != "save_snapshot"

    return Deceit(syncs=syncs)


class _CountsWhatWasCut(FileStorage):
    """Says that the last entry is the one that recovery cut off, until the next append."""

    @property
    def last_log_index(self) -> int:
        last, cut = self.log_bounds().last_index, self.recovery_report.cut
        was_next = cut is not None and cut.first_index == last + 1
        return cut.last_index or last if cut is not None and was_next else last


def _counts_what_was_cut(site: Site) -> Storage:
    config = StorageConfig(directory=site.directory)
    return _CountsWhatWasCut(config, site.options, fs=site.fs, runtime=site.runtime)


def _leaves_litter(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    def unlink(fs: FileSystem, path: str) -> None:
        if not path.endswith(".tmp") or call_site().operation != "open":
            fs.unlink(path)

    return Deceit(unlink=unlink)


class _AppendsOneByOne(FileStorage):
    """Writes each entry of a batch as a batch of its own."""

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        for entry in entries:
            super().append_log_entries((entry,), timeout=timeout, cancel=cancel)


def _appends_one_by_one(site: Site) -> Storage:
    config = StorageConfig(directory=site.directory)
    # Its metrics would tell of appends that nobody asked for.
    features = evolve(site.options.features, metrics=False)
    options = evolve(site.options, features=features)
    return _AppendsOneByOne(config, options, fs=site.fs, runtime=site.runtime)


def _unsynced_close(site: Site) -> Deceit:
    def syncs(path: str) -> bool:
        return path != site.directory or call_site().operation != "close"

    return Deceit(syncs=syncs)


def _unsynced_recovery(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    def syncs(path: str) -> bool:
        return not path.endswith(_LOG) or call_site().operation != "open"

    return Deceit(syncs=syncs)


def _forgets_a_descriptor(site: Site) -> Storage:
    config = StorageConfig(directory=site.directory)
    store = FileStorage(config, site.options, fs=site.fs, runtime=site.runtime)
    site.fs.open(f"{site.directory}{_LOG}", OpenFlag.READ)
    return store


class _CountsFirstCommands(FileStorage):
    """Counts the bytes of each batch's first command alone."""

    first_bytes = 0

    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        super().append_log_entries(entries, timeout=timeout, cancel=cancel)
        self.first_bytes += len(entries[0].command)

    def metrics(self) -> dict[str, int] | None:
        counted = super().metrics()
        return None if counted is None else counted | {"append_bytes": self.first_bytes}


def _counts_first_commands(site: Site) -> Storage:
    config = StorageConfig(directory=site.directory)
    return _CountsFirstCommands(config, site.options, fs=site.fs, runtime=site.runtime)


class _VerifiesAllButTheNewest(FileStorage):
    """Leaves the newest entry out of its verification."""

    def verify(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> VerifyReport:
        report = super().verify(timeout=timeout, cancel=cancel)
        return evolve(report, last_index=max(0, (report.last_index or 0) - 1))


def _verifies_all_but_the_newest(site: Site) -> Storage:
    config = StorageConfig(directory=site.directory)
    return _VerifiesAllButTheNewest(config, site.options, fs=site.fs, runtime=site.runtime)


WITNESSES: Final[tuple[PlantedBug, ...]] = (
    by_deceit(
        "W3",
        "a suffix truncation is acknowledged without a sync",
        "deleted entries return",
        _unsynced_truncation,
        Trial(workload=workload("truncation", append(1, 2), TruncateSuffix(2)), from_step=1),
    ),
    by_deceit(
        "W4",
        "a snapshot is acknowledged before its names are durable",
        "the acknowledged snapshot lost",
        _unsynced_snapshot_names,
        Trial(
            workload=workload("snapshot", append(1, 2), snapshot(1), options=NO_COMPACTION),
            from_step=1,
        ),
    ),
    by_variant(
        "W6",
        "the last index still counts the entry that recovery cut off",
        "bounds that disagree with one another",
        _counts_what_was_cut,
        Trial(
            workload=workload("torn-entry", append(1, size_bytes=2 * _SECTOR_BYTES)), from_step=1
        ),
    ),
    by_deceit(
        "W10",
        "recovery leaves temporary files behind",
        "litter",
        _leaves_litter,
        Trial(workload=workload("one-vote", save(1)), from_step=1),
    ),
    by_variant(
        "W11",
        "a batch is written as one frame per entry",
        "half a batch after a crash",
        _appends_one_by_one,
        Trial(workload=workload("batch", append(1, 2)), from_step=1),
    ),
    by_deceit(
        "W12",
        "a clean close does not sync the directory",
        "a store that was closed cleanly is found as if it had crashed",
        _unsynced_close,
        Trial(workload=workload("closed", append(1), Reopen()), from_step=2),
    ),
    by_deceit(
        "W15",
        "recovery does not sync the log it found",
        "entries that an opened store has shown lost by the next crash",
        _unsynced_recovery,
        Trial(workload=workload("shown", append(1)), depth=1, from_step=1),
    ),
    by_variant(
        "W16",
        "a descriptor of the log is opened and forgotten",
        "descriptors run out, and what they name keeps its room",
        _forgets_a_descriptor,
        Trial(workload=workload("closed", append(1), Reopen()), from_step=1, needs_crash=False),
    ),
    by_variant(
        "W17",
        "metrics count the first command of a batch alone",
        "an operator sees less written than was",
        _counts_first_commands,
        Trial(workload=workload("batch", append(1, 2)), from_step=1, needs_crash=False),
    ),
    by_variant(
        "W18",
        "verification leaves the newest entry out",
        "damage to it goes unseen",
        _verifies_all_but_the_newest,
        Trial(workload=workload("verified", append(1, 2)), from_step=1, needs_crash=False),
    ),
)
"""In the order of the invariants."""
