"""`wavetank bench engine`: time the engine and its peers on a real disk.

The cells of a row are the same in the text and in the table of a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.arguments.choices import choose_all
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.commands.measuring.options import markdown_option, rounds_option
from wavetank.reports.commands.measuring.page_blocks import write_block
from wavetank.reports.commands.options import format_option, report_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.tables import table

if TYPE_CHECKING:
    from wavetank.reports.bench.report import BenchReport, BenchRow
    from wavetank.reports.bench.rounds import Spread

__all__ = [
    "bench_markdown",
    "bench_text",
    "engine_command",
]

COMMAND: Final = "bench engine"

_HELP: Final = """Time the engine and other stores on a real disk.

Every figure is a ratio to another store (a peer) in the same run: the contenders take turns in
rounds, and the median ratio of the rounds is shown with the lowest and the highest. Peers are bare
system calls, SQLite, lmdb, the journal of PySyncObj and rocksdict; those that are not installed are
named. Exits with 0 whatever the figures are, with 1 if the engine returns wrong data or refuses.

\b
Examples:
  wavetank bench engine --quick
  wavetank bench engine --only 'append-*' --directory DIR --format json
"""

_MET: Final = {True: "yes", False: "no", None: "-"}
_LEGEND: Final = (
    "ratio: the peer's time for the same work divided by the engine's; above 1 the engine is faster"
)


@click.command("engine", help=_HELP)
@click.option(
    "--quick", is_flag=True, help="Do less work in each round; the whole run takes under a minute."
)
@rounds_option
@click.option(
    "--only",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Run only this measurement, or those that match a shell pattern; may be repeated.",
)
@click.option(
    "--entries",
    type=click.IntRange(min=1000),
    metavar="N",
    help="Length of the log that is read and opened; 1,000,000 by default, 100,000 with --quick.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default=Path(),
    show_default="the working directory",
    metavar="DIR",
    help="Directory on the disk to measure; a temporary directory is made in it.",
)
@markdown_option
@format_option
@report_option("html")
@click.pass_context
def engine_command(
    context: click.Context,
    *,
    quick: bool,
    rounds: int,
    patterns: tuple[str, ...],
    entries: int | None,
    directory: Path,
    markdown: Path | None,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.bench.comparison import Scale
    from wavetank.reports.bench.engine_bench import MEASUREMENTS, BenchError, measure_engine
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.bench import bench_document
    from wavetank.reports.page.bench_page import bench_page

    names = choose_all("measurement", patterns, MEASUREMENTS) if patterns else tuple(MEASUREMENTS)
    scale = Scale.of(quick=quick, rounds=rounds, log_entries=entries)
    if markdown is not None:
        write_block(markdown, COMMAND, None)
    try:
        with TemporaryDirectory(prefix=".wavetank-bench-", dir=directory) as work:
            report = measure_engine(names, scale, Path(work), on_progress=ProgressLines())
    except BenchError as error:
        click.echo(f"wavetank bench: {error}", err=True)
        context.exit(ExitCode.VIOLATION)
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    if markdown is not None:
        write_block(markdown, COMMAND, bench_markdown(report, version()))
    as_json = output_format == "json"
    document = bench_document(report, version())
    click.echo(to_text(document) if as_json else bench_text(report, version()))
    write_html(reports, lambda: bench_page(report, version(), command=typed_command()))


def bench_text(report: BenchReport, version: str) -> str:
    """Return everything as text.

    Args:
        report: what was measured.
        version: of wavetank.
    """
    rows = [
        ("measurement", "peer", "ratio", "spread", "goal", "met"),
        *((row.name, row.peer, *_cells(row)) for row in report.rows),
    ]
    lines = [
        f"wavetank {version}, the engine against its peers, {_circumstances(report)}",
        _LEGEND,
        "",
        *table(rows),
        "",
        *(f"{row.name}: {_times(row.engine_ms)}" for row in report.rows if row.engine_ms),
        *_missing_peers(report),
        *(f"note: {note}" for note in report.notes),
        f"{_summary(report)}, in {report.elapsed_s:.1f} s",
    ]
    return "\n".join(lines)


def _cells(row: BenchRow) -> tuple[str, str, str, str]:
    """Return ratio, spread, goal and whether it is met, as in every table."""
    goal = "-" if row.goal is None else f"{row.goal:g}"
    if row.limit_ms is not None:
        goal = f"< {row.limit_ms:g} ms"
    spread = f"{_number(row.ratio.low)} to {_number(row.ratio.high)}"
    return _number(row.ratio.median), spread, goal, _MET[row.met]


def _circumstances(report: BenchReport) -> str:
    """Return the machine, the peers' versions and the size of the run on one line."""
    machine = report.machine
    peers = ", ".join(f"{peer.name} {peer.version}" for peer in report.peers if peer.version)
    size = "quick" if report.quick else "full"
    return (
        f"{machine.implementation} {machine.python} on {machine.system}, "
        f"{machine.processors} processors, {machine.filesystem}; {peers}; "
        f"{size} run of {report.rounds} rounds"
    )


def _missing_peers(report: BenchReport) -> Iterator[str]:
    """Yield a line on each peer that is not installed."""
    for peer in report.peers:
        if peer.version is None:
            yield f"skipped: {peer.name} is not installed (the extra `bench` brings it)"


def _summary(report: BenchReport) -> str:
    """Return how many goals were met.

    A row that is too small to be judged counts neither way.
    """
    met = sum(row.met is True for row in report.judged)
    return f"{met} of {len(report.judged)} goals met"


def _times(spread: Spread) -> str:
    return f"{spread.median:.1f} ms ({spread.low:.1f} to {spread.high:.1f})"


def _number(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}"  # noqa: PLR2004 - digits that matter


def bench_markdown(report: BenchReport, version: str) -> str:
    """Return the table with what a reader must know about it.

    Args:
        report: what was measured.
        version: of wavetank.
    """
    return "\n".join([*_page_lines(report, version), ""])


def _page_lines(report: BenchReport, version: str) -> Iterator[str]:
    yield f"wavetank {version}; {_circumstances(report)}. {_summary(report)}."
    yield ""
    yield "| measurement | work | peer | ratio | spread | goal | met |"
    yield "|---|---|---|---|---|---|---|"
    for row in report.rows:
        work = row.detail
        if row.engine_ms is not None:
            work += f"; the engine took {row.engine_ms.median:.1f} ms"
        ratio, *rest = _cells(row)
        cells = (f"`{row.name}`: {row.title}", work, row.peer, f"**{ratio}**", *rest)
        yield f"| {' | '.join(cells)} |"
    skipped = list(_missing_peers(report))
    if skipped or report.notes:
        yield ""
        yield from (f"- {line}" for line in [*skipped, *report.notes])
