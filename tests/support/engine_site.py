"""A place for one engine store, on the real filesystem or the simulated one, that can be watched.

Every call that the engine makes is recorded, can be made to fail, and a store can be abandoned as a
killed process would leave it. Also here: short ways to make entries and to damage files.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from wavetank.engine import (
    Buffer,
    File,
    FileStat,
    FileStorage,
    FileStorageOptions,
    FileSystem,
    LogEntry,
    OpenFlag,
    OsFileSystem,
    Runtime,
    StorageConfig,
    StorageFeatureFlags,
)

INLINE = StorageFeatureFlags(async_truncation=False)
NOTHING_RETAINED = FileStorageOptions(retained_log_size=0, features=INLINE)
WRITES = frozenset({"pwrite", "append", "truncate"})
SYNCS = frozenset({"fsync", "datasync", "fsync_dir"})
CHANGES = WRITES | SYNCS | {"rename", "unlink", "create"}


REAL_FILES: list[File] = []
"""Files of the real filesystem that the running test has opened through a `WatchedFileSystem`.

A test may leave a store as a killed process would. Its files are closed when the test ends (see
conftest.py), as the system closes those of a process: dropped instead, each would warn that nobody
closed it.
"""


@frozen
class Call:
    """One call through the seam: what, on which file (its name alone), and how many bytes."""

    kind: str
    name: str
    length: int = 0


@define(eq=False)
class WatchedFileSystem:
    """A filesystem that records its calls and fails those that `refuse` names.

    Args:
        inner: the filesystem that does the work.
        refuse: asked before each call; an error number lets the call fail with it.

    Attributes:
        calls: those so far, but for closes.
        files: every file that was opened.
        open_names: the name of each file that is open, as it was when it was opened.
    """

    inner: FileSystem
    refuse: Callable[[Call], int | None] = field(default=lambda _: None)
    calls: list[Call] = field(factory=list)
    files: list[File] = field(factory=list)
    open_names: list[str] = field(factory=list)

    def note(self, kind: str, path: str, length: int = 0) -> None:
        call = Call(kind, path.rpartition("/")[2], length)
        self.calls.append(call)
        number = self.refuse(call)
        if number is not None:
            raise OSError(number, errno.errorcode[number], path)

    def abandon(self) -> None:
        """Close every file, as the end of a process does."""
        for file in self.files:
            file.close()

    def open(self, path: str, flags: OpenFlag) -> File:
        self.note("create" if flags & OpenFlag.CREATE else "open", path)
        file = self.inner.open(path, flags)
        self.files.append(file)
        if isinstance(self.inner, OsFileSystem):
            REAL_FILES.append(file)
        self.open_names.append(path.rpartition("/")[2])
        return WatchedFile(self, file, path)

    def rename(self, source: str, target: str) -> None:
        self.note("rename", target)
        self.inner.rename(source, target)

    def unlink(self, path: str) -> None:
        self.note("unlink", path)
        self.inner.unlink(path)

    def link(self, source: str, target: str) -> None:
        self.note("link", target)
        self.inner.link(source, target)

    def mkdir(self, path: str) -> None:
        self.note("mkdir", path)
        self.inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        self.note("rmdir", path)
        self.inner.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        self.note("listdir", path)
        return self.inner.listdir(path)

    def stat(self, path: str) -> FileStat:
        self.note("stat", path)
        return self.inner.stat(path)

    def fsync_dir(self, path: str) -> None:
        self.note("fsync_dir", path)
        self.inner.fsync_dir(path)


@define(eq=False)
class WatchedFile:
    """A file whose calls its filesystem records."""

    owner: WatchedFileSystem
    inner: File
    path: str
    is_open: bool = True

    def pread(self, length: int, offset: int) -> bytes:
        self.owner.note("pread", self.path, length)
        return self.inner.pread(length, offset)

    def pwrite(self, data: Buffer, offset: int) -> int:
        self.owner.note("pwrite", self.path, len(data))
        return self.inner.pwrite(data, offset)

    def append(self, data: Buffer) -> int:
        self.owner.note("append", self.path, len(data))
        return self.inner.append(data)

    def truncate(self, size: int) -> None:
        self.owner.note("truncate", self.path, size)
        self.inner.truncate(size)

    def size(self) -> int:
        self.owner.note("size", self.path)
        return self.inner.size()

    def fsync(self) -> None:
        self.owner.note("fsync", self.path)
        self.inner.fsync()

    def datasync(self) -> None:
        self.owner.note("datasync", self.path)
        self.inner.datasync()

    def preallocate(self, offset: int, length: int) -> None:
        self.owner.note("preallocate", self.path, length)
        self.inner.preallocate(offset, length)

    def advise_dont_need(self) -> None:
        self.owner.note("advise_dont_need", self.path)
        self.inner.advise_dont_need()

    def lock(self) -> None:
        self.owner.note("lock", self.path)
        self.inner.lock()

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.owner.open_names.remove(self.path.rpartition("/")[2])
        self.inner.close()


@define(eq=False)
class EngineSite:
    """Where one store lives, over as many runs as a test likes.

    Args:
        filesystem: the real or simulated filesystem.
        make_runtime: gives each run its runtime.
        directory: the store's.
    """

    filesystem: FileSystem
    make_runtime: Callable[[], Runtime]
    directory: str
    watched: WatchedFileSystem = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.watched = WatchedFileSystem(self.filesystem)

    def open(self, options: FileStorageOptions = NOTHING_RETAINED) -> FileStorage:
        """Open the store as a new process would."""
        self.watched = WatchedFileSystem(self.filesystem, self.watched.refuse)
        config = StorageConfig(directory=self.directory)
        return FileStorage(config, options, fs=self.watched, runtime=self.make_runtime())

    def kill(self) -> None:
        """End the process that opened the store last."""
        self.watched.abandon()

    def reopen(self, options: FileStorageOptions = NOTHING_RETAINED) -> FileStorage:
        """Kill whatever runs and open again."""
        self.kill()
        return self.open(options)

    def calls(self, kinds: frozenset[str] = CHANGES) -> list[Call]:
        """Return the calls of these kinds since the last `open` or `forget`."""
        return [call for call in self.watched.calls if call.kind in kinds]

    def forget(self) -> None:
        """Begin counting calls anew."""
        self.watched.calls.clear()

    def fail_change(self, number: int) -> None:
        """Let the change of this number, counted from 0 and from now, fail with EIO."""
        self.forget()
        self.watched.refuse = lambda call: (
            errno.EIO if call.kind in CHANGES and len(self.calls()) == number + 1 else None
        )

    def heal(self) -> None:
        """Let no more calls fail."""
        self.watched.refuse = lambda _: None

    def names(self) -> set[str]:
        return set(self.filesystem.listdir(self.directory))

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    def read(self, name: str) -> bytes:
        file = self.filesystem.open(self.path(name), OpenFlag.READ)
        try:
            return file.pread(file.size(), 0)
        finally:
            file.close()

    def write(self, name: str, content: bytes) -> None:
        """Put other content into a file, in place."""
        flags = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE
        file = self.filesystem.open(self.path(name), flags)
        try:
            if content:
                file.append(content)
        finally:
            file.close()

    def remove(self, name: str) -> None:
        self.filesystem.unlink(self.path(name))

    def flip(self, name: str, offset: int) -> None:
        """Turn one bit in a file over; a negative offset counts from the end."""
        content = bytearray(self.read(name))
        content[offset] ^= 0x10
        self.write(name, bytes(content))

    def content(self) -> dict[str, bytes]:
        """Return every file of the directory."""
        return {name: self.read(name) for name in sorted(self.names())}


def entries(first: int, last: int, term: int = 1, size: int = 0) -> list[LogEntry]:
    """Return entries with telling commands, at least `size` bytes long."""
    return [
        LogEntry(index, term, f"{index}/{term} ".encode().ljust(size, b"."))
        for index in range(first, last + 1)
    ]
