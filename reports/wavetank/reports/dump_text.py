"""A store's directory in words: what `wavetank dump` shows a person.

Whatever comes from the store is escaped, so that it cannot speak to the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wavetank.engine import DumpedDocument, DumpedFrame, DumpedPart, StoreDump

__all__ = ["dump_lines"]

_LONGEST_COMMAND: Final = 60


def dump_lines(dump: StoreDump, *, with_entries: bool) -> Iterator[str]:
    """Yield the lines of the text.

    Args:
        dump: what the directory holds.
        with_entries: show what each frame holds.
    """
    yield dump.directory
    yield ""
    yield "files"
    for file in dump.files:
        foreign = "" if file.is_own else "  (not the store's)"
        yield f"  {_shown(file.name):<24} {file.size:>12} bytes  {file.kind.value}{foreign}"
    yield from _documents("state", dump.state)
    yield from _documents("metadata", (dump.metadata,) if dump.metadata is not None else ())
    yield from _documents("snapshot", dump.snapshot)
    for name, intact in dump.snapshot_data.items():
        yield f"  {name}: {'intact' if intact else 'DAMAGED: not the data of any snapshot here'}"
    yield ""
    yield "log"
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


def _documents(title: str, documents: tuple[DumpedDocument, ...]) -> Iterator[str]:
    yield ""
    yield title
    if not documents:
        yield "  none"
    for document in documents:
        if document.fields is None:
            yield f"  {document.name}: DAMAGED: {document.damage}"
            continue
        fields = ", ".join(f"{name} {_shown(value)}" for name, value in document.fields.items())
        yield f"  {document.name}: {fields}"


def _part(part: DumpedPart) -> str:
    if not isinstance(part, DumpedFrame):
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
