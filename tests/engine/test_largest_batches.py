"""At most 1 GiB is ever at the mercy of a crash: in one batch, and in all that is not synced.

More could be left by a crash in a state that the next open refuses. The filesystem here counts the
large writes and keeps none, so that no such amount of memory or disk is needed.
"""

from __future__ import annotations

from typing import Final

import pytest
from attrs import define, field
from engine_site import INLINE, entries

from wavetank.engine import (
    Buffer,
    EntryTooLargeError,
    File,
    FileStorage,
    FileStorageOptions,
    FileSystem,
    LogEntry,
    OpenFlag,
    StorageConfig,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

GIB: Final = 1 << 30
LARGEST: Final = 64 << 20
FRAME_SIZE: Final = 72 + 16  # of a frame of one entry, but for its command
TRUNCATION_SIZE: Final = 72 + 8
LARGE: Final = bytes(LARGEST)


@define(eq=False)
class CountingFileSystem:
    """A filesystem that counts what is written to log.dat, and keeps only small writes.

    Attributes:
        calls: made so far.
        end: behind the last byte written to log.dat.
        synced_end: the same, as of the last sync.
        most_unsynced: the most bytes that a crash could have damaged at any moment.
        syncs: of log.dat.
    """

    inner: FileSystem = field(factory=lambda: SimFileSystem(SimDisk()))
    calls: int = 0
    end: int = 0
    synced_end: int = 0
    most_unsynced: int = 0
    syncs: int = 0

    def __getattr__(self, name: str) -> object:
        self.calls += 1
        return getattr(self.inner, name)

    def open(self, path: str, flags: OpenFlag) -> object:
        self.calls += 1
        file = self.inner.open(path, flags)
        return CountingFile(self, file) if path.endswith("/log.dat") else file


@define(eq=False)
class CountingFile:
    """log.dat, of which only small writes are kept."""

    owner: CountingFileSystem
    inner: File

    def __getattr__(self, name: str) -> object:
        self.owner.calls += 1
        return getattr(self.inner, name)

    def pwrite(self, data: Buffer, offset: int) -> int:
        owner = self.owner
        owner.calls += 1
        owner.end = max(owner.end, offset + len(data))
        owner.most_unsynced = max(owner.most_unsynced, owner.end - owner.synced_end)
        return self.inner.pwrite(data, offset) if len(data) < LARGEST // 2 else len(data)

    def datasync(self) -> None:
        self.owner.syncs += 1
        self.owner.synced_end = self.owner.end
        self.inner.datasync()


def open_counting(*, sync: bool) -> tuple[FileStorage, CountingFileSystem]:
    filesystem = CountingFileSystem()
    filesystem.end = filesystem.synced_end = 48  # the log's header
    options = FileStorageOptions(sync_on_append=sync, features=INLINE)
    config = StorageConfig(directory="/store")
    runtime = SerialRuntime()
    store = FileStorage(config, options, fs=filesystem, runtime=runtime)  # type: ignore[arg-type]
    return store, filesystem


def test_a_batch_of_more_than_a_gib_is_refused_before_anything_is_touched() -> None:
    store, filesystem = open_counting(sync=True)
    store.append_log_entries(entries(1, 1))
    calls = filesystem.calls
    batch = [LogEntry(index, 1, LARGE) for index in range(2, 2 + GIB // LARGEST)]
    with pytest.raises(EntryTooLargeError, match=rf"at most {GIB} bytes.*append it in parts"):
        store.append_log_entries(batch)
    assert filesystem.calls == calls
    assert store.last_log_index == 1
    for entry in batch[:2]:
        store.append_log_entries([entry])
    store.close()


@pytest.mark.slow
def test_what_is_not_synced_never_exceeds_a_gib() -> None:
    store, filesystem = open_counting(sync=False)
    count = GIB // LARGEST - 1
    for index in range(1, count + 2):
        store.append_log_entries([LogEntry(index, 1, LARGE)])
    assert filesystem.syncs == 1
    assert filesystem.end - filesystem.synced_end == LARGEST + FRAME_SIZE
    assert GIB - LARGEST - FRAME_SIZE < filesystem.most_unsynced <= GIB


@pytest.mark.slow
def test_a_truncation_of_what_is_not_synced_counts_too() -> None:
    store, filesystem = open_counting(sync=False)
    count = GIB // LARGEST - 1
    for index in range(1, count + 1):
        store.append_log_entries([LogEntry(index, 1, LARGE)])
    room = TRUNCATION_SIZE - 1
    last = GIB - count * (LARGEST + FRAME_SIZE) - FRAME_SIZE - room
    store.append_log_entries([LogEntry(count + 1, 1, LARGE[:last])])
    assert (filesystem.syncs, filesystem.end) == (0, 48 + GIB - room)
    store.truncate_log_suffix(1)
    assert filesystem.syncs == 2
    assert filesystem.most_unsynced <= GIB
