"""What `wavetank dump` does: read and print, frame by frame, so that memory stays small."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from wavetank.engine import NotInitializedError, StorageIOError, StoreDump, dump_directory
from wavetank.reports._version import version
from wavetank.reports.dump_text import dump_lines
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.store_documents import dump_frames, dump_head, dump_verdict

__all__ = ["execute"]


def execute(directory: str, *, with_entries: bool, as_json: bool) -> ExitCode:
    """Print what is in a directory.

    Args:
        directory: of the store.
        with_entries: show what each frame holds.
        as_json: print the document instead of text.

    Raises:
        click.UsageError: there is no store.
    """
    try:
        dump = dump_directory(directory)
    except (NotInitializedError, StorageIOError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    write = _document if as_json else dump_lines
    for line in write(dump, with_entries=with_entries):
        click.echo(line)
    return ExitCode.OK


def _document(dump: StoreDump, *, with_entries: bool) -> Iterator[str]:
    """Yield the lines of the JSON document, a frame to each."""
    head = json.dumps(dump_head(dump, version()), indent=2)
    yield head.removesuffix("\n}") + ","
    yield '  "frames": ['
    verdict = dump_verdict(dump)
    previous = ""
    for frame in dump_frames(dump, with_entries=with_entries):
        if previous:
            yield previous + ","
        if "damage" in frame:
            verdict = "fail"
        previous = "    " + json.dumps(frame)
    if previous:
        yield previous
    yield "  ],"
    yield f'  "verdict": {json.dumps(verdict)}'
    yield "}"
