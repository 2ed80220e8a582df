"""The options of `wavetank explain`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports.commands.options import format_option

__all__ = ["explain_command"]

_HELP: Final = """Say why a failure came about, and what would have prevented it.

FAILURE is the id that `wavetank run` or `wavetank trace` printed, a file, or a bug that `wavetank
zoo` plants. The failure is judged again. For its cure a sync of each file and directory is tried
between any two calls, and orders of what is there; the cheapest is named with which no image of
that crash point shows the failure. Exits with 0, or 3 if the failure does not show any more. What
`wavetank trace` found is told as it was stored, with its cure.

\b
Examples:
  wavetank explain follower-catchup-79f7d74e5d63
  wavetank explain S2
"""


@click.command("explain", help=_HELP)
@click.argument("failure")
@format_option
def explain_command(failure: str, output_format: str) -> None:
    from wavetank.reports.commands.findings.explain_execution import execute

    click.get_current_context().exit(execute(failure, as_json=output_format == "json"))
