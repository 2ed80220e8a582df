"""`read_only=True`: changes nothing, needs no lock, reads whatever is intact."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from engine_site import CHANGES, NOTHING_RETAINED, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    FileStorage,
    FileStorageOptions,
    LogBounds,
    NoSnapshotError,
    NotInitializedError,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    StorageClosedError,
    StorageError,
    StorageReadOnlyError,
    ThreadRuntime,
    UnsupportedFormatError,
)
from wavetank.scenarios import SCENARIOS, find_store, observe, record
from wavetank.sim import (
    POSIX,
    PendingOps,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
    newest_images,
)

READ_ONLY: Final = evolve(NOTHING_RETAINED, read_only=True)
STATE: Final = PersistentState(4, "a")
ALL: Final = entries(1, 2, 1, 100) + entries(3, 5, 2, 100) + entries(6, 9, 3, 100)

CHANGING: Final[list[Callable[[FileStorage], object]]] = [
    lambda store: store.save_state(STATE),
    lambda store: store.save_state(PersistentState(9, "z")),
    lambda store: store.append_log_entries(entries(10, 10)),
    lambda store: store.truncate_log_suffix(9),
    lambda store: store.truncate_log_suffix(10),
    lambda store: store.truncate_log_prefix(2),
    lambda store: store.truncate_log_prefix(1),
    lambda store: store.save_snapshot(SnapshotMetadata(5, 2), b"five"),
]


def filled(site: EngineSite, *, clean: bool) -> list[int]:
    """Write state, a snapshot, and frames of 2, 3 and 4 entries; return where each begins."""
    store = site.open(evolve(NOTHING_RETAINED, auto_truncate_on_snapshot=False))
    store.save_state(STATE)
    offsets = [len(site.read("log.dat"))]
    for first, last in ((1, 2), (3, 5), (6, 9)):
        store.append_log_entries(ALL[first - 1 : last])
        offsets.append(len(site.read("log.dat")))
    store.save_snapshot(SnapshotMetadata(2, 1), b"two")
    if clean:
        store.close()
    site.kill()
    return offsets


def bounds(first: int, last: int, term: int) -> LogBounds:
    return LogBounds(first_index=first, last_index=last, last_term=term)


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
def test_everything_can_be_read_and_nothing_is_changed(site: EngineSite, *, clean: bool) -> None:
    filled(site, clean=clean)
    before = site.content()
    with site.open(READ_ONLY) as store:
        assert store.load_state() == STATE
        assert store.get_log_entries(1, 10) == ALL
        assert store.get_log_entry(7) == ALL[6]
        assert store.log_bounds() == bounds(1, 9, 3)
        assert store.load_snapshot() == (SnapshotMetadata(2, 1), b"two")
        report = store.recovery_report
        assert (report.clean, report.steps, report.lost, report.cut) == (clean, (), (), None)
    assert site.calls() == []
    assert site.content() == before


def test_the_lock_is_neither_needed_nor_made(site: EngineSite) -> None:
    filled(site, clean=True)
    site.remove("LOCK")
    site.open(READ_ONLY).close()
    assert "LOCK" not in site.names()


def test_a_store_in_use_can_be_looked_at(site: EngineSite) -> None:
    filled(site, clean=True)
    store = site.open()
    other = EngineSite(site.filesystem, site.make_runtime, site.directory)
    store.append_log_entries(entries(10, 12, term=3))
    looked = other.open(READ_ONLY)
    assert looked.last_log_index == 12
    store.append_log_entries(entries(13, 13, term=3))
    store.save_snapshot(SnapshotMetadata(9, 3), b"nine")
    assert store.first_log_index == 10
    assert looked.get_log_entries(1, 13) == ALL + entries(10, 12, term=3)
    assert looked.load_snapshot() == (SnapshotMetadata(2, 1), b"two")
    assert other.open(READ_ONLY).log_bounds() == bounds(10, 13, 3)


@pytest.mark.parametrize("change", CHANGING)
def test_every_change_is_refused_by_type(
    site: EngineSite, change: Callable[[FileStorage], object]
) -> None:
    filled(site, clean=True)
    before = site.content()
    store = site.open(READ_ONLY)
    with pytest.raises(StorageReadOnlyError, match="read_only=True"):
        change(store)
    assert store.get_log_entries(1, 10) == ALL
    store.close()
    with pytest.raises(StorageClosedError):
        change(store)
    assert site.content() == before


def test_where_nothing_may_be_written_it_opens(site: EngineSite) -> None:
    filled(site, clean=False)
    site.watched.refuse = lambda call: errno.EROFS if call.kind in CHANGES else None
    with site.open(READ_ONLY) as store:
        assert store.get_log_entries(1, 10) == ALL


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_directory_without_write_permission_opens(tmp_path: Path) -> None:
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    filled(site, clean=False)
    for path in (tmp_path / "store").iterdir():
        path.chmod(0o400)
    (tmp_path / "store").chmod(0o500)
    with site.open(READ_ONLY) as store:
        assert store.get_log_entries(1, 10) == ALL
    (tmp_path / "store").chmod(0o700)


@pytest.mark.parametrize("what", ["no directory", "empty", "foreign files", "lock alone"])
def test_no_store_is_an_error_and_none_is_made(tmp_path: Path, what: str) -> None:
    directory = tmp_path / "store"
    if what != "no directory":
        directory.mkdir()
    if what in ("foreign files", "lock alone"):
        (directory / ("LOCK" if what == "lock alone" else "notes.txt")).write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotInitializedError, match="store"):
        EngineSite(OsFileSystem(), ThreadRuntime, str(directory)).open(READ_ONLY)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_store_without_entries_is_a_store(site: EngineSite) -> None:
    site.open().close()
    with site.open(READ_ONLY) as store:
        assert store.load_state() == PersistentState(0)
        assert store.log_bounds() == bounds(1, 0, 0)
        with pytest.raises(NoSnapshotError):
            store.load_snapshot()


# Damage


@pytest.mark.parametrize("frame", [0, 1])
@pytest.mark.parametrize("within", [0, 30, 150], ids=["magic", "header", "payload"])
def test_entries_before_and_behind_a_damaged_frame_can_be_read(
    site: EngineSite, frame: int, within: int
) -> None:
    offsets = filled(site, clean=False)
    site.flip("log.dat", offsets[frame] + within)
    before = site.content()
    first, last = ((1, 2), (3, 5))[frame]
    store = site.open(READ_ONLY)
    assert store.log_bounds() == bounds(1, 9, 3)
    assert store.get_log_entries(last + 1, 10) == ALL[last:]
    if first > 1:
        assert store.get_log_entries(1, first) == ALL[: first - 1]
    for index in range(first, last + 1):
        with pytest.raises(CorruptedLogError) as caught:
            store.get_log_entry(index)
        error = caught.value
        assert (error.path, error.offset, error.index) == (
            site.path("log.dat"),
            offsets[frame],
            first,
        )
    with pytest.raises(CorruptedLogError):
        store.get_log_entries(1, 10)
    (lost,) = store.recovery_report.lost
    assert (lost.offset, lost.length) == (offsets[frame], offsets[frame + 1] - offsets[frame])
    assert (lost.first_index, lost.last_index) == (first, last)
    assert store.load_state() == STATE
    store.close()
    assert site.content() == before


def test_several_damaged_frames_in_a_row_are_one_gap(site: EngineSite) -> None:
    offsets = filled(site, clean=False)
    for frame in (0, 1):
        site.flip("log.dat", offsets[frame] + 30)
    store = site.open(READ_ONLY)
    assert store.get_log_entries(6, 10) == ALL[5:]
    with pytest.raises(CorruptedLogError):
        store.get_log_entry(4)
    (lost,) = store.recovery_report.lost
    assert (lost.first_index, lost.last_index) == (1, 5)
    assert "2 frames" in lost.reason
    assert "truncation" in lost.reason


def test_a_header_in_a_wrong_place_hides_no_frame(site: EngineSite) -> None:
    """As of a sector that was written to another's place: it would reach into the last frame."""
    offsets = filled(site, clean=False)
    log, place = bytearray(site.read("log.dat")), offsets[0] + 90
    log[place : place + 72] = log[offsets[1] : offsets[1] + 72]
    log[offsets[0]] ^= 1
    site.write("log.dat", bytes(log))
    store = site.open(READ_ONLY)
    assert store.get_log_entries(3, 10) == ALL[2:]
    (lost,) = store.recovery_report.lost
    assert (lost.offset, lost.length) == (offsets[0], offsets[1] - offsets[0])
    assert (lost.first_index, lost.last_index) == (1, 2)


@pytest.mark.parametrize("left", [1, 40, 71])
def test_damage_shorter_than_a_header_is_told_as_damage(site: EngineSite, left: int) -> None:
    offsets = filled(site, clean=False)
    log = site.read("log.dat")
    site.write("log.dat", log[: offsets[1] + left] + log[offsets[2] :])
    store = site.open(READ_ONLY)
    assert store.get_log_entries(1, 3) + store.get_log_entries(6, 10) == ALL[:2] + ALL[5:]
    with pytest.raises(CorruptedLogError) as caught:
        store.get_log_entry(4)
    assert (caught.value.offset, caught.value.index) == (offsets[1], 3)


def test_a_damaged_truncation_hides_no_entry_and_revives_none(site: EngineSite) -> None:
    """Entries 4 and 5 of the old branch were removed by the damaged frame, and written anew."""
    offsets = filled(site, clean=False)
    store = site.open(evolve(NOTHING_RETAINED, retained_log_size=100))
    store.truncate_log_suffix(4)
    begin = offsets[3]
    store.append_log_entries(entries(4, 7, term=6))
    site.kill()
    site.flip("log.dat", begin + 75)
    store = site.open(READ_ONLY)
    assert store.get_log_entries(1, 8) == ALL[:3] + entries(4, 7, term=6)
    (lost,) = store.recovery_report.lost
    assert (lost.offset, lost.first_index) == (begin, None)


def test_a_damaged_last_frame_is_left_out_and_told(site: EngineSite) -> None:
    offsets = filled(site, clean=True)
    site.flip("log.dat", offsets[2] + 90)
    store = site.open(READ_ONLY)
    assert store.get_log_entries(1, 6) == ALL[:5]
    assert store.last_log_index == 5
    (lost,) = store.recovery_report.lost
    assert (lost.offset, lost.first_index, lost.last_index) == (offsets[2], 6, 9)


def test_a_torn_tail_is_left_out_and_stays(site: EngineSite) -> None:
    offsets = filled(site, clean=False)
    site.write("log.dat", site.read("log.dat")[: offsets[2] + 100])
    before = site.content()
    store = site.open(READ_ONLY)
    assert store.last_log_index == 5
    assert store.recovery_report.lost == ()
    cut = store.recovery_report.cut
    assert cut is not None
    assert (cut.offset, cut.length, cut.ambiguous) == (offsets[2], 100, True)
    assert site.content() == before


@pytest.mark.parametrize("damage", ["header", "missing"])
def test_without_a_log_state_and_snapshot_can_be_read(site: EngineSite, damage: str) -> None:
    filled(site, clean=True)
    if damage == "missing":
        site.remove("log.dat")
    else:
        site.flip("log.dat", 20)
        site.remove("metadata.json")
    store = site.open(READ_ONLY)
    assert store.load_state() == STATE
    assert store.load_snapshot() == (SnapshotMetadata(2, 1), b"two")
    for _ in range(2):
        for call in (
            store.log_bounds,
            lambda: store.last_log_index,
            lambda: store.get_log_entry(1),
            lambda: store.get_log_entries(1, 2),
        ):
            with pytest.raises(CorruptedLogError):
                call()
    assert [loss.path for loss in store.recovery_report.lost] == [site.path("log.dat")]


def test_a_damaged_header_that_metadata_knows_costs_nothing(site: EngineSite) -> None:
    filled(site, clean=True)
    site.flip("log.dat", 20)
    assert site.open(READ_ONLY).get_log_entries(1, 10) == ALL


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_without_a_state_the_log_can_be_read(site: EngineSite, damage: str) -> None:
    filled(site, clean=True)
    for name in ("state.json", "state.copy.json"):
        if damage == "missing":
            site.remove(name)
        else:
            site.flip(name, -20)
    store = site.open(READ_ONLY)
    for _ in range(2):
        with pytest.raises(CorruptedStateError):
            store.load_state()
    assert store.get_log_entries(1, 10) == ALL


@pytest.mark.parametrize("name", ["snapshot.dat", "snapshot_meta.json"])
def test_without_a_snapshot_the_rest_can_be_read(site: EngineSite, name: str) -> None:
    filled(site, clean=False)
    site.flip(name, 1)
    store = site.open(READ_ONLY)
    for _ in range(2):
        with pytest.raises(CorruptedSnapshotError):
            store.load_snapshot()
        with pytest.raises(CorruptedSnapshotError):
            store.open_snapshot()
    assert store.get_log_entries(1, 10) == ALL


def test_a_newer_version_is_refused_by_name(site: EngineSite) -> None:
    filled(site, clean=True)
    site.write("state.json", site.read("state.json").replace(b'"version":1', b'"version":8'))
    with pytest.raises(UnsupportedFormatError, match="version 8"):
        site.open(READ_ONLY)


@examples(100)
@given(
    flips=st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
    name=st.sampled_from(["log.dat", "state.json", "metadata.json", "snapshot.dat"]),
    clean=st.booleans(),
)
def test_whatever_is_flipped_what_is_read_is_true(
    flips: list[int], name: str, *, clean: bool
) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    filled(site, clean=clean)
    for position in flips:
        site.flip(name, position % len(site.read(name)))
    before = site.content()
    try:
        store = site.open(READ_ONLY)
    except StorageError:
        return
    for entry in ALL:
        try:
            assert store.get_log_entry(entry.index) == entry
        except (CorruptedLogError, LookupError):
            assert store.recovery_report.lost or store.recovery_report.cut
    assert site.content() == before


# Crashes


def shown_to(options: FileStorageOptions, image: object) -> object:
    site = EngineSite(SimFileSystem(SimDisk(image)), SerialRuntime, "/store")  # type: ignore[arg-type]
    try:
        return observe(site.open(options))
    except NotInitializedError:
        return None


@pytest.mark.parametrize("name", ["install-snapshot", "log-conflict", "restart-loop"])
def test_after_a_crash_a_look_shows_what_an_open_would_leave(name: str) -> None:
    workload = SCENARIOS[name].workload(0)
    recording = record(workload, find_store("builtin"))
    pending = PendingOps(recording.image, POSIX)
    judged = 0
    for position, each in enumerate(recording.log):
        pending.take(each)
        if position % 7 or not pending.whole:
            continue
        for kept in newest_images(pending, limit=64).images[:4]:
            image = pending.image(kept)
            seen = shown_to(evolve(workload.options, read_only=True), image)
            if seen is not None:
                judged += 1
                assert seen == shown_to(workload.options, image)
    assert judged > 50
