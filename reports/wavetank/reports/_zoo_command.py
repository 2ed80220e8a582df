"""The options of `wavetank zoo`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._choices import UnknownChoiceError
from wavetank.reports._parameters import available_workers
from wavetank.reports._shared_options import format_option, workers_option

__all__ = ["zoo_command"]

_HELP: Final = """Hunt bugs that are planted in variants of the engine.

Each BUG (a name or a shell pattern; all by default) is hunted under every safe profile, and killed
if an invariant of the oracle is broken on an image that the profile allows. Without arguments, each
sync of the engine is left out in turn, to see whether it is needed, and each invariant of the
oracle, to see what is missed without it. Exit 1 if a bug survives, or if the engine itself is
accused of anything.

\b
Examples:
  wavetank zoo
  wavetank zoo S2 'A*'
"""


@click.command("zoo", help=_HELP)
@click.argument("bugs", metavar="[BUG]...", nargs=-1)
@workers_option
@format_option
def zoo_command(*, bugs: tuple[str, ...], workers: int | None, output_format: str) -> None:
    from wavetank.reports._zoo import execute  # noqa: PLC0415 - heavy

    processes = available_workers() if workers is None else workers
    try:
        code = execute(bugs, workers=processes, as_json=output_format == "json")
    except UnknownChoiceError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
