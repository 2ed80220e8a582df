"""Every planted race, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wavetank.scenarios.mutants.races.closing_races import CLOSING_RACES
from wavetank.scenarios.mutants.races.compaction_races import COMPACTION_RACES
from wavetank.scenarios.mutants.races.content_races import CONTENT_RACES
from wavetank.scenarios.mutants.races.lock_races import LOCK_RACES
from wavetank.scenarios.mutants.races.log_races import LOG_RACES
from wavetank.scenarios.mutants.races.race import Race

__all__ = ["RACES"]

RACES: Final[Mapping[str, Race]] = MappingProxyType(
    {
        race.id: race
        for race in (
            *LOG_RACES,
            *LOCK_RACES,
            *COMPACTION_RACES,
            *CLOSING_RACES,
            *CONTENT_RACES,
        )
    }
)
"""By id."""
