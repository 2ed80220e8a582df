"""``wavetank.check/1``: the scorecard of a store."""

from __future__ import annotations

from typing import Final

from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer
from wavetank.scenarios.conformance import CheckResult, Outcome, Scorecard

__all__ = ["check_document"]

_write: Final[Write] = writer(
    shape(
        Scorecard,
        verdict=lambda card: "pass" if card.passed else "fail",
        backend="backend",
        capabilities="capabilities",
        profiles="profiles",
        counts=lambda card: {outcome.value: card.count(outcome) for outcome in Outcome},
        checks="results",
    ),
    shape(CheckResult, "name", "group", "outcome", "reason", "notes"),
)


def check_document(card: Scorecard, version: str) -> dict[str, object]:
    """Return a scorecard as ``wavetank.check/1``."""
    return document("check", version, _write(card))
