"""Every scenario that ships: store lives, families of them, tasks, and clusters.

Each is a file beside this module, as anybody's scenario is (docs/scenario-files.md); the folders
are those of the four mappings below. A file is read when its scenario is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from attrs import frozen

from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.scenario_files.reading import scenario_from_toml
from wavetank.scenarios.scenario_files.scenario import Scenario, turned

__all__ = [
    "ALL_SCENARIOS",
    "CLUSTER_SCENARIOS",
    "CONCURRENT_SCENARIOS",
    "FAMILIES",
    "SCENARIOS",
    "Catalogue",
    "UnknownNameError",
    "scenario_named",
    "scenario_text",
    "workload_of",
]


class UnknownNameError(LookupError):
    """No scenario or profile of this name."""


@frozen
class Catalogue(Mapping[str, Scenario]):
    """Scenarios that ship, by name, in the order in which they run.

    Attributes:
        folders: in which folder the file of each name lies.

    >>> SCENARIOS["mixed"].workload(seed=7).kinds()[:3]
    ('Append', 'KillProcess', 'OpenStore')
    """

    folders: Mapping[str, str]

    def __getitem__(self, name: str) -> Scenario:
        return _scenario(self.folders[name], name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.folders)

    def __len__(self) -> int:
        return len(self.folders)


def _catalogue(folder: str, *names: str) -> Catalogue:
    return Catalogue(dict.fromkeys(names, folder))


SCENARIOS: Final = _catalogue(
    "lives",
    "leader-steady",
    "follower-catchup",
    "election-storm",
    "log-conflict",
    "snapshot-compaction",
    "install-snapshot",
    "restart-loop",
    "mixed",
    "boundary-commands",
    "boundary-state",
    "boundary-snapshots",
    "far-indices",
    "large-batches",
    "first-entries",
    "other-branches",
    "boundary-names",
    "refused-calls",
    "cancelled-calls",
    "every-look",
    "real-calls",
    "options-json",
    "options-unsynced",
    "options-unindexed",
    "options-strict",
    "crash-in-recovery",
    "full-disk",
    "failing-disk",
    "short-transfers",
    "poisoned-store",
    "slow-disk",
    "damaged-store",
)
"""The lives of a node that ship, by name.

The first eight look each like one phase of a Raft node's life (docs/scenarios.md), have at least
30 operations of at least 5 kinds, and end with a snapshot and at least 20 entries in 8 frames
behind it. Those behind them are short, and take values at their boundaries.
"""

FAMILIES: Final = _catalogue("families", "exhaustive-2", "exhaustive-3")
"""Every family that ships, by name."""

CONCURRENT_SCENARIOS: Final = _catalogue(
    "concurrent",
    "concurrent-pairs",
    "concurrent-readers",
    "concurrent-conflict",
    "concurrent-appenders",
    "concurrent-rewrite",
    "concurrent-replacement",
    "concurrent-compaction",
    "concurrent-snapshots",
    "concurrent-close",
    "concurrent-closers",
    "concurrent-takeover",
    "concurrent-votes",
    "concurrent-openers",
    "concurrent-observers",
    "concurrent-timeouts",
    "concurrent-deadlines",
    "concurrent-cancel",
)
"""Every scenario with tasks that ships, by name."""

CLUSTER_SCENARIOS: Final = _catalogue(
    "clusters",
    "cluster-3",
    "cluster-5",
    "cluster-snapshots",
    "cluster-lossy",
    "cluster-blackouts",
)
"""Every cluster that ships, by name."""

ALL_SCENARIOS: Final = Catalogue(
    {
        **SCENARIOS.folders,
        **FAMILIES.folders,
        **CONCURRENT_SCENARIOS.folders,
        **CLUSTER_SCENARIOS.folders,
    }
)
"""Every scenario that ships, by name."""


def scenario_text(name: str) -> str:
    """Return the file of a scenario that ships, to begin one's own with.

    Raises:
        KeyError: there is no such scenario.
    """
    return _text(ALL_SCENARIOS.folders[name], name)


def scenario_named(name: str) -> Scenario:
    """Return the scenario of a name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in ALL_SCENARIOS:
        raise UnknownNameError(f"scenario: expected one of {list(ALL_SCENARIOS)}, got {name!r}")
    return ALL_SCENARIOS[name]


def workload_of(
    scenario: str, seed: int, options: tuple[str, ...] = (), faults: tuple[str, ...] = ()
) -> Workload:
    """Return a scenario's workload, with overrides of its options, and faults; the first of many.

    Raises:
        UnknownNameError: there is no such scenario.
        OptionError: there is no such option, or it does not take that value.
        FaultSyntaxError: a line is no fault.
    """
    return turned(scenario_named(scenario).workload(seed), options, faults)


@cache
def _scenario(folder: str, name: str) -> Scenario:
    return scenario_from_toml(_text(folder, name), file=f"{name}.toml")


def _text(folder: str, name: str) -> str:
    return (files(__name__) / folder / f"{name}.toml").read_text(encoding="utf-8")
