"""Promises in docs/design-document.md that no other test holds."""

import inspect
from collections.abc import Callable

import pytest
from attrs import define, field
from engine_site import INLINE, NOTHING_RETAINED, EngineSite, entries

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LockTimeoutError,
    PersistentState,
    SnapshotMetadata,
    Storage,
    StorageFeatureFlags,
)

ANY = frozenset(
    {
        *("open", "create", "rename", "unlink", "link", "mkdir", "rmdir", "listdir", "stat"),
        *("fsync_dir", "pread", "pwrite", "append", "truncate", "size", "fsync", "datasync"),
        *("preallocate", "advise_dont_need", "lock"),
    }
)


def names_of(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def test_a_file_storage_is_a_storage(site: EngineSite) -> None:
    with site.open() as store:
        storage: Storage = store
        assert storage.last_log_index == 0
    assert len(names_of(Storage)) == 14
    for name in names_of(Storage):
        promised, kept = getattr(Storage, name), getattr(FileStorage, name)
        assert isinstance(kept, property) == isinstance(promised, property)
        if not isinstance(promised, property):
            parameters = inspect.signature(promised).parameters
            assert list(inspect.signature(kept).parameters.values()) == [
                parameter.replace(annotation=inspect.signature(kept).parameters[key].annotation)
                for key, parameter in parameters.items()
            ]


def test_everything_lies_in_one_directory(site: EngineSite) -> None:
    above = site.directory.rpartition("/")[0] or "/"
    before = set(site.filesystem.listdir(above))
    with site.open() as store:
        store.save_state(PersistentState(1, "a"))
        store.append_log_entries(entries(1, 9))
        store.save_snapshot(SnapshotMetadata(4, 1), b"four")
    site.open()
    site.reopen().close()
    assert set(site.filesystem.listdir(above)) - before == {"store"}


def test_bounds_cost_no_io(site: EngineSite) -> None:
    store = site.open()
    store.append_log_entries(entries(1, 9, term=3))
    site.forget()
    assert (store.first_log_index, store.last_log_index, store.last_log_term) == (1, 9, 3)
    assert store.log_bounds().entry_count == 9
    assert site.calls(ANY) == []


def test_with_an_index_a_read_costs_one_frame_wherever_it_lies(site: EngineSite) -> None:
    store = site.open()
    for first in range(1, 400, 4):
        store.append_log_entries(entries(first, first + 3, size=500))
    for index in (1, 5, 200, 400):
        site.forget()
        store.get_log_entry(index)
        (call,) = site.calls(ANY)
        assert (call.kind, call.length) == ("pread", 72 + 4 * (16 + 500))


def test_entries_take_less_space_in_binary_than_in_json(site: EngineSite) -> None:
    sizes = []
    for binary in (True, False):
        features = StorageFeatureFlags(async_truncation=False, binary_format=binary)
        with site.open(FileStorageOptions(features=features)) as store:
            before = len(site.read("log.dat"))
            first = store.last_log_index + 1
            store.append_log_entries(entries(first, first + 99, size=90))
        sizes.append(len(site.read("log.dat")) - before)
    in_binary, in_json = sizes
    assert in_binary == 72 + 100 * (16 + 90)
    assert in_binary < 0.7 * in_json


@define
class Meanwhile:
    """A cancel token that does something the second time it is asked: with the lock held."""

    act: Callable[[], None]
    asked: int = field(default=0)

    def is_set(self) -> bool:
        self.asked += 1
        if self.asked == 2:
            self.act()
        return False


def save_state(store: FileStorage, token: Meanwhile | None = None) -> None:
    term = store.load_state(timeout=0).current_term + 1
    store.save_state(PersistentState(term, "a"), timeout=0, cancel=token)


def append(store: FileStorage, token: Meanwhile | None = None) -> None:
    index = store.last_log_index + 1
    store.append_log_entries(entries(index, index), timeout=0, cancel=token)


def save_snapshot(store: FileStorage, token: Meanwhile | None = None) -> None:
    index = store.log_bounds().last_index
    store.save_snapshot(SnapshotMetadata(index, 1), b"data", timeout=0, cancel=token)


PARTS = [save_state, append, save_snapshot]


@pytest.mark.parametrize("held", PARTS)
def test_state_log_and_snapshot_have_locks_of_their_own(
    site: EngineSite, held: Callable[[FileStorage, Meanwhile], None]
) -> None:
    options = FileStorageOptions(auto_truncate_on_snapshot=False, features=INLINE)
    store = site.open(options)
    append(store)
    done: list[str] = []

    def act() -> None:
        with pytest.raises(LockTimeoutError):
            held(store, Meanwhile(lambda: None))
        for other in PARTS:
            # Saving a snapshot looks whether the log agrees with it, so it needs both.
            if other is not held and not (held is append and other is save_snapshot):
                other(store)
                done.append(other.__name__)
        store.get_log_entry(1, timeout=0)
        store.load_state(timeout=0)

    held(store, Meanwhile(act))
    assert len(done) == (1 if held is append else 2)


def test_the_defaults_are_those_of_the_design(site: EngineSite) -> None:
    options = FileStorageOptions()
    assert options.features == StorageFeatureFlags()
    assert (options.auto_truncate_on_snapshot, options.sync_on_append) == (True, True)
    assert options.recovery_mode.value == "normal"
    assert NOTHING_RETAINED.retained_log_size < options.retained_log_size == 100
    with site.open(options) as store:
        assert store.recovery_report.created
