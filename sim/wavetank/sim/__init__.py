"""The simulated world: a disk that can lose whatever the filesystem's promises let it lose.

General layout, from the bottom up::

    attributes.py      mode, owner and times of an inode, and who has looked at them
    ops.py             micro-ops, syncs and marks: the op log
    profile.py         what a filesystem promises about unsynced work: the rules
    profiles.py        the promises of the filesystems that ship
    profile_file.py    profiles of one's own, from TOML
    image.py           a disk's durable content as a value
    fsync_failure.py   what a failed fsync leaves, by filesystem
    _page_cache.py     files, directories and links as programs see them
    _recorder.py       the page cache and the op log, changed together
    _sync_faults.py    which syncs fail, and what comes of it
    _space.py          which blocks of a disk of limited size are taken
    call_sites.py      where in a program a change of the disk was made
    disk.py            SimDisk: calls on inodes, made of micro-ops
    sim_file.py        SimFile: the engine's file seam over a SimDisk
    _path_walk.py      from a path to an inode, as Linux walks
    _names.py          what may be done with names, and which errno says no
    filesystem.py      SimFileSystem: the engine's filesystem seam over a SimDisk
    serial_runtime.py  SerialRuntime: the engine's runtime seam in one thread
    tearing.py         what a device does below a block
    _tears.py          every way to tear a write
    _unwritten.py      blocks that a file shows and nobody wrote
    _apply.py          micro-ops, whole or torn, put into an image
    _forgetting.py     the same where a truncation frees what it cuts off
    pending.py         durable image and pending ops under a profile; any legal image
    settling.py        Settling: what a log leaves of which nothing is left pending
    closed_sets.py     every legal set of pending ops
    read_trace.py      what a program looked at
    read_memory.py     what came of a disk, remembered by that
    forking.py         images chosen by what is read of them, where they are too many
    representatives.py sets that stand for what was done alike, where they are too many
    crash_images.py    which legal images are looked at
    litmus.py          small programs with the states that they may leave
    litmus_file.py     the same read from JSON; data/litmus.json ships
    litmus_run.py      the simulated disk held against them
    _litmus_disk.py    their operations done on a disk
    python_files/      unmodified Python code on a simulated disk

It imports `wavetank.engine` for the seams alone and does not know what a log entry is. Start
reading at ops.py, then profile.py.
"""

from wavetank.sim._apply import STALE_WORD, Tear
from wavetank.sim._tears import TORN_SECTORS
from wavetank.sim.attributes import AttributeKind, AttributeReads, Attributes
from wavetank.sim.call_sites import call_site
from wavetank.sim.closed_sets import closed_sets
from wavetank.sim.crash_images import CrashImages, all_images, newest_images
from wavetank.sim.disk import SimDisk
from wavetank.sim.filesystem import SimFileSystem
from wavetank.sim.forking import Reader, forked_images
from wavetank.sim.fsync_failure import FsyncFailure
from wavetank.sim.image import (
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
)
from wavetank.sim.litmus import (
    LITMUS_OPS,
    UNWRITTEN,
    LitmusArgument,
    LitmusError,
    LitmusOp,
    LitmusResult,
    LitmusState,
    LitmusTest,
)
from wavetank.sim.litmus_file import read_litmus, shipped_litmus
from wavetank.sim.litmus_run import hold_litmus, possible_states
from wavetank.sim.ops import (
    BLOCK_SIZE,
    Attribute,
    Data,
    Dirent,
    Mark,
    MicroOp,
    OpLog,
    Record,
    Size,
    Sync,
    SyncKind,
)
from wavetank.sim.pending import Kept, PendingOps
from wavetank.sim.profile import DirentCover, Profile
from wavetank.sim.profile_file import (
    ProfileFileError,
    profile_from_table,
    profile_from_toml,
    profile_table,
)
from wavetank.sim.profiles import (
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
from wavetank.sim.read_memory import ReadMemory
from wavetank.sim.read_trace import Cell, ReadTrace
from wavetank.sim.representatives import Choice
from wavetank.sim.serial_runtime import DeadlockError, SerialRuntime
from wavetank.sim.settling import Settling
from wavetank.sim.sim_file import SimFile
from wavetank.sim.tearing import SECTOR_SIZE, AppendFill, AtomicUnit, Tearing, TearShape

__all__ = [
    "ALICE",
    "APFS",
    "BLOCK_SIZE",
    "BTRFS",
    "DATA_JOURNAL",
    "EXT3_ORDERED",
    "EXT4",
    "EXT4_OBSERVED",
    "EXT4_ORDERED",
    "LAZYFS",
    "LITMUS_OPS",
    "LYING_FSYNC",
    "POSIX",
    "PROCESS_KILL",
    "PROFILES",
    "ROOT_INODE",
    "SAFE_PROFILES",
    "SECTOR_SIZE",
    "SEQUENTIAL",
    "STALE_WORD",
    "TORN_SECTORS",
    "UNWRITTEN",
    "WRITEBACK",
    "XFS",
    "AppendFill",
    "AtomicUnit",
    "Attribute",
    "AttributeKind",
    "AttributeReads",
    "Attributes",
    "Cell",
    "Choice",
    "CrashImages",
    "Data",
    "DeadlockError",
    "DirectoryContent",
    "Dirent",
    "DirentCover",
    "DiskImage",
    "FileContent",
    "FsyncFailure",
    "Kept",
    "LinkContent",
    "LitmusArgument",
    "LitmusError",
    "LitmusOp",
    "LitmusResult",
    "LitmusState",
    "LitmusTest",
    "Mark",
    "MicroOp",
    "Node",
    "OpLog",
    "PendingOps",
    "Profile",
    "ProfileFileError",
    "ReadMemory",
    "ReadTrace",
    "Reader",
    "Record",
    "SerialRuntime",
    "Settling",
    "SimDisk",
    "SimFile",
    "SimFileSystem",
    "Size",
    "Sync",
    "SyncKind",
    "Tear",
    "TearShape",
    "Tearing",
    "all_images",
    "call_site",
    "closed_sets",
    "forked_images",
    "hold_litmus",
    "newest_images",
    "possible_states",
    "profile_from_table",
    "profile_from_toml",
    "profile_table",
    "read_litmus",
    "shipped_litmus",
]
