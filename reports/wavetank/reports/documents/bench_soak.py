"""``wavetank.bench-soak/1``: what a store takes over a long life."""

from __future__ import annotations

from typing import Final

from wavetank.reports.bench.report import Machine
from wavetank.reports.bench.soak import SoakReport, SoakSample, SoakScale
from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer

__all__ = ["bench_soak_document"]


def bench_soak_document(report: SoakReport, version: str) -> dict[str, object]:
    """Return a soak as ``wavetank.bench-soak/1``."""
    return document("bench-soak", version, _write(report))


def _growth(report: SoakReport) -> dict[str, float | None]:
    return {
        "disk": report.growth(lambda each: each.disk_bytes),
        "python_blocks": report.growth(lambda each: each.python_blocks),
        "memory": report.growth(lambda each: each.resident_bytes),
    }


_write: Final[Write] = writer(
    shape(
        SoakReport,
        "scale",
        "kills",
        "compactions",
        "machine",
        "samples",
        elapsed_s=lambda report: round(report.elapsed_s, 3),
        growth=_growth,
    ),
    shape(SoakScale, "appends", "restarts", "snapshots", "synced"),
    shape(Machine, "python", "implementation", "system", "processors", "filesystem"),
    shape(
        SoakSample,
        "appends",
        "restarts",
        "disk_bytes",
        "files",
        "log_entries",
        "python_blocks",
        "resident_bytes",
        "descriptors",
    ),
)
