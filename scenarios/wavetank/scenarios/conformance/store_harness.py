"""What a check works on: a new machine (machines.py), and the store under test on it.

Also here: the disks that a power cut may leave of it, and a disk whose files hold something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import evolve

from wavetank.engine import (
    FileStorageOptions,
    FileSystem,
    LogEntry,
    SnapshotMetadata,
    Storage,
    StorageError,
)
from wavetank.scenarios.conformance.check import CheckFailure, CheckSkipped
from wavetank.scenarios.conformance.machines import (
    MachineMaker,
    OpLogNeededError,
    SimMachine,
)
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import (
    BLOCK_SIZE,
    POSIX,
    DiskImage,
    FileContent,
    PendingOps,
    SimDisk,
    all_images,
)

if TYPE_CHECKING:
    from wavetank.scenarios.conformance.workload_checks import CrashExploration

__all__ = ["StoreHarness", "right_or_refused", "suite_options", "with_contents"]

_OPTIONS: Final = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, auto_truncate_on_snapshot=False
)
"""What the checks ask of a store: as little as possible behind its caller's back."""

_SETS_PER_POINT: Final = 64


class StoreHarness:
    """One machine and the stores that were opened on it.

    Args:
        adapter: the store under test.
        image: what is on the disk; an empty disk by default.
        crashes: the crash images of the suite's workload; None where no check asks for them.
        make: makes the machine; a simulated one by default.

    Attributes:
        adapter: the store under test.
        options: what is asked of the store when it opens.
    """

    def __init__(
        self,
        adapter: StoreAdapter,
        image: DiskImage | None = None,
        crashes: CrashExploration | None = None,
        make: MachineMaker = SimMachine,
    ) -> None:
        self.adapter = adapter
        self.options = suite_options(adapter)
        self._crashes = crashes
        self._make = make
        self._machine = make(image or DiskImage.empty())
        self._open: list[Storage] = []

    @property
    def crashes(self) -> CrashExploration:
        """The crash images of the suite's workload.

        Raises:
            OpLogNeededError: the machine is a real directory.
        """
        if self._crashes is None:
            raise OpLogNeededError
        return self._crashes

    @property
    def disk(self) -> SimDisk:
        """The machine's disk, with its op log.

        Raises:
            OpLogNeededError: the machine is a real directory.
        """
        return self._machine.disk

    def another(self, image: DiskImage | None = None) -> StoreHarness:
        """Return another machine, of the same kind, with the same store."""
        return StoreHarness(self.adapter, image, make=self._make)

    def open(
        self, *, fs: FileSystem | None = None, options: FileStorageOptions | None = None
    ) -> Storage:
        """Open the store on this machine.

        Args:
            fs: its filesystem, if another than the machine's own.
            options: its options, if others than the suite's.
        """
        store = self.adapter.open(self._machine.site(options or self.options, fs))
        self._open.append(store)
        return store

    def close(self, store: Storage) -> None:
        """Close a store, its work in the background done."""
        self._machine.work_behind()
        store.close()
        self._open.remove(store)

    def reopen(self, store: Storage) -> Storage:
        """Close a store cleanly and open it again."""
        self.close(store)
        return self.open()

    def kill(self) -> Storage:
        """Kill the process, whose page cache survives, and open the store in a new one."""
        self._machine.kill()
        self._open.clear()
        return self.open()

    def cut_power(self) -> Storage:
        """Cut the power with nothing kept that was not synced, and open the store again."""
        self._machine.cut_power()
        self._open.clear()
        return self.open()

    def work_behind(self) -> None:
        """Let work in the background come to its end."""
        self._machine.work_behind()

    def compact(self, store: Storage, index: int) -> None:
        """Remove the entries before `index`, under a snapshot where the store wants one."""
        if self.adapter.has(Capability.COMPACTION_NEEDS_SNAPSHOT) and index > store.first_log_index:
            term = store.get_log_entry(index - 1).term
            store.save_snapshot(SnapshotMetadata(index - 1, term), b"state")
        store.truncate_log_prefix(index)

    def crashed(self, start: int = 0) -> Iterator[StoreHarness]:
        """Yield a machine for each disk that a power cut may leave.

        Args:
            start: the power goes no earlier than after so many records of the op log.
        """
        pending = PendingOps(self.disk.image, POSIX)
        seen: set[bytes] = set()
        for position, record in enumerate(self.disk.log, start=1):
            pending.take(record)
            if position < start or not pending.whole:
                continue
            for kept in all_images(pending, limit=_SETS_PER_POINT).images:
                image = pending.image(kept)
                if image.digest() not in seen:
                    seen.add(image.digest())
                    yield self.another(image)

    def image(self) -> DiskImage:
        """Return what programs see on the disk, as if all of it were durable."""
        return self._machine.image()

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files into the store's directory and sync them, as somebody else does.

        Args:
            files: their content by path.

        Raises:
            CheckSkipped: the store made no directory.
        """
        try:
            self._machine.put(files)
        except FileNotFoundError as error:
            raise CheckSkipped("the store made no directory to put files into") from error

    def files(self) -> dict[str, bytes]:
        """Return the content of every file that programs see, by path."""
        return self.image().files()

    def close_all(self) -> None:
        """Close every store that a check left open."""
        while self._open:
            with suppress(StorageError):
                self._open.pop().close()


def suite_options(adapter: StoreAdapter) -> FileStorageOptions:
    """Return what the suite asks of a store when it opens, by what the store declares."""
    return evolve(
        _OPTIONS,
        compaction_requires_snapshot=adapter.has(Capability.COMPACTION_NEEDS_SNAPSHOT),
        sync_on_append=adapter.has(Capability.DURABLE_APPENDS),
    )


def with_contents(image: DiskImage, contents: Mapping[str, bytes]) -> DiskImage:
    """Return a disk on which some files hold something else.

    Args:
        image: the disk.
        contents: the new content of files that are there, by path.
    """
    changes = {
        inode: FileContent(len(contents[path]), _blocks(contents[path]))
        for path, inode, _ in image.walk()
        if path in contents
    }
    return image.derive(changes)


def right_or_refused(
    harness: StoreHarness, image: DiskImage, wanted: Sequence[LogEntry], damage: str
) -> None:
    """Require that a store refuses to open or to read, or shows just what was written.

    Args:
        harness: with the store under test.
        image: the disk.
        wanted: the log that it held, from index 1 on.
        damage: what is wrong with the disk, for people.

    Raises:
        CheckFailure: it shows something else without a word.
    """
    try:
        store = harness.another(image).open()
        first, last = store.first_log_index, store.last_log_index
        shown = tuple(store.get_log_entries(first, last + 1)) if first <= last else ()
    except Exception:  # noqa: BLE001 - a store refuses with whatever errors it has
        return
    if shown != tuple(wanted):
        told = "other bytes" if len(shown) == len(wanted) else f"{len(shown)} of {len(wanted)}"
        raise CheckFailure(f"{damage}: the store opens and shows {told} entries without a word")


def _blocks(content: bytes) -> tuple[bytes, ...]:
    return tuple(
        content[start : start + BLOCK_SIZE] for start in range(0, len(content), BLOCK_SIZE)
    )
