"""Every sequence of a few operations: none twice, none left out, what they share explored once."""

from itertools import pairwise

import pytest
from attrs import evolve

from wavetank.scenarios import (
    BUILTIN,
    FAMILIES,
    Family,
    Limits,
    OpenStore,
    RunPlan,
    Verdict,
    default_scenarios,
    explore,
    record,
    run,
)
from wavetank.scenarios.raft.workloads.exhaustive import ALPHABET
from wavetank.sim import SEQUENTIAL

TWO = FAMILIES["exhaustive-2"]
ONE = evolve(TWO, name="exhaustive-1", family=Family(operations=1))
PREPARATION = 4


def test_one_operation_is_each_letter_that_changes_a_small_store() -> None:
    told = [str(workload.steps[-1]) for workload in ONE.workloads(0)]
    assert told == [
        "save state: term 2, vote for nobody",
        "append entry 3 of term 1",
        "append entries 3..5 of term 1",
        "truncate suffix from 2",
        "save snapshot of index 1, term 1, 5 bytes",
        "save snapshot of index 2, term 1, 5 bytes",
        "save snapshot of index 4, term 1, 5 bytes",
        "close the store and open it again",
        "kill the process and open the store again",
    ]
    # A vote is cast already, and no snapshot covers what a compaction would remove.
    assert len(told) == len(ALPHABET) - 2


def test_no_sequence_comes_twice_and_each_begins_like_one_of_fewer() -> None:
    sequences = [workload.steps for workload in TWO.workloads(0)]
    assert len(sequences) == len(set(sequences)) == 76
    shorter = {workload.steps for workload in ONE.workloads(0)}
    assert {steps[:-1] for steps in sequences} == shorter
    assert all(isinstance(steps[0], OpenStore) for steps in sequences)


def test_crashes_begin_where_a_workload_leaves_the_one_before() -> None:
    workloads = list(TWO.workloads(0))
    assert workloads[0].crashes_from == 0
    for before, workload in pairwise(workloads):
        first = workload.crashes_from
        assert first >= PREPARATION
        assert workload.steps[:first] == before.steps[:first]
        assert workload.steps[first] != before.steps[first]


def test_what_is_explored_once_is_all_that_is_explored_one_by_one() -> None:
    """Twin: explore every workload whole, with a memory of its own."""
    shared = record(next(ONE.workloads(0)), BUILTIN).subject()
    alone: set[bytes] = set()
    for workload in ONE.workloads(0):
        recording = record(workload, BUILTIN)
        limits = Limits(from_step=workload.crashes_from)
        explore(recording, SEQUENTIAL, limits=limits, subject=shared)
        own = recording.subject()
        explore(recording, SEQUENTIAL, subject=own)
        alone |= own.images
    assert shared.images == alone


def test_a_run_counts_a_family_as_one() -> None:
    plan = RunPlan(
        scenarios=("exhaustive-2",), seeds=(0, 1), profiles=("sequential",), backend="builtin"
    )
    (result,) = run(plan).results
    assert (result.verdict, result.workloads, result.complete) == (Verdict.PASS, 76, True)
    assert result.distinct == result.judged > 300
    assert result.legal is not None
    assert result.legal >= result.distinct


@pytest.mark.minutes
def test_a_family_finds_a_store_out_and_tells_each_kind_once() -> None:
    plan = RunPlan(
        scenarios=("exhaustive-2",),
        seeds=(0,),
        profiles=("sequential",),
        backend="raftlock-published",
        max_after_first=100,
    )
    (result,) = run(plan).results
    assert result.verdict is Verdict.FAIL
    assert result.stopped_after_first
    kinds = [(each.invariant, each.kind) for each in result.violations]
    assert len(kinds) == len(set(kinds)) > 3
    assert [case.invariant for case in result.cases] == [kind[0] for kind in kinds]


def test_the_shorter_family_runs_by_default() -> None:
    assert [name for name in default_scenarios(BUILTIN) if name in FAMILIES] == ["exhaustive-2"]
    assert list(FAMILIES) == ["exhaustive-2", "exhaustive-3"]
