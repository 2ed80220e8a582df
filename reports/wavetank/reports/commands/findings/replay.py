"""The options of `wavetank replay`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports.commands.options import format_option

__all__ = ["replay_command"]

_HELP: Final = """Check whether a stored failure still happens.

FAILURE is the id that `wavetank run`, `wavetank trace` or a test printed, or a file. Prints FIXED
(exit code 0), FAILED (1), INCONCLUSIVE (4: not all could be judged again), ERROR (3: it cannot be
replayed) or DIVERGED (3: two equal runs differ).

\b
Example:
  wavetank replay mixed-4259e7fa651c
"""


@click.command("replay", help=_HELP)
@click.argument("failure")
@format_option
def replay_command(failure: str, output_format: str) -> None:
    from wavetank.reports.commands.findings.replay_execution import execute

    click.get_current_context().exit(execute(failure, as_json=output_format == "json"))
