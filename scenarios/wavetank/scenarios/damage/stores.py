"""The stores of the matrix, made through the engine's public calls on a simulated disk.

Together they hold what a store can hold: several batches, a compacted log, snapshots, a truncated
suffix, both encodings, reserved space, what a crash left; most of them once cleanly closed and once
as a killed run leaves them. Left out: what is done to them (damages.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from attrs import evolve

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
    StorageFeatureFlags,
)
from wavetank.scenarios.damage.damaged_store import (
    DIRECTORY,
    LOG,
    StoreRecord,
    disk_of,
    files_of,
    view_of,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

__all__ = ["STORES", "store_record"]

_PLAIN: Final = FileStorageOptions(
    retained_log_size=2, features=StorageFeatureFlags(async_truncation=False, metrics=False)
)
_UNCOMPACTED: Final = evolve(_PLAIN, auto_truncate_on_snapshot=False)
_JSON: Final = evolve(
    _PLAIN,
    features=StorageFeatureFlags(async_truncation=False, metrics=False, binary_format=False),
)
_RESERVING: Final = evolve(_PLAIN, preallocate=8192)


class _Workshop:
    """Makes one store, and keeps what its files held before each step."""

    def __init__(self, options: FileStorageOptions) -> None:
        self._options = options
        self._disk = SimDisk()
        self._versions: list[dict[str, bytes]] = []
        self.store = self._open()

    def _open(self) -> FileStorage:
        return FileStorage(
            StorageConfig(directory=DIRECTORY),
            self._options,
            fs=SimFileSystem(self._disk),
            runtime=SerialRuntime(),
        )

    def _keep(self) -> None:
        self._versions.append(self.files())

    def files(self) -> dict[str, bytes]:
        return files_of(SimFileSystem(self._disk))

    def vote(self, term: int) -> None:
        self._keep()
        self.store.save_state(PersistentState(term, f"node-{term}"))

    def append(self, term: int, count: int = 3) -> None:
        self._keep()
        self.store.append_log_entries(_batch(self.store.last_log_index + 1, term, count))

    def truncate(self, index: int) -> None:
        self._keep()
        self.store.truncate_log_suffix(index)

    def snapshot(self, index: int) -> None:
        self._keep()
        term = self.store.get_log_entry(index).term
        data = b"".join(b"all up to %d; " % index for _ in range(50))
        self.store.save_snapshot(SnapshotMetadata(index, term), data)

    def close(self) -> None:
        self._keep()
        self.store.close()

    def reopen(self) -> None:
        """Open the store after a close or, without one, after a kill of the process."""
        self._keep()
        self._disk = self._disk.process_kill()
        self.store = self._open()

    def tear(self, term: int) -> None:
        """Die inside an append: half of its frame is there, and nobody was told that it is."""
        self._keep()
        files = self.files()
        acknowledged = len(files[LOG])
        self.append(term)
        whole = self.files()[LOG]
        files[LOG] = whole[: (acknowledged + len(whole)) // 2]
        self._versions.pop()
        self._disk = disk_of(files)

    def record(self, name: str, *, closed: bool) -> StoreRecord:
        """Return the store as it is now, its run over."""
        # What must be shown is asked of an undamaged copy, so that asking changes nothing.
        files = self.files()
        disk, self._disk = self._disk, disk_of(files)
        store = self._open()
        bounds = store.log_bounds()
        entries = store.get_log_entries(bounds.first_index, bounds.last_index + 1)
        try:
            snapshot = store.load_snapshot()
        except NoSnapshotError:
            snapshot = None
        state = store.load_state()
        self._disk = disk
        return StoreRecord(
            name=name,
            files=files,
            older=_older(self._versions, files),
            closed=closed,
            state=state,
            log=view_of(bounds, entries),
            snapshot=snapshot,
            options=self._options,
        )


def _batch(first: int, term: int, count: int) -> tuple[LogEntry, ...]:
    # Commands of different sizes, so that sectors and frames do not fall together.
    return tuple(
        LogEntry(index, term, b"set key-%d " % index + bytes([64 + index % 60]) * (90 + 17 * index))
        for index in range(first, first + count)
    )


def _older(
    versions: list[dict[str, bytes]], files: Mapping[str, bytes]
) -> dict[str, tuple[bytes | None, ...]]:
    names = sorted({name for version in (*versions, files) for name in version})
    return {
        name: tuple(
            content
            for content in dict.fromkeys(version.get(name) for version in reversed(versions))
            if content != files.get(name)
        )
        for name in names
    }


def _batches(shop: _Workshop) -> None:
    shop.vote(1)
    for term in (1, 1, 2, 2, 3):
        if term > shop.store.load_state().current_term:
            shop.vote(term)
        shop.append(term)


def _voted(shop: _Workshop) -> None:
    _batches(shop)
    shop.vote(4)
    shop.vote(5)


def _reopened(shop: _Workshop) -> None:
    _batches(shop)
    shop.close()
    shop.reopen()
    shop.append(3)
    shop.append(3)


def _compacted(shop: _Workshop) -> None:
    _batches(shop)
    shop.snapshot(9)
    shop.append(3)
    shop.append(3)


def _compacted_twice(shop: _Workshop) -> None:
    _compacted(shop)
    shop.snapshot(17)
    shop.append(3)


def _snapshots(shop: _Workshop) -> None:
    _batches(shop)
    shop.snapshot(4)
    shop.snapshot(8)
    shop.append(3)


def _truncated(shop: _Workshop) -> None:
    _batches(shop)
    shop.truncate(11)
    shop.vote(4)
    shop.append(4)
    shop.append(4)


def _torn(shop: _Workshop) -> None:
    _batches(shop)
    shop.tear(3)


def _recovered(shop: _Workshop) -> None:
    _torn(shop)
    shop.reopen()
    shop.append(3)
    shop.tear(3)
    shop.reopen()


_Recipe = tuple[FileStorageOptions, Callable[[_Workshop], None], bool]

STORES: Final[Mapping[str, _Recipe]] = {
    "batches, closed": (_PLAIN, _batches, True),
    "batches, killed": (_PLAIN, _batches, False),
    "voted, closed": (_PLAIN, _voted, True),
    "voted, killed": (_PLAIN, _voted, False),
    "reopened, closed": (_PLAIN, _reopened, True),
    "reopened, killed": (_PLAIN, _reopened, False),
    "compacted, closed": (_PLAIN, _compacted, True),
    "compacted, killed": (_PLAIN, _compacted, False),
    "compacted twice, killed": (_PLAIN, _compacted_twice, False),
    "snapshots, closed": (_UNCOMPACTED, _snapshots, True),
    "snapshots, killed": (_UNCOMPACTED, _snapshots, False),
    "truncated, closed": (_PLAIN, _truncated, True),
    "truncated, killed": (_PLAIN, _truncated, False),
    "json, closed": (_JSON, _batches, True),
    "json, killed": (_JSON, _compacted, False),
    "torn append, killed": (_PLAIN, _torn, False),
    "recovered, killed": (_PLAIN, _recovered, False),
    "reserved space, killed": (_RESERVING, _batches, False),
}
"""Options, steps, and whether the last run closed the store, by name."""


@cache
def store_record(name: str) -> StoreRecord:
    """Return the store of that name.

    Raises:
        KeyError: there is none.
    """
    options, steps, closed = STORES[name]
    shop = _Workshop(options)
    steps(shop)
    if closed:
        shop.close()
    return shop.record(name, closed=closed)
