"""Loop devices: block devices over files, by the kernel's own calls.

A program per device would take longer than everything else together.
"""

from __future__ import annotations

import errno
import fcntl
import os  # noqa: TID251 - this is the machine's side
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from wavetank.reports.kernel.real_result import MachineError

__all__ = ["loop_device"]

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
