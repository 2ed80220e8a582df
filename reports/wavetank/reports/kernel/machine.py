"""A recording device with a real filesystem on it, and images of it that are mounted and read.

The device is a file served over FUSE (recording_device.py) under a loop device. What the filesystem
writes is logged before it is answered. All of it is removed at the end, whatever ends it.
"""

from __future__ import annotations

import os  # noqa: TID251 - this is the machine's side
import re
import shutil
import subprocess
import sys
import time  # noqa: TID251 - this is the machine's side
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer  # noqa: TID251 - this is the machine's side
from typing import Final

from attrs import evolve, frozen

from wavetank.reports.kernel.mounts import Mount, loop_device, mounted, uninterrupted, unmount
from wavetank.reports.kernel.program_run import COMMIT_INTERVAL_S
from wavetank.reports.kernel.recording_device import LoggedEvent, read_events
from wavetank.reports.kernel.results import MachineError
from wavetank.sim import BTRFS, EXT4, EXT4_OBSERVED, EXT4_ORDERED, XFS, Profile

__all__ = [
    "REAL_FILESYSTEMS",
    "RealFilesystem",
    "RecordingMachine",
    "image_mounted",
    "missing_requirements",
    "recording",
]

_MIB: Final = 1 << 20
_START_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02
_MAKE_TIMEOUT_S: Final = 60.0
_END_TIMEOUT_S: Final = 30.0


@frozen(kw_only=True)
class RealFilesystem:
    """A kernel's filesystem, mounted in one way, and what it is held against.

    Attributes:
        name: what the command line calls it.
        type: as mount(8) knows it.
        make: the command that makes it, without the device.
        size_bytes: of the device.
        mount_options: to mount it with, on the device and on images.
        profiles: those that claim to describe it.
        timer: whether it commits every `COMMIT_INTERVAL_S` seconds when told so.
        images_at_once: how many copies of one filesystem may be mounted at the same time. Mounting
            is mostly waiting, but btrfs takes two copies for one.
    """

    name: str
    type: str
    make: tuple[str, ...]
    size_bytes: int
    mount_options: str
    profiles: tuple[Profile, ...]
    timer: bool
    images_at_once: int


_EXT4: Final = RealFilesystem(
    name="ext4",
    type="ext4",
    # No lazy initialisation: its writes would come between those that are of interest.
    make=(
        *("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4"),
        *("-E", "lazy_itable_init=0,lazy_journal_init=0"),
    ),
    size_bytes=64 * _MIB,
    mount_options=f"commit={COMMIT_INTERVAL_S}",
    profiles=(EXT4,),
    timer=True,
    images_at_once=8,
)

_ALL: Final = (
    _EXT4,
    # Since Linux 5.6 a size waits for its data only with this option.
    evolve(
        _EXT4,
        name="ext4-ordered",
        mount_options=f"commit={COMMIT_INTERVAL_S},dioread_lock",
        profiles=(EXT4_ORDERED, EXT4_OBSERVED),
    ),
    RealFilesystem(
        name="xfs",
        type="xfs",
        make=("mkfs.xfs", "-q", "-f"),
        size_bytes=300 * _MIB,
        mount_options="nouuid",
        profiles=(XFS,),
        timer=False,
        images_at_once=8,
    ),
    RealFilesystem(
        name="btrfs",
        type="btrfs",
        make=("mkfs.btrfs", "-q", "-f"),
        size_bytes=128 * _MIB,
        mount_options=f"commit={COMMIT_INTERVAL_S}",
        profiles=(BTRFS,),
        timer=True,
        images_at_once=1,
    ),
)

REAL_FILESYSTEMS: Final = {each.name: each for each in _ALL}
"""The filesystems and mounts that can be looked at, by name."""


@frozen(kw_only=True)
class RecordingMachine:
    """A real filesystem on a device that logs what it is given.

    Attributes:
        folder: where it is mounted.
        log: the device's log.
    """

    folder: Path
    log: Path

    def log_length(self) -> int:
        """Return how long the device's log is by now, in bytes."""
        return self.log.stat().st_size

    def events(self) -> tuple[LoggedEvent, ...]:
        """Return what the device was asked to do so far."""
        return tuple(read_events(self.log.read_bytes()))


def make_filesystem(filesystem: RealFilesystem, device: Path) -> None:
    """Make the filesystem in a new sparse file.

    Raises:
        MachineError: the command that does it failed.
    """
    with device.open("wb") as file:
        file.truncate(filesystem.size_bytes)
    command = [*filesystem.make, str(device)]
    try:
        done = subprocess.run(  # noqa: S603 - the commands stand in this module
            command,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_MAKE_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise MachineError(f"{command[0]}: exit {done.returncode}: {done.stderr.strip()}")


@contextmanager
def recording(
    filesystem: RealFilesystem, device: Path, work: Path, *, outside: int, timeout_s: float
) -> Iterator[RecordingMachine]:
    """Serve `device` and mount it; its log is complete when this ends.

    Args:
        filesystem: what is on the device.
        device: its content; it is written to.
        work: an empty folder for mounts and log.
        outside: descriptor of the mount namespace that the device's server is to live in.
        timeout_s: the device is broken off when it has been served for so many seconds; calls on
            the filesystem then fail.

    Raises:
        MachineError: the machine refused something.
    """
    served, folder, log = work / "served", work / "live", work / "log"
    served.mkdir()
    folder.mkdir()
    log.touch()
    with (
        _serving(device, served, log, outside=outside, timeout_s=timeout_s) as disk,
        image_mounted(filesystem, disk, folder),
    ):
        yield RecordingMachine(folder=folder, log=log)


@contextmanager
def image_mounted(filesystem: RealFilesystem, image: Path, folder: Path) -> Iterator[None]:
    """Mount what a file holds on `folder`, which makes the kernel recover it.

    Raises:
        MachineError: it cannot be mounted.
    """
    with loop_device(image) as device:
        mount = Mount(source=str(device), type=filesystem.type, options=filesystem.mount_options)
        with mounted(mount, folder):
            yield


@contextmanager
def _serving(
    device: Path, served: Path, log: Path, *, outside: int, timeout_s: float
) -> Iterator[Path]:
    """Yield the served file's path while its server runs."""
    errors = log.with_suffix(".errors")
    command = [
        *(sys.executable, "-m", "wavetank.reports.kernel.recording_device"),
        *(str(served), str(device), str(log), str(outside)),
    ]
    with ExitStack() as ending, errors.open("wb") as output:
        # Interrupted here, a server that has just begun would be nobody's.
        with uninterrupted():
            server = subprocess.Popen(  # noqa: S603 - this interpreter, a module of this package
                command,
                pass_fds=[outside],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            ending.callback(_end, server, served)
        deadline = Timer(timeout_s, server.kill)
        deadline.daemon = True
        ending.callback(deadline.cancel)
        deadline.start()
        yield _wait_for_disk(server, served, errors)


def _wait_for_disk(server: subprocess.Popen[bytes], served: Path, errors: Path) -> Path:
    disk = served / "disk"
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while not disk.exists():
        if server.poll() is not None or time.monotonic() > deadline_s:
            said = errors.read_text(errors="replace").strip() or "it said nothing"
            raise MachineError(f"the device did not start to be served: {said}")
        time.sleep(_POLL_S)
    return disk


def _end(server: subprocess.Popen[bytes], served: Path) -> None:
    """Unmount what is served, which ends its server; end the server itself if it does not."""
    with uninterrupted():
        if os.path.ismount(served):
            unmount(served)
        else:
            server.kill()
        try:
            server.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


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
