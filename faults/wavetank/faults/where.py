"""Where a fault strikes: which operations it looks at.

Left out: which of those that match are struck (which.py), and looking (_matching.py).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from attrs import field, frozen
from attrs.validators import ge, instance_of, optional

from wavetank.faults.conditions import While
from wavetank.faults.operations import SYNCS_OF_FILES, OperationKind

__all__ = ["ByteRange", "Where"]

_RESERVED_WORDS: Final = frozenset({"offset", "in", "while"})
_RESERVED_MARKS: Final = frozenset("#:")
_TRANSFERS: Final = (OperationKind.READ, OperationKind.WRITE)


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
        self._check_end()

    def _check_end(self) -> None:
        end = self.end
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
        caller: only operations that a function or module of this name has asked for, itself or
            through others; None for all. A module goes by the last part of its name.
        condition: only while this holds; None for always.

    Raises:
        ValueError: the pattern or the caller holds white space, ``#`` or ``:``, is empty, or the
            pattern is the word ``offset``, ``in`` or ``while``; or an offset is given for a kind
            that has none.

    >>> print(Where(kind=OperationKind.WRITE, path="*.tmp"))
    write *.tmp
    """

    kind: OperationKind | None = None
    path: str | None = field(default=None, validator=optional(instance_of(str)))
    offset: ByteRange | None = field(default=None)
    caller: str | None = field(default=None, validator=optional(instance_of(str)))
    condition: While | None = field(default=None, validator=optional(instance_of(While)))

    def __attrs_post_init__(self) -> None:
        self._check_path()
        self._check_offset()
        self._check_caller()

    def _check_path(self) -> None:
        path = self.path
        if path is None:
            return
        if not _is_word(path) or path in _RESERVED_WORDS:
            raise ValueError(
                f"path: expected a pattern without white space, '#' or ':', other than the words "
                f"offset, in and while (write [o]ffset), but got {path!r}"
            )

    def _check_offset(self) -> None:
        offset = self.offset
        if offset is not None and self.kind not in _TRANSFERS:
            raise ValueError(
                f"offset: expected none unless kind is read or write, but got {offset} with "
                f"{self.word}"
            )

    def _check_caller(self) -> None:
        caller = self.caller
        if caller is not None and not _is_word(caller):
            raise ValueError(f"caller: expected a word without '#' or ':' but got {caller!r}")

    def matches_kind(self, kind: OperationKind) -> bool:
        """Whether operations of this kind are looked at."""
        if self.kind is OperationKind.FSYNC:
            return kind in SYNCS_OF_FILES
        return self.kind in (None, kind)

    def matches_path(self, path: str) -> bool:
        """Whether operations on this path are looked at."""
        if self.path is None:
            return True
        subject = path if "/" in self.path else path.rstrip("/").rpartition("/")[2]
        return fnmatchcase(subject, self.path)

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


def _is_word(text: str) -> bool:
    return text.split() == [text] and not _RESERVED_MARKS & set(text)
