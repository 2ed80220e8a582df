"""The automatic bugs: the engine without one of its syncs, for every sync that trials reach.

A `SyncSite` is one place in the engine that asks for durability of one file or directory.
`sync_sites` finds them by running the trials; `without` is the engine in which that one request is
forgotten, every time, while all others are served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from attrs import frozen

from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.mutants.mutant_run import Trial, is_new, record_trial
from wavetank.scenarios.mutants.planted_bug import BUILTIN
from wavetank.scenarios.mutants.small_steps import NO_COMPACTION, append, save, snapshot, workload
from wavetank.scenarios.raft.steps import KillProcess, Reopen, TruncatePrefix, TruncateSuffix
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.interposed_filesystem import Deceit, call_site, misled
from wavetank.sim import POSIX

__all__ = ["SYNC_TRIALS", "SyncSite", "sync_sites", "without"]

_LONG_ENTRY_BYTES: Final = 600


@frozen(order=True, kw_only=True)
class SyncSite:
    """One place in the engine that asks for durability.

    Attributes:
        operation: the store's call during which it is reached; an open is a "creation" or an
            "opening", and "compaction" is what runs behind a snapshot.
        function: the engine's function that asks.
        line: where it stands there.
        target: the file's name; "." for the store's directory and ".." for the one above.
    """

    operation: str
    function: str
    line: int
    target: str


SYNC_TRIALS: Final[tuple[Trial, ...]] = (
    Trial(workload=workload("creation", save(1), append(1))),
    Trial(workload=workload("creation-after-kill", append(1)), directory_made=True),
    Trial(workload=workload("votes", save(1), save(2, "node-b")), depth=None, from_step=1),
    Trial(
        workload=workload(
            "conflict", append(1, 2), append(3), TruncateSuffix(2), append(2, term=2)
        ),
        depth=None,
        from_step=1,
    ),
    Trial(
        workload=workload("long-tail", append(1), append(2, size_bytes=_LONG_ENTRY_BYTES)),
        depth=None,
        from_step=1,
    ),
    Trial(
        workload=workload(
            "snapshots", append(1, 3), snapshot(2), append(4), snapshot(4), append(5)
        ),
        depth=None,
        from_step=1,
    ),
    Trial(
        workload=workload("installed-snapshot", append(1), snapshot(5, 2), append(6, term=2)),
        depth=None,
        from_step=1,
    ),
    Trial(
        workload=workload(
            "prefix", append(1, 3), snapshot(2), TruncatePrefix(3), append(4), options=NO_COMPACTION
        ),
        depth=None,
        from_step=1,
    ),
    Trial(
        workload=workload(
            "restarts", save(1), append(1), Reopen(), append(2), KillProcess(), append(3)
        ),
        depth=None,
        from_step=1,
    ),
)
"""Few steps of every kind; together they reach every sync of the engine's default options."""


def sync_sites() -> Mapping[SyncSite, tuple[int, ...]]:
    """Return every sync that the trials reach, and the numbers of the trials that reach it."""
    found: dict[SyncSite, list[int]] = {}
    for number, trial in enumerate(SYNC_TRIALS):
        reached: dict[SyncSite, None] = {}
        watched = _misled(partial(_notes, reached))
        explore(record_trial(trial, watched), POSIX, limits=Limits(depth=trial.depth))
        for site in reached:
            found.setdefault(site, []).append(number)
    return {site: tuple(found[site]) for site in sorted(found)}


def without(missing: SyncSite) -> StoreAdapter:
    """Return the engine in which one sync is forgotten."""
    return _misled(lambda site: site != missing)


def _notes(reached: dict[SyncSite, None], site: SyncSite) -> bool:
    """Remember a sync, and let it be done."""
    reached[site] = None
    return True


def _misled(wants: Callable[[SyncSite], bool]) -> StoreAdapter:
    def deceive(site: Site) -> Deceit:
        new = is_new(site)
        return Deceit(syncs=lambda path: wants(_site_of(site.directory, path, new=new)))

    return misled(BUILTIN, "builtin-missing-sync", "the engine without one sync", deceive)


def _site_of(directory: str, path: str, *, new: bool) -> SyncSite:
    call = call_site()
    operation = call.operation
    if operation == "open":
        operation = "creation" if new else "opening"
    return SyncSite(
        operation=operation,
        function=call.function,
        line=call.line,
        target=_target(directory, path),
    )


def _target(directory: str, path: str) -> str:
    if path == directory:
        return "."
    if directory.startswith(path.rstrip("/") + "/"):
        return ".."
    return path.removeprefix(directory + "/")
