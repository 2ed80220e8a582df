"""The pages of `wavetank bench`: the engine, and the exploration, beside others on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wavetank.reports.bench.exploring.report import ExploreReport, RateRow, ZooFacts
from wavetank.reports.bench.report import BenchReport, BenchRow
from wavetank.reports.outputs.explore_tables import (
    bug_rows,
    growth_rows,
    task_rows,
    zoo_sentence,
)
from wavetank.reports.page.blocks import Fact, Notice, Page, Ratio, Ratios, Section, Table, Tone

__all__ = ["bench_explore_page", "bench_page"]

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


def bench_explore_page(report: ExploreReport, version: str, *, command: str) -> Page:
    """Return the page of a benchmark of the exploration.

    Args:
        report: what was measured.
        version: of wavetank.
        command: what a person typed.
    """
    machine = report.machine
    return Page(
        title="wavetank bench explore",
        verdict="measured",
        sentence=f"{sum(report.judged)} of {len(report.judged)} goals were met.",
        command=command,
        facts=(
            Fact("version", version),
            Fact("python", f"{machine.implementation} {machine.python}"),
            Fact("machine", f"{machine.system}, {machine.processors} processors"),
            Fact("rounds", f"{report.rounds}, {'quick' if report.quick else 'full'}"),
        ),
        sections=(
            Section(
                id="ratios",
                title="Distinct images judged a second",
                lead="Wavetank's images a second divided by those of each contender.",
                blocks=(
                    *map(Notice, report.notes),
                    Ratios(tuple(_rate(row) for row in report.rates[1:])),
                ),
            ),
            Section(
                id="growth",
                title="Growth",
                lead="Time and memory of an exploration by the length of the run.",
                blocks=(_table(growth_rows(report.growth)),),
            ),
            *(() if report.zoo is None else (_zoo_section(report.zoo),)),
            Section(
                id="scheduler",
                title="Tasks",
                lead="Schedules and switches a second.",
                blocks=(_table(task_rows(report.scheduler)),),
            ),
        ),
    )


def _zoo_section(zoo: ZooFacts) -> Section:
    return Section(
        id="zoo",
        title="Images until a planted bug is found",
        lead=zoo_sentence(zoo),
        blocks=(_table(bug_rows(zoo)),),
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    return Table(columns=rows[0], rows=tuple(rows[1:]))


def _rate(row: RateRow) -> Ratio:
    ratio = row.ratio
    told = f"{_number(ratio.median)} times as many ({_number(ratio.low)} to {_number(ratio.high)})"
    if row.goal is not None:
        told += f", goal {row.goal:g}"
    return Ratio(
        name=row.name,
        title=row.title,
        peer=f"{row.per_s.median:,.0f} a second",
        low=ratio.low,
        median=ratio.median,
        high=ratio.high,
        goal=row.goal,
        tone=_TONES[row.met],
        told=told,
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
