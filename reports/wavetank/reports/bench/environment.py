"""Find out what a reader of times must know: the machine and the installed peers.

Paths and host names are left out.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path, PurePosixPath
from typing import Final

from wavetank.reports.bench.report import Machine, Peer
from wavetank.reports.commands.options import available_workers

__all__ = [
    "LMDB",
    "MEMORY_FILESYSTEMS",
    "PYSYNCOBJ",
    "ROCKSDICT",
    "SQLITE",
    "filesystem_of",
    "find_peers",
    "machine_of",
]

MEMORY_FILESYSTEMS: Final = frozenset({"tmpfs", "ramfs"})
"""Filesystems without a disk, on which a sync costs nothing."""

_MOUNTS: Final = Path("/proc/self/mountinfo")
_UNKNOWN: Final = "unknown"


def machine_of(directory: Path) -> Machine:
    """Return the facts about this machine and the filesystem of a directory."""
    return Machine(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        system=platform.system(),
        processors=available_workers(),
        filesystem=_filesystem(directory),
    )


def _filesystem(directory: Path) -> str:
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # only Linux has it
        return _UNKNOWN
    return filesystem_of(PurePosixPath(directory.resolve()), mounts)


def filesystem_of(directory: PurePosixPath, mounts: str) -> str:
    r"""Return the type of the filesystem that holds a directory.

    Args:
        directory: absolute, without links.
        mounts: the content of ``/proc/self/mountinfo``.

    Returns:
        The type that the kernel names, or ``unknown``.

    >>> mounts = '''22 1 254:0 / / rw - ext4 /dev/vda rw
    ... 31 22 0:27 / /mnt/my\\040disk rw shared:4 - tmpfs tmpfs rw'''
    >>> filesystem_of(PurePosixPath("/mnt/my disk/bench"), mounts)
    'tmpfs'
    >>> filesystem_of(PurePosixPath("/mnt/my"), mounts)
    'ext4'
    """
    deepest, found = -1, _UNKNOWN
    for line in mounts.splitlines():
        place, separator, source = line.partition(" - ")
        if not separator:
            continue
        point = PurePosixPath(_unescaped(place.split(" ")[4]))
        depth = len(point.parts)
        # Of two mounts at one place, the later one hides the earlier.
        if directory.is_relative_to(point) and depth >= deepest:
            deepest, found = depth, source.split(" ")[0]
    return found


def _unescaped(text: str) -> str:
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        text = text.replace(f"\\{code}", character)
    return text


SQLITE: Final = "sqlite3"
LMDB: Final = "lmdb"
PYSYNCOBJ: Final = "pysyncobj"
ROCKSDICT: Final = "rocksdict"

_MODULES: Final[Mapping[str, str]] = {
    SQLITE: "sqlite3",
    LMDB: "lmdb",
    PYSYNCOBJ: "pysyncobj.journal",
    ROCKSDICT: "rocksdict",
}


def find_peers() -> tuple[Peer, ...]:
    """Return every peer, with its version if it can be imported.

    >>> [peer.name for peer in find_peers()]
    ['sqlite3', 'lmdb', 'pysyncobj', 'rocksdict']
    """
    return tuple(
        Peer(name=name, version=_version(name, module)) for name, module in _MODULES.items()
    )


def _version(name: str, module: str) -> str | None:
    try:
        found = import_module(module)
    except ImportError:
        return None
    return str(found.sqlite_version) if name == SQLITE else metadata.version(name)
