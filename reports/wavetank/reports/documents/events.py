"""Events as lines of NDJSON, `wavetank.event/1`, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cattrs import BaseValidationError, Converter, transform_error

from wavetank.scenarios import (
    EVENT_KINDS,
    Event,
    PlanError,
    RunPlan,
    plan_from_json,
    plan_to_json,
)

__all__ = ["EventError", "event_document", "event_line", "read_event", "read_events"]

_SCHEMA: Final = "wavetank.event/1"


class EventError(ValueError):
    """A line that is no event, or one of another version."""


def event_document(event: Event) -> dict[str, object]:
    """Return an event as `json.dumps` takes it."""
    return {
        "schema": _SCHEMA,
        "number": event.number,
        "time_ns": event.time_ns,
        "kind": event.kind,
        "scenario": event.scenario or None,
        "seed": event.seed,
        "profile": event.profile or None,
        "options": list(event.options),
        "data": _CONVERTER.unstructure(event.what),
    }


def event_line(event: Event) -> str:
    """Return an event as one line, with its end."""
    return json.dumps(event_document(event), separators=(",", ":")) + "\n"


def read_event(line: str) -> Event:
    """Return the event of a line.

    Raises:
        EventError: the line holds none, or one of another version.
    """
    try:
        members = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EventError(f"event: expected JSON, got {line[:40]!r}") from error
    if not isinstance(members, dict) or members.get("schema") != _SCHEMA:
        raise EventError(f"event: expected the schema {_SCHEMA}, got {line[:40]!r}")
    kind = members.get("kind")
    if not isinstance(kind, str) or kind not in EVENT_KINDS:
        raise EventError(f"event: expected a kind of {_SCHEMA}, got {kind!r}")
    try:
        return Event(
            number=int(members["number"]),
            time_ns=members["time_ns"],
            scenario=members["scenario"] or "",
            seed=members["seed"],
            profile=members["profile"] or "",
            options=tuple(members["options"]),
            what=_CONVERTER.structure(members["data"], EVENT_KINDS[kind]),
        )
    except (KeyError, TypeError, PlanError) as error:
        raise EventError(f"event: {type(error).__name__}: {error}") from error
    except BaseValidationError as error:
        raise EventError(f"event: {'; '.join(transform_error(error))}") from error


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a file.

    Raises:
        OSError: it cannot be read.
        EventError: a line is no event; the message names file and line.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield read_event(line)
            except EventError as error:
                raise EventError(f"{path}:{number}: {error}") from error


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook(RunPlan, plan_to_json)
    converter.register_structure_hook(RunPlan, lambda members, _: plan_from_json(members))
    return converter


_CONVERTER: Final = _converter()
