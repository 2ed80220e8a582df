"""Planted bugs in the keeping of term and vote: S1, S2, S4.

The engine keeps two copies; what is wrong here is wrong with both.
"""

from __future__ import annotations

from typing import Final

from wavetank.engine import FileSystem
from wavetank.scenarios.mutants.bug_families.small_steps import save, workload
from wavetank.scenarios.mutants.mutant_run import Trial
from wavetank.scenarios.mutants.planted_bug import PlantedBug, by_deceit
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.interposed_filesystem import Deceit, call_site

__all__ = ["STATE_BUGS"]

_COPIES: Final = ("/state.json", "/state.copy.json")
_TEMPORARY_COPIES: Final = ("/state.json.tmp", "/state.copy.json.tmp")

_ONE_VOTE: Final = Trial(workload=workload("one-vote", save(1, "node-a")))
_TWO_VOTES: Final = Trial(
    workload=workload("two-votes", save(1, "node-a"), save(2, "node-b")), from_step=1
)


def _unsynced_copies(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    return Deceit(syncs=lambda path: not path.endswith(_TEMPORARY_COPIES))


def _unsynced_names(site: Site) -> Deceit:
    def syncs(path: str) -> bool:
        return path != site.directory or call_site().operation != "save_state"

    return Deceit(syncs=syncs)


def _unlinks_first(site: Site) -> Deceit:
    def rename(fs: FileSystem, source: str, target: str) -> None:
        if target.endswith(_COPIES) and target.rpartition("/")[2] in fs.listdir(site.directory):
            fs.unlink(target)
        fs.rename(source, target)

    return Deceit(rename=rename)


STATE_BUGS: Final[tuple[PlantedBug, ...]] = (
    by_deceit(
        "S1",
        "the new copies of the state are not synced before they get their names",
        "empty copies of the state after a power cut",
        _unsynced_copies,
        _ONE_VOTE,
    ),
    by_deceit(
        "S2",
        "the directory is not synced after the state got its new names",
        "an acknowledged vote forgotten: a second vote in one term",
        _unsynced_names,
        _TWO_VOTES,
    ),
    by_deceit(
        "S4",
        "the old state is unlinked before the new one gets its name",
        "a window in which no state is there",
        _unlinks_first,
        _TWO_VOTES,
    ),
)
"""In the order of the list of planted bugs."""
