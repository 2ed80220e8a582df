"""A concurrent history drawn as lanes of text: a line for each task, time from left to right.

    writer     |-#1 append 3..4 -> ok-| |-#3 append 5-...X
    reader                             |-#2 last -> 2-!  X  <- impossible here
    power cut                                            X

Each event has a column of its own, in the order of the events; the distance says nothing. A call
that never returned ends in dots; the one that cannot have returned what it did, in an exclamation
mark. Labels that would make the lines too long stand below, under the numbers of their calls. A
history that is too long even so goes on in further rows of lanes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Final

from attrs import field, frozen

from wavetank.scenarios.concurrency.history import Call, Event, EventKind, History

__all__ = ["draw_lanes"]

_MARK: Final = "  <- impossible here"
_CRASH_LANE: Final = "power cut"
_LONGEST_NAME: Final = 16
_DOTS: Final = "..."
_CLOSED: Final = len("|--|")
_OPEN: Final = len("|--") + len(_DOTS) + len("X")


def draw_lanes(history: History, *, width: int = 100, mark: int | None = None) -> str:
    """Draw a history.

    Args:
        history: calls and crashes.
        width: columns that no line exceeds.
        mark: position of a return or a crash that was impossible, such as `Failure.position`: it is
            drawn as ``!`` and its lane is marked; None: no mark.

    Raises:
        ValueError: `width` has no room for the names of the tasks and one call, or `mark` is not
            the position of a return or a crash.

    >>> from wavetank.scenarios.concurrency.history import Call, History
    >>> append = Call(
    ...     number=1, task="writer", operation="append 3", invoked_at=1, returned_at=3, result="ok"
    ... )
    >>> last = Call(
    ...     number=2, task="reader", operation="last", invoked_at=4, returned_at=5, result=2
    ... )
    >>> print(draw_lanes(History(calls=(append, last)), mark=5))
    writer  |-#1 append 3 -> ok-|
    reader                       |-#2 last -> 2-!  <- impossible here
    """
    _check_mark(history, mark)
    names = _short_names(dict.fromkeys(call.task for call in history.calls))
    lanes = [*names.values(), *([_CRASH_LANE] if history.crashes else [])]
    margin = max(map(len, lanes), default=0) + 2
    room = width - margin - (0 if mark is None else len(_MARK))
    needed = max((len(_short(call)) for call in history.calls), default=0) + _OPEN
    if room < needed:
        raise ValueError(
            f"width: expected at least {width - room + needed} columns, for the names of the tasks "
            f"and one call, got {width}"
        )
    labels = _labels(history, room)
    rows = _rows(history, labels, room)
    drawing = _Drawing(history=history, names=names, labels=labels, margin=margin, mark=mark)
    blocks = [drawing.lines(row, is_last=row is rows[-1]) for row in rows]
    blocks.append(_notes(history, names, labels, width))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _check_mark(history: History, mark: int | None) -> None:
    ends = {event.position for event in history.events() if event.kind is not EventKind.INVOKE}
    if mark is not None and mark not in ends:
        raise ValueError(f"mark: expected the position of a return or a crash, got {mark}")


def _clean(text: str) -> str:
    """Put a text on one line, without characters that move the cursor."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else "?" for each in line)


def _short(call: Call) -> str:
    return f"#{call.number}"


def _full(call: Call) -> str:
    result = "" if call.is_pending else f" -> {call.result}"
    return _clean(f"{_short(call)} {call.operation}{result}")


def _short_names(tasks: Iterable[str]) -> dict[str, str]:
    return {
        task: name if len(name := _clean(task)) <= _LONGEST_NAME else f"({number})"
        for number, task in enumerate(tasks, start=1)
    }


def _labels(history: History, room: int) -> dict[int, str]:
    """Return what stands inside the lanes for each call: as much as needs no further row."""
    fewest = len(_rows(history, _labels_up_to(history, 0), room))
    lengths = {len(_full(call)) for call in history.calls}
    limits = sorted((length for length in lengths if length + _OPEN <= room), reverse=True)
    choices = (_labels_up_to(history, limit) for limit in [*limits, 0])
    return next(labels for labels in choices if len(_rows(history, labels, room)) == fewest)


def _labels_up_to(history: History, limit: int) -> dict[int, str]:
    return {
        call.number: full if len(full := _full(call)) <= limit else _short(call)
        for call in history.calls
    }


def _notes(
    history: History, names: Mapping[str, str], labels: Mapping[int, str], width: int
) -> list[str]:
    notes = [f"{name} {_clean(task)}" for task, name in names.items() if name != _clean(task)]
    notes += [_full(call) for call in history.calls if labels[call.number] != _full(call)]
    return [line for note in notes for line in wrap(note, width, subsequent_indent="    ")]


@frozen(kw_only=True)
class _Row:
    """As many events as fit between the margins, and the calls that go through.

    Attributes:
        carried: calls in flight at its beginning.
        columns: of its events, by position; ascending.
        begun: the columns of its invocations, by the number of the call.
    """

    carried: Mapping[int, Call]
    columns: dict[int, int] = field(factory=dict)
    begun: dict[int, int] = field(factory=dict)

    def next_column(self) -> int:
        """Return the first column behind its last event."""
        return next(reversed(self.columns.values()), -1) + 1

    def end_of(self, call: Call, labels: Mapping[int, str], extra: int) -> int:
        """Return the first column at which a call may end that needs `extra` beside its label."""
        if call.number in self.begun:
            return self.begun[call.number] + len(labels[call.number]) + extra
        return extra - len("|")

    def size(self, in_flight: Iterable[Call], labels: Mapping[int, str]) -> int:
        """Return its columns, with room for the calls that go on behind it."""
        ends = (self.end_of(call, labels, _OPEN - len("X")) for call in in_flight)
        return max([self.next_column(), *ends])


def _rows(history: History, labels: Mapping[int, str], room: int) -> list[_Row]:
    """Give each event a column, in a new row where the last one is full.

    Invariant: a call is invoked only where there is room for its label and any end, so that only
    the columns of other events can push its end into the next row.
    """
    rows = [_Row(carried={})]
    in_flight: dict[int, Call] = {}
    for event in history.events():
        column = _column(rows[-1], event, in_flight, labels)
        behind = column + 1
        if event.call is not None and event.kind is EventKind.INVOKE:
            behind = column + len(labels[event.call.number]) + _OPEN
        if behind > room:
            rows.append(_Row(carried=dict(in_flight)))
            column = _column(rows[-1], event, in_flight, labels)
        rows[-1].columns[event.position] = column
        if event.call is None:
            in_flight.clear()
        elif event.kind is EventKind.INVOKE:
            rows[-1].begun[event.call.number] = column
            in_flight[event.call.number] = event.call
        else:
            del in_flight[event.call.number]
    return rows


def _column(
    row: _Row, event: Event, in_flight: Mapping[int, Call], labels: Mapping[int, str]
) -> int:
    free = row.next_column()
    if event.call is None:
        ends = (row.end_of(call, labels, _OPEN - len("X")) for call in in_flight.values())
        return max([free, *ends])
    if event.kind is EventKind.INVOKE:
        return free
    return max(free, row.end_of(event.call, labels, _CLOSED - len("|")))


@frozen(kw_only=True)
class _Drawing:
    """What all rows of a history have in common."""

    history: History
    names: Mapping[str, str]
    labels: Mapping[int, str]
    margin: int
    mark: int | None

    def lines(self, row: _Row, *, is_last: bool) -> list[str]:
        """Return a row: a line for each task, and one for the power cuts."""
        touched = [
            call
            for call in self.history.calls
            if call.number in row.carried or call.number in row.begun
        ]
        ongoing = [call for call in touched if self._end(call) not in row.columns]
        size = row.size(ongoing, self.labels)
        lines = []
        for task, name in self.names.items():
            cells = self._empty_lane(row, size)
            for call in touched:
                if call.task == task:
                    self._draw(call, cells, row, is_open=is_last)
            returns = (call.returned_at for call in touched if call.task == task)
            lines.append(self._line(name, cells, marked=self._is_marked(row, returns)))
        if self.history.crashes:
            bars = self._empty_lane(row, size)
            marked = self._is_marked(row, self.history.crashes)
            if marked and self.mark is not None:
                bars[row.columns[self.mark]] = "!"
            lines.append(self._line(_CRASH_LANE, bars, marked=marked))
        return lines

    def _end(self, call: Call) -> int | None:
        """Return the position at which a call returns or a crash ends it; None if nothing does."""
        if call.returned_at is not None:
            return call.returned_at
        return next((crash for crash in self.history.crashes if crash > call.invoked_at), None)

    def _empty_lane(self, row: _Row, size: int) -> list[str]:
        cells = [" "] * size
        for crash in self.history.crashes:
            if crash in row.columns:
                cells[row.columns[crash]] = "X"
        return cells

    def _draw(self, call: Call, cells: list[str], row: _Row, *, is_open: bool) -> None:
        end = self._end(call)
        ends_here = end in row.columns
        begin = row.begun.get(call.number, 0)
        behind = row.columns[end] if end is not None and ends_here else len(cells)
        cells[begin:behind] = "-" * (behind - begin)
        inner = behind
        if call.returned_at is not None and ends_here:
            cells[behind] = "!" if end == self.mark else "|"
        elif ends_here or (end is None and is_open):
            inner -= len(_DOTS)
            cells[inner:behind] = _DOTS
        if call.number in row.begun:
            cells[begin] = "|"
            label = self.labels[call.number]
            at = begin + 1 + (inner - begin - len(label)) // 2
            cells[at : at + len(label)] = label

    def _is_marked(self, row: _Row, ends: Iterable[int | None]) -> bool:
        return self.mark is not None and self.mark in row.columns and self.mark in ends

    def _line(self, name: str, cells: Sequence[str], *, marked: bool) -> str:
        line = f"{name:{self.margin}}{''.join(cells)}".rstrip()
        return line + _MARK if marked else line
