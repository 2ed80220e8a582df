"""Filesystems that mislead the store above them: the material that planted bugs are made of.

`MisledFileSystem` passes every call on, except where a `Deceit` does something else in its place. A
deceit may ask which call of the engine it serves (`call_site`), so that it can mean one sync of one
operation and leave all others alone. The engine itself is never changed.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import Buffer, File, FileStat, FileSystem, OpenFlag, Storage
from wavetank.scenarios.stores.adapter import Site, StoreAdapter

__all__ = ["CallSite", "Deceit", "MisledFile", "MisledFileSystem", "call_site", "misled"]

_STORES: Final = (
    "wavetank.engine",
    "wavetank.scenarios.stores.raftlock",
    "wavetank.scenarios.stores.pysyncobj",
    "wavetank.scenarios.stores.sqlite",
)
_OPERATIONS: Final = {"__init__": "open", "_compact_in_background": "compaction"}
_HELPERS: Final = ("StoreDirectory", "write_all", "read_at")


@frozen(order=True, kw_only=True)
class CallSite:
    """The place in a store from which a filesystem call came.

    Attributes:
        operation: what the store was doing: one of its public calls, "open" or "compaction".
        function: the store's function that made the call, helpers left out.
        line: where it stands; tells several calls of one function apart.
    """

    operation: str
    function: str
    line: int


def call_site() -> CallSite:
    """Return where in the store the filesystem call that is being served came from."""
    frame = inspect.currentframe()
    while frame is not None and not _is_store(frame):
        frame = frame.f_back
    caller, outermost = None, None
    while frame is not None and _is_store(frame):
        name = frame.f_code.co_qualname
        if caller is None and not name.startswith(_HELPERS):
            caller = (name, frame.f_lineno)
        outermost = name
        frame = frame.f_back
    if caller is None or outermost is None:
        raise LookupError("call_site: expected a call from a store, but none is under way")
    name = outermost.rpartition(".")[2]
    return CallSite(
        operation=_OPERATIONS.get(name, name), function=_short(caller[0]), line=caller[1]
    )


def _is_store(frame: FrameType) -> bool:
    """Whether a frame is of a store: of the engine, of a control, or of somebody else's code."""
    module = frame.f_globals.get("__name__", "")
    if not isinstance(module, str):
        return False
    top = module.partition(".")[0]
    is_ours = top == "wavetank" and not module.startswith(_STORES)
    return not is_ours and top not in sys.stdlib_module_names


def _short(name: str) -> str:
    return name.removeprefix("_").replace("<locals>.", "")


def _write(file: MisledFile, data: Buffer, offset: int) -> int:
    return file.inner.pwrite(data, offset)


def _read(file: MisledFile, length: int, offset: int) -> bytes:
    return file.inner.pread(length, offset)


def _truncate(file: MisledFile, size: int) -> None:
    file.inner.truncate(size)


def _size(file: MisledFile) -> int:
    return file.inner.size()


def _open(fs: FileSystem, path: str, flags: OpenFlag) -> File:
    return fs.open(path, flags)


def _rename(fs: FileSystem, source: str, target: str) -> None:
    fs.rename(source, target)


def _unlink(fs: FileSystem, path: str) -> None:
    fs.unlink(path)


def _syncs(path: str) -> bool:  # noqa: ARG001 - the hook's signature
    return True


@frozen(kw_only=True)
class Deceit:
    """What is done in the place of some calls; by default what was asked for.

    Attributes:
        syncs: whether the sync of a file or directory is done or forgotten, by path.
        write: in the place of a write.
        read: in the place of a read.
        truncate: in the place of a truncation.
        size: in the place of a look at the size.
        open: in the place of an open.
        rename: in the place of a rename.
        unlink: in the place of an unlink.
    """

    syncs: Callable[[str], bool] = _syncs
    write: Callable[[MisledFile, Buffer, int], int] = _write
    read: Callable[[MisledFile, int, int], bytes] = _read
    truncate: Callable[[MisledFile, int], None] = _truncate
    size: Callable[[MisledFile], int] = _size
    open: Callable[[FileSystem, str, OpenFlag], File] = _open
    rename: Callable[[FileSystem, str, str], None] = _rename
    unlink: Callable[[FileSystem, str], None] = _unlink


class MisledFile:
    """An open file under a deceit.

    Attributes:
        inner: the file itself; a deceit may put another in its place.
        path: the name under which it was opened.
    """

    def __init__(self, inner: File, path: str, deceit: Deceit) -> None:
        self.inner = inner
        self.path = path
        self._deceit = deceit

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        return self._deceit.read(self, length, offset)

    def pwrite(self, data: Buffer, offset: int) -> int:
        """See `File.pwrite`."""
        return self._deceit.write(self, data, offset)

    def append(self, data: Buffer) -> int:
        """See `File.append`."""
        return self.inner.append(data)

    def truncate(self, size: int) -> None:
        """See `File.truncate`."""
        self._deceit.truncate(self, size)

    def size(self) -> int:
        """See `File.size`."""
        return self._deceit.size(self)

    def fsync(self) -> None:
        """See `File.fsync`."""
        if self._deceit.syncs(self.path):
            self.inner.fsync()

    def datasync(self) -> None:
        """See `File.datasync`."""
        if self._deceit.syncs(self.path):
            self.inner.datasync()

    def preallocate(self, offset: int, length: int) -> None:
        """See `File.preallocate`."""
        self.inner.preallocate(offset, length)

    def advise_dont_need(self) -> None:
        """See `File.advise_dont_need`."""
        self.inner.advise_dont_need()

    def lock(self) -> None:
        """See `File.lock`."""
        self.inner.lock()

    def close(self) -> None:
        """See `File.close`."""
        self.inner.close()


class MisledFileSystem:
    """A filesystem under a deceit.

    Args:
        inner: the filesystem itself.
        deceit: what is done in the place of some calls.
    """

    def __init__(self, inner: FileSystem, deceit: Deceit) -> None:
        self._inner = inner
        self._deceit = deceit

    def open(self, path: str, flags: OpenFlag) -> File:
        """See `FileSystem.open`."""
        return MisledFile(self._deceit.open(self._inner, path, flags), path, self._deceit)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self._deceit.rename(self._inner, source, target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self._deceit.unlink(self._inner, path)

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
        if self._deceit.syncs(path):
            self._inner.fsync_dir(path)


def misled(
    backend: StoreAdapter, name: str, summary: str, deceive: Callable[[Site], Deceit]
) -> StoreAdapter:
    """Return `backend` on filesystems under a deceit; each opening makes one of its own."""

    def open_store(site: Site) -> Storage:
        fs = MisledFileSystem(site.fs, deceive(site))
        return backend.open(evolve(site, fs=fs))

    return evolve(backend, name=name, summary=summary, factory=open_store)
