"""Record a program, judge its crashes, and print what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

from wavetank.reports._version import version
from wavetank.reports.arguments.profile_files import choose_profiles
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.commands.tracing.checks import AskedCheck
from wavetank.reports.commands.tracing.findings import TraceFindings, trace_findings
from wavetank.reports.commands.tracing.program import Asked, program_to_trace
from wavetank.reports.commands.tracing.text import trace_text
from wavetank.reports.documents import to_text
from wavetank.reports.documents.trace import trace_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.termination import terminated_as_interrupted
from wavetank.scenarios.code.crashing.verdicts import Extent
from wavetank.scenarios.code.errors import CheckError, WorkloadError
from wavetank.scenarios.traced import (
    CommandError,
    NoRoomError,
    RecoveryError,
    TraceVerdict,
    crash_trace,
    recorder_named,
    recording_of,
)
from wavetank.sim import SAFE_PROFILES, ProfileFileError
from wavetank.sim.python_files import Deadline
from wavetank.sim.traces import (
    ProgramError,
    RecorderMissingError,
    Trace,
    TraceError,
    read_trace_file,
    trace_file,
)

if TYPE_CHECKING:
    from wavetank.reports.page.blocks import Page

__all__ = ["NotJudgedError", "TraceSettings", "execute"]


class NotJudgedError(click.ClickException):
    """Nothing could be judged: the command, the check or the machine is to blame."""

    exit_code = ExitCode.USAGE


@frozen(kw_only=True)
class TraceSettings:
    """What was asked for; see `wavetank trace --help`."""

    command: tuple[str, ...]
    check: AskedCheck
    directory: Path | None
    ack: str | None
    profiles: tuple[str, ...]
    exhaustive: bool
    max_images: int | None
    max_seconds: float | None
    with_syncs: bool
    depth: int
    max_recoveries: int | None
    limit_s: float
    save: Path | None
    saved: Path | None
    lay_out: Path | None
    strict: bool
    workers: int
    reports: Mapping[str, Path]


def execute(settings: TraceSettings, *, as_json: bool) -> ExitCode:
    """Record or read a trace, judge it, print what came of it.

    Args:
        settings: what was asked for.
        as_json: print a document instead of text.

    Raises:
        NotJudgedError: the message says why.
    """
    with _told_plainly(), terminated_as_interrupted():
        settings.check.require_runnable()
        extent = _extent(settings)
        trace = _trace(settings)
        if settings.save is not None:
            settings.save.write_bytes(trace_file(trace))
        verdict = _judged(settings, trace, extent)
    _lay_out(settings, verdict)
    stored = _stored(settings, trace, verdict)
    if as_json:
        click.echo(to_text(trace_document(trace, verdict, stored, version())))
    else:
        click.echo(trace_text(trace, verdict, stored, version()))
    write_html(settings.reports, lambda: _page(trace, verdict))
    return _exit_code(settings, verdict)


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except ProfileFileError as error:
        raise click.UsageError(str(error.args[0] if error.args else error)) from error
    except ProgramError as error:
        told = str(error).removeprefix("work: ").strip()
        raise NotJudgedError(f"nothing was judged: COMMAND: {told}") from error
    except (
        CheckError,
        CommandError,
        NoRoomError,
        OSError,
        RecorderMissingError,
        RecoveryError,
        TraceError,
        WorkloadError,
    ) as error:
        raise NotJudgedError(f"nothing was judged: {error}") from error


def _extent(settings: TraceSettings) -> Extent:
    chosen = choose_profiles(settings.profiles, everything=SAFE_PROFILES)
    return Extent(
        profiles=tuple(each.profile for each in chosen),
        exhaustive=settings.exhaustive,
        max_images=settings.max_images,
        depth=settings.depth,
        max_recoveries=settings.max_recoveries,
        is_over=bool if settings.max_seconds is None else Deadline(settings.max_seconds).is_over,
    )


def _trace(settings: TraceSettings) -> Trace:
    if settings.saved is not None:
        return read_trace_file(settings.saved.read_bytes())
    asked = Asked(
        command=settings.command,
        directory=settings.directory,
        ack=settings.ack,
        rebuilt=settings.check.rebuilt,
        limit_s=settings.limit_s,
    )
    with program_to_trace(asked) as program:
        return recorder_named(settings.check.recorder, stacks=settings.check.with_stacks)(program)


def _judged(settings: TraceSettings, trace: Trace, extent: Extent) -> TraceVerdict:
    check = settings.check
    with ExitStack() as stack:
        probing = check.probing(trace.directory, trace.tokens, settings.workers)
        recoveries = None
        if settings.depth:
            recoveries = stack.enter_context(check.recoveries(trace.directory))
        return crash_trace(
            recording_of(trace),
            stack.enter_context(probing),
            extent,
            is_observed=check.is_observed,
            check_limit_s=check.limit_s,
            recoveries=recoveries,
            with_syncs=settings.with_syncs,
        )


def _stored(settings: TraceSettings, trace: Trace, verdict: TraceVerdict) -> tuple[str, ...]:
    """Store the findings for `wavetank replay` and return their ids; () if that fails."""
    findings, ids = TraceFindings(), list[str]()
    found = trace_findings(
        trace,
        verdict.report.findings,
        check=settings.check,
        command=typed_command(),
        version=version(),
    )
    try:
        for each, content, image in found:
            findings.save(each, content, image)
            ids.append(each.id)
    except OSError as error:
        click.echo(f"findings could not be stored in {findings.directory}: {error}", err=True)
        return ()
    return tuple(ids)


def _lay_out(settings: TraceSettings, verdict: TraceVerdict) -> None:
    if settings.lay_out is None:
        return
    for number, finding in enumerate(verdict.report.findings, 1):
        finding.lay_out(settings.lay_out / str(number))


def _page(trace: Trace, verdict: TraceVerdict) -> Page:
    from wavetank.reports.page.trace_page import trace_page

    return trace_page(trace, verdict, version(), typed_command())


def _exit_code(settings: TraceSettings, verdict: TraceVerdict) -> ExitCode:
    if verdict.report.outcome == "fail":
        return ExitCode.VIOLATION
    is_open = verdict.report.outcome == "inconclusive"
    # What has looked at nothing has not passed, whoever asks.
    is_blind = all(each.images == each.too_slow for each in verdict.report.verdicts.values())
    return ExitCode.INCONCLUSIVE if is_open and (settings.strict or is_blind) else ExitCode.OK
