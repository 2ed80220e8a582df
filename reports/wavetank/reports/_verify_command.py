"""The options of `wavetank verify`."""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._shared_options import format_option

__all__ = ["verify_command"]

_HELP: Final = """Check every checksum in a store's directory.

Nothing is changed and no lock is taken: the store may be damaged, or in use. Exit 0 if it is sound;
exit 1 with each bad place by file, offset in bytes and first log index if it is not; exit 2 if
there is no store.

\b
Examples:
  wavetank verify /var/lib/node-1/raft
  wavetank verify --format json DIR
"""


@click.command("verify", help=_HELP)
@click.argument("directory", metavar="DIR")
@click.option(
    "--snapshots-elsewhere",
    is_flag=True,
    help="The store keeps no snapshots (compaction_requires_snapshot is off): a compacted log "
    "without one is not wrong.",
)
@format_option
@click.pass_context
def verify_command(
    context: click.Context, *, directory: str, snapshots_elsewhere: bool, output_format: str
) -> None:
    from wavetank.reports._verify import execute  # noqa: PLC0415 - heavy

    context.exit(
        execute(directory, snapshots_elsewhere=snapshots_elsewhere, as_json=output_format == "json")
    )
