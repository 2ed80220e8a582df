"""Every scenario that ships: one store life each, and those whose tasks run beside one another."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wavetank.scenarios.concurrency.scenarios import CONCURRENT_SCENARIOS, ConcurrentScenario
from wavetank.scenarios.raft.workloads import SCENARIOS, Scenario

__all__ = ["ALL_SCENARIOS"]

ALL_SCENARIOS: Final[Mapping[str, Scenario | ConcurrentScenario]] = MappingProxyType(
    {**SCENARIOS, **CONCURRENT_SCENARIOS}
)
"""By name, in the order in which they run."""
