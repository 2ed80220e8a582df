"""From text to faults: one line each; docs/faults.md has the grammar.

An error says at which column what was expected, what stands there, and the nearest match. Left out:
printing, which is `str` (fault.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from attrs import evolve, frozen

from wavetank.faults.fault import (
    ByteRange,
    Fail,
    Fault,
    FaultErrno,
    FaultPlan,
    FillUp,
    FlipBit,
    Short,
    What,
    When,
    Where,
)
from wavetank.faults.operations import OperationKind
from wavetank.sim import FsyncFailure

__all__ = ["FaultSyntaxError", "parse_fault", "parse_plan"]

_TOKEN: Final = re.compile(r"[:#]|[^\s:#]+")
_KINDS: Final = {"any": None, **{kind.value: kind for kind in OperationKind}}
_ERRORS: Final = {error.name: error for error in FaultErrno}
_MACHINES: Final = {machine.value: machine for machine in FsyncFailure} | {"xfs": FsyncFailure.XFS}
_VERBS: Final = ("fail", "short", "flip")


class FaultSyntaxError(ValueError):
    """A line that is no fault.

    Attributes:
        line: the line.
        column: where it goes wrong, from 1 on.
    """

    def __init__(self, problem: str, *, line: str, column: int) -> None:
        super().__init__(f"fault: {problem}, at column {column} of '{line}'")
        self.line = line
        self.column = column


def parse_fault(line: str) -> Fault:
    """Return the fault of a line.

    Args:
        line: as docs/faults.md has it, and as ``str`` of a fault prints it.

    Raises:
        FaultSyntaxError: it is none.

    >>> parse_fault("write *.tmp #2: short 100 bytes").what
    Short(max_bytes=100)
    >>> parse_fault("fsnc log.dat: fail EIO")
    Traceback (most recent call last):
        ...
    wavetank.faults.syntax.FaultSyntaxError: fault: expected an operation (any, open, read, write, \
truncate, preallocate, fsync, datasync, fsync_dir, rename, unlink, link, mkdir, rmdir, list, stat, \
size, advise, lock, close) but got 'fsnc'; nearest match: fsync, at column 1 of \
'fsnc log.dat: fail EIO'
    """
    words = _Words(line)
    try:
        return _fault(words)
    except FaultSyntaxError:
        raise
    except ValueError as error:
        raise FaultSyntaxError(str(error), line=line, column=words.part_column) from error


def parse_plan(text: str) -> FaultPlan:
    r"""Return the plan of a text, one fault a line; empty lines and ``# comments`` are passed over.

    Raises:
        FaultSyntaxError: a line is no fault.

    >>> print(parse_plan("# a bad disk\nread: fail EIO from now on"))
    read: fail EIO from now on
    """
    lines = (line.strip() for line in text.splitlines())
    return FaultPlan(
        tuple(parse_fault(line) for line in lines if line and not line.startswith("#"))
    )


@frozen
class _Word:
    text: str
    column: int


class _Words:
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
        if not _is_number(self.next):
            raise self.refusal(f"{what}, a number,")
        return int(self.take())

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


def _fault(words: _Words) -> Fault:
    where = _where(words)
    words.begin_part()
    number = words.number("which match") if words.takes("#") else 1
    words.expect(":")
    number_column = words.part_column
    words.begin_part()
    fault = Fault(where=where, what=_what(words))
    which = fault.which
    if which.times is not None:
        which = evolve(which, times=_times(words))
    words.end()
    words.part_column = number_column
    return evolve(fault, which=evolve(which, first=number))


def _where(words: _Words) -> Where:
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


def _byte_range(words: _Words) -> ByteRange:
    start, dots, end = words.next.partition("..")
    if not (dots and _is_number(start) and _is_number(end)):
        raise words.refusal("bytes START..END")
    words.take()
    return ByteRange(int(start), int(end))


def _what(words: _Words) -> What:
    verb = words.choose("what to do", _VERBS)
    if verb == "short":
        return Short(_bytes(words))
    if verb == "flip":
        words.expect("bit")
        bit = words.number("the bit")
        words.expect("at")
        return FlipBit(bit, words.number("an offset in bytes"))
    error = _ERRORS[words.choose("an error", _ERRORS)]
    if words.next == "from" and not words.precedes("from", "now"):
        words.take()
        written_bytes = _bytes(words)
        words.expect("written")
        return FillUp(error, written_bytes)
    return _fail(words, error)


def _fail(words: _Words, error: FaultErrno) -> Fail:
    if words.takes("after", "effect"):
        return Fail(error=error, when=When.AFTER)
    if words.takes("after"):
        if not _is_number(words.next):
            raise words.refusal("'effect' or a number of bytes", ("effect",))
        return Fail(error=error, when=When.PARTIAL, partial_bytes=_bytes(words))
    if words.next in _MACHINES:
        return Fail(error=error, machine=_MACHINES[words.take()])
    if not words.next or words.next == "from" or _is_number(words.next):
        return Fail(error=error)
    rest = (*_MACHINES, "after", "from")
    raise words.refusal(f"one of {', '.join(rest)}, a number of times, or the end", rest)


def _times(words: _Words) -> int | None:
    """Return how many operations in a row are struck, None for all from then on."""
    if words.takes("from"):
        words.expect("now", "on")
        return None
    if not words.next:
        return 1
    times = words.number("'from now on' or how many times")
    words.expect("times")
    return times


def _bytes(words: _Words) -> int:
    count = words.number("how many bytes")
    words.expect("bytes")
    return count


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()
