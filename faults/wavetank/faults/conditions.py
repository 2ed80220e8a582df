"""Conditions under which a fault stands, decided on the files as they are below.

Left out: what a store is doing; a call site (`Where.caller`) says that.
"""

from __future__ import annotations

import posixpath
from enum import Enum

from attrs import field, frozen
from attrs.validators import ge, instance_of, optional

from wavetank.engine import FileSystem

__all__ = ["FileTest", "While"]


class FileTest(Enum):
    """What is asked of a file; one that is not there has no size."""

    EXISTS = "exists"
    ABSENT = "absent"
    AT_LEAST = ">="
    LESS = "<"


@frozen
class While:
    """A file that is there or not, or is of some size, when the operation begins.

    Attributes:
        path: the file; a name without ``/`` is looked for in the directory of the operation.
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
        self._check_path()
        self._check_size()

    def _check_path(self) -> None:
        path = self.path
        if path.split() != [path] or set("#:") & set(path):
            raise ValueError(f"path: expected a word without '#' or ':' but got {path!r}")

    def _check_size(self) -> None:
        size_bytes = self.size_bytes
        compares = self.test in (FileTest.AT_LEAST, FileTest.LESS)
        if compares != (size_bytes is not None):
            expected = "bytes" if compares else "None"
            raise ValueError(
                f"size_bytes: expected {expected} with {self.test.name} but got {size_bytes}"
            )

    def holds(self, below: FileSystem, directory: str) -> bool:
        """Whether it is so.

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
