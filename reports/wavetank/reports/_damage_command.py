"""The options of `wavetank damage`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._choices import UnknownChoiceError
from wavetank.reports._parameters import available_workers
from wavetank.reports._shared_options import format_option, workers_option

__all__ = ["damage_command"]

_HELP: Final = """Damage stores in every place, and hold the engine to the right answer.

Each STORE (a name or a shell pattern; all by default) is damaged in every region of every file, by
eight kinds of damage, and opened in each recovery mode. Each answer is correct, detected, ambiguous
or undetectable, and right only where the rules allow that word. Exit 1 if any answer is wrong.

\b
Examples:
  wavetank damage
  wavetank damage '*, killed' --pairs 20000
"""


@click.command("damage", help=_HELP)
@click.argument("stores", metavar="[STORE]...", nargs=-1)
@click.option(
    "--pairs",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Judge N cells of two damages too, drawn over all stores.",
)
@workers_option
@format_option
def damage_command(
    *, stores: tuple[str, ...], pairs: int, workers: int | None, output_format: str
) -> None:
    from wavetank.reports._damage import execute  # noqa: PLC0415 - heavy

    processes = available_workers() if workers is None else workers
    try:
        code = execute(stores, pairs=pairs, workers=processes, as_json=output_format == "json")
    except UnknownChoiceError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
