"""The options of `wavetank trace`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from wavetank.reports.commands.options import (
    format_option,
    profile_option,
    report_option,
    workers_option,
)

__all__ = ["trace_command"]

_HELP: Final = """Trace a program, crash it everywhere, and check what is left.

COMMAND runs once, under a recorder that sees what it does to one directory: the one of --dir, or
{dir} in COMMAND (a new empty directory), or the only argument of COMMAND that is a directory or
becomes one. Every crash that a profile allows is then laid out in a directory, and the check runs
there. Exits with 1 if the check refuses what a crash left, and with 2 if nothing could be judged:
the command failed, the check is wrong, or the trace cannot be trusted.

The check is a command without a shell. In it {dir} is the directory to check, {acked} a file with
what was acknowledged before the crash, a token a line, and {count} the number of these tokens. It
exits with 0 if all is well; otherwise its last line says what is wrong. docs/trace.md tells more.

\b
Examples:
  wavetank trace --ack acks --check 'python check.py {dir} {acked}' -- ./store data acks
  wavetank trace --observe 'cat {dir}/config' -- python save.py {dir}
  wavetank trace --depth 1 --recover './store fix {dir}' --check './check {dir}' -- ./store {dir}
  wavetank trace --save t.trace --check './check {dir}' --syncs -- ./store {dir}
  wavetank trace --trace t.trace --check './check {dir}' --profile ext4
"""


@click.command("trace", help=_HELP)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--check",
    metavar="COMMAND",
    help="Checks what a crash left; see above.",
)
@click.option(
    "--observe",
    metavar="COMMAND",
    help="Instead of a check: prints what is in {dir}; after a crash it must print what it printed "
    "at a moment without a crash, between two acknowledgements.",
)
@click.option(
    "--checker",
    type=click.Choice(["process", "persistent"]),
    default="process",
    show_default=True,
    help="process starts the check for each image; persistent starts it once per worker and asks "
    "it line by line (docs/checker-protocol.md).",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory that is traced.",
)
@click.option(
    "--ack",
    metavar="FILE|NUMBER",
    help="Where the command writes a line 'ACK token' once something must survive: a file, or the "
    "number of a descriptor that is opened for it.",
)
@click.option(
    "--recorder",
    type=click.Choice(["strace", "fuse"]),
    default="strace",
    show_default=True,
    help="fuse also sees what is written through shared mappings.",
)
@click.option(
    "--rebuilt",
    multiple=True,
    metavar="PATTERN",
    help="Name of a file that the program makes anew after a crash, whose shared mappings strace "
    "may ignore, such as '*-shm'; may be repeated.",
)
@click.option(
    "--stacks/--no-stacks",
    default=True,
    show_default=True,
    help="Record the source lines of system calls; strace is faster without.",
)
@profile_option(
    "Crash model; may be repeated; 'all' means every model that is not a control.",
    name="profiles",
    default=("process-kill", "ext4", "posix"),
)
@click.option(
    "--exhaustive",
    is_flag=True,
    help="Check every legal image, and not only those chosen at each crash point.",
)
@click.option(
    "--max-images",
    type=click.IntRange(min=1),
    metavar="N",
    help="Check at most N images per profile.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="SECONDS",
    help="Check no further image after this time, which begins once the command has been traced.",
)
@click.option(
    "--syncs",
    is_flag=True,
    help="Also take out each sync of the program in turn and tell which are needed.",
)
@click.option(
    "--recover",
    metavar="COMMAND",
    help="What the program does first after a restart: runs in {dir} before the check, which then "
    "only looks. Without it the check recovers by itself.",
)
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Crash recoveries, too, N times one inside the other: the command of --recover, or the "
    "check with nothing acknowledged, runs under the recorder on what each crash left.",
)
@click.option(
    "--max-recoveries",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --depth, crash at most N recoveries per profile; 200 unless --exhaustive.",
)
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0.0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop the command after this time.",
)
@click.option(
    "--check-limit",
    "check_limit_s",
    type=click.FloatRange(min=0.0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop one check after this time; that says nothing about the program.",
)
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the trace to a file.",
)
@click.option(
    "--trace",
    "saved",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="Judge a trace that was saved, and run no command.",
)
@click.option(
    "--lay-out",
    "lay_out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write what the crash of each finding left into DIR/1, DIR/2 and so on.",
)
@click.option("--strict", is_flag=True, help="Exit with 4 if not everything was judged.")
@workers_option
@format_option
@report_option("html")
def trace_command(
    *,
    command: tuple[str, ...],
    check: str | None,
    observe: str | None,
    checker: str,
    directory: Path | None,
    ack: str | None,
    recorder: str,
    rebuilt: tuple[str, ...],
    stacks: bool,
    profiles: tuple[str, ...],
    exhaustive: bool,
    max_images: int | None,
    max_seconds: float | None,
    syncs: bool,
    recover: str | None,
    depth: int,
    max_recoveries: int | None,
    limit_s: float,
    check_limit_s: float,
    save: Path | None,
    saved: Path | None,
    lay_out: Path | None,
    strict: bool,
    workers: int,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports.commands.tracing.checks import AskedCheck
    from wavetank.reports.commands.tracing.execution import TraceSettings, execute

    if bool(command) is (saved is not None):
        raise click.UsageError(
            f"expected a COMMAND to run, or a file for --trace, {_came(command)}"
        )
    if (check is None) is (observe is None):
        raise click.UsageError(f"expected a command for --check, or for --observe, {_came(check)}")
    if max_recoveries is not None and not depth:
        raise click.UsageError("--max-recoveries: expected --depth 1 or more beside it")
    if depth and recover is None and checker == "persistent":
        raise click.UsageError(
            "--depth: expected a command for --recover, since the recorder cannot tell what a "
            "persistent checker does to one image"
        )
    settings = TraceSettings(
        command=command,
        check=AskedCheck(
            command=check or observe or "",
            is_observed=observe is not None,
            is_persistent=checker == "persistent",
            recover=recover or "",
            limit_s=check_limit_s,
            recorder=recorder,
            rebuilt=rebuilt,
            with_stacks=stacks,
        ),
        directory=directory,
        ack=ack,
        profiles=profiles,
        exhaustive=exhaustive,
        max_images=max_images,
        max_seconds=max_seconds,
        with_syncs=syncs,
        depth=depth,
        max_recoveries=max_recoveries,
        limit_s=limit_s,
        save=save,
        saved=saved,
        lay_out=lay_out,
        strict=strict,
        workers=workers,
        reports=reports,
    )
    click.get_current_context().exit(execute(settings, as_json=output_format == "json"))


def _came(one_of_two: object) -> str:
    """Return the end of a message on two arguments of which exactly one was expected."""
    return "and not both" if one_of_two else "but neither came"
