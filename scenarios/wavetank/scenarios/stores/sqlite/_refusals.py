"""What the filesystem refuses, as SQLite's own error codes.

The codes are those that SQLite's VFS for Unix gives at the same places.
"""

from __future__ import annotations

import errno
from typing import Final

import apsw

__all__ = ["busy", "refusal"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def refusal(error: OSError, code: int) -> Exception:
    """Return what to raise inside a VFS method.

    Args:
        error: what the filesystem said; it becomes the cause.
        code: SQLite's code for a refusal at this place. For a write, a full disk has its own.
    """
    if code == apsw.SQLITE_IOERR_WRITE and error.errno in _FULL:
        code = apsw.SQLITE_FULL
    told = apsw.exception_for(code)
    told.__cause__ = error
    return told


def busy() -> Exception:
    """Return what to raise where another connection has the lock."""
    return apsw.exception_for(apsw.SQLITE_BUSY)
