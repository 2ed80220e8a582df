"""`wavetank diff` and `wavetank recheck`, once their options are known."""

from __future__ import annotations

import os  # noqa: TID251 - NO_COLOR is part of the environment
import sys
from collections.abc import Iterator, Sequence

import click

from wavetank.reports._version import version
from wavetank.reports.arguments.choices import choose_store
from wavetank.reports.documents import to_text
from wavetank.reports.documents.events import EventError, read_events
from wavetank.reports.documents.kept_runs import diff_document, recheck_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.event_lines import short_line
from wavetank.reports.outputs.progress import progress_on
from wavetank.reports.runs.differences import Difference, first_difference
from wavetank.reports.runs.folders import RunFolders
from wavetank.reports.runs.keeping import store_failures
from wavetank.reports.runs.rechecking import FoundEvent, NoPlanError, Recheck, recheck
from wavetank.reports.runs.session import Session, run_session
from wavetank.reports.stored.failures import StoredFailure
from wavetank.reports.telling.next_commands import replay_command
from wavetank.scenarios import (
    OptionError,
    PlainStoreError,
    RunPlan,
    UnfitForClusterError,
    UnknownNameError,
    UnschedulableStoreError,
    Verdict,
)

__all__ = ["execute_diff", "execute_recheck"]


def execute_diff(first: str, second: str, *, as_json: bool) -> ExitCode:
    """Compare two runs, show where they part, and return what to exit with.

    Raises:
        click.UsageError: one of the names stands for no run.
    """
    folders = RunFolders()
    paths = folders.events_of(first), folders.events_of(second)
    try:
        difference = first_difference(*map(read_events, paths))
    except (EventError, OSError) as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(to_text(diff_document((first, second), difference, version())))
    else:
        click.echo("\n".join(_diff_lines((first, second), difference)))
    return ExitCode.OK if difference is None else ExitCode.VIOLATION


def execute_recheck(name: str, *, workers: int, as_json: bool) -> ExitCode:
    """Run a kept run again, show what has changed, and return what to exit with.

    Raises:
        click.UsageError: the name stands for no run, or one that cannot be run here.
    """

    def run(plan: RunPlan) -> Session:
        choose_store(plan.backend)
        with progress_on(sys.stderr, color="NO_COLOR" not in os.environ) as listener:
            session = run_session(plan, workers=workers, listener=listener)
        if session.error is not None:
            raise session.error
        return session

    path = RunFolders().events_of(name)
    try:
        answer = recheck(list(read_events(path)), run)
    except (
        EventError,
        NoPlanError,
        OSError,
        OptionError,
        PlainStoreError,
        UnfitForClusterError,
        UnknownNameError,
        UnschedulableStoreError,
    ) as error:
        raise click.UsageError(f"{path}: {error}") from error
    new = {found.id for _, found in answer.new}
    store_failures(
        StoredFailure(case=case, violation=violation, version=version())
        for case, violation in answer.session.violations
        if violation.id in new
    )
    if as_json:
        click.echo(to_text(recheck_document(name, answer, version())))
    else:
        click.echo("\n".join(_recheck_lines(name, answer)))
    return _exit_code(answer.session)


def _exit_code(session: Session) -> ExitCode:
    if session.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.VIOLATION if session.verdict is Verdict.FAIL else ExitCode.OK


def _diff_lines(names: tuple[str, str], difference: Difference | None) -> Iterator[str]:
    if difference is None:
        yield "EQUAL: every event of the two runs is the same"
        return
    yield f"DIFFERENT from event {difference.number} on{_of_members(difference)}"
    for name, event in zip(names, difference.events, strict=True):
        yield f"  {name}:"
        yield f"    {'nothing more' if event is None else short_line(event).strip()}"


def _of_members(difference: Difference) -> str:
    return f", in {', '.join(difference.members)}" if difference.members else ""


def _recheck_lines(name: str, answer: Recheck) -> Iterator[str]:
    verdict = answer.verdict.value.upper()
    counts = f"{len(answer.new)} new, {len(answer.gone)} gone, {len(answer.unchanged)} unchanged"
    yield f"{verdict} {name}: {counts}"
    if answer.work is None:
        yield "The store did the same to its disk as then."
    else:
        yield "The store did something else than then, from here on:"
        for word, event in zip(("then", "now"), answer.work.events, strict=True):
            yield f"  {word:<5} {'nothing more' if event is None else short_line(event).strip()}"
    yield from _finding_lines("new", answer.new)
    yield from _finding_lines("gone", answer.gone)
    yield from _finding_lines("unchanged", answer.unchanged)
    for _, found in answer.new:
        yield f"Reproduce: {replay_command(found.id)}"
    if answer.session.remaining:
        yield f"Interrupted: {len(answer.session.remaining)} scenarios were not compared."


def _finding_lines(word: str, found: Sequence[FoundEvent]) -> Iterator[str]:
    for event, finding in found:
        options = f" [{','.join(event.options)}]" if event.options else ""
        place = f"{event.scenario}{options} seed {event.seed} {event.profile}"
        yield f"  {word:<10}{finding.id}  {finding.invariant}  {place}: {finding.summary}"
