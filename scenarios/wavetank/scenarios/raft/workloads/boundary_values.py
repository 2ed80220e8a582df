"""Values at their boundaries: sizes of commands and snapshots, terms, names, indices, directories.

Bugs live where a size meets that of a sector, a block or a transfer chunk, where a number needs one
more bit, where something is empty. Scenarios, machines and hypothesis strategies take such values
from here. Sizes of frames are asked of the engine's format, those of the device of `wavetank.sim`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wavetank.engine.log.format import LOG_HEADER_SIZE, entries_frame_size
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY
from wavetank.sim import BLOCK_SIZE, SECTOR_SIZE

__all__ = [
    "COMMAND_SIZES",
    "DEEP_DIRECTORY",
    "INDICES",
    "LARGEST",
    "NAMES",
    "TERMS",
    "TOO_LARGE",
    "LogFill",
    "around",
    "command_size_to_end_at",
    "snapshot_sizes",
]

LARGEST: Final = 2**64 - 1
"""The largest term and index that a store takes."""

TOO_LARGE: Final = (-1, LARGEST + 1)
"""Numbers next to the terms and indices that exist; no value can be made of them."""

TERMS: Final = (0, 1, 2**31, 2**32, 2**63 - 1, 2**63, LARGEST)
"""Terms at which a number needs one more bit in some representation."""

INDICES: Final = (1, 2**31, 2**32, 2**63, LARGEST - 1)
"""Indices likewise; behind the last there is place for one more entry."""

NAMES: Final = (
    "",
    "n",
    "n" * (BLOCK_SIZE + 1),
    "k\u00fcste-\u65e5\u672c-\U0001f600",
    'quoted "name"\\\n\0',
)
"""Candidates: nobody, short, longer than a block, beyond ASCII and the first plane, escaped."""

DEEP_DIRECTORY: Final = f"{STORE_DIRECTORY}/region/zone/node-a"
"""A store's directory of which nothing is there at first, not even what lies above it."""


def around(size_bytes: int) -> tuple[int, int, int]:
    """Return a size with those of one byte less and one more.

    >>> around(512)
    (511, 512, 513)
    """
    return size_bytes - 1, size_bytes, size_bytes + 1


COMMAND_SIZES: Final = (0, 1, *around(SECTOR_SIZE), *around(BLOCK_SIZE))
"""Sizes of commands in bytes."""


def snapshot_sizes(chunk_bytes: int) -> tuple[int, ...]:
    """Return sizes of snapshots in bytes.

    Args:
        chunk_bytes: how much is read or written at once.

    >>> snapshot_sizes(4096)
    (0, 1, 4095, 4096, 4097, 8192)
    """
    return (0, 1, *around(chunk_bytes), 2 * chunk_bytes)


def command_size_to_end_at(
    log_end: int, unit_bytes: int, *, past: int = 0, others: Iterable[int] = ()
) -> int:
    """Return the size of a command with which a frame ends at the next multiple of a unit.

    Args:
        log_end: where the frame begins in log.dat, in bytes.
        unit_bytes: of a sector, a block or a transfer chunk.
        past: bytes behind the multiple; negative for bytes before it.
        others: sizes of the other commands of the frame's batch.

    >>> end = LOG_HEADER_SIZE
    >>> size = command_size_to_end_at(end, 512, past=-1)
    >>> (end + entries_frame_size([size])) % 512
    511
    """
    least = log_end + entries_frame_size((0, *others))
    return -(-(least - past) // unit_bytes) * unit_bytes + past - least


class LogFill:
    """Follows the end of a binary log that is appended to and never compacted.

    Attributes:
        end: of the log, in bytes.

    >>> fill = LogFill()
    >>> fill.to_end_at(4096), fill.end
    (3960, 4096)
    """

    def __init__(self) -> None:
        self.end = LOG_HEADER_SIZE

    def add(self, *command_sizes: int) -> tuple[int, ...]:
        """Take a batch of commands of these sizes, and return them."""
        self.end += entries_frame_size(command_sizes)
        return command_sizes

    def to_end_at(self, unit_bytes: int, *, past: int = 0) -> int:
        """Take a batch of one command that ends the log so; see `command_size_to_end_at`."""
        size = command_size_to_end_at(self.end, unit_bytes, past=past)
        self.add(size)
        return size
