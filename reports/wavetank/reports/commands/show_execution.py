"""`wavetank show`, once its options are known."""

from __future__ import annotations

import click

from wavetank.reports._choices import import_from_here
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.failures import FailureStore, UnknownFailureError, UnreadableFailureError
from wavetank.reports.regressions import regression_test
from wavetank.reports.story import render_story
from wavetank.scenarios import StoreNotFoundError

__all__ = ["execute"]


def execute(name: str, *, as_pytest: bool) -> ExitCode:
    """Show the failure of an id or file, and return what to exit with."""
    import_from_here()
    try:
        stored = FailureStore().find(name)
    except (UnknownFailureError, UnreadableFailureError) as error:
        raise click.UsageError(str(error)) from error
    case, violation = stored.case, stored.violation
    if not as_pytest:
        click.echo(render_story(violation, case))
        return ExitCode.OK
    try:
        source = regression_test(case, name=violation.id, summary=violation.summary)
    except StoreNotFoundError as error:
        raise click.UsageError(f"{name} names what is no longer there: {error}") from error
    click.echo(source, nl=False)
    return ExitCode.OK
