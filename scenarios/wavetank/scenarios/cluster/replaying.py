"""A finding of a cluster run again: the same run first, then others.

A store that does anything else changes all that comes after it, since the choices of a run are
drawn as it goes. What the same run no longer shows is looked for in others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.cluster.cluster_run import ClusterRun, run_cluster
from wavetank.scenarios.cluster.exploration import case_of_run
from wavetank.scenarios.cluster.stories import cluster_story
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.reproduction import ReplayResult, ReplayVerdict, diverged, fixed
from wavetank.scenarios.stores.registry import find_store

__all__ = ["judge_cluster_again", "replay_cluster", "tell_cluster"]

SEARCHED: Final = 60
"""Runs that are looked at where the stored one no longer shows the problem."""


def replay_cluster(case: Case) -> ReplayResult:
    """Look again for the finding of a case of a cluster.

    Args:
        case: of a finding.

    Raises:
        UnfitForClusterError: the store cannot do what a node asks of it.
    """
    once, twice = _run(case), _run(case)
    if once.digest != twice.digest:
        return diverged("two runs of the same cluster differ")
    if _shows(case, once):
        return ReplayResult(
            verdict=ReplayVerdict.FAILED,
            explanation=f"the same run of the cluster: it breaks {case.invariant} again",
            violation=_story(case, once) if once.digest != case.trace else None,
        )
    for run in _others(case):
        if _shows(case, run):
            return ReplayResult(
                verdict=ReplayVerdict.FAILED,
                explanation=f"another run of the cluster: it breaks {case.invariant} again",
                violation=_story(case, run),
            )
    return fixed(
        case,
        f"the run in which it was found no longer shows it, nor do {SEARCHED} others",
    )


def judge_cluster_again(case: Case) -> tuple[Problem, ...]:
    """Return the problem of a case of a cluster as it shows today; () if it is gone."""
    for run in (_run(case), *_others(case)):
        if run.violated is not None and _shows(case, run):
            return (run.violated.problem,)
    return ()


def tell_cluster(case: Case) -> Violation:
    """Return the story of a finding that was told when it was found."""
    return _story(case, _run(case))


def _run(case: Case) -> ClusterRun:
    return run_cluster(case.workload, find_store(case.store), case.profile)


def _others(case: Case) -> Iterator[ClusterRun]:
    for number in range(SEARCHED):
        yield _run(case_of_run(case, number))


def _shows(case: Case, run: ClusterRun) -> bool:
    violated = run.violated
    return violated is not None and case.is_shown_by(
        violated.problem.invariant, violated.problem.kind
    )


def _story(case: Case, run: ClusterRun) -> Violation:
    story = cluster_story(run, find_store(case.store), case.workload.options, case.profile)
    return evolve(story, id=case.id)
