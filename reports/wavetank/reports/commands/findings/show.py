"""The options of `wavetank show`."""

from __future__ import annotations

from typing import Final

import click

__all__ = ["show_command"]

_HELP: Final = """Show a stored failure.

FAILURE is the id that `wavetank run` or `wavetank trace` printed, or a file. With --as pytest,
prints a test that fails while the bug is there and passes once it is fixed. With --as toml, prints
what was run as a scenario file (docs/scenario-files.md), to run it in another way. With --as html,
runs it once more and prints a page with its timeline (docs/html-report.md).

\b
Examples:
  wavetank show mixed-4259e7fa651c --as pytest > test_regression.py
  wavetank show mixed-4259e7fa651c --as html > failure.html
"""


@click.command("show", help=_HELP)
@click.argument("failure")
@click.option(
    "--as",
    "shape",
    type=click.Choice(["text", "pytest", "toml", "html"]),
    default="text",
    show_default=True,
    help="pytest prints a test that runs by itself, toml a scenario file with what was run, html a "
    "page to open in a browser.",
)
def show_command(failure: str, shape: str) -> None:
    from wavetank.reports.commands.findings.show_execution import execute

    click.get_current_context().exit(execute(failure, shape))
