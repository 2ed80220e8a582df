"""Calls of tasks beside one another, drawn as lanes from left to right.

Each event has a place of its own, in the order of the events; the distance says nothing.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from wavetank.scenarios.concurrency.history import Call, History

__all__ = ["CallBox", "HistoryDrawing", "draw_history"]

_STEPS: Final = (56, 260)
"""Pixels that an event takes at least and at most."""

_WIDTH: Final = 860
"""Pixels that a drawing takes if its events need no more."""

_LANE: Final = 44
_HEAD: Final = 120
_LETTER: Final = 7
_MOST_CALLS: Final = 400


@frozen(kw_only=True)
class CallBox:
    """A call as a box.

    Attributes:
        x: its left side, in pixels.
        y: its upper side.
        width: in pixels.
        text: what fits inside.
        note: the whole call in words.
        state: ``returned``, ``open`` or ``impossible``.
    """

    x: int
    y: int
    width: int
    text: str
    note: str
    state: str


@frozen(kw_only=True)
class HistoryDrawing:
    """Lanes with boxes.

    Attributes:
        width: in pixels.
        height: in pixels.
        lanes: each task, and the middle of its lane.
        boxes: the calls.
        crashes: where the power went.
        hidden: calls that are left out, at the beginning.
        schedule: how the tasks were switched; "" if that is not known.
    """

    width: int
    height: int
    lanes: tuple[tuple[str, int], ...]
    boxes: tuple[CallBox, ...]
    crashes: tuple[int, ...]
    hidden: int
    schedule: str


def draw_history(history: History, *, mark: int | None, schedule: str) -> HistoryDrawing:
    """Draw a history.

    Args:
        history: calls and crashes.
        mark: position of the return that was impossible; None for none.
        schedule: how the tasks were switched.
    """
    calls = history.calls[-_MOST_CALLS:]
    first = calls[0].invoked_at if calls else 0
    events = [event for event in history.events() if event.position >= first]
    step = min(max(_WIDTH // max(len(events), 1), _STEPS[0]), _STEPS[1])
    places = {event.position: _HEAD + order * step for order, event in enumerate(events)}
    end = _HEAD + len(events) * step
    tasks = list(dict.fromkeys(call.task for call in calls))
    boxes = []
    for call in calls:
        x = places[call.invoked_at]
        until = _end_of(call, history)
        right = end if until is None else places[until]
        boxes.append(
            CallBox(
                x=x,
                y=tasks.index(call.task) * _LANE + 8,
                width=right - x - 4,
                text=_cut(str(call.operation), right - x - 12),
                note=_told(call),
                state=_state(call, mark),
            )
        )
    return HistoryDrawing(
        width=end + 20,
        height=len(tasks) * _LANE + 8,
        lanes=tuple((task, place * _LANE + _LANE // 2 + 4) for place, task in enumerate(tasks)),
        boxes=tuple(boxes),
        crashes=tuple(places[each] for each in history.crashes if each in places),
        hidden=len(history.calls) - len(calls),
        schedule=schedule,
    )


def _end_of(call: Call, history: History) -> int | None:
    """Return the position at which a call returned, or a crash ended it; None if neither."""
    if call.returned_at is not None:
        return call.returned_at
    return next((crash for crash in history.crashes if crash > call.invoked_at), None)


def _state(call: Call, mark: int | None) -> str:
    if call.is_pending:
        return "open"
    return "impossible" if mark is not None and call.returned_at == mark else "returned"


def _told(call: Call) -> str:
    result = "never returned" if call.is_pending else f"returned {call.result}"
    return f"call {call.number} of {call.task}: {call.operation}, {result}"


def _cut(text: str, width: int) -> str:
    room = max(width // _LETTER, 1)
    return text if len(text) <= room else f"{text[: room - 1]}…"
