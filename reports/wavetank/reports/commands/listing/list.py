"""`wavetank list`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.arguments.choices import choose
from wavetank.reports.commands.options import format_option
from wavetank.reports.outputs.tables import table

if TYPE_CHECKING:
    from wavetank.reports.commands.listing.inventory import Item

__all__ = ["list_command"]

_KINDS: Final = (
    "scenarios",
    "profiles",
    "backends",
    "invariants",
    "options",
    "faults",
    "checks",
    "stores",
)

_HELP: Final = """List scenarios, profiles, stores and other names to choose from.

Profiles and stores come as a matrix of rules or capabilities; with NAME, one of them is shown with
what each means. Rules are named as in a profile file (run --profile FILE). Faults come with a line
for each word of the fault language, as run --fault takes it. With NAME, a scenario is shown as the
file that it is, to begin one's own with.

\b
Examples:
  wavetank list profiles
  wavetank list profiles ext4
  wavetank list scenarios mixed > mine.toml
"""

_COLUMNS: Final = 100
_LONGEST_NAME_BESIDE: Final = 30
_UNKNOWN: Final = "?"
_MATRICES: Final = {
    "profiles": ("rule", "`wavetank list profiles NAME` says what each rule means."),
    "stores": ("capability", "`wavetank list stores NAME` says what each capability means."),
}


@click.command("list", help=_HELP)
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name", required=False)
@format_option
def list_command(kind: str, name: str | None, output_format: str) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.commands.listing.inventory import KINDS
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.runs import list_document
    from wavetank.scenarios import scenario_text

    items = KINDS[kind]()
    if name is not None:
        choose(kind.removesuffix("s"), name, [item.name for item in items])
        items = tuple(item for item in items if item.name == name)
    if output_format == "json":
        click.echo(to_text(list_document(kind, items, version())))
    elif name is not None and kind == "scenarios":
        click.echo(scenario_text(name), nl=False)
    elif name is not None:
        click.echo(_item_text(items[0]))
    else:
        click.echo(_list_text(kind, items))


def _list_text(kind: str, items: Sequence[Item]) -> str:
    """Return all items of a kind: a matrix where they can be compared, else one after the other."""
    if kind not in _MATRICES:
        return "\n".join(_entries(items))
    row_name, hint = _MATRICES[kind]
    return "\n".join([*_numbered(items), "", *_matrix(row_name, items), "", hint])


def _item_text(item: Item) -> str:
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


def _matrix(row_name: str, items: Sequence[Item]) -> list[str]:
    """Return a line for each value that items say of themselves, with a column for each item."""
    told = [{detail.name: detail.value for detail in item.details} for item in items]
    names = list(dict.fromkeys(name for values in told for name in values))
    rows = [
        (row_name, *(str(number) for number in range(1, len(items) + 1))),
        *((name, *(_cell(values.get(name, _UNKNOWN)) for values in told)) for name in names),
    ]
    return table(rows, indent=0, gap=1)


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
