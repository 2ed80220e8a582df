"""`wavetank verify`: check every checksum in a store's directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.commands.options import format_option
from wavetank.reports.exit_codes import ExitCode

if TYPE_CHECKING:
    from wavetank.engine import VerifyReport

__all__ = ["verify_command"]

_HELP: Final = """Check every checksum in a store's directory.

Changes nothing and takes no lock, so that the store may be damaged or in use. Exits with 0 if the
store is sound; with 1 if it is not, and lists each bad place by file, byte offset and first log
index; with 2 if there is no store.

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
    help="The store keeps no snapshots (compaction_requires_snapshot is off), so accept a "
    "compacted log without one.",
)
@format_option
@click.pass_context
def verify_command(
    context: click.Context, *, directory: str, snapshots_elsewhere: bool, output_format: str
) -> None:
    from wavetank.engine import NotInitializedError, StorageIOError, verify_directory
    from wavetank.reports._version import version
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.stores import verify_document

    try:
        report = verify_directory(directory, compaction_requires_snapshot=not snapshots_elsewhere)
    except (NotInitializedError, StorageIOError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if output_format == "json":
        click.echo(to_text(verify_document(report, version())))
    else:
        click.echo("\n".join(_lines(report)))
    context.exit(ExitCode.OK if report.sound else ExitCode.VIOLATION)


def _lines(report: VerifyReport) -> list[str]:
    log = "no log could be read"
    if report.first_index is not None and report.last_index is not None:
        log = f"entries {report.first_index} to {report.last_index}"
        if report.last_index < report.first_index:
            log = f"no entries behind index {report.last_index}"
        log += f" in {report.frame_count} frames"
    verdict = "sound" if report.sound else f"{len(report.places)} bad places"
    if len(report.places) == 1:
        verdict = "1 bad place"
    return [
        *(f"bad   {place}" for place in report.places),
        *(f"note  {note}" for note in report.notes),
        f"{report.directory}: {verdict}; {log}, {report.byte_count} bytes checked",
    ]
