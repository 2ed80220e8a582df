"""Name the operations of the filesystem seam as the fault language does.

`OPERATIONS` gives every method of `FileSystem` and `File` its kind, and `FAULT_CLASSES` every kind
its class, which says how it can go wrong besides failing. No fault could reach a method without a
row.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import frozen

__all__ = [
    "FAULT_CLASSES",
    "OPERATIONS",
    "SYNCS_OF_FILES",
    "FaultClass",
    "Kinds",
    "Operation",
    "OperationKind",
    "SeamOperation",
    "When",
    "kinds_of",
]


class OperationKind(Enum):
    """A kind of operation; the value is its word in the language."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    TRUNCATE = "truncate"
    PREALLOCATE = "preallocate"
    FSYNC = "fsync"
    DATASYNC = "datasync"
    FSYNC_DIR = "fsync_dir"
    RENAME = "rename"
    UNLINK = "unlink"
    LINK = "link"
    MKDIR = "mkdir"
    RMDIR = "rmdir"
    LIST = "list"
    STAT = "stat"
    SIZE = "size"
    ADVISE = "advise"
    LOCK = "lock"
    CLOSE = "close"


Kinds: TypeAlias = tuple[OperationKind, ...] | None
"""The kinds of operation that a fault can apply to; None for all."""


class FaultClass(Enum):
    """How a kind of operation can go wrong, besides failing with an error."""

    READING = "reading"
    """It may be short, and what it returns may be damaged."""
    WRITING = "writing"
    """It may be short, land wrongly, and fail after some of its bytes."""
    SYNCING = "syncing"
    """It may do nothing, or leave page cache and disk different when it fails."""
    SIZING = "sizing"
    """It changes a file's length or allocation, all of it or nothing."""
    NAMING = "naming"
    """It changes names, or opens by name, all of it or nothing."""
    ASKING = "asking"
    """It changes nothing."""
    HOLDING = "holding"
    """It concerns the descriptor, not content or names."""


FAULT_CLASSES: Final[Mapping[OperationKind, FaultClass]] = MappingProxyType(
    {
        OperationKind.OPEN: FaultClass.NAMING,
        OperationKind.READ: FaultClass.READING,
        OperationKind.WRITE: FaultClass.WRITING,
        OperationKind.TRUNCATE: FaultClass.SIZING,
        OperationKind.PREALLOCATE: FaultClass.SIZING,
        OperationKind.FSYNC: FaultClass.SYNCING,
        OperationKind.DATASYNC: FaultClass.SYNCING,
        OperationKind.FSYNC_DIR: FaultClass.SYNCING,
        OperationKind.RENAME: FaultClass.NAMING,
        OperationKind.UNLINK: FaultClass.NAMING,
        OperationKind.LINK: FaultClass.NAMING,
        OperationKind.MKDIR: FaultClass.NAMING,
        OperationKind.RMDIR: FaultClass.NAMING,
        OperationKind.LIST: FaultClass.ASKING,
        OperationKind.STAT: FaultClass.ASKING,
        OperationKind.SIZE: FaultClass.ASKING,
        OperationKind.ADVISE: FaultClass.HOLDING,
        OperationKind.LOCK: FaultClass.HOLDING,
        OperationKind.CLOSE: FaultClass.HOLDING,
    }
)
"""The class of every kind."""

SYNCS_OF_FILES: Final = (OperationKind.FSYNC, OperationKind.DATASYNC)
"""The kinds that make a file's content durable."""


def kinds_of(*classes: FaultClass) -> tuple[OperationKind, ...]:
    """Return the kinds in some classes, in the order of `FAULT_CLASSES`.

    >>> [kind.value for kind in kinds_of(FaultClass.READING, FaultClass.WRITING)]
    ['read', 'write']
    """
    return tuple(kind for kind, its_class in FAULT_CLASSES.items() if its_class in classes)


@frozen
class SeamOperation:
    """A method of the seam.

    Attributes:
        method: its name in `File` or `FileSystem`; no name is in both.
        kind: what the fault language calls it.
    """

    method: str
    kind: OperationKind


OPERATIONS: Final = (
    SeamOperation("pread", OperationKind.READ),
    SeamOperation("pwrite", OperationKind.WRITE),
    SeamOperation("append", OperationKind.WRITE),
    SeamOperation("truncate", OperationKind.TRUNCATE),
    SeamOperation("size", OperationKind.SIZE),
    SeamOperation("fsync", OperationKind.FSYNC),
    SeamOperation("datasync", OperationKind.DATASYNC),
    SeamOperation("preallocate", OperationKind.PREALLOCATE),
    SeamOperation("advise_dont_need", OperationKind.ADVISE),
    SeamOperation("lock", OperationKind.LOCK),
    SeamOperation("close", OperationKind.CLOSE),
    SeamOperation("open", OperationKind.OPEN),
    SeamOperation("rename", OperationKind.RENAME),
    SeamOperation("unlink", OperationKind.UNLINK),
    SeamOperation("link", OperationKind.LINK),
    SeamOperation("mkdir", OperationKind.MKDIR),
    SeamOperation("rmdir", OperationKind.RMDIR),
    SeamOperation("listdir", OperationKind.LIST),
    SeamOperation("stat", OperationKind.STAT),
    SeamOperation("fsync_dir", OperationKind.FSYNC_DIR),
)
"""Every method of the seam."""


@frozen(kw_only=True)
class Operation:
    """A call on the filesystem seam.

    Attributes:
        kind: of the call.
        paths: the names it concerns; for an open file, the name it was opened under.
        offset: where a read or write begins, in bytes.
        length: how many bytes a read or write is asked to move.
        writes: for an open, whether it creates the file or opens it for writing.
        open_files: for an open, how many files its process has open.

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


class When(Enum):
    """How much of an operation has taken effect when it fails or the process ends."""

    BEFORE = "before"
    INSIDE = "inside"
    AFTER = "after"
