"""The options of `wavetank check`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._shared_options import format_option

__all__ = ["check_command"]

_HELP: Final = """Ask a Raft store every check that its capabilities call for.

BACKEND is a store that ships (wavetank list stores; all for each of them), one that an installed
package names under the entry points wavetank.backends, or package.module:factory, where
factory(site) opens the store in site.directory. CHECKs are names, groups or shell patterns
(wavetank list checks); all by default. Checks that have failed before are kept in .wavetank/checks
and asked first. Exit 1 if one fails.

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
    "profiles",
    multiple=True,
    default=("process-kill", "posix"),
    show_default=True,
    metavar="NAME|FILE",
    help="What a crash may lose, in the checks of the group crash; all for every safe profile.",
)
@click.option(
    "--max-images",
    type=click.IntRange(min=1),
    default=6000,
    show_default=True,
    metavar="N",
    help="Crash images tried per profile.",
)
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0.0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Real time after which a check is stopped, and counts as failed.",
)
@click.option(
    "--in-process",
    is_flag=True,
    help="Ask in this process, where a debugger can follow, instead of in forks.",
)
@click.option(
    "--scorecard",
    type=click.Path(file_okay=False),
    default=None,
    metavar="DIR",
    help="Write each scorecard to DIR too, as a page in Markdown.",
)
@format_option
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
) -> None:
    from wavetank.reports._check import (  # noqa: PLC0415 - heavy
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
    )
    try:
        code = execute(settings, as_json=output_format == "json")
    except BackendUsageError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
