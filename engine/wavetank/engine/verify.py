"""Reading a store back: `verify_directory` checks every checksum and names every bad place.

It needs no open store, takes no lock, changes nothing, and works on a directory that is damaged or
in use. Left out: repair, and what to do about what it finds (docs/engine.md has that).
"""

from __future__ import annotations

from typing import Final

from wavetank.engine.directory import STORE_NAMES, StoreDirectory
from wavetank.engine.errors import NotInitializedError
from wavetank.engine.filesystem import FileSystem
from wavetank.engine.inspection import Examination
from wavetank.engine.options import StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.report import VerifyReport
from wavetank.engine.status import io_error

__all__ = ["examine", "verify_directory"]

_ATTEMPTS: Final = 5


def verify_directory(
    directory: str, *, fs: FileSystem | None = None, compaction_requires_snapshot: bool = True
) -> VerifyReport:
    """Check every checksum in a store's directory, and change nothing.

    The directory may be damaged, or in use by another process: if files are replaced while it is
    read, it is read again. Memory does not grow with the snapshot or the entries.

    Args:
        directory: of the store.
        fs: the filesystem; the machine's if omitted.
        compaction_requires_snapshot: as in the store's options: whether a compacted log without its
            snapshot is wrong.

    Returns:
        A report that names every bad place by file, offset in bytes and first log index.

    Raises:
        NotInitializedError: there is no store in it.
        StorageIOError: the directory cannot be listed.
        TypeError, ValueError: `directory` is no path.

    >>> import tempfile
    >>> from wavetank.engine import FileStorage
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     FileStorage(StorageConfig(directory=directory)).close()
    ...     verify_directory(directory).sound
    True
    """
    path = StorageConfig(directory=directory).directory
    place = StoreDirectory(fs if fs is not None else OsFileSystem(), path)
    try:
        names = place.names()
    except OSError as error:
        raise io_error("look at the store", path, error) from error
    if not names.intersection(STORE_NAMES):
        raise NotInitializedError(f"{path}: expected a store but found none of its files")
    return examine(place, needs_snapshot=compaction_requires_snapshot)


def examine(directory: StoreDirectory, *, needs_snapshot: bool) -> VerifyReport:
    """Examine a directory that nobody here has open, again where it changes meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        before = directory.identities(STORE_NAMES)
        report = _examine_once(directory, needs_snapshot=needs_snapshot)
        if report.sound or directory.identities(STORE_NAMES) == before:
            return report
    return _examine_once(directory, needs_snapshot=needs_snapshot)


def _examine_once(directory: StoreDirectory, *, needs_snapshot: bool) -> VerifyReport:
    examination = Examination(directory, in_use=False, needs_snapshot=needs_snapshot)
    examination.names_there()
    examination.state()
    examination.read_metadata()
    examination.read_log()
    examination.snapshot()
    examination.newest_state()
    return examination.report()
