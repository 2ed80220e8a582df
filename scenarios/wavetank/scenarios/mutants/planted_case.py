"""A planted bug or race as a case: what brings its failure back, as for any other store.

`find_store` finds the variant by the name of this module and the bug's id, so that a stored failure
of it can be replayed, shown and explained like those of `wavetank run`.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.mutants.bug_families.bugs import BUGS
from wavetank.scenarios.mutants.hunt import effort
from wavetank.scenarios.mutants.mutant_run import store_of
from wavetank.scenarios.mutants.planted_bug import PlantedBug
from wavetank.scenarios.mutants.races.race_bugs import RACES
from wavetank.scenarios.mutants.races.race_hunt import hunt_race
from wavetank.scenarios.mutants.small_repro import race_case
from wavetank.scenarios.raft.recording import record
from wavetank.scenarios.reproduction import limits_of
from wavetank.scenarios.runs.unit import found_case
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import SAFE_PROFILES

__all__ = ["planted_case", "store_name"]

_HERE: Final = __name__


def store_name(bug: str) -> str:
    """Return the name under which the store of a planted bug or race is found.

    >>> store_name("S2")
    'wavetank.scenarios.mutants.planted_case:S2'
    """
    return f"{_HERE}:{bug}"


def __getattr__(name: str) -> StoreAdapter:
    """Return the store of a planted bug or race, by its id."""
    if name in BUGS:
        return store_of(BUGS[name].trial, BUGS[name].backend)
    if name in RACES:
        return RACES[name].backend
    raise AttributeError(f"module {_HERE!r} has no attribute {name!r}")


def planted_case(bug: str) -> Case | None:
    """Return the failure of a planted bug or race that takes least; None if it survives.

    Args:
        bug: its id, as in `BUGS` or `RACES`.

    Raises:
        KeyError: there is none.
    """
    if bug in BUGS:
        return _of_bug(BUGS[bug])
    race = RACES[bug]
    sighting = hunt_race(race.id, race.backend).sighting
    if sighting is None:
        return None
    return evolve(race_case(race, sighting), store=store_name(bug))


def _of_bug(bug: PlantedBug) -> Case | None:
    trial, store = bug.trial, store_of(bug.trial, bug.backend)
    workload = evolve(trial.workload, crashes_from=trial.from_step)
    recording = record(workload, store)
    for profile in SAFE_PROFILES:
        case = Case(workload=workload, store=store_name(bug.id), profile=profile, depth=trial.depth)
        if not trial.needs_crash and recording.problems:
            problem = recording.problems[0].problem
            return evolve(case, invariant=problem.invariant, kind=problem.kind)
        findings = explore(recording, profile, limits=limits_of(case)).findings
        if findings:
            return found_case(case, recording, min(findings, key=effort))
    return None
