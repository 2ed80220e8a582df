"""`wavetank bench soak`: let a store live long, and see whether it grows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.commands.measuring.options import markdown_option
from wavetank.reports.commands.measuring.page_blocks import write_block
from wavetank.reports.commands.options import format_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.tables import table

if TYPE_CHECKING:
    from wavetank.reports.bench.soak import SoakReport, SoakSample

__all__ = ["COMMAND", "soak_command", "soak_markdown", "soak_text"]

COMMAND: Final = "bench soak"

_HELP: Final = """Run the engine for long, with restarts and kills, and see whether it grows.

Appends entries one by one, replaces older ones by a snapshot now and then, and ends the process
and begins again; every second time it is killed with its store open. At each restart everything
that was acknowledged is asked for. Printed are bytes on the disk, files, memory and descriptors
along the way, and by how much the most of the last quarter exceeds the most of the second
quarter. Exits with 1 if anything is lost.

\b
Examples:
  wavetank bench soak --appends 20000 --restarts 50
  wavetank bench soak --appends 1000000 --restarts 1000 --no-sync
"""


@click.command("soak", help=_HELP)
@click.option(
    "--appends",
    type=click.IntRange(min=100),
    default=100_000,
    show_default=True,
    metavar="N",
    help="Entries, each appended by a call of its own.",
)
@click.option(
    "--restarts",
    type=click.IntRange(min=8),
    default=100,
    show_default=True,
    metavar="N",
    help="How often the process ends and begins again.",
)
@click.option(
    "--sync/--no-sync",
    "synced",
    default=True,
    show_default=True,
    help="Whether each append is durable before the next.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default=Path(),
    show_default="the working directory",
    metavar="DIR",
    help="Directory on the disk to use; a temporary directory is made in it.",
)
@markdown_option
@format_option
@click.pass_context
def soak_command(
    context: click.Context,
    *,
    appends: int,
    restarts: int,
    synced: bool,
    directory: Path,
    markdown: Path | None,
    output_format: str,
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.bench.logs import WrongDataError
    from wavetank.reports.bench.soak import SoakScale, soak
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.bench_soak import bench_soak_document

    if appends < restarts:
        raise click.UsageError(
            f"--appends: expected at least one for each of the {restarts} restarts, got {appends}"
        )
    if markdown is not None:
        write_block(markdown, COMMAND, None)
    scale = SoakScale(appends=appends, restarts=restarts, synced=synced)
    try:
        with TemporaryDirectory(prefix=".wavetank-soak-", dir=directory) as work:
            report = soak(scale, Path(work), on_progress=ProgressLines())
    except WrongDataError as error:
        click.echo(f"wavetank bench: {error}", err=True)
        context.exit(ExitCode.VIOLATION)
    if markdown is not None:
        write_block(markdown, COMMAND, soak_markdown(report, version()))
    if output_format == "json":
        click.echo(to_text(bench_soak_document(report, version())))
    else:
        click.echo(soak_text(report, version()))


_COLUMNS: Final = (
    "appends",
    "restarts",
    "disk, KiB",
    "files",
    "log entries",
    "Python blocks",
    "memory, MB",
    "descriptors",
)


def _cells(sample: SoakSample) -> tuple[str, ...]:
    memory = "-" if sample.resident_bytes is None else f"{sample.resident_bytes / 1e6:.1f}"
    return (
        f"{sample.appends:,}",
        f"{sample.restarts:,}",
        f"{sample.disk_bytes / 1024:.0f}",
        str(sample.files),
        str(sample.log_entries),
        f"{sample.python_blocks:,}",
        memory,
        "-" if sample.descriptors is None else str(sample.descriptors),
    )


def soak_text(report: SoakReport, version: str) -> str:
    """Return everything as text.

    Args:
        report: what was seen.
        version: of wavetank.
    """
    rows = [_COLUMNS, *map(_cells, report.samples)]
    return "\n".join(
        [f"wavetank {version}, {_sentence(report)}", "", *table(rows, align=">"), "", _ends(report)]
    )


def soak_markdown(report: SoakReport, version: str) -> str:
    """Return the table with what a reader must know about it.

    Args:
        report: what was seen.
        version: of wavetank.
    """
    lines = [
        f"wavetank {version}; {_sentence(report)}.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{'---|' * len(_COLUMNS)}",
        *(f"| {' | '.join(_cells(each))} |" for each in report.samples),
        "",
        f"{_ends(report)}.",
        "",
    ]
    return "\n".join(lines)


def _sentence(report: SoakReport) -> str:
    scale, machine = report.scale, report.machine
    return (
        f"a life of {scale.appends:,} appends{'' if scale.synced else ' without syncs'}, "
        f"{scale.restarts:,} restarts, {report.kills:,} of them after a killed process; "
        f"{machine.implementation} {machine.python} on {machine.system}, {machine.filesystem}"
    )


def _ends(report: SoakReport) -> str:
    return (
        "the most of the last quarter divided by the most of the second: "
        f"disk {_ratio(report, lambda each: each.disk_bytes)}, "
        f"Python blocks {_ratio(report, lambda each: each.python_blocks)}, "
        f"memory {_ratio(report, lambda each: each.resident_bytes)}"
    )


def _ratio(report: SoakReport, value: Callable[[SoakSample], int | None]) -> str:
    growth = report.growth(value)
    return "not known" if growth is None else f"{growth:.3f}"
