"""Options that several measurements have."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

__all__ = ["markdown_option", "rounds_option"]

_LEAST_ROUNDS: Final = 7
"""With fewer the median of the ratios says little."""

rounds_option: Final = click.option(
    "--rounds",
    type=click.IntRange(min=_LEAST_ROUNDS),
    default=_LEAST_ROUNDS,
    show_default=True,
    metavar="N",
    help="Rounds, in each of which every contender takes one turn.",
)

markdown_option: Final = click.option(
    "--markdown",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Also replace the tables between the marks in FILE, a page such as docs/performance.md.",
)
