"""Where a fault strikes: which operations it looks at.

Left out: which of those that match are struck (which.py), and looking (_matching.py).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from attrs import field, frozen
from attrs.validators import ge, instance_of, optional

from wavetank.faults.operations import SYNCS_OF_FILES, OperationKind

__all__ = ["ByteRange", "Where"]

_RESERVED_WORDS: Final = frozenset({"offset"})
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
                f"{self.word}"
            )

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
        return " ".join(words)
