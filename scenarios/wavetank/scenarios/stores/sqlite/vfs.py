"""`SqliteVfs`: SQLite's door to the operating system, over a `FileSystem` and a `Runtime`.

It does what SQLite's own VFS for Unix does: a journal's name is synced with its first content, a
deletion where SQLite asks for it, and an empty file counts as none. It differs where that one is
silent: a directory that cannot be synced and a name that cannot be looked up are told, since
whoever crashes disks wants to know.

It needs apsw, from the extra ``sqlite``.
"""

from __future__ import annotations

import errno
from hashlib import blake2b
from itertools import count
from posixpath import dirname, join, normpath
from types import TracebackType
from typing import Final, cast

from wavetank.engine import File, FileKind, FileSystem, OpenFlag, Runtime
from wavetank.scenarios.stores.sqlite.errors import ApswMissingError
from wavetank.sim import Tearing

try:
    import apsw
except ImportError as error:
    raise ApswMissingError from error

from wavetank.scenarios.stores.sqlite._failure import Failure
from wavetank.scenarios.stores.sqlite._locks import FileLocks
from wavetank.scenarios.stores.sqlite._open_file import OpenFile

__all__ = ["SqliteVfs"]

# SQLite has one list of VFSes per process, and finds them by name.
_NUMBERS: Final = count(1)
_JOURNALS: Final = (
    apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL
)
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_UNSUPPORTED: Final = frozenset(
    {"xDlOpen", "xDlSym", "xDlClose", "xDlError"}
    | {"xSetSystemCall", "xGetSystemCall", "xNextSystemCall"}
)
_EPOCH_JULIAN_MS: Final = 210_866_760_000_000
_DAY_MS: Final = 86_400_000
_HEADER_BYTES: Final = 100
_DEVICE: Final = Tearing()


class SqliteVfs(apsw.VFS):
    """A VFS that stands for one process on one machine.

    Args:
        fs: where the files are.
        runtime: the clock and the source of chance.
        directory: where temporary files go, and what relative names are relative to.
        tearing: what the device promises about writes that a power cut interrupts; the simulated
            disk's own by default.
        keeps_files: whether a file that was locked once stays locked against other processes until
            `release`, also between transactions.

    Attributes:
        name: what to give `apsw.Connection` as `vfs`.
        failure: what the filesystem refused last.
        sector_bytes: how many bytes at once a write may tear.
        claims: SQLite's bits for what the device promises.

    >>> from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem
    >>> vfs = SqliteVfs(SimFileSystem(SimDisk()), SerialRuntime(), "/")
    >>> with apsw.Connection("/numbers", vfs=vfs.name) as database:
    ...     _ = database.execute("CREATE TABLE numbers (number)")
    >>> vfs.xAccess("/numbers", apsw.SQLITE_ACCESS_EXISTS)
    True
    """

    def __init__(
        self,
        fs: FileSystem,
        runtime: Runtime,
        directory: str,
        *,
        tearing: Tearing = _DEVICE,
        keeps_files: bool = False,
    ) -> None:
        self.name = f"wavetank-{next(_NUMBERS)}"
        self.failure = Failure()
        self.sector_bytes = tearing.sector_bytes
        self.claims = apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE if tearing.powersafe_overwrite else 0
        self._fs = fs
        self._runtime = runtime
        self._directory = directory
        self._keeps_files = keeps_files
        self._locks: dict[int, FileLocks] = {}
        self._temporary_files = count(1)
        self._seed = b""
        super().__init__(self.name, None, iVersion=2, exclude=set(_UNSUPPORTED))

    def excepthook(
        self,
        etype: type[BaseException] | None,
        evalue: BaseException | None,
        etraceback: TracebackType | None,
    ) -> bool:
        """Note an error that SQLite has no way to tell, instead of printing it."""
        del etype, etraceback
        return self.failure.note(evalue)

    def seed(self, path: str) -> None:
        """Let SQLite's random numbers follow from the run and from what is on the disk.

        SQLite has one stream of them per process; it marks journals with them. They must repeat
        when a run does, and must not repeat from one opening of a database to the next.

        Args:
            path: of the database.
        """
        told = blake2b(self._runtime.random_bits(64).to_bytes(8), digest_size=64)
        for suffix in ("", "-journal", "-wal"):
            told.update(self._beginning(path + suffix))
        self._seed = told.digest()
        default = apsw.vfs_names()[0]
        apsw.set_default_vfs(self.name)
        try:
            apsw.randomness(0)
            apsw.randomness(1)
        finally:
            apsw.set_default_vfs(default)

    def sync_directory_of(self, path: str) -> None:
        """Make the names beside a file durable."""
        with self.failure.noting(apsw.SQLITE_IOERR_DIR_FSYNC):
            self._fs.fsync_dir(dirname(path) or "/")

    def locks_of(self, path: str, file: File) -> FileLocks:  # noqa: ARG002 - by name, as stat is
        """Return the locks of a file, the same for all connections of this VFS."""
        inode = self._fs.stat(path).inode
        if inode not in self._locks:
            flags = OpenFlag.READ
            self._locks[inode] = FileLocks(
                lambda: self._fs.open(path, flags), keeps_guard=self._keeps_files
            )
        return self._locks[inode]

    def release(self) -> None:
        """Let other processes have the files; for when no connection is open any more."""
        for locks in self._locks.values():
            locks.release()

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        """Open a file; one without a name is temporary."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        wanted = flags[0]
        if path is None:
            path = join(self._directory, f"sqlite-temporary-{next(self._temporary_files)}")
            wanted |= apsw.SQLITE_OPEN_EXCLUSIVE | apsw.SQLITE_OPEN_DELETEONCLOSE
        with self.failure.noting(apsw.SQLITE_CANTOPEN):
            file, given = self._open(path, wanted)
            if wanted & apsw.SQLITE_OPEN_DELETEONCLOSE:
                self._fs.unlink(path)
        flags[1] = given
        is_new_journal = bool(wanted & apsw.SQLITE_OPEN_CREATE and wanted & _JOURNALS)
        made = OpenFile(file, path, self, syncs_directory=is_new_journal)
        # SQLite is content with anything that has the methods.
        return cast("apsw.VFSFile", made)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - SQLite's
        """Remove a name, for good if SQLite asks for that."""
        with self.failure.noting(apsw.SQLITE_IOERR_DELETE):
            try:
                self._fs.unlink(filename)
            except FileNotFoundError:
                raise apsw.exception_for(apsw.SQLITE_IOERR_DELETE_NOENT) from None
        if syncdir:
            self.sync_directory_of(filename)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - SQLite's name
        """Whether a file is there and not empty, or may be used."""
        with self.failure.noting(apsw.SQLITE_IOERR_ACCESS):
            try:
                found = self._fs.stat(pathname)
            except (FileNotFoundError, NotADirectoryError):
                return False
        # As for Unix: an empty journal is as good as none.
        is_empty = found.kind is FileKind.FILE and found.size == 0
        return flags != apsw.SQLITE_ACCESS_EXISTS or not is_empty

    def xFullPathname(self, name: str) -> str:  # noqa: N802 - SQLite's name
        """Return an absolute name, without a look at the disk."""
        return normpath(join(self._directory, name))

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802 - SQLite's name
        """Return the seed, if there is one, or random bytes."""
        if self._seed:
            return self._seed[:numbytes].ljust(numbytes, b"\0")
        return self._runtime.random_bits(8 * numbytes).to_bytes(numbytes)

    def xSleep(self, microseconds: int) -> int:  # noqa: N802 - SQLite's name
        """Let time pass."""
        self._runtime.sleep(microseconds / 1e6)
        return microseconds

    def xCurrentTime(self) -> float:  # noqa: N802 - SQLite's name
        """Return the Julian day."""
        return self.xCurrentTimeInt64() / _DAY_MS

    def xCurrentTimeInt64(self) -> int:  # noqa: N802 - SQLite's name
        """Return the Julian day in milliseconds."""
        return _EPOCH_JULIAN_MS + round(self._runtime.wall_clock() * 1000)

    def xGetLastError(self) -> tuple[int, str]:  # noqa: N802 - SQLite's name
        """Return the errno of the last refusal, and its text."""
        first = self.failure.first
        if isinstance(first, OSError):
            return first.errno or 0, first.strerror or ""
        return 0, ""

    def _open(self, path: str, wanted: int) -> tuple[File, int]:
        """Open a file as SQLite's flags say, or for reading where it may not be written."""
        if not wanted & apsw.SQLITE_OPEN_READWRITE:
            return self._fs.open(path, OpenFlag.READ), wanted
        flags = OpenFlag.READ | OpenFlag.WRITE
        if wanted & apsw.SQLITE_OPEN_CREATE:
            flags |= OpenFlag.CREATE
            if wanted & apsw.SQLITE_OPEN_EXCLUSIVE:
                flags |= OpenFlag.EXCLUSIVE
        try:
            return self._fs.open(path, flags), wanted
        except OSError as error:
            if error.errno not in _READ_ONLY or wanted & apsw.SQLITE_OPEN_EXCLUSIVE:
                raise
        changed = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        return self._fs.open(path, OpenFlag.READ), wanted & ~changed | apsw.SQLITE_OPEN_READONLY

    def _beginning(self, path: str) -> bytes:
        try:
            file = self._fs.open(path, OpenFlag.READ)
        except FileNotFoundError:
            return b""
        try:
            return file.pread(_HEADER_BYTES, 0)
        finally:
            file.close()
