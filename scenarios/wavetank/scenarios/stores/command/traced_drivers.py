"""A driver on a simulated disk: it works in a real directory, and strace tells what it does there.

Before a driver starts, what programs see on the disk is laid out in the directory. Each answer is
given out once all system calls before it have been applied to the disk: the op log at an
acknowledgement holds what the driver had done by then, and nothing later. The next disk, such as a
crash image, finds the driver killed and the directory made anew.
"""

from __future__ import annotations

import os  # noqa: TID251 - a real directory, and the pipe on which strace writes
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from attrs import evolve

from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, Site, StoreAdapter
from wavetank.scenarios.stores.command.driver_process import Witness
from wavetank.scenarios.stores.command.driver_store import DriverStore
from wavetank.scenarios.traced.images import ImageDirectory, room_for_images
from wavetank.sim import (
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
    SimDisk,
    SimFileSystem,
)
from wavetank.sim.traces import (
    STRACE_OPTIONS,
    RecorderMissingError,
    SystemCall,
    TraceError,
    TraceInterpreter,
    difference,
)

__all__ = ["StartDriver", "traced_on_simulated_disk"]

_CHUNK_BYTES: Final = 1 << 16
_LIMIT_S: Final = 20.0

StartDriver = Callable[[Path, Path, Witness], DriverStore]
"""Starts a driver in a directory, below a root, before a witness."""


@contextmanager
def traced_on_simulated_disk(store: StoreAdapter, start: StartDriver) -> Iterator[StoreAdapter]:
    """Give a store whose drivers' system calls are applied to the disk of its site.

    Args:
        store: the store.
        start: starts its driver.

    Raises:
        RecorderMissingError: there is no strace, or it may not trace.
    """
    strace = _strace()
    with TemporaryDirectory(prefix="wavetank-", dir=room_for_images()) as scratch:
        drivers = _TracedDrivers(Path(scratch), strace, start)
        try:
            yield evolve(store, factory=drivers.open, files=drivers)
        finally:
            drivers.end_process()


class _TracedDrivers:
    """The traced drivers on one disk at a time; implements `SiteFiles`.

    Args:
        scratch: a real directory, empty.
        strace: path of strace.
        start: starts a driver.
    """

    def __init__(self, scratch: Path, strace: str, start: StartDriver) -> None:
        self._root = scratch / "root"
        self._root.mkdir()
        self._scratch = scratch
        self._started = 0
        self._strace = strace
        self._start = start
        self._images = ImageDirectory(self._root, STORE_DIRECTORY)
        self._disk: SimDisk | None = None
        self._running: list[DriverStore] = []

    def enter(self, site: Site) -> tuple[Site, Callable[[], AbstractContextManager[None]]]:
        """See `SiteFiles.enter`; drivers of another disk are killed."""
        assert isinstance(site.fs, SimFileSystem), "require_simulated has refused all others"
        disk = site.fs.disk
        if disk is not self._disk:
            self.end_process()
            self._disk = disk
        return site, nullcontext

    def open(self, site: Site) -> DriverStore:
        """Start a driver on the disk of a site; the store's directory is there, and durable."""
        disk = self._disk
        assert disk is not None, "a site is entered first"
        self._running = [each for each in self._running if not each.is_over]
        if not self._running:
            _make_durable_directory(disk, site.directory)
            self._images.show(_seen_on(disk))
        self._started += 1
        pipe = self._scratch / f"trace-{self._started}"
        mirror = _Mirror(disk, self._images.path, pipe, self._strace)
        try:
            store = self._start(Path(f"{self._root}{site.directory}"), self._root, mirror)
        except BaseException:
            mirror.end()
            raise
        self._running.append(store)
        return store

    def end_process(self) -> None:
        """See `SiteFiles.end_process`."""
        self._disk = None
        for store in self._running:
            store.kill()
        self._running.clear()


class _Mirror:
    """Applies what strace tells of one driver to a simulated disk; a `Witness`.

    Args:
        disk: shows what the directory shows.
        root: the real directory that is watched, which stands under its name on the disk.
        pipe: the path of a pipe from strace that is to be made.
        strace: path of strace.
    """

    def __init__(self, disk: SimDisk, root: Path, pipe: Path, strace: str) -> None:
        self._disk = disk
        self._root = root
        self._strace = strace
        self._pipe = pipe
        os.mkfifo(pipe)
        self._came: int | None = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self._rest = b""
        self._answers = ""
        self._answered = 0
        self._interpreter = TraceInterpreter(
            disk, os.fsencode(root), cwd=os.fsencode(Path.cwd()), links=_link
        )

    def prefix(self) -> Sequence[str]:
        """See `Witness.prefix`."""
        return (self._strace, *STRACE_OPTIONS, "--seccomp-bpf", "-o", str(self._pipe), "--")

    def started(self, answers: int) -> None:
        """See `Witness.started`."""
        name = b"pipe:[%d]" % answers
        self._answers = "<" + "".join(f"\\x{each:02x}" for each in name) + ">"

    def fileno(self) -> int:
        """See `Witness.fileno`."""
        assert self._came is not None, "nobody waits for a driver that is gone"
        return self._came

    def take(self) -> bool:
        """See `Witness.take`.

        Raises:
            TraceError: what the driver does cannot be applied.
        """
        try:
            chunk = os.read(self.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            for call in self._interpreter.read(line.decode("ascii", "surrogateescape")):
                self._count(call)
        return bool(chunk)

    def has_seen(self, answered: int) -> bool:
        """See `Witness.has_seen`."""
        return self._answered >= answered

    def closed(self) -> None:
        """See `Witness.closed`.

        Raises:
            TraceError: the disk does not show what the directory shows.
        """
        found = difference(self._disk, str(self._root))
        if found:
            raise TraceError(f"the trace does not lead to the directory as it is: {found}")

    def end(self) -> None:
        """See `Witness.end`."""
        if self._came is not None:
            os.close(self._came)
            self._came = None
            self._pipe.unlink()

    def _count(self, call: SystemCall) -> None:
        is_answer = call.name in ("write", "writev") and call.arguments[0].endswith(self._answers)
        if is_answer and call.result is not None:
            self._answered += max(0, call.result)


def _strace() -> str:
    """Return the path of strace.

    Raises:
        RecorderMissingError: there is none, or it may not trace.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise RecorderMissingError("expected strace but there is none: apt-get install strace")
    tried = subprocess.run(  # noqa: S603 - strace itself
        [strace, "-f", "--seccomp-bpf", "-o", os.devnull, "--", strace, "-V"],
        capture_output=True,
        check=False,
        timeout=_LIMIT_S,
    )
    if tried.returncode:
        said = " ".join(tried.stderr.decode("utf-8", "replace").split())
        raise RecorderMissingError(f"expected strace with the right to trace but it said: {said}")
    return strace


def _make_durable_directory(disk: SimDisk, directory: str) -> None:
    """Make the directories of a path, each durable before the next."""
    fs = SimFileSystem(disk)
    for path in (*reversed(PurePosixPath(directory).parents[:-1]), PurePosixPath(directory)):
        try:
            fs.mkdir(str(path))
        except FileExistsError:
            continue
        fs.fsync_dir(str(path.parent))


def _seen_on(disk: SimDisk) -> DiskImage:
    """Return what programs see on a disk; all of it counts as looked at."""
    nodes: dict[int, Node] = {}

    def look(inode: int) -> None:
        names, target = disk.entries(inode), disk.link_target(inode)
        if names is not None:
            nodes[inode] = DirectoryContent(dict(names))
            for below in names.values():
                if below not in nodes:
                    look(below)
        elif target is not None:
            nodes[inode] = LinkContent(target)
        else:
            nodes[inode] = FileContent.of(disk.read(inode, 0, disk.size(inode)))

    look(ROOT_INODE)
    return DiskImage(nodes, next_inode=max(nodes) + 1)


def _link(path: bytes) -> bytes | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - names need not be UTF-8
    except OSError:
        return None
