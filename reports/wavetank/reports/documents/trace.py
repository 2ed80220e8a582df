"""``wavetank.trace/1``: what crashes of a traced program came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer
from wavetank.scenarios import CodeFinding, ProfileVerdict
from wavetank.scenarios.code.crashing.sync_needs import SyncNeed
from wavetank.scenarios.code.report import ComplaintKind, EarlierCrash
from wavetank.scenarios.traced import TraceVerdict
from wavetank.sim import CallSite, Mark, Sync
from wavetank.sim.traces import Trace

__all__ = ["trace_document"]

_write: Final[Write] = writer(
    shape(CallSite, "position", "call", "place"),
    shape(ComplaintKind, "kind", "sentence", "count"),
    shape(
        ProfileVerdict,
        "profile",
        "outcome",
        "crash_points",
        "images",
        "too_slow",
        "unjudged",
        "stopped",
        "complete",
        "kinds",
        "recoveries",
        "recoveries_idle",
        "recoveries_left",
        unrecorded=lambda each: len(each.unrecorded),
    ),
    shape(
        EarlierCrash,
        "crash",
        "lost",
        files=lambda each: [{"path": path, "bytes": size} for path, size in each.files],
        others="others",
    ),
    shape(
        CodeFinding,
        "kind",
        "sentence",
        "profile",
        "profiles",
        "crash",
        "operation",
        "path",
        "place",
        "position",
        "lost",
        "why",
        "cure",
        "is_flaky",
        "after",
        "earlier",
        acked=lambda each: [str(token) for token in each.acked],
        files=lambda each: [{"path": path, "bytes": size} for path, size in each.files],
        others="others",
    ),
    shape(SyncNeed, "call", "path", "place", "times", "need", "profile", "complaint", "images"),
)


def trace_document(
    trace: Trace, verdict: TraceVerdict, stored: Sequence[str], version: str
) -> dict[str, object]:
    """Return what was traced and what came of its crashes as ``wavetank.trace/1``.

    Args:
        trace: what the program did.
        verdict: what came of its crashes.
        stored: ids of the findings, in their order; () if they could not be stored.
        version: of wavetank.
    """
    report = verdict.report
    return document(
        "trace",
        version,
        {
            "verdict": report.outcome,
            "directory": trace.directory.lstrip("/"),
            "calls": trace.calls,
            "records": len(trace.log),
            "syncs_made": sum(isinstance(record, Sync) for record in trace.log),
            "acknowledged": sum(isinstance(record, Mark) for record in trace.log),
            "outside": list(trace.outside),
            "rebuilt": list(trace.rebuilt),
            "checks": report.checks,
            "notes": list(report.notes()),
            "profiles": _write(tuple(report.verdicts.values())),
            "findings": _write(report.findings),
            "stored": list(stored),
            "syncs": _write(verdict.syncs),
        },
    )
