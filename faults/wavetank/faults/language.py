"""Read faults from text, one a line, and list the words of the language.

docs/faults.md has the grammar. Printing is `str` of a fault. An error says at which column what was
expected, what stands there, and the nearest match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from wavetank.faults.damages import (
    FlipBit,
    Lengthened,
    LostWrite,
    Misdirected,
    Missing,
    Shortened,
    Stale,
    SyncLie,
    TornShape,
    TornWrite,
    Unreadable,
    Zeroed,
)
from wavetank.faults.environment import ClockJump, Crash, CrashEnd, Evict, Stall
from wavetank.faults.failures import Fail, FaultErrno, FillUp, OpenLimit, ReadOnly, Short
from wavetank.faults.fault import Fault, FaultPlan, What
from wavetank.faults.matching import (
    ByteRange,
    Chance,
    FileTest,
    OperationMatcher,
    Trigger,
    While,
)
from wavetank.faults.operations import OperationKind, When
from wavetank.sim import FsyncFailure

__all__ = [
    "VOCABULARY",
    "FaultSyntaxError",
    "FaultWords",
    "fault_plan",
    "parse_fault",
    "parse_plan",
]

_TOKEN: Final = re.compile(r"[:#]|[^\s:#]+")
_FRACTION: Final = re.compile(r"[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?")

_CLAUSES: Final = ("offset", "in", "while")
_KINDS: Final = {"any": None, **{kind.value: kind for kind in OperationKind}}
_TESTS: Final = {test.value: test for test in FileTest}
_ERRORS: Final = {error.name: error for error in FaultErrno}
_MACHINES: Final = {machine.value: machine for machine in FsyncFailure} | {"xfs": FsyncFailure.XFS}
_SHAPES: Final = {shape.value.partition(" ")[0]: shape for shape in TornShape}


class FaultSyntaxError(ValueError):
    """A line that is no fault.

    Attributes:
        line: the line.
        column: where it goes wrong, counted from 1.
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
    wavetank.faults.language.FaultSyntaxError: fault: expected an operation (any, open, read, \
write, truncate, preallocate, fsync, datasync, fsync_dir, rename, unlink, link, mkdir, rmdir, \
list, stat, size, advise, lock, close) but got 'fsnc'; nearest match: fsync, at column 1 of \
'fsnc log.dat: fail EIO'
    """
    tokens = _Tokenizer(line)
    try:
        return _fault(tokens)
    except FaultSyntaxError:
        raise
    except ValueError as error:
        raise FaultSyntaxError(str(error), line=line, column=tokens.part_column) from error


def parse_plan(text: str) -> FaultPlan:
    r"""Return the plan of a text, one fault a line; empty lines and ``# comments`` are skipped.

    Raises:
        FaultSyntaxError: a line is no fault.

    >>> print(parse_plan("# a bad disk\nread: fail EIO from now on"))
    read: fail EIO from now on
    """
    lines = (line.strip() for line in text.splitlines())
    return FaultPlan(
        tuple(parse_fault(line) for line in lines if line and not line.startswith("#"))
    )


def fault_plan(lines: Iterable[str]) -> FaultPlan:
    """Return the plan of some lines; a fault that comes twice counts once.

    Raises:
        FaultSyntaxError: a line is no fault.

    >>> print(fault_plan(["fsync log.dat  #3 : fail EIO xfs", "fsync log.dat #3: fail EIO ext4"]))
    fsync log.dat #3: fail EIO ext4
    """
    return FaultPlan(tuple(dict.fromkeys(parse_fault(line) for line in lines)))


@frozen
class _Token:
    text: str
    column: int


class _Tokenizer:
    """The tokens of a line: words, and the marks ``:`` and ``#``. One is taken after the other."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._tokens = [_Token(found[0], found.start() + 1) for found in _TOKEN.finditer(line)]
        self._next = 0
        self.part_column = 1

    def begin_part(self) -> None:
        """Note where a part begins, to name this column if the part as a whole is wrong."""
        self.part_column = self.column

    @property
    def next(self) -> str:
        """The next token, not taken; "" at the end."""
        return self._tokens[self._next].text if self._next < len(self._tokens) else ""

    @property
    def column(self) -> int:
        """Where the next token is."""
        if self._next < len(self._tokens):
            return self._tokens[self._next].column
        return len(self._line) + 1

    def take(self) -> str:
        token = self.next
        self._next += 1
        return token

    def precedes(self, *texts: str) -> bool:
        """Whether these tokens come next."""
        coming = self._tokens[self._next : self._next + len(texts)]
        return tuple(token.text for token in coming) == texts

    def takes(self, *texts: str) -> bool:
        """Take these tokens if they come next, and return whether they did."""
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

    def name(self, what: str) -> str:
        if self.next in ("", "#", ":"):
            raise self.refusal(what)
        return self.take()

    def number(self, what: str) -> int:
        if not _is_number(self.next):
            raise self.refusal(f"{what}, a number,")
        return int(self.take())

    def numbers(self, what: str) -> tuple[int, ...]:
        parts = self.next.split(",")
        if not all(map(_is_number, parts)):
            raise self.refusal(what)
        self.take()
        return tuple(map(int, parts))

    def signed(self, what: str) -> int:
        if self.next[:1] not in ("+", "-") or not _is_number(self.next[1:]):
            raise self.refusal(f"{what}, a number with its sign,")
        return int(self.take())

    def fraction(self, what: str) -> float:
        if not _FRACTION.fullmatch(self.next):
            raise self.refusal(f"{what}, such as 0.1,")
        return float(self.take())

    def bytes(self) -> int:
        count = self.number("how many bytes")
        self.expect("bytes")
        return count

    def byte_range(self) -> ByteRange:
        start, dots, end = self.next.partition("..")
        if not (dots and _is_number(start) and _is_number(end)):
            raise self.refusal("bytes START..END")
        self.take()
        return ByteRange(int(start), int(end))

    def end(self) -> None:
        if self.next:
            raise self.refusal("the end of the line")

    def refusal(self, expected: str, known: tuple[str, ...] = ()) -> FaultSyntaxError:
        """Return the error for a next token that is not what was expected.

        Args:
            expected: in words.
            known: what it may have been meant to be.
        """
        came = repr(self.next) if self.next else "the end"
        matches = get_close_matches(self.next, known, n=1, cutoff=0.3)
        nearest = f"; nearest match: {matches[0]}" if matches else ""
        return FaultSyntaxError(
            f"expected {expected} but got {came}{nearest}", line=self._line, column=self.column
        )


def _is_number(word: str) -> bool:
    """Whether a word is a whole number >= 0, in plain digits."""
    return word.isascii() and word.isdigit()


def _fault(tokens: _Tokenizer) -> Fault:
    matcher = _matcher(tokens)
    tokens.begin_part()
    number = tokens.number("which match") if tokens.takes("#") else 1
    tokens.expect(":")
    number_column = tokens.part_column
    tokens.begin_part()
    fault = Fault(matcher=matcher, what=_VERBS[tokens.choose("what to do", _VERBS)](tokens))
    trigger = _trigger(tokens) if fault.takes_trigger else fault.trigger
    tokens.end()
    tokens.part_column = number_column
    return evolve(fault, trigger=evolve(trigger, first=number))


def _matcher(tokens: _Tokenizer) -> OperationMatcher:
    kind = _KINDS[tokens.choose("an operation", _KINDS)]
    tokens.begin_part()
    is_path = tokens.next not in (*_CLAUSES, "#", ":", "")
    matcher = OperationMatcher(kind=kind, path=tokens.take() if is_path else None)
    tokens.begin_part()
    if tokens.takes("offset"):
        matcher = evolve(matcher, offset=tokens.byte_range())
    tokens.begin_part()
    if tokens.takes("in"):
        matcher = evolve(matcher, caller=tokens.name("a function or module"))
    tokens.begin_part()
    if tokens.takes("while"):
        matcher = evolve(matcher, condition=_while(tokens))
    if tokens.next not in ("#", ":"):
        raise tokens.refusal("a path, 'offset', 'in', 'while', '#' or ':'", _CLAUSES)
    return matcher


def _while(tokens: _Tokenizer) -> While:
    path = tokens.name("a file")
    test = _TESTS[tokens.choose("what holds of the file", _TESTS)]
    compares = test in (FileTest.AT_LEAST, FileTest.LESS)
    return While(path, test, tokens.bytes() if compares else None)


def _trigger(tokens: _Tokenizer) -> Trigger:
    if tokens.takes("from"):
        tokens.expect("now", "on")
        return Trigger(times=None)
    if tokens.takes("with"):
        tokens.expect("probability")
        probability = tokens.fraction("a probability")
        tokens.expect("from")
        return Trigger(times=None, chance=Chance(probability, tokens.name("a stream")))
    if not tokens.next:
        return Trigger()
    times = tokens.number("'from now on', 'with probability' or how many times")
    tokens.expect("times")
    return Trigger(times=times)


def _fail(tokens: _Tokenizer) -> What:
    error = _ERRORS[tokens.choose("an error", _ERRORS)]
    if tokens.next == "from" and not tokens.precedes("from", "now"):
        tokens.take()
        count = tokens.number("how many")
        if tokens.takes("open"):
            return OpenLimit(error, count)
        tokens.expect("bytes", "written")
        return FillUp(error, count)
    if tokens.takes("after", "effect"):
        return Fail(error=error, when=When.AFTER)
    if tokens.takes("after"):
        if not _is_number(tokens.next):
            raise tokens.refusal("'effect' or a number of bytes", ("effect",))
        return Fail(error=error, when=When.INSIDE, partial_bytes=tokens.bytes())
    if tokens.next in _MACHINES:
        return Fail(error=error, machine=_MACHINES[tokens.take()])
    if not tokens.next or tokens.next in ("from", "with") or _is_number(tokens.next):
        return Fail(error=error)
    rest = (*_MACHINES, "after", "from", "with")
    raise tokens.refusal(f"one of {', '.join(rest)}, a number of times, or the end", rest)


def _flip(tokens: _Tokenizer) -> What:
    tokens.expect("bit")
    bit = tokens.number("the bit")
    tokens.expect("at")
    return FlipBit(bit, tokens.number("an offset in bytes"))


def _torn(tokens: _Tokenizer) -> What:
    shape = _SHAPES[tokens.choose("which sectors", _SHAPES)]
    tokens.expect(*shape.value.split()[1:])
    if shape in (TornShape.ONLY, TornShape.ALL_BUT):
        return TornWrite(shape, tokens.numbers("sectors, such as 0,2"))
    count = tokens.number("how many sectors")
    tokens.expect("sectors")
    return TornWrite(shape, (count,))


def _misdirected(tokens: _Tokenizer) -> What:
    tokens.expect("to")
    return Misdirected(tokens.number("an offset in bytes"))


def _shortened(tokens: _Tokenizer) -> What:
    tokens.expect("to")
    return Shortened(tokens.bytes())


def _lengthened(tokens: _Tokenizer) -> What:
    tokens.expect("by")
    return Lengthened(tokens.bytes())


def _stall(tokens: _Tokenizer) -> What:
    duration_ms = tokens.number("how many milliseconds")
    tokens.expect("ms")
    return Stall(duration_ms)


def _clock(tokens: _Tokenizer) -> What:
    tokens.expect("jumps")
    jump_s = tokens.signed("how many seconds")
    tokens.expect("s")
    return ClockJump(jump_s)


def _crash(tokens: _Tokenizer) -> What:
    return Crash(CrashEnd.POWER_CUT, _when(tokens))


def _kill(tokens: _Tokenizer) -> What:
    when = _when(tokens)
    if tokens.takes("then"):
        tokens.expect("power", "cut")
        return Crash(CrashEnd.KILL_THEN_POWER_CUT, when)
    return Crash(CrashEnd.KILL, when)


def _when(tokens: _Tokenizer) -> When:
    return When(tokens.choose("when", [when.value for when in When]))


_VERBS: Final[Mapping[str, Callable[[_Tokenizer], What]]] = MappingProxyType(
    {
        "fail": _fail,
        "short": lambda tokens: Short(tokens.bytes()),
        "flip": _flip,
        "torn": _torn,
        "lost": lambda _: LostWrite(),
        "misdirected": _misdirected,
        "lie": lambda _: SyncLie(),
        "unreadable": lambda tokens: Unreadable(tokens.byte_range()),
        "zeroed": lambda tokens: Zeroed(tokens.byte_range()),
        "stale": lambda tokens: Stale(tokens.byte_range()),
        "missing": lambda _: Missing(),
        "emptied": lambda _: Shortened(0),
        "shortened": _shortened,
        "lengthened": _lengthened,
        "read-only": lambda _: ReadOnly(),
        "crash": _crash,
        "kill": _kill,
        "evict": lambda _: Evict(),
        "stall": _stall,
        "clock": _clock,
    }
)
"""What reads the rest of an effect, by its first word."""


@frozen(kw_only=True)
class FaultWords:
    """An entry of the vocabulary.

    Attributes:
        form: the words as they stand in a line; numbers and names in them are examples.
        example: a whole line.
        meaning: what the words do, in one sentence.
    """

    form: str
    example: str
    meaning: str


def _effect(form: str, matcher: str, meaning: str) -> FaultWords:
    return FaultWords(form=form, example=f"{matcher}: {form}", meaning=meaning)


def _clause(form: str, example: str, meaning: str) -> FaultWords:
    return FaultWords(form=form, example=example, meaning=meaning)


VOCABULARY: Final = (
    _effect(
        "fail EIO",
        "rename state.json",
        "reports the error and has no effect; also ENOSPC, EDQUOT, EMFILE, EACCES, EROFS, EINTR, "
        "EFBIG",
    ),
    _effect("fail EIO after effect", "rename state.json", "is done, and reports the error"),
    _effect("fail EIO after 512 bytes", "write log.dat", "writes so much, then reports the error"),
    _effect(
        "fail EIO ext4",
        "fsync log.dat #3",
        "fails as on that filesystem, and loses pages; also xfs, btrfs, ext4-data-journal",
    ),
    _effect(
        "fail ENOSPC from 65536 bytes written",
        "any",
        "has no room left after so many bytes; also EDQUOT",
    ),
    _effect("fail EMFILE from 3 open", "open", "fails while so many files are open"),
    _effect("read-only", "any #9", "fails with EROFS, as does everything that changes something"),
    _effect("short 100 bytes", "write *.tmp #2", "moves no more bytes, and says how many"),
    _effect("flip bit 17 at 1000", "read snapshot.dat", "shows this bit as its opposite, always"),
    _effect(
        "torn sectors 0,2",
        "write log.dat",
        "lets only these sectors land, and reports that all did; also all but sectors 0,2, "
        "first 3 sectors, last 3 sectors, garbage after 3 sectors",
    ),
    _effect("lost", "write log.dat #4", "lets nothing land, and reports that all did"),
    _effect("misdirected to 8192", "write log.dat", "writes or reads elsewhere in the file"),
    _effect("lie", "fsync log.dat", "makes nothing durable, and reports that it has"),
    _effect("unreadable 4096..4608", "read log.dat", "fails with EIO until they are rewritten"),
    _effect("zeroed 0..4096", "read log.dat", "shows zeros until they are rewritten"),
    _effect("stale 0..4096", "read log.dat", "shows what was there before the last write"),
    _effect("missing", "any snapshot.dat", "finds no file, until one is made"),
    _effect("emptied", "open state.json", "finds a file without bytes"),
    _effect("shortened to 100 bytes", "open log.dat", "finds a file that has lost its end"),
    _effect("lengthened by 100 bytes", "open log.dat", "finds a file with garbage behind its end"),
    _effect("crash before", "rename state.json", "is where the power goes; also inside, after"),
    _effect("kill before", "fsync log.dat", "is where the process ends; the page cache lives on"),
    _effect("kill before then power cut", "fsync", "ends the process, then the next one's power"),
    _effect("evict", "read log.dat", "finds the page cache without its clean pages"),
    _effect("stall 250 ms", "fsync log.dat", "begins so much later"),
    _effect("clock jumps +3600 s", "write log.dat", "finds the wall clock set"),
    _clause(
        "any",
        "any: fail EIO",
        f"every operation: {', '.join(kind.value for kind in OperationKind)}",
    ),
    _clause("#3", "fsync #3: fail EIO", "the third operation that matches, not the first"),
    _clause("offset 0..512", "read offset 0..512: fail EIO", "only if it touches these bytes"),
    _clause(
        "in save_snapshot",
        "any in save_snapshot: fail EIO",
        "only below a function or module of this name",
    ),
    _clause(
        "while log.dat >= 4096 bytes",
        "fsync while log.dat >= 4096 bytes: lie",
        "only while a file is there (exists, absent) or of such a size (>=, <)",
    ),
    _clause("3 times", "write: lost 3 times", "so many in a row"),
    _clause("from now on", "open: fail EACCES from now on", "that one and all that come after"),
    _clause(
        "with probability 0.1 from disk",
        "read: fail EINTR with probability 0.1 from disk",
        "each by chance, from a stream of random numbers of this name",
    ),
)
"""All words: what a fault does, and after that its matcher and its trigger."""
