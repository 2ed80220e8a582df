"""Where a fault strikes, and which matches, from the words of its line.

Left out: what it does (_reading_what.py).
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from wavetank.faults._words import Words, is_number
from wavetank.faults.operations import OperationKind
from wavetank.faults.where import ByteRange, Where

__all__ = ["read_times", "read_where"]

_KINDS: Final = {"any": None, **{kind.value: kind for kind in OperationKind}}


def read_where(words: Words) -> Where:
    """Return which operations the words say that a fault looks at, and take them."""
    kind = _KINDS[words.choose("an operation", _KINDS)]
    words.begin_part()
    is_path = words.next not in ("offset", "#", ":", "")
    where = Where(kind=kind, path=words.take() if is_path else None)
    words.begin_part()
    if words.takes("offset"):
        return evolve(where, offset=_byte_range(words))
    if words.next not in ("#", ":"):
        raise words.refusal("a path, 'offset', '#' or ':'", ("offset",))
    return where


def _byte_range(words: Words) -> ByteRange:
    start, dots, end = words.next.partition("..")
    if not (dots and is_number(start) and is_number(end)):
        raise words.refusal("bytes START..END")
    words.take()
    return ByteRange(int(start), int(end))


def read_times(words: Words) -> int | None:
    """Return how many operations in a row are struck, None for all from then on."""
    if words.takes("from"):
        words.expect("now", "on")
        return None
    if not words.next:
        return 1
    times = words.number("'from now on' or how many times")
    words.expect("times")
    return times
