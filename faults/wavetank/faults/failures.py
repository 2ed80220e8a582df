"""Describe failures: an operation does less than it was asked to, and says so.

`kinds` of each value names the operations it can apply to; None for all.
"""

from __future__ import annotations

import errno
from enum import Enum
from typing import ClassVar, TypeAlias

from attrs import field, frozen
from attrs.validators import ge, instance_of

from wavetank.faults.operations import (
    SYNCS_OF_FILES,
    FaultClass,
    Kinds,
    OperationKind,
    When,
    kinds_of,
)
from wavetank.sim import FsyncFailure

__all__ = [
    "Fail",
    "Failure",
    "FaultErrno",
    "FillUp",
    "OpenLimit",
    "ReadOnly",
    "Short",
]


class FaultErrno(Enum):
    """An error that a faulty operation reports; the value is the number, the name its word."""

    EIO = errno.EIO
    ENOSPC = errno.ENOSPC
    EDQUOT = errno.EDQUOT
    EMFILE = errno.EMFILE
    EACCES = errno.EACCES
    EROFS = errno.EROFS
    EINTR = errno.EINTR
    EFBIG = errno.EFBIG


@frozen(kw_only=True)
class Fail:
    """The operation reports an error.

    Attributes:
        error: which.
        machine: what a failing sync leaves, by filesystem; None: just what `when` says.
        when: how much takes effect; INSIDE is for writes.
        partial_bytes: how many bytes of a write are written first if `when` is INSIDE; else 0.

    Raises:
        ValueError: a machine with another error than EIO, or with an effect; or `partial_bytes`
            that do not fit `when`.

    >>> print(Fail(error=FaultErrno.EIO, machine=FsyncFailure.EXT4))
    fail EIO ext4
    """

    error: FaultErrno
    machine: FsyncFailure | None = None
    when: When = When.BEFORE
    partial_bytes: int = field(default=0, validator=[instance_of(int), ge(0)])

    def __attrs_post_init__(self) -> None:
        if self.machine is not None:
            if self.error is not FaultErrno.EIO:
                raise ValueError(
                    f"machine: expected none with {self.error.name}, got {self.machine.value}"
                )
            if self.when is not When.BEFORE:
                raise ValueError(f"when: expected BEFORE with a machine but got {self.when.name}")
        if (self.partial_bytes > 0) != (self.when is When.INSIDE):
            raise ValueError(
                f"partial_bytes: expected bytes > 0 with INSIDE and 0 otherwise, but got "
                f"{self.partial_bytes} with {self.when.name}"
            )

    @property
    def kinds(self) -> Kinds:
        """The kinds of operation it can apply to."""
        if self.machine is not None:
            return SYNCS_OF_FILES
        return kinds_of(FaultClass.WRITING) if self.when is When.INSIDE else None

    def __str__(self) -> str:
        words = ["fail", self.error.name]
        if self.machine is not None:
            words.append(self.machine.value)
        if self.when is When.AFTER:
            words.append("after effect")
        if self.when is When.INSIDE:
            words.append(f"after {self.partial_bytes} bytes")
        return " ".join(words)


@frozen
class FillUp:
    """The disk fills up: after so many bytes, everything that needs space fails.

    Attributes:
        error: ENOSPC or EDQUOT.
        written_bytes: bytes that writes on the matching paths may take in sum. A write that goes
            beyond is short; one that finds no byte left fails.

    >>> print(FillUp(FaultErrno.ENOSPC, 65536))
    fail ENOSPC from 65536 bytes written
    """

    kinds: ClassVar[Kinds] = None

    error: FaultErrno
    written_bytes: int = field(validator=[instance_of(int), ge(0)])

    def __attrs_post_init__(self) -> None:
        if self.error not in (FaultErrno.ENOSPC, FaultErrno.EDQUOT):
            raise ValueError(f"error: expected ENOSPC or EDQUOT but got {self.error.name}")

    def __str__(self) -> str:
        return f"fail {self.error.name} from {self.written_bytes} bytes written"


@frozen
class OpenLimit:
    """The process runs out of descriptors: with so many files open, another open fails.

    Attributes:
        error: EMFILE.
        open_files: how many a process may have open at once. Each process has its own limit.

    >>> print(OpenLimit(FaultErrno.EMFILE, 3))
    fail EMFILE from 3 open
    """

    kinds: ClassVar[Kinds] = (OperationKind.OPEN,)

    error: FaultErrno
    open_files: int = field(validator=[instance_of(int), ge(0)])

    def __attrs_post_init__(self) -> None:
        if self.error is not FaultErrno.EMFILE:
            raise ValueError(f"error: expected EMFILE but got {self.error.name}")

    def __str__(self) -> str:
        return f"fail {self.error.name} from {self.open_files} open"


@frozen
class ReadOnly:
    """The filesystem turns read-only: everything that would change it fails with EROFS.

    That is writing, sizing, syncing, naming, and opening a file to write or create it. It begins
    with the first matching operation of these.

    >>> print(ReadOnly())
    read-only
    """

    kinds: ClassVar[Kinds] = None

    def __str__(self) -> str:
        return "read-only"


@frozen
class Short:
    """A read or write moves fewer bytes than it was asked to.

    Attributes:
        max_bytes: how many at most; at least 1, as the seam promises.

    >>> print(Short(100))
    short 100 bytes
    """

    kinds: ClassVar[Kinds] = kinds_of(FaultClass.READING, FaultClass.WRITING)

    max_bytes: int = field(validator=[instance_of(int), ge(1)])

    def __str__(self) -> str:
        return f"short {self.max_bytes} bytes"


Failure: TypeAlias = Fail | FillUp | OpenLimit | ReadOnly | Short
"""The operation does less than it was asked to, and says so."""
