"""Stores that use `open`, `os` and the like, on the simulated disk of their site.

Each machine's disk gets a process of its own, which is killed as soon as a store is opened on
another disk: its buffers and descriptors are gone then, as they must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from attrs import evolve

from wavetank.engine import OsFileSystem
from wavetank.scenarios.raft.recording import STORE_DIRECTORY
from wavetank.scenarios.stores.adapter import Plug
from wavetank.scenarios.stores.backend import Site
from wavetank.sim import SimDisk, SimFileSystem
from wavetank.sim.python_files import PythonFiles

__all__ = ["PythonStores"]


class PythonStores:
    """Opens stores of unmodified Python code, one process at a time.

    Args:
        files: the open door to the simulated disk.
        plug: the store under test.
    """

    def __init__(self, files: PythonFiles, plug: Plug) -> None:
        self._files = files
        self._factory = plug.factory
        self._disk: SimDisk | None = None
        self._process = ExitStack()
        self.plug = evolve(plug, factory=self._open)

    @classmethod
    @contextmanager
    def of(cls, plug: Plug) -> Iterator[PythonStores]:
        """Route Python's files to the disks of sites while stores of `plug` are opened.

        Raises:
            PythonFilesError: somebody else does so already.
        """
        with PythonFiles(STORE_DIRECTORY) as files:
            stores = cls(files, plug)
            try:
                yield stores
            finally:
                stores.end_process()

    def end_process(self) -> None:
        """Kill the process that runs, if there is one; everything is real then."""
        self._disk = None
        self._process.close()

    def _open(self, site: Site) -> object:
        if isinstance(site.fs, SimFileSystem):
            self._run_on(site.fs.disk)
        else:
            self.end_process()
        # Whoever uses site.fs all the same reaches the machine's own files, and is noticed.
        return self._factory(evolve(site, fs=OsFileSystem()))

    def _run_on(self, disk: SimDisk) -> None:
        if disk is not self._disk:
            self.end_process()
            self._process.enter_context(self._files.process(disk))
            self._disk = disk
