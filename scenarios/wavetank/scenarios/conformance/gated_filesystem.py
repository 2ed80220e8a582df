"""A filesystem whose syncs wait until they are let go: what is in flight can be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from wavetank.engine import File, FileStat, FileSystem, OpenFlag, Runtime

__all__ = ["HeldFileSystem"]


class HeldFileSystem:
    """A filesystem that passes everything on, and syncs of files only when they are let go.

    Args:
        inner: does the work.
        runtime: whose threads wait.
    """

    def __init__(self, inner: FileSystem, runtime: Runtime) -> None:
        self._inner = inner
        self._changed = runtime.condition()
        self._holds = False
        self._waiting = 0

    def hold(self) -> None:
        """Let every sync from now on wait."""
        with self._changed:
            self._holds = True

    def release(self) -> None:
        """Let those that wait go on, and all later ones."""
        with self._changed:
            self._holds = False
            self._changed.notify_all()

    def wait_until_held(self, timeout_s: float) -> bool:
        """Return once a sync waits; False if none came."""
        with self._changed:
            while not self._waiting:
                if not self._changed.wait(timeout_s):
                    return False
            return True

    def pass_gate(self) -> None:
        """Wait while syncs are held."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            while self._holds:
                self._changed.wait()
            self._waiting -= 1

    def open(self, path: str, flags: OpenFlag) -> File:
        """See `FileSystem.open`."""
        return _HeldFile(self._inner.open(path, flags), self)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self._inner.rename(source, target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self._inner.unlink(path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        self._inner.link(source, target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        self._inner.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`."""
        return self._inner.listdir(path)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        return self._inner.stat(path)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        self._inner.fsync_dir(path)


class _HeldFile:
    """An open file of a `HeldFileSystem`."""

    def __init__(self, inner: File, gate: HeldFileSystem) -> None:
        self._inner = inner
        self._gate = gate
        self.pread = inner.pread
        self.pwrite = inner.pwrite
        self.append = inner.append
        self.truncate = inner.truncate
        self.size = inner.size
        self.preallocate = inner.preallocate
        self.advise_dont_need = inner.advise_dont_need
        self.lock = inner.lock
        self.close = inner.close

    def fsync(self) -> None:
        self._gate.pass_gate()
        self._inner.fsync()

    def datasync(self) -> None:
        self._gate.pass_gate()
        self._inner.datasync()
