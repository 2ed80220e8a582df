"""The machine's view of a disk while programs run, and the engine's seams over it.

General layout, from the bottom up::

    fsync_failure.py   what a failed fsync leaves, by filesystem
    _errno.py          the OSError of a system call
    _page_cache.py     files, directories, links and attributes as programs see them
    _recorder.py       the page cache and the op log, changed together
    _sync_faults.py    which syncs fail, and what comes of it
    _space.py          which blocks of a disk of limited size are taken
    call_sites.py      where in a program a change of the disk was made
    sim_disk.py        SimDisk: calls on inodes, made of micro-ops
    sim_file.py        SimFile: the engine's file seam over a SimDisk
    _path_walk.py      from a path to an inode, as Linux walks
    _names.py          what may be done with names, and which errno says no
    filesystem.py      SimFileSystem: the engine's filesystem seam over a SimDisk

What is durable is not decided here (crashes/). Start reading at sim_disk.py.
"""

from wavetank.sim.disk.filesystem import SimFileSystem
from wavetank.sim.disk.fsync_failure import FsyncFailure
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.disk.sim_file import SimFile

__all__ = ["FsyncFailure", "SimDisk", "SimFile", "SimFileSystem"]
