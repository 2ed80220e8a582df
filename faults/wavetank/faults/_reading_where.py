"""Where a fault strikes, and which matches, from the words of its line.

Left out: what it does (_reading_what.py).
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from wavetank.faults._words import Words, is_number
from wavetank.faults.conditions import FileTest, While
from wavetank.faults.operations import OperationKind
from wavetank.faults.where import ByteRange, Where
from wavetank.faults.which import Chance, Which

__all__ = ["read_byte_range", "read_where", "read_which"]

_CLAUSES: Final = ("offset", "in", "while")
_TESTS: Final = {test.value: test for test in FileTest}

_KINDS: Final = {"any": None, **{kind.value: kind for kind in OperationKind}}


def read_where(words: Words) -> Where:
    """Return which operations the words say that a fault looks at, and take them."""
    kind = _KINDS[words.choose("an operation", _KINDS)]
    words.begin_part()
    is_path = words.next not in (*_CLAUSES, "#", ":", "")
    where = Where(kind=kind, path=words.take() if is_path else None)
    words.begin_part()
    if words.takes("offset"):
        where = evolve(where, offset=read_byte_range(words))
    words.begin_part()
    if words.takes("in"):
        where = evolve(where, caller=words.name("a function or module"))
    words.begin_part()
    if words.takes("while"):
        where = evolve(where, condition=_while(words))
    if words.next not in ("#", ":"):
        raise words.refusal("a path, 'offset', 'in', 'while', '#' or ':'", _CLAUSES)
    return where


def _while(words: Words) -> While:
    path = words.name("a file")
    test = _TESTS[words.choose("what holds of the file", _TESTS)]
    compares = test in (FileTest.AT_LEAST, FileTest.LESS)
    return While(path, test, words.bytes() if compares else None)


def read_byte_range(words: Words) -> ByteRange:
    """Return the bytes START..END, and take the word."""
    start, dots, end = words.next.partition("..")
    if not (dots and is_number(start) and is_number(end)):
        raise words.refusal("bytes START..END")
    words.take()
    return ByteRange(int(start), int(end))


def read_which(words: Words) -> Which:
    """Return how many operations in a row are struck, or by what chance, and take the words."""
    if words.takes("from"):
        words.expect("now", "on")
        return Which(times=None)
    if words.takes("with"):
        words.expect("probability")
        probability = words.fraction("a probability")
        words.expect("from")
        return Which(times=None, chance=Chance(probability, words.name("a stream")))
    if not words.next:
        return Which()
    times = words.number("'from now on', 'with probability' or how many times")
    words.expect("times")
    return Which(times=times)
