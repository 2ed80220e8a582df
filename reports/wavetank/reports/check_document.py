"""A scorecard as a JSON document, ``wavetank.check/1``; docs/json.md says what it means."""

from __future__ import annotations

from wavetank.scenarios.conformance import Outcome, Scorecard

__all__ = ["check_document"]


def check_document(card: Scorecard, version: str) -> dict[str, object]:
    """Return the document."""
    return {
        "schema": "wavetank.check/1",
        "version": version,
        "verdict": "pass" if card.passed else "fail",
        "backend": card.backend,
        "capabilities": list(card.capabilities),
        "profiles": list(card.profiles),
        "counts": {outcome.value: card.count(outcome) for outcome in Outcome},
        "checks": [
            {
                "name": result.name,
                "group": result.group,
                "outcome": result.outcome.value,
                "reason": result.reason,
                "notes": list(result.notes),
            }
            for result in card.results
        ],
    }
