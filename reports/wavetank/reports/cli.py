"""The program `wavetank`: its commands, and what an error becomes.

Nothing heavy is imported here or by the modules that hold the options, so that ``--version`` and
``--help`` answer at once.
"""

from __future__ import annotations

import io
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

from wavetank.reports.commands.checking.check import check_command
from wavetank.reports.commands.findings.explain import explain_command
from wavetank.reports.commands.findings.replay import replay_command
from wavetank.reports.commands.findings.show import show_command
from wavetank.reports.commands.findings.shrink import shrink_command
from wavetank.reports.commands.listing.list import list_command
from wavetank.reports.commands.measuring.bench import bench_command
from wavetank.reports.commands.running.diff import diff_command
from wavetank.reports.commands.running.fuzz import fuzz_command
from wavetank.reports.commands.running.recheck import recheck_command
from wavetank.reports.commands.running.run import run_command
from wavetank.reports.commands.store_files.dump import dump_command
from wavetank.reports.commands.store_files.verify import verify_command
from wavetank.reports.commands.tracing.trace import trace_command
from wavetank.reports.commands.trials.damage import damage_command
from wavetank.reports.commands.trials.litmus import litmus_command
from wavetank.reports.commands.trials.sweep import sweep_command
from wavetank.reports.commands.trials.syncs import syncs_command
from wavetank.reports.commands.trials.zoo import zoo_command
from wavetank.reports.exit_codes import ExitCode

__all__ = ["cli", "main"]

_HELP: Final = """Crash stores, programs and clusters on a simulated disk, and judge what is left.

\b
Example:
  wavetank run mixed --profile posix
"""


def _show_version(
    context: click.Context,
    parameter: click.Parameter,  # noqa: ARG001 - click gives it
    value: bool,  # noqa: FBT001 - click gives it
) -> None:
    if value:
        from wavetank.reports._version import version  # noqa: PLC0415 - costs a third of the start

        click.echo(f"wavetank {version()}")
        context.exit()


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Run the command that is named."""


cli.add_command(run_command)
cli.add_command(fuzz_command)
cli.add_command(replay_command)
cli.add_command(show_command)
cli.add_command(explain_command)
cli.add_command(shrink_command)
cli.add_command(diff_command)
cli.add_command(recheck_command)
cli.add_command(list_command)
cli.add_command(litmus_command)
cli.add_command(zoo_command)
cli.add_command(syncs_command)
cli.add_command(damage_command)
cli.add_command(sweep_command)
cli.add_command(check_command)
cli.add_command(trace_command)
cli.add_command(verify_command)
cli.add_command(dump_command)
cli.add_command(bench_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: without the program's name; None: those of the process.

    Raises:
        SystemExit: always, with an `ExitCode`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a store says in its errors must not break the report about it.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        typed = sys.argv[1:] if arguments is None else arguments
        code: object = cli.main(
            arguments, "wavetank", standalone_mode=False, obj=shlex.join(["wavetank", *typed])
        )
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place where an error can be caught
        traceback.print_exc()
        click.echo(f"wavetank: internal error: {type(error).__name__}: {error}", err=True)
        return ExitCode.INTERNAL
    return code if isinstance(code, int) else ExitCode.OK
