"""The options of `wavetank shrink`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports.commands.options import format_option

__all__ = ["shrink_command"]

_HELP: Final = """Make a stored failure smaller.

FAILURE is the id that `wavetank run` printed. Leaves out steps, values, options, faults, tasks,
departures of the schedule, crashes inside recoveries and lost micro-ops as long as the failure
shows. What is left is stored under the same id; the next call goes on from there. Exits with 0, or
3 if the failure does not show any more.

\b
Example:
  wavetank shrink mixed-4259e7fa651c --budget 20000
"""


@click.command("shrink", help=_HELP)
@click.argument("failure")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=5_000,
    show_default=True,
    metavar="N",
    help="Images and runs to judge at most.",
)
@format_option
def shrink_command(failure: str, budget: int, output_format: str) -> None:
    from wavetank.reports.commands.findings.shrink_execution import execute

    as_json = output_format == "json"
    click.get_current_context().exit(execute(failure, budget=budget, as_json=as_json))
