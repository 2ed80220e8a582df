"""``wavetank.verify/1`` and ``wavetank.dump/1``: directories of stores."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

from wavetank.engine import (
    BadPlace,
    DumpedDamage,
    DumpedDocument,
    DumpedFile,
    DumpedFrame,
    DumpedLogHeader,
    LogEntry,
    StoreDump,
    VerifyReport,
)
from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer

__all__ = ["dump_frames", "dump_head", "dump_verdict", "verify_document"]

_write: Final[Write] = writer(
    shape(BadPlace, "path", "offset", "index", "reason", "ambiguous"),
    shape(
        VerifyReport,
        "directory",
        "places",
        "notes",
        "first_index",
        "last_index",
        frames="frame_count",
        bytes="byte_count",
    ),
    shape(DumpedFile, "name", "kind", "size", own="is_own"),
    shape(DumpedDocument, "name", "fields", damage=lambda each: each.damage or None),
    shape(
        DumpedLogHeader,
        incarnation=lambda header: f"{header.incarnation:016x}",
        generation="generation",
        base_index="base_index",
        base_term="base_term",
        source="source",
    ),
    shape(
        StoreDump,
        "directory",
        "files",
        "state",
        "metadata",
        "snapshot",
        snapshot_data=lambda dump: [
            {"name": name, "intact": intact} for name, intact in dump.snapshot_data.items()
        ],
        log=lambda dump: {"damage": dump.log_damage or None, "header": dump.log_header},
    ),
    shape(
        DumpedFrame,
        "offset",
        "size",
        "kind",
        "encoding",
        "batch",
        "first_index",
        "count",
        "first_term",
        "last_term",
        "watermark",
    ),
    shape(DumpedDamage, "offset", size="length", damage="reason", first_index="index"),
    shape(
        LogEntry,
        "index",
        "term",
        command=lambda entry: b64encode(entry.command).decode("ascii"),
    ),
)


def verify_document(report: VerifyReport, version: str) -> dict[str, object]:
    """Return a verification as ``wavetank.verify/1``."""
    verdict = "pass" if report.sound else "fail"
    return document("verify", version, {"verdict": verdict, **_write(report)})


def dump_head(dump: StoreDump, version: str) -> dict[str, object]:
    """Return all of ``wavetank.dump/1`` but its frames and verdict, which come last."""
    return document("dump", version, _write(dump))


def dump_frames(dump: StoreDump, *, with_entries: bool) -> Iterator[dict[str, object]]:
    """Yield each frame, or damaged stretch, as an object."""
    for part in dump.frames():
        members: dict[str, Any] = _write(part)
        if with_entries and isinstance(part, DumpedFrame):
            members["entries"] = _write(dump.entries(part))
        yield members


def dump_verdict(dump: StoreDump) -> str:
    """Return ``pass`` if everything but the frames, which are not read for this, is intact."""
    documents = (*dump.state, *dump.snapshot, *((dump.metadata,) if dump.metadata else ()))
    intact = (
        not dump.log_damage
        and not any(each.damage for each in documents)
        and all(dump.snapshot_data.values())
    )
    return "pass" if intact else "fail"
