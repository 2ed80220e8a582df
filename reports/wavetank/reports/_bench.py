"""What `wavetank bench engine` does: choose, measure, print, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from wavetank.reports._choices import choose_all
from wavetank.reports._told import EveryTenSeconds
from wavetank.reports._version import version
from wavetank.reports.bench.catalogue import MEASUREMENTS
from wavetank.reports.bench.comparison import Scale
from wavetank.reports.bench.document import bench_document
from wavetank.reports.bench.engine_bench import BenchError, measure_engine
from wavetank.reports.bench.markdown import (
    MissingMarksError,
    bench_markdown,
    replace_between_marks,
)
from wavetank.reports.bench.text import bench_text
from wavetank.reports.documents import to_text
from wavetank.reports.exit_codes import ExitCode

__all__ = ["execute"]


def execute(
    patterns: Sequence[str],
    *,
    scale: Scale,
    directory: Path,
    page: Path | None,
    as_json: bool,
) -> ExitCode:
    """Measure the engine and print what came of it.

    Args:
        patterns: names of measurements or shell patterns; none for everything.
        scale: how much work is done.
        directory: an existing one; a directory is made in it, and removed again.
        page: a file whose table is replaced; None for none.
        as_json: print the document instead of text.

    Raises:
        UnknownChoiceError: there is no such measurement.
        click.UsageError: the page has no place for a table.
    """
    names = choose_all("measurement", patterns, MEASUREMENTS) if patterns else tuple(MEASUREMENTS)
    if page is not None:
        _replace_table(page, None)
    try:
        with TemporaryDirectory(prefix=".wavetank-bench-", dir=directory) as work:
            report = measure_engine(names, scale, Path(work), on_progress=EveryTenSeconds())
    except BenchError as error:
        click.echo(f"wavetank bench: {error}", err=True)
        return ExitCode.VIOLATION
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    if page is not None:
        _replace_table(page, bench_markdown(report, version()))
    document = bench_document(report, version())
    click.echo(to_text(document) if as_json else bench_text(report, version()))
    return ExitCode.OK


def _replace_table(page: Path, table: str | None) -> None:
    """Replace a page's table; None: only check that there is a place for one."""
    text = page.read_text(encoding="utf-8")
    try:
        replaced = replace_between_marks(text, table or "")
    except MissingMarksError as error:
        raise click.UsageError(f"--markdown {page}: {error}") from error
    if table is not None:
        page.write_text(replaced, encoding="utf-8")
