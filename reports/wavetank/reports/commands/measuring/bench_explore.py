"""`wavetank bench explore`: time the exploration of crashes beside other ways to judge images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Final

import click

from wavetank.reports.arguments.choices import choose_all
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.commands.measuring.options import markdown_option, rounds_option
from wavetank.reports.commands.measuring.page_blocks import write_block
from wavetank.reports.commands.options import format_option, report_option
from wavetank.reports.exit_codes import ExitCode

__all__ = ["COMMAND", "explore_command"]

COMMAND: Final = "bench explore"
_TMPFS: Final = Path("/dev/shm")  # noqa: S108 - where Linux has a tmpfs for everybody

_HELP: Final = """Time the exploration of crashes beside other ways.

All judge the same crash images of one recorded run of the scenario `mixed`: each opens the engine
on an image, reads everything, and holds it against the model. The contenders are a new process
for each image on a tmpfs, a fork for each, files written to a tmpfs, copies of a pyfakefs
filesystem, each image rebuilt from the start of the op log, and images drawn at random. They take
turns in rounds, and the median ratio of the rounds is shown with the lowest and the highest.
Measured besides: where the time goes, growth with the length of the run, images until each
planted bug is found, and schedules and switches a second. Exits with 0 whatever the figures are,
with 1 if contenders disagree about an image.

\b
Examples:
  wavetank bench explore --quick
  wavetank bench explore --only images --format json
"""


@click.command("explore", help=_HELP)
@click.option(
    "--quick", is_flag=True, help="Do less in each round; the whole run takes under a minute."
)
@rounds_option
@click.option(
    "--only",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Measure only images, growth, zoo or scheduler, or those that match a shell pattern; may "
    "be repeated.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    metavar="DIR",
    help="Directory on a tmpfs for the contenders that write files; a temporary directory is made "
    "in it.  [default: /dev/shm where there is one]",
)
@markdown_option
@format_option
@report_option("html")
@click.pass_context
def explore_command(
    context: click.Context,
    *,
    quick: bool,
    rounds: int,
    patterns: tuple[str, ...],
    directory: Path | None,
    markdown: Path | None,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.bench.exploring.explore_bench import (
        MEASUREMENTS,
        ExploreScale,
        WrongVerdictError,
        measure_exploration,
    )
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.bench_explore import bench_explore_document
    from wavetank.reports.outputs.explore_tables import explore_markdown, explore_text
    from wavetank.reports.page.bench_page import bench_explore_page

    names = choose_all("measurement", patterns, MEASUREMENTS) if patterns else tuple(MEASUREMENTS)
    if markdown is not None:
        write_block(markdown, COMMAND, None)
    scale = ExploreScale.of(quick=quick, rounds=rounds)
    parent = directory or (_TMPFS if _TMPFS.is_dir() else Path(gettempdir()))
    try:
        with TemporaryDirectory(prefix="wavetank-bench-", dir=parent) as work:
            report = measure_exploration(names, scale, Path(work), on_progress=ProgressLines())
    except WrongVerdictError as error:
        click.echo(f"wavetank bench: {error}", err=True)
        context.exit(ExitCode.VIOLATION)
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    if markdown is not None:
        write_block(markdown, COMMAND, explore_markdown(report, version()))
    if output_format == "json":
        click.echo(to_text(bench_explore_document(report, version())))
    else:
        click.echo(explore_text(report, version()))
    write_html(reports, lambda: bench_explore_page(report, version(), command=typed_command()))
