"""A compaction copies while the store goes on, and catches up with it before it takes its place.

What "meanwhile" does is called in the middle of the copying, by the filesystem, in the same thread:
were a lock held that it needs, it would never come to its end.
"""

from collections.abc import Callable

import pytest
from attrs import evolve
from engine_site import INLINE, NOTHING_RETAINED, Call, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedLogError,
    FileStorage,
    FileStorageOptions,
    IndexOutOfRangeError,
    LockTimeoutError,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageFeatureFlags,
    StorageIOError,
)
from wavetank.sim import POSIX, PendingOps, SerialRuntime, SimDisk, SimFileSystem, all_images

OPTIONS = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, features=INLINE, chunk_size=512
)
SCANNING = evolve(OPTIONS, features=StorageFeatureFlags(async_truncation=False, index_map=False))


def log_of(store: FileStorage) -> list[LogEntry]:
    extent = store.log_bounds()
    if not extent.entry_count:
        return []
    return store.get_log_entries(extent.first_index, extent.last_index + 1)


def meanwhile(site: EngineSite, work: Callable[[], None], *, kind: str = "pwrite") -> list[str]:
    """Let `work` run once, at the first such call on the new log; returns what has been run."""
    ran: list[str] = []

    def interrupt(call: Call) -> None:
        if call.kind == kind and call.name == "log.dat.tmp" and not ran:
            ran.append(call.kind)
            work()

    site.watched.refuse = interrupt
    return ran


@pytest.mark.parametrize("options", [OPTIONS, SCANNING], ids=["indexed", "scanning"])
@pytest.mark.parametrize("kind", ["pwrite", "fsync"])
def test_everything_but_another_compaction_goes_on(
    site: EngineSite, options: FileStorageOptions, kind: str
) -> None:
    store = site.open(options)
    for index in range(1, 21):
        store.append_log_entries(entries(index, index, size=100))
    expected = entries(1, 20, size=100)

    def work() -> None:
        assert log_of(store) == expected
        store.append_log_entries(entries(21, 23))
        store.truncate_log_suffix(18)
        store.append_log_entries(entries(18, 19, term=2))
        expected[17:] = entries(18, 19, term=2)
        store.save_state(PersistentState(2, "node-a"))
        assert log_of(store) == expected
        with pytest.raises(LockTimeoutError, match="log rewrite"):
            store.truncate_log_prefix(3, timeout=0)

    ran = meanwhile(site, work, kind=kind)
    store.truncate_log_prefix(5)
    assert ran
    for _ in range(2):
        assert log_of(store) == expected[4:]
        store = site.reopen(options)
    store.append_log_entries(entries(20, 20, term=2))
    store.truncate_log_prefix(18)
    assert log_of(site.reopen(OPTIONS)) == entries(18, 20, term=2)


def test_where_nothing_happened_meanwhile_the_new_log_is_synced_once(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 9))
    site.forget()
    store.truncate_log_prefix(5)
    assert [call.kind for call in site.calls() if call.name == "log.dat.tmp"].count("fsync") == 1


def test_what_was_caught_up_is_durable_before_the_new_log_has_its_name(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 9))
    meanwhile(site, lambda: store.append_log_entries(entries(10, 10)), kind="fsync")
    site.forget()
    store.truncate_log_prefix(5)
    order = [call.kind for call in site.calls() if call.name in ("log.dat.tmp", "store")]
    assert order[-4:] == ["fsync", "pwrite", "fsync", "fsync_dir"]


def test_a_truncation_below_what_was_to_stay_wins(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 9))
    meanwhile(site, lambda: store.truncate_log_suffix(3))
    with pytest.raises(IndexOutOfRangeError, match="at most 3"):
        store.truncate_log_prefix(7)
    assert "log.dat.tmp" not in site.names()
    store.append_log_entries(entries(3, 4, term=2))
    expected = entries(1, 2) + entries(3, 4, term=2)
    assert log_of(store) == expected
    assert log_of(site.reopen(OPTIONS)) == expected


def test_damage_met_while_catching_up_leaves_the_old_log(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 9))

    def work() -> None:
        store.append_log_entries(entries(10, 10, size=100))
        site.flip("log.dat", -1)

    meanwhile(site, work)
    with pytest.raises(CorruptedLogError):
        store.truncate_log_prefix(5)
    assert "log.dat.tmp" not in site.names()
    assert store.get_log_entries(1, 10) == entries(1, 9)
    store.append_log_entries(entries(11, 11))


def test_a_store_poisoned_meanwhile_keeps_the_old_log(site: EngineSite) -> None:
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 9))
    old = site.read("log.dat")
    armed = [True]

    def interrupt(call: Call) -> int | None:
        if call.name == "log.dat.tmp" and call.kind == "pwrite" and armed[0]:
            armed[0] = False
            with pytest.raises(StorageIOError):
                store.append_log_entries(entries(10, 10))
        return 5 if call.name == "log.dat" and call.kind == "pwrite" else None

    site.watched.refuse = interrupt
    with pytest.raises(StorageIOError, match="reopen the store"):
        store.truncate_log_prefix(5)
    assert site.read("log.dat") == old
    site.heal()
    assert log_of(site.reopen(OPTIONS)) == entries(1, 9)


def test_a_snapshot_that_replaces_the_log_comes_after_it(site: EngineSite) -> None:
    store = site.open(NOTHING_RETAINED)
    store.append_log_entries(entries(1, 9))
    meanwhile(site, lambda: store.append_log_entries(entries(10, 12)))
    store.save_snapshot(SnapshotMetadata(9, 1), b"nine")
    assert log_of(store) == entries(10, 12)
    site.heal()
    store.save_snapshot(SnapshotMetadata(20, 3), b"twenty")
    store.append_log_entries(entries(21, 21, term=3))
    assert log_of(site.reopen()) == entries(21, 21, term=3)


_WORK = st.lists(
    st.tuples(st.sampled_from(["append", "suffix"]), st.integers(0, 6), st.integers(0, 300)),
    max_size=6,
)


@examples(60)
@given(before=_WORK, during=_WORK, dropped=st.integers(0, 12), indexed=st.booleans())
def test_whatever_happens_meanwhile_the_log_agrees_with_a_plain_list(
    before: list[tuple[str, int, int]],
    during: list[tuple[str, int, int]],
    dropped: int,
    *,
    indexed: bool,
) -> None:
    options = OPTIONS if indexed else SCANNING
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    store = site.open(options)
    store.append_log_entries(entries(1, 12, size=90))
    expected = entries(1, 12, size=90)
    index = 1 + dropped

    def run(steps: list[tuple[str, int, int]], least: int) -> None:
        for step, number, size in steps:
            last = len(expected)
            if step == "append":
                batch = entries(last + 1, last + 1 + number, size=size)
                store.append_log_entries(batch)
                expected.extend(batch)
            else:
                first_removed = max(least, last + 1 - number)
                store.truncate_log_suffix(first_removed)
                del expected[first_removed - 1 :]

    run(before, index)
    meanwhile(site, lambda: run(during, index))
    store.truncate_log_prefix(index)
    for _ in range(2):
        assert log_of(store) == expected[store.first_log_index - 1 :]
        assert store.first_log_index == index
        store = site.reopen(options)


def test_a_crash_at_any_moment_of_it_loses_nothing_that_was_acknowledged() -> None:
    disk = SimDisk()
    site = EngineSite(SimFileSystem(disk), SerialRuntime, "/store")
    store = site.open(OPTIONS)
    store.append_log_entries(entries(1, 4))
    store.append_log_entries(entries(5, 8))
    history = [(len(disk.log), entries(1, 8))]

    def work() -> None:
        store.append_log_entries(entries(9, 9))
        history.append((len(disk.log), entries(1, 9)))
        store.truncate_log_suffix(7)
        history.append((len(disk.log), entries(1, 6)))
        store.append_log_entries(entries(7, 7, term=2))
        history.append((len(disk.log), entries(1, 6) + entries(7, 7, term=2)))

    begun = len(disk.log)
    meanwhile(site, work)
    store.truncate_log_prefix(4)
    pending = PendingOps(disk.image, POSIX)
    judged = set()
    for position, record in enumerate(disk.log, start=1):
        pending.take(record)
        if position < begun or not pending.whole:
            continue
        acknowledged = [log for when, log in history if when <= position][-1]
        allowed = [acknowledged, *[log for when, log in history if when > position][:1]]
        images = all_images(pending, limit=256)
        assert images.complete
        for kept in images.images:
            image = pending.image(kept)
            judged.add(image.digest())
            left = log_of(
                EngineSite(SimFileSystem(SimDisk(image)), SerialRuntime, "/store").open(OPTIONS)
            )
            assert any(left == log[left[0].index - 1 :] for log in allowed)
            assert left[0].index in (1, 4)
    assert len(judged) > 50
