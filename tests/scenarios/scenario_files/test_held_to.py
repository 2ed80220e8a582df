"""Which invariants are checked, and which promises are demanded or given up, acts in runs."""

import pytest
from attrs import evolve
from racy_stores import EARLY_INDEX

from wavetank.scenarios import (
    CONCURRENT_SCENARIOS,
    Case,
    OwnScenario,
    ReplayVerdict,
    RunPlan,
    Scenario,
    ScenarioResult,
    Verdict,
    judge_again,
    replay,
    run,
    scenario_from_toml,
)
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.schedules import Player, explore_schedules

LIFE = scenario_from_toml("""
    name = "life"
    store = "raftlock-published"
    profiles = ["sequential"]
    steps = [{grant_vote = true}, {repeat = 3, steps = [{append = 2}]}, {take_snapshot = true}]
""")


def result_of(scenario: Scenario) -> ScenarioResult:
    plan = RunPlan(
        scenarios=(scenario.name,),
        own_scenarios=(OwnScenario(scenario, "life.toml"),),
        seeds=(0,),
        profiles=("posix",),
        backend="builtin",
    )
    (result,) = run(plan).results
    return result


def kinds(result: ScenarioResult) -> list[tuple[str, str]]:
    return sorted((violation.invariant, violation.kind) for violation in result.violations)


EVERYTHING = kinds(result_of(LIFE))


def test_a_file_says_where_it_runs_and_under_what() -> None:
    result = result_of(LIFE)
    assert (result.backend, result.profile) == ("raftlock-published", "sequential")
    assert {case.scenario_file for case in result.cases} == {"life.toml"}


@pytest.mark.parametrize("named", [("O1",), ("O8",), ("O10",), ("O2",), ("O11", "O12")])
def test_only_the_named_invariants_are_told_and_all_of_them(named: tuple[str, ...]) -> None:
    """The second crash of O8 is judged by all invariants, whichever are told."""
    result = result_of(evolve(LIFE, invariants=named))
    expected = [kind for kind in EVERYTHING if kind[0] in named]
    assert kinds(result) == expected
    assert result.verdict is (Verdict.FAIL if expected else Verdict.PASS)
    assert {each[0] for each in EVERYTHING} == {"O1", "O4", "O7", "O8", "O10", "O11"}


UNSYNCED = scenario_from_toml("""
    name = "unsynced"
    options = ["no_sync_on_append"]
    steps = [{grant_vote = true}, {repeat = 3, steps = [{append = 2}]}]
""")


@pytest.mark.slow
def test_a_promise_that_an_option_gives_up_can_be_demanded_and_replays_so() -> None:
    assert result_of(UNSYNCED).relaxed == ("appends_durable",)
    assert kinds(result_of(UNSYNCED)) == []
    result = result_of(evolve(UNSYNCED, contract=(("appends_durable", True),)))
    assert result.relaxed == ()
    assert kinds(result) == [
        ("O2", "acknowledged entry lost"),
        ("O8", "second crash: O2 acknowledged entry lost"),
    ]
    for case in result.cases:
        stored = Case.from_text(case.to_text())
        assert replay(stored).verdict is ReplayVerdict.FAILED
        assert [each.kind for each in judge_again(stored)] == [case.kind]
        without = evolve(stored, workload=evolve(stored.workload, contract=()), trace="another")
        assert replay(without).verdict is ReplayVerdict.FIXED


@pytest.mark.parametrize(
    ("promise", "gone"),
    [
        ("appends_durable", [("O8", "second crash: O2 acknowledged entry lost")]),
        ("opens_always", [("O7", "does not open: CorruptedSnapshotError")]),
    ],
)
def test_a_promise_given_up_excuses_what_it_is_about(
    promise: str, gone: list[tuple[str, str]]
) -> None:
    result = result_of(evolve(LIFE, contract=((promise, False),)))
    assert result.relaxed == (promise,)
    assert kinds(result) == [kind for kind in EVERYTHING if kind not in gone]


@pytest.mark.parametrize(
    ("named", "told"), [((), {"O13"}), (("O13",), {"O13"}), (("O2", "O14"), set())]
)
def test_races_are_told_only_if_their_invariant_is_checked(
    named: tuple[str, ...], told: set[str]
) -> None:
    scenario = evolve(CONCURRENT_SCENARIOS["concurrent-readers"], invariants=named)
    with Player(start_of(scenario.workload(0), EARLY_INDEX)) as player:
        seen = explore_schedules(player, seed=0, count=40)
    assert {failed.problem.invariant for failed in seen.failures if failed.problem} == told
