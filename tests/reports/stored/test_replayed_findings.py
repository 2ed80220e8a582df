"""Every finding that a run stores is found again by its replay and by its generated test."""

from typing import Any

import pytest
from attrs import evolve

from wavetank.reports.stored.regressions import regression_test
from wavetank.scenarios import Case, ReplayVerdict, RunPlan, replay, run
from wavetank.sim import SAFE_PROFILES


def passes(source: str) -> bool:
    names: dict[str, Any] = {}
    exec(source, names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    try:
        test()
    except AssertionError:
        return False
    return True


def cases_of(plan: RunPlan) -> list[Case]:
    return [case for result in run(plan).results for case in result.cases]


def require_that_each_is_found_again(cases: list[Case]) -> None:
    """On the wrong store until it is fixed: then the same test passes."""
    for case in cases:
        assert Case.from_text(case.to_text()) == case
        assert replay(case).verdict is ReplayVerdict.FAILED, case.id
        source = regression_test(case, name=case.id, summary=case.kind)
        assert not passes(source), case.id
        assert passes(source.replace(f"store={case.store!r}", "store='builtin'")), case.id


FEW = RunPlan(
    scenarios=("leader-steady",),
    seeds=(0,),
    profiles=("sequential",),
    backend="wrong_stores:forgetful_recovery",
    depth=1,
    max_images=150,
)


@pytest.mark.slow
def test_findings_inside_recoveries_are_found_again() -> None:
    cases = cases_of(FEW)
    crashes = [case.crash for case in cases if case.crash is not None]
    assert any(crash.then for crash in crashes)
    assert any(crash.killed_at is not None for crash in crashes)
    require_that_each_is_found_again(cases)


@pytest.mark.minutes
def test_what_a_recovery_showed_and_lost_is_found_again() -> None:
    plan = evolve(FEW, backend="wrong_stores:unsynced_names", profiles=("btrfs",), max_images=80)
    cases = cases_of(plan)
    assert {"O9", "O15"} & {case.invariant for case in cases}
    require_that_each_is_found_again(cases[:2])


@pytest.mark.slow
def test_a_finding_inside_a_recovery_that_does_other_things_by_now_is_searched_for() -> None:
    case = next(case for case in cases_of(FEW) if case.crash is not None and case.crash.then)
    old = evolve(case, trace="of an older recovery")
    again = replay(old, max_images=150)
    assert again.verdict is ReplayVerdict.FAILED
    assert again.violation is not None
    gone = replay(evolve(old, store="builtin"), max_images=20)
    assert gone.verdict is ReplayVerdict.INCONCLUSIVE


def test_two_runs_with_other_faults_share_no_case() -> None:
    plan = evolve(FEW, backend="raftlock-published", depth=0, max_images=40)
    plain = {case.id for case in cases_of(plan)}
    faulty = {case.id for case in cases_of(evolve(plan, faults=("stat: stall 1 ms",)))}
    assert plain
    assert faulty
    assert plain.isdisjoint(faulty)


@pytest.mark.minutes
@pytest.mark.parametrize("profile", [profile.name for profile in SAFE_PROFILES])
def test_every_violation_of_the_published_store_is_found_again(profile: str) -> None:
    plan = RunPlan(
        scenarios=("leader-steady", "install-snapshot", "restart-loop"),
        seeds=(0,),
        profiles=(profile,),
        backend="raftlock-published",
        depth=1,
        max_images=3000,
        max_after_first=500,
    )
    require_that_each_is_found_again(cases_of(plan))
