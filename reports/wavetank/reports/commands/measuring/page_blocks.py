"""Blocks of a page that a command writes anew, between two marks."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["MissingMarksError", "marks_of", "replace_between_marks", "write_block"]


class MissingMarksError(ValueError):
    """A page does not have the two marks of a block, each once and in their order."""


def marks_of(command: str) -> tuple[str, str]:
    """Return the lines between which a command writes, such as those of ``bench engine``.

    >>> marks_of("bench engine")[0]
    '<!-- wavetank bench engine: begin -->'
    """
    return f"<!-- wavetank {command}: begin -->", f"<!-- wavetank {command}: end -->"


def write_block(page: Path, command: str, content: str | None) -> None:
    """Replace the block of a command in a page; None: only check that there is a place for one.

    Raises:
        click.UsageError: there is none.
    """
    text = page.read_text(encoding="utf-8")
    try:
        replaced = replace_between_marks(text, content or "", command)
    except MissingMarksError as error:
        raise click.UsageError(f"--markdown {page}: {error}") from error
    if content is not None:
        page.write_text(replaced, encoding="utf-8")


def replace_between_marks(page: str, content: str, command: str) -> str:
    r"""Return a page with other content between the marks of a command.

    Args:
        page: with both marks, each once.
        content: of whole lines.
        command: whose marks they are.

    Raises:
        MissingMarksError: the marks are not there.

    >>> begin, end = marks_of("bench engine")
    >>> page = f"# Speed\n{begin}\nold\n{end}\nmore\n"
    >>> replace_between_marks(page, "new\n", "bench engine").splitlines()[2:4]
    ['new', '<!-- wavetank bench engine: end -->']
    """
    begin, end = marks_of(command)
    counts = page.count(begin), page.count(end)
    if counts != (1, 1) or page.index(begin) > page.index(end):
        raise MissingMarksError(
            f"expected the lines {begin!r} and {end!r}, each once and in this order, "
            f"got {counts[0]} and {counts[1]} of them"
        )
    before, _, rest = page.partition(begin)
    _, _, behind = rest.partition(end)
    return f"{before}{begin}\n{content}{end}{behind}"
