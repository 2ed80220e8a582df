"""Without atomic_writes a crash or a failed call may leave damage, and it is always noticed."""

import errno
from collections.abc import Iterator

import pytest
from engine_site import INLINE, EngineSite, entries

from wavetank.engine import (
    CorruptedSnapshotError,
    FileStorageOptions,
    NoSnapshotError,
    OperationCancelledError,
    PersistentState,
    SnapshotMetadata,
    StorageFeatureFlags,
    StorageIOError,
)

IN_PLACE = FileStorageOptions(
    retained_log_size=0, features=StorageFeatureFlags(async_truncation=False, atomic_writes=False)
)
ATOMIC = FileStorageOptions(retained_log_size=0, features=INLINE)


def changes(site: EngineSite) -> list[tuple[str, str]]:
    return [(call.kind, call.name) for call in site.calls() if call.name != "log.dat"]


def test_state_and_metadata_and_snapshot_are_written_under_their_own_names(
    site: EngineSite,
) -> None:
    store = site.open(IN_PLACE)
    site.forget()
    store.save_state(PersistentState(1, "node-a"))
    assert changes(site) == [
        (kind, name)
        for name in ("state.json", "state.copy.json")
        for kind in ("create", "pwrite", "fsync")
    ]
    store.append_log_entries(entries(1, 3))
    site.forget()
    store.save_snapshot(SnapshotMetadata(2, 1), b"one")
    store.save_snapshot(SnapshotMetadata(3, 1), b"two")
    # The log is always made anew under its temporary name: it holds what was acknowledged.
    assert {name for _, name in changes(site) if name.endswith(".tmp")} == {"log.dat.tmp"}
    store.close()
    assert ("create", "metadata.json") in changes(site)
    store = site.open(ATOMIC)
    assert store.recovery_report.steps == ()
    assert store.load_state() == PersistentState(1, "node-a")
    assert store.load_snapshot() == (SnapshotMetadata(3, 1), b"two")


def test_a_shorter_state_leaves_nothing_of_the_longer_one(site: EngineSite) -> None:
    store = site.open(IN_PLACE)
    for vote in ("a" * 300, "b", ""):
        state = PersistentState(store.load_state().current_term + 1, vote)
        store.save_state(state)
        store = site.reopen(IN_PLACE)
        assert store.load_state() == state
        assert store.recovery_report.steps == ()


@pytest.mark.parametrize("step", range(6))
def test_a_save_of_the_state_that_fails_anywhere_keeps_the_old_or_has_the_new(
    site: EngineSite, step: int
) -> None:
    """One copy is whole at any moment, so even in place no vote is lost."""
    store = site.open(IN_PLACE)
    store.save_state(PersistentState(1, "node-a"))
    site.fail_change(step)
    with pytest.raises(StorageIOError):
        store.save_state(PersistentState(2, "node-b"))
    site.heal()
    torn = "state.json" if step < 3 else "state.copy.json"
    site.flip(torn, -3)
    expected = PersistentState(1, "node-a") if step < 3 else PersistentState(2, "node-b")
    assert site.reopen(ATOMIC).load_state() == expected


@pytest.mark.parametrize("step", range(8))
def test_a_snapshot_that_fails_anywhere_is_the_old_the_new_or_a_typed_error(
    site: EngineSite, step: int
) -> None:
    store = site.open(IN_PLACE)
    store.append_log_entries(entries(1, 9))
    store.save_snapshot(SnapshotMetadata(2, 1), b"old snapshot")
    site.fail_change(step)
    with pytest.raises(StorageIOError):
        store.save_snapshot(SnapshotMetadata(4, 1), b"new")
    assert store.load_snapshot() == (SnapshotMetadata(2, 1), b"old snapshot")
    site.heal()
    site.kill()
    try:
        found = site.open(ATOMIC).load_snapshot()
    except CorruptedSnapshotError:
        assert 0 < step < 7
    else:
        old = SnapshotMetadata(2, 1), b"old snapshot"
        assert found == (old if step == 0 else (SnapshotMetadata(4, 1), b"new"))


def test_data_that_raises_or_a_token_ends_the_save_before_anything_is_given_up(
    site: EngineSite,
) -> None:
    class Token:
        wanted = True

        def is_set(self) -> bool:
            return not self.wanted

    token = Token()

    def failing() -> Iterator[bytes]:
        yield b"some"
        raise LookupError("the state machine is gone")

    def losing_interest() -> Iterator[bytes]:
        yield b"some"
        token.wanted = False

    store = site.open(IN_PLACE)
    store.append_log_entries(entries(1, 5))
    with pytest.raises(LookupError):
        store.save_snapshot(SnapshotMetadata(3, 1), failing())
    with pytest.raises(OperationCancelledError):
        store.save_snapshot(SnapshotMetadata(3, 1), losing_interest(), cancel=token)
    with pytest.raises(NoSnapshotError):
        store.load_snapshot()
    store.save_snapshot(SnapshotMetadata(3, 1), b"fine")
    assert site.reopen(IN_PLACE).load_snapshot() == (SnapshotMetadata(3, 1), b"fine")


def test_a_stream_outlives_the_replacement_of_its_snapshot(site: EngineSite) -> None:
    store = site.open(IN_PLACE)
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(2, 1), b"old")
    stream = store.open_snapshot()
    store.save_snapshot(SnapshotMetadata(3, 1), b"new and longer")
    assert b"".join(stream) == b"old"
    assert store.load_snapshot() == (SnapshotMetadata(3, 1), b"new and longer")


def test_an_open_finds_room_for_repairs_or_changes_nothing_of_what_is_whole(
    site: EngineSite,
) -> None:
    """What an open replaces it replaces in one step, whatever the options say."""
    store = site.open(IN_PLACE)
    store.save_state(PersistentState(1, "node-a"))
    site.kill()
    site.flip("state.json", -3)
    site.watched.refuse = lambda call: errno.ENOSPC if call.kind == "pwrite" else None
    with pytest.raises(StorageIOError):
        site.open(IN_PLACE)
    site.heal()
    site.kill()
    assert site.open(IN_PLACE).load_state() == PersistentState(1, "node-a")
