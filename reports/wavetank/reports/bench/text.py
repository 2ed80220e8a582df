"""The result of a benchmark for people: a table, a line on each peer that is missing.

The cells are shared with the page in markdown.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wavetank.reports.bench.report import BenchReport, BenchRow
from wavetank.reports.bench.samples import Spread

__all__ = ["bench_text", "cells_of", "circumstances", "missing_peers", "summary"]

_MET: Final = {True: "yes", False: "no", None: "-"}
_LEGEND: Final = (
    "ratio: the peer's time for the same work divided by the engine's; above 1 the engine is faster"
)


def bench_text(report: BenchReport, version: str) -> str:
    """Return everything as text.

    Args:
        report: what was measured.
        version: of wavetank.
    """
    rows = [
        ("measurement", "peer", "ratio", "spread", "goal", "met"),
        *((row.name, row.peer, *cells_of(row)) for row in report.rows),
    ]
    lines = [
        f"wavetank {version}, the engine against its peers, {circumstances(report)}",
        _LEGEND,
        "",
        *_table(rows),
        "",
        *(f"{row.name}: {_times(row.engine_ms)}" for row in report.rows if row.engine_ms),
        *missing_peers(report),
        *(f"note: {note}" for note in report.notes),
        f"{summary(report)}, in {report.elapsed_s:.1f} s",
    ]
    return "\n".join(lines)


def cells_of(row: BenchRow) -> tuple[str, str, str, str]:
    """Return ratio, spread, goal and whether it is met, as in every table."""
    goal = "-" if row.goal is None else f"{row.goal:g}"
    if row.limit_ms is not None:
        goal = f"< {row.limit_ms:g} ms"
    spread = f"{_number(row.ratio.low)} to {_number(row.ratio.high)}"
    return _number(row.ratio.median), spread, goal, _MET[row.met]


def circumstances(report: BenchReport) -> str:
    """Return the machine, the peers' versions and the size of the run on one line."""
    machine = report.machine
    peers = ", ".join(f"{peer.name} {peer.version}" for peer in report.peers if peer.version)
    size = "quick" if report.quick else "full"
    return (
        f"{machine.implementation} {machine.python} on {machine.system}, "
        f"{machine.processors} processors, {machine.filesystem}; {peers}; "
        f"{size} run of {report.rounds} rounds"
    )


def missing_peers(report: BenchReport) -> Iterator[str]:
    """Yield a line on each peer that is not installed."""
    for peer in report.peers:
        if peer.version is None:
            yield f"skipped: {peer.name} is not installed (the extra `bench` brings it)"


def summary(report: BenchReport) -> str:
    """Return how many goals were met.

    A row that is too small to be judged counts neither way.
    """
    met = sum(row.met is True for row in report.judged)
    return f"{met} of {len(report.judged)} goals met"


def _times(spread: Spread) -> str:
    return f"{spread.median:.1f} ms ({spread.low:.1f} to {spread.high:.1f})"


def _number(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}"  # noqa: PLR2004 - digits that matter


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
