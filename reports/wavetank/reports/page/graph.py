"""The drawing beside the rows of a timeline: a bar for each step, a line for each file.

A file's line is dotted while something of it is pending, and whole once all of it is durable. Each
chunk of rows is one drawing, so that a browser paints only those that are in view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from wavetank.reports.page.timeline import Chunk, Row, RowKind, Timeline
from wavetank.scenarios import Fate

__all__ = ["COLUMN", "ROW", "Drawing", "Mark", "column_x", "draw"]

ROW: Final = 28
"""Height of a row, in pixels; the stylesheet has the same."""

COLUMN: Final = 24
"""Width of a lane or a file's line, in pixels."""

_SAFE: Final = Fate.DURABLE.value
_MOST_COLUMNS: Final = 10
_GAP: Final = 12


@frozen(kw_only=True)
class Mark:
    """A symbol on a line.

    Attributes:
        shape: its class: a fate, ``sync`` or ``failed-sync``.
        x: pixels from the left.
        y: pixels from the top.
    """

    shape: str
    x: int
    y: int


@frozen(kw_only=True)
class Drawing:
    """What is drawn beside the rows of a chunk.

    Attributes:
        height: pixels.
        bars: of steps, each x, y and height; a class says whether it returned.
        pending: path of the dotted lines.
        durable: path of the whole lines.
        dots: path of points, one for each change that is safe.
        marks: the other symbols.
    """

    height: int
    bars: tuple[tuple[int, int, int], ...]
    pending: str
    durable: str
    dots: str
    marks: tuple[Mark, ...]


def column_x(timeline: Timeline, column: int) -> int:
    """Return the middle of a file's line; files beyond the tenth share one."""
    return (
        len(timeline.lanes) * COLUMN + _GAP + min(column, _MOST_COLUMNS - 1) * COLUMN + COLUMN // 2
    )


def draw(timeline: Timeline) -> tuple[Drawing, ...]:
    """Return the drawings of a timeline, one for each chunk."""
    covers: dict[int, list[str]] = {}
    for chunk in timeline.chunks:
        for row in chunk.rows:
            if row.durable_at is not None:
                covers.setdefault(row.durable_at, []).append(row.column)
    pen = _Pen(timeline, covers)
    return tuple(pen.draw(chunk) for chunk in timeline.chunks)


@frozen
class _Pen:
    """What goes on from one chunk to the next.

    Attributes:
        timeline: what is drawn.
        covers: by number of a sync's row, the files of the changes that it makes durable.
        running: lanes in which a step runs.
        pending: by column, how many changes are pending there.
        begun: columns in which anything has been changed.
    """

    timeline: Timeline
    covers: Mapping[int, Sequence[str]]
    running: set[str] = field(factory=set)
    pending: dict[int, int] = field(factory=dict)
    begun: set[int] = field(factory=set)

    def draw(self, chunk: Chunk) -> Drawing:
        """Draw the rows of a chunk, and note what they leave open."""
        height = len(chunk.rows) * ROW
        lines = _Lines()
        bars: list[tuple[int, int, int]] = []
        since = dict.fromkeys(self.running, 0)
        marks: list[Mark] = []
        for place, row in enumerate(chunk.rows):
            middle = place * ROW + ROW // 2
            self._extend(lines, place * ROW, middle)
            if row.kind is RowKind.BEGIN:
                self.running.add(row.lane)
                since[row.lane] = middle
            elif row.lane:
                bars += self._bar_until(row.lane, since, middle)
            if row.column:
                marks.append(self._mark(row, middle))
            self._extend(lines, middle, (place + 1) * ROW)
            for lane in row.ends:
                bars += self._bar_until(lane, since, (place + 1) * ROW - 4)
        bars += [self._bar(lane, top, height) for lane, top in since.items()]
        return Drawing(
            height=height,
            bars=tuple(bars),
            pending=lines.path("pending"),
            durable=lines.path("durable"),
            dots="".join(f"M{mark.x} {mark.y}h0" for mark in marks if mark.shape == _SAFE),
            marks=tuple(mark for mark in marks if mark.shape != _SAFE),
        )

    def _bar_until(
        self, lane: str, since: dict[str, int], bottom: int
    ) -> Iterator[tuple[int, int, int]]:
        """Yield the bar of a step that ends here."""
        if lane in self.running:
            self.running.discard(lane)
            yield self._bar(lane, since.pop(lane, 0), bottom)

    def _bar(self, lane: str, top: int, bottom: int) -> tuple[int, int, int]:
        x = self.timeline.lanes.index(lane) * COLUMN + COLUMN // 2 - 4
        return x, top, max(bottom - top, 2)

    def _mark(self, row: Row, middle: int) -> Mark:
        column = self._column(row.column)
        self.begun.add(column)
        if row.at_stake or row.durable_at is not None:
            self.pending[column] = self.pending.get(column, 0) + 1
        for name in self.covers.get(row.number, ()):
            self.pending[self._column(name)] -= 1
        return Mark(shape=_shape(row), x=column_x(self.timeline, column), y=middle)

    def _column(self, name: str) -> int:
        return min(self.timeline.columns.index(name), _MOST_COLUMNS - 1)

    def _extend(self, lines: _Lines, top: int, bottom: int) -> None:
        for column in sorted(self.begun):
            kind = "pending" if self.pending.get(column) else "durable"
            lines.extend(kind, column_x(self.timeline, column), top, bottom)


@frozen
class _Lines:
    """Vertical lines, each as long as nothing changes."""

    spans: dict[tuple[str, int], list[tuple[int, int]]] = field(factory=dict)

    def extend(self, kind: str, x: int, top: int, bottom: int) -> None:
        """Add a piece of a line; it joins the one above it."""
        pieces = self.spans.setdefault((kind, x), [])
        if pieces and pieces[-1][1] == top:
            pieces[-1] = (pieces[-1][0], bottom)
        else:
            pieces.append((top, bottom))

    def path(self, kind: str) -> str:
        """Return the lines of a kind as the path of an SVG drawing."""
        return "".join(
            f"M{x} {top}V{bottom}"
            for (each, x), pieces in self.spans.items()
            if each == kind
            for top, bottom in pieces
        )


def _shape(row: Row) -> str:
    fate: Fate | RowKind | None = row.fate
    return str((fate or row.kind).value)
