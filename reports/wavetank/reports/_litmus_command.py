"""The options of `wavetank litmus`. Left out: what it does (_litmus.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from wavetank.reports._choices import UnknownChoiceError

__all__ = ["litmus_command"]

_HELP: Final = """Hold the simulated disk to litmus sets.

A litmus test is a small program with the exact set of states that a crash may leave of it, for each
profile. Every set is computed from the profile's rules and compared; exit 1 if one differs, with
the states that are missing (named, and never left) and extra (left, and not named).

\b
Examples:
  wavetank litmus
  wavetank litmus --file mine.json --profile ext4 --profile posix
"""


@click.command("litmus", help=_HELP)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Litmus tests as JSON.  [default: those that ship]",
)
@click.option(
    "--profile",
    multiple=True,
    metavar="NAME",
    help="Compare only the sets of this profile; may be repeated.  "
    "[default: every profile that a test names]",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints one document on stdout.",
)
def litmus_command(*, file: Path | None, profile: tuple[str, ...], output_format: str) -> None:
    from wavetank.reports._litmus import execute  # noqa: PLC0415 - heavy

    try:
        code = execute(file, profile, as_json=output_format == "json")
    except UnknownChoiceError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
