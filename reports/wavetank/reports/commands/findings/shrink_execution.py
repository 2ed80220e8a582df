"""`wavetank shrink`, once its options are known."""

from __future__ import annotations

from pathlib import Path

import click

from wavetank.reports._version import version
from wavetank.reports.arguments.choices import import_from_here
from wavetank.reports.commands.tracing.findings import traced_finding
from wavetank.reports.documents import to_text
from wavetank.reports.documents.runs import shrink_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.run_text import screen_width
from wavetank.reports.stored.failures import (
    FailureStore,
    UnknownFailureError,
    UnreadableFailureError,
)
from wavetank.reports.stored.shrunk_failures import made_smaller
from wavetank.reports.stored.test_findings import TestFinding
from wavetank.reports.telling.story import render_story
from wavetank.scenarios import StoreNotFoundError
from wavetank.scenarios.shrinking import ClusterCaseError, NotShownError

__all__ = ["execute"]


def execute(name: str, *, budget: int, as_json: bool) -> ExitCode:
    """Make the failure of an id smaller, store and show it, and return what to exit with."""
    import_from_here()
    _require_shrinkable(name)
    store = FailureStore()
    if Path(name).is_file():
        raise click.UsageError(f"expected an id stored in {store.directory}, got the file {name}")
    try:
        stored = store.find(name)
    except (UnknownFailureError, UnreadableFailureError) as error:
        raise click.UsageError(str(error)) from error
    try:
        small = made_smaller(stored, budget=budget)
    except (ClusterCaseError, NotShownError, StoreNotFoundError) as error:
        click.echo(f"{name}: {error}", err=True)
        return ExitCode.INTERNAL
    store.save(small)
    if as_json:
        click.echo(to_text(shrink_document(name, small, version())))
    else:
        width = screen_width()
        click.echo(render_story(small.violation, small.case, found=small.found, width=width))
    return ExitCode.OK


def _require_shrinkable(name: str) -> None:
    """Refuse findings of programs and tests, whose workload is not a value that can be cut."""
    found_by = None
    if traced_finding(name) is not None:
        found_by = "`wavetank trace`"
    elif TestFinding.find(Path.cwd(), name) is not None:
        found_by = "a test"
    if found_by is not None:
        raise click.UsageError(
            f"{name} was found by {found_by}; expected a failure of `wavetank run`, `fuzz`, `zoo` "
            "or `explain`, whose steps can be left out"
        )
