"""The options of `wavetank check`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from wavetank.reports.commands.options import format_option, report_option

__all__ = ["check_command"]

_HELP: Final = """Run the conformance checks that apply to a Raft store.

BACKEND is a store that ships (`wavetank list stores`; all: each of them), a store that an installed
package names under the entry points wavetank.backends, or package.module:factory, where
factory(site) opens the store in site.directory. CHECKs are names, groups or shell patterns
(`wavetank list checks`); default: all that apply to the store's capabilities. Checks that failed
before are kept in .wavetank/checks and run first. Exits with 1 if a check fails.

\b
Examples:
  wavetank check builtin
  wavetank check my_package.my_module:factory 'crash.*' --profile ext4
  wavetank check all --scorecard docs/scorecards
"""


@click.command("check", help=_HELP)
@click.argument("backend")
@click.argument("checks", metavar="[CHECK]...", nargs=-1)
@click.option(
    "--profile",
    "--profiles",
    "profiles",
    multiple=True,
    default=("process-kill", "posix"),
    show_default=True,
    metavar="NAME|FILE",
    help="Crash model for the checks of the group crash; may be repeated; 'all' means every model "
    "that is not a control.",
)
@click.option(
    "--max-images",
    type=click.IntRange(min=1),
    default=6000,
    show_default=True,
    metavar="N",
    help="Check at most N crash images per profile.",
)
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0.0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop a check after this real time; it then counts as failed.",
)
@click.option(
    "--in-process",
    is_flag=True,
    help="Run the checks in this process, for a debugger, instead of in forked ones.",
)
@click.option(
    "--scorecard",
    type=click.Path(file_okay=False),
    default=None,
    metavar="DIR",
    help="Also write each scorecard to DIR as a Markdown page.",
)
@format_option
@report_option("html", "junit")
def check_command(
    *,
    backend: str,
    checks: tuple[str, ...],
    profiles: tuple[str, ...],
    max_images: int,
    limit_s: float,
    in_process: bool,
    scorecard: str | None,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports.commands.checking.execution import (
        BackendUsageError,
        CheckSettings,
        execute,
    )

    settings = CheckSettings(
        backend=backend,
        checks=checks,
        profiles=profiles,
        max_images=max_images,
        limit_s=limit_s,
        isolated=not in_process,
        scorecard=scorecard,
        reports=reports,
    )
    try:
        code = execute(settings, as_json=output_format == "json")
    except BackendUsageError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
