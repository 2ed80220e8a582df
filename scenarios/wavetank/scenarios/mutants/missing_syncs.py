"""The automatic bugs: a store without one of its syncs, for every sync that trials reach.

A `SyncSite` is one place in a store that asks for durability of one file or directory.
`sync_sites` finds them by running the trials; `without` is the store in which that one request is
forgotten, every time, while all others are served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from attrs import astuple, evolve, frozen

from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.mutants.bug_families.small_steps import (
    NO_COMPACTION,
    append,
    save,
    snapshot,
    workload,
)
from wavetank.scenarios.mutants.mutant_run import Trial, is_new, record_trial
from wavetank.scenarios.mutants.planted_bug import BUILTIN
from wavetank.scenarios.raft.steps import KillProcess, Reopen, TruncatePrefix, TruncateSuffix
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.interposed_filesystem import Deceit, call_site, misled
from wavetank.scenarios.stores.registry import find_store
from wavetank.sim import POSIX

__all__ = ["SYNC_TRIALS", "SyncSite", "store_name_without", "sync_sites", "without"]

_LONG_ENTRY_BYTES: Final = 600
_MOST_WATCHED: Final = 200
"""Images on which the recoveries of a store that does not ship are watched."""
_PREFIX: Final = "without_"
_DIGITS: Final = re.compile(r"\d+")


@frozen(order=True, kw_only=True)
class SyncSite:
    """One place in a store that asks for durability.

    Attributes:
        operation: the store's call during which it is reached; an open is a "creation" or an
            "opening", and "compaction" is what runs behind a snapshot.
        function: the store's function that asks.
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


def sync_sites(
    store: StoreAdapter = BUILTIN, trials: Sequence[Trial] = SYNC_TRIALS
) -> Mapping[SyncSite, tuple[int, ...]]:
    """Return every sync that trials reach, and the numbers of the trials that reach it.

    Args:
        store: that asks for them.
        trials: what it runs.
    """
    found: dict[SyncSite, list[int]] = {}
    for number, trial in enumerate(trials):
        reached: dict[SyncSite, None] = {}
        watched = _misled(store, partial(_notes, reached))
        limits = Limits(depth=trial.depth)
        if store != BUILTIN:
            limits = evolve(limits, max_images=_MOST_WATCHED)
        explore(record_trial(trial, watched), POSIX, limits=limits)
        for site in reached:
            found.setdefault(site, []).append(number)
    return {site: tuple(found[site]) for site in sorted(found)}


def without(missing: SyncSite, store: StoreAdapter = BUILTIN) -> StoreAdapter:
    """Return a store in which one sync is forgotten.

    Args:
        missing: the sync.
        store: that asks for it.
    """
    summary = f"{store.name} without the sync of {missing.target} in {missing.function}"
    return _misled(store, lambda site: site != missing, summary)


def store_name_without(missing: SyncSite, store: StoreAdapter) -> str:
    """Return the name under which `find_store` finds a store without one sync.

    >>> site = SyncSite(operation="close", function="Store.close", line=7, target="log")
    >>> name = store_name_without(site, BUILTIN)
    >>> from wavetank.scenarios import find_store
    >>> find_store(name).summary
    'builtin without the sync of log in Store.close'
    """
    told = json.dumps([store.name, *astuple(missing)])
    return f"{__name__}:{_PREFIX}{told.encode().hex()}"


def __getattr__(name: str) -> StoreAdapter:
    """Return the store without a sync that a name stands for; see `store_name_without`."""
    if not name.startswith(_PREFIX):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    store, operation, function, line, target = json.loads(bytes.fromhex(name.removeprefix(_PREFIX)))
    missing = SyncSite(operation=operation, function=function, line=line, target=target)
    return without(missing, find_store(store))


def _notes(reached: dict[SyncSite, None], site: SyncSite) -> bool:
    """Remember a sync, and let it be done."""
    reached[site] = None
    return True


def _misled(
    store: StoreAdapter, wants: Callable[[SyncSite], bool], summary: str = ""
) -> StoreAdapter:
    def deceive(site: Site) -> Deceit:
        new = is_new(site) if store.name == BUILTIN.name else _is_empty(site)
        return Deceit(syncs=lambda path: wants(_site_of(site.directory, path, new=new)))

    return misled(store, f"{store.name}-missing-sync", summary, deceive)


def _is_empty(site: Site) -> bool:
    """Whether nothing is there yet."""
    try:
        return not site.fs.listdir(site.directory)
    except FileNotFoundError:
        return True


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
    """Return a name within the store's directory; names that are counted through are one."""
    if path == directory:
        return "."
    if directory.startswith(path.rstrip("/") + "/"):
        return ".."
    return _DIGITS.sub("N", path.removeprefix(directory + "/"))
