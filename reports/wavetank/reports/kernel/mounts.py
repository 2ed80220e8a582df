"""Mounts that nobody else sees and that go away whatever happens, and loop devices over files.

A process enters a mount namespace of its own: what is mounted there ends with it, even if it is
killed. A server of what is mounted must not stay in there: the last process in a namespace unmounts
everything, and would wait for its own answers.

System calls are used directly, since an experiment mounts thousands of images, and starting
programs would take longer than mounting.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os  # noqa: TID251 - this is the machine's side
import signal
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import current_thread, main_thread  # noqa: TID251 - this is the machine's side
from types import FrameType
from typing import Final

from attrs import frozen

from wavetank.reports.kernel.results import MachineError

__all__ = [
    "Mount",
    "enter_private_mounts",
    "leave_private_mounts",
    "loop_device",
    "mounted",
    "uninterrupted",
    "unmount",
    "work_folder",
]

_libc: Final = ctypes.CDLL(None, use_errno=True)

# sched.h, sys/mount.h
_CLONE_NEWNS: Final = 0x20000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_MNT_DETACH: Final = 2


@frozen(kw_only=True)
class Mount:
    """What is to be mounted.

    Attributes:
        source: a block device, or any word where none is needed.
        type: of the filesystem.
        options: separated by commas.
    """

    source: str
    type: str
    options: str


def enter_private_mounts() -> int:
    """Give this process a mount namespace of its own, for good.

    Returns:
        a descriptor of the namespace it was in before, for `leave_private_mounts`.

    Raises:
        MachineError: the machine refused.
    """
    try:
        before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise MachineError(f"the mount namespace: {error}") from error
    if _libc.unshare(_CLONE_NEWNS):
        raise MachineError(f"a mount namespace of its own: {_reason()}")
    if _libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None):
        raise MachineError(f"mounts that nobody else sees: {_reason()}")
    return before


def leave_private_mounts(before: int) -> None:
    """Go back to the mount namespace of a descriptor, which must be inherited.

    Raises:
        MachineError: the machine refused.
    """
    if _libc.setns(before, _CLONE_NEWNS):
        raise MachineError(f"the mount namespace from before: {_reason()}")


@contextmanager
def work_folder() -> Iterator[Path]:
    """Yield an empty folder in memory; what is in it ends with the namespace at the latest.

    Raises:
        MachineError: the machine refused.
    """
    folder = Path(tempfile.mkdtemp(prefix="wavetank-litmus-"))
    try:
        memory = Mount(source="wavetank", type="tmpfs", options="mode=700")
        with mounted(memory, folder):
            yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def mounted(what: Mount, folder: Path) -> Iterator[None]:
    """Mount something on an empty folder and unmount it at the end, also if interrupted.

    Raises:
        MachineError: mounting failed.
    """
    try:
        words = (what.source, str(folder), what.type)
        options = what.options.encode() or None
        if _libc.mount(*(os.fsencode(word) for word in words), ctypes.c_ulong(0), options):
            raise MachineError(f"mounting {what.type} ({what.options}): {_reason()}")
        yield
    finally:
        with uninterrupted():
            if os.path.ismount(folder):
                unmount(folder)


def unmount(folder: Path) -> None:
    """Unmount now, or, if somebody still uses what is mounted, as soon as nobody does.

    Raises:
        MachineError: the machine refused.
    """
    path = os.fsencode(folder)
    if _libc.umount2(path, 0) and _libc.umount2(path, _MNT_DETACH):
        raise MachineError(f"unmounting {folder}: {_reason()}")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the end of a piece of cleaning up; it never reaches other threads."""
    if current_thread() is not main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal gives it
        held.append(number)

    before = {each: signal.signal(each, hold) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in held[:1]:
        signal.raise_signal(number)


def _reason() -> str:
    return os.strerror(ctypes.get_errno())


# linux/loop.h
_LOOP_CTL_GET_FREE: Final = 0x4C82
_LOOP_CONFIGURE: Final = 0x4C0A
_FLAG_AUTOCLEAR: Final = 4
_CONFIG: Final = struct.Struct("=II 5Q 4I 64s64s32s 2Q 8Q")
_TRIES: Final = 20


@contextmanager
def loop_device(file: Path) -> Iterator[Path]:
    """Yield a block device over a file; it ends with its last user, at the latest a mount.

    Raises:
        MachineError: the machine refused.
    """
    device, descriptor = _configure(file)
    try:
        yield device
    finally:
        os.close(descriptor)


def _configure(file: Path) -> tuple[Path, int]:
    try:
        backing = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            return _first_free(backing)
        finally:
            os.close(backing)
    except OSError as error:
        raise MachineError(f"a loop device over {file.name}: {error}") from error


def _first_free(backing: int) -> tuple[Path, int]:
    """Configure a free device; somebody else may always be faster."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    flags = (0, 0, 0, _FLAG_AUTOCLEAR)
    config = _CONFIG.pack(backing, 0, *(0,) * 5, *flags, b"", b"", b"", *(0,) * 10)
    try:
        for _ in range(_TRIES):
            device = Path(f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}")
            descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(descriptor, _LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(descriptor)
                if error.errno != errno.EBUSY:
                    raise
            else:
                return device, descriptor
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no loop device is free")
