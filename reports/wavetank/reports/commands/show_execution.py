"""`wavetank show`, once its options are known."""

from __future__ import annotations

from pathlib import Path

import click

from wavetank.reports._choices import import_from_here
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.failures import FailureStore, UnknownFailureError, UnreadableFailureError
from wavetank.reports.regressions import regression_test
from wavetank.reports.story import render_story
from wavetank.reports.test_findings import TestFinding
from wavetank.scenarios import StoreNotFoundError

__all__ = ["execute"]


def execute(name: str, *, as_pytest: bool) -> ExitCode:
    """Show the failure of an id or file, and return what to exit with."""
    import_from_here()
    finding = TestFinding.find(Path.cwd(), name)
    if finding is not None:
        return _show_test(finding, as_pytest=as_pytest)
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


def _show_test(finding: TestFinding, *, as_pytest: bool) -> ExitCode:
    """Show a finding of `crash_test`, which is a test already."""
    if as_pytest:
        raise click.UsageError(
            f"--as pytest: {finding.id} was found by a test, {finding.test}; run that: "
            f"pytest '{finding.test}' --wavetank-replay {finding.id}"
        )
    click.echo(f"{finding.id}: {finding.test}\n\n{finding.story}")
    return ExitCode.OK
