"""What came of the zoo as a JSON document, ``wavetank.zoo/1``; docs/json.md says what it means."""

from __future__ import annotations

from wavetank.scenarios.mutants import BUGS, BugResult, Kill, NecessityResult, Witness, ZooResult

__all__ = ["zoo_document"]


def zoo_document(result: ZooResult, version: str) -> dict[str, object]:
    """Return the document."""
    return {
        "schema": "wavetank.zoo/1",
        "version": version,
        "verdict": "pass" if result.passed else "fail",
        "bugs": [_bug(each) for each in result.bugs],
        "survivors": list(result.survivors),
        "false_alarms": len(result.false_alarms),
        "alarms": list(result.false_alarms),
        "necessity": [_necessity(each) for each in result.necessity],
        "invariants": [_witness(each) for each in result.witnesses],
    }


def _bug(result: BugResult) -> dict[str, object]:
    bug = BUGS[result.id]
    shortest = result.shortest
    return {
        "id": bug.id,
        "summary": bug.summary,
        "cost": bug.cost,
        "killed": bool(result.killed_by),
        "hunts": [
            {
                "profile": hunt.profile,
                "images": hunt.judged,
                "complete": hunt.complete,
                "killed": hunt.kill is not None,
                "invariant": None if hunt.kill is None else hunt.kill.invariant,
                "killed_after": None if hunt.kill is None else hunt.kill.judged,
            }
            for hunt in result.hunts
        ],
        "repro": None
        if shortest is None or shortest.kill is None
        else {"profile": shortest.profile, **_kill(shortest.kill)},
    }


def _necessity(result: NecessityResult) -> dict[str, object]:
    return {
        "operation": result.site.operation,
        "target": result.site.target,
        "function": result.site.function,
        "ordinal": result.ordinal,
        "verdict": result.necessity.value,
        "profiles": list(result.profiles),
        "trials": list(result.trials),
        "images": result.judged,
        "repro": None if result.kill is None else {"profile": "posix", **_kill(result.kill)},
    }


def _kill(kill: Kill) -> dict[str, object]:
    return {
        "invariant": kill.invariant,
        "kind": kill.kind,
        "summary": kill.summary,
        "trial": kill.trial,
        "steps": list(kill.steps),
        "lost": list(kill.lost),
        "why": kill.why,
        "cure": kill.cure,
    }


def _witness(witness: Witness) -> dict[str, object]:
    return {
        "id": witness.invariant,
        "survivors": [{"bug": bug, "profile": profile} for bug, profile in witness.survivors],
    }
