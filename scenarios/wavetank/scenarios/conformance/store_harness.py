"""What a check works on: a new simulated machine, and the store under test on it."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from attrs import evolve

from wavetank.engine import (
    FileStorageOptions,
    FileSystem,
    SnapshotMetadata,
    Storage,
    StorageError,
)
from wavetank.scenarios.conformance.sweeps import Sweeps
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import POSIX, DiskImage, PendingOps, SerialRuntime, SimDisk, SimFileSystem

__all__ = ["Bench", "suite_options"]

_OPTIONS: Final = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, auto_truncate_on_snapshot=False
)
"""What the checks ask of a store: as little as possible behind its caller's back."""


class Bench:
    """One simulated machine and the stores that were opened on it.

    Args:
        plug: the store under test.
        image: what is on the disk; an empty disk by default.
        sweeps: the crash images of the suite's workload; None where no check asks for them.

    Attributes:
        plug: the store under test.
        disk: the machine's disk.
        options: what is asked of the store when it opens.
    """

    def __init__(
        self, plug: StoreAdapter, image: DiskImage | None = None, sweeps: Sweeps | None = None
    ) -> None:
        self.plug = plug
        self._sweeps = sweeps
        self.disk = SimDisk(image or DiskImage.empty())
        self.options = suite_options(plug)
        self._runtime = SerialRuntime()
        self._open: list[Storage] = []

    @property
    def sweeps(self) -> Sweeps:
        """The crash images of the suite's workload."""
        assert self._sweeps is not None, "whoever asks the crash group brings them"
        return self._sweeps

    def open(
        self, *, fs: FileSystem | None = None, options: FileStorageOptions | None = None
    ) -> Storage:
        """Open the store on this machine.

        Args:
            fs: its filesystem, if another than the machine's own.
            options: its options, if others than the suite's.
        """
        store = self.plug.open(
            Site(
                fs=fs or SimFileSystem(self.disk),
                runtime=self._runtime,
                directory=STORE_DIRECTORY,
                options=options or self.options,
            )
        )
        self._open.append(store)
        return store

    def close(self, store: Storage) -> None:
        """Close a store, its work in the background done."""
        self._runtime.run_pending(self._runtime.pending())
        store.close()
        self._open.remove(store)

    def reopen(self, store: Storage) -> Storage:
        """Close a store cleanly and open it again."""
        self.close(store)
        return self.open()

    def kill(self) -> Storage:
        """Kill the process, whose page cache survives, and open the store in a new one."""
        self.disk = self.disk.process_kill()
        self._runtime = SerialRuntime()
        self._open.clear()
        return self.open()

    def cut_power(self) -> Storage:
        """Cut the power with nothing kept that was not synced, and open the store again."""
        pending = PendingOps(self.disk.image, POSIX)
        pending.take_all(self.disk.log)
        self.disk = SimDisk(pending.durable)
        self._runtime = SerialRuntime()
        self._open.clear()
        return self.open()

    def work_behind(self) -> None:
        """Let work in the background come to its end."""
        self._runtime.run_pending(self._runtime.pending())

    def compact(self, store: Storage, index: int) -> None:
        """Remove the entries before `index`, under a snapshot where the store wants one."""
        if self.plug.has(Capability.COMPACTION_NEEDS_SNAPSHOT) and index > store.first_log_index:
            term = store.get_log_entry(index - 1).term
            store.save_snapshot(SnapshotMetadata(index - 1, term), b"state")
        store.truncate_log_prefix(index)

    def image(self) -> DiskImage:
        """Return what programs see on the disk, as if all of it were durable."""
        pending = PendingOps(self.disk.image, POSIX)
        pending.take_all(self.disk.log)
        return pending.full

    def files(self) -> dict[str, bytes]:
        """Return the content of every file that programs see, by path."""
        return self.image().files()

    def close_all(self) -> None:
        """Close every store that a check left open."""
        while self._open:
            with suppress(StorageError):
                self._open.pop().close()


def suite_options(plug: StoreAdapter) -> FileStorageOptions:
    """Return what the suite asks of a store when it opens, by what the store declares."""
    return evolve(
        _OPTIONS,
        compaction_requires_snapshot=plug.has(Capability.COMPACTION_NEEDS_SNAPSHOT),
        sync_on_append=plug.has(Capability.DURABLE_APPENDS),
    )
