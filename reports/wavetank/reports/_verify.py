"""What `wavetank verify` does: check, print, and the exit code."""

from __future__ import annotations

import json

import click

from wavetank.engine import NotInitializedError, StorageIOError, VerifyReport, verify_directory
from wavetank.reports._version import version
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.store_documents import verify_document

__all__ = ["execute"]


def execute(directory: str, *, snapshots_elsewhere: bool, as_json: bool) -> ExitCode:
    """Check a directory and print what was found.

    Args:
        directory: of the store.
        snapshots_elsewhere: a compacted log needs no snapshot.
        as_json: print the document instead of text.

    Raises:
        click.UsageError: there is no store.
    """
    try:
        report = verify_directory(directory, compaction_requires_snapshot=not snapshots_elsewhere)
    except (NotInitializedError, StorageIOError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(verify_document(report, version()), indent=2))
    else:
        click.echo("\n".join(_lines(report)))
    return ExitCode.OK if report.sound else ExitCode.VIOLATION


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
