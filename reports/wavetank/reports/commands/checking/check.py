"""The options of `wavetank check`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from wavetank.reports.commands.options import format_option, profile_option, report_option

__all__ = ["check_command"]

_IMAGES: Final = 6000
_IMAGES_OF_A_DRIVER: Final = 500
_LIMIT_S: Final = 120.0
_LIMIT_OF_A_DRIVER_S: Final = 900.0
# As in `wavetank.scenarios.stores.command`, for which help must not wait.
_COMMAND_PREFIX: Final = "command:"

_HELP: Final = """Run the conformance checks that apply to a Raft store.

BACKEND is a store that ships (`wavetank list stores`; all: each of them), a store that an installed
package names under the entry points wavetank.backends, or package.module:factory, where
factory(site) opens the store in site.directory. Instead of it, --command starts a driver: a program
in any language that answers the checks line by line (docs/driver-protocol.md). CHECKs are names,
groups or shell patterns (`wavetank list checks`); default: all that apply to the store's
capabilities. Checks that failed before are kept in .wavetank/checks and run first. Exits with 1 if
a check fails.

\b
Examples:
  wavetank check builtin
  wavetank check my_package.my_module:factory 'crash.*' --profile ext4
  wavetank check --command './my-driver {dir}'
  wavetank check all --scorecard docs/scorecards
"""


@click.command("check", help=_HELP)
@click.argument("backend", required=False)
@click.argument("checks", metavar="[CHECK]...", nargs=-1)
@click.option(
    "--command",
    metavar="COMMAND",
    default=None,
    help="Check the store that this program opens, in place of BACKEND; {dir} among its arguments "
    "stands for the store's directory. Crashes need strace.",
)
@profile_option(
    "Crash model for the checks of the group crash; may be repeated; 'all' means every model "
    "that is not a control.",
    name="profiles",
    default=("process-kill", "posix"),
)
@click.option(
    "--max-images",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help=f"Check at most N crash images per profile.  [default: {_IMAGES}; "
    f"{_IMAGES_OF_A_DRIVER} for a driver, each of which is a new process]",
)
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0.0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Stop a check after this real time; it then counts as failed.  "
    f"[default: {_LIMIT_S:g}; {_LIMIT_OF_A_DRIVER_S:g} for a driver]",
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
    backend: str | None,
    checks: tuple[str, ...],
    command: str | None,
    profiles: tuple[str, ...],
    max_images: int | None,
    limit_s: float | None,
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

    if command is not None:
        # No store stands before the checks then.
        checks = checks if backend is None else (backend, *checks)
        backend = f"{_COMMAND_PREFIX}{command}"
    if backend is None:
        raise click.UsageError("expected BACKEND or --command but got neither")
    is_driver = backend.startswith(_COMMAND_PREFIX)
    settings = CheckSettings(
        backend=backend,
        checks=checks,
        profiles=profiles,
        max_images=max_images or (_IMAGES_OF_A_DRIVER if is_driver else _IMAGES),
        limit_s=limit_s or (_LIMIT_OF_A_DRIVER_S if is_driver else _LIMIT_S),
        isolated=not in_process,
        scorecard=scorecard,
        reports=reports,
    )
    try:
        code = execute(settings, as_json=output_format == "json")
    except BackendUsageError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
