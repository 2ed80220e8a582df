"""A scenario whose store is damaged at rest, run as a unit."""

import pytest
from attrs import evolve

from wavetank.engine import FileStorageOptions, StorageFeatureFlags
from wavetank.scenarios import (
    SCENARIOS,
    RunPlan,
    Verdict,
    replay,
    run,
    scenario_from_toml,
    scenario_to_toml,
)
from wavetank.scenarios.corruption import opened
from wavetank.scenarios.corruption.lives import is_ruled
from wavetank.scenarios.reproduction import ReplayVerdict
from wavetank.scenarios.runs.plan import OwnScenario

TEXT = """
name = "few"
damaged = 12
options = ["retained_log_size=0"]
steps = [{campaign = true}, {append_sizes = [40]}, {take_snapshot = {size = 3}}]
"""
SCENARIO = scenario_from_toml(TEXT)
PLAN = RunPlan(
    scenarios=("few",),
    own_scenarios=(OwnScenario(SCENARIO, "few.toml"),),
    seeds=(0,),
    profiles=("posix",),
    backend="builtin",
)


def test_so_many_damages_are_judged_in_each_mode_closed_and_killed() -> None:
    (result,) = run(PLAN).results
    assert (result.judged, result.complete, result.violations) == (72, False, ())
    (other,) = run(evolve(PLAN, seeds=(1,))).results
    assert (other.judged, other.digest == result.digest) == (72, False)


def test_all_of_them_are_a_whole() -> None:
    everything = OwnScenario(evolve(SCENARIO, damaged=10_000), "few.toml")
    (result,) = run(evolve(PLAN, own_scenarios=(everything,))).results
    assert (result.complete, result.violations) == (True, ())


def test_what_is_wrong_is_a_case_that_can_be_replayed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = opened._ask
    monkeypatch.setattr(opened, "_ask", lambda store: evolve(asked(store), state=None))
    outcome = run(PLAN)
    (result,) = outcome.results
    assert outcome.verdict is Verdict.FAIL
    assert {violation.invariant for violation in result.violations} == {"D1"}
    case = result.cases[0]
    assert replay(case).verdict is ReplayVerdict.FAILED
    monkeypatch.undo()
    assert replay(case).verdict is ReplayVerdict.FIXED


def test_options_without_rules_are_left_alone() -> None:
    assert is_ruled(FileStorageOptions())
    assert not is_ruled(FileStorageOptions(preallocate=0))
    assert not is_ruled(FileStorageOptions(features=StorageFeatureFlags(atomic_writes=False)))
    (result,) = run(evolve(PLAN, option_sets=(("no_sync_on_append",),))).results
    assert (result.judged, result.complete) == (0, False)


def test_the_key_survives_the_way_through_a_file() -> None:
    assert scenario_from_toml(scenario_to_toml(SCENARIO)) == SCENARIO
    assert SCENARIOS["damaged-store"].damaged == 90
