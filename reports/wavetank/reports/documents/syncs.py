"""The document `wavetank.syncs/1`."""

from __future__ import annotations

from wavetank.reports.documents import document
from wavetank.reports.documents.writing import shape, writer
from wavetank.reports.telling.sentences import first_sentence
from wavetank.scenarios.mutants import LosingImage, NecessityResult, SyncsResult

__all__ = ["syncs_document"]


def syncs_document(result: SyncsResult, version: str) -> dict[str, object]:
    """Return the document of the syncs of a store."""
    return document(
        "syncs",
        version,
        {
            "verdict": "pass",
            "backend": result.store,
            "wrong_already": result.wrong_already,
            "syncs": _WRITE(result.syncs),
        },
    )


_WRITE = writer(
    shape(
        NecessityResult,
        "necessity",
        "judged",
        "profiles",
        "trials",
        operation=lambda each: each.site.operation,
        target=lambda each: each.site.target,
        function=lambda each: each.site.function,
        line=lambda each: each.site.line,
        complete=lambda each: each.necessity.value == "redundant",
        lost="image",
    ),
    shape(
        LosingImage,
        id=lambda each: each.case.id,
        profile=lambda each: each.case.profile.name,
        invariant=lambda each: each.story.invariant,
        summary=lambda each: each.story.summary,
        sentence=lambda each: first_sentence(each.story),
    ),
)
