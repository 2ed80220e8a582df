"""`Operation`: a call on the filesystem seam, as faults look at it.

Left out: the kinds (operations.py), and whether a fault looks at it (_matching.py).
"""

from __future__ import annotations

from attrs import frozen

from wavetank.faults.operations import OperationKind

__all__ = ["Operation"]


@frozen(kw_only=True)
class Operation:
    """A call on the filesystem seam.

    Attributes:
        kind: of it.
        paths: the names it is about; of an open file, the one under which it was opened.
        offset: where a read or write begins, in bytes.
        length: bytes that it is asked to move.
        writes: of an open, whether it makes the file, or opens it to write.
        open_files: of an open, how many files its process has open.

    >>> print(Operation(kind=OperationKind.RENAME, paths=("/f", "/g")))
    rename /f /g
    """

    kind: OperationKind
    paths: tuple[str, ...]
    offset: int = 0
    length: int = 0
    writes: bool = False
    open_files: int = 0

    def __str__(self) -> str:
        return " ".join((self.kind.value, *self.paths))
