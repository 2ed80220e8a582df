"""A plan runs in its order, tells its listeners, and does not care where its units run."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from attrs import evolve

from wavetank.scenarios import (
    FindingFound,
    News,
    RunPlan,
    RunResult,
    ScenarioFinished,
    ScenarioProgress,
    StoreNotFoundError,
    UnknownNameError,
    Verdict,
    run,
)

PLAN = RunPlan(
    scenarios=("log-conflict", "leader-steady"),
    seeds=(0, 1),
    profiles=("sequential", "posix"),
    backend="builtin",
)
FEW = evolve(PLAN, seeds=(0,), profiles=("sequential",))


class Diary:
    """A listener that writes everything down."""

    def __init__(self) -> None:
        self.plans: list[RunPlan] = []
        self.events: list[News] = []
        self.results: list[RunResult] = []

    def start(self, plan: RunPlan) -> None:
        self.plans.append(plan)

    def handle(self, event: News) -> None:
        self.events.append(event)

    def finish(self, result: RunResult) -> None:
        self.results.append(result)


@pytest.mark.minutes
def test_results_come_in_the_order_of_the_plan_and_listeners_hear_of_each() -> None:
    diary = Diary()
    result = run(PLAN, listeners=[diary])
    assert [(r.name, r.seed, r.profile) for r in result.results] == [
        (name, seed, profile)
        for name in PLAN.scenarios
        for seed in PLAN.seeds
        for profile in PLAN.profiles
    ]
    assert result.verdict is Verdict.PASS
    assert (diary.plans, diary.results) == ([PLAN], [result])
    finished = [event.result for event in diary.events if isinstance(event, ScenarioFinished)]
    assert tuple(finished) == result.results
    assert any(isinstance(event, ScenarioProgress) for event in diary.events)


@pytest.mark.parametrize(
    "plan",
    [FEW, pytest.param(PLAN, marks=pytest.mark.minutes)],
    ids=["two-units", "whole"],
)
def test_other_processes_give_the_same_result(plan: RunPlan) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert run(plan, executor=executor) == run(plan)


def test_of_a_family_each_kind_of_finding_is_told_once() -> None:
    plan = evolve(
        FEW, scenarios=("exhaustive-2",), backend="raftlock-published", max_after_first=150
    )
    diary = Diary()
    result = run(plan, listeners=[diary]).results[0]
    assert result.workloads > 1
    found = [each.case for each in diary.events if isinstance(each, FindingFound)]
    kinds = [(case.invariant, case.kind) for case in found]
    assert kinds == list(dict.fromkeys((case.invariant, case.kind) for case in result.cases))


def test_a_budget_makes_the_verdict_inconclusive() -> None:
    plan = RunPlan(
        scenarios=("mixed",), seeds=(0,), profiles=("posix",), backend="builtin", max_images=10
    )
    result = run(plan)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.results[0].unjudged > 0


def test_a_broken_store_fails() -> None:
    plan = RunPlan(
        scenarios=("leader-steady",),
        seeds=(0,),
        profiles=("sequential",),
        backend="raftlock-published",
    )
    result = run(plan)
    assert result.verdict is Verdict.FAIL
    identifiers = [violation.id for violation in result.results[0].violations]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.slow
def test_the_engine_is_safe_on_ext4_as_it_is_mounted_by_default() -> None:
    plan = RunPlan(scenarios=("log-conflict",), seeds=(0,), profiles=("ext4",), backend="builtin")
    result = run(plan)
    assert result.verdict is Verdict.PASS
    assert all(each.complete for each in result.results)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenarios": ("no-such",)}, "scenario: .* got 'no-such'"),
        ({"profiles": ("ext5",)}, "profile: .* got 'ext5'"),
        ({"backend": "etcd"}, "backend: .* got 'etcd'"),
    ],
)
def test_unknown_names_are_refused_before_anything_runs(
    change: dict[str, object], message: str
) -> None:
    fields = {"scenarios": ("mixed",), "seeds": (0,), "profiles": ("posix",), "backend": "builtin"}
    diary = Diary()
    with pytest.raises((UnknownNameError, StoreNotFoundError), match=message):
        run(RunPlan(**(fields | change)), listeners=[diary])  # type: ignore[arg-type]
    assert diary.plans == []
