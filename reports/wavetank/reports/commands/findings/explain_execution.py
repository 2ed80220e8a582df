"""`wavetank explain`, once its options are known: judge the failure again, and tell why."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Final

import click

from wavetank.reports._version import version
from wavetank.reports.arguments.choices import import_from_here
from wavetank.reports.commands.tracing.findings import TraceFinding, traced_finding
from wavetank.reports.documents import to_text
from wavetank.reports.documents.explanation import explain_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.stored.failures import (
    FailureStore,
    StoredFailure,
    UnknownFailureError,
    UnreadableFailureError,
)
from wavetank.reports.stored.test_findings import TestFinding
from wavetank.reports.telling.next_commands import replay_command
from wavetank.reports.telling.sentences import chain_sentences, cure_sentence, first_sentence
from wavetank.scenarios import (
    Case,
    StoreNotFoundError,
    Violation,
    explain_case,
)
from wavetank.scenarios.mutants import BUGS, RACES, planted_case

__all__ = ["execute", "explanation_text"]

_WIDTH: Final = 100
_LABEL: Final = 12


def execute(name: str, *, as_json: bool) -> ExitCode:
    """Explain the failure of an id or file, or of a planted bug, and return what to exit with.

    Args:
        name: the id, the file, or the bug.
        as_json: whether the answer is a JSON document.
    """
    import_from_here()
    finding = TestFinding.find(Path.cwd(), name)
    if finding is not None:
        return _explain_test(finding, as_json=as_json)
    traced = traced_finding(name)
    if traced is not None:
        return _explain_trace(traced, as_json=as_json)
    case = _case(name)
    try:
        story = explain_case(case)
    except StoreNotFoundError as error:
        raise click.UsageError(f"{name} names what is no longer there: {error}") from error
    except ValueError as error:
        click.echo(f"{name}: {error}", err=True)
        return ExitCode.INTERNAL
    if case.store.startswith(planted_case.__module__):
        FailureStore().save(StoredFailure(case=case, violation=story, version=version()))
    if as_json:
        click.echo(to_text(explain_document(story, case, version())))
    else:
        click.echo(explanation_text(story, case))
    return ExitCode.OK


def _case(name: str) -> Case:
    """Return what brings a failure back.

    Raises:
        click.UsageError: there is no such failure, and no such bug.
    """
    try:
        return FailureStore().find(name).case
    except UnreadableFailureError as error:
        raise click.UsageError(str(error)) from error
    except UnknownFailureError as error:
        if name not in {**BUGS, **RACES}:
            raise click.UsageError(f"{error}, or a bug of `wavetank zoo`") from error
    found = planted_case(name)
    if found is None:
        raise click.UsageError(f"{name}: the bug survives, so that nothing is there to explain")
    return found


def _explain_test(finding: TestFinding, *, as_json: bool) -> ExitCode:
    """Show a finding of `crash_test`, whose story has its cure already."""
    if as_json:
        raise click.UsageError(
            f"--format json: {finding.id} was found by a test, {finding.test}, whose report has it"
        )
    click.echo(f"{finding.id}: {finding.test}\n\n{finding.story}")
    return ExitCode.OK


def _explain_trace(finding: TraceFinding, *, as_json: bool) -> ExitCode:
    """Show a finding of `wavetank trace`, whose cure was found by trying when it was stored."""
    if as_json:
        raise click.UsageError(
            f"--format json: {finding.id} was found by `wavetank trace`, whose document has its "
            f"cause and cure: {finding.command or 'wavetank trace'} --format json"
        )
    click.echo(finding.text())
    return ExitCode.OK


def explanation_text(story: Violation, case: Case) -> str:
    """Return an explanation of one screen.

    Args:
        story: with its chain.
        case: what brings it back.
    """
    run_of = f"{case.workload.name}, seed {case.workload.seed}, {case.profile.name}, {case.store}"
    lines = [f"{story.id}: {run_of}", "", *wrap(first_sentence(story), _WIDTH), ""]
    for number, sentence in enumerate(chain_sentences(story) or (story.why,), 1):
        lines += wrap(sentence, _WIDTH, initial_indent=f"  {number}. ", subsequent_indent="     ")
    lines += ["", *_labelled("cure", _capital(cure_sentence(story)))]
    tried = None if story.chain is None else story.chain.tried
    if tried is not None:
        lines += _labelled(
            "tried",
            f"{tried.syncs} single syncs and {tried.orders} orders, of which {tried.impossible} "
            f"make this image impossible; {tried.images} images judged to verify them",
        )
    lines += _labelled("profiles", f"allowed by {', '.join(story.profiles)}")
    if story.crash is not None:
        forbidden = " or ".join(story.rules)
        lines += _labelled(
            "rules",
            f"a filesystem forbids it if {forbidden}"
            if forbidden
            else "no single promise of a filesystem would forbid it",
        )
    return "\n".join([*lines, f"Reproduce: {replay_command(story.id)}"])


def _labelled(label: str, sentence: str) -> list[str]:
    return wrap(
        sentence,
        _WIDTH,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
