"""Mounts a directory over itself through /dev/fuse, as root by itself, else with fusermount."""

from __future__ import annotations

import array
import ctypes
import os
import shutil
import socket
import subprocess
from typing import Final

from wavetank.sim.traces.trace import RecorderMissingError

__all__ = ["mount", "unmount", "write_back_pages"]

_DEVICE: Final = "/dev/fuse"
_NO_SET_USER, _NO_DEVICES = 2, 4
_DETACH: Final = 2
_DESCRIPTOR_BYTES: Final = 4
_NAME: Final = "wavetank"
_HOW: Final = "apt-get install fuse3, or run as root"


def mount(directory: str) -> int:
    """Mount over a directory and return the descriptor to serve it by.

    Raises:
        RecorderMissingError: the machine has no FUSE, or does not let this user mount.
    """
    if not os.path.exists(_DEVICE):
        raise RecorderMissingError(
            f"expected {_DEVICE}, through which the recorder serves the directory, but it is not "
            f"there: modprobe fuse, or docker run --device {_DEVICE} --cap-add SYS_ADMIN"
        )
    return _mount_as_root(directory) if os.geteuid() == 0 else _mount_as_user(directory)


def unmount(directory: str) -> None:
    """Unmount, even while something in it is open; nothing happens if nothing is mounted."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).umount2(os.fsencode(directory), _DETACH)
        return
    command = _fusermount()
    if command is not None:
        subprocess.run(  # noqa: S603 - of the system
            [command, "-u", "-z", directory], check=False, capture_output=True
        )


def write_back_pages(directory: str) -> None:
    """Let the kernel write what is left in pages of mappings."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    finally:
        os.close(descriptor)


def _mount_as_root(directory: str) -> int:
    try:
        device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise RecorderMissingError(
            f"expected to open {_DEVICE} but {error.strerror}: give the container the device"
        ) from error
    options = f"fd={device},rootmode=40755,user_id=0,group_id=0,default_permissions,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.mount(
        _NAME.encode(),
        os.fsencode(directory),
        f"fuse.{_NAME}".encode(),
        _NO_SET_USER | _NO_DEVICES,
        options.encode(),
    )
    if failed:
        reason = os.strerror(ctypes.get_errno())
        os.close(device)
        raise RecorderMissingError(
            f"expected the right to mount over {directory!r} but {reason}: give the container "
            f"CAP_SYS_ADMIN"
        )
    return device


def _mount_as_user(directory: str) -> int:
    command = _fusermount()
    if command is None:
        raise RecorderMissingError(
            f"expected fusermount3, which mounts for users, but found none: {_HOW}"
        )
    mine, theirs = socket.socketpair()
    with mine, theirs:
        done = subprocess.run(  # noqa: S603 - of the system
            [command, "-o", f"default_permissions,subtype={_NAME}", "--", directory],
            check=False,
            capture_output=True,
            text=True,
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
        )
        theirs.close()
        if done.returncode:
            raise RecorderMissingError(
                f"expected {command} to mount over {directory!r} but it said "
                f"{done.stderr.strip()!r}: {_HOW}"
            )
        _, parts, _, _ = mine.recvmsg(1, socket.CMSG_SPACE(_DESCRIPTOR_BYTES))
    numbers = array.array("i", parts[0][2][:_DESCRIPTOR_BYTES])
    return numbers[0]


def _fusermount() -> str | None:
    return shutil.which("fusermount3") or shutil.which("fusermount")
