"""One open file of the VFS: SQLite's file methods over a `File`.

Short reads and writes are gone on with. Of the device no atomic write and no order is claimed,
since no profile gives either; that a torn write leaves its neighbours alone, if the device says so.
"""

from __future__ import annotations

from ctypes import c_int
from types import TracebackType
from typing import Final, Protocol

import apsw

from wavetank.engine import Buffer, File
from wavetank.scenarios.stores.sqlite._failure import Failure
from wavetank.scenarios.stores.sqlite._locks import FileLocks, Level
from wavetank.scenarios.stores.sqlite._refusals import busy

__all__ = ["OpenFile", "Surroundings"]

_LEVELS: Final = tuple(Level)


class Surroundings(Protocol):
    """What an open file asks of its VFS."""

    failure: Failure
    sector_bytes: int
    claims: int

    def sync_directory_of(self, path: str) -> None:
        """Make the names beside a file durable."""
        ...

    def locks_of(self, path: str, file: File) -> FileLocks:
        """Return the locks of a file, the same for all who have it open."""
        ...


class OpenFile:
    """A file that SQLite has open.

    Args:
        file: the file.
        path: its name.
        vfs: the VFS that it was opened through.
        syncs_directory: whether its first sync also makes its name durable: for a new journal.
    """

    __slots__ = ("_failure", "_file", "_keeps_wal", "_locks", "_path", "_syncs_directory", "_vfs")

    def __init__(self, file: File, path: str, vfs: Surroundings, *, syncs_directory: bool) -> None:
        self._file = file
        self._path = path
        self._vfs = vfs
        self._failure = vfs.failure
        self._syncs_directory = syncs_directory
        self._keeps_wal = False
        self._locks: FileLocks | None = None

    def excepthook(
        self,
        etype: type[BaseException] | None,
        evalue: BaseException | None,
        etraceback: TracebackType | None,
    ) -> bool:
        """Note an error that SQLite has no way to tell, instead of printing it."""
        del etype, etraceback
        return self._failure.note(evalue)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        """Read; fewer bytes only at the end of the file, which SQLite takes for zeros."""
        with self._failure.noting(apsw.SQLITE_IOERR_READ):
            data = self._file.pread(amount, offset)
            while data and len(data) < amount:
                more = self._file.pread(amount - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data

    def xWrite(self, data: Buffer, offset: int) -> None:  # noqa: N802 - SQLite's name
        """Write all of it."""
        with self._failure.noting(apsw.SQLITE_IOERR_WRITE):
            taken = self._file.pwrite(data, offset)
            while taken < len(data):
                taken += self._file.pwrite(data[taken:], offset + taken)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        """Set the size in bytes."""
        with self._failure.noting(apsw.SQLITE_IOERR_TRUNCATE):
            self._file.truncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        """Make the content durable; of a new journal its name too, the first time."""
        with self._failure.noting(apsw.SQLITE_IOERR_FSYNC):
            if flags & apsw.SQLITE_SYNC_DATAONLY:
                self._file.datasync()
            else:
                self._file.fsync()
        if self._syncs_directory:
            self._vfs.sync_directory_of(self._path)
            self._syncs_directory = False

    def xFileSize(self) -> int:  # noqa: N802 - SQLite's name
        """Return the size in bytes."""
        with self._failure.noting(apsw.SQLITE_IOERR_FSTAT):
            return self._file.size()

    def xClose(self) -> None:  # noqa: N802 - SQLite's name
        """Give the file and its locks back; the file is closed even if that fails."""
        try:
            self.xUnlock(Level.NONE)
        finally:
            with self._failure.noting(apsw.SQLITE_IOERR_CLOSE, closing=True):
                self._file.close()

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        """Take a higher lock, or say that another has it."""
        with self._failure.noting(apsw.SQLITE_IOERR_LOCK):
            if self._locks is None:
                self._locks = self._vfs.locks_of(self._path, self._file)
            try:
                taken = self._locks.raise_to(self, _LEVELS[level])
            except BlockingIOError as error:
                raise busy() from error
        if not taken:
            raise busy()

    def xUnlock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        """Go down to a lower lock."""
        if self._locks is not None:
            with self._failure.noting(apsw.SQLITE_IOERR_UNLOCK, closing=True):
                self._locks.lower_to(self, _LEVELS[level])

    def xCheckReservedLock(self) -> bool:  # noqa: N802 - SQLite's name
        """Whether any connection is about to write."""
        with self._failure.noting(apsw.SQLITE_IOERR_CHECKRESERVEDLOCK):
            if self._locks is None:
                self._locks = self._vfs.locks_of(self._path, self._file)
            return self._locks.reserved

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802 - SQLite's name
        """Answer whether a WAL is kept at the last close; everything else is not for us."""
        if op != apsw.SQLITE_FCNTL_PERSIST_WAL:
            return False
        answer = c_int.from_address(ptr)
        if answer.value < 0:
            answer.value = self._keeps_wal
        else:
            self._keeps_wal = answer.value != 0
        return True

    def xSectorSize(self) -> int:  # noqa: N802 - SQLite's name
        """Return how many bytes at once a write may tear."""
        return self._vfs.sector_bytes

    def xDeviceCharacteristics(self) -> int:  # noqa: N802 - SQLite's name
        """Return what the device promises, in SQLite's bits."""
        return self._vfs.claims
