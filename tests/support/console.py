"""The command line, run in this process: starting Python takes longer than most of its tests."""

import subprocess
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from wavetank.reports.cli import cli

__all__ = ["wavetank"]


def wavetank(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Return what the command printed and its exit code, as if it had been a process.

    Args:
        arguments: without the program's name.
        cwd: the working directory meanwhile.
        environment: additional variables.
    """
    with chdir(cwd):
        done = CliRunner().invoke(cli, arguments, env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)
