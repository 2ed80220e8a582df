"""Stores of plain Python, which use `open`, `os` and the like, on the simulated disk of their site.

Each disk gets a process of its own, which is killed as soon as a store is opened on another disk:
its buffers and descriptors are gone then, as they must be. Only the store's own code runs inside
that process; whoever drives it keeps the real machine and the real clock between two calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from attrs import evolve

from wavetank.engine import OsFileSystem, Runtime, StorageError, Task
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import SimDisk, SimFileSystem

if TYPE_CHECKING:
    from wavetank.sim.python_files import PythonFiles

__all__ = ["EndedProcessError", "PythonStores", "on_simulated_disk"]


class EndedProcessError(StorageError):
    """A store was called whose process has been killed; open it again."""


@contextmanager
def on_simulated_disk(store: StoreAdapter, *, faults: bool = False) -> Iterator[StoreAdapter]:
    """Give a store whose files are on the simulated disk of each site it is opened at.

    A store that takes its filesystem from `site.fs` comes back as it is, at no cost. For one of
    plain Python, `open` and `os` are replaced all over the interpreter until the block ends, which
    takes a tenth of a second; this may be nested for the same store. One that runs in processes of
    its own is traced.

    Args:
        store: the store under test.
        faults: whether operations of its filesystem are to fail, too.

    Raises:
        PlainStoreError: operations of a plain store are to fail.
        PythonFilesError: another simulation of Python's files is open, or the real machine has a
            `STORE_DIRECTORY`.
        RecorderMissingError: the store runs in processes, and this machine cannot trace them.

    >>> import os
    >>> from wavetank.scenarios import SCENARIOS, StoreAdapter, record
    >>> class Plain:
    ...     def __init__(self, site):
    ...         os.makedirs(site.directory, exist_ok=True)
    >>> plain = StoreAdapter(name="plain", factory=Plain)
    >>> with on_simulated_disk(plain) as store:
    ...     recording = record(SCENARIOS["leader-steady"].workload(seed=0), store)
    >>> len(recording.log), os.path.exists("/store")
    (2, False)
    """
    if faults:
        store.require_simulated(faults=True)
    if store.has(Capability.SITE_FILESYSTEM) or store.files is not None:
        yield store
        return
    if store.processes is not None:
        with store.processes.on_simulated_disk(store) as simulated:
            yield simulated
        return
    # Nobody who has no such store loads it.
    from wavetank.sim.python_files import PythonFiles  # noqa: PLC0415 - see above

    with PythonFiles(STORE_DIRECTORY) as files:
        stores = PythonStores(files)
        try:
            yield evolve(store, files=stores)
        finally:
            stores.end_process()


class PythonStores:
    """Runs stores of plain Python, one process at a time.

    Args:
        files: the open simulation of Python's files.
    """

    def __init__(self, files: PythonFiles) -> None:
        self._files = files
        self._disk: SimDisk | None = None
        self._process = ExitStack()

    def enter(self, site: Site) -> tuple[Site, Callable[[], AbstractContextManager[None]]]:
        """See `SiteFiles.enter`; the process goes on if it is one on this disk."""
        assert isinstance(site.fs, SimFileSystem), "require_simulated has refused all others"
        disk = site.fs.disk
        if disk is not self._disk:
            self.end_process()
            self._process.enter_context(self._files.process(disk))
            self._files.leave()
            self._disk = disk

        @contextmanager
        def inside() -> Iterator[None]:
            if self._disk is not disk:
                raise EndedProcessError("expected a store whose process runs but it was killed")
            with self._files.inside():
                yield

        # What a store makes of site.fs all the same lands on the simulated disk, too.
        runtime = _RuntimeInside(site.runtime, inside)
        return evolve(site, fs=OsFileSystem(), runtime=runtime), inside

    def end_process(self) -> None:
        """Kill the process that runs, if there is one; everything is real then."""
        self._disk = None
        self._process.close()


class _RuntimeInside:
    """The runtime of a simulated process: work that it spawns runs inside that process."""

    def __init__(
        self, runtime: Runtime, inside: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._runtime = runtime
        self._inside = inside
        self.lock = runtime.lock
        self.rlock = runtime.rlock
        self.condition = runtime.condition
        self.monotonic = runtime.monotonic
        self.wall_clock = runtime.wall_clock
        self.sleep = runtime.sleep
        self.random_bits = runtime.random_bits
        self.process_id = runtime.process_id

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        """See `Runtime.spawn`."""

        def run() -> None:
            with self._inside():
                work()

        return self._runtime.spawn(name, run)
