"""`wavetank list`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports._shared_options import format_option

if TYPE_CHECKING:  # what stands here is heavy; the function that needs it imports it
    from wavetank.reports.inventory import Item

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

_HELP: Final = """List what there is to choose from, with a sentence on each.

Profiles come with every rule, under the names that a profile file uses (run --profile FILE).
Faults come with a line for each word, as run --fault takes it.

\b
Example:
  wavetank list profiles
"""


@click.command("list", help=_HELP)
@click.argument("kind", type=click.Choice(_KINDS))
@format_option
def list_command(kind: str, output_format: str) -> None:
    from wavetank.reports._version import version  # noqa: PLC0415 - heavy
    from wavetank.reports.documents import list_document, to_text  # noqa: PLC0415 - heavy
    from wavetank.reports.inventory import KINDS  # noqa: PLC0415 - heavy

    items = KINDS[kind]()
    if output_format == "json":
        click.echo(to_text(list_document(kind, items, version())))
    else:
        click.echo(_render(items))


def _render(items: tuple[Item, ...]) -> str:
    width = max(len(item.name) for item in items)
    lines: list[str] = []
    for item in items:
        lines.append(f"{item.name:<{width}}  {item.summary}")
        lines += [f"  {line}" for line in _details(item)]
    return "\n".join(lines)


def _details(item: Item) -> Iterator[str]:
    """Yield a line per value, the values first, so that they can be compared at a glance."""
    name_width = max((len(detail.name) for detail in item.details), default=0)
    value_width = max((len(detail.value) for detail in item.details), default=0)
    for detail in item.details:
        start = f"{detail.name:<{name_width}} = {detail.value:<{value_width}}"
        yield f"{start}  {detail.meaning}".rstrip()
