"""Select the operations that a fault fires at: an operation matcher and a trigger.

An `OperationMatcher` looks at one operation: its kind, its paths, the bytes it touches, who asked
for it, and the state of some file. A `Trigger` picks among the operations that match: from which
on, how many, and with what probability. The counting is in counting.py.
"""

from __future__ import annotations

import inspect
import posixpath
from enum import Enum
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final

from attrs import field, frozen
from attrs.validators import ge, instance_of, optional

from wavetank.engine import FileSystem
from wavetank.faults.operations import SYNCS_OF_FILES, Operation, OperationKind

__all__ = ["ByteRange", "Chance", "FileTest", "OperationMatcher", "Trigger", "While"]

_RESERVED_WORDS: Final = frozenset({"offset", "in", "while"})
_RESERVED_MARKS: Final = frozenset("#:")
_TRANSFERS: Final = (OperationKind.READ, OperationKind.WRITE)
_ON_DIRECTORIES: Final = (OperationKind.LIST, OperationKind.FSYNC_DIR)
_DRAW_BYTES: Final = 8


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

    def __attrs_post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"end: expected an offset > {self.start} but got {self.end}")

    def overlaps(self, offset: int, length: int) -> bool:
        """Whether any of `length` bytes from `offset` on lies in the range."""
        return offset < self.end and self.start < offset + length

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"


class FileTest(Enum):
    """What is asked of a file; a file that does not exist has no size."""

    EXISTS = "exists"
    ABSENT = "absent"
    AT_LEAST = ">="
    LESS = "<"


@frozen
class While:
    """A condition on a file, tested when the operation begins, on the disk without its damage.

    Attributes:
        path: the file; a name without ``/`` is looked up in the directory of the operation.
        test: what is asked of it.
        size_bytes: what its size is compared with; None unless `test` compares sizes.

    Raises:
        ValueError: the path is no word or holds ``#`` or ``:``, or the size does not fit the test.

    >>> print(While("log.dat", FileTest.AT_LEAST, 4096))
    while log.dat >= 4096 bytes
    """

    path: str = field(validator=instance_of(str))
    test: FileTest = field(validator=instance_of(FileTest))
    size_bytes: int | None = field(default=None, validator=optional([instance_of(int), ge(0)]))

    def __attrs_post_init__(self) -> None:
        _require_word("path", self.path)
        compares = self.test in (FileTest.AT_LEAST, FileTest.LESS)
        if compares != (self.size_bytes is not None):
            expected = "bytes" if compares else "None"
            raise ValueError(
                f"size_bytes: expected {expected} with {self.test.name} but got {self.size_bytes}"
            )

    def holds(self, below: FileSystem, directory: str) -> bool:
        """Whether the file passes the test now.

        Args:
            below: the filesystem without faults.
            directory: of the operation.
        """
        path = self.path if "/" in self.path else posixpath.join(directory, self.path)
        try:
            size = below.stat(path).size
        except OSError:
            return self.test is FileTest.ABSENT
        if self.size_bytes is None:
            return self.test is FileTest.EXISTS
        return (size >= self.size_bytes) == (self.test is FileTest.AT_LEAST)

    def __str__(self) -> str:
        size = "" if self.size_bytes is None else f" {self.size_bytes} bytes"
        return f"while {self.path} {self.test.value}{size}"


@frozen(kw_only=True)
class OperationMatcher:
    """Which operations a fault looks at.

    Attributes:
        kind: of operation; None for any. FSYNC matches DATASYNC too.
        path: shell pattern; one without ``/`` is held against the last part of a path. None for
            any path. An operation on two names matches by either.
        offset: only reads or writes that touch these bytes; None for all.
        caller: only operations that a function or module of this name asks for, itself or through
            others; None for all. A module goes by the last part of its name.
        condition: only while this holds; None for always.

    Raises:
        ValueError: the pattern or the caller holds white space, ``#`` or ``:``, is empty, or the
            pattern is the word ``offset``, ``in`` or ``while``; or an offset is given for a kind
            that has none.

    >>> print(OperationMatcher(kind=OperationKind.WRITE, path="*.tmp"))
    write *.tmp
    """

    kind: OperationKind | None = None
    path: str | None = field(default=None, validator=optional(instance_of(str)))
    offset: ByteRange | None = None
    caller: str | None = field(default=None, validator=optional(instance_of(str)))
    condition: While | None = field(default=None, validator=optional(instance_of(While)))

    def __attrs_post_init__(self) -> None:
        path = self.path
        if path is not None and (not _is_word(path) or path in _RESERVED_WORDS):
            raise ValueError(
                f"path: expected a pattern without white space, '#' or ':', other than the words "
                f"offset, in and while (write [o]ffset), but got {path!r}"
            )
        if self.offset is not None and self.kind not in _TRANSFERS:
            raise ValueError(
                f"offset: expected none unless kind is read or write, but got {self.offset} with "
                f"{self.word}"
            )
        if self.caller is not None:
            _require_word("caller", self.caller)

    def matches(self, operation: Operation, below: FileSystem) -> bool:
        """Whether an operation matches that begins now in this thread.

        Args:
            operation: that begins now.
            below: the filesystem without faults, for the condition.
        """
        if not self._matches_kind(operation.kind) or not self.matches_a_path_of(operation):
            return False
        if self.offset is not None and not self.offset.overlaps(operation.offset, operation.length):
            return False
        if self.caller is not None and not _is_called_in(self.caller):
            return False
        return self.condition is None or self.condition.holds(below, _directory_of(operation))

    def matches_a_path_of(self, operation: Operation) -> bool:
        """Whether one of the paths of an operation matches."""
        return any(self.matches_path(path) for path in operation.paths)

    def matches_path(self, path: str) -> bool:
        """Whether a path matches."""
        if self.path is None:
            return True
        subject = path if "/" in self.path else path.rstrip("/").rpartition("/")[2]
        return fnmatchcase(subject, self.path)

    def _matches_kind(self, kind: OperationKind) -> bool:
        if self.kind is OperationKind.FSYNC:
            return kind in SYNCS_OF_FILES
        return self.kind in (None, kind)

    @property
    def word(self) -> str:
        """The word for the kind."""
        return "any" if self.kind is None else self.kind.value

    def __str__(self) -> str:
        words = [self.word]
        if self.path is not None:
            words.append(self.path)
        if self.offset is not None:
            words.append(f"offset {self.offset}")
        if self.caller is not None:
            words.append(f"in {self.caller}")
        if self.condition is not None:
            words.append(str(self.condition))
        return " ".join(words)


@frozen
class Chance:
    """Fire at each match with some probability.

    Attributes:
        probability: more than 0 and at most 1.
        stream: the name of the random numbers. The n-th match takes the n-th number of the stream,
            whatever other faults do; another name or another seed of the run gives others.

    Raises:
        ValueError: the probability is out of range, or the name is no word or holds ``#`` or ``:``.

    >>> print(Chance(0.1, "disk"))
    with probability 0.1 from disk
    """

    probability: float = field(validator=instance_of(float))
    stream: str = field(validator=instance_of(str))

    def __attrs_post_init__(self) -> None:
        probability = self.probability
        if not 0 < probability <= 1:
            raise ValueError(f"probability: expected more than 0, at most 1, but got {probability}")
        _require_word("stream", self.stream)

    def fires_at(self, number: int, seed: int) -> bool:
        """Whether the match of this number fires in a run of this seed."""
        # The number depends on seed, name and position alone, so another fault moves none.
        digest = sha256(f"{seed}/{number}/{self.stream}".encode()).digest()
        return int.from_bytes(digest[:_DRAW_BYTES]) / 256**_DRAW_BYTES < self.probability

    def __str__(self) -> str:
        return f"with probability {self.probability!r} from {self.stream}"


@frozen(kw_only=True)
class Trigger:
    """Which of the operations that match a fault fires at.

    Attributes:
        first: the number of the first of them, counted from 1.
        times: how many in a row; None for all from `first` on.
        chance: of firing at each of these; None for certain. Only with ``times=None``.

    Raises:
        ValueError: a number is less than 1, or a chance comes with a number of times.
    """

    first: int = field(default=1, validator=[instance_of(int), ge(1)])
    times: int | None = 1
    chance: Chance | None = None

    def __attrs_post_init__(self) -> None:
        times = self.times
        if times is not None and times < 1:
            raise ValueError(f"times: expected None or a number >= 1 but got {times}")
        if self.chance is not None and times is not None:
            raise ValueError(f"times: expected None with '{self.chance}' but got {times}")

    def fires_at(self, number: int, seed: int) -> bool:
        """Whether it fires at the match of this number, in a run of this seed."""
        if number < self.first or (self.times is not None and number >= self.first + self.times):
            return False
        return self.chance is None or self.chance.fires_at(number, seed)

    def settled(self, matches: int) -> int:
        """Return `matches`, or fewer if it fires alike at all matches after that many."""
        if self.chance is not None:
            return matches
        return min(matches, self.first if self.times is None else self.first + self.times - 1)

    def __str__(self) -> str:
        if self.chance is not None:
            return f" {self.chance}"
        if self.times is None:
            return " from now on"
        return "" if self.times == 1 else f" {self.times} times"


def _is_word(text: str) -> bool:
    return text.split() == [text] and not _RESERVED_MARKS & set(text)


def _require_word(argument: str, text: str) -> None:
    if not _is_word(text):
        raise ValueError(f"{argument}: expected a word without '#' or ':' but got {text!r}")


def _directory_of(operation: Operation) -> str:
    path = operation.paths[0]
    return path if operation.kind in _ON_DIRECTORIES else posixpath.dirname(path.rstrip("/"))


def _is_called_in(name: str) -> bool:
    """Whether a function or module of this name is on the stack, this package's own aside."""
    frame = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith("wavetank.faults.") and name in (
            frame.f_code.co_name,
            module.rpartition(".")[2],
        ):
            return True
        frame = frame.f_back
    return False
