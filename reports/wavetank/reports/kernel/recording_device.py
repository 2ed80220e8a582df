"""A block device that writes down what it is asked to do: the log, and the program that serves it.

The program serves one file over FUSE and appends each write and flush to a log file before it
answers; whoever drives the filesystem on the device reads that file. The length of the log at any
moment therefore says what the device had received by then.

machine.py starts the program as a process of its own. It ends when it is unmounted, and with the
process that started it. It leaves that process's mount namespace as soon as it has mounted
(mounts.py).
"""

from __future__ import annotations

import ctypes
import errno
import os  # noqa: TID251 - this is the machine's side
import signal
import stat
import struct
import sys
from collections.abc import Iterator
from typing import Final, Protocol

from attrs import frozen

from wavetank.reports.kernel.mounts import leave_private_mounts

__all__ = [
    "DISK_NAME",
    "DeviceEvent",
    "DeviceWrite",
    "Flush",
    "FuseConfig",
    "LoggedEvent",
    "RecordingDevice",
    "encode_event",
    "main",
    "read_events",
]

_HEADER: Final = struct.Struct("<BQI")
_WRITE: Final = 1
_FLUSH: Final = 2


@frozen
class DeviceWrite:
    """Bytes that reached the device and may be lost until the next flush.

    Attributes:
        offset: on the device, in bytes.
        data: what was written there.
    """

    offset: int
    data: bytes


@frozen
class Flush:
    """From here on, all that was written before is durable."""


DeviceEvent = DeviceWrite | Flush


@frozen
class LoggedEvent:
    """An event and where it stands.

    Attributes:
        position: length of the log, in bytes, once the event is in it.
        event: what happened.
    """

    position: int
    event: DeviceEvent


def encode_event(event: DeviceEvent) -> bytes:
    """Return an event as it stands in the log file."""
    if isinstance(event, Flush):
        return _HEADER.pack(_FLUSH, 0, 0)
    return _HEADER.pack(_WRITE, event.offset, len(event.data)) + event.data


def read_events(log: bytes) -> Iterator[LoggedEvent]:
    """Yield the events of a log file.

    Args:
        log: its content. An event that is not complete yet ends it.

    Raises:
        ValueError: these bytes are no such log.
    """
    start = 0
    while start + _HEADER.size <= len(log):
        kind, offset, length = _HEADER.unpack_from(log, start)
        end = start + _HEADER.size + length
        if kind not in (_WRITE, _FLUSH):
            raise ValueError(f"expected event kind 1 or 2 at byte {start} of the log, got {kind}")
        if end > len(log):
            return
        data = log[start + _HEADER.size : end]
        yield LoggedEvent(end, Flush() if kind == _FLUSH else DeviceWrite(offset, data))
        start = end


# ruff: noqa: ARG002 - libfuse gives every operation the same arguments


DISK_NAME: Final = "disk"
_PR_SET_PDEATHSIG: Final = 1


class FuseConfig(Protocol):
    """What libfuse lets a server set."""

    direct_io: int


class RecordingDevice:
    """One file, ``disk``, whose writes and syncs are logged before they are answered.

    Args:
        backing: file that holds the content; its size is the device's.
        log: file to append events to.
        outside: descriptor of the mount namespace to go to once the file is served.
    """

    use_ns = True

    def __init__(self, backing: str, log: str, *, outside: int | None = None) -> None:
        self._outside = outside
        self._backing = os.open(backing, os.O_RDWR)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._backing).st_size

    def init_with_config(self, conn_info: object, config_3: FuseConfig | None) -> None:
        """Turn every cache off, so that each write comes here as it is made; all is mounted now."""
        if config_3 is not None:
            config_3.direct_io = 1
        if self._outside is not None:
            leave_private_mounts(self._outside)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """Return what stat shows of the root or of the disk."""
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path != f"/{DISK_NAME}":
            raise _error(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self._size}

    def readdir(self, path: str, fh: int) -> list[str]:
        """Return the names there are."""
        return [".", "..", DISK_NAME]

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Return bytes of the disk."""
        return os.pread(self._backing, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write to the disk, and log it."""
        os.pwrite(self._backing, data, offset)
        self._record(DeviceWrite(offset, data))
        return len(data)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        """Log a flush."""
        self._record(Flush())
        return 0

    def fallocate(self, path: str, mode: int, offset: int, size: int, fh: int) -> int:
        """Refuse to punch holes: whoever wants zeros has to write them."""
        raise _error(errno.EOPNOTSUPP)

    def _record(self, event: DeviceEvent) -> None:
        record = encode_event(event)
        if os.write(self._log, record) != len(record):
            raise _error(errno.ENOSPC)


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def main(mountpoint: str, backing: str, log: str, outside: str) -> None:
    """Serve until unmounted.

    Args:
        mountpoint: where ``disk`` is to appear.
        backing: file that holds its content.
        log: file to append events to.
        outside: descriptor of the mount namespace that is not to be left to this process.
    """
    import mfusepy  # noqa: PLC0415 - an extra, which other users of this package can do without

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    device = RecordingDevice(backing, log, outside=int(outside))
    mfusepy.FUSE(device, mountpoint, foreground=True, nothreads=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
