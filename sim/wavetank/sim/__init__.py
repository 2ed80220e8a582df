"""The simulated world: a disk that can lose whatever the filesystem's promises let it lose.

General layout, from the bottom up::

    attributes.py      mode, owner and times of an inode, and who has looked at them
    ops.py             micro-ops, syncs and marks: the op log
    image.py           a disk's durable content as a value
    read_trace.py      what a program looked at
    read_memory.py     what came of a disk, remembered by that
    profiles/          what a filesystem promises about unsynced work
    disk/              the disk while programs run: calls, page cache, names, the engine's seams
    scheduling/        tasks, locks and virtual time under a strategy: SimRuntime
    serial_runtime.py  SerialRuntime: the engine's runtime seam in one thread
    crashes/           what a crash may leave, and which of it is looked at
    litmus/            small programs with the states that they may leave
    python_files/      unmodified Python code on a simulated disk
    traces/            what any program did to a real directory, as an op log

It imports `wavetank.engine` for the seams alone and does not know what a log entry is. Start
reading at ops.py, then profiles/profile.py.
"""

from wavetank.sim.attributes import AttributeKind, AttributeReads, Attributes
from wavetank.sim.crashes._apply import STALE_WORD, Tear
from wavetank.sim.crashes._tears import TORN_SECTORS
from wavetank.sim.crashes.closed_sets import closed_sets
from wavetank.sim.crashes.crash_images import CrashImages, all_images, newest_images
from wavetank.sim.crashes.forking import Reader, forked_images
from wavetank.sim.crashes.pending import Kept, PendingOps
from wavetank.sim.crashes.representatives import Choice
from wavetank.sim.crashes.settling import Settling
from wavetank.sim.crashes.tearing import SECTOR_SIZE, AppendFill, AtomicUnit, Tearing, TearShape
from wavetank.sim.disk.call_sites import call_site
from wavetank.sim.disk.filesystem import SimFileSystem
from wavetank.sim.disk.fsync_failure import FsyncFailure
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.disk.sim_file import SimFile
from wavetank.sim.image import (
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
)
from wavetank.sim.litmus.litmus_file import read_litmus, shipped_litmus
from wavetank.sim.litmus.litmus_run import hold_litmus, possible_states
from wavetank.sim.litmus.program import (
    LITMUS_OPS,
    UNWRITTEN,
    LitmusArgument,
    LitmusError,
    LitmusOp,
    LitmusResult,
    LitmusState,
    LitmusTest,
)
from wavetank.sim.ops import (
    BLOCK_SIZE,
    Attribute,
    CallSite,
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
from wavetank.sim.read_memory import ReadMemory
from wavetank.sim.read_trace import Cell, ReadTrace
from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.schedule import Departure, Grain, Schedule
from wavetank.sim.scheduling.scheduled_filesystem import ScheduledFileSystem, Stall
from wavetank.sim.serial_runtime import DeadlockError, SerialRuntime

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
    "CallSite",
    "Cell",
    "Choice",
    "CrashImages",
    "Data",
    "DeadlockError",
    "Departure",
    "DirectoryContent",
    "Dirent",
    "DirentCover",
    "DiskImage",
    "FileContent",
    "FsyncFailure",
    "Grain",
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
    "Schedule",
    "ScheduledFileSystem",
    "SerialRuntime",
    "Settling",
    "SimDisk",
    "SimFile",
    "SimFileSystem",
    "SimRuntime",
    "Size",
    "Stall",
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
