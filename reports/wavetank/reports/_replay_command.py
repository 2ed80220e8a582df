"""`wavetank replay`: is a stored failure still there?"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.exit_codes import ExitCode

if TYPE_CHECKING:  # what stands here is heavy; the function that needs it imports it
    from wavetank.reports.failures import StoredFailure
    from wavetank.scenarios.replay import ReplayResult

__all__ = ["replay_command"]

_HELP: Final = """Look for a stored failure again.

FAILURE is the id that `wavetank run` printed, or a file. Prints FIXED (exit 0), FAILED (1), ERROR
(3: it cannot be replayed) or DIVERGED (3: two equal runs differ).

\b
Example:
  wavetank replay mixed-3d17f829
"""


@click.command("replay", help=_HELP)
@click.argument("failure")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints one document on stdout.",
)
def replay_command(failure: str, output_format: str) -> int:
    from wavetank.reports._version import version  # noqa: PLC0415 - heavy
    from wavetank.reports.documents import replay_document, to_text  # noqa: PLC0415 - heavy

    stored, result = _replayed(failure)
    if output_format == "json":
        click.echo(to_text(replay_document(failure, result, stored, version())))
    else:
        click.echo(_render(failure, stored, result))
    return _EXIT_CODES[result.verdict.value]


_EXIT_CODES: Final = {
    "fixed": ExitCode.OK,
    "failed": ExitCode.VIOLATION,
    "error": ExitCode.INTERNAL,
    "diverged": ExitCode.INTERNAL,
}


def _replayed(failure: str) -> tuple[StoredFailure | None, ReplayResult]:
    from wavetank.reports.failures import (  # noqa: PLC0415 - heavy
        FailureStore,
        UnknownFailureError,
        UnreadableFailureError,
    )
    from wavetank.scenarios.replay import (  # noqa: PLC0415 - heavy
        ReplayResult,
        ReplayVerdict,
        replay,
    )

    try:
        stored = FailureStore().find(failure)
    except UnknownFailureError as error:
        raise click.UsageError(f"{error}\n{_how_to_store(failure)}") from error
    except UnreadableFailureError as error:
        return None, ReplayResult(verdict=ReplayVerdict.ERROR, explanation=str(error))
    try:
        return stored, replay(stored.case)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the answer is ERROR
        click.echo(traceback.format_exc(), err=True)
        explanation = f"{type(error).__name__}: {error}"
        return stored, ReplayResult(verdict=ReplayVerdict.ERROR, explanation=explanation)


def _how_to_store(failure: str) -> str:
    from wavetank.scenarios import SCENARIOS  # noqa: PLC0415 - heavy

    scenario = failure.rpartition("-")[0]
    if scenario not in SCENARIOS:
        return "Failures are stored by `wavetank run` in the directory where it runs."
    return (
        "A failure found on another machine or in another directory is stored here by running "
        "the same scenario here, with the seed, profile and backend that its report names:\n"
        f"  wavetank run {scenario} --seed N --profile NAME --backend NAME"
    )


def _render(failure: str, stored: StoredFailure | None, result: ReplayResult) -> str:
    from wavetank.reports.story import Origin, render_story  # noqa: PLC0415 - heavy
    from wavetank.scenarios.replay import ReplayVerdict  # noqa: PLC0415 - heavy

    lines = [f"{result.verdict.value.upper()} {failure}: {result.explanation}"]
    if stored is not None and result.verdict is ReplayVerdict.FAILED:
        case = stored.case
        origin = Origin(
            scenario=case.scenario, seed=case.seed, profile=case.profile, backend=case.backend
        )
        lines += ["", render_story(result.violation or stored.violation, origin)]
    return "\n".join(lines)
