"""Callers that append at the same time share one sync, and each has its own promise kept."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from attrs import define, field
from engine_site import INLINE, Call, EngineSite, entries
from gates import PATIENCE_S, Counted, CountedWaits, Gate

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LockTimeoutError,
    NonContiguousEntriesError,
    OsFileSystem,
    OutOfOrderEntriesError,
    StorageClosedError,
    StorageIOError,
    StoragePoisonedError,
)
from wavetank.sim import POSIX, PendingOps, SerialRuntime, SimDisk, SimFileSystem, all_images

OPTIONS: Final = FileStorageOptions(features=INLINE)
CALLERS: Final = 5
BATCH: Final = 3
LOG_SYNC: Final = Call("datasync", "log.dat")


@define
class Crowd:
    """Callers of append, the first held in its sync until all the others wait behind it.

    Attributes:
        waits: the runtime, which knows who waits.
        appends: what became of each, in the order of their entries.
        first: the gate in the first one's sync.
    """

    site: EngineSite
    store: FileStorage
    waits: CountedWaits
    first: Gate = field(factory=lambda: Gate("datasync", "log.dat"))
    appends: list[Future[None]] = field(factory=list)

    def last_of(self, caller: int) -> int:
        """Return the index of the last entry of a caller."""
        return (caller + 1) * BATCH

    @contextmanager
    def gathered(self, sync_errors: dict[int, int] | None = None) -> Iterator[None]:
        """Let all come together; they go on behind the body.

        Args:
            sync_errors: the errno with which a sync fails, by its number from 0.
        """
        synced = Counted("datasync", "log.dat")

        def refuse(call: Call) -> int | None:
            number = synced.count
            synced(call)
            self.first(call)
            return (sync_errors or {}).get(number) if call == LOG_SYNC else None

        self.site.watched.refuse = refuse
        with ThreadPoolExecutor(CALLERS) as pool:
            try:
                for caller in range(CALLERS):
                    batch = entries(caller * BATCH + 1, self.last_of(caller))
                    self.appends.append(pool.submit(self.store.append_log_entries, batch))
                    if caller:
                        self.waits.wait_for(caller)
                    else:
                        assert self.first.reached.wait(PATIENCE_S)
                yield
            finally:
                self.first.opened.set()


def make_crowd(directory: Path) -> Crowd:
    waits = CountedWaits()
    site = EngineSite(OsFileSystem(), lambda: waits, f"{directory}/store")
    return Crowd(site, site.open(OPTIONS), waits)


def test_all_that_wait_while_one_syncs_share_the_next_sync(tmp_path: Path) -> None:
    crowd = make_crowd(tmp_path)
    crowd.site.forget()
    with crowd.gathered():
        assert crowd.store.last_log_index == 0
        assert not any(append.done() for append in crowd.appends)
    assert [append.result() for append in crowd.appends] == [None] * CALLERS
    calls = crowd.site.calls(frozenset({"pwrite", "datasync", "fsync"}))
    assert [call.kind for call in calls] == ["pwrite", "datasync", *["pwrite"] * 4, "datasync"]
    assert list(crowd.store) == entries(1, CALLERS * BATCH)
    metrics = crowd.store.metrics()
    assert metrics is not None
    assert metrics["append_ops"] == CALLERS
    assert list(crowd.site.reopen(OPTIONS)) == entries(1, CALLERS * BATCH)


def test_nobody_sees_or_is_promised_entries_before_their_sync(tmp_path: Path) -> None:
    """The second sync stops as well: until it has ended, only the first caller's entries count."""
    crowd = make_crowd(tmp_path)
    second = Gate("datasync", "log.dat")
    with crowd.gathered(), ThreadPoolExecutor(1) as pool:
        crowd.site.watched.refuse = second
        crowd.first.opened.set()
        assert second.reached.wait(PATIENCE_S)
        crowd.appends[0].result(PATIENCE_S)
        assert not any(append.done() for append in crowd.appends[1:])
        assert pool.submit(list, crowd.store).result(PATIENCE_S) == entries(1, BATCH)
        second.opened.set()
    assert list(crowd.store) == entries(1, CALLERS * BATCH)


def test_a_shared_sync_that_fails_fails_all_who_share_it_and_poisons(tmp_path: Path) -> None:
    crowd = make_crowd(tmp_path)
    with crowd.gathered({1: errno.EIO}):
        pass
    assert crowd.appends[0].exception() is None
    errors = [append.exception() for append in crowd.appends[1:]]
    assert all(isinstance(error, StorageIOError) for error in errors)
    assert sum(not isinstance(error, StoragePoisonedError) for error in errors) == 1
    assert list(crowd.store) == entries(1, BATCH)
    with pytest.raises(StoragePoisonedError, match="EIO"):
        crowd.store.append_log_entries(entries(BATCH + 1, BATCH + 1))
    crowd.store.close()
    assert crowd.site.watched.open_names == []


def test_a_first_sync_that_fails_fails_all_who_wait_behind_it(tmp_path: Path) -> None:
    crowd = make_crowd(tmp_path)
    with crowd.gathered({0: errno.EIO}):
        pass
    assert all(isinstance(append.exception(), StorageIOError) for append in crowd.appends)
    assert len(crowd.store) == 0


@pytest.mark.parametrize(
    ("batch", "refusal"),
    [
        (entries(1, 1), NonContiguousEntriesError),
        (entries(CALLERS * BATCH + 2, CALLERS * BATCH + 2), NonContiguousEntriesError),
        (entries(CALLERS * BATCH + 1, CALLERS * BATCH + 1, term=0), OutOfOrderEntriesError),
    ],
    ids=["before", "beyond", "of an older term"],
)
def test_an_append_that_does_not_follow_waits_for_what_is_under_way(
    tmp_path: Path, batch: list[object], refusal: type[Exception]
) -> None:
    crowd = make_crowd(tmp_path)
    with crowd.gathered():
        with pytest.raises(LockTimeoutError):
            crowd.store.append_log_entries(batch, timeout=0)  # type: ignore[arg-type]
        assert crowd.store.last_log_index == 0
    with pytest.raises(refusal):
        crowd.store.append_log_entries(batch, timeout=0)  # type: ignore[arg-type]
    assert list(crowd.store) == entries(1, CALLERS * BATCH)
    crowd.store.append_log_entries(entries(CALLERS * BATCH + 1, CALLERS * BATCH + 1))


def test_a_truncation_and_a_close_wait_for_appends_under_way(tmp_path: Path) -> None:
    crowd = make_crowd(tmp_path)
    with crowd.gathered(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(LockTimeoutError):
            crowd.store.truncate_log_suffix(BATCH + 1, timeout=0)
        with pytest.raises(LockTimeoutError):
            crowd.store.truncate_log_prefix(1, timeout=0)
        closing = pool.submit(crowd.store.close)
        crowd.first.opened.set()
        closing.result(PATIENCE_S)
        assert crowd.site.watched.open_names == []
    # Whoever had the lock before the close is done; whoever came behind it is refused.
    errors = [append.exception() for append in crowd.appends]
    done = errors.count(None)
    assert errors[:done] == [None] * done
    assert done >= 1
    assert all(isinstance(error, StorageClosedError) for error in errors[done:])
    assert list(crowd.site.open(OPTIONS)) == entries(1, done * BATCH)


def test_an_append_that_gives_up_waiting_is_never_written(tmp_path: Path) -> None:
    crowd = make_crowd(tmp_path)
    last = CALLERS * BATCH
    with crowd.gathered(), pytest.raises(LockTimeoutError):
        crowd.store.append_log_entries(entries(last + 1, last + 1), timeout=0)
    assert list(crowd.store) == entries(1, last)
    crowd.store.append_log_entries(entries(last + 1, last + 1, term=2))
    assert crowd.store.get_log_entry(last + 1).term == 2


def test_a_crash_around_a_shared_sync_leaves_whole_batches_and_what_was_promised() -> None:
    disk = SimDisk()
    waits = CountedWaits()
    site = EngineSite(SimFileSystem(disk), lambda: waits, "/store")
    crowd = Crowd(site, site.open(OPTIONS), waits)
    promised: list[tuple[int, int]] = []
    begun = len(disk.log)

    def note(last: int, _: object) -> None:
        promised.append((len(disk.log), last))

    with crowd.gathered():
        for caller, append in enumerate(crowd.appends):
            append.add_done_callback(partial(note, crowd.last_of(caller)))
    assert sorted(last for _, last in promised) == [BATCH * (n + 1) for n in range(CALLERS)]
    pending = PendingOps(disk.image, POSIX)
    found = set()
    for position, record in enumerate(disk.log, start=1):
        pending.take(record)
        if position < begun or not pending.whole:
            continue
        least = max((last for when, last in promised if when <= position), default=0)
        images = all_images(pending, limit=4096)
        for kept in images.images:
            image = SimDisk(pending.image(kept))
            left = list(EngineSite(SimFileSystem(image), SerialRuntime, "/store").open(OPTIONS))
            assert left == entries(1, len(left))
            assert len(left) % BATCH == 0
            assert len(left) >= least
            found.add(len(left))
    assert found == {BATCH * n for n in range(CALLERS + 1)}
