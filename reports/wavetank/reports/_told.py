"""Progress as lines on stderr, one every ten seconds."""

from __future__ import annotations

import time  # noqa: TID251 - how often a person is told, in wall time; no run sees it
from typing import Final

import click

__all__ = ["EveryTenSeconds"]

_EVERY_S: Final = 10.0


class EveryTenSeconds:
    """Tells what is being done, how much of it is done, and of how much."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _EVERY_S:
            self._told_s = now_s
            click.echo(f"{what}: {done} of {total}", err=True)
