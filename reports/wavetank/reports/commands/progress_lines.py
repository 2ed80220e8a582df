"""Progress on stderr, at most one line every ten seconds."""

from __future__ import annotations

import time  # noqa: TID251 - how often a person is told, in wall time; no run sees it
from typing import Final

import click

__all__ = ["ProgressLines"]

_EVERY_S: Final = 10.0


class ProgressLines:
    """Prints what is being done and how much of it is done."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Print a line if the last one is ten seconds old."""
        now_s = time.monotonic()
        if now_s - self._told_s >= _EVERY_S:
            self._told_s = now_s
            click.echo(f"{what}: {done} of {total}", err=True)
