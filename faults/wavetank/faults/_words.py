"""The words of a line, taken one after the other, and the refusal of one that does not fit.

Left out: which words mean what (_reading_where.py, _reading_what.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from attrs import frozen

from wavetank.faults.syntax_error import FaultSyntaxError

__all__ = ["Words", "is_number"]

_TOKEN: Final = re.compile(r"[:#]|[^\s:#]+")
_FRACTION: Final = re.compile(r"[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?")


@frozen
class _Word:
    text: str
    column: int


class Words:
    """The words of a line, taken one after the other."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._words = [_Word(found.group(), found.start() + 1) for found in _TOKEN.finditer(line)]
        self._next = 0
        self.part_column = 1

    def begin_part(self) -> None:
        """Note where a part begins, for what is wrong with it as a whole."""
        self.part_column = self.column

    @property
    def next(self) -> str:
        """The next word, not taken; "" at the end."""
        return self._words[self._next].text if self._next < len(self._words) else ""

    @property
    def column(self) -> int:
        """Where the next word is."""
        if self._next < len(self._words):
            return self._words[self._next].column
        return len(self._line) + 1

    def take(self) -> str:
        word = self.next
        self._next += 1
        return word

    def precedes(self, *texts: str) -> bool:
        """Whether these words come next."""
        coming = self._words[self._next : self._next + len(texts)]
        return tuple(word.text for word in coming) == texts

    def takes(self, *texts: str) -> bool:
        """Take these words if they come next."""
        if not self.precedes(*texts):
            return False
        self._next += len(texts)
        return True

    def expect(self, *texts: str) -> None:
        for text in texts:
            if not self.takes(text):
                raise self.refusal(f"'{text}'", (text,))

    def choose(self, what: str, known: Iterable[str]) -> str:
        names = tuple(known)
        if self.next not in names:
            raise self.refusal(f"{what} ({', '.join(names)})", names)
        return self.take()

    def number(self, what: str) -> int:
        if not is_number(self.next):
            raise self.refusal(f"{what}, a number,")
        return int(self.take())

    def name(self, what: str) -> str:
        if self.next in ("", "#", ":"):
            raise self.refusal(what)
        return self.take()

    def fraction(self, what: str) -> float:
        if not _FRACTION.fullmatch(self.next):
            raise self.refusal(f"{what}, such as 0.1,")
        return float(self.take())

    def numbers(self, what: str) -> tuple[int, ...]:
        parts = self.next.split(",")
        if not all(map(is_number, parts)):
            raise self.refusal(what)
        self.take()
        return tuple(map(int, parts))

    def signed(self, what: str) -> int:
        if self.next[:1] not in ("+", "-") or not is_number(self.next[1:]):
            raise self.refusal(f"{what}, a number with its sign,")
        return int(self.take())

    def bytes(self) -> int:
        count = self.number("how many bytes")
        self.expect("bytes")
        return count

    def end(self) -> None:
        if self.next:
            raise self.refusal("the end of the line")

    def refusal(self, expected: str, known: tuple[str, ...] = ()) -> FaultSyntaxError:
        came = repr(self.next) if self.next else "the end"
        matches = get_close_matches(self.next, known, n=1, cutoff=0.3)
        nearest = f"; nearest match: {matches[0]}" if matches else ""
        return FaultSyntaxError(
            f"expected {expected} but got {came}{nearest}", line=self._line, column=self.column
        )


def is_number(word: str) -> bool:
    """Whether a word is a whole number >= 0, in plain digits."""
    return word.isascii() and word.isdigit()
