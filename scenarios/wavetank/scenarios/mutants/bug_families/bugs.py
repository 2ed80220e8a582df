"""Every planted bug, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wavetank.scenarios.mutants.bug_families.append_bugs import APPEND_BUGS
from wavetank.scenarios.mutants.bug_families.log_bugs import LOG_BUGS
from wavetank.scenarios.mutants.bug_families.recovery_bugs import RECOVERY_BUGS
from wavetank.scenarios.mutants.bug_families.single_invariant import WITNESSES
from wavetank.scenarios.mutants.bug_families.snapshot_bugs import SNAPSHOT_BUGS
from wavetank.scenarios.mutants.bug_families.state_bugs import STATE_BUGS
from wavetank.scenarios.mutants.planted_bug import PlantedBug

__all__ = ["BUGS"]

BUGS: Final[Mapping[str, PlantedBug]] = MappingProxyType(
    {
        bug.id: bug
        for bug in (
            *STATE_BUGS,
            *APPEND_BUGS,
            *LOG_BUGS,
            *SNAPSHOT_BUGS,
            *RECOVERY_BUGS,
            *WITNESSES,
        )
    }
)
"""By id."""
