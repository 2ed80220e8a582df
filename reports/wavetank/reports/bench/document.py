"""The result of a benchmark as a JSON document, ``wavetank.bench/1``; docs/json.md describes it."""

from __future__ import annotations

from attrs import asdict

from wavetank.reports.bench.report import BenchReport, BenchRow
from wavetank.reports.bench.samples import Spread

__all__ = ["bench_document"]


def bench_document(report: BenchReport, version: str) -> dict[str, object]:
    """Return the document.

    Args:
        report: what was measured.
        version: of wavetank.
    """
    return {
        "schema": "wavetank.bench/1",
        "version": version,
        "subject": "engine",
        "quick": report.quick,
        "rounds": report.rounds,
        "elapsed_s": round(report.elapsed_s, 3),
        "machine": asdict(report.machine),
        "peers": [
            {"name": peer.name, "version": peer.version, "skipped": peer.version is None}
            for peer in report.peers
        ],
        "notes": list(report.notes),
        "rows": [_row(row) for row in report.rows],
    }


def _row(row: BenchRow) -> dict[str, object]:
    return {
        "name": row.name,
        "title": row.title,
        "peer": row.peer,
        "unit": "ratio",
        "ratio": _rounded(row.ratio.median),
        "low": _rounded(row.ratio.low),
        "high": _rounded(row.ratio.high),
        "rounds": row.ratio.count,
        "goal": row.goal,
        "engine_ms": None if row.engine_ms is None else _milliseconds(row.engine_ms),
        "limit_ms": row.limit_ms,
        "met": row.met,
        "detail": row.detail,
    }


def _milliseconds(spread: Spread) -> dict[str, float]:
    return {
        "median": round(spread.median, 3),
        "low": round(spread.low, 3),
        "high": round(spread.high, 3),
    }


def _rounded(ratio: float) -> float:
    return float(f"{ratio:.4g}")
