"""Faults for any Python code: its calls go wrong as lines of the fault language say.

`FaultyCalls` stands around each call on the simulated disk. Each `Circumstances` is one run of the
workload. What a program does about an error is its own affair; what it leaves is judged like
anything else.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from os import (  # noqa: TID251 - paths, flags and texts, no system call
    O_CREAT,
    O_RDWR,
    O_WRONLY,
    PathLike,
    fsdecode,
    strerror,
)
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from attrs import frozen

from wavetank.faults import (
    Fail,
    FaultInjector,
    FillUp,
    OpenLimit,
    Operation,
    OperationKind,
    ReadOnly,
    Short,
    When,
    fault_plan,
    parse_fault,
)
from wavetank.sim import SimDisk, SimFileSystem

if TYPE_CHECKING:
    from wavetank.sim.python_files import RunningProcess

__all__ = [
    "MOST_EVERY",
    "Circumstances",
    "Every",
    "Fault",
    "FaultyCalls",
    "every",
    "fault_circumstances",
]

_T = TypeVar("_T")

_KINDS: Final[Mapping[str, OperationKind]] = {
    name: kind
    for kind, names in {
        OperationKind.OPEN: "open os.open",
        OperationKind.READ: "read os.read os.pread os.readv os.preadv os.readinto",
        OperationKind.WRITE: "write os.write os.pwrite os.writev os.pwritev os.sendfile "
        "os.copy_file_range",
        OperationKind.TRUNCATE: "truncate os.ftruncate os.truncate",
        OperationKind.PREALLOCATE: "os.posix_fallocate",
        OperationKind.FSYNC: "os.fsync",
        OperationKind.DATASYNC: "os.fdatasync",
        OperationKind.RENAME: "os.rename os.replace",
        OperationKind.UNLINK: "os.unlink os.remove",
        OperationKind.LINK: "os.link os.symlink",
        OperationKind.MKDIR: "os.mkdir",
        OperationKind.RMDIR: "os.rmdir",
        OperationKind.LIST: "os.listdir os.scandir",
        OperationKind.STAT: "os.stat os.lstat os.fstat os.access",
        OperationKind.CLOSE: "close os.close",
    }.items()
    for name in names.split()
}
_MOVES: Final = frozenset({"os.rename", "os.replace", "os.link"})
_WRITES: Final = O_WRONLY | O_RDWR | O_CREAT
MOST_EVERY: Final = 200
"""Operations that `every` lets fail at most, one at a time."""


@frozen
class Every:
    """A fault at each operation in turn; see `every`."""

    line: str

    def at(self, number: int) -> str:
        """Return the fault at the operation of this number, from 1."""
        head, _, effect = self.line.partition(":")
        return f"{head.rstrip()} #{number}:{effect}"


Fault: TypeAlias = str | Every


def every(line: str) -> Every:
    """Return a fault that strikes each operation in turn, in a run of its own.

    Args:
        line: of the fault language, without a number.

    Raises:
        ValueError: the line has a number.
        FaultSyntaxError: it is no fault.

    >>> every("fsync: fail EIO").at(3)
    'fsync #3: fail EIO'
    """
    if "#" in line.partition(":")[0]:
        raise ValueError(f"line: expected a fault without a number but got {line!r}")
    parse_fault(line)
    return Every(line)


@frozen(kw_only=True)
class Circumstances:
    """In which a workload runs.

    Attributes:
        faults: lines of the fault language.
        capacity_bytes: what the disk holds; None for no limit.
        filesystems: directories on which other filesystems are mounted.
    """

    faults: tuple[str, ...] = ()
    capacity_bytes: int | None = None
    filesystems: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = list(self.faults)
        if self.capacity_bytes is not None:
            told.append(f"a disk of {self.capacity_bytes} bytes")
        return "; ".join(told)

    @property
    def is_faulty(self) -> bool:
        """Whether an error is to be expected."""
        return bool(self.faults) or self.capacity_bytes is not None


def fault_circumstances(
    faults: Sequence[Fault], capacity_bytes: int | None, plain: Circumstances
) -> list[Circumstances | tuple[Every, Circumstances]]:
    """Return the runs that are asked for; of an `Every`, what it goes on from.

    Args:
        faults: each one run, or several.
        capacity_bytes: of the disk in one more run; None for none.
        plain: the run without faults.

    Raises:
        ValueError: a fault does what Python code cannot have, or the capacity is negative.
        FaultSyntaxError: a line is no fault.
    """
    if isinstance(faults, str):
        raise TypeError(f"faults: expected a sequence of lines but got {faults!r}")
    if capacity_bytes is not None and capacity_bytes < 0:
        raise ValueError(f"capacity_bytes: expected None or bytes >= 0 but got {capacity_bytes!r}")
    runs: list[Circumstances | tuple[Every, Circumstances]] = []
    for each in faults:
        line = each.at(1) if isinstance(each, Every) else each
        _must_be_possible(line)
        if isinstance(each, Every):
            runs.append((each, plain))
        else:
            runs.append(Circumstances(faults=(line,), filesystems=plain.filesystems))
    if capacity_bytes is not None:
        limit = Circumstances(capacity_bytes=capacity_bytes, filesystems=plain.filesystems)
        runs.append(limit)
    return runs


def _must_be_possible(line: str) -> None:
    what = parse_fault(line).what
    plain_failure = isinstance(what, Fail) and what.machine is None
    if not plain_failure and not isinstance(what, Short | FillUp | OpenLimit | ReadOnly):
        raise ValueError(
            f"faults: expected an error, a short transfer or a full disk for Python code but got "
            f"{line!r}; damage and lost writes are for stores on the simulated filesystem"
        )


class FaultyCalls:
    """Stands around the calls of one process.

    Args:
        circumstances: what goes wrong.
        directory: the simulated directory.
        disk: the disk of the process.
    """

    def __init__(self, circumstances: Circumstances, directory: str, disk: SimDisk) -> None:
        self._injector = FaultInjector(fault_plan(circumstances.faults))
        self._filesystems = circumstances.filesystems
        self._directory = directory
        self._below = SimFileSystem(disk)
        self._is_full = circumstances.capacity_bytes is not None
        self._open_files = 0

    def has_fired(self) -> bool:
        """Whether anything went wrong that was asked for; a small disk counts."""
        return self._is_full or any(self._injector.fired().values())

    def __call__(
        self,
        name: str,
        call: Callable[..., _T],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        process: RunningProcess,
    ) -> _T:
        """Make a call, or let it go wrong."""
        kind = _KINDS.get(name)
        if kind is None:
            return call(*args, **kwargs)
        paths = tuple(_paths(args, process))
        if name in _MOVES and len({self._filesystem(path) for path in paths}) > 1:
            raise OSError(errno.EXDEV, strerror(errno.EXDEV), paths[0], None, paths[-1])
        if not any(self._concerns(path) for path in paths):
            return call(*args, **kwargs)
        operation = self._operation(kind, paths, args, process)
        fault = self._injector.operation_fault(operation, self._below)
        if isinstance(fault, Short):
            args = _shortened(kind, args, fault.max_bytes)
        elif isinstance(fault, Fail):
            # A close gives its descriptor back whatever it reports.
            if fault.when is When.AFTER or kind is OperationKind.CLOSE:
                call(*args, **kwargs)
            elif fault.when is When.INSIDE:
                call(*_shortened(kind, args, fault.partial_bytes), **kwargs)
            number = errno.__dict__[fault.error.name]
            raise OSError(number, strerror(number), *paths[:1])
        result = call(*args, **kwargs)
        self._count(operation, result)
        return result

    def _count(self, operation: Operation, result: object) -> None:
        if operation.kind is OperationKind.OPEN:
            self._open_files += 1
        elif operation.kind is OperationKind.CLOSE:
            self._open_files -= 1
        elif operation.kind is OperationKind.WRITE and isinstance(result, int):
            self._injector.wrote(operation, result)

    def _operation(
        self,
        kind: OperationKind,
        paths: tuple[str, ...],
        args: tuple[object, ...],
        process: RunningProcess,
    ) -> Operation:
        if kind is OperationKind.FSYNC and process.is_directory(args[0]):
            kind = OperationKind.FSYNC_DIR
        length = 0
        if kind is OperationKind.WRITE and isinstance(args[1], bytes | bytearray | memoryview):
            length = memoryview(args[1]).nbytes
        flags = args[1] if kind is OperationKind.OPEN and len(args) > 1 else 0
        writes = isinstance(flags, int) and bool(flags & _WRITES)
        return Operation(
            kind=kind, paths=paths, length=length, writes=writes, open_files=self._open_files
        )

    def _concerns(self, path: str) -> bool:
        """Whether a path is one of the code's own, and none of the machine that it only reads."""
        roots = (self._directory, *self._filesystems)
        return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)

    def _filesystem(self, path: str) -> str:
        mounted = [
            root
            for root in self._filesystems
            if path == root or path.startswith(root.rstrip("/") + "/")
        ]
        return max(mounted, key=len, default="/")


def _paths(args: tuple[object, ...], process: RunningProcess) -> Sequence[str]:
    """Return what a call is about: the paths it is given, or the one of its descriptor."""
    if args and isinstance(args[0], int):
        path = process.path_of(args[0])
        return [] if path is None else [path]
    return [
        process.absolute(fsdecode(each))
        for each in args[:2]
        if isinstance(each, str | bytes | PathLike)
    ]


def _shortened(kind: OperationKind, args: tuple[object, ...], count: int) -> tuple[object, ...]:
    """Return the arguments of a read or write that moves at most so many bytes."""
    if kind not in {OperationKind.READ, OperationKind.WRITE}:
        return args
    if kind is OperationKind.READ and isinstance(args[1], int):
        return (args[0], min(args[1], count), *args[2:])
    if isinstance(args[1], bytes | bytearray | memoryview):
        return (args[0], memoryview(args[1]).cast("B")[:count], *args[2:])
    return args
