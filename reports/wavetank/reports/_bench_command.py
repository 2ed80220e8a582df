"""The options of `wavetank bench`. What it does is in _bench.py."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from wavetank.reports._choices import UnknownChoiceError
from wavetank.reports._shared_options import format_option

__all__ = ["LEAST_ROUNDS", "bench_command"]

LEAST_ROUNDS: Final = 7

_HELP: Final = """Measure the engine against its peers on a real disk.

Every figure is a ratio to a peer in the same run: contenders take turns in rounds, and the median
of the rounds is shown with the lowest and highest. Peers are the bare system calls, SQLite, lmdb,
the journal of PySyncObj and rocksdict; those that are not installed are named. Exit 0 whatever the
figures are; exit 1 if the engine returns wrong data or refuses.

\b
Examples:
  wavetank bench engine --quick
  wavetank bench engine --only 'append-*' --directory DIR --format json
"""


@click.command("bench", help=_HELP)
@click.argument("subject", type=click.Choice(["engine"]))
@click.option("--quick", is_flag=True, help="Less work in each round; under a minute in all.")
@click.option(
    "--rounds",
    type=click.IntRange(min=LEAST_ROUNDS),
    default=LEAST_ROUNDS,
    show_default=True,
    metavar="N",
    help="How often each contender takes its turn.",
)
@click.option(
    "--only",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="A measurement, or a shell pattern of their names; may be given again.",
)
@click.option(
    "--entries",
    type=click.IntRange(min=1000),
    metavar="N",
    help="Entries of the log that is read and opened; 1,000,000 by default, 100,000 with --quick.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default=Path(),
    show_default="the working directory",
    metavar="DIR",
    help="Where to work, in a new directory that is removed afterwards.",
)
@click.option(
    "--markdown",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Also replace the table between the marks in FILE, a page such as docs/performance.md.",
)
@format_option
@click.pass_context
def bench_command(
    context: click.Context,
    *,
    subject: str,  # noqa: ARG001 - there is only one so far
    quick: bool,
    rounds: int,
    patterns: tuple[str, ...],
    entries: int | None,
    directory: Path,
    markdown: Path | None,
    output_format: str,
) -> None:
    from wavetank.reports._bench import execute  # noqa: PLC0415 - heavy
    from wavetank.reports.bench.comparison import Scale  # noqa: PLC0415 - heavy

    scale = Scale.of(quick=quick, rounds=rounds, log_entries=entries)
    try:
        code = execute(
            patterns,
            scale=scale,
            directory=directory,
            page=markdown,
            as_json=output_format == "json",
        )
    except UnknownChoiceError as error:
        raise click.UsageError(str(error)) from error
    context.exit(code)
