"""The options of `wavetank fuzz`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from wavetank.reports.arguments.choices import UnknownChoiceError
from wavetank.reports.commands.options import (
    duration,
    format_option,
    profile_option,
    report_option,
    workers_option,
)

__all__ = ["fuzz_command"]

_COFFEE_S: Final = 60.0
_NIGHT_S: Final = 8 * 3600.0

_HELP: Final = """Fuzz a store: short lives, with everything drawn together.

Each run draws steps, values, options, faults, damage, schedules, a crash profile and a depth, and
leaves some kinds of all these out. Inputs that reach a new combination of operation, fault,
recovery branch and option are kept in .wavetank/corpus and changed further. Violations are stored
in .wavetank/failures for `wavetank replay`. Ctrl-C ends it with a summary of what was done.

\b
Examples:
  wavetank fuzz
  wavetank fuzz --night
  wavetank fuzz --max-time 15m --seed 7 --backend my_package.my_module:open_store
  wavetank fuzz --runs 500 --format json
"""


@click.command("fuzz", help=_HELP)
@click.option(
    "--max-time",
    callback=duration,
    metavar="TIME",
    help="End after so long: 60s, 15m, 8h.  [default: 60s, unless --runs is given]",
)
@click.option("--night", is_flag=True, help="The same as --max-time 8h.")
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    help="End after so many runs; equal seeds and corpora then give equal results.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of everything that is drawn.",
)
@click.option(
    "--backend",
    metavar="NAME",
    default="builtin",
    show_default=True,
    help="The store under test: its name (wavetank list stores), or package.module:factory.",
)
@profile_option(
    "Crash model, by name or TOML file; may be repeated.  [default: every model that is not "
    "a control]",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Crash images judged in each run at most.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(min=1),
    help="End once so many different violations are found.",
)
@click.option(
    "--corpus",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of inputs to begin with, and to keep new ones in.  [default: .wavetank/corpus]",
)
@workers_option
@format_option
@report_option("html")
def fuzz_command(
    *,
    max_time: float | None,
    night: bool,
    runs: int | None,
    seed: int,
    backend: str,
    profile: tuple[str, ...],
    images: int,
    max_failures: int | None,
    corpus: Path | None,
    workers: int,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports.commands.running.fuzz_execution import FuzzRequest, execute
    from wavetank.sim import ProfileFileError

    if night and max_time is not None:
        raise click.UsageError("expected --night or --max-time, got both")
    limit_s = _NIGHT_S if night else max_time
    if limit_s is None and runs is None:
        limit_s = _COFFEE_S
    request = FuzzRequest(
        max_time_s=limit_s,
        runs=runs,
        seed=seed,
        backend=backend,
        profiles=profile,
        images=images,
        max_failures=max_failures,
        corpus=corpus,
        workers=workers,
        as_json=output_format == "json",
        reports=reports,
    )
    try:
        code = execute(request)
    except (UnknownChoiceError, ProfileFileError) as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().exit(code)
