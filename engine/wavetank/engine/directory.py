"""The store's directory: its files by name, and the ways in which they are read and replaced.

Every name a store ever makes stands here. `replace` makes content durable, and the caller knows
when to `sync` the directory.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from wavetank.engine.errors import StorageError, StorageLockedError
from wavetank.engine.filesystem import Buffer, File, FileKind, FileStat, FileSystem, OpenFlag
from wavetank.engine.status import io_error

__all__ = [
    "LOCK",
    "LOG",
    "METADATA",
    "RECOVERY_MARKER",
    "SNAPSHOT",
    "SNAPSHOT_MARKER",
    "SNAPSHOT_META",
    "STATE",
    "STATE_COPY",
    "STORE_NAMES",
    "TEMPORARY_NAMES",
    "Readable",
    "StoreDirectory",
    "close_file",
    "let_go",
    "lock_directory",
    "read_at",
    "temporary",
    "write_all",
]

LOCK: Final = "LOCK"
LOG: Final = "log.dat"
METADATA: Final = "metadata.json"
RECOVERY_MARKER: Final = "recovery.marker"
SNAPSHOT: Final = "snapshot.dat"
SNAPSHOT_MARKER: Final = "snapshot.marker"
SNAPSHOT_META: Final = "snapshot_meta.json"
STATE: Final = "state.json"
STATE_COPY: Final = "state.copy.json"


def temporary(name: str) -> str:
    """Return the name under which the next content of `name` is prepared."""
    return f"{name}.tmp"


TEMPORARY_NAMES: Final = tuple(
    temporary(name) for name in (STATE, STATE_COPY, LOG, METADATA, SNAPSHOT, SNAPSHOT_META)
)


STORE_NAMES: Final = (
    *(STATE, STATE_COPY, LOG, METADATA, SNAPSHOT, SNAPSHOT_META),
    *(RECOVERY_MARKER, SNAPSHOT_MARKER),
    *TEMPORARY_NAMES,
)
"""Every name a store makes but LOCK, which says nothing about what is in it."""


_WRITE_CREATE: Final = OpenFlag.WRITE | OpenFlag.CREATE
_EMPTY: Final = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE


class Readable(Protocol):
    """Anything that reads as a `File` does."""

    def pread(self, length: int, offset: int) -> bytes:
        """See `File.pread`."""
        ...


def read_at(file: Readable, length: int, offset: int) -> bytes:
    """Read `length` bytes at `offset`, fewer only where the file ends."""
    content = file.pread(length, offset)
    if len(content) == length or not content:
        return content
    pieces = [content]
    missing = length - len(content)
    while missing:
        piece = file.pread(missing, offset + length - missing)
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def let_go(file: File) -> None:
    """Close a file of which nothing more is wanted: its content is durable, or given up.

    The descriptor is gone whatever ``close`` reports, and what could be lost, an fsync would have
    told: an error here must neither fail what is done, nor keep other files from being closed.
    """
    with suppress(OSError):
        close_file(file)


def close_file(file: File) -> None:
    """Close a file; whatever is raised, its descriptor is gone.

    An error that is no refusal by the filesystem (Ctrl-C) may come before the descriptor was given
    back. So the file is closed again, which does nothing if it was.
    """
    try:
        file.close()
    except OSError:
        raise
    except BaseException:
        with suppress(OSError):
            file.close()
        raise


def write_all(file: File, content: Buffer, offset: int) -> None:
    """Write all of `content` at `offset`; one call unless the filesystem takes only a part."""
    written = file.pwrite(content, offset)
    if written == len(content):
        return
    rest = memoryview(content)
    while True:
        if written <= 0:
            raise OSError(errno.EIO, "the filesystem took no bytes of a write")
        rest, offset = rest[written:], offset + written
        if not rest:
            return
        written = file.pwrite(rest, offset)


class StoreDirectory:
    """One directory and the small set of operations that a store needs in it.

    All methods raise plain ``OSError`` as the filesystem does.
    """

    def __init__(self, filesystem: FileSystem, path: str) -> None:
        self.path = path
        self.filesystem = filesystem
        self._prefix = path if path.endswith("/") else f"{path}/"

    def path_of(self, name: str) -> str:
        """Return the path of one of the store's files."""
        return self._prefix + name

    def open(self, name: str, flags: OpenFlag) -> File:
        """Open one of the store's files."""
        return self.filesystem.open(self._prefix + name, flags)

    def names(self) -> frozenset[str]:
        """Return every name in the directory, foreign ones too."""
        return frozenset(self.filesystem.listdir(self.path))

    def stat(self, name: str) -> FileStat:
        """Describe what a name stands for; a symbolic link is not followed."""
        return self.filesystem.stat(self._prefix + name)

    def identities(self) -> dict[str, tuple[int, int]]:
        """Return inode and size of each of the store's files; of the log only the inode.

        Equal answers before and after a look mean that nothing was replaced meanwhile; the log
        grows all the time.
        """
        found: dict[str, tuple[int, int]] = {}
        try:
            names = self.names()
        except FileNotFoundError:
            return found
        for name in sorted(names.intersection(STORE_NAMES)):
            try:
                stat = self.stat(name)
            except FileNotFoundError:
                continue
            found[name] = (stat.inode, 0 if name == LOG else stat.size)
        return found

    def require_file(self, name: str) -> None:
        """Raise ``OSError`` unless `name` is a regular file."""
        path = self._prefix + name
        kind = self.filesystem.stat(path).kind
        if kind is not FileKind.FILE:
            number = errno.EISDIR if kind is FileKind.DIRECTORY else errno.EINVAL
            raise OSError(number, f"expected a regular file but found a {kind.value}", path)

    def rename(self, source: str, target: str) -> None:
        """Give `source` the name `target`; durable after `sync`."""
        self.filesystem.rename(self._prefix + source, self._prefix + target)

    def unlink(self, name: str) -> None:
        """Remove a name; durable after `sync`."""
        self.filesystem.unlink(self._prefix + name)

    def create_empty(self, name: str) -> None:
        """Make an empty file; durable after `sync`."""
        close_file(self.open(name, _WRITE_CREATE))

    def sync(self) -> None:
        """Make all names in the directory durable."""
        self.filesystem.fsync_dir(self.path)

    def replace(self, name: str, content: bytes) -> None:
        """Put durable `content` under `name` in one step; the name is durable after `sync`."""
        self.prepare(name, content)
        self.rename(temporary(name), name)

    def prepare(self, name: str, content: bytes) -> None:
        """Put durable `content` under the temporary name of `name`."""
        file = self.create_temporary(name)
        try:
            write_all(file, content, 0)
            file.fsync()
        finally:
            close_file(file)

    def overwrite(self, name: str, content: bytes) -> None:
        """Put durable `content` into `name` in place; a crash may leave a mixture of old and new.

        The name is durable after `sync` if it was not there before.
        """
        file = self.open(name, _WRITE_CREATE)
        try:
            write_all(file, content, 0)
            if file.size() > len(content):
                file.truncate(len(content))
            file.fsync()
        finally:
            close_file(file)

    def create_temporary(self, name: str) -> File:
        """Open the empty temporary file of `name` for reading and writing."""
        return self.open(temporary(name), _EMPTY)

    def discard_temporary(self, name: str) -> None:
        """Remove the temporary file of `name`, if there is one."""
        with suppress(FileNotFoundError):
            self.unlink(temporary(name))

    def exists(self) -> bool:
        """Whether the directory is there; ``OSError`` if something else is, a link for one.

        A link is not followed: the names that a store makes durable are those of its own directory.
        """
        try:
            kind = self.filesystem.stat(self.path).kind
        except FileNotFoundError:
            return False
        if kind is not FileKind.DIRECTORY:
            raise NotADirectoryError(
                errno.ENOTDIR, "expected a directory but found a file, or a link to one", self.path
            )
        return True

    def make(self, made: list[str]) -> None:
        """Make the directory and what is missing above it, each with a durable name.

        Args:
            made: gets the path of each directory that was made, also if an error ends it.
        """
        _make_durably(self.filesystem, self.path, made)

    def require_short_path(self) -> None:
        """Raise ``OSError`` if the path leaves no room for the longest name of a store."""
        try:
            self.stat(temporary(SNAPSHOT_META))
        except FileNotFoundError:
            return

    def unmake(self, made: Sequence[str]) -> None:
        """Remove directories that `make` made, as far as they are still empty."""
        for path in reversed(made):
            try:
                self.filesystem.rmdir(path)
            except OSError:
                return

    def sync_own_name(self) -> None:
        """Make the directory's own name durable."""
        self.filesystem.fsync_dir(_parent(self.path))


def _make_durably(filesystem: FileSystem, path: str, made: list[str]) -> None:
    try:
        filesystem.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = _parent(path)
        if parent == path:
            raise
        _make_durably(filesystem, parent, made)
        filesystem.mkdir(path)
    made.append(path)
    filesystem.fsync_dir(_parent(path))


def _parent(path: str) -> str:
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head.rstrip("/") or slash or "."


_FLAGS = OpenFlag.READ | OpenFlag.WRITE


def lock_directory(directory: StoreDirectory, check: Callable[[], None]) -> File:
    """Open and lock LOCK, making it and the directory where they are missing.

    Args:
        directory: of the store.
        check: raises if the directory, which is there without a LOCK, may not become a store.

    Raises:
        StorageLockedError: another process or instance has the lock.
        StorageIOError: the filesystem refused.
        StorageError: whatever `check` raises.
    """
    path = directory.path_of(LOCK)
    try:
        file = _opened(directory, check)
    except StorageError:
        raise
    except OSError as error:
        raise io_error("open of the store", path, error) from error
    try:
        file.lock()
    except BlockingIOError as error:
        let_go(file)
        raise StorageLockedError(
            error.errno, "another process or instance has the store open", path
        ) from error
    except OSError as error:
        let_go(file)
        raise io_error("lock of the store", path, error) from error
    except BaseException:
        let_go(file)
        raise
    return file


def _opened(directory: StoreDirectory, check: Callable[[], None]) -> File:
    if not directory.exists():
        return _made(directory)
    try:
        return directory.open(LOCK, _FLAGS)
    except FileNotFoundError:
        check()
        directory.require_short_path()
        return directory.open(LOCK, _FLAGS | OpenFlag.CREATE)


def _made(directory: StoreDirectory) -> File:
    made: list[str] = []
    try:
        directory.make(made)
        directory.require_short_path()
        return directory.open(LOCK, _FLAGS | OpenFlag.CREATE)
    except BaseException:
        directory.unmake(made)
        raise
