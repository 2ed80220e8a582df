"""`wavetank recheck`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports.commands.options import format_option, workers_option

__all__ = ["recheck_command"]

_HELP: Final = """Run a kept run again, and say what has changed.

RUN is a run that is kept in .wavetank/runs, by name, or latest; a folder; or a file of events. Its
plan is run with the code of today, scenarios and profiles of one's own included. Says whether the
store did the same to its disk, and which findings are new, gone or unchanged. Exits with 0 if
nothing is found now, 1 if something is.

\b
Examples:
  wavetank recheck latest
  wavetank recheck ci/0-4f1c2d3e4f5a --format json
"""


@click.command("recheck", help=_HELP)
@click.argument("run")
@workers_option
@format_option
def recheck_command(*, run: str, workers: int, output_format: str) -> None:
    from wavetank.reports.commands.running.kept_runs_execution import execute_recheck

    code = execute_recheck(run, workers=workers, as_json=output_format == "json")
    click.get_current_context().exit(code)
