"""Contents of a device as files: a base that grows flush by flush, and copies with more on top.

Files are sparse, so that a copy costs what is in it and not how large the device is.
"""

from __future__ import annotations

import errno
import os  # noqa: TID251 - this is the machine's side
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from wavetank.reports.kernel.device_log import DeviceWrite

__all__ = ["apply_writes", "copy_sparse"]

_PIECE_BYTES: Final = 1 << 16


def copy_sparse(source: Path, target: Path) -> None:
    """Make `target` a copy of `source`, with holes where it has holes or long runs of zeros.

    Raises:
        OSError: the machine refused.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(source.open("rb", buffering=0)).fileno()
        writer = stack.enter_context(target.open("wb", buffering=0)).fileno()
        size = os.fstat(reader).st_size
        os.ftruncate(writer, size)
        for start, end in _data_ranges(reader, size):
            for offset in range(start, end, _PIECE_BYTES):
                piece = os.pread(reader, min(_PIECE_BYTES, end - offset), offset)
                if piece.count(0) != len(piece):
                    os.pwrite(writer, piece, offset)


def apply_writes(path: Path, writes: Iterable[DeviceWrite]) -> None:
    """Put writes into a file, in order.

    Raises:
        OSError: the machine refused.
    """
    with path.open("r+b", buffering=0) as file:
        for write in writes:
            os.pwrite(file.fileno(), write.data, write.offset)


def _data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a sparse file has data, as start and end."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
