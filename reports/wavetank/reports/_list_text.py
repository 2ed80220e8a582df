"""What there is to choose from, as text of at most 100 columns.

Profiles and stores say the same things of themselves, so they become a matrix with a column for
each of them; one alone is shown with what each rule or capability means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

from wavetank.reports.inventory import Item

__all__ = ["render_item", "render_list"]

_COLUMNS: Final = 100
_LONGEST_NAME_BESIDE: Final = 30
_UNKNOWN: Final = "?"
_MATRICES: Final = {
    "profiles": ("rule", "`wavetank list profiles NAME` says what each rule means."),
    "stores": ("capability", "`wavetank list stores NAME` says what each capability means."),
}


def render_list(kind: str, items: Sequence[Item]) -> str:
    """Return all items of a kind: a matrix where they can be compared, else one after the other."""
    if kind not in _MATRICES:
        return "\n".join(_entries(items))
    row_name, hint = _MATRICES[kind]
    return "\n".join([*_numbered(items), "", *_matrix(row_name, items), "", hint])


def render_item(item: Item) -> str:
    """Return one item with all its values and what they mean."""
    return "\n".join([*_wrapped(item.name, item.summary, len(item.name)), *_details(item)])


def _entries(items: Sequence[Item]) -> Iterator[str]:
    widest = max(len(item.name) for item in items)
    for item in items:
        if widest > _LONGEST_NAME_BESIDE:
            yield item.name
            yield from _hanging("    ", item.summary)
        else:
            yield from _wrapped(item.name, item.summary, widest)
        yield from _details(item)


def _numbered(items: Sequence[Item]) -> Iterator[str]:
    """Yield each item with the number of its column."""
    widest = max(len(item.name) for item in items)
    digits = len(str(len(items)))
    for number, item in enumerate(items, 1):
        yield from _wrapped(f"{item.name:<{widest}}  {number:>{digits}}", item.summary, 0)


def _matrix(row_name: str, items: Sequence[Item]) -> Iterator[str]:
    """Yield a line for each value that items say of themselves, with a column for each item."""
    told = [{detail.name: detail.value for detail in item.details} for item in items]
    names = list(dict.fromkeys(name for values in told for name in values))
    rows = [
        (row_name, *(str(number) for number in range(1, len(items) + 1))),
        *((name, *(_cell(values.get(name, _UNKNOWN)) for values in told)) for name in names),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield " ".join(cells).rstrip()


def _cell(value: str) -> str:
    return "-" if value == "no" else value


def _details(item: Item) -> Iterator[str]:
    """Yield a line per value, the values first, so that they can be compared at a glance."""
    name_width = max((len(detail.name) for detail in item.details), default=0)
    value_width = max((len(detail.value) for detail in item.details), default=0)
    for detail in item.details:
        start = f"  {detail.name:<{name_width}} = {detail.value:<{value_width}}"
        if detail.meaning:
            yield from _hanging(f"{start}  ", detail.meaning)
        else:
            yield start.rstrip()


def _wrapped(name: str, summary: str, width: int) -> Iterator[str]:
    return _hanging(f"{name:<{width}}  ", summary)


def _hanging(start: str, text: str) -> Iterator[str]:
    """Yield a text behind `start`, its further lines below its first word."""
    yield from wrap(
        text,
        width=_COLUMNS,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
