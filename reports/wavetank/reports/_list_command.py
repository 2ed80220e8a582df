"""`wavetank list`: what there is to choose from."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._shared_options import format_option

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

_HELP: Final = """List scenarios, profiles, stores and other names that commands take.

Profiles and stores come as a matrix of rules or capabilities; with NAME, one of them is shown with
what each means. Rules are named as in a profile file (run --profile FILE). Faults come with a line
for each word of the fault language, as run --fault takes it.

\b
Examples:
  wavetank list profiles
  wavetank list profiles ext4
"""


@click.command("list", help=_HELP)
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name", required=False)
@format_option
def list_command(kind: str, name: str | None, output_format: str) -> None:
    from wavetank.reports._choices import UnknownChoiceError, choose  # noqa: PLC0415 - heavy
    from wavetank.reports._list_text import render_item, render_list  # noqa: PLC0415 - heavy
    from wavetank.reports._version import version  # noqa: PLC0415 - heavy
    from wavetank.reports.documents import list_document, to_text  # noqa: PLC0415 - heavy
    from wavetank.reports.inventory import KINDS  # noqa: PLC0415 - heavy

    items = KINDS[kind]()
    if name is not None:
        try:
            choose(kind.removesuffix("s"), name, [item.name for item in items])
        except UnknownChoiceError as error:
            raise click.UsageError(str(error)) from error
        items = tuple(item for item in items if item.name == name)
    if output_format == "json":
        click.echo(to_text(list_document(kind, items, version())))
    elif name is not None:
        click.echo(render_item(items[0]))
    else:
        click.echo(render_list(kind, items))
