"""``wavetank.bench/1``: the engine's times against those of its peers."""

from __future__ import annotations

from typing import Final

from wavetank.reports.bench.report import BenchReport, BenchRow, Machine, Peer
from wavetank.reports.bench.rounds import Spread
from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer

__all__ = ["bench_document"]


def bench_document(report: BenchReport, version: str) -> dict[str, object]:
    """Return a benchmark as ``wavetank.bench/1``."""
    return document("bench", version, {"subject": "engine", **_write(report)})


def _ratio(ratio: float) -> float:
    return float(f"{ratio:.4g}")


_write: Final[Write] = writer(
    shape(
        BenchReport,
        "quick",
        "rounds",
        elapsed_s=lambda report: round(report.elapsed_s, 3),
        machine="machine",
        peers="peers",
        notes="notes",
        rows="rows",
    ),
    shape(Machine, "python", "implementation", "system", "processors", "filesystem"),
    shape(Peer, "name", "version", skipped=lambda peer: peer.version is None),
    shape(
        BenchRow,
        "name",
        "title",
        "peer",
        unit=lambda _: "ratio",
        ratio=lambda row: _ratio(row.ratio.median),
        low=lambda row: _ratio(row.ratio.low),
        high=lambda row: _ratio(row.ratio.high),
        rounds=lambda row: row.ratio.count,
        goal="goal",
        engine_ms="engine_ms",
        limit_ms="limit_ms",
        met="met",
        detail="detail",
    ),
    # Only the milliseconds of a row are written as a spread.
    shape(
        Spread,
        median=lambda spread: round(spread.median, 3),
        low=lambda spread: round(spread.low, 3),
        high=lambda spread: round(spread.high, 3),
    ),
)
