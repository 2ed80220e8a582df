"""Tables in text: columns as wide as their widest cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["counts_table", "table"]


def table(
    rows: Iterable[Sequence[str]], *, align: str = "<", indent: int = 2, gap: int = 2
) -> list[str]:
    """Return the lines of a table.

    Args:
        rows: the cells of each line, a heading first; as many in each.
        align: for each column ``<`` (words) or ``>`` (numbers); the last one holds for the columns
            that follow.
        indent: spaces before each line.
        gap: spaces between two columns.

    >>> table([("store", "cells"), ("killed", "7")], align="<>")
    ['  store   cells', '  killed      7']
    """
    lines = [tuple(row) for row in rows]
    columns = list(zip(*lines, strict=True))
    sides = align.ljust(len(columns), align[-1])
    widths = [max(map(len, column)) for column in columns]
    start, between = " " * indent, " " * gap
    return [
        (
            start
            + between.join(
                f"{cell:{side}{width}}"
                for cell, side, width in zip(row, sides, widths, strict=True)
            )
        ).rstrip()
        for row in lines
    ]


def counts_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table of counts, with ``-`` for zero.

    Args:
        title: heads the column of names.
        heads: one for each count.
        rows: a name and its counts.

    >>> counts_table("fault", ["refused"], [("any: fail EIO", 0)])
    ['  fault          refused', '  any: fail EIO        -']
    """
    counted = [(str(name), *(str(count or "-") for count in counts)) for name, *counts in rows]
    return table([(title, *heads), *counted], align="<>")
