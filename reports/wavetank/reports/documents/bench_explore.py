"""``wavetank.bench-explore/1``: the exploration's times against those of other ways."""

from __future__ import annotations

from typing import Final

from wavetank.reports.bench.exploring.report import (
    BugRow,
    ExploreReport,
    GrowthRow,
    RateRow,
    SchedulerRow,
    Shares,
    TraceFacts,
    ZooFacts,
)
from wavetank.reports.bench.report import Machine, Peer
from wavetank.reports.bench.rounds import Spread
from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer

__all__ = ["bench_explore_document"]


def bench_explore_document(report: ExploreReport, version: str) -> dict[str, object]:
    """Return a benchmark as ``wavetank.bench-explore/1``."""
    return document("bench-explore", version, _write(report))


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


_write: Final[Write] = writer(
    shape(
        ExploreReport,
        "quick",
        "rounds",
        "machine",
        "peers",
        "notes",
        "trace",
        "rates",
        "shares",
        "growth",
        "zoo",
        "scheduler",
        elapsed_s=lambda report: round(report.elapsed_s, 3),
    ),
    shape(Machine, "python", "implementation", "system", "processors", "filesystem"),
    shape(Peer, "name", "version", skipped=lambda peer: peer.version is None),
    shape(
        TraceFacts,
        "scenario",
        "profile",
        "steps",
        "ops",
        "crash_points",
        "legal",
        "distinct",
        "judged",
        "recoveries",
    ),
    shape(RateRow, "name", "title", "images", "per_s", "ratio", "goal", "met"),
    shape(Shares, "images", "recovery", "rest"),
    shape(
        GrowthRow,
        "ops",
        "images",
        "recoveries",
        us_per_image=lambda row: _digits(row.us_per_image),
        replay_us_per_image=lambda row: _digits(row.replay_us_per_image),
        peak_mb=lambda row: _digits(row.peak_mb),
    ),
    shape(BugRow, "bug", "depth", "wavetank", "drawing", "found", "seeds"),
    shape(ZooFacts, "most_draws", "ratio", "goal", "met", "rows"),
    shape(SchedulerRow, "name", "title", "per_s", "ratio"),
    shape(
        Spread,
        median=lambda spread: _digits(spread.median),
        low=lambda spread: _digits(spread.low),
        high=lambda spread: _digits(spread.high),
    ),
)
