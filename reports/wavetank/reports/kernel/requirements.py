"""What a machine must have to run litmus programs on a real filesystem; asking changes nothing."""

from __future__ import annotations

import os  # noqa: TID251 - this is the machine's side
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wavetank.reports.kernel.machine import RealFilesystem

__all__ = ["missing_requirements"]

_SYSTEM_ADMINISTRATION: Final = 1 << 21  # CAP_SYS_ADMIN
_DEVICES: Final = (("/dev/fuse", "FUSE"), ("/dev/loop-control", "loop devices"))


def missing_requirements(filesystem: RealFilesystem) -> tuple[str, ...]:
    """Return what this machine lacks, by name; nothing if `filesystem` can be looked at."""
    if sys.platform != "linux":
        return (f"Linux (this is {sys.platform})",)
    return tuple(_missing(filesystem))


def _missing(filesystem: RealFilesystem) -> Iterator[str]:
    if os.geteuid() != 0:
        yield "root"
    elif not _may_mount():
        yield "the right to mount (CAP_SYS_ADMIN)"
    for device, what in _DEVICES:
        if not _can_open(device):
            yield f"{what} ({device})"
    yield from _missing_library()
    if shutil.which(filesystem.make[0]) is None:
        yield filesystem.make[0]
    if not _kernel_knows(filesystem.type):
        yield f"{filesystem.type} in the kernel"


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & _SYSTEM_ADMINISTRATION)


def _can_open(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError:
        return False
    return True


def _missing_library() -> Iterator[str]:
    try:
        import mfusepy  # noqa: F401, PLC0415 - whether it is there is the question
    except ImportError:
        yield "mfusepy"
    except (OSError, AttributeError):  # what it raises where there is no libfuse
        yield "libfuse"


def _kernel_knows(name: str) -> bool:
    """Return whether the kernel has a filesystem, or has a module for it."""
    known = Path("/proc/filesystems").read_text(encoding="ascii", errors="replace").split()
    modprobe = shutil.which("modprobe")
    if name in known or modprobe is None:
        return name in known
    dry_run = [modprobe, "--dry-run", "--quiet", name]
    return subprocess.run(dry_run, check=False, capture_output=True).returncode == 0  # noqa: S603 - a name of this package
