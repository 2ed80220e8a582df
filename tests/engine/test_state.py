"""Term and vote: what `save_state` and `load_state` promise."""

import errno

import pytest
from engine_site import SYNCS, EngineSite
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine import (
    CorruptedStateError,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    RecoveryAction,
    RecoveryMode,
    StateRegressionError,
    StorageConfig,
    StorageFeatureFlags,
    StorageIOError,
    StoragePoisonedError,
    UnsupportedFormatError,
    verify_directory,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem


def test_a_new_store_has_term_zero_and_no_vote(site: EngineSite) -> None:
    assert site.open().load_state() == PersistentState(0, "")


def test_the_last_save_survives_a_clean_close_and_a_kill(site: EngineSite) -> None:
    with site.open() as store:
        store.save_state(PersistentState(1, "a"))
        store.save_state(PersistentState(2, "b"))
    assert site.open().load_state() == PersistentState(2, "b")
    assert site.reopen().load_state() == PersistentState(2, "b")


@pytest.mark.parametrize(
    "regression",
    [PersistentState(4, "a"), PersistentState(5, "b"), PersistentState(5, "")],
    ids=["lower term", "another vote", "vote withdrawn"],
)
def test_a_regression_is_refused_and_changes_nothing(
    site: EngineSite, regression: PersistentState
) -> None:
    store = site.open()
    store.save_state(PersistentState(5, "a"))
    with pytest.raises(StateRegressionError, match="expected"):
        store.save_state(regression)
    assert store.load_state() == PersistentState(5, "a")
    assert site.reopen().load_state() == PersistentState(5, "a")


def test_a_vote_may_be_cast_later_in_its_term_and_saved_again(site: EngineSite) -> None:
    store = site.open()
    store.save_state(PersistentState(5, ""))
    store.save_state(PersistentState(5, "a"))
    store.save_state(PersistentState(5, "a"))
    assert store.load_state() == PersistentState(5, "a")


def test_a_save_syncs_each_copy_and_then_the_directory_once(site: EngineSite) -> None:
    store = site.open()
    site.forget()
    store.save_state(PersistentState(1, "a"))
    assert [(call.kind, call.name) for call in site.calls()] == [
        ("create", "state.json.tmp"),
        ("pwrite", "state.json.tmp"),
        ("fsync", "state.json.tmp"),
        ("rename", "state.json"),
        ("create", "state.copy.json.tmp"),
        ("pwrite", "state.copy.json.tmp"),
        ("fsync", "state.copy.json.tmp"),
        ("rename", "state.copy.json"),
        ("fsync_dir", "store"),
    ]


@given(
    votes=st.lists(st.text(st.characters(), max_size=20), min_size=1, max_size=4),
    first_term=st.integers(1, 2**64 - 5),
)
def test_every_term_and_every_name_come_back(votes: list[str], first_term: int) -> None:
    """Names may hold anything that text can, lone surrogates too."""
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    store = site.open()
    for term, vote in enumerate(votes, first_term):
        store.save_state(PersistentState(term, vote))
        assert site.reopen().load_state() == PersistentState(term, vote)
        store = site.reopen()


def test_a_vote_too_long_for_a_copy_is_refused_before_anything_is_written(
    site: EngineSite,
) -> None:
    store = site.open()
    site.forget()
    with pytest.raises(ValueError, match="voted_for"):
        store.save_state(PersistentState(1, "n" * (1 << 20)))
    assert site.calls() == []
    store.save_state(PersistentState(1, "n"))


@pytest.mark.parametrize("name", ["state.json", "state.copy.json"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "flipped", "deep", "huge", "random"])
def test_one_damaged_copy_is_repaired_from_the_other(
    site: EngineSite, name: str, damage: str
) -> None:
    with site.open() as store:
        store.save_state(PersistentState(7, "a"))
    intact = site.content()
    if damage == "removed":
        site.remove(name)
    elif damage == "flipped":
        site.flip(name, -20)
    else:
        content = {
            "emptied": b"",
            "deep": b"[" * 100_000,
            "huge": b" " * ((1 << 20) + 1),
            "random": bytes(range(256)),
        }
        site.write(name, content[damage])
    store = site.open()
    assert store.load_state() == PersistentState(7, "a")
    (step,) = store.recovery_report.steps
    assert (step.action, step.path) == (RecoveryAction.REPAIRED, site.path(name))
    assert site.read(name) == intact[name]


def test_every_single_flipped_byte_of_a_copy_is_noticed(site: EngineSite) -> None:
    with site.open() as store:
        store.save_state(PersistentState(7, "a"))
    content = site.read("state.json")
    for offset in range(len(content)):
        site.flip("state.json", offset)
        try:
            with site.open() as store:
                assert store.load_state() == PersistentState(7, "a")
                assert len(store.recovery_report.steps) == 1
        except UnsupportedFormatError:
            site.write("state.json", content)


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "shortened", "flipped"])
def test_a_copy_that_knows_less_than_the_log_is_not_taken_for_the_newest(
    site: EngineSite, damage: str, *, clean: bool
) -> None:
    store = site.open()
    store.save_state(PersistentState(7, "a"))
    older = site.read("state.copy.json")
    store.save_state(PersistentState(8, "b"))
    store.append_log_entries([LogEntry(1, 8, b"of term 8")])
    if clean:
        store.close()
    site.kill()
    site.write("state.copy.json", older)
    if damage == "removed":
        site.remove("state.json")
    elif damage == "flipped":
        site.flip("state.json", -20)
    else:
        kept = 70 if damage == "shortened" else 0
        site.write("state.json", site.read("state.json")[:kept])
    before = site.content()
    for mode in RecoveryMode:
        with pytest.raises(CorruptedStateError, match="expected term 8 or higher"):
            site.open(FileStorageOptions(recovery_mode=mode))
        assert site.content() == before
    with pytest.raises(CorruptedStateError, match="newest copy"):
        site.open(FileStorageOptions(read_only=True)).load_state()
    places = verify_directory(site.directory, fs=site.filesystem).places
    assert any("expected term 8 or higher" in place.reason for place in places)


def test_copies_more_than_one_save_apart_are_no_interrupted_save(site: EngineSite) -> None:
    store = site.open()
    copies = []
    for term in (7, 8, 9, 10):
        store.save_state(PersistentState(term, "a"))
        copies.append(site.read("state.json"))
    store.append_log_entries([LogEntry(1, 10, b"of term 10")])
    site.kill()
    site.write("state.json", copies[0])
    site.write("state.copy.json", copies[2])
    with pytest.raises(CorruptedStateError, match="newest copy"):
        site.open()
    # One save apart is what a kill leaves, even to those who log terms that they never saved.
    site.write("state.json", copies[1])
    assert site.open().load_state() == PersistentState(9, "a")


@pytest.mark.parametrize("damage", [-20, 50, 60], ids=["payload", "checksum", "keys"])
def test_a_damaged_copy_that_shows_what_it_was_costs_nothing_whatever_the_log_holds(
    site: EngineSite, damage: int
) -> None:
    with site.open() as store:
        store.save_state(PersistentState(7, "a"))
        store.append_log_entries([LogEntry(1, 8, b"of a term that was never saved")])
    site.flip("state.json", damage)
    assert site.open().load_state() == PersistentState(7, "a")


def test_a_copy_torn_by_a_save_in_place_is_repaired_whatever_the_log_holds(
    site: EngineSite,
) -> None:
    in_place = FileStorageOptions(features=StorageFeatureFlags(atomic_writes=False))
    store = site.open(in_place)
    store.save_state(PersistentState(7, "a"))
    store.append_log_entries([LogEntry(1, 8, b"of a term that was never saved")])
    site.kill()
    site.write("state.json", b"")
    assert site.open(in_place).load_state() == PersistentState(7, "a")


@pytest.mark.parametrize("damage", ["removed", "flipped"])
def test_without_an_intact_copy_the_store_does_not_open(site: EngineSite, damage: str) -> None:
    with site.open() as store:
        store.save_state(PersistentState(7, "a"))
    for name in ("state.json", "state.copy.json"):
        if damage == "removed":
            site.remove(name)
        else:
            site.flip(name, 40)
    before = site.content()
    with pytest.raises(CorruptedStateError, match="state"):
        site.open()
    assert site.content() == before


def test_an_unknown_version_is_refused_by_name_and_left_alone(site: EngineSite) -> None:
    site.open().close()
    newer = site.read("state.json").replace(b'"version":1', b'"version":999')
    site.write("state.json", newer)
    before = site.content()
    with pytest.raises(UnsupportedFormatError, match=r"state\.json.*999"):
        site.open()
    assert site.content() == before


def test_an_older_copy_is_brought_up_to_date(site: EngineSite) -> None:
    """What a crash between the two renames leaves."""
    store = site.open()
    store.save_state(PersistentState(1, "a"))
    older = site.read("state.copy.json")
    store.save_state(PersistentState(2, "b"))
    site.kill()
    site.write("state.copy.json", older)
    assert site.open().load_state() == PersistentState(2, "b")
    assert site.read("state.copy.json") == site.read("state.json")


@pytest.mark.parametrize("refused", [("pwrite", 0), ("fsync", 0), ("rename", 1), ("fsync_dir", 0)])
def test_a_failed_save_is_not_acknowledged_and_poisons_the_store(
    site: EngineSite, refused: tuple[str, int]
) -> None:
    kind, skipped = refused
    store = site.open()
    store.save_state(PersistentState(1, "a"))
    site.forget()
    site.watched.refuse = lambda call: (
        errno.EIO
        if call.kind == kind and len(site.calls(frozenset({kind}))) == skipped + 1
        else None
    )
    with pytest.raises(StorageIOError) as caught:
        store.save_state(PersistentState(2, "b"))
    assert not isinstance(caught.value, StoragePoisonedError)
    assert caught.value.errno == errno.EIO
    assert isinstance(caught.value.__cause__, OSError)
    assert store.load_state() == PersistentState(1, "a")
    with pytest.raises(StoragePoisonedError):
        store.save_state(PersistentState(3, "c"))
    store.close()
    site.heal()
    store = site.open()
    assert store.load_state() in (PersistentState(1, "a"), PersistentState(2, "b"))
    store.save_state(PersistentState(3, "c"))
    assert site.reopen().load_state() == PersistentState(3, "c")


def test_the_public_constructor_needs_no_seams(tmp_path: object) -> None:
    with FileStorage(StorageConfig(directory=f"{tmp_path}/a/b")) as store:
        store.save_state(PersistentState(1, "a"))
    with FileStorage(StorageConfig(directory=f"{tmp_path}/a/b")) as store:
        assert store.load_state() == PersistentState(1, "a")


def test_saving_costs_no_sync_if_nothing_changes(site: EngineSite) -> None:
    store = site.open()
    store.save_state(PersistentState(1, "a"))
    site.forget()
    store.save_state(PersistentState(1, "a"))
    assert site.calls(SYNCS) == []
