"""`verify_directory` and `verify()`: a sound store has no bad place, a damaged one names each."""

import errno
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from engine_site import CHANGES, NOTHING_RETAINED, EngineSite, entries

from wavetank.engine import (
    BadPlace,
    File,
    FileStorageOptions,
    NotInitializedError,
    OpenFlag,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    StorageClosedError,
    StorageIOError,
    ThreadRuntime,
    VerifyReport,
    verify_directory,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

KEEP_LOG: Final = evolve(NOTHING_RETAINED, auto_truncate_on_snapshot=False)


def filled(site: EngineSite, *, clean: bool) -> list[int]:
    """Write state, a snapshot, and frames of 2, 3 and 4 entries; return where each begins."""
    store = site.open(KEEP_LOG)
    store.save_state(PersistentState(4, "a"))
    offsets = [len(site.read("log.dat"))]
    for first, last, term in ((1, 2, 1), (3, 5, 2), (6, 9, 3)):
        store.append_log_entries(entries(first, last, term, size=20))
        offsets.append(len(site.read("log.dat")))
    store.save_snapshot(SnapshotMetadata(2, 1), b"two")
    if clean:
        store.close()
    site.kill()
    return offsets


def verified(site: EngineSite) -> VerifyReport:
    """Verify a directory and hold it to changing nothing."""
    before = site.content()
    watched = EngineSite(site.filesystem, site.make_runtime, site.directory).watched
    report = verify_directory(site.directory, fs=watched)
    assert [call for call in watched.calls if call.kind in CHANGES] == []
    assert site.content() == before
    return report


def the_place(site: EngineSite) -> BadPlace:
    (place,) = verified(site).places
    return place


def simulated() -> EngineSite:
    return EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
def test_a_sound_store_has_no_bad_place(site: EngineSite, *, clean: bool) -> None:
    offsets = filled(site, clean=clean)
    report = verified(site)
    assert report == VerifyReport(
        directory=site.directory,
        notes=report.notes,
        first_index=1,
        last_index=9,
        frame_count=3,
        byte_count=offsets[3] + 3,
    )
    assert report.sound
    assert [note.rpartition("/")[2].split(":")[0] for note in report.notes] == (
        [] if clean else ["recovery.marker"]
    )


def test_a_store_without_entries_is_sound(site: EngineSite) -> None:
    site.open().close()
    report = verified(site)
    assert report.sound
    assert (report.first_index, report.last_index, report.frame_count) == (1, 0, 0)


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
def test_each_flipped_byte_of_the_log_is_named_by_offset_and_index(*, clean: bool) -> None:
    site = simulated()
    offsets = filled(site, clean=clean)
    site.open(KEEP_LOG).close() if clean else site.reopen(KEEP_LOG)
    site.kill()
    whole = site.read("log.dat")
    assert len(whole) >= offsets[3]
    for position in range(len(whole)):
        site.flip("log.dat", position)
        place = the_place(site)
        frame = sum(position >= offset for offset in offsets)
        assert place.path == "/store/log.dat"
        assert place.offset == [0, *offsets][frame]
        assert place.index == (1, 1, 3, 6, 10)[frame]
        assert str(place).startswith(
            f"/store/log.dat, offset {place.offset}, index {place.index}: "
        )
        site.write("log.dat", whole)


def test_several_bad_places_are_all_named(site: EngineSite) -> None:
    offsets = filled(site, clean=True)
    for name, position in (
        ("log.dat", offsets[0] + 80),
        ("log.dat", offsets[2] + 80),
        ("state.copy.json", 40),
        ("snapshot.dat", 0),
    ):
        site.flip(name, position)
    site.remove("metadata.json")
    report = verified(site)
    assert not report.sound
    assert [
        (place.path.rpartition("/")[2], place.offset, place.index) for place in report.places
    ] == [
        ("log.dat", offsets[0], 1),
        ("log.dat", offsets[2], 6),
        ("metadata.json", None, None),
        ("snapshot.dat", None, 2),
        ("state.copy.json", None, None),
    ]


@pytest.mark.parametrize("name", ["state.json", "state.copy.json", "log.dat", "metadata.json"])
@pytest.mark.parametrize("damage", ["missing", "emptied", "flipped", "newer"])
def test_a_bad_file_is_named(site: EngineSite, name: str, damage: str) -> None:
    filled(site, clean=True)
    if damage == "missing":
        site.remove(name)
    elif damage == "emptied":
        site.write(name, b"")
    elif damage == "flipped":
        site.flip(name, 20)
    elif name == "log.dat":
        return
    else:
        site.write(name, site.read(name).replace(b'"version":1', b'"version":9'))
    place = the_place(site)
    assert place.path == site.path(name)
    assert ("missing" in place.reason) == (damage == "missing")
    assert ("version 9" in place.reason) == (damage == "newer")


@pytest.mark.parametrize("name", ["snapshot.dat", "snapshot_meta.json"])
@pytest.mark.parametrize("damage", ["missing", "flipped", "longer"])
def test_a_bad_snapshot_is_named(site: EngineSite, name: str, damage: str) -> None:
    filled(site, clean=True)
    if damage == "missing":
        site.remove(name)
    elif damage == "flipped":
        site.flip(name, 1)
    else:
        site.write(name, site.read(name) + b"x")
    assert the_place(site).path == site.path(name)


def test_a_torn_tail_is_in_doubt(site: EngineSite) -> None:
    offsets = filled(site, clean=False)
    site.write("log.dat", site.read("log.dat")[: offsets[2] + 90])
    place = the_place(site)
    assert (place.offset, place.index, place.ambiguous) == (offsets[2], 6, True)
    assert "never acknowledged" in str(place)


def test_a_shortened_log_is_found_out_by_metadata(site: EngineSite) -> None:
    offsets = filled(site, clean=True)
    site.write("log.dat", site.read("log.dat")[: offsets[2]])
    place = the_place(site)
    assert (place.offset, place.index, place.ambiguous) == (offsets[2], 6, False)
    assert "metadata.json" in place.reason


def test_a_compacted_log_without_its_snapshot_is_wrong_unless_snapshots_are_elsewhere(
    site: EngineSite,
) -> None:
    options = evolve(NOTHING_RETAINED, compaction_requires_snapshot=False)
    with site.open(options) as store:
        store.append_log_entries(entries(1, 9))
        store.truncate_log_prefix(5)
    assert "begins behind index 4" in the_place(site).reason
    assert verify_directory(
        site.directory, fs=site.filesystem, compaction_requires_snapshot=False
    ).sound
    with site.open(options) as store:
        assert store.verify().sound


@pytest.mark.parametrize("kind", ["directory", "link", "FIFO"])
@pytest.mark.parametrize("name", ["LOCK", "log.dat", "state.json", "snapshot.dat", "log.dat.tmp"])
def test_what_is_no_file_is_named_and_not_touched(tmp_path: Path, name: str, kind: str) -> None:
    import os  # noqa: PLC0415 - only here is a FIFO made

    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    filled(site, clean=True)
    path = Path(site.path(name))
    path.unlink(missing_ok=True)
    outside = tmp_path / "outside"
    outside.write_bytes(b"outside")
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(outside)
    else:
        os.mkfifo(path)
    report = verify_directory(site.directory)
    assert [place.path for place in report.places] == [str(path)]
    assert "expected a regular file" in report.places[0].reason
    assert outside.read_bytes() == b"outside"


@pytest.mark.parametrize("what", ["missing", "file", "empty"])
def test_no_store_is_an_error(tmp_path: Path, what: str) -> None:
    directory = tmp_path / "store"
    if what == "file":
        directory.write_bytes(b"")
    elif what == "empty":
        directory.mkdir()
    expected = NotInitializedError if what == "empty" else StorageIOError
    with pytest.raises(expected):
        verify_directory(str(directory))
    with pytest.raises(ValueError, match="directory"):
        verify_directory("")


def test_memory_does_not_grow_with_the_store(site: EngineSite) -> None:
    store = site.open(KEEP_LOG)
    for first in range(1, 40_000, 100):
        store.append_log_entries(entries(first, first + 99, size=300))
    store.save_snapshot(SnapshotMetadata(5, 1), bytes(8_000_000))
    store.close()
    tracemalloc.start()
    try:
        assert verify_directory(site.directory, fs=site.filesystem).sound
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


# Beside a running store


def test_an_open_store_verifies_itself(site: EngineSite) -> None:
    filled(site, clean=True)
    store = site.open(KEEP_LOG)
    store.append_log_entries(entries(10, 12, term=3))
    site.forget()
    report = store.verify()
    assert (report.sound, report.last_index, report.notes) == (True, 12, ())
    assert site.calls() == []
    site.flip("log.dat", 60)
    site.flip("state.json", -20)
    site.flip("snapshot.dat", 0)
    assert [place.path for place in store.verify().places] == [
        site.path("log.dat"),
        site.path("snapshot.dat"),
        site.path("state.json"),
    ]
    store.close()
    with pytest.raises(StorageClosedError):
        store.verify()


def test_a_read_only_store_verifies_itself(site: EngineSite) -> None:
    offsets = filled(site, clean=False)
    site.flip("log.dat", offsets[1] + 80)
    store = site.open(evolve(KEEP_LOG, read_only=True))
    (place,) = store.verify().places
    assert (place.offset, place.index) == (offsets[1], 3)


class Interrupting:
    """A filesystem that lets something happen whenever log.dat is opened to be read."""

    def __init__(self, inner: object, happenings: Iterator[object]) -> None:
        self._inner = inner
        self._happenings = happenings

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def open(self, path: str, flags: OpenFlag) -> File:
        file: File = self._inner.open(path, flags)  # type: ignore[attr-defined]
        if path.endswith("/snapshot_meta.json") and flags == OpenFlag.READ:
            next(self._happenings, None)
        return file


def test_a_store_that_changes_meanwhile_is_looked_at_again(site: EngineSite) -> None:
    """Between metadata and data the snapshot is replaced; the pair read makes no sense."""
    filled(site, clean=True)
    store = site.open(KEEP_LOG)

    def replace(times: int) -> Iterator[None]:
        for number in range(times):
            store.save_snapshot(SnapshotMetadata(4, 2), b"x" * number)
            yield

    twice, forever = (Interrupting(site.filesystem, replace(times)) for times in (2, 1000))
    assert verify_directory(site.directory, fs=twice).sound  # type: ignore[arg-type]
    assert not verify_directory(site.directory, fs=forever).sound  # type: ignore[arg-type]


def test_a_refusal_by_the_filesystem_is_a_bad_place(site: EngineSite) -> None:
    filled(site, clean=True)
    watched = EngineSite(site.filesystem, site.make_runtime, site.directory).watched
    watched.refuse = lambda call: (
        errno.EACCES if (call.kind, call.name) == ("open", "state.json") else None
    )
    (place,) = verify_directory(site.directory, fs=watched).places
    assert place.path == site.path("state.json")
    assert "cannot be read" in place.reason


def test_reserved_space_is_sound_until_something_lies_in_it(site: EngineSite) -> None:
    store = site.open(evolve(KEEP_LOG, preallocate=10_000))
    store.append_log_entries(entries(1, 3))
    assert store.verify().sound
    site.kill()
    end = len(site.read("log.dat").rstrip(b"\0"))
    assert len(site.read("log.dat")) > end + 1000
    assert verified(site).sound
    site.flip("log.dat", -500)
    place = the_place(site)
    assert (place.path, place.index) == (site.path("log.dat"), 4)


def test_options_do_not_matter(site: EngineSite) -> None:
    options = FileStorageOptions(sync_on_append=False)
    with site.open(options) as store:
        store.append_log_entries(entries(1, 3))
        assert store.verify().sound
    assert verified(site).sound


def test_files_are_described_in_an_order_that_no_hash_seed_changes() -> None:
    site = simulated()
    filled(site, clean=True)
    watched = EngineSite(site.filesystem, site.make_runtime, site.directory).watched
    verify_directory(site.directory, fs=watched)
    described = [call.name for call in watched.calls if call.kind == "stat"]
    assert described[:4] == ["log.dat", "metadata.json", "snapshot.dat", "snapshot_meta.json"]
