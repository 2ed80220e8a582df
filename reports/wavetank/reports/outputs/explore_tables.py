"""The result of `wavetank bench explore` as text, and as tables of a Markdown page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import frozen

from wavetank.reports.bench.exploring.report import (
    ExploreReport,
    GrowthRow,
    RateRow,
    SchedulerRow,
    Shares,
    TraceFacts,
    ZooFacts,
)
from wavetank.reports.bench.rounds import Spread
from wavetank.reports.outputs.tables import table

__all__ = [
    "bug_rows",
    "explore_markdown",
    "explore_text",
    "growth_rows",
    "task_rows",
    "zoo_sentence",
]

_MET: Final = {True: "yes", False: "no", None: "-"}
_DIGITS_FROM: Final = 10
_RATE_HEADS: Final = ("contender", "images", "per second", "ratio", "spread", "goal", "met")
_GROWTH_HEADS: Final = (
    "micro-ops",
    "images",
    "recoveries",
    "us per image",
    "replay, us per image",
    "peak, MB",
)
_BUG_HEADS: Final = ("bug", "crashes in recovery", "wavetank", "drawing", "found by drawing")
_TASK_HEADS: Final = ("scheduler", "per second", "ratio to threads", "spread")


@frozen(kw_only=True)
class _Style:
    """How a kind of paper shows tables and items.

    Attributes:
        table: returns the lines of a table, whose first row is its heading.
        item: a name and what it stands for.
    """

    table: Callable[[Sequence[Sequence[str]]], list[str]]
    item: str


def explore_text(report: ExploreReport, version: str) -> str:
    """Return everything as text.

    Args:
        report: what was measured.
        version: of wavetank.
    """
    return "\n".join(
        [
            f"wavetank {version}, images judged beside other ways, {_circumstances(report)}",
            *_parts(report, _TEXT),
            "",
            *(f"note: {note}" for note in [*_skipped(report), *report.notes]),
            f"{_summary(report)}, in {report.elapsed_s:.1f} s",
        ]
    )


def explore_markdown(report: ExploreReport, version: str) -> str:
    """Return the tables with what a reader must know about them.

    Args:
        report: what was measured.
        version: of wavetank.
    """
    notes = [f"- {note}" for note in [*_skipped(report), *report.notes]]
    lines = [
        f"wavetank {version}; {_circumstances(report)}. {_summary(report)}.",
        *_parts(report, _MARKDOWN),
        *(["", *notes] if notes else []),
        "",
    ]
    return "\n".join(lines)


def _text_table(rows: Sequence[Sequence[str]]) -> list[str]:
    return table(rows, align="<>")


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return [head, f"|{'---|' * len(rows[0])}", *body]


_TEXT: Final = _Style(table=_text_table, item="{}: {}")
_MARKDOWN: Final = _Style(table=_markdown_table, item="- `{}`: {}")


def _parts(report: ExploreReport, style: _Style) -> Iterator[str]:
    """Yield the lines of every part, each behind an empty line."""
    if report.trace is not None:
        yield from _rates(report.trace, report.rates, style)
    if report.shares is not None:
        yield from ("", _shares(report.shares))
    if report.growth:
        yield from _growth(report.growth, style)
    if report.zoo is not None:
        yield from ("", zoo_sentence(report.zoo), "", *style.table(bug_rows(report.zoo)))
    if report.scheduler:
        yield from ("", *style.table(task_rows(report.scheduler)))


def _rates(trace: TraceFacts, rows: Sequence[RateRow], style: _Style) -> Iterator[str]:
    yield ""
    yield (
        f"The trace: `{trace.scenario}` under {trace.profile}, {trace.steps} steps, {trace.ops:,} "
        f"micro-ops, {trace.crash_points:,} crash points, {trace.legal:,} legal crash sets, "
        f"{trace.distinct:,} distinct images, {trace.judged:,} judged in {trace.recoveries:,} "
        "recoveries, second crashes among them. ratio: wavetank's images a second divided by the "
        "contender's; above 1 wavetank is faster."
    )
    yield ""
    yield from style.table([_RATE_HEADS, *map(_rate_cells, rows)])
    yield ""
    yield from (style.item.format(row.name, row.title) for row in rows)


def _shares(shares: Shares) -> str:
    return (
        f"Of the time of a run: {_percent(shares.images)} for enumerating, building and hashing "
        f"images, {_percent(shares.recovery)} inside the engine's open with the simulated disk "
        f"below it, {_percent(shares.rest)} for reading, new work, judging and remembering."
    )


def _growth(rows: Sequence[GrowthRow], style: _Style) -> Iterator[str]:
    yield ""
    yield (
        "Growth, in processor time; replay: an image rebuilt from the start of the op log and "
        "judged; peak: what the exploration added to the memory of its process."
    )
    yield ""
    yield from style.table(growth_rows(rows))


def growth_rows(rows: Sequence[GrowthRow]) -> list[tuple[str, ...]]:
    """Return the table of growth, its heading first."""
    cells = [
        (
            f"{row.ops:,}",
            f"{row.images:,}",
            f"{row.recoveries:,}",
            f"{row.us_per_image:.0f}",
            f"{row.replay_us_per_image:,.0f}",
            f"{row.peak_mb:.1f}",
        )
        for row in rows
    ]
    return [_GROWTH_HEADS, *cells]


def _rate_cells(row: RateRow) -> tuple[str, ...]:
    goal = "-" if row.goal is None else f"{row.goal:g}"
    return (
        row.name,
        f"{row.images:,}",
        _number(row.per_s.median),
        _number(row.ratio.median),
        _spread(row.ratio),
        goal,
        _MET[row.met],
    )


def task_rows(rows: Sequence[SchedulerRow]) -> list[tuple[str, ...]]:
    """Return the table of the scheduler, its heading first."""
    cells = [
        (
            f"{row.name}: {row.title}",
            _number(row.per_s.median),
            _number(row.ratio.median),
            _spread(row.ratio),
        )
        for row in rows
    ]
    return [_TASK_HEADS, *cells]


def zoo_sentence(zoo: ZooFacts) -> str:
    """Return what came of the hunt for planted bugs."""
    found = sum(row.wavetank is not None for row in zoo.rows)
    drawn = sum(row.found == row.seeds for row in zoo.rows)
    ratio = "not known" if zoo.ratio is None else _number(zoo.ratio)
    return (
        "Images until each planted bug is found, in wavetank's order and drawn at random (the "
        f"median of several seeds, at most {zoo.most_draws:,} draws each). Wavetank finds {found} "
        f"of {len(zoo.rows)}, drawing finds {drawn} with every seed. Median of wavetank's images "
        f"divided by the drawn: {ratio}, goal {zoo.goal:g}: {'met' if zoo.met else 'not met'}."
    )


def bug_rows(zoo: ZooFacts) -> list[tuple[str, ...]]:
    """Return the table of planted bugs, its heading first."""
    cells = [
        (
            row.bug,
            str(row.depth),
            "-" if row.wavetank is None else f"{row.wavetank:,}",
            f"{row.drawing:,.0f}" if row.found else f"> {zoo.most_draws:,}",
            f"{row.found} of {row.seeds}",
        )
        for row in zoo.rows
    ]
    return [_BUG_HEADS, *cells]


def _circumstances(report: ExploreReport) -> str:
    machine = report.machine
    peers = "".join(f"; {peer.name} {peer.version}" for peer in report.peers if peer.version)
    return (
        f"{machine.implementation} {machine.python} on {machine.system}, "
        f"{machine.processors} processors, {machine.filesystem}{peers}; "
        f"{'quick' if report.quick else 'full'} run of {report.rounds} rounds"
    )


def _skipped(report: ExploreReport) -> Iterator[str]:
    for peer in report.peers:
        if peer.version is None:
            yield f"skipped: {peer.name} is not installed (the extra `bench` brings it)"


def _summary(report: ExploreReport) -> str:
    return f"{sum(report.judged)} of {len(report.judged)} goals met"


def _percent(share: Spread) -> str:
    return f"{100 * share.median:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def _spread(ratio: Spread) -> str:
    return f"{_number(ratio.low)} to {_number(ratio.high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _DIGITS_FROM else f"{value:.2f}"
