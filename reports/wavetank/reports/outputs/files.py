"""The files that `--report` names, written when a run or a suite has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.outputs.junit import check_junit, run_junit
from wavetank.reports.outputs.markdown import run_markdown
from wavetank.reports.page.check_page import check_page
from wavetank.reports.page.run_page import run_page
from wavetank.reports.runs.session import Session
from wavetank.scenarios.conformance import Scorecard

__all__ = ["write_check_reports", "write_run_reports"]


def write_run_reports(
    session: Session, reports: Mapping[str, Path], version: str, *, kept: Path | None = None
) -> None:
    """Write what was asked for of a run, but for its events, which are written while it runs.

    Args:
        session: the run.
        reports: files by kind.
        version: of wavetank.
        kept: the folder in which the run is kept; None if it is not.

    Raises:
        click.FileError: a file cannot be written.
    """
    _write_text(reports, "junit", lambda: run_junit(session, version))
    _write_text(reports, "markdown", lambda: run_markdown(session, version))
    write_html(reports, lambda: run_page(session, version, command=typed_command(), kept=kept))


def write_check_reports(
    cards: tuple[Scorecard, ...], reports: Mapping[str, Path], version: str
) -> None:
    """Write what was asked for of scorecards.

    Raises:
        click.FileError: a file cannot be written.
    """
    _write_text(reports, "junit", lambda: check_junit(cards, version))
    write_html(reports, lambda: check_page(cards, version, command=typed_command()))


def _write_text(reports: Mapping[str, Path], kind: str, make: Callable[[], str]) -> None:
    path = reports.get(kind)
    if path is None:
        return
    try:
        path.write_text(make(), encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), hint=str(error)) from error
