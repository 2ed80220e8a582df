"""`wavetank bench`: measurements of the engine and of the exploration, a command for each."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports.commands.measuring.bench_engine import engine_command
from wavetank.reports.commands.measuring.bench_explore import explore_command
from wavetank.reports.commands.measuring.bench_soak import soak_command

__all__ = ["bench_command"]

_HELP: Final = """Measure the engine, the exploration of crashes, and long runs.

\b
Examples:
  wavetank bench engine --quick
  wavetank bench explore --quick --format json
  wavetank bench soak --appends 20000
"""


@click.group("bench", help=_HELP)
def bench_command() -> None:
    """Run the measurement that is named."""


bench_command.add_command(engine_command)
bench_command.add_command(explore_command)
bench_command.add_command(soak_command)
