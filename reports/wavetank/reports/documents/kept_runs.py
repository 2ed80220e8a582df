"""``wavetank.diff/1`` and ``wavetank.recheck/1``."""

from __future__ import annotations

from collections.abc import Sequence

from wavetank.reports.documents import document
from wavetank.reports.documents.events import event_document
from wavetank.reports.outputs.event_lines import short_line
from wavetank.reports.runs.differences import Difference
from wavetank.reports.runs.rechecking import FoundEvent, Recheck

__all__ = ["diff_document", "recheck_document"]


def diff_document(
    names: tuple[str, str], difference: Difference | None, version: str
) -> dict[str, object]:
    """Return a comparison as ``wavetank.diff/1``.

    Args:
        names: of the two runs, as they were given.
        difference: the first; None if they are equal.
        version: of wavetank.
    """
    return document(
        "diff",
        version,
        {
            "verdict": "equal" if difference is None else "different",
            "runs": list(names),
            "difference": _difference(difference),
        },
    )


def recheck_document(name: str, recheck: Recheck, version: str) -> dict[str, object]:
    """Return a kept run that was judged again as ``wavetank.recheck/1``.

    Args:
        name: of the run, as it was given.
        recheck: what came of it.
        version: of wavetank.
    """
    return document(
        "recheck",
        version,
        {
            "verdict": recheck.verdict.value,
            "run": name,
            "elapsed_s": round(recheck.session.elapsed_s, 3),
            "interrupted": recheck.session.interrupted,
            "same_work": recheck.work is None,
            "difference": _difference(recheck.work),
            "new": _findings(recheck.new),
            "gone": _findings(recheck.gone),
            "unchanged": _findings(recheck.unchanged),
        },
    )


def _difference(difference: Difference | None) -> dict[str, object] | None:
    if difference is None:
        return None
    return {
        "number": difference.number,
        "members": list(difference.members),
        "events": [None if each is None else event_document(each) for each in difference.events],
        "lines": [None if each is None else short_line(each).strip() for each in difference.events],
    }


def _findings(events: Sequence[FoundEvent]) -> list[dict[str, object]]:
    return [
        {
            "id": found.id,
            "scenario": event.scenario,
            "seed": event.seed,
            "profile": event.profile,
            "options": list(event.options),
            "invariant": found.invariant,
            "kind": found.problem,
            "summary": found.summary,
        }
        for event, found in events
    ]
