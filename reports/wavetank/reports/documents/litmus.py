"""``wavetank.litmus/1`` and ``wavetank.litmus-real/1``: litmus sets and what was held to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer
from wavetank.reports.kernel.results import (
    ForbiddenState,
    RealOutcome,
    RealResult,
    overall_verdict,
)
from wavetank.sim import LitmusResult, LitmusState

__all__ = ["litmus_document", "litmus_real_document"]

_write: Final[Write] = writer(
    shape(LitmusState, files=lambda state: dict(state.files), marks="marks"),
    shape(LitmusResult, "id", "profile", "states", "equal", "missing", "extra"),
    shape(
        RealResult,
        "filesystem",
        "verdict",
        "missing",
        "kernel",
        "make",
        "mount_options",
        "runs",
        "images",
        tests="outcomes",
    ),
    shape(RealOutcome, "id", "profile", "images", "seen", "unseen", "outside"),
    shape(
        ForbiddenState,
        state=lambda each: each.first.state,
        error=lambda each: each.first.error,
        images="images",
        run=lambda each: each.first.run,
        nudges=lambda each: each.first.triggers,
        flushes=lambda each: each.first.window,
        kept=lambda each: each.first.kept,
        written=lambda each: each.first.written,
    ),
)


def litmus_document(results: Sequence[LitmusResult], version: str) -> dict[str, object]:
    """Return litmus sets, compared with those of the simulated disk, as ``wavetank.litmus/1``."""
    verdict = "pass" if all(result.equal for result in results) else "fail"
    return document("litmus", version, {"verdict": verdict, "tests": _write(results)})


def litmus_real_document(results: Sequence[RealResult], version: str) -> dict[str, object]:
    """Return what real filesystems left, as ``wavetank.litmus-real/1``."""
    verdict = _write(overall_verdict(results))
    return document("litmus-real", version, {"verdict": verdict, "filesystems": _write(results)})
