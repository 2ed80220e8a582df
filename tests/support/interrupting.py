"""A filesystem and a runtime in which one call, chosen by number, raises an error of any kind.

Where an errno is what a filesystem answers, these errors come from outside: Ctrl-C, a MemoryError.
They may strike before a call has done its work or right after it has, so each call that has an
effect counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

from attrs import define, field, frozen

from wavetank.engine import Buffer, File, FileStat, FileSystem, OpenFlag, Runtime
from wavetank.engine.runtime import Condition, Lock, Task

_Result = TypeVar("_Result")


@frozen
class Moment:
    """A moment at which an error can strike: a call, on what, before or after its work."""

    call: str
    name: str
    after: bool


@define(eq=False)
class Interruption:
    """Counts the moments of a run, and raises at one of them.

    Attributes:
        moments: those that have passed since `arm`, in order.
        struck: the moment at which the error was raised, None as long as it was not.
    """

    moments: list[Moment] = field(factory=list)
    struck: Moment | None = None
    _target: int | None = None
    _error: Callable[[], BaseException] = KeyboardInterrupt

    def arm(self, target: int | None, error: Callable[[], BaseException]) -> None:
        """Count anew, and raise `error()` once, at moment number `target`; None for never."""
        self.moments.clear()
        self._target, self._error, self.struck = target, error, None

    def disarm(self) -> None:
        self._target = None

    def passing(self, call: str, name: str, *, after: bool) -> None:
        moment = Moment(call, name, after)
        self.moments.append(moment)
        if len(self.moments) - 1 == self._target:
            self._target, self.struck = None, moment
            raise self._error()

    def around(
        self, call: str, name: str, work: Callable[[], _Result], undo: Callable[[_Result], None]
    ) -> _Result:
        """Do a call with a moment on either side.

        Args:
            call: what is called.
            name: on what.
            work: does it.
            undo: takes back a result that the caller never gets.
        """
        self.passing(call, name, after=False)
        result = work()
        try:
            self.passing(call, name, after=True)
        except BaseException:
            undo(result)
            raise
        return result

    def effect(self, call: str, name: str, work: Callable[[], _Result]) -> _Result:
        """Do a call that changes something, with a moment on either side."""
        return self.around(call, name, work, lambda _: None)


@define(eq=False)
class InterruptedFileSystem:
    """A filesystem whose calls can be interrupted.

    Attributes:
        open_files: those that have been opened and not closed.
    """

    inner: FileSystem
    interruption: Interruption
    open_files: list[InterruptedFile] = field(factory=list)

    def open(self, path: str, flags: OpenFlag) -> File:
        name = _name(path)

        def work() -> InterruptedFile:
            file = InterruptedFile(self.inner.open(path, flags), name, self)
            self.open_files.append(file)
            return file

        return self.interruption.around("open", name, work, InterruptedFile.release)

    def rename(self, source: str, target: str) -> None:
        work = lambda: self.inner.rename(source, target)  # noqa: E731
        self.interruption.effect("rename", _name(target), work)

    def unlink(self, path: str) -> None:
        self.interruption.effect("unlink", _name(path), lambda: self.inner.unlink(path))

    def link(self, source: str, target: str) -> None:
        work = lambda: self.inner.link(source, target)  # noqa: E731
        self.interruption.effect("link", _name(target), work)

    def mkdir(self, path: str) -> None:
        self.interruption.effect("mkdir", _name(path), lambda: self.inner.mkdir(path))

    def rmdir(self, path: str) -> None:
        self.interruption.effect("rmdir", _name(path), lambda: self.inner.rmdir(path))

    def listdir(self, path: str) -> Sequence[str]:
        self.interruption.passing("listdir", _name(path), after=False)
        return self.inner.listdir(path)

    def stat(self, path: str) -> FileStat:
        self.interruption.passing("stat", _name(path), after=False)
        return self.inner.stat(path)

    def fsync_dir(self, path: str) -> None:
        self.interruption.effect("fsync_dir", _name(path), lambda: self.inner.fsync_dir(path))


@define(eq=False)
class InterruptedFile:
    """A file whose calls can be interrupted."""

    inner: File
    name: str
    owner: InterruptedFileSystem

    def pread(self, length: int, offset: int) -> bytes:
        self.owner.interruption.passing("pread", self.name, after=False)
        return self.inner.pread(length, offset)

    def pwrite(self, data: Buffer, offset: int) -> int:
        return self._effect("pwrite", lambda: self.inner.pwrite(data, offset))

    def append(self, data: Buffer) -> int:
        return self._effect("append", lambda: self.inner.append(data))

    def truncate(self, size: int) -> None:
        self._effect("truncate", lambda: self.inner.truncate(size))

    def size(self) -> int:
        self.owner.interruption.passing("size", self.name, after=False)
        return self.inner.size()

    def fsync(self) -> None:
        self._effect("fsync", self.inner.fsync)

    def datasync(self) -> None:
        self._effect("datasync", self.inner.datasync)

    def preallocate(self, offset: int, length: int) -> None:
        self._effect("preallocate", lambda: self.inner.preallocate(offset, length))

    def advise_dont_need(self) -> None:
        self._effect("advise_dont_need", self.inner.advise_dont_need)

    def lock(self) -> None:
        self._effect("lock", self.inner.lock)

    def close(self) -> None:
        if self in self.owner.open_files:
            self._effect("close", self.release)

    def release(self) -> None:
        """Close the file, undisturbed."""
        self.owner.open_files.remove(self)
        self.inner.close()

    def _effect(self, call: str, work: Callable[[], _Result]) -> _Result:
        return self.owner.interruption.effect(call, self.name, work)


@define(eq=False)
class InterruptedRuntime:
    """A runtime whose calls, and those of what it makes, can be interrupted.

    A lock that is not taken because of an error stays free, and one that is given back is free
    whatever happens: without that, nobody could go on.
    """

    inner: Runtime
    interruption: Interruption

    def lock(self) -> Lock:
        self.interruption.passing("lock", "", after=False)
        return InterruptedCondition(self.inner.condition(), self.interruption)

    def rlock(self) -> Lock:
        raise NotImplementedError("the engine needs no lock that its holder can take again")

    def condition(self) -> Condition:
        self.interruption.passing("condition", "", after=False)
        return InterruptedCondition(self.inner.condition(), self.interruption)

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        task = self.interruption.effect("spawn", name, lambda: self.inner.spawn(name, work))
        return InterruptedTask(task, self.interruption)

    def monotonic(self) -> float:
        self.interruption.passing("monotonic", "", after=False)
        return self.inner.monotonic()

    def wall_clock(self) -> float:
        self.interruption.passing("wall_clock", "", after=False)
        return self.inner.wall_clock()

    def sleep(self, duration_s: float) -> None:
        self.interruption.passing("sleep", "", after=False)
        self.inner.sleep(duration_s)

    def random_bits(self, count: int) -> int:
        self.interruption.passing("random_bits", "", after=False)
        return self.inner.random_bits(count)

    def process_id(self) -> int:
        self.interruption.passing("process_id", "", after=False)
        return self.inner.process_id()


@define(eq=False)
class InterruptedTask:
    """Work whose end can be waited for with an interruption."""

    inner: Task
    interruption: Interruption

    def join(self, timeout_s: float | None = None) -> bool:
        return self.interruption.effect("join", "", lambda: self.inner.join(timeout_s))

    def done(self) -> bool:
        self.interruption.passing("done", "", after=False)
        return self.inner.done()


@define(eq=False)
class InterruptedCondition:
    """A lock or condition whose calls can be interrupted."""

    inner: Condition
    interruption: Interruption

    def acquire(self, timeout_s: float | None = None) -> bool:
        self.interruption.passing("acquire", "", after=False)
        return self.inner.acquire(timeout_s)

    def release(self) -> None:
        self.inner.release()
        self.interruption.passing("release", "", after=True)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def wait(self, timeout_s: float | None = None) -> bool:
        return self.interruption.effect("wait", "", lambda: self.inner.wait(timeout_s))

    def notify(self) -> None:
        self.interruption.effect("notify", "", self.inner.notify)

    def notify_all(self) -> None:
        self.interruption.effect("notify_all", "", self.inner.notify_all)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
