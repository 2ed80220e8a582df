"""`AbsentFile`: stands for a file that a damaged store lacks, so that the rest can be opened.

Left out: content. Whatever is asked of it is refused as the filesystem refuses a missing file.
"""

from __future__ import annotations

import errno
from typing import NoReturn

from wavetank.engine.filesystem import Buffer

__all__ = ["AbsentFile"]


class AbsentFile:
    """A file that is not there; implements the seam's `File`."""

    def pread(self, length: int, offset: int) -> bytes:  # noqa: ARG002 - the seam's
        """See `File.pread`."""
        self._refuse()

    def pwrite(self, data: Buffer, offset: int) -> int:  # noqa: ARG002 - the seam's
        """See `File.pwrite`."""
        self._refuse()

    def append(self, data: Buffer) -> int:  # noqa: ARG002 - the seam's
        """See `File.append`."""
        self._refuse()

    def truncate(self, size: int) -> None:  # noqa: ARG002 - the seam's
        """See `File.truncate`."""
        self._refuse()

    def size(self) -> int:
        """See `File.size`."""
        self._refuse()

    def fsync(self) -> None:
        """See `File.fsync`."""
        self._refuse()

    def datasync(self) -> None:
        """See `File.datasync`."""
        self._refuse()

    def preallocate(self, offset: int, length: int) -> None:  # noqa: ARG002 - the seam's
        """See `File.preallocate`."""
        self._refuse()

    def advise_dont_need(self) -> None:
        """See `File.advise_dont_need`."""
        self._refuse()

    def lock(self) -> None:
        """See `File.lock`."""
        self._refuse()

    def close(self) -> None:
        """See `File.close`."""

    def _refuse(self) -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "the store lacks this file")
