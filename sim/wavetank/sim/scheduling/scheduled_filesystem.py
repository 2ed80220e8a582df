"""`ScheduledFileSystem`: a filesystem whose every call is a pause of the task that makes it.

Calls may take virtual time: a stall lets other tasks run, and their timeouts fire. Once the power
has gone every call raises `PowerCutError`, whoever makes it, so that what tasks do while they
unwind has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from wavetank.engine import Buffer, File, FileStat, FileSystem, OpenFlag
from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.scheduler import Access, PowerCutError

__all__ = ["ScheduledFileSystem", "Stall"]

_NOTHING: Final = Access()


@frozen(kw_only=True)
class Stall:
    """A call that takes long.

    Attributes:
        call: name of the method, such as "datasync".
        nth: which of them, from 1; 0 means each.
        duration_s: virtual seconds that pass before it does its work.
    """

    call: str
    nth: int = 0
    duration_s: float = 1.0


class ScheduledFileSystem:
    """Implements the engine's `FileSystem` over another one, with a pause before each call.

    Args:
        inner: does the work.
        runtime: whose tasks call.
        stalls: calls that take virtual time.
    """

    def __init__(
        self, inner: FileSystem, runtime: SimRuntime, stalls: Sequence[Stall] = ()
    ) -> None:
        self._inner = inner
        self._runtime = runtime
        self._pause = runtime.pause
        self._stalls = tuple(stalls)
        self._counts: dict[str, int] = {}

    def enter(self, call: str, access: Access) -> None:
        """Pause before a call; stall it if it is to be.

        Raises:
            PowerCutError: the power has gone.
        """
        self._pause(access)
        if self._stalls:
            self._stall(call)
        if self._runtime.is_cut:
            raise PowerCutError(f"{call}: the power has gone")

    def _stall(self, call: str) -> None:
        count = self._counts[call] = self._counts.get(call, 0) + 1
        for stall in self._stalls:
            if stall.call == call and stall.nth in (0, count):
                self._runtime.sleep(stall.duration_s)

    def open(self, path: str, flags: OpenFlag) -> File:
        """See `FileSystem.open`."""
        changes = flags & (OpenFlag.CREATE | OpenFlag.TRUNCATE)
        self.enter("open", _change(path) if changes else Access.reading(("name", path)))
        file = self._inner.open(path, flags)
        return _ScheduledFile(file, self.enter, self._inner.stat(path).inode)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self.enter("rename", _change(source, target))
        self._inner.rename(source, target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self.enter("unlink", _change(path))
        self._inner.unlink(path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        self.enter("link", _change(source, target))
        self._inner.link(source, target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        self.enter("mkdir", _change(path))
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        self.enter("rmdir", _change(path))
        self._inner.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`."""
        self.enter("listdir", Access.reading(("listing", path)))
        return self._inner.listdir(path)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        self.enter("stat", Access.reading(("name", path)))
        return self._inner.stat(path)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        self.enter("fsync_dir", _NOTHING)
        self._inner.fsync_dir(path)


def _change(*paths: str) -> Access:
    """Return the access of a call that changes names, and with them what their directories list."""
    return Access(
        writes=frozenset(("name", path) for path in paths),
        adds=frozenset(("listing", path.rpartition("/")[0] or "/") for path in paths),
    )


class _ScheduledFile:
    """An open file of a `ScheduledFileSystem`."""

    __slots__ = ("_enter", "_inner", "_locks", "_reads", "_writes")

    def __init__(self, inner: File, enter: Callable[[str, Access], None], inode: int) -> None:
        self._inner = inner
        self._enter = enter
        self._reads = Access.reading(("file", inode))
        self._writes = Access.to(("file", inode))
        self._locks = Access.to(("file lock", inode))

    def pread(self, length: int, offset: int) -> bytes:
        self._enter("pread", self._reads)
        return self._inner.pread(length, offset)

    def pwrite(self, data: Buffer, offset: int) -> int:
        self._enter("pwrite", self._writes)
        return self._inner.pwrite(data, offset)

    def append(self, data: Buffer) -> int:
        self._enter("append", self._writes)
        return self._inner.append(data)

    def truncate(self, size: int) -> None:
        self._enter("truncate", self._writes)
        self._inner.truncate(size)

    def size(self) -> int:
        self._enter("size", self._reads)
        return self._inner.size()

    def fsync(self) -> None:
        self._enter("fsync", self._reads)
        self._inner.fsync()

    def datasync(self) -> None:
        self._enter("datasync", self._reads)
        self._inner.datasync()

    def preallocate(self, offset: int, length: int) -> None:
        self._enter("preallocate", self._writes)
        self._inner.preallocate(offset, length)

    def advise_dont_need(self) -> None:
        self._enter("advise_dont_need", _NOTHING)
        self._inner.advise_dont_need()

    def lock(self) -> None:
        self._enter("lock", self._locks)
        self._inner.lock()

    def close(self) -> None:
        self._enter("close", self._locks)
        self._inner.close()
