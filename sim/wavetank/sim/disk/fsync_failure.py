"""What a filesystem makes of an fsync that fails: the machines that were found by trying.

After a failed fsync the page cache calls the pages clean, so that a retry returns 0 and writes
nothing. What programs see, what is on disk, and who is told differ between filesystems:

============== ============== ============= ==================== ==========================
machine        cache shows    disk holds    error                size
============== ============== ============= ==================== ==========================
ext4, xfs      new            old           now                  still reaches the disk
ext4, data     new            old           this fsync returns 0 still reaches the disk
journalled                                  the next returns EIO
btrfs          old, reverted  old           now                  reverted
============== ============== ============= ==================== ==========================

An error is told once per descriptor that was open when it came; to one that is opened later, only
if nobody has been told. Left out: how it is done to the cache (_sync_faults.py) and to the images
(crashes/pending.py).

Source: Rebello et al., *Can Applications Recover from fsync Failures?*, USENIX ATC 2020 (CuttleFS).
"""

from __future__ import annotations

from enum import Enum

__all__ = ["FsyncFailure"]


class FsyncFailure(Enum):
    """What a failed fsync of a file leaves; `XFS` is another name for `EXT4`."""

    EXT4 = "ext4"
    EXT4_DATA_JOURNAL = "ext4-data-journal"
    BTRFS = "btrfs"
    XFS = "ext4"  # noqa: PIE796 - the same machine under its other name
