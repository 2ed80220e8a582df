"""The options of `wavetank dump`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._shared_options import format_option

__all__ = ["dump_command"]

_HELP: Final = """Show what is in a store's directory.

Term and vote, the log frame by frame, the snapshot, metadata and markers, each with whether it is
intact. Nothing is changed and no lock is taken: the store may be damaged, or in use. Exit 0, damage
or not (`wavetank verify` judges); exit 2 if there is no store.

\b
Examples:
  wavetank dump /var/lib/node-1/raft
  wavetank dump --entries --format json DIR
"""


@click.command("dump", help=_HELP)
@click.argument("directory", metavar="DIR")
@click.option("--entries", is_flag=True, help="Show the entries of each intact frame too.")
@format_option
@click.pass_context
def dump_command(
    context: click.Context, *, directory: str, entries: bool, output_format: str
) -> None:
    from wavetank.reports._dump import execute  # noqa: PLC0415 - heavy

    context.exit(execute(directory, with_entries=entries, as_json=output_format == "json"))
