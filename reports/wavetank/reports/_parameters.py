"""The types of command-line values that click does not have.

Left out: names of scenarios, profiles and backends, which are checked once the catalogue is
imported (_choices.py).
"""

from __future__ import annotations

import os  # noqa: TID251 - the default number of workers is a fact about the machine

import click

__all__ = ["SEED_RANGE", "WORKERS", "SeedRange", "Workers", "available_workers"]


def available_workers() -> int:
    """Return how many processors this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class SeedRange(click.ParamType):
    """A half-open range of seeds, written A:B."""

    name = "A:B"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        """Return the range; what is not a range is a usage error."""
        if isinstance(value, range):
            return value
        first, colon, end = str(value).partition(":")
        if not colon or not (first.isdecimal() and end.isdecimal()) or int(first) >= int(end):
            self.fail(f"expected A:B with 0 <= A < B, such as 0:10, got {value!r}", param, ctx)
        return range(int(first), int(end))


class Workers(click.ParamType):
    """A number of worker processes, or the word auto."""

    name = "N|auto"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number; what is neither number nor word is a usage error."""
        if isinstance(value, int):
            return value
        text = str(value)
        if text == "auto":
            return available_workers()
        if not text.isdecimal() or int(text) < 1:
            self.fail(f"expected a number >= 1 or auto, got {value!r}", param, ctx)
        return int(text)


SEED_RANGE = SeedRange()
WORKERS = Workers()
