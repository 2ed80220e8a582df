"""The lock on a store's directory: one exclusive lock on LOCK, which is made only if all is well.

A refused open leaves nothing behind, no lock file and no directory. Left out: who looks at the
directory before LOCK is made.
"""

from __future__ import annotations

from collections.abc import Callable

from wavetank.engine._directory import LOCK, StoreDirectory, let_go
from wavetank.engine._health import io_error
from wavetank.engine.errors import StorageError, StorageLockedError
from wavetank.engine.filesystem import File, OpenFlag

__all__ = ["lock_directory"]

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
    except OSError:
        directory.unmake(made)
        raise
