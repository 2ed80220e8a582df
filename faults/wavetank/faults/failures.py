"""Failures: an operation does less than it was asked to, and says so.

Left out: disks that say one thing and do another (damages.py).
"""

from __future__ import annotations

import errno
from enum import Enum

from attrs import field, frozen
from attrs.validators import ge, instance_of

from wavetank.faults.operations import SYNCS_OF_FILES, FaultClass, OperationKind, kinds_of
from wavetank.sim import FsyncFailure

__all__ = ["Fail", "FaultErrno", "FillUp", "OpenLimit", "ReadOnly", "Short", "When"]


class FaultErrno(Enum):
    """An error that a faulty operation reports; the value is the number, the name its word."""

    EIO = errno.EIO
    ENOSPC = errno.ENOSPC
    EDQUOT = errno.EDQUOT
    EMFILE = errno.EMFILE
    EACCES = errno.EACCES
    EROFS = errno.EROFS
    EINTR = errno.EINTR


class When(Enum):
    """How much of an operation takes effect before it fails."""

    BEFORE = "nothing"
    PARTIAL = "some bytes"
    AFTER = "all"


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

    def __attrs_post_init__(self) -> None:
        self._check_machine()
        self._check_when()
        self._check_partial_bytes()

    def _check_machine(self) -> None:
        machine = self.machine
        if machine is not None and self.error is not FaultErrno.EIO:
            raise ValueError(f"machine: expected none with {self.error.name}, got {machine.value}")

    def _check_when(self) -> None:
        when = self.when
        if self.machine is not None and when is not When.BEFORE:
            raise ValueError(f"when: expected BEFORE with a machine but got {when.name}")

    def _check_partial_bytes(self) -> None:
        count = self.partial_bytes
        if (count > 0) != (self.when is When.PARTIAL):
            raise ValueError(
                f"partial_bytes: expected bytes > 0 with PARTIAL and 0 otherwise, but got {count} "
                f"with {self.when.name}"
            )

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        if self.machine is not None:
            return SYNCS_OF_FILES
        return kinds_of(FaultClass.WRITING) if self.when is When.PARTIAL else None

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

    def __attrs_post_init__(self) -> None:
        self._check_error()

    def _check_error(self) -> None:
        error = self.error
        if error not in (FaultErrno.ENOSPC, FaultErrno.EDQUOT):
            raise ValueError(f"error: expected ENOSPC or EDQUOT but got {error.name}")

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return None

    def __str__(self) -> str:
        return f"fail {self.error.name} from {self.written_bytes} bytes written"


@frozen
class OpenLimit:
    """There are descriptors for so many files; once they are open, one more fails.

    Attributes:
        error: EMFILE.
        open_files: how many a process may have open at once. Those of a process that has ended
            are its own.

    >>> print(OpenLimit(FaultErrno.EMFILE, 3))
    fail EMFILE from 3 open
    """

    error: FaultErrno = field()
    open_files: int = field(validator=[instance_of(int), ge(0)])

    def __attrs_post_init__(self) -> None:
        self._check_error()

    def _check_error(self) -> None:
        error = self.error
        if error is not FaultErrno.EMFILE:
            raise ValueError(f"error: expected EMFILE but got {error.name}")

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return (OperationKind.OPEN,)

    def __str__(self) -> str:
        return f"fail {self.error.name} from {self.open_files} open"


@frozen
class ReadOnly:
    """The filesystem has given up writing: from then on all that would change it fails with EROFS.

    That is writing, sizing, syncing, naming, and opening a file to write or make it. The first
    operation of these that matches begins it.

    >>> print(ReadOnly())
    read-only
    """

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return None

    def __str__(self) -> str:
        return "read-only"


@frozen
class Short:
    """A read or write moves fewer bytes than it was asked to.

    Attributes:
        max_bytes: as many at most, at least 1, as the seam promises.

    >>> print(Short(100))
    short 100 bytes
    """

    max_bytes: int = field(validator=[instance_of(int), ge(1)])

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return kinds_of(FaultClass.READING, FaultClass.WRITING)

    def __str__(self) -> str:
        return f"short {self.max_bytes} bytes"
