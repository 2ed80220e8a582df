"""`fcntl` on simulated files: flock between open files, record locks, and flags.

`flock` belongs to the open file: two opens of one file stand in each other's way, in one process
too. Record locks (`lockf`, F_SETLK) belong to the process: within one they never do, and no other
process runs. A lock that is not free is waited for while other threads run. Left out:
locks of open file descriptions (F_OFD_SETLK), which are refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from functools import partial
from typing import Final

from wavetank.sim.python_files._process import OpenFile, Process
from wavetank.sim.python_files._simulation import Simulation
from wavetank.sim.python_files.calls.descriptor_calls import DescriptorCalls
from wavetank.sim.python_files.errors import UnroutedCallError
from wavetank.sim.scheduling.scheduler import Access

__all__ = ["LockCalls"]

_RECORD_LOCKS: Final = frozenset({fcntl.F_SETLK, fcntl.F_SETLKW})
_LOCKS: Final = Access.to("file locks")
_FULL_FSYNC: Final = getattr(fcntl, "F_FULLFSYNC", 51)
"""Linux does not have it; 51 is macOS's number, and no command of Linux."""
_STATUS_FLAGS: Final = os.O_APPEND | os.O_NONBLOCK


class LockCalls:
    """`fcntl` for simulated descriptors.

    Args:
        simulation: the simulation.
        descriptors: syncs.
    """

    def __init__(self, simulation: Simulation, descriptors: DescriptorCalls) -> None:
        self._simulation = simulation
        self._descriptors = descriptors

    def flock(self, fd: int, operation: int, /) -> None:
        """See `fcntl.flock`."""
        process = self._simulation.running
        opened = process.opened(fd)
        kind = operation & ~fcntl.LOCK_NB
        if kind == fcntl.LOCK_UN:
            process.unlock(opened)
            return
        if kind not in (fcntl.LOCK_SH, fcntl.LOCK_EX):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        while True:
            with self._simulation.lock:
                if process.try_lock(opened, shared=kind == fcntl.LOCK_SH):
                    return
            if operation & fcntl.LOCK_NB:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            self._wait_for(process, opened)

    def _wait_for(self, process: Process, opened: OpenFile) -> None:
        """Wait until some lock is given back."""
        scheduler = self._simulation.threads.here()
        assert scheduler is not None, "a task takes the lock"
        path, wake = opened.path, partial(scheduler.wake, scheduler.running.number)
        process.lock_waiters.append(wake)
        try:
            scheduler.take_turn(
                lambda: f"the lock of {path}, which another open of it holds",
                _LOCKS,
                is_ready=False,
            )
        finally:
            process.lock_waiters.remove(wake)

    def lockf(self, fd: int, cmd: int, *region: int) -> None:
        """See `fcntl.lockf`: a process never stands in its own way."""
        del cmd, region
        self._simulation.running.opened(fd)

    def fcntl(self, fd: int, cmd: int, arg: int | bytes = 0, /) -> int | bytes:
        """See `fcntl.fcntl`."""
        process = self._simulation.running
        process.opened(fd)
        if cmd in _RECORD_LOCKS:
            return 0 if isinstance(arg, int) else arg
        if isinstance(arg, bytes):
            if cmd == fcntl.F_GETLK:
                return struct.pack("h", fcntl.F_UNLCK) + arg[2:]
            raise self._unknown(cmd)
        return self._with_number(process, fd, cmd, arg)

    def _with_number(self, process: Process, fd: int, cmd: int, arg: int) -> int:
        opened = process.opened(fd)
        if cmd == fcntl.F_GETFD:
            return 0 if process.is_inheritable(fd) else fcntl.FD_CLOEXEC
        if cmd == fcntl.F_GETFL:
            return opened.flags & (os.O_ACCMODE | _STATUS_FLAGS)
        if cmd in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC):
            return process.install(opened)
        if cmd == fcntl.F_SETFD:
            process.set_inheritable(fd, inheritable=not arg & fcntl.FD_CLOEXEC)
        elif cmd == fcntl.F_SETFL:
            self._set_flags(opened, arg)
        elif cmd == _FULL_FSYNC:
            self._descriptors.full_fsync(fd)
        else:
            raise self._unknown(cmd)
        return 0

    def _unknown(self, cmd: int) -> UnroutedCallError:
        return self._simulation.refuse(
            f"cmd: expected a command that is simulated but got fcntl {cmd}"
        )

    def ioctl(self, fd: int, request: int, arg: object = 0, mutate_flag: bool = True, /) -> int:  # noqa: FBT001, FBT002 - as in fcntl
        """See `fcntl.ioctl`: a simulated file knows none."""
        del request, arg, mutate_flag
        self._simulation.running.opened(fd)
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    def _set_flags(self, opened: OpenFile, flags: int) -> None:
        opened.flags = opened.flags & ~_STATUS_FLAGS | flags & _STATUS_FLAGS
        if opened.file is not None:
            opened.file.set_appending(appends=bool(flags & os.O_APPEND))
