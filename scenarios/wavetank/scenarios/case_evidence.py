"""What the finding of a case shows, gathered by running it again: `evidence_of`.

The workload is recorded once more, and the crash followed as a replay does.
"""

from __future__ import annotations

from wavetank.scenarios.case import Case
from wavetank.scenarios.cluster.cluster_evidence import cluster_evidence
from wavetank.scenarios.concurrency.task_evidence import task_evidence
from wavetank.scenarios.corruption.damage_evidence import damage_evidence
from wavetank.scenarios.evidence import Evidence
from wavetank.scenarios.exploration.explaining.disk_evidence import step_spans
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.recording import record
from wavetank.scenarios.raft.run_evidence import crash_evidence, uncut_evidence
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.registry import find_store

__all__ = ["evidence_of"]


def evidence_of(case: Case, *, store: StoreAdapter | None = None) -> Evidence:
    """Return what the finding of a case shows: the disk's work, what a crash left, what came back.

    Args:
        case: of a finding.
        store: on which it shows; None for the one that the case names.

    Raises:
        StoreNotFoundError: the case names a store that is not there.
        ValueError: the store does other things than when this was found, so that the crash or the
            damage of the case means nothing on it.

    >>> from wavetank.engine import FileStorageOptions, PersistentState
    >>> from wavetank.scenarios import OpenStore, SaveState, Workload, explore
    >>> from wavetank.scenarios.runs.unit import found_case
    >>> from wavetank.sim import SEQUENTIAL
    >>> steps = (OpenStore(), SaveState(PersistentState(1, "node-d")))
    >>> workload = Workload(name="vote", seed=0, steps=steps, options=FileStorageOptions())
    >>> case = Case(workload=workload, store="raftlock-published", profile=SEQUENTIAL)
    >>> recording = record(workload, find_store("raftlock-published"))
    >>> *_, finding = explore(recording, SEQUENTIAL).findings
    >>> finding.problem.invariant
    'O1'
    >>> evidence = evidence_of(found_case(case, recording, finding))
    >>> evidence.promised[0], evidence.shown[0]
    ("term 1, vote for 'node-d'", 'term 0, no vote')
    """
    if case.at_rest is not None:
        return damage_evidence(case.workload, case.at_rest, case.profile)
    store = store or find_store(case.store)
    problem = Problem(case.invariant, case.kind, "")
    if case.workload.cluster is not None:
        return cluster_evidence(case.workload, store, case.profile)
    if case.workload.tasks:
        return task_evidence(case.workload, store, case.profile, case.schedule, case.crash, problem)
    recording = record(case.workload, store)
    if case.crash is None:
        return uncut_evidence(recording, case.profile, problem)
    return crash_evidence(
        recording,
        case.profile,
        case.crash,
        problem,
        spans=lambda end: step_spans(recording, end),
        step_at=lambda position: recording.interval_at(position).step,
    )
