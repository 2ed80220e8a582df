"""The process that serves a directory over FUSE and hands back what was done to it.

It is a process of its own: what signals, forks and crashes do to a program's parent must not reach
it, and a thread would stop with every system call of this process that waits for the filesystem
while it holds the interpreter. When it dies, the kernel answers all that waits with an error.
"""

from __future__ import annotations

import errno
import os
import pickle
import select
import signal
import traceback
from typing import Final

from attrs import frozen

from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import DiskImage
from wavetank.sim.ops import CallSite, Record
from wavetank.sim.traces.fuse.filesystem import FuseFilesystem
from wavetank.sim.traces.fuse.messages import (
    BUFFER_BYTES,
    Opcode,
    Request,
    read_request,
    reply,
)
from wavetank.sim.traces.trace import TraceError

__all__ = ["FuseServer", "Served"]

_UNANSWERED: Final = frozenset({Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT})
_GONE: Final = frozenset({errno.ENODEV, errno.ECONNABORTED})
_AGAIN: Final = frozenset({errno.EINTR, errno.EAGAIN, errno.ENOENT})


@frozen(kw_only=True)
class Served:
    """What the server saw.

    Attributes:
        log: all that was done, with a mark for each acknowledgement.
        sites: the requests that changed something or synced it.
        tokens: what was acknowledged.
        calls: requests that were answered.
        ack_text: all that was written to the file of acknowledgements.
        fault: what went wrong here; "" if nothing.
    """

    log: tuple[Record, ...]
    sites: tuple[CallSite, ...]
    tokens: tuple[str, ...]
    calls: int
    ack_text: bytes
    fault: str


class FuseServer:
    """A process that serves an image until it is asked for what it saw.

    Args:
        image: the disk as it begins.
        device: descriptor of the mount; it is closed here, and stays open there.
    """

    def __init__(self, image: DiskImage, device: int) -> None:
        self._content: bytes | None = None
        asked, self._ask = os.pipe()
        self._results, results = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self._ask)
            os.close(self._results)
            _be_server(image, device, asked, results)
        for each in (asked, results, device):
            os.close(each)

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._content is None:
            os.close(self._ask)
            with os.fdopen(self._results, "rb") as results:
                self._content = results.read()
            os.waitpid(self._pid, 0)

    def finish(self) -> Served:
        """End it, and return what it saw.

        Raises:
            TraceError: it died.
        """
        self.end()
        if not self._content:
            raise TraceError("expected a log of the filesystem's server but it died")
        # It comes from this program's own child, through a pipe that nobody else has.
        served: Served = pickle.loads(self._content)  # noqa: S301 - see above
        return served


def _be_server(image: DiskImage, device: int, asked: int, results: int) -> None:
    """Serve, hand over, and end without the parent's clean-up."""
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # The working directory may lie under the mount.
        os.chdir("/")
        served = _serve(FuseFilesystem(SimDisk(image)), device, asked)
        with os.fdopen(results, "wb") as stream:
            stream.write(pickle.dumps(served))
    finally:
        os._exit(0)


def _serve(filesystem: FuseFilesystem, device: int, asked: int) -> Served:
    fault = ""
    poll = select.poll()
    poll.register(device, select.POLLIN)
    poll.register(asked, select.POLLIN)
    while True:
        ready = {number for number, _ in poll.poll()}
        if device not in ready:
            break
        try:
            content = os.read(device, BUFFER_BYTES)
        except OSError as error:
            if error.errno in _GONE:
                break
            if error.errno in _AGAIN:
                continue
            raise
        fault = _answer(filesystem, device, read_request(content)) or fault
    try:
        filesystem.finish()
    except TraceError as error:
        fault = fault or str(error)
    return Served(
        log=tuple(filesystem.disk.log),
        sites=tuple(filesystem.sites),
        tokens=tuple(filesystem.tokens),
        calls=filesystem.calls,
        ack_text=filesystem.ack_text,
        fault=fault,
    )


def _answer(filesystem: FuseFilesystem, device: int, request: Request) -> str:
    """Answer a request, and return what went wrong here, "" if nothing."""
    if request.opcode in _UNANSWERED:
        return ""
    fault = ""
    try:
        answer = reply(request.unique, filesystem.answer(request))
    except OSError as error:
        answer = reply(request.unique, error=error.errno or errno.EIO)
    except Exception:  # noqa: BLE001 - the program must get an answer, and the user the reason
        answer = reply(request.unique, error=errno.EIO)
        fault = traceback.format_exc()
    try:
        os.write(device, answer)
    except OSError as error:
        # Whoever asked was killed, or all is unmounted.
        if error.errno not in _AGAIN | _GONE:
            raise
    return fault
