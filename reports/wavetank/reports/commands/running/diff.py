"""`wavetank diff`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports.commands.options import format_option

__all__ = ["diff_command"]

_HELP: Final = """Show the first event in which two runs part.

A and B are runs that are kept in .wavetank/runs, by name, or latest; folders; or files of events
(wavetank run --report ndjson=FILE). Exits with 0 if they are equal, 1 if not.

\b
Examples:
  wavetank diff 0-4f1c2d3e4f5a latest
  wavetank diff before.ndjson after.ndjson --format json
"""


@click.command("diff", help=_HELP)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@format_option
def diff_command(*, first: str, second: str, output_format: str) -> None:
    from wavetank.reports.commands.running.kept_runs_execution import execute_diff

    code = execute_diff(first, second, as_json=output_format == "json")
    click.get_current_context().exit(code)
