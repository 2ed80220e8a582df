"""The machine that a check works on: a simulated one, or a real directory.

Most checks ask for nothing but a disk that survives the process, and work on both. What a power cut
may leave only a simulated machine can tell, which has the op log of its disk: a check that asks for
it on a real one meets an `OpLogNeededError`, and is run again on a store that is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeAlias

from wavetank.engine import (
    FileStorageOptions,
    FileSystem,
    OpenFlag,
    OsFileSystem,
    Runtime,
    ThreadRuntime,
)
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, Site, StoreAdapter, StoreProcesses
from wavetank.scenarios.traced.images import ImageDirectory, room_for_images
from wavetank.sim import (
    POSIX,
    DiskImage,
    PendingOps,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)
from wavetank.sim.traces import directory_image

__all__ = [
    "DirectoryMachine",
    "Machine",
    "MachineMaker",
    "OpLogNeededError",
    "SimMachine",
    "real_machines",
]


class OpLogNeededError(Exception):
    """A check asks what a power cut may leave, on a machine that cannot tell."""


class Machine(Protocol):
    """A machine with a disk, and the processes on it."""

    @property
    def disk(self) -> SimDisk:
        """Its disk with the op log.

        Raises:
            OpLogNeededError: it is a real directory.
        """
        ...

    def site(self, options: FileStorageOptions, fs: FileSystem | None = None) -> Site:
        """Return where a store opens on it; `fs` if it is another than the machine's own."""
        ...

    def work_behind(self) -> None:
        """Let work in the background come to its end."""
        ...

    def kill(self) -> None:
        """Kill all processes; the page cache survives."""
        ...

    def cut_power(self) -> None:
        """Cut the power with nothing kept that was not synced.

        Raises:
            OpLogNeededError: it is a real directory.
        """
        ...

    def image(self) -> DiskImage:
        """Return what programs see on the disk, as if all of it were durable."""
        ...

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files and sync them, as somebody else does.

        Args:
            files: their content by path, below a directory that is there.

        Raises:
            FileNotFoundError: the directory is not there.
        """
        ...


MachineMaker: TypeAlias = Callable[[DiskImage], Machine]
"""Makes a machine whose disk holds an image."""


class SimMachine:
    """A simulated machine.

    Args:
        image: what is on its disk.
    """

    def __init__(self, image: DiskImage) -> None:
        self._disk = SimDisk(image)
        self._runtime = SerialRuntime()

    @property
    def disk(self) -> SimDisk:
        """See `Machine.disk`."""
        return self._disk

    def site(self, options: FileStorageOptions, fs: FileSystem | None = None) -> Site:
        """See `Machine.site`."""
        fs = fs or SimFileSystem(self._disk)
        return Site(fs=fs, runtime=self._runtime, directory=STORE_DIRECTORY, options=options)

    def work_behind(self) -> None:
        """See `Machine.work_behind`."""
        self._runtime.run_pending(self._runtime.pending())

    def kill(self) -> None:
        """See `Machine.kill`."""
        self._disk = self._disk.process_kill()
        self._runtime = SerialRuntime()

    def cut_power(self) -> None:
        """See `Machine.cut_power`."""
        self._disk = SimDisk(self._pending().durable)
        self._runtime = SerialRuntime()

    def image(self) -> DiskImage:
        """See `Machine.image`."""
        return self._pending().full

    def put(self, files: Mapping[str, bytes]) -> None:
        """See `Machine.put`."""
        fs = SimFileSystem(self._disk)
        fs.listdir(STORE_DIRECTORY)
        for path, content in files.items():
            file = fs.open(path, OpenFlag.WRITE | OpenFlag.CREATE)
            file.pwrite(content, 0)
            file.fsync()
            file.close()
        fs.fsync_dir(STORE_DIRECTORY)

    def _pending(self) -> PendingOps:
        pending = PendingOps(self._disk.image, POSIX)
        pending.take_all(self._disk.log)
        return pending


class DirectoryMachine:
    """A real directory, in which a store lives that runs in processes of its own.

    Args:
        root: real and empty; it stands for the root of a disk.
        image: what is on that disk.
        processes: of the store.
    """

    def __init__(self, root: Path, image: DiskImage, processes: StoreProcesses) -> None:
        self._root = root
        self._processes = processes
        self._runtime: Runtime = ThreadRuntime()
        ImageDirectory(root, STORE_DIRECTORY).show(image)

    @property
    def disk(self) -> SimDisk:
        """See `Machine.disk`; there is none."""
        raise OpLogNeededError

    def site(self, options: FileStorageOptions, fs: FileSystem | None = None) -> Site:
        """See `Machine.site`."""
        return Site(
            fs=fs or OsFileSystem(),
            runtime=self._runtime,
            directory=f"{self._root}{STORE_DIRECTORY}",
            options=options,
        )

    def work_behind(self) -> None:
        """See `Machine.work_behind`; such a store has none."""

    def kill(self) -> None:
        """See `Machine.kill`."""
        self._processes.kill(f"{self._root}{STORE_DIRECTORY}")

    def cut_power(self) -> None:
        """See `Machine.cut_power`; it cannot."""
        raise OpLogNeededError

    def image(self) -> DiskImage:
        """See `Machine.image`."""
        return directory_image(f"{self._root}{STORE_DIRECTORY}")

    def put(self, files: Mapping[str, bytes]) -> None:
        """See `Machine.put`."""
        for path, content in files.items():
            (self._root / path.lstrip("/")).write_bytes(content)


@contextmanager
def real_machines(store: StoreAdapter) -> Iterator[MachineMaker]:
    """Give what makes machines for a store that runs in processes of its own.

    In the end all of these are killed, and the directories removed.

    Args:
        store: the store; it has `processes`.
    """
    processes = store.processes
    assert processes is not None, "others live on simulated machines"
    made: list[DirectoryMachine] = []
    with TemporaryDirectory(prefix="wavetank-", dir=room_for_images()) as scratch:

        def make(image: DiskImage) -> DirectoryMachine:
            root = Path(scratch) / str(len(made))
            root.mkdir()
            made.append(DirectoryMachine(root, image, processes))
            return made[-1]

        try:
            yield make
        finally:
            for machine in made:
                machine.kill()
