"""What came of the sweeps of failing operations as a JSON document, ``wavetank.sweep/1``.

docs/json.md says what it means.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import asdict

from wavetank.scenarios import OperationProblem, OperationSweep, SweptScenario

__all__ = ["sweep_document"]


def sweep_document(swept: Sequence[SweptScenario], *, seed: int, version: str) -> dict[str, object]:
    """Return the document."""
    whole = OperationSweep.of_all(
        part for each in swept for part in (each.workload, each.recoveries)
    )
    return {
        "schema": "wavetank.sweep/1",
        "version": version,
        "verdict": "fail" if whole.problems else "pass",
        "seed": seed,
        **_sweep(whole),
        "scenarios": [
            {
                "name": each.name,
                "workload": _sweep(each.workload),
                "recoveries": _sweep(each.recoveries),
                "wrong": [_wrong(problem) for problem in each.problems],
            }
            for each in swept
        ],
    }


def _sweep(sweep: OperationSweep) -> dict[str, object]:
    kinds = {kind: asdict(counts) for kind, counts in sweep.kinds.items()}
    return {"images": sweep.images, **asdict(sweep.counts), "kinds": kinds}


def _wrong(problem: OperationProblem) -> dict[str, str]:
    return {
        "fault": str(problem.fault),
        "step": str(problem.step),
        "crash": problem.crash,
        "problem": problem.problem,
    }
