"""The engine on every machine of failing syncs, at each of its syncs, however things go on."""

from collections.abc import Iterator
from typing import Final

import pytest
from attrs import frozen

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
    StorageError,
    StorageFeatureFlags,
    StorageIOError,
    StoragePoisonedError,
)
from wavetank.scenarios import (
    EMPTY,
    Append,
    Knowledge,
    ModelState,
    Observation,
    OpenStore,
    SaveSnapshot,
    SaveState,
    Step,
    TruncateSuffix,
    acknowledge,
    begin,
    judge,
    observe,
)
from wavetank.sim import (
    POSIX,
    FsyncFailure,
    PendingOps,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
    Sync,
    SyncKind,
    all_images,
)

OPTIONS: Final = FileStorageOptions(
    retained_log_size=1, features=StorageFeatureFlags(async_truncation=False)
)
LIMIT: Final = 1 << 12


def entries(first: int, last: int, term: int) -> tuple[LogEntry, ...]:
    return tuple(
        LogEntry(index, term, f"{index}/{term} ".encode() * 40) for index in range(first, last + 1)
    )


STEPS: Final[tuple[Step, ...]] = (
    OpenStore(),
    SaveState(PersistentState(1, "a")),
    Append(entries(1, 3, 1)),
    Append(entries(4, 5, 1)),
    TruncateSuffix(4),
    Append(entries(4, 6, 2)),
    SaveSnapshot(SnapshotMetadata(5, 2), b"snapshot " * 800),
    SaveState(PersistentState(2, "b")),
    Append(entries(7, 8, 2)),
)


@frozen(kw_only=True)
class Run:
    """A run up to the first error: what could be on disk then, and what had ever been true."""

    disk: SimDisk
    store: FileStorage | None
    failed: bool
    possible: tuple[ModelState, ...]
    history: tuple[ModelState, ...]


def open_store(disk: SimDisk) -> FileStorage:
    return FileStorage(
        StorageConfig(directory="/store"),
        OPTIONS,
        fs=SimFileSystem(disk),
        runtime=SerialRuntime(0),
    )


def run_on(disk: SimDisk) -> Run:
    store: FileStorage | None = None
    possible: tuple[ModelState, ...] = (EMPTY,)
    history = possible
    for step in STEPS:
        during = begin(possible, step, OPTIONS)
        history += during
        try:
            if isinstance(step, OpenStore):
                store = open_store(disk)
            else:
                assert store is not None
                perform(store, step)
        except StorageIOError:
            return Run(disk=disk, store=store, failed=True, possible=during, history=history)
        possible = acknowledge(possible, step, OPTIONS)
    return Run(disk=disk, store=store, failed=False, possible=possible, history=history)


def perform(store: FileStorage, step: Step) -> None:
    match step:
        case SaveState():
            store.save_state(step.state)
        case Append():
            store.append_log_entries(step.entries)
        case TruncateSuffix():
            store.truncate_log_suffix(step.index)
        case SaveSnapshot():
            store.save_snapshot(step.metadata, step.data)
        case _:
            raise AssertionError(step)


def syncs() -> list[SyncKind]:
    """The syncs of a run in which none fails."""
    run = run_on(SimDisk())
    assert not run.failed
    return [record.kind for record in run.disk.log if isinstance(record, Sync)]


def continuations(disk: SimDisk) -> Iterator[SimDisk]:
    """A restart on the warm cache, on an evicted one, every power cut, and no restart at all."""
    yield disk.process_kill()
    evicted = disk.process_kill()
    evicted.evict()
    yield evicted
    yield from cuts(disk)
    # The process goes on: it has closed the store and opens it again. Last, since it changes it.
    yield disk


def cuts(disk: SimDisk) -> Iterator[SimDisk]:
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    images = all_images(pending, limit=LIMIT)
    assert images.complete
    yield from (SimDisk(pending.image(kept)) for kept in images.images)


def problems(store: FileStorage, possible: tuple[ModelState, ...]) -> tuple[object, ...]:
    return judge(observe(store), Knowledge(possible=possible), OPTIONS)


FILE_SYNCS: Final = [kind for kind in syncs() if kind is not SyncKind.DIRECTORY]
TELLING_MACHINES: Final = [
    each for each in FsyncFailure if each is not FsyncFailure.EXT4_DATA_JOURNAL
]
"""On which the sync that failed says so. On the other, a store cannot hear of what is lost."""


@pytest.mark.parametrize("number", range(len(FILE_SYNCS)))
@pytest.mark.parametrize("machine", TELLING_MACHINES, ids=lambda machine: machine.value)
def test_what_a_failed_sync_was_for_is_there_wholly_and_durably_or_not_at_all(
    machine: FsyncFailure, number: int
) -> None:
    disk = SimDisk()
    disk.fail_next_sync(machine, skip=number)
    run = run_on(disk)
    assert run.failed
    require_poisoned(run.store)
    for after in continuations(disk):
        store = open_store(after)
        assert problems(store, run.possible) == ()
        shown: Observation = observe(store)
        for cut in cuts(after):
            assert problems(open_store(cut), (shown.as_model(),)) == ()
        store.save_state(PersistentState(9, "takes work"))
        store.append_log_entries([LogEntry(shown.bounds.last_index + 1, 9, b"more")])


def require_poisoned(store: FileStorage | None) -> None:
    if store is not None:
        with pytest.raises(StoragePoisonedError):
            store.save_state(PersistentState(9, "nobody"))
        with pytest.raises(StoragePoisonedError):
            store.append_log_entries(entries(store.last_log_index + 1, store.last_log_index + 1, 9))
        with pytest.raises(StoragePoisonedError):
            store.save_snapshot(SnapshotMetadata(9, 9), b"nobody's")
        store.close()


@pytest.mark.parametrize("number", range(len(FILE_SYNCS)))
def test_a_sync_that_fails_too_late_to_be_told_costs_what_the_disk_lost_and_nothing_else(
    number: int,
) -> None:
    """The filesystem acknowledged what it lost: what is left is refused, or was true once."""
    disk = SimDisk()
    disk.fail_next_sync(FsyncFailure.EXT4_DATA_JOURNAL, skip=number)
    run = run_on(disk)
    if run.failed:
        require_poisoned(run.store)
    for after in continuations(disk):
        try:
            store = open_store(after)
        except StorageError:
            continue
        assert problems(store, run.history) == ()


def test_a_late_error_may_meet_the_next_process_which_may_then_try_again() -> None:
    disk = SimDisk()
    disk.fail_next_sync(FsyncFailure.EXT4_DATA_JOURNAL, skip=len(FILE_SYNCS) - 1)
    run = run_on(disk)
    assert not run.failed
    successor = disk.process_kill()
    with pytest.raises(StorageIOError):
        open_store(successor)
    assert problems(open_store(successor.process_kill()), run.history) == ()


@pytest.mark.parametrize("number", range(len(syncs())))
def test_a_journal_that_fails_leaves_a_store_that_refuses_to_open_until_the_power_is_cut(
    number: int,
) -> None:
    disk = SimDisk()
    disk.fail_next_commit(skip=number)
    run = run_on(disk)
    assert run.failed
    require_poisoned(run.store)
    with pytest.raises(StorageError):
        open_store(disk.process_kill())
    for after in cuts(disk):
        assert problems(open_store(after), run.possible) == ()
