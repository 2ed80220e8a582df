"""`wavetank.verify/1` and `wavetank.dump/1`: real store directories as JSON documents.

Pure functions from values to documents; docs/json.md says what each field means, ``schemas/`` what
they look like.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from wavetank.engine import (
    DumpedDocument,
    DumpedFrame,
    DumpedPart,
    StoreDump,
    VerifyReport,
)

__all__ = ["dump_frames", "dump_head", "dump_verdict", "verify_document"]


def verify_document(report: VerifyReport, version: str) -> dict[str, object]:
    """Return a verification as ``wavetank.verify/1``."""
    return {
        "schema": "wavetank.verify/1",
        "version": version,
        "verdict": "pass" if report.sound else "fail",
        "directory": report.directory,
        "places": [
            {
                "path": place.path,
                "offset": place.offset,
                "index": place.index,
                "reason": place.reason,
                "ambiguous": place.ambiguous,
            }
            for place in report.places
        ],
        "notes": list(report.notes),
        "first_index": report.first_index,
        "last_index": report.last_index,
        "frames": report.frame_count,
        "bytes": report.byte_count,
    }


def dump_head(dump: StoreDump, version: str) -> dict[str, object]:
    """Return all of ``wavetank.dump/1`` but its frames and verdict, which come last."""
    header = dump.log_header
    return {
        "schema": "wavetank.dump/1",
        "version": version,
        "directory": dump.directory,
        "files": [
            {"name": file.name, "kind": file.kind.value, "size": file.size, "own": file.is_own}
            for file in dump.files
        ],
        "state": [_document(each) for each in dump.state],
        "metadata": None if dump.metadata is None else _document(dump.metadata),
        "snapshot": [_document(each) for each in dump.snapshot],
        "snapshot_data": [
            {"name": name, "intact": intact} for name, intact in dump.snapshot_data.items()
        ],
        "log": {
            "damage": dump.log_damage or None,
            "header": None
            if header is None
            else {
                "incarnation": f"{header.incarnation:016x}",
                "generation": header.generation,
                "base_index": header.base_index,
                "base_term": header.base_term,
                "source": header.source,
            },
        },
    }


def dump_frames(dump: StoreDump, *, with_entries: bool) -> Iterator[dict[str, object]]:
    """Yield each frame, or damaged stretch, as an object."""
    for part in dump.frames():
        document = _part(part)
        if with_entries and isinstance(part, DumpedFrame):
            document["entries"] = [
                {
                    "index": entry.index,
                    "term": entry.term,
                    "command": b64encode(entry.command).decode("ascii"),
                }
                for entry in dump.entries(part)
            ]
        yield document


def dump_verdict(dump: StoreDump) -> str:
    """Return ``pass`` if everything but the frames, which nobody has read yet, is intact."""
    documents = (*dump.state, *dump.snapshot, *((dump.metadata,) if dump.metadata else ()))
    intact = (
        not dump.log_damage
        and not any(each.damage for each in documents)
        and all(dump.snapshot_data.values())
    )
    return "pass" if intact else "fail"


def _document(document: DumpedDocument) -> dict[str, object]:
    return {
        "name": document.name,
        "fields": document.fields,
        "damage": document.damage or None,
    }


def _part(part: DumpedPart) -> dict[str, object]:
    if not isinstance(part, DumpedFrame):
        return {
            "offset": part.offset,
            "size": part.length,
            "damage": part.reason,
            "first_index": part.index,
        }
    return {
        "offset": part.offset,
        "size": part.size,
        "kind": part.kind,
        "encoding": part.encoding,
        "batch": part.batch,
        "first_index": part.first_index,
        "count": part.count,
        "first_term": part.first_term,
        "last_term": part.last_term,
        "watermark": part.watermark,
    }
