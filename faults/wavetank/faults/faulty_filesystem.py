"""`FaultyFileSystem`: another filesystem, whose operations go wrong as a plan says.

It works on the seam alone, so that what is below may be a simulated disk or the machine's own. Left
out: open files (faulty_file.py), which operations are struck (injector.py), and what a failed sync
leaves, which is the simulated disk's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from wavetank.engine import FileStat, FileSystem, OpenFlag
from wavetank.faults._process import Process
from wavetank.faults.faulty_file import FaultyFile
from wavetank.faults.injector import FaultInjector
from wavetank.faults.operation import Operation
from wavetank.faults.operations import OperationKind
from wavetank.faults.surroundings import ClockHooks, DiskHooks

__all__ = ["FaultyFileSystem"]

_Result = TypeVar("_Result")


class FaultyFileSystem:
    """A `FileSystem` over another one, for one process.

    Where the plan says ``crash`` or ``kill``, an operation raises `CrashSignal`, which is no
    `Exception`. The process has ended then: every further operation raises the same signal and does
    nothing, but for `close`, which gives the descriptor back and says nothing. For the next
    process, make a new one with the same injector.

    Args:
        inner: the other one.
        injector: what goes wrong; it keeps the counts.
        disk: below `inner`, if it is simulated.
        clock: the run's runtime, if it is simulated.

    Raises:
        ValueError: the plan needs a `disk` or a `clock` that is not given.

    >>> from wavetank.engine import OpenFlag
    >>> from wavetank.faults import parse_plan
    >>> from wavetank.sim import SimDisk, SimFileSystem
    >>> injector = FaultInjector(parse_plan("write f: short 2 bytes"))
    >>> fs = FaultyFileSystem(SimFileSystem(SimDisk()), injector)
    >>> file = fs.open("/f", OpenFlag.WRITE | OpenFlag.CREATE)
    >>> file.pwrite(b"hello", 0), file.pwrite(b"hello", 0)
    (2, 5)
    >>> injector.fired()
    {'write f: short 2 bytes': 1}
    """

    __slots__ = ("_inner", "_process")

    def __init__(
        self,
        inner: FileSystem,
        injector: FaultInjector,
        disk: DiskHooks | None = None,
        clock: ClockHooks | None = None,
    ) -> None:
        self._process = Process(inner, injector, disk, clock)
        self._inner = self._process.inner

    def open(self, path: str, flags: OpenFlag) -> FaultyFile:
        """See `FileSystem.open`."""
        operation = Operation(
            kind=OperationKind.OPEN,
            paths=(path,),
            writes=bool(flags & (OpenFlag.WRITE | OpenFlag.CREATE)),
            open_files=self._process.open_files,
        )
        struck = self._process.strike(operation)
        if struck is None:
            return FaultyFile(self._process, path, flags)
        return self._process.refuse(
            struck, operation, lambda: self._inner.open(path, flags).close()
        )

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self._do(OperationKind.RENAME, lambda: self._inner.rename(source, target), source, target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self._do(OperationKind.UNLINK, lambda: self._inner.unlink(path), path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        self._do(OperationKind.LINK, lambda: self._inner.link(source, target), source, target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        self._do(OperationKind.MKDIR, lambda: self._inner.mkdir(path), path)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        self._do(OperationKind.RMDIR, lambda: self._inner.rmdir(path), path)

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`."""
        return self._do(OperationKind.LIST, lambda: self._inner.listdir(path), path)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        return self._do(OperationKind.STAT, lambda: self._inner.stat(path), path)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        operation = Operation(kind=OperationKind.FSYNC_DIR, paths=(path,))
        self._process.sync(operation, lambda: self._inner.fsync_dir(path))

    def _do(self, kind: OperationKind, act: Callable[[], _Result], *paths: str) -> _Result:
        return self._process.do(Operation(kind=kind, paths=paths), act)
