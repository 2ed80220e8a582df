"""The options of `wavetank litmus`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from wavetank.reports._choices import UnknownChoiceError
from wavetank.reports._shared_options import format_option

__all__ = ["litmus_command"]

_HELP: Final = """Hold the simulated disk to litmus sets.

A litmus test is a small program with the exact set of states that a crash may leave of it, for each
profile. Every set is computed from the profile's rules and compared; exit 1 if one differs, with
the states that are missing (named, and never left) and extra (left, and not named).

With --real the programs run on a real filesystem instead, on a device that loses unflushed writes:
what is seen must lie inside the sets. That needs root, FUSE, loop devices, mkfs and mfusepy; where
one is missing, it is named, and nothing is run.

\b
  ext4          mounted as by default, against the profile ext4
  ext4-ordered  mounted with dioread_lock, against the profiles ext4-ordered
                and ext4-observed. Both promise that a size waits for its
                data; since Linux 5.6 ext4 keeps that only with this option.
  xfs, btrfs    against the profiles of these names

\b
Examples:
  wavetank litmus
  wavetank litmus --file mine.json --profile ext4 --profile posix
  wavetank litmus --profile mine.toml --file mine.json
  wavetank litmus --real xfs --real btrfs
  wavetank litmus --real ext4 --profile ext4-ordered
"""

_REAL: Final = ("ext4", "ext4-ordered", "xfs", "btrfs")
_ONLY_REAL: Final = ("mount_option", "runs", "images", "seed")


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
    metavar="NAME|FILE",
    help="Compare only the sets of this profile; may be repeated. FILE: a profile of one's own. "
    "With --real: hold against this profile instead.  [default: every profile that a test names]",
)
@click.option(
    "--real",
    multiple=True,
    type=click.Choice(_REAL),
    help="Run the programs on this filesystem of the kernel; may be repeated.",
)
@click.option(
    "--mount-option",
    multiple=True,
    metavar="OPTION",
    help="With --real: mount with this option too; may be repeated.",
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="With --real: how often to run each program.",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="With --real: how many images to look at between two flushes.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="With --real: of what is done between steps, and of the choice of images.",
)
@format_option
@click.pass_context
def litmus_command(
    context: click.Context,
    *,
    file: Path | None,
    profile: tuple[str, ...],
    real: tuple[str, ...],
    mount_option: tuple[str, ...],
    runs: int,
    images: int,
    seed: int,
    output_format: str,
) -> None:
    _check_company(context, real=bool(real))
    as_json = output_format == "json"
    from wavetank.sim import ProfileFileError  # noqa: PLC0415 - heavy

    try:
        if real:
            from wavetank.reports._litmus_real import execute as look  # noqa: PLC0415 - heavy

            code = look(
                real,
                file=file,
                profiles=profile,
                mount_options=mount_option,
                runs=runs,
                images=images,
                seed=seed,
                as_json=as_json,
            )
        else:
            from wavetank.reports._litmus import execute  # noqa: PLC0415 - heavy

            code = execute(file, profile, as_json=as_json)
    except (UnknownChoiceError, ProfileFileError) as error:
        raise click.UsageError(str(error)) from error
    context.exit(code)


def _check_company(context: click.Context, *, real: bool) -> None:
    """Refuse options that mean nothing without ``--real``."""
    given = click.core.ParameterSource.COMMANDLINE
    for name in () if real else _ONLY_REAL:
        if context.get_parameter_source(name) is given:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --real")
