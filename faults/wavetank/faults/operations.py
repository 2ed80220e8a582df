"""The operations of the filesystem seam, by the words that the fault language has for them.

`OPERATIONS` lists every method of `FileSystem` and `File` with its kind, and every kind belongs to
one class, which says what can go wrong with it besides a failure. A method that stands in no row
could not be hit by any fault: a test holds the table against the Protocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from attrs import frozen

__all__ = [
    "FAULT_CLASSES",
    "OPERATIONS",
    "SYNCS_OF_FILES",
    "FaultClass",
    "OperationKind",
    "SeamOperation",
    "kinds_of",
]


class OperationKind(Enum):
    """A kind of operation; the value is its word."""

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


class FaultClass(Enum):
    """What can go wrong with a kind of operation; each of them can also fail with an error."""

    READING = "reading"
    """It may be short, and what it returns may be damaged."""
    WRITING = "writing"
    """It may be short, and may fail after a part of its bytes."""
    SYNCING = "syncing"
    """It may fail so that page cache and disk disagree from then on."""
    SIZING = "sizing"
    """It changes a file's length or room, as a whole or not at all."""
    NAMING = "naming"
    """It changes names, or opens by name, as a whole or not at all."""
    ASKING = "asking"
    """It changes nothing."""
    HOLDING = "holding"
    """It is about the descriptor, not about content or names."""


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
    """Return the kinds that are in some classes, in the order of the table.

    >>> [kind.value for kind in kinds_of(FaultClass.READING, FaultClass.WRITING)]
    ['read', 'write']
    """
    return tuple(kind for kind, of_it in FAULT_CLASSES.items() if of_it in classes)


@frozen
class SeamOperation:
    """A method of the seam.

    Attributes:
        method: its name, of `File` or `FileSystem`; no name stands in both.
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
