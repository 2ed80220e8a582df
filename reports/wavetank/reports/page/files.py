"""The directory before and after a crash: which files changed, and which of their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios import ChangedFile, Evidence, FileSeen

__all__ = ["ByteSeen", "FileChange", "HexDiff", "HexRow", "TreeRow", "hex_diff", "tree_of"]

_WIDTH: Final = 16
_MOST_ROWS: Final = 32
_PRINTABLE: Final = range(0x20, 0x7F)


class FileChange(Enum):
    """What a crash made of an entry; the value is told."""

    SAME = "as written"
    DIFFERS = "other bytes"
    GONE = "gone"
    CAME = "is back: the program had renamed or removed it"


@frozen(kw_only=True)
class TreeRow:
    """One entry of the directory.

    Attributes:
        path: its name.
        before: its size in words as the program saw it; "" if it was not there.
        after: its size in words after the crash; "" if it is not there.
        change: what the crash made of it.
    """

    path: str
    before: str
    after: str
    change: FileChange


@frozen
class ByteSeen:
    """A byte in two digits and as a character, and whether it differs; "" where there is none."""

    digits: str
    character: str
    differs: bool


@frozen(kw_only=True)
class HexRow:
    """Sixteen bytes of both sides.

    Attributes:
        offset: of the first, in eight digits; "" for a row that stands for equal ones left out.
        before: what had been written.
        after: what was left; () if the file is gone.
        left_out: how many equal rows this one stands for.
    """

    offset: str
    before: tuple[ByteSeen, ...] = ()
    after: tuple[ByteSeen, ...] = ()
    left_out: int = 0

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not any(byte.differs for byte in (*self.before, *self.after))


@frozen(kw_only=True)
class HexDiff:
    """The bytes in which a file differs.

    Attributes:
        path: of the file.
        told: both sizes in words.
        rows: those that differ, each with its neighbours.
        hidden: rows that differ and are not shown.
    """

    path: str
    told: str
    rows: tuple[HexRow, ...]
    hidden: int


def tree_of(evidence: Evidence) -> tuple[TreeRow, ...]:
    """Return every entry that was there before or after, by path."""
    before = {seen.path: seen for seen in evidence.before}
    after = {seen.path: seen for seen in evidence.after}
    return tuple(
        TreeRow(
            path=path,
            before=_size(before.get(path)),
            after=_size(after.get(path)),
            change=_change(before.get(path), after.get(path)),
        )
        for path in sorted({*before, *after})
    )


def hex_diff(changed: ChangedFile) -> HexDiff:
    """Return the bytes of a file that differ, up to 32 rows of 16."""
    is_gone = changed.size_after is None
    before, after = _rows_of(changed.before), _rows_of(changed.after)
    count = max(len(before), len(after))
    before += [b""] * (count - len(before))
    after += [b""] * (count - len(after))
    different = [place for place in range(count) if before[place] != after[place]]
    shown = set(different[:_MOST_ROWS])
    wanted = {near for place in shown for near in (place - 1, place, place + 1)}
    rows: list[HexRow] = []
    for place in range(count):
        if place in wanted and (place in shown or before[place] == after[place]):
            row = _row(changed.start + place * _WIDTH, before[place], after[place])
            rows.append(evolve(row, after=()) if is_gone else row)
        elif before[place] == after[place]:
            _leave_out(rows)
    return HexDiff(
        path=changed.path,
        told=_sizes(changed),
        rows=tuple(rows),
        hidden=len(different) - len(shown),
    )


def _rows_of(content: bytes) -> list[bytes]:
    return [content[start : start + _WIDTH] for start in range(0, len(content), _WIDTH)]


def _leave_out(rows: list[HexRow]) -> None:
    """Count one more equal row as left out."""
    counted = rows.pop().left_out if rows and not rows[-1].offset else 0
    rows.append(HexRow(offset="", left_out=counted + 1))


def _row(offset: int, before: bytes, after: bytes) -> HexRow:
    return HexRow(
        offset=f"{offset:08x}",
        before=tuple(_bytes(before, after)),
        after=tuple(_bytes(after, before)),
    )


def _bytes(own: bytes, other: bytes) -> Iterator[ByteSeen]:
    for place in range(_WIDTH):
        if place >= len(own):
            yield ByteSeen("", "", differs=place < len(other))
            continue
        value = own[place]
        character = chr(value) if value in _PRINTABLE else "."
        differs = place >= len(other) or other[place] != value
        yield ByteSeen(f"{value:02x}", character, differs=differs)


def _sizes(changed: ChangedFile) -> str:
    if changed.size_after is None:
        return f"{changed.size_before} bytes were written; the file is gone"
    return f"{changed.size_before} bytes were written, {changed.size_after} bytes are left"


def _size(seen: FileSeen | None) -> str:
    if seen is None:
        return ""
    return "directory" if seen.size is None else f"{seen.size} B"


def _change(before: FileSeen | None, after: FileSeen | None) -> FileChange:
    if after is None:
        return FileChange.GONE
    if before is None:
        return FileChange.CAME
    is_same = (before.size, before.digest) == (after.size, after.digest)
    return FileChange.SAME if is_same else FileChange.DIFFERS
