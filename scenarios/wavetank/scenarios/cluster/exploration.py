"""Many runs of one cluster scenario under one profile, as the result of a scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from math import ceil

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.cluster.cluster_run import ClusterRun, run_cluster
from wavetank.scenarios.cluster.stories import cluster_story
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.runs.events import ClusterRunEvent
from wavetank.scenarios.runs.listening import FindingFound, RunningNews, ScenarioProgress
from wavetank.scenarios.runs.results import ClusterCounts, ScenarioResult
from wavetank.scenarios.stores.registry import find_store

__all__ = ["case_of_run", "explore_cluster"]


def explore_cluster(
    case: Case, numbers: Iterable[int], *, tell: Callable[[RunningNews], None]
) -> ScenarioResult:
    """Run a cluster many times; of the violations of one kind the first is told.

    Args:
        case: without a finding: which cluster, store and profile.
        numbers: of the runs.
        tell: told of progress and findings.

    Raises:
        UnfitForClusterError: the store cannot do what a node asks of it.
    """
    backend, workload = find_store(case.store), case.workload
    runs: list[ClusterRun] = []
    found: dict[tuple[str, str], tuple[Case, Violation]] = {}
    for number in numbers:
        mine = case_of_run(case, number)
        run = run_cluster(mine.workload, backend, case.profile)
        runs.append(run)
        if run.violated is not None:
            problem = run.violated.problem
            key = problem.invariant, problem.kind
            if key not in found:
                mine = evolve(mine, invariant=key[0], kind=key[1], trace=run.digest)
                tell(FindingFound(mine, problem, sum(each.cuts for each in runs)))
                story = cluster_story(run, backend, workload.options, case.profile)
                found[key] = mine, evolve(story, id=mine.id)
        tell(
            ScenarioProgress(
                name=workload.name,
                seed=workload.seed,
                profile=case.profile.name,
                judged=sum(each.cuts for each in runs),
                options=workload.overrides,
                schedules=len(runs),
            )
        )
    return _result(case, runs, list(found.values()))


def case_of_run(case: Case, number: int) -> Case:
    """Return the case of one of the runs of a cluster scenario."""
    plan = case.workload.cluster
    assert plan is not None
    return evolve(case, workload=evolve(case.workload, cluster=evolve(plan, run=number)))


def _result(
    case: Case, runs: list[ClusterRun], found: list[tuple[Case, Violation]]
) -> ScenarioResult:
    workload = case.workload
    cuts = sum(run.cuts for run in runs)
    digest = blake2b(digest_size=16)
    for run in runs:
        digest.update(run.digest.encode())
    return ScenarioResult(
        name=workload.name,
        seed=workload.seed,
        backend=case.store,
        profile=case.profile.name,
        steps=sum(run.steps for run in runs),
        compactions=0,
        crash_points=cuts,
        legal=None,
        distinct=cuts,
        judged=cuts,
        unjudged=0,
        cache_hits=0,
        recoveries=sum(run.restarts for run in runs),
        depth=0,
        complete=False,
        forked_points=0,
        stopped_after_first=False,
        violations=tuple(story for _, story in found),
        cases=tuple(mine for mine, _ in found),
        options=workload.overrides,
        relaxed=workload.promises.relaxed,
        digest=digest.hexdigest(),
        events=tuple(_event(number, run) for number, run in enumerate(runs)),
        latencies_ms=_buckets(each for run in runs for each in run.latencies_s),
        cluster=ClusterCounts(
            runs=len(runs),
            simulated_s=round(sum(run.simulated_s for run in runs)),
            power_cuts=cuts,
            kills=sum(run.kills for run in runs),
            restarts=sum(run.restarts for run in runs),
            elections=sum(run.elections for run in runs),
            commits=sum(run.commits for run in runs),
        ),
    )


def _event(number: int, run: ClusterRun) -> ClusterRunEvent:
    return ClusterRunEvent(
        run=number,
        digest=run.digest,
        simulated_ns=round(run.simulated_s * 1e9),
        power_cuts=run.cuts,
        broken="" if run.violated is None else run.violated.problem.invariant,
    )


def _buckets(latencies_s: Iterable[float]) -> tuple[tuple[int, int], ...]:
    """Return how many latencies are at most each power of two of milliseconds.

    Empty buckets below the first and above the last that is filled are left out.
    """
    counts: dict[int, int] = {}
    for each in latencies_s:
        power = max(ceil(each * 1000) - 1, 0).bit_length()
        counts[power] = counts.get(power, 0) + 1
    if not counts:
        return ()
    powers = range(min(counts), max(counts) + 1)
    return tuple((1 << power, counts.get(power, 0)) for power in powers)
