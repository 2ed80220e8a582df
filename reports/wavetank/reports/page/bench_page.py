"""The page of `wavetank bench`: the engine beside its peers on one scale."""

from __future__ import annotations

from typing import Final

from wavetank.reports.bench.report import BenchReport, BenchRow
from wavetank.reports.page.blocks import Fact, Notice, Page, Ratio, Ratios, Section, Table, Tone

__all__ = ["bench_page"]

_TONES: Final = {True: Tone.GOOD, False: Tone.BAD, None: Tone.PLAIN}
_DIGITS_FROM: Final = 10


def bench_page(report: BenchReport, version: str, *, command: str) -> Page:
    """Return the page of a benchmark.

    Args:
        report: what was measured.
        version: of wavetank.
        command: what a person typed.
    """
    met = sum(row.met is True for row in report.judged)
    missing = [peer.name for peer in report.peers if peer.version is None]
    machine = report.machine
    return Page(
        title="wavetank bench",
        verdict="measured",
        sentence=f"{met} of {len(report.judged)} goals were met.",
        command=command,
        facts=(
            Fact("version", version),
            Fact("python", f"{machine.implementation} {machine.python}"),
            Fact("machine", f"{machine.system}, {machine.processors} processors"),
            Fact("filesystem", machine.filesystem),
            Fact("rounds", f"{report.rounds}, {'quick' if report.quick else 'full'}"),
            *(Fact(peer.name, peer.version) for peer in report.peers if peer.version is not None),
        ),
        sections=(
            Section(
                id="ratios",
                title="The engine and its peers",
                lead="Each row times one piece of work: the peer's time divided by the engine's.",
                blocks=(
                    *map(Notice, report.notes),
                    *(
                        Notice(f"{name} is not installed; its rows are missing.")
                        for name in missing
                    ),
                    Ratios(tuple(map(_ratio, report.rows))),
                ),
            ),
            Section(
                id="work",
                title="What was timed",
                lead="The work of one round.",
                blocks=(
                    Table(
                        columns=("measurement", "peer", "work", "engine's own time"),
                        rows=tuple(
                            (row.name, row.peer, row.detail, _own_time(row)) for row in report.rows
                        ),
                    ),
                ),
            ),
        ),
    )


def _ratio(row: BenchRow) -> Ratio:
    ratio = row.ratio
    told = f"{_number(ratio.median)} times as fast ({_number(ratio.low)} to {_number(ratio.high)})"
    if row.goal is not None:
        told += f", goal {row.goal:g}"
    elif row.limit_ms is not None:
        told += f", goal under {row.limit_ms:g} ms"
    return Ratio(
        name=row.name,
        title=row.title,
        peer=row.peer,
        low=ratio.low,
        median=ratio.median,
        high=ratio.high,
        goal=row.goal,
        tone=_TONES[row.met],
        told=told,
    )


def _own_time(row: BenchRow) -> str:
    if row.engine_ms is None:
        return ""
    spread = row.engine_ms
    return f"{spread.median:.1f} ms ({spread.low:.1f} to {spread.high:.1f})"


def _number(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= _DIGITS_FROM else f"{ratio:.2f}"
