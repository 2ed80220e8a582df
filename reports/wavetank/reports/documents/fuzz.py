"""``wavetank.fuzz/1``."""

from __future__ import annotations

from wavetank.reports.documents import document
from wavetank.reports.documents.runs import write_violation
from wavetank.reports.fuzzing.session import FuzzSession
from wavetank.reports.fuzzing.text import PARTS
from wavetank.scenarios import FuzzFinding

__all__ = ["fuzz_document"]


def fuzz_document(
    session: FuzzSession, version: str, *, corpus: str, new: int
) -> dict[str, object]:
    """Return a fuzzing run as ``wavetank.fuzz/1``.

    Args:
        session: what came of it.
        version: of wavetank.
        corpus: directory of the inputs.
        new: how many of these are new.
    """
    result, counts = session.result, session.result.counts
    coverage = result.coverage
    return document(
        "fuzz",
        version,
        {
            "verdict": session.verdict,
            "seed": result.plan.seed,
            "backend": result.plan.backend,
            "profiles": [each.profile.name for each in result.plan.profiles],
            "digest": result.digest if session.is_whole else None,
            "max_time_s": session.max_time_s,
            "elapsed_s": round(session.elapsed_s, 3),
            "workers": session.workers,
            "interrupted": session.interrupted,
            "runs": counts.runs,
            "wrong_runs": counts.wrong,
            "steps": counts.steps,
            "images": counts.images,
            "recoveries": counts.recoveries,
            "coverage": {
                "combinations": len(coverage),
                "pairs": coverage.pairs(),
                **{name: coverage.by(part) for name, part in PARTS.items()},
            },
            "corpus": {
                "directory": corpus,
                "loaded": session.loaded,
                "inputs": len(result.corpus),
                "new": new,
            },
            "violations": [
                _found(finding, seen)
                for finding, seen in zip(result.findings, result.seen, strict=True)
            ],
            "broken": [
                {"run": each.number, "error": each.error, "case": each.case.id}
                for each in result.broken
            ],
        },
    )


def _found(finding: FuzzFinding, seen: int) -> dict[str, object]:
    case = finding.case
    return {
        **write_violation(finding.violation),
        "operation": finding.key[2],
        "run": case.workload.seed,
        "wrong_runs": seen,
        "profile": case.profile.name,
        "depth": case.depth,
        "options": list(case.workload.overrides),
        "faults": list(map(str, case.workload.faults.faults)),
    }
