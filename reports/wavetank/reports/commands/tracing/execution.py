"""Record a program, judge its crashes, and print what came of it."""

from __future__ import annotations

import time  # noqa: TID251 - how long a person is ready to wait is real time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

from wavetank.reports._version import version
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.commands.tracing.program import Asked, program_to_trace
from wavetank.reports.commands.tracing.text import trace_text
from wavetank.reports.documents import to_text
from wavetank.reports.documents.trace import trace_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.profile_files import choose_profiles
from wavetank.scenarios.code.errors import CheckError, WorkloadError
from wavetank.scenarios.code.verdicts import Extent
from wavetank.scenarios.traced import (
    CheckCommand,
    CommandError,
    CommandRuns,
    ImageProbing,
    NoRoomError,
    PersistentCheck,
    RecoveredCheck,
    RecoveryError,
    TracedRecoveries,
    TraceVerdict,
    crash_trace,
    recorder_named,
    recording_of,
)
from wavetank.sim import SAFE_PROFILES, ProfileFileError
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
    check: str
    is_observed: bool
    is_persistent: bool
    directory: Path | None
    ack: str | None
    recorder: str
    rebuilt: tuple[str, ...]
    with_stacks: bool
    profiles: tuple[str, ...]
    exhaustive: bool
    max_images: int | None
    max_seconds: float | None
    with_syncs: bool
    recover: str | None
    depth: int
    max_recoveries: int | None
    limit_s: float
    check_limit_s: float
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
    with _told_plainly():
        kind = PersistentCheck if settings.is_persistent else CheckCommand
        check = kind.of(settings.check, is_observed=settings.is_observed)
        recovery = _recovery(settings, check)
        extent = _extent(settings)
        trace = _trace(settings)
        if settings.save is not None:
            settings.save.write_bytes(trace_file(trace))
        verdict = _judged(settings, trace, check, recovery, extent)
    _lay_out(settings, verdict)
    if as_json:
        click.echo(to_text(trace_document(trace, verdict, version())))
    else:
        click.echo(trace_text(trace, verdict, version()))
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
        is_over=_clock(settings.max_seconds),
    )


def _clock(max_seconds: float | None) -> Callable[[], bool]:
    if max_seconds is None:
        return bool
    end_s = time.monotonic() + max_seconds
    return lambda: time.monotonic() > end_s


def _trace(settings: TraceSettings) -> Trace:
    if settings.saved is not None:
        return read_trace_file(settings.saved.read_bytes())
    asked = Asked(
        command=settings.command,
        directory=settings.directory,
        ack=settings.ack,
        rebuilt=settings.rebuilt,
        limit_s=settings.limit_s,
    )
    with program_to_trace(asked) as program:
        return recorder_named(settings.recorder, stacks=settings.with_stacks)(program)


def _judged(
    settings: TraceSettings,
    trace: Trace,
    check: CheckCommand | PersistentCheck,
    recovery: CheckCommand | None,
    extent: Extent,
) -> TraceVerdict:
    with ExitStack() as stack:
        if isinstance(check, PersistentCheck):
            stack.enter_context(check)
        is_apart = settings.recover is not None and recovery is not None
        runs = stack.enter_context(
            CommandRuns(
                RecoveredCheck(recovery, check) if is_apart and recovery else check,
                trace.directory,
                trace.tokens,
                limit_s=settings.check_limit_s,
                workers=settings.workers,
            )
        )
        return crash_trace(
            recording_of(trace),
            ImageProbing(runs),
            extent,
            is_observed=settings.is_observed,
            check_limit_s=settings.check_limit_s,
            recoveries=_recoveries(settings, trace, recovery, stack),
            with_syncs=settings.with_syncs,
        )


def _recovery(
    settings: TraceSettings, check: CheckCommand | PersistentCheck
) -> CheckCommand | None:
    """Return the command that recovers; None if nobody needs one."""
    if settings.recover is not None:
        return CheckCommand.of(settings.recover, name="recovery")
    return check if settings.depth and isinstance(check, CheckCommand) else None


def _recoveries(
    settings: TraceSettings, trace: Trace, recovery: CheckCommand | None, stack: ExitStack
) -> TracedRecoveries | None:
    if not settings.depth or recovery is None:
        return None
    recoveries = TracedRecoveries(
        recovery,
        trace.directory,
        recorder=recorder_named(settings.recorder, stacks=False),
        located=recorder_named(settings.recorder, stacks=settings.with_stacks),
        rebuilt=settings.rebuilt,
        limit_s=settings.check_limit_s,
    )
    return stack.enter_context(recoveries)


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
    return ExitCode.INCONCLUSIVE if is_open and settings.strict else ExitCode.OK
