"""`wavetank show`, once its options are known."""

from __future__ import annotations

from pathlib import Path

import click
from attrs import evolve

from wavetank.reports._version import version
from wavetank.reports.arguments.choices import import_from_here
from wavetank.reports.commands.tracing.findings import TraceFinding, traced_finding
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.run_text import screen_width
from wavetank.reports.page.failure_pages import failure_page
from wavetank.reports.page.rendering import render_page
from wavetank.reports.stored.failures import (
    FailureStore,
    StoredFailure,
    UnknownFailureError,
    UnreadableFailureError,
)
from wavetank.reports.stored.regressions import regression_test
from wavetank.reports.stored.test_findings import TestFinding
from wavetank.reports.telling.story import render_story
from wavetank.scenarios import (
    Case,
    Evidence,
    ReplayVerdict,
    Scenario,
    StoreNotFoundError,
    evidence_of,
    explain_case,
    replay,
    scenario_to_toml,
)
from wavetank.scenarios.scenario_files.scenario import FIXPOINT
from wavetank.sim import PROFILES

__all__ = ["execute"]


def execute(name: str, shape: str) -> ExitCode:
    """Show the failure of an id or file, and return what to exit with.

    Args:
        name: the id, or the file.
        shape: ``text``, ``pytest``, ``toml`` or ``html``.
    """
    import_from_here()
    finding = TestFinding.find(Path.cwd(), name)
    if finding is not None:
        return _show_test(finding, shape)
    traced = traced_finding(name)
    if traced is not None:
        return _show_trace(traced, shape)
    try:
        stored = FailureStore().find(name)
    except (UnknownFailureError, UnreadableFailureError) as error:
        raise click.UsageError(str(error)) from error
    try:
        click.echo(_shown(stored, name, shape), nl=shape == "text")
    except StoreNotFoundError as error:
        raise click.UsageError(f"{name} names what is no longer there: {error}") from error
    return ExitCode.OK


def _shown(stored: StoredFailure, name: str, shape: str) -> str:
    """Return a failure in the shape that was asked for.

    Raises:
        StoreNotFoundError: the shape needs its store, which is no longer there.
    """
    case, violation = stored.case, stored.violation
    if shape == "text":
        return render_story(violation, case, found=stored.found, width=screen_width())
    if shape == "toml":
        return scenario_to_toml(_scenario(case, name))
    if shape == "html":
        evidence = _evidence(case, name)
        return render_page(failure_page(_explained(stored), evidence, version()))
    return regression_test(case, name=violation.id, summary=violation.summary)


def _explained(stored: StoredFailure) -> StoredFailure:
    """Return a failure with its cheapest cure, which a run does not look for.

    Of tasks that ran beside one another, looking for it would take minutes.
    """
    if stored.case.workload.tasks:
        return stored
    story = explain_case(stored.case)
    return evolve(stored, violation=evolve(story, shrunk=stored.violation.shrunk))


def _evidence(case: Case, name: str) -> Evidence:
    """Return what a case shows when it is run again.

    Raises:
        StoreNotFoundError: its store is no longer there.
        click.UsageError: the store does other things now, so that nothing is shown.
    """
    try:
        evidence = evidence_of(case)
    except ValueError as error:
        raise click.UsageError(f"--as html: {name} does not run as it did: {error}") from error
    again = replay(case)
    if again.verdict is not ReplayVerdict.FAILED:
        verdict = again.verdict.value.upper()
        raise click.UsageError(
            f"--as html: {name} does not fail as it did: {verdict}, {again.explanation}"
        )
    return evidence


def _scenario(case: Case, name: str) -> Scenario:
    """Return the scenario of all that was run when a case was found.

    Raises:
        click.UsageError: it was found in a store that was damaged at rest.
    """
    if case.at_rest is not None:
        raise click.UsageError(
            f"--as toml: {name} damages a store at rest, which a scenario file cannot say"
        )
    return evolve(
        Scenario.of(case.workload),
        store=case.store,
        profiles=(case.profile.name,),
        own_profiles=() if case.profile in PROFILES else (case.profile,),
        depth=FIXPOINT if case.depth is None else case.depth,
    )


def _show_test(finding: TestFinding, shape: str) -> ExitCode:
    """Show a finding of `crash_test`, which is a test already."""
    if shape != "text":
        raise click.UsageError(
            f"--as {shape}: {finding.id} was found by a test, {finding.test}; run that: "
            f"pytest '{finding.test}' --wavetank-replay {finding.id}"
        )
    click.echo(f"{finding.id}: {finding.test}\n\n{finding.story}")
    return ExitCode.OK


def _show_trace(finding: TraceFinding, shape: str) -> ExitCode:
    """Show a finding of `wavetank trace`, which is a program's and no scenario's."""
    if shape != "text":
        raise click.UsageError(
            f"--as {shape}: {finding.id} was found by `wavetank trace`, of whose findings there is "
            f"text; a page is made by --report html=FILE of that command"
        )
    click.echo(finding.text())
    return ExitCode.OK
