"""The options of `wavetank sweep`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._choices import UnknownChoiceError
from wavetank.reports._parameters import available_workers
from wavetank.reports._shared_options import format_option, workers_option

__all__ = ["sweep_command"]

_HELP: Final = """Let every filesystem operation fail in turn, and look for what the engine loses.

Of each SCENARIO (a name or a shell pattern; all by default) the first steps run again and again,
each time with a fault at another operation: errors before, within and after it, full disks, no
descriptors, short reads and writes, once and from then on. Then the same is done to every recovery
from a power cut in them. Exit 1 if a store is wrong after a fault.

\b
Examples:
  wavetank sweep
  wavetank sweep mixed '*-snapshot' --operations 60
"""


@click.command("sweep", help=_HELP)
@click.argument("scenarios", metavar="[SCENARIO]...", nargs=-1)
@click.option(
    "--operations",
    type=click.IntRange(min=40),
    default=150,
    show_default=True,
    metavar="N",
    help="Cut scenarios off after at most N operations; the work grows with the square.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every scenario."
)
@workers_option
@format_option
def sweep_command(
    *,
    scenarios: tuple[str, ...],
    operations: int,
    seed: int,
    workers: int | None,
    output_format: str,
) -> None:
    from wavetank.reports._sweep import SweepRequest, execute  # noqa: PLC0415 - heavy

    request = SweepRequest(
        scenarios=scenarios,
        operations=operations,
        seed=seed,
        workers=available_workers() if workers is None else workers,
        as_json=output_format == "json",
    )
    try:
        code = execute(request)
    except UnknownChoiceError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
