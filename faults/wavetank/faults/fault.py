"""Faults as values: where one strikes, what it does, and for how long; they print as text.

`str` of a `Fault` is its line, of a `FaultPlan` its lines; syntax.py reads them back. A value that
makes no sense is refused when it is made, so that every value has a line. Left out: doing it
(injector.py).
"""

from __future__ import annotations

import errno
from enum import Enum
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from attrs import field, frozen
from attrs.validators import ge, instance_of, optional

from wavetank.faults.operations import FAULT_CLASSES, FaultClass, OperationKind
from wavetank.sim import FsyncFailure

__all__ = [
    "ByteRange",
    "Fail",
    "Fault",
    "FaultErrno",
    "FaultPlan",
    "FillUp",
    "FlipBit",
    "Short",
    "What",
    "When",
    "Where",
    "Which",
]

_RESERVED_WORDS: Final = frozenset({"offset"})
_RESERVED_MARKS: Final = frozenset("#:")
_SYNCS_OF_FILES: Final = (OperationKind.FSYNC, OperationKind.DATASYNC)
_TRANSFERS: Final = (OperationKind.READ, OperationKind.WRITE)


class FaultErrno(Enum):
    """An error that a faulty operation reports; the value is the number, the name its word."""

    EIO = errno.EIO
    ENOSPC = errno.ENOSPC
    EDQUOT = errno.EDQUOT
    EMFILE = errno.EMFILE
    EACCES = errno.EACCES
    EROFS = errno.EROFS


class When(Enum):
    """How much of an operation takes effect before it fails."""

    BEFORE = "nothing"
    PARTIAL = "some bytes"
    AFTER = "all"


@frozen
class ByteRange:
    """The bytes ``start <= offset < end`` of a file.

    Raises:
        ValueError: it is empty or begins before the file.

    >>> print(ByteRange(4096, 8192))
    4096..8192
    """

    start: int = field(validator=[instance_of(int), ge(0)])
    end: int = field(validator=instance_of(int))

    @end.validator
    def _check_end(self, _: object, end: int) -> None:
        if end <= self.start:
            raise ValueError(f"end: expected an offset > {self.start} but got {end}")

    def overlaps(self, offset: int, length: int) -> bool:
        """Whether any of `length` bytes from `offset` on lies in the range."""
        return offset < self.end and self.start < offset + length

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"


@frozen(kw_only=True)
class Where:
    """Which operations a fault looks at.

    Attributes:
        kind: of operation; None for any. FSYNC matches DATASYNC too.
        path: shell pattern; one without ``/`` is held against the last part of a path. None for
            any path. An operation on two names matches by either.
        offset: only reads or writes that touch these bytes; None for all.

    Raises:
        ValueError: the pattern holds white space, ``#`` or ``:``, is empty or the word ``offset``;
            or an offset is given for a kind that has none.

    >>> print(Where(kind=OperationKind.WRITE, path="*.tmp"))
    write *.tmp
    """

    kind: OperationKind | None = None
    path: str | None = field(default=None, validator=optional(instance_of(str)))
    offset: ByteRange | None = field(default=None)

    @path.validator
    def _check_path(self, _: object, path: str | None) -> None:
        if path is None:
            return
        is_one_word = path.split() == [path]
        if not is_one_word or path in _RESERVED_WORDS or _RESERVED_MARKS & set(path):
            raise ValueError(
                f"path: expected a pattern without white space, '#' or ':', other than the word "
                f"'offset' (write [o]ffset), but got {path!r}"
            )

    @offset.validator
    def _check_offset(self, _: object, offset: ByteRange | None) -> None:
        if offset is not None and self.kind not in _TRANSFERS:
            raise ValueError(
                f"offset: expected none unless kind is read or write, but got {offset} with "
                f"{_word(self.kind)}"
            )

    def matches_kind(self, kind: OperationKind) -> bool:
        """Whether operations of this kind are looked at."""
        if self.kind is OperationKind.FSYNC:
            return kind in _SYNCS_OF_FILES
        return self.kind in (None, kind)

    def matches_path(self, path: str) -> bool:
        """Whether operations on this path are looked at."""
        if self.path is None:
            return True
        subject = path if "/" in self.path else path.rstrip("/").rpartition("/")[2]
        return fnmatchcase(subject, self.path)

    def __str__(self) -> str:
        words = [_word(self.kind)]
        if self.path is not None:
            words.append(self.path)
        if self.offset is not None:
            words.append(f"offset {self.offset}")
        return " ".join(words)


@frozen(kw_only=True)
class Which:
    """Which of the operations that match are struck.

    Attributes:
        first: the number of the first of them, from 1 on.
        times: how many in a row; None from then on.

    Raises:
        ValueError: a number is less than 1.
    """

    first: int = field(default=1, validator=[instance_of(int), ge(1)])
    times: int | None = field(default=1)

    @times.validator
    def _check_times(self, _: object, times: int | None) -> None:
        if times is not None and times < 1:
            raise ValueError(f"times: expected None or a number >= 1 but got {times}")

    def holds(self, number: int) -> bool:
        """Whether the match of this number is struck."""
        return self.first <= number and (self.times is None or number < self.first + self.times)

    def __str__(self) -> str:
        if self.times is None:
            return " from now on"
        return "" if self.times == 1 else f" {self.times} times"


@frozen(kw_only=True)
class Fail:
    """The operation reports an error.

    Attributes:
        error: which.
        machine: what a failing sync leaves, by filesystem; None: just what `when` says.
        when: how much takes effect.
        partial_bytes: how many bytes of a write are written first, if `when` is PARTIAL; else 0.

    Raises:
        ValueError: a machine with another error than EIO, or after an effect; or `partial_bytes`
            that do not fit `when`.

    >>> print(Fail(error=FaultErrno.EIO, machine=FsyncFailure.EXT4))
    fail EIO ext4
    """

    error: FaultErrno
    machine: FsyncFailure | None = field(default=None)
    when: When = field(default=When.BEFORE)
    partial_bytes: int = field(default=0, validator=[instance_of(int), ge(0)])

    @machine.validator
    def _check_machine(self, _: object, machine: FsyncFailure | None) -> None:
        if machine is not None and self.error is not FaultErrno.EIO:
            raise ValueError(f"machine: expected none with {self.error.name}, got {machine.value}")

    @when.validator
    def _check_when(self, _: object, when: When) -> None:
        if self.machine is not None and when is not When.BEFORE:
            raise ValueError(f"when: expected BEFORE with a machine but got {when.name}")

    @partial_bytes.validator
    def _check_partial_bytes(self, _: object, count: int) -> None:
        if (count > 0) != (self.when is When.PARTIAL):
            raise ValueError(
                f"partial_bytes: expected bytes > 0 with PARTIAL and 0 otherwise, but got {count} "
                f"with {self.when.name}"
            )

    def __str__(self) -> str:
        words = ["fail", self.error.name]
        if self.machine is not None:
            words.append(self.machine.value)
        if self.when is When.AFTER:
            words.append("after effect")
        if self.when is When.PARTIAL:
            words.append(f"after {self.partial_bytes} bytes")
        return " ".join(words)


@frozen
class FillUp:
    """There is room for so many bytes; then everything that needs room fails.

    Attributes:
        error: ENOSPC or EDQUOT.
        written_bytes: bytes that writes on the matching paths may take in sum. A write that goes
            beyond is short; one that finds no byte left fails.

    >>> print(FillUp(FaultErrno.ENOSPC, 65536))
    fail ENOSPC from 65536 bytes written
    """

    error: FaultErrno = field()
    written_bytes: int = field(validator=[instance_of(int), ge(0)])

    @error.validator
    def _check_error(self, _: object, error: FaultErrno) -> None:
        if error not in (FaultErrno.ENOSPC, FaultErrno.EDQUOT):
            raise ValueError(f"error: expected ENOSPC or EDQUOT but got {error.name}")

    def __str__(self) -> str:
        return f"fail {self.error.name} from {self.written_bytes} bytes written"


@frozen
class Short:
    """A read or write moves fewer bytes than it was asked to.

    Attributes:
        max_bytes: as many at most, at least 1, as the seam promises.

    >>> print(Short(100))
    short 100 bytes
    """

    max_bytes: int = field(validator=[instance_of(int), ge(1)])

    def __str__(self) -> str:
        return f"short {self.max_bytes} bytes"


@frozen
class FlipBit:
    """A read shows one bit as its opposite, each time again.

    Attributes:
        bit: counted from the lowest bit of the byte at `offset`.
        offset: in bytes.

    >>> FlipBit(17, 1000).position, FlipBit(17, 1000).mask
    (1002, 2)
    """

    bit: int = field(validator=[instance_of(int), ge(0)])
    offset: int = field(validator=[instance_of(int), ge(0)])

    @property
    def position(self) -> int:
        """Where the byte is that holds the bit."""
        return self.offset + self.bit // 8

    @property
    def mask(self) -> int:
        """The bit in its byte."""
        return 1 << self.bit % 8

    def __str__(self) -> str:
        return f"flip bit {self.bit} at {self.offset}"


What: TypeAlias = Fail | FillUp | Short | FlipBit
"""What a fault does."""

_LASTING: Final = (FillUp, FlipBit)


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        where: which operations it looks at.
        what: what it does to them.
        which: which of those that match; a `FlipBit` counts only reads that return its byte. A
            `FillUp` has its own measure and takes no other; it and a `FlipBit` last.

    Raises:
        ValueError: these do not go together.

    >>> print(
    ...     Fault(
    ...         where=Where(kind=OperationKind.FSYNC, path="log.dat"),
    ...         what=Fail(error=FaultErrno.EIO, machine=FsyncFailure.EXT4),
    ...         which=Which(first=3),
    ...     )
    ... )
    fsync log.dat #3: fail EIO ext4
    """

    where: Where
    what: What = field()
    which: Which = field()

    @which.default
    def _default_which(self) -> Which:
        return Which(times=None) if isinstance(self.what, _LASTING) else Which()

    @what.validator
    def _check_what(self, _: object, what: What) -> None:
        kinds = _kinds_for(what)
        if kinds is not None and self.where.kind not in kinds:
            expected = " or ".join(kind.value for kind in kinds)
            raise ValueError(
                f"where: expected {expected} for '{what}' but got {_word(self.where.kind)}"
            )
        if isinstance(what, FlipBit) and self.where.offset is not None:
            raise ValueError("where: expected no offset beside that of the bit")

    @which.validator
    def _check_which(self, _: object, which: Which) -> None:
        if isinstance(self.what, _LASTING) and which.times is not None:
            raise ValueError(f"which: expected times=None for '{self.what}', which lasts")
        if isinstance(self.what, FillUp) and which.first != 1:
            raise ValueError(f"which: expected first=1 for '{self.what}', got {which.first}")

    def __str__(self) -> str:
        number = "" if self.which.first == 1 else f" #{self.which.first}"
        lasts = "" if isinstance(self.what, _LASTING) else str(self.which)
        return f"{self.where}{number}: {self.what}{lasts}"


@frozen
class FaultPlan:
    """Faults in order; `str` gives one line for each.

    Attributes:
        faults: an operation that one of them strikes is not seen by those behind it.
    """

    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


def _kinds_for(what: What) -> tuple[OperationKind, ...] | None:
    """Return the kinds of operation to which it can be done; None for all."""
    if isinstance(what, FlipBit):
        return _of_class(FaultClass.READING)
    if isinstance(what, Short):
        return _of_class(FaultClass.READING) + _of_class(FaultClass.WRITING)
    if isinstance(what, Fail) and what.machine is not None:
        return _SYNCS_OF_FILES
    if isinstance(what, Fail) and what.when is When.PARTIAL:
        return _of_class(FaultClass.WRITING)
    return None


def _of_class(fault_class: FaultClass) -> tuple[OperationKind, ...]:
    return tuple(kind for kind, of_it in FAULT_CLASSES.items() if of_it is fault_class)


def _word(kind: OperationKind | None) -> str:
    return "any" if kind is None else kind.value
