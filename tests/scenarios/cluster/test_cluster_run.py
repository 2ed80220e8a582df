"""The engine keeps every invariant of a cluster; what another store loses is found and named."""

import json
from collections import Counter
from importlib.resources import files

import jsonschema
import pytest
from attrs import evolve

from wavetank.scenarios import (
    BUILTIN,
    CLUSTER_SCENARIOS,
    RAFTLOCK_PUBLISHED,
    Case,
    ReplayVerdict,
    RunPlan,
    StoreAdapter,
    UnfitForClusterError,
    Verdict,
    Workload,
    find_store,
    judge_again,
    replay,
    run,
)
from wavetank.scenarios.cluster.cluster_run import ClusterRun, run_cluster
from wavetank.scenarios.cluster.stories import cluster_story
from wavetank.scenarios.mutants.bug_families.bugs import BUGS
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import POSIX, SAFE_PROFILES, SEQUENTIAL, Profile


def workload(scenario: str, number: int = 0, *, faulty_s: float = 20.0) -> Workload:
    asked = CLUSTER_SCENARIOS[scenario].workload(0)
    assert asked.cluster is not None
    return evolve(asked, cluster=evolve(asked.cluster, run=number, faulty_s=faulty_s))


def first_violated(scenario: str, store: StoreAdapter, *, most: int) -> tuple[int, ClusterRun]:
    """Return the first run that breaks something, and its number."""
    for number in range(most):
        seen = run_cluster(workload(scenario, number), store, POSIX)
        if seen.violated is not None:
            return number, seen
    raise AssertionError(f"{store.name}: nothing found in {most} runs")


@pytest.mark.parametrize("scenario", CLUSTER_SCENARIOS)
def test_the_engine_keeps_every_invariant(scenario: str) -> None:
    seen = run_cluster(workload(scenario, faulty_s=8.0), BUILTIN, POSIX)
    assert (seen.violated, seen.cause) == (None, None)
    told = Counter(each.what.split(",")[0] for each in seen.told)
    assert told["faults stop"] == 1
    assert told["loses power"] == seen.cuts > 0
    assert seen.restarts == told["starts again"] > 0
    assert seen.commits > 20


@pytest.mark.minutes
@pytest.mark.parametrize("profile", SAFE_PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("scenario", CLUSTER_SCENARIOS)
def test_the_engine_keeps_every_invariant_in_many_runs(scenario: str, profile: Profile) -> None:
    for number in range(10):
        seen = run_cluster(workload(scenario, number), BUILTIN, profile)
        assert seen.violated is None, number


def test_a_run_is_repeatable_and_another_number_is_another_run() -> None:
    once, twice, other = (
        run_cluster(workload("cluster-5", number, faulty_s=4.0), BUILTIN, POSIX)
        for number in (0, 0, 1)
    )
    assert once == twice
    assert once.digest != other.digest


def test_a_snapshot_is_installed_where_logs_are_compacted_early() -> None:
    seen = run_cluster(workload("cluster-snapshots"), BUILTIN, POSIX)
    installed = [
        told
        for told, before in zip(seen.told[1:], seen.told, strict=False)
        if told.what.startswith("takes its state") and before.what.startswith("save snapshot")
    ]
    assert seen.violated is None
    assert installed
    assert {told.who for told in installed} <= {"node-a", "node-b", "node-c"}


def test_a_vote_that_was_lost_is_the_cause_of_what_follows() -> None:
    _, seen = first_violated("cluster-3", BUGS["S2"].backend, most=20)
    cause = seen.cause
    assert cause is not None
    assert cause.problem.invariant == "O1"
    story = cluster_story(seen, BUGS["S2"].backend, workload("cluster-3").options, POSIX)
    assert story.lost
    assert all(line.startswith(f"{cause.node}: the rename of /store/state.") for line in story.lost)
    assert story.cure.startswith("a sync of the directory /store right after the rename")
    assert f"the store of {cause.node} had acknowledged 'save state: term" in story.why
    assert "posix" in story.profiles


@pytest.mark.parametrize(
    ("bug", "scenario", "cause"),
    [
        ("S1", "cluster-3", "O7"),
        ("T1", "cluster-snapshots", "O2"),
        ("T2", "cluster-snapshots", "O5"),
    ],
)
def test_a_planted_bug_is_found_by_what_the_cluster_does(
    bug: str, scenario: str, cause: str
) -> None:
    _, seen = first_violated(scenario, BUGS[bug].backend, most=40)
    assert seen.cause is not None
    assert seen.cause.problem.invariant == cause


def test_the_published_store_breaks_safety() -> None:
    plan = RunPlan(
        scenarios=("cluster-3",),
        seeds=(0,),
        profiles=("posix",),
        backend=RAFTLOCK_PUBLISHED.name,
        cluster_runs=6,
    )
    (result,) = run(plan).results
    assert result.verdict is Verdict.FAIL
    assert {"C1", "C3"} & {violation.invariant for violation in result.violations}
    assert [case.id for case in result.cases] == [each.id for each in result.violations]
    for case in result.cases:
        answer = replay(case)
        assert answer.verdict is ReplayVerdict.FAILED
        assert answer.violation is None  # the same run: its story has not changed


@pytest.mark.slow
def test_a_case_survives_its_text_and_is_fixed_by_another_store() -> None:
    number, seen = first_violated("cluster-3", find_store(RAFTLOCK_PUBLISHED.name), most=6)
    assert seen.violated is not None
    case = Case(
        workload=workload("cluster-3", number, faulty_s=2.0),
        store=BUILTIN.name,
        profile=POSIX,
        invariant=seen.violated.problem.invariant,
        kind=seen.violated.problem.kind,
        trace=seen.digest,
    )
    assert Case.from_text(case.to_text()) == case
    assert replay(case).verdict is ReplayVerdict.FIXED
    assert judge_again(case) == ()


def test_a_result_counts_what_its_runs_came_to() -> None:
    plan = RunPlan(
        scenarios=("cluster-3",),
        seeds=(3,),
        profiles=("sequential", "posix"),
        backend="builtin",
        cluster_runs=3,
    )
    results = run(plan).results
    assert [result.cluster and result.cluster.runs for result in results] == [2, 2]
    for result in results:
        counts = result.cluster
        assert counts is not None
        assert counts.simulated_s >= 40
        assert result.judged == result.crash_points == counts.power_cuts
        assert result.recoveries == counts.restarts
        bounds = [bound for bound, _ in result.latencies_ms]
        assert bounds == [1 << power for power in range(len(bounds) + 3) if 1 << power >= bounds[0]]
        assert all(result.latencies_ms[end][1] for end in (0, -1))
        # A client waits for each command, so that it was told of each but the last.
        assert 0 < sum(count for _, count in result.latencies_ms) <= counts.commits
    assert results[0].digest != results[1].digest


def test_a_store_that_cannot_be_a_node_s_is_refused() -> None:
    unfit = evolve(BUILTIN, capabilities=BUILTIN.capabilities - {Capability.VOTES})
    with pytest.raises(UnfitForClusterError, match="declares 'votes', for cluster runs"):
        run_cluster(workload("cluster-3"), unfit, SEQUENTIAL)


def test_the_schema_has_the_counts() -> None:
    text = files("wavetank.reports").joinpath("schemas/run.schema.json").read_text()
    members = json.loads(text)["$defs"]["scenario"]["properties"]["cluster"]
    counts = dict.fromkeys(members["required"], 1)
    jsonschema.validate(counts, members)
    jsonschema.validate(None, members)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**counts, "runs": -1}, members)
