"""``wavetank.run/1``, ``wavetank.replay/1``, ``wavetank.shrink/1`` and ``wavetank.list/1``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wavetank.reports.commands.listing.inventory import Detail, Item
from wavetank.reports.documents.writing import Write, shape, writer
from wavetank.reports.outputs.run_text import fault_warnings
from wavetank.reports.runs.session import Determinism, Session
from wavetank.reports.stored.failures import StoredFailure
from wavetank.reports.telling.next_commands import remaining_commands, replay_command
from wavetank.scenarios import (
    ClusterCounts,
    ReplayResult,
    ReplayVerdict,
    ScenarioResult,
    Violation,
)
from wavetank.scenarios.concurrency.history import History
from wavetank.scenarios.shrinking import ShrinkNote
from wavetank.sim import Choice

__all__ = ["list_document", "replay_document", "run_document", "shrink_document", "write_violation"]


def run_document(session: Session, version: str) -> dict[str, object]:
    """Return a run as ``wavetank.run/1``."""
    plan = session.result.plan
    return {
        "schema": "wavetank.run/1",
        "version": version,
        "seed": plan.seeds[0],
        "seeds": list(plan.seeds),
        "digest": session.result.digest or None,
        "verdict": session.verdict.value,
        "elapsed_s": round(session.elapsed_s, 3),
        "workers": session.workers,
        "scenarios": _write(session.result.results),
        "warnings": [line.removeprefix("warning: ") for line in fault_warnings(session)],
        "interrupted": session.interrupted,
        "remaining": list(remaining_commands(session)),
        "determinism": _write(session.determinism),
    }


def write_violation(violation: Violation) -> dict[str, object]:
    """Return a violation as it stands in every document that has any."""
    members: dict[str, object] = _write(violation)
    return members


def replay_document(
    name: str, result: ReplayResult, failure: StoredFailure | None, version: str
) -> dict[str, object]:
    """Return a replay as ``wavetank.replay/1``.

    Args:
        name: what was asked for.
        result: the answer.
        failure: what was stored; None if it could not be read.
        version: of wavetank.
    """
    return {
        "schema": "wavetank.replay/1",
        "version": version,
        "verdict": result.verdict.value,
        "name": name,
        "explanation": result.explanation,
        "case": None if failure is None else _case(failure),
        "violation": _replayed(result, failure),
    }


def shrink_document(name: str, failure: StoredFailure, version: str) -> dict[str, object]:
    """Return a failure made smaller as ``wavetank.shrink/1``.

    Args:
        name: what was asked for.
        failure: as it is stored now.
        version: of wavetank.
    """
    return {
        "schema": "wavetank.shrink/1",
        "version": version,
        "name": name,
        "case": _case(failure),
        "violation": _write(failure.violation),
    }


def list_document(kind: str, items: Sequence[Item], version: str) -> dict[str, object]:
    """Return what there is to choose from as ``wavetank.list/1``."""
    return {
        "schema": "wavetank.list/1",
        "version": version,
        "kind": kind,
        "items": _write(items),
    }


_write: Final[Write] = writer(
    shape(Item, "name", "summary", "details"),
    shape(Choice, "points", "ops", "groups", "sets"),
    shape(
        ClusterCounts,
        "runs",
        "simulated_s",
        "power_cuts",
        "kills",
        "restarts",
        "elections",
        "commits",
    ),
    shape(Detail, "name", "value", "meaning"),
    shape(
        ScenarioResult,
        "name",
        "seed",
        "backend",
        "profile",
        "options",
        "relaxed",
        "verdict",
        ops="steps",
        compactions="compactions",
        crash_points="crash_points",
        images=lambda result: {
            "legal": result.legal,
            "distinct": result.distinct,
            "judged": result.judged,
        },
        unjudged="unjudged",
        cache_hits="cache_hits",
        recoveries="recoveries",
        depth="depth",
        complete="complete",
        forked_points="forked_points",
        choice="choice",
        stopped_after_first="stopped_after_first",
        workloads="workloads",
        schedules="schedules",
        every_schedule="every_schedule",
        cluster="cluster",
        faults_fired=lambda result: dict(result.faults_fired),
        digest="digest",
        violations="violations",
    ),
    shape(
        Violation,
        "id",
        "invariant",
        "kind",
        "summary",
        "why",
        "steps",
        "lost",
        "profiles",
        "cure",
        "rules",
        "schedule",
        "shrunk",
        calls=lambda violation: _calls(violation.history),
        replay=lambda violation: replay_command(violation.id),
    ),
    shape(
        ShrinkNote,
        "steps_before",
        "steps",
        "lost_before",
        "lost",
        "judged",
        finished="is_finished",
    ),
    shape(
        Determinism,
        equal=lambda check: not check.difference,
        hash_seeds="hash_seeds",
        digests="digests",
        difference="difference",
    ),
)


def _calls(history: History | None) -> list[dict[str, object]]:
    """Return the calls of tasks that ran beside one another, in the order of their beginnings."""
    if history is None:
        return []
    return [
        {
            "number": call.number,
            "task": call.task,
            "operation": str(call.operation),
            "invoked_at": call.invoked_at,
            "returned_at": call.returned_at,
            "result": None if call.is_pending else str(call.result),
        }
        for call in history.calls
    ]


def _case(failure: StoredFailure) -> dict[str, object]:
    case = failure.case
    return {
        "scenario": case.workload.name,
        "seed": case.workload.seed,
        "backend": case.store,
        "profile": case.profile.name,
        "options": list(case.workload.overrides),
        "faults": list(map(str, case.workload.faults.faults)),
        "invariant": case.invariant,
        "kind": case.kind,
        "id": case.id,
        "found_by": failure.version,
    }


def _replayed(result: ReplayResult, failure: StoredFailure | None) -> dict[str, object] | None:
    """Return the finding as it shows today; None unless it does."""
    if result.verdict is not ReplayVerdict.FAILED:
        return None
    found = result.violation
    if found is None and failure is not None:
        found = failure.violation
    members: dict[str, object] | None = _write(found)
    return members
