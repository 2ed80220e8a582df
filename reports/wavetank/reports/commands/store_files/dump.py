"""`wavetank dump`: show what is in a store's directory.

Frames are read and printed one by one, so that a large log needs little memory. Text from the store
is escaped, so that it cannot send control characters to the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.commands.options import format_option
from wavetank.reports.outputs.tables import table

if TYPE_CHECKING:
    from wavetank.engine import DumpedDocument, DumpedPart, StoreDump

__all__ = ["dump_command"]

_HELP: Final = """Show what is in a store's directory.

Prints term and vote, the log frame by frame, the snapshot, metadata and markers, and whether each
is intact. Changes nothing and takes no lock, so that the store may be damaged or in use. Exits with
0 even if something is damaged (`wavetank verify` judges that), with 2 if there is no store.

\b
Examples:
  wavetank dump /var/lib/node-1/raft
  wavetank dump --entries --format json DIR
"""

_LONGEST_COMMAND: Final = 60


@click.command("dump", help=_HELP)
@click.argument("directory", metavar="DIR")
@click.option("--entries", is_flag=True, help="Show the entries of each intact frame too.")
@format_option
def dump_command(*, directory: str, entries: bool, output_format: str) -> None:
    from wavetank.engine import NotInitializedError, StorageIOError, dump_directory

    try:
        dump = dump_directory(directory)
    except (NotInitializedError, StorageIOError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    lines = _json_lines if output_format == "json" else _text_lines
    for line in lines(dump, with_entries=entries):
        click.echo(line)


def _json_lines(dump: StoreDump, *, with_entries: bool) -> Iterator[str]:
    """Yield the lines of the JSON document, one for each frame."""
    from wavetank.reports._version import version
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.stores import dump_frames, dump_head, dump_verdict

    yield to_text(dump_head(dump, version())).removesuffix("\n}") + ","
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


def _text_lines(dump: StoreDump, *, with_entries: bool) -> Iterator[str]:
    yield from (dump.directory, "", "files")
    yield from _files(dump)
    yield from _documents("state", dump.state)
    yield from _documents("metadata", (dump.metadata,) if dump.metadata is not None else ())
    yield from _documents("snapshot", dump.snapshot)
    for name, intact in dump.snapshot_data.items():
        yield f"  {name}: {'intact' if intact else 'DAMAGED: not the data of any snapshot here'}"
    yield from ("", "log")
    yield from _log(dump, with_entries=with_entries)


def _files(dump: StoreDump) -> list[str]:
    rows = [
        (
            _shown(file.name),
            f"{file.size} bytes",
            file.kind.value if file.is_own else f"{file.kind.value}  (not the store's)",
        )
        for file in dump.files
    ]
    return table(rows, align="<><")


def _documents(title: str, documents: tuple[DumpedDocument, ...]) -> Iterator[str]:
    yield from ("", title)
    if not documents:
        yield "  none"
    for document in documents:
        if document.fields is None:
            yield f"  {document.name}: DAMAGED: {document.damage}"
            continue
        fields = ", ".join(f"{name} {_shown(value)}" for name, value in document.fields.items())
        yield f"  {document.name}: {fields}"


def _log(dump: StoreDump, *, with_entries: bool) -> Iterator[str]:
    from wavetank.engine import DumpedFrame

    if dump.log_damage:
        yield f"  DAMAGED: {dump.log_damage}"
    header = dump.log_header
    if header is None:
        return
    yield (
        f"  incarnation {header.incarnation:016x}, generation {header.generation}, base index "
        f"{header.base_index} of term {header.base_term} (from {header.source})"
    )
    for part in dump.frames():
        yield f"  {_part(part)}"
        if with_entries and isinstance(part, DumpedFrame):
            for entry in dump.entries(part):
                yield f"    {entry.index} term {entry.term}: {_command(entry.command)}"


def _part(part: DumpedPart) -> str:
    from wavetank.engine import DumpedDamage

    if isinstance(part, DumpedDamage):
        return (
            f"offset {part.offset}: DAMAGED: {part.length} bytes where index {part.index} was "
            f"expected: {part.reason}"
        )
    what = f"entries {part.first_index} to {part.first_index + part.count - 1}"
    if part.count == 1:
        what = f"entry {part.first_index}"
    if part.kind != "entries":
        what = f"{part.kind} from index {part.first_index} on"
    return (
        f"offset {part.offset}: {what}, batch {part.batch}, {part.size} bytes, term "
        f"{part.last_term}, {part.encoding}, watermark {part.watermark}"
    )


def _shown(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    return value if value.isprintable() and value.isascii() and value else ascii(value)


def _command(command: bytes) -> str:
    text = ascii(command[:_LONGEST_COMMAND])[2:-1]
    rest = f"... ({len(command)} bytes)" if len(command) > _LONGEST_COMMAND else ""
    return text + rest
