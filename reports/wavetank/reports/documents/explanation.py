"""The document `wavetank.explain/1`."""

from __future__ import annotations

from wavetank.reports.documents import document
from wavetank.reports.documents.writing import shape, writer
from wavetank.reports.telling.next_commands import replay_command
from wavetank.reports.telling.sentences import chain_sentences, cure_sentence, first_sentence
from wavetank.scenarios import BrokenPromise, Case, Cure, LostWork, Tried, Violation

__all__ = ["explain_document"]


def explain_document(story: Violation, case: Case, version: str) -> dict[str, object]:
    """Return the document of an explanation.

    Args:
        story: with its chain.
        case: what brings it back.
        version: of wavetank.
    """
    chain = story.chain
    return document(
        "explain",
        version,
        {
            "verdict": "fail",
            "id": story.id,
            "scenario": case.workload.name,
            "seed": case.workload.seed,
            "backend": case.store,
            "profile": case.profile.name,
            "invariant": story.invariant,
            "summary": story.summary,
            "sentence": first_sentence(story),
            "chain": list(chain_sentences(story)),
            "promise": None if chain is None else _WRITE(chain.broken),
            "lost": [] if chain is None else _WRITE(chain.lost),
            "profiles": list(story.profiles),
            "rules": list(story.rules),
            "cure": {
                "sentence": cure_sentence(story),
                **({} if chain is None or chain.cure is None else _WRITE(chain.cure)),
            },
            "tried": None if chain is None or chain.tried is None else _WRITE(chain.tried),
            "replay": replay_command(story.id),
        },
    )


_WRITE = writer(
    shape(BrokenPromise, "kind", "breach", "term", "voted_for", "first", "last", "came"),
    shape(
        LostWork,
        "action",
        "path",
        "source",
        "needs",
        "step",
        "by",
        "acknowledged",
        "torn",
        "synced_in",
        "failed_sync",
        "renamed_to",
        "outlived_by",
        op="text",
    ),
    shape(
        Cure,
        "kind",
        "target",
        "is_directory",
        "after",
        "moved",
        "by",
        "added",
        "is_verified",
        "also",
    ),
    shape(Tried, "syncs", "orders", "impossible", "images"),
)
