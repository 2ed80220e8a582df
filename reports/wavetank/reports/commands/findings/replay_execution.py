"""`wavetank replay`, once its options are known: find the failure, replay it, show the answer."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
from attrs import evolve

from wavetank.reports._version import version
from wavetank.reports.arguments.choices import import_from_here
from wavetank.reports.commands.tracing.findings import TraceFindingError, TraceFindings
from wavetank.reports.commands.tracing.replaying import replayed
from wavetank.reports.documents import to_text
from wavetank.reports.documents.runs import replay_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.run_text import screen_width
from wavetank.reports.stored.failures import (
    FailureStore,
    StoredFailure,
    UnknownFailureError,
    UnreadableFailureError,
)
from wavetank.reports.stored.test_findings import TestFinding
from wavetank.reports.telling.story import render_story
from wavetank.scenarios import ALL_SCENARIOS, ReplayResult, ReplayVerdict, replay

__all__ = ["execute"]

_EXIT_CODES: Final[Mapping[ReplayVerdict, ExitCode]] = MappingProxyType(
    {
        ReplayVerdict.FIXED: ExitCode.OK,
        ReplayVerdict.FAILED: ExitCode.VIOLATION,
        ReplayVerdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
        ReplayVerdict.ERROR: ExitCode.INTERNAL,
        ReplayVerdict.DIVERGED: ExitCode.INTERNAL,
    }
)

_JUDGED: Final = re.compile(r"^wavetank: (\d+) images judged again", re.MULTILINE)
"""What the pytest plugin prints."""


def execute(name: str, *, as_json: bool) -> ExitCode:
    """Replay the failure of an id or file, show the answer, and return what to exit with."""
    import_from_here()
    stored, result = _answer(name)
    if as_json:
        click.echo(to_text(replay_document(name, result, stored, version())))
    else:
        click.echo(_render(name, stored, result))
    return _EXIT_CODES[result.verdict]


def _answer(name: str) -> tuple[StoredFailure | None, ReplayResult]:
    finding = TestFinding.find(Path.cwd(), name)
    if finding is not None:
        return None, _tested_again(finding)
    findings = TraceFindings.holding(name)
    try:
        traced = findings.find(name)
    except TraceFindingError as error:
        return None, ReplayResult(verdict=ReplayVerdict.ERROR, explanation=str(error))
    if traced is not None:
        return None, replayed(traced, findings)
    try:
        stored = FailureStore().find(name)
    except UnknownFailureError as error:
        raise click.UsageError(f"{error}\n{_how_to_store(name)}") from error
    except UnreadableFailureError as error:
        return None, ReplayResult(verdict=ReplayVerdict.ERROR, explanation=str(error))
    return stored, _replayed(stored)


def _tested_again(finding: TestFinding) -> ReplayResult:
    """Run the test of a finding of `crash_test` again, under the profile of the finding."""
    file = finding.test.partition("::")[0]
    done = subprocess.run(  # noqa: S603 - the interpreter that runs, on a file of the user's
        [sys.executable, "-m", "pytest", "-q", file, "--wavetank-replay", finding.id],
        capture_output=True,
        text=True,
        check=False,
    )
    told = f"the test {finding.test} was run again under {finding.profile}"
    if done.returncode == 0:
        judged = _JUDGED.search(done.stdout)
        if judged is not None:
            told = f"{told} and passed: {judged[1]} images judged"
            return ReplayResult(verdict=ReplayVerdict.FIXED, explanation=told)
        told = f"{told} and did not fail, but it judged no image to the end; was it skipped?"
        return ReplayResult(verdict=ReplayVerdict.INCONCLUSIVE, explanation=told)
    if "CrashFinding" in done.stdout:
        story = done.stdout.rstrip()
        return ReplayResult(verdict=ReplayVerdict.FAILED, explanation=f"{told} and fails\n{story}")
    return ReplayResult(
        verdict=ReplayVerdict.ERROR,
        explanation=f"{told} and ended otherwise\n{(done.stdout + done.stderr).rstrip()}",
    )


def _replayed(stored: StoredFailure) -> ReplayResult:
    try:
        result = replay(stored.case)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the answer is ERROR
        click.echo(traceback.format_exc(), err=True)
        explanation = f"{type(error).__name__}: {error}"
        return ReplayResult(verdict=ReplayVerdict.ERROR, explanation=explanation)
    if result.violation is None:
        return result
    # A finding of today keeps the id under which it is stored.
    return evolve(result, violation=evolve(result.violation, id=stored.violation.id))


def _how_to_store(name: str) -> str:
    scenario = name.rpartition("-")[0]
    if scenario not in ALL_SCENARIOS:
        return "Failures are stored in the directory in which the run that found them began."
    return (
        "A failure found on another machine or in another directory is stored here by running "
        "the same scenario here, with the seed, profile and backend that its report names:\n"
        f"  wavetank run {scenario} --seed N --profile NAME --backend NAME"
    )


def _render(name: str, stored: StoredFailure | None, result: ReplayResult) -> str:
    lines = [f"{result.verdict.value.upper()} {name}: {result.explanation}"]
    if stored is not None and result.verdict is ReplayVerdict.FAILED:
        told = result.violation or stored.violation
        lines += ["", render_story(told, stored.case, found=stored.found, width=screen_width())]
    return "\n".join(lines)
