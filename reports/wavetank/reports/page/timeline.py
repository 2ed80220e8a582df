"""A timeline: what a program asked of the disk, row by row, until the power went.

Each row is an event: a step begins or returns, a change of the disk, a sync. The changes that one
call makes with one fate are one row. A row carries what became of it in words; the drawing beside
the rows (`graph.py`) shows the same as lines. Steps in which nothing was at stake are folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import groupby
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.scenarios import DiskOp, Fate, Span, StretchSeen, SyncCall

__all__ = ["Chunk", "Row", "RowKind", "Timeline", "timeline_of"]

_CALLS_LANE: Final = "calls"
_CHUNK_ROWS: Final = 100
_FOLD_FROM: Final = 40
"""Rows of a timeline up to which nothing is folded."""


class RowKind(Enum):
    """What happens in a row; the value is its class in the stylesheet."""

    BEGIN = "begin"
    RETURN = "return"
    CUT_OFF = "cut-off"
    CHANGE = "change"
    SYNC = "sync"
    FAILED_SYNC = "failed-sync"


@frozen(kw_only=True)
class Row:
    """One event.

    Attributes:
        number: its place in the timeline, from 1 on.
        position: of its first record in the log.
        kind: what happens.
        text: the event in words.
        column: the file or directory that it is about; "" for steps.
        lane: who does it; "" for changes and syncs.
        fate: what became of a change; None for other rows.
        durable_at: number of the row of the sync that made a change durable; None if none did.
        told: what became of it, in words; "" where there is nothing to say.
        ends: lanes in which something ends right behind this row, without a row of its own.
    """

    number: int
    position: int
    kind: RowKind
    text: str
    column: str = ""
    lane: str = ""
    fate: Fate | None = None
    durable_at: int | None = None
    told: str = ""
    ends: tuple[str, ...] = ()

    @property
    def at_stake(self) -> bool:
        """Whether it was not safe when the power went."""
        return self.fate not in (None, Fate.DURABLE)


@frozen(kw_only=True)
class Chunk:
    """Rows that are shown or folded together.

    Attributes:
        title: what they are, where they are folded.
        rows: in order; never empty.
        folded: whether a reader must ask for them.
    """

    title: str
    rows: tuple[Row, ...]
    folded: bool


@frozen(kw_only=True)
class Timeline:
    """All events of one stretch of work.

    Attributes:
        title: of the stretch.
        lanes: who does something, in order of appearance.
        columns: the files and directories that are changed, in order of appearance.
        names: the same, below the directory that all of them share.
        chunks: the rows, in order.
        rows: how many there are.
        hidden: events before the first row, that are left out.
        crash: what the power cut did, in words; "" if the power did not go.
    """

    title: str
    lanes: tuple[str, ...]
    columns: tuple[str, ...]
    names: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    rows: int
    hidden: int
    crash: str


def timeline_of(stretch: StretchSeen, *, limit: int) -> Timeline:
    """Return the timeline of a stretch.

    Args:
        stretch: what was done, and what became of it.
        limit: rows at most; those right before the power cut are kept.
    """
    rows = _rows(stretch)
    hidden = max(0, len(rows) - limit)
    shown = rows[hidden:]
    changes = [row for row in rows if row.fate is not None]
    columns = tuple(dict.fromkeys(row.column for row in shown if row.column))
    return Timeline(
        title=stretch.title,
        lanes=tuple(dict.fromkeys(span.lane for span in stretch.spans)),
        columns=columns,
        names=tuple(_short(columns)),
        chunks=tuple(_chunks(shown)),
        rows=len(shown),
        hidden=hidden,
        crash=_crash(changes) if stretch.is_cut else "",
    )


_Placed: TypeAlias = tuple[tuple[int, int, int, int], Row]


def _rows(stretch: StretchSeen) -> tuple[Row, ...]:
    """Return all rows, numbered, each change with the row that made it durable."""
    records = [*_change_rows(stretch.ops), *_sync_rows(stretch)]
    placed = [*_span_rows(stretch), *(((row.position, 3, 0, 0), row) for row in records)]
    placed.sort(key=lambda pair: pair[0])
    shown = _without_small_returns([row for _, row in placed])
    numbered = [evolve(row, number=number) for number, row in enumerate(shown, start=1)]
    syncs = {
        row.position: row.number
        for row in numbered
        if row.kind in (RowKind.SYNC, RowKind.FAILED_SYNC)
    }
    return tuple(
        evolve(row, durable_at=syncs.get(row.durable_at), told=_told(row, syncs))
        if row.durable_at is not None
        else row
        for row in numbered
    )


def _short(columns: Sequence[str]) -> Iterator[str]:
    """Yield names without the directory that all files share; it is one level above them."""
    files = [name for name in columns if not name.endswith("/")]
    shared = f"{files[0].rpartition('/')[0]}/" if files else ""
    same = all(name.startswith(shared) for name in files)
    for name in columns:
        yield name.removeprefix(shared) if same and name != shared else name


def _without_small_returns(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without those that say no more than that a call has returned."""
    shown: list[Row] = []
    for row in rows:
        if row.kind is RowKind.RETURN and not row.text:
            shown[-1] = evolve(shown[-1], ends=(*shown[-1].ends, row.lane))
        else:
            shown.append(row)
    return shown


def _span_rows(stretch: StretchSeen) -> Iterator[_Placed]:
    """Yield a row where a step begins and one where it ends.

    At one position steps return first, then those run that do nothing to the disk, then others
    begin; the records of that position come behind. What was cut off ends last of all.
    """
    for number, span in enumerate(stretch.spans):
        idle = span.end <= span.start
        begin = Row(
            number=0, position=span.start, kind=RowKind.BEGIN, text=_name(span), lane=span.lane
        )
        end = evolve(
            begin,
            position=max(span.end, span.start),
            kind=RowKind.RETURN if span.acknowledged else RowKind.CUT_OFF,
            text=_end_of(span, "the power went" if stretch.is_cut else "this was seen"),
        )
        yield (begin.position, 1 if idle and span.acknowledged else 2, number, 0), begin
        last = 4 if not span.acknowledged else 1 if idle else 0
        yield (end.position, last, number, 1), end


def _name(span: Span) -> str:
    """Return what runs in a span; the steps of a workload are numbered."""
    number, _, _ = span.label.partition(":")
    return f"step {span.label}" if number.isdecimal() else span.label


def _end_of(span: Span, end: str) -> str:
    """Return what the end of a span means; "" for calls inside a step, of which it means nothing.

    A recovery tells its caller something as well, and so does new work after it.
    """
    word, has_time, _ = _name(span).partition(":")
    if has_time and not word.startswith("step "):
        word = f"the call of {word}"
    if not span.acknowledged:
        return f"{word} had not returned when {end}"
    if span.lane == _CALLS_LANE:
        return ""
    return f"{word} has returned: from here on it must survive"


def _change_rows(ops: Sequence[DiskOp]) -> Iterator[Row]:
    """Yield a row for the changes of one call that share file and fate."""
    for (_, text, fate, durable_at), same in groupby(
        ops, key=lambda op: (op.call, op.text, op.fate, op.durable_at)
    ):
        first, *more = same
        yield Row(
            number=0,
            position=first.position,
            kind=RowKind.CHANGE,
            text=_call(text, len(more) + 1 if first.kind == "data" else 1),
            column=_column(first),
            fate=fate,
            durable_at=durable_at,
            told="" if fate is Fate.DURABLE else _FATES[fate],
        )


_CALLS: Final = (
    ("the name ", "create "),
    ("the removal of the name ", "remove "),
    ("the rename of ", "rename "),
    ("the rename over ", "rename over "),
    ("bytes ", "write bytes "),
    ("size ", "set the size "),
    ("the ", "set the "),
)


def _call(text: str, blocks: int) -> str:
    """Return a change as the call that made it: a noun becomes a verb."""
    more = f" ({blocks} blocks)" if blocks > 1 else ""
    for noun, verb in _CALLS:
        if text.startswith(noun):
            return f"{verb}{text.removeprefix(noun)}{more}"
    return text + more


def _column(op: DiskOp) -> str:
    """Return what a sync would name: the file, or the directory of a name."""
    if op.kind != "name":
        return op.path
    return (op.path.rpartition("/")[0] or "") + "/"


def _sync_rows(stretch: StretchSeen) -> Iterator[Row]:
    covered: dict[int, int] = {}
    for op in stretch.ops:
        if op.durable_at is not None:
            covered[op.durable_at] = covered.get(op.durable_at, 0) + 1
    for sync in stretch.syncs:
        column = f"{sync.path.rstrip('/')}/" if sync.kind == "fsync_dir" else sync.path
        yield Row(
            number=0,
            position=sync.position,
            kind=RowKind.FAILED_SYNC if sync.failed else RowKind.SYNC,
            text=_sync_text(sync),
            column=column,
            told=_covers(sync, covered.get(sync.position, 0)),
        )


def _sync_text(sync: SyncCall) -> str:
    if sync.kind == "fsync_dir":
        return f"fsync of the directory {sync.path}"
    return f"{sync.kind} of {sync.path}" if sync.path else sync.kind


def _covers(sync: SyncCall, covered: int) -> str:
    if sync.failed:
        return "failed: nothing became durable"
    if not covered:
        return "nothing was pending"
    return f"makes {covered} change{'s' * (covered > 1)} durable"


_FATES: Final = {
    Fate.DURABLE: "durable",
    Fate.KEPT: "not synced, kept by luck",
    Fate.LOST: "not synced: lost",
    Fate.TORN: "not synced: only a part reached the disk",
}


def _told(row: Row, syncs: dict[int, int]) -> str:
    number = None if row.durable_at is None else syncs.get(row.durable_at)
    return f"durable since {number}" if number is not None else "durable"


def _crash(changes: Iterable[Row]) -> str:
    """Return how many changes came to what, in words."""
    fates = [row.fate for row in changes]
    parts = [
        (fates.count(Fate.LOST), "lost"),
        (fates.count(Fate.TORN), "torn"),
        (fates.count(Fate.KEPT), "not synced and kept by luck"),
        (fates.count(Fate.DURABLE), "safe"),
    ]
    told = [f"{count} {word}" for count, word in parts if count]
    return f"of {len(fates)} changes: {', '.join(told)}" if told else "nothing had been changed"


def _chunks(rows: Sequence[Row]) -> Iterator[Chunk]:
    """Yield the rows in chunks; where there are many, steps without anything at stake are folded.

    What ran right before the power cut is never folded.
    """
    groups = list(_groups(rows))
    quiet = [
        len(rows) > _FOLD_FROM
        and place < len(groups) - 2
        and not any(row.at_stake for row in group)
        for place, group in enumerate(groups)
    ]
    for folded, pairs in groupby(zip(quiet, groups, strict=True), key=lambda pair: pair[0]):
        together = [group for _, group in pairs]
        if folded:
            joined = [row for group in together for row in group]
            yield Chunk(title=_title(joined), rows=tuple(joined), folded=True)
        else:
            yield from (Chunk(title="", rows=tuple(each), folded=False) for each in together)


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows step by step where one step runs at a time, else so many at once."""
    group: list[Row] = []
    running = 0
    for row in rows:
        starts_step = row.kind is RowKind.BEGIN and running == 0
        if group and (starts_step or len(group) >= _CHUNK_ROWS):
            yield group
            group = []
        group.append(row)
        running += row.kind is RowKind.BEGIN
        running -= row.kind in (RowKind.RETURN, RowKind.CUT_OFF)
    if group:
        yield group


def _title(rows: Sequence[Row]) -> str:
    """Return what a fold holds."""
    steps = [row.text for row in rows if row.kind is RowKind.BEGIN]
    changes = sum(row.kind is RowKind.CHANGE for row in rows)
    counted = f"{changes} change{'s' * (changes != 1)}, all safe"
    if len(steps) > 1:
        first, last = (text.partition(":")[0] for text in (steps[0], steps[-1]))
        return f"{first} to {last} ({counted})"
    return f"{steps[0]} ({counted})" if steps else counted
