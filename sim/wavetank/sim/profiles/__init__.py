"""What filesystems promise about unsynced work.

General layout::

    profile.py        the rules, each a field of Profile
    shipped.py        the promises of the filesystems that ship
    profile_file.py   profiles of one's own, from TOML
"""

from wavetank.sim.profiles.profile import DirentCover, Profile
from wavetank.sim.profiles.profile_file import (
    ProfileFileError,
    profile_from_table,
    profile_from_toml,
    profile_table,
)
from wavetank.sim.profiles.shipped import (
    ALICE,
    APFS,
    BTRFS,
    DATA_JOURNAL,
    EXT3_ORDERED,
    EXT4,
    EXT4_OBSERVED,
    EXT4_ORDERED,
    LAZYFS,
    LYING_FSYNC,
    POSIX,
    PROCESS_KILL,
    PROFILES,
    SAFE_PROFILES,
    SEQUENTIAL,
    WRITEBACK,
    XFS,
)

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
    "DirentCover",
    "Profile",
    "ProfileFileError",
    "profile_from_table",
    "profile_from_toml",
    "profile_table",
]
