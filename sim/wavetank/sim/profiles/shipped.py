"""The profiles that ship, each a column of the table in docs/disk-model.md.

Sources disagree about ext4, so three readings ship: `ext4` is what a default mount keeps since
Linux 5.6, `ext4-ordered` what the kernel's documentation and ALICE say of ordered mode, and
`ext4-observed` what Ferrite saw. Users describe other filesystems in files (profile_file.py).

Sources: Pillai et al., OSDI'14 (ALICE); Bornholt et al., ASPLOS'16 (Ferrite); the developers'
statements, commits and crash tests of ext4, xfs and btrfs; the LazyFS and Apple documentation.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from wavetank.sim.profiles.profile import DirentCover, Profile

__all__ = [
    "ALICE",
    "APFS",
    "BTRFS",
    "DATA_JOURNAL",
    "EXT3_ORDERED",
    "EXT4",
    "EXT4_OBSERVED",
    "EXT4_ORDERED",
    "LAZYFS",
    "LYING_FSYNC",
    "POSIX",
    "PROCESS_KILL",
    "PROFILES",
    "SAFE_PROFILES",
    "SEQUENTIAL",
    "WRITEBACK",
    "XFS",
]

SEQUENTIAL: Final = Profile(
    name="sequential",
    summary="everything reaches the disk in program order; a crash only cuts the end off",
    program_order=True,
    dirents_ordered=True,
    metadata_ordered=True,
    appends_atomic=True,
    appends_ordered=True,
    overwrites_before_metadata=True,
    rename_after_source=True,
    fsync_file_covers=DirentCover.ALL,
    fsync_file_covers_sizes=True,
    fsync_dir_covers=DirentCover.ALL,
)

DATA_JOURNAL: Final = evolve(
    SEQUENTIAL,
    name="data-journal",
    summary="data goes through the journal as metadata does: sequential, block by block",
)

EXT3_ORDERED: Final = Profile(
    name="ext3-ordered",
    summary="one journal for all names and sizes, and data before the metadata that shows it",
    dirents_ordered=True,
    metadata_ordered=True,
    appends_atomic=True,
    appends_ordered=True,
    overwrites_before_metadata=True,
    rename_after_source=True,
    fsync_file_covers=DirentCover.ALL,
    fsync_file_covers_sizes=True,
    fsync_dir_covers=DirentCover.ALL,
)

EXT4_ORDERED: Final = Profile(
    name="ext4-ordered",
    summary="ordered mode as documented: sizes wait for their data (mounted with dioread_lock)",
    dirents_ordered=True,
    appends_atomic=True,
    appends_ordered=True,
    rename_after_source=True,
    fsync_file_covers=DirentCover.ALL,
    fsync_dir_covers=DirentCover.ALL,
)

XFS: Final = Profile(
    name="xfs",
    summary="names in order, sizes behind their data, and no barrier in a rename",
    dirents_ordered=True,
    appends_atomic=True,
    appends_ordered=True,
    fsync_file_covers=DirentCover.ALL,
    fsync_dir_covers=DirentCover.ALL,
)

EXT4_OBSERVED: Final = Profile(
    name="ext4-observed",
    summary="ext4 as it was seen to behave: a rename waits for nothing, a tail block may be zeros",
    dirents_ordered=True,
    appends_atomic=True,
    appends_ordered=True,
    fsync_file_covers=DirentCover.ALL,
    fsync_dir_covers=DirentCover.ALL,
    tail_block_as_overwrite=True,
)

BTRFS: Final = Profile(
    name="btrfs",
    summary="copy on write: a sync logs its own inode's names, others may overtake each other",
    appends_atomic=True,
    appends_ordered=True,
    rename_after_source=True,
    fsync_file_covers=DirentCover.OWN,
)

WRITEBACK: Final = Profile(
    name="writeback",
    summary="names and sizes in order, data whenever it comes: a size may show old bytes",
    dirents_ordered=True,
    metadata_ordered=True,
    fsync_file_covers=DirentCover.ALL,
    fsync_file_covers_sizes=True,
    fsync_dir_covers=DirentCover.ALL,
)

# With dioread_nolock, the default since Linux 5.6, a block is allocated as unwritten and converted
# when its data has arrived. The size may be committed in between, and new blocks then read zeros.
# A rename over an existing name has the blocks allocated, which is before they are written. Blocks
# that a truncation cuts off are freed (docs/disk-model.md, "Against real kernels").
EXT4: Final = Profile(
    name="ext4",
    summary="as mounted by default since Linux 5.6: a size may come before its data",
    dirents_ordered=True,
    fsync_file_covers=DirentCover.ALL,
    fsync_dir_covers=DirentCover.ALL,
    truncate_discards=True,
)

POSIX: Final = Profile(
    name="posix",
    summary="the portable contract: nothing is ordered, but a rename is atomic",
)

PROCESS_KILL: Final = evolve(
    SEQUENTIAL,
    name="process-kill",
    summary="the process dies and the machine goes on: nothing is lost",
    synchronous_dirents=True,
    data_at_once=True,
)

LAZYFS: Final = Profile(
    name="lazyfs",
    summary="names are durable at once, and all data since the last sync of its file is lost",
    synchronous_dirents=True,
    keeps_unsynced=False,
)

ALICE: Final = evolve(
    POSIX,
    name="alice",
    summary="ALICE's default: as posix, but a crash can split a rename",
    rename_atomic=False,
    control=True,
)

LYING_FSYNC: Final = evolve(
    POSIX,
    name="lying-fsync",
    summary="the drive's cache lies: a sync puts things in order and makes nothing durable",
    fsync_persists=False,
    full_fsync_persists=False,
    control=True,
)

APFS: Final = evolve(
    BTRFS,
    name="apfs",
    summary="fsync only puts things in order; F_FULLFSYNC makes them durable",
    fsync_persists=False,
    control=True,
)

SAFE_PROFILES: Final[tuple[Profile, ...]] = (
    SEQUENTIAL,
    DATA_JOURNAL,
    EXT3_ORDERED,
    EXT4_ORDERED,
    XFS,
    EXT4_OBSERVED,
    BTRFS,
    WRITEBACK,
    EXT4,
    POSIX,
    PROCESS_KILL,
    LAZYFS,
)
"""The profiles on which a store must be safe (`--profile all`), the strongest first.

Where two of the first ten are comparable, the later one allows every image that the earlier one
allows. `ext4` allows whatever those before it do, but for btrfs, which lets names overtake each
other; `posix` allows what all do, but for `ext4`, which discards what a truncation cuts off. A
killed process and lazyfs stand apart.
"""

PROFILES: Final[tuple[Profile, ...]] = (*SAFE_PROFILES, ALICE, LYING_FSYNC, APFS)
"""Every profile that ships: the safe ones, then the controls."""
