"""The smallest repro of a planted bug or race: what showed it, looked for again and shrunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final, Self

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS
from wavetank.scenarios.exploration.explaining.violation import ShrinkNote, Violation
from wavetank.scenarios.mutants.hunt import Hunt
from wavetank.scenarios.mutants.mutant_run import store_of
from wavetank.scenarios.mutants.planted_bug import PlantedBug
from wavetank.scenarios.mutants.races.race import Race
from wavetank.scenarios.mutants.races.race_hunt import Sighting
from wavetank.scenarios.shrinking import Shrinking, look_for, shrink, tell_shrunk
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import POSIX, SAFE_PROFILES
from wavetank.sim.scheduling.schedule import Schedule

__all__ = ["ReproSizes", "SmallRepro", "race_case", "small_race_repro", "small_repro"]

_BUDGET: Final = 5_000
"""Images and runs for one bug."""
_RACE_BUDGET: Final = 2_000
"""The same for one race."""


@frozen(kw_only=True)
class SmallRepro:
    """A kill made small.

    Attributes:
        profile: under which it shows.
        trial: the name of the workload.
        case: the smallest.
        story: of that case.
        note: how much smaller that is.
    """

    profile: str
    trial: str
    case: Case
    story: Violation
    note: ShrinkNote


@frozen(kw_only=True)
class ReproSizes:
    """How large small repros are.

    Attributes:
        repros: how many there are.
        most_steps: of one.
        median_steps: of all.
        most_lost: micro-ops that one lost or tore.
        median_lost: of all.
    """

    repros: int
    most_steps: int
    median_steps: float
    most_lost: int
    median_lost: float

    @classmethod
    def of(cls, repros: Iterable[SmallRepro]) -> Self | None:
        """Return the sizes of repros; None if there are none."""
        notes = [each.note for each in repros]
        if not notes:
            return None
        steps, lost = [each.steps for each in notes], [each.lost for each in notes]
        return cls(
            repros=len(notes),
            most_steps=max(steps),
            median_steps=median(steps),
            most_lost=max(lost),
            median_lost=median(lost),
        )


def small_repro(bug: PlantedBug, hunts: Sequence[Hunt]) -> SmallRepro | None:
    """Return the smallest repro of a bug; None if no hunt killed it.

    A weak filesystem may lose one op where a strong one loses all behind it, too, so the kill that
    takes fewest steps is shrunk, and the one under the weakest profile.

    Args:
        bug: that was hunted.
        hunts: under which profiles, the strongest first; the first is preferred.
    """
    kills = [each for each in hunts if each.kill is not None]
    repros = [_shrunk(bug, each) for each in kills]
    return min(repros, key=lambda each: (each.note.steps, each.note.lost), default=None)


def _shrunk(bug: PlantedBug, hunt: Hunt) -> SmallRepro:
    assert hunt.kill is not None, "it has killed the bug"
    trial = bug.trial
    store = store_of(trial, bug.backend)
    wanted = Case(
        workload=evolve(trial.workload, crashes_from=trial.from_step),
        store=store.name,
        profile=next(each for each in SAFE_PROFILES if each.name == hunt.profile),
        depth=trial.depth,
        invariant=hunt.kill.invariant,
        kind=hunt.kill.kind,
    )
    return _smallest(look_for(wanted, store=store), store, _BUDGET)


def small_race_repro(race: Race, sighting: Sighting) -> SmallRepro:
    """Return the smallest repro of a race: the fewest calls and departures that show it.

    Args:
        race: that was hunted.
        sighting: the run in which it showed.
    """
    return _smallest(race_case(race, sighting), race.backend, _RACE_BUDGET)


def race_case(race: Race, sighting: Sighting) -> Case:
    """Return what brings back the run in which a race showed.

    Args:
        race: that was hunted.
        sighting: the run.
    """
    wanted = Case(
        workload=CONCURRENT_SCENARIOS[sighting.scenario].workload(0),
        store=race.backend.name,
        profile=POSIX,
        invariant=sighting.invariant,
        kind=sighting.kind,
    )
    schedule = Schedule.from_text(sighting.schedule)
    return look_for(wanted, schedule=schedule, store=race.backend)


def _smallest(found: Case, store: StoreAdapter, budget: int) -> SmallRepro:
    now = shrink(Shrinking(case=found), budget=budget, store=store)
    story = tell_shrunk(found, now, store=store)
    assert story.shrunk is not None, "it was just made small"
    return SmallRepro(
        profile=now.case.profile.name,
        trial=found.workload.name,
        case=now.case,
        story=story,
        note=story.shrunk,
    )
