"""Races: each planted one is shown by schedules within its bound, and the engine by none."""

from pathlib import Path

import pytest

from wavetank.engine import FileStorage
from wavetank.scenarios import find_store
from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.mutants import MOST_RUNS, RACES, hunt_race, run_zoo
from wavetank.sim.scheduling.schedule import Schedule

# Where each is hunted in the suite, and in how many schedules it must have shown.
FAST = {
    "L2": ("appenders", 20),
    "L6": ("readers", 20),
    "L9": ("cancel", 20),
    "L10": ("timeouts", 20),
    "M4": ("appenders", 60),
    "K4": ("observers", 60),
    "V1": ("votes", 20),
    "V2": ("votes", 40),
}


@pytest.mark.parametrize("race", FAST)
@pytest.mark.slow
def test_a_race_is_shown_by_its_scenario_within_its_bound(race: str) -> None:
    scenario, bound = FAST[race]
    hunt = hunt_race(
        race,
        RACES[race].backend,
        scenarios=(f"concurrent-{scenario}",),
        most_runs=bound,
        shrink_runs=0,
    )
    assert hunt.sighting is not None
    assert hunt.sighting.runs == hunt.runs <= bound


@pytest.mark.minutes
@pytest.mark.parametrize("race", RACES)
def test_every_race_is_shown_by_the_scenarios_in_turn(race: str) -> None:
    hunt = hunt_race(race, RACES[race].backend, shrink_runs=0)
    assert hunt.sighting is not None
    assert hunt.runs <= MOST_RUNS


def test_the_schedule_of_a_sighting_shows_it_again() -> None:
    backend = RACES["V1"].backend
    seen = hunt_race("V1", backend, scenarios=("concurrent-votes",)).sighting
    assert seen is not None
    with Player(start_of(CONCURRENT_SCENARIOS[seen.scenario].workload(0), backend)) as player:
        run = player.replay(Schedule.from_text(seen.schedule))
    assert run.problem is not None
    assert (run.problem.invariant, run.problem.kind) == (seen.invariant, seen.kind)


def test_the_engine_is_not_reported() -> None:
    hunt = hunt_race("builtin", find_store("builtin"), most_runs=48)
    assert (hunt.sighting, hunt.runs) == (None, 48)


@pytest.mark.parametrize("race", RACES)
def test_a_variant_is_right_as_long_as_its_calls_come_one_at_a_time(race: str) -> None:
    start = start_of(CONCURRENT_SCENARIOS["concurrent-conflict"].workload(0), RACES[race].backend)
    # Whose close does not wait for the compaction in the background may leave it undone.
    seen = [each for each in start.problems if (race, each.invariant) != ("L4", "O20")]
    assert seen == []


def test_a_variant_leaves_the_engine_as_it_is() -> None:
    before = dict(vars(FileStorage))
    hunt_race("L5", RACES["L5"].backend, scenarios=("concurrent-openers",), most_runs=5)
    assert dict(vars(FileStorage)) == before


def test_a_hunt_that_sees_nothing_ends_with_its_bound() -> None:
    hunt = hunt_race(
        "L9", RACES["L9"].backend, scenarios=("concurrent-readers",), most_runs=7, shrink_runs=0
    )
    assert (hunt.sighting, hunt.runs) == (None, 7)


@pytest.mark.slow
def test_the_zoo_hunts_races_beside_bugs() -> None:
    result = run_zoo(["V1"])
    assert (result.bugs, [race.id for race in result.races]) == ((), ["V1"])
    assert (result.survivors, result.false_alarms, result.passed) == ((), (), True)


def test_the_paper_has_every_race_and_no_other() -> None:
    paper = Path(__file__).parents[4] / "docs" / "zoo.md"
    lines = paper.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    told = [tuple(cells) for cells in rows if len(cells) == 3 and cells[0] in RACES]
    assert told == [(race.id, race.summary, race.cost) for race in RACES.values()]
