"""Checks with tasks under a scheduler, for stores that take their threads from `site.runtime`.

The other checks of their group call the store from real threads, which may be anywhere when another
acts; here the schedule is chosen, and a failure names it.
"""

from __future__ import annotations

from typing import Final

from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.schedules import Player, explore_schedules
from wavetank.scenarios.conformance.check import CheckFailure, group_of
from wavetank.scenarios.conformance.store_harness import StoreHarness
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["SCHEDULED"]

_SCHEDULES: Final = 12
"""Of each concurrent scenario; `wavetank run 'concurrent-*'` runs many more."""


def under_schedules(harness: StoreHarness) -> None:
    """Tasks beside one another get answers that some order of their calls explains."""
    for scenario in CONCURRENT_SCENARIOS.values():
        if scenario.pairs:
            continue
        start = start_of(fitted(scenario.workload(0), harness.adapter), harness.adapter)
        with Player(start) as player:
            seen = explore_schedules(player, seed=0, count=_SCHEDULES)
        for failed in seen.failures:
            assert failed.problem is not None
            raise CheckFailure(
                f"{scenario.name}, schedule {str(failed.schedule)!r}: {failed.problem.invariant}: "
                f"{failed.problem.summary}"
            )


SCHEDULED: Final = group_of(
    "concurrent",
    (
        (
            under_schedules,
            (Capability.THREAD_SAFE, Capability.SITE_FILESYSTEM, Capability.SITE_RUNTIME),
        ),
    ),
)
"""The checks of the group `concurrent` that choose their schedules."""
