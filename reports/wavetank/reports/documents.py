"""Results as JSON documents, each with a schema beside this module (``schemas/``).

Pure functions from values to documents; docs/json.md says what each field means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources

from wavetank.reports.failures import StoredFailure
from wavetank.reports.inventory import Item
from wavetank.reports.next_commands import remaining_commands, replay_command
from wavetank.reports.session import Session
from wavetank.reports.text import fault_warnings
from wavetank.scenarios import ReplayResult, ReplayVerdict, ScenarioResult, Violation
from wavetank.sim import LitmusResult, LitmusState

__all__ = [
    "list_document",
    "litmus_document",
    "replay_document",
    "run_document",
    "schema",
    "to_text",
]


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
        "scenarios": [_scenario(result) for result in session.result.results],
        "warnings": [line.removeprefix("warning: ") for line in fault_warnings(session)],
        "interrupted": session.interrupted,
        "remaining": list(remaining_commands(session)),
        "determinism": _determinism(session),
    }


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


def list_document(kind: str, items: Sequence[Item], version: str) -> dict[str, object]:
    """Return what there is to choose from as ``wavetank.list/1``."""
    return {
        "schema": "wavetank.list/1",
        "version": version,
        "kind": kind,
        "items": [
            {"name": item.name, "summary": item.summary, "details": _details(item)}
            for item in items
        ],
    }


def litmus_document(results: Sequence[LitmusResult], version: str) -> dict[str, object]:
    """Return litmus sets, held against the simulated disk, as ``wavetank.litmus/1``."""
    return {
        "schema": "wavetank.litmus/1",
        "version": version,
        "verdict": "pass" if all(result.equal for result in results) else "fail",
        "tests": [
            {
                "id": result.id,
                "profile": result.profile,
                "states": result.states,
                "equal": result.equal,
                "missing": [_litmus_state(state) for state in result.missing],
                "extra": [_litmus_state(state) for state in result.extra],
            }
            for result in results
        ],
    }


def schema(name: str) -> dict[str, object]:
    """Return the JSON Schema of a document, such as ``run`` or ``litmus-real``."""
    file = resources.files("wavetank.reports") / "schemas" / f"{name}.schema.json"
    document: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    return document


def to_text(document: dict[str, object]) -> str:
    """Return a document as it is printed: one JSON value, ASCII, indented."""
    return json.dumps(document, indent=2)


def _litmus_state(state: LitmusState) -> dict[str, object]:
    return {"files": dict(state.files), "marks": list(state.marks)}


def _details(item: Item) -> list[dict[str, object]]:
    return [
        {"name": detail.name, "value": detail.value, "meaning": detail.meaning}
        for detail in item.details
    ]


def _scenario(result: ScenarioResult) -> dict[str, object]:
    return {
        "name": result.name,
        "seed": result.seed,
        "backend": result.backend,
        "profile": result.profile,
        "options": list(result.options),
        "relaxed": list(result.relaxed),
        "verdict": result.verdict.value,
        "ops": result.steps,
        "compactions": result.compactions,
        "crash_points": result.crash_points,
        "images": {
            "legal": result.legal,
            "distinct": result.distinct,
            "judged": result.judged,
        },
        "unjudged": result.unjudged,
        "cache_hits": result.cache_hits,
        "recoveries": result.recoveries,
        "depth": result.depth,
        "complete": result.complete,
        "forked_points": result.forked_points,
        "stopped_after_first": result.stopped_after_first,
        "faults_fired": dict(result.faults_fired),
        "digest": result.digest,
        "violations": [_violation(violation) for violation in result.violations],
    }


def _violation(violation: Violation) -> dict[str, object]:
    return {
        "id": violation.id,
        "invariant": violation.invariant,
        "kind": violation.kind,
        "summary": violation.summary,
        "why": violation.why,
        "steps": list(violation.steps),
        "lost": list(violation.lost),
        "profiles": list(violation.profiles),
        "cure": violation.cure,
        "rules": list(violation.rules),
        "replay": replay_command(violation.id),
    }


def _determinism(session: Session) -> dict[str, object] | None:
    check = session.determinism
    if check is None:
        return None
    return {
        "equal": not check.difference,
        "hash_seeds": list(check.hash_seeds),
        "digests": list(check.digests),
        "difference": check.difference,
    }


def _case(failure: StoredFailure) -> dict[str, object]:
    case = failure.case
    return {
        "scenario": case.workload.name,
        "seed": case.workload.seed,
        "backend": case.store,
        "profile": case.profile.name,
        "options": list(case.workload.turned),
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
    if result.violation is not None:
        return _violation(result.violation)
    return None if failure is None else _violation(failure.violation)
