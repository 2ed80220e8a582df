"""What an open makes of a damaged directory: refuse what was acknowledged, cut what was not."""

import tracemalloc

import pytest
from engine_site import INLINE, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedError,
    CorruptedLogError,
    CutTail,
    FileStorageOptions,
    InvalidOffsetError,
    LogBounds,
    PersistentState,
    RecoveryAction,
    RecoveryMode,
    SnapshotMetadata,
    StorageError,
    StorageFeatureFlags,
)
from wavetank.sim import POSIX, PendingOps, SerialRuntime, SimDisk, SimFileSystem, Size

NO_SNAPSHOTS = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, features=INLINE
)
SMALL = 100


def three_frames(site: EngineSite, *, clean: bool) -> list[int]:
    """Write frames of 2, 3 and 4 entries and return where each begins, and the end."""
    store = site.open()
    offsets = [len(site.read("log.dat"))]
    for first, last, term in ((1, 2, 1), (3, 5, 2), (6, 9, 3)):
        store.append_log_entries(entries(first, last, term, size=SMALL))
        offsets.append(len(site.read("log.dat")))
    if clean:
        store.close()
    site.kill()
    return offsets


def bounds(first: int, last: int, term: int) -> LogBounds:
    return LogBounds(first_index=first, last_index=last, last_term=term)


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("position", ["magic", "header", "payload", "last byte"])
def test_damage_before_the_last_frame_is_refused_by_index_and_offset(
    site: EngineSite, position: str, *, clean: bool
) -> None:
    offsets = three_frames(site, clean=clean)
    within = {"magic": 0, "header": 30, "payload": 150, "last byte": offsets[2] - offsets[1] - 1}
    site.flip("log.dat", offsets[1] + within[position])
    before = site.content()
    with pytest.raises(CorruptedLogError, match="index 3") as caught:
        site.open()
    error = caught.value
    assert (error.path, error.offset, error.index) == (site.path("log.dat"), offsets[1], 3)
    assert error.term == (2 if within[position] > 72 else None)
    assert not error.ambiguous
    assert site.content() == before


@pytest.mark.parametrize("within", [0, 30, 150])
def test_damage_to_the_last_frame_after_a_clean_close_is_refused(
    site: EngineSite, within: int
) -> None:
    """metadata.json shows that it was there."""
    offsets = three_frames(site, clean=True)
    site.flip("log.dat", offsets[2] + within)
    with pytest.raises(CorruptedLogError) as caught:
        site.open()
    assert (caught.value.offset, caught.value.index) == (offsets[2], 6)


def test_a_later_header_where_a_frame_is_missing_shows_that_it_was_acknowledged(
    site: EngineSite,
) -> None:
    offsets = three_frames(site, clean=False)
    log = site.read("log.dat")
    site.write("log.dat", log[: offsets[0]] + log[offsets[2] :])
    with pytest.raises(CorruptedLogError, match="a later frame shows") as caught:
        site.open()
    assert (caught.value.offset, caught.value.ambiguous) == (offsets[0], False)


@pytest.mark.parametrize("missing", [1, 100, 500])
def test_a_log_shortened_after_a_clean_close_is_refused(site: EngineSite, missing: int) -> None:
    three_frames(site, clean=True)
    site.write("log.dat", site.read("log.dat")[:-missing])
    with pytest.raises(CorruptedLogError, match=r"metadata\.json"):
        site.open()


def test_a_frame_lost_at_its_boundary_after_a_clean_close_is_refused(site: EngineSite) -> None:
    offsets = three_frames(site, clean=True)
    site.write("log.dat", site.read("log.dat")[: offsets[2]])
    with pytest.raises(CorruptedLogError, match="the file ends") as caught:
        site.open()
    assert caught.value.index == 6


@pytest.mark.parametrize("metadata", [None, b"{}"], ids=["missing", "damaged"])
def test_after_a_clean_close_nothing_is_in_doubt_though_metadata_is_lost(
    site: EngineSite, metadata: bytes | None
) -> None:
    offsets = three_frames(site, clean=True)
    site.flip("log.dat", offsets[2] + 150)
    if metadata is None:
        site.remove("metadata.json")
    else:
        site.write("metadata.json", metadata)
    before = site.content()
    for mode in (RecoveryMode.CONSERVATIVE, RecoveryMode.NORMAL):
        with pytest.raises(CorruptedLogError, match="closed cleanly") as caught:
            site.open(FileStorageOptions(recovery_mode=mode))
        assert (caught.value.offset, caught.value.ambiguous) == (offsets[2], False)
        assert site.content() == before
    looked_at = site.open(FileStorageOptions(read_only=True)).recovery_report
    assert [loss.first_index for loss in looked_at.lost] == [6]
    store = site.open(FileStorageOptions(recovery_mode=RecoveryMode.AGGRESSIVE))
    (loss,) = store.recovery_report.lost
    assert (loss.offset, loss.first_index) == (offsets[2], 6)
    assert store.log_bounds() == bounds(1, 5, 2)


@pytest.mark.parametrize("kept", [1, 4, 71, 72, 300])
def test_a_torn_tail_is_cut_reported_and_written_over(site: EngineSite, kept: int) -> None:
    offsets = three_frames(site, clean=False)
    site.write("log.dat", site.read("log.dat")[: offsets[2] + kept])
    store = site.open()
    legible = kept >= 72
    assert store.recovery_report.cut == CutTail(
        path=site.path("log.dat"),
        offset=offsets[2],
        length=kept,
        first_index=6 if legible else None,
        last_index=9 if legible else None,
        reason="the file ends inside the frame" if legible else "no intact frame header",
        ambiguous=True,
    )
    assert store.log_bounds() == bounds(1, 5, 2)
    store.append_log_entries(entries(6, 7, 4))
    expected = entries(1, 2, 1, SMALL) + entries(3, 5, 2, SMALL) + entries(6, 7, 4)
    store = site.reopen()
    assert store.recovery_report.cut is None
    assert store.get_log_entries(1, 8) == expected


@pytest.mark.parametrize("within", [0, 30, 150])
def test_a_damaged_last_frame_of_a_killed_store_is_cut_as_ambiguous(
    site: EngineSite, within: int
) -> None:
    offsets = three_frames(site, clean=False)
    site.flip("log.dat", offsets[2] + within)
    store = site.open()
    assert store.recovery_report.cut is not None
    assert store.recovery_report.cut.ambiguous
    assert store.log_bounds() == bounds(1, 5, 2)


def test_a_zeroed_last_frame_is_reported(site: EngineSite) -> None:
    offsets = three_frames(site, clean=False)
    content = site.read("log.dat")
    site.write("log.dat", content[: offsets[2]] + bytes(offsets[3] - offsets[2]))
    cut = site.open().recovery_report.cut
    assert cut is not None
    assert (cut.offset, cut.ambiguous) == (offsets[2], True)


def test_bytes_behind_a_cleanly_closed_log_were_never_acknowledged(site: EngineSite) -> None:
    offsets = three_frames(site, clean=True)
    site.write("log.dat", site.read("log.dat") + b"garbage" * 100)
    store = site.open()
    cut = store.recovery_report.cut
    assert cut is not None
    assert (cut.offset, cut.length, cut.ambiguous) == (offsets[3], 700, False)
    assert store.log_bounds() == bounds(1, 9, 3)


@pytest.mark.parametrize("kept", [1, 4, 63, 64, 72, 200])
def test_a_frame_begun_behind_a_cleanly_closed_log_shows_that_it_went_on(
    site: EngineSite, kept: int
) -> None:
    offsets = three_frames(site, clean=True)
    closed = site.content()
    store = site.open()
    store.append_log_entries(entries(10, 12, 3, size=SMALL))
    log = site.read("log.dat")
    site.kill()
    # The marker is lost; or, after another close, metadata.json is the older one.
    site.write("log.dat", log[: offsets[3] + kept])
    site.write("metadata.json", closed["metadata.json"])
    site.remove("recovery.marker")
    for mode in (RecoveryMode.CONSERVATIVE, RecoveryMode.NORMAL):
        with pytest.raises(CorruptedLogError, match="begins like the next frame") as caught:
            site.open(FileStorageOptions(recovery_mode=mode))
        assert (caught.value.offset, caught.value.index) == (offsets[3], 10)
    looked_at = site.open(FileStorageOptions(read_only=True)).recovery_report
    assert [loss.first_index for loss in looked_at.lost] == [10]
    (loss,) = site.open(
        FileStorageOptions(recovery_mode=RecoveryMode.AGGRESSIVE)
    ).recovery_report.lost
    assert (loss.offset, loss.first_index) == (offsets[3], 10)


def test_an_older_frame_behind_a_cleanly_closed_log_was_never_its_continuation(
    site: EngineSite,
) -> None:
    offsets = three_frames(site, clean=True)
    log = site.read("log.dat")
    site.write("log.dat", log + log[offsets[1] : offsets[2]])
    store = site.open()
    assert store.recovery_report.cut is not None
    assert store.log_bounds() == bounds(1, 9, 3)


def test_a_broken_end_without_a_marker_is_refused_where_metadata_says_otherwise(
    site: EngineSite,
) -> None:
    offsets = three_frames(site, clean=False)
    site.write("log.dat", site.read("log.dat")[:-1])
    site.remove("recovery.marker")
    with pytest.raises(CorruptedLogError, match="closed cleanly") as caught:
        site.open()
    assert (caught.value.offset, caught.value.ambiguous) == (offsets[2], False)


def test_without_syncs_a_hole_is_a_tail_and_a_prefix_survives(site: EngineSite) -> None:
    """Later frames alone prove nothing when nothing was promised."""
    options = FileStorageOptions(sync_on_append=False)
    store = site.open(options)
    offsets = [len(site.read("log.dat"))]
    for index in range(1, 5):
        store.append_log_entries(entries(index, index))
        offsets.append(len(site.read("log.dat")))
    site.kill()
    site.flip("log.dat", offsets[1] + 80)
    store = site.open(options)
    assert store.log_bounds() == bounds(1, 1, 1)
    store.append_log_entries(entries(2, 2))
    assert site.reopen(options).log_bounds() == bounds(1, 2, 1)


def test_frames_that_were_cut_never_come_back(site: EngineSite) -> None:
    """The second frame is written again with equal bytes; the third would chain to it."""
    options = FileStorageOptions(sync_on_append=False)
    site.open(options).append_log_entries(entries(1, 1))
    first_end = len(site.read("log.dat"))
    store = site.reopen(options)
    store.append_log_entries(entries(2, 2))
    second_end = len(site.read("log.dat"))
    store.append_log_entries(entries(3, 3))
    whole = site.read("log.dat")
    site.kill()
    site.flip("log.dat", first_end + 80)
    store = site.open(options)
    assert store.log_bounds() == bounds(1, 1, 1)
    store.append_log_entries(entries(2, 2))
    assert site.read("log.dat")[:second_end] == whole[:second_end]
    assert not site.read("log.dat")[second_end:].strip(b"\0")
    assert site.reopen(options).log_bounds() == bounds(1, 2, 1)


def test_an_append_whose_size_was_lost_does_not_return_behind_a_later_one() -> None:
    """Two crashes: the first keeps data without size, the second a size without its data."""
    disk = SimDisk()
    site = EngineSite(SimFileSystem(disk), SerialRuntime, "/store")
    store = site.open()
    store.save_state(PersistentState(1, "a"))
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    seen = len(disk.log)
    store.append_log_entries(entries(1, 1))
    data, size = list(disk.log)[seen : seen + 2]
    pending.add(data)  # type: ignore[arg-type]
    first_crash = SimDisk(pending.image(pending.kept(pending.everything)))

    site = EngineSite(SimFileSystem(first_crash), SerialRuntime, "/store")
    store = site.open()
    assert isinstance(size, Size)
    assert store.last_log_index == 0
    pending = PendingOps(first_crash.image, POSIX)
    pending.take_all(first_crash.log)
    seen = len(first_crash.log)
    store.append_log_entries(entries(1, 1, term=2))
    data, size = list(first_crash.log)[seen : seen + 2]
    pending.add(data)  # type: ignore[arg-type]
    pending.add(size)  # type: ignore[arg-type]
    lost = pending.dependents(data.number) & ~pending.dependents(size.number)  # type: ignore[union-attr]
    image = pending.image(pending.kept(pending.everything & ~lost))

    site = EngineSite(SimFileSystem(SimDisk(image)), SerialRuntime, "/store")
    assert site.open().last_log_index == 0


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "flipped", "shortened"])
def test_the_head_of_the_log_must_be_there(site: EngineSite, damage: str, *, clean: bool) -> None:
    three_frames(site, clean=clean)
    if damage == "removed":
        site.remove("log.dat")
    elif damage == "flipped":
        site.flip("log.dat", 20)
    else:
        site.write("log.dat", site.read("log.dat")[: 40 if damage == "shortened" else 0])
    before = site.content()
    with pytest.raises(CorruptedLogError):
        site.open()
    assert site.content() == before


def test_a_lost_log_is_an_error_even_without_metadata(site: EngineSite) -> None:
    store = site.open()
    store.save_state(PersistentState(1, "a"))
    site.kill()
    site.remove("log.dat")
    site.remove("metadata.json")
    with pytest.raises(CorruptedLogError, match="missing"):
        site.open()


def test_an_older_log_swapped_in_is_refused(site: EngineSite) -> None:
    store = site.open(NO_SNAPSHOTS)
    store.append_log_entries(entries(1, 9))
    older = site.read("log.dat")
    store.truncate_log_prefix(5)
    site.kill()
    site.write("log.dat", older)
    with pytest.raises(CorruptedLogError, match="generation 2"):
        site.open(NO_SNAPSHOTS)


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "flipped"])
def test_metadata_is_rebuilt_from_the_log(site: EngineSite, damage: str, *, clean: bool) -> None:
    three_frames(site, clean=clean)
    if damage == "removed":
        site.remove("metadata.json")
    elif damage == "emptied":
        site.write("metadata.json", b"")
    else:
        site.flip("metadata.json", 90)
    store = site.open()
    assert store.log_bounds() == bounds(1, 9, 3)
    rebuilt = [step for step in store.recovery_report.steps if step.action.value == "rebuilt"]
    assert [step.path for step in rebuilt] == [site.path("metadata.json")]
    store.close()
    assert site.open().recovery_report.clean


def test_a_frame_damaged_under_an_open_store_is_not_read(site: EngineSite) -> None:
    offsets = three_frames(site, clean=True)
    store = site.open()
    site.flip("log.dat", offsets[1] + 200)
    with pytest.raises(CorruptedLogError) as caught:
        store.get_log_entries(1, 10)
    assert (caught.value.offset, caught.value.index) == (offsets[1], 3)
    assert store.get_log_entries(6, 10) == entries(6, 9, 3, SMALL)
    assert store.get_log_entries(1, 3) == entries(1, 2, 1, SMALL)


@pytest.mark.parametrize("indexed", [True, False])
def test_a_log_cut_short_under_an_open_store_has_no_such_offset(
    site: EngineSite, *, indexed: bool
) -> None:
    features = StorageFeatureFlags(async_truncation=False, index_map=indexed)
    store = site.open(FileStorageOptions(features=features))
    store.append_log_entries(entries(1, 3))
    end = len(site.read("log.dat"))
    store.append_log_entries(entries(4, 5))
    site.write("log.dat", site.read("log.dat")[: end + 40])
    assert store.get_log_entries(1, 4) == entries(1, 3)
    with pytest.raises(InvalidOffsetError) as caught:
        store.get_log_entry(5)
    assert (caught.value.path, caught.value.offset) == (site.path("log.dat"), end)
    assert isinstance(caught.value, CorruptedLogError)


def test_the_retained_frames_of_a_compacted_log_prove_one_another(site: EngineSite) -> None:
    store = site.open(NO_SNAPSHOTS)
    for index in range(1, 7):
        store.append_log_entries(entries(index, index))
    store.truncate_log_prefix(3)
    site.kill()
    end = len(site.read("log.dat"))
    site.remove("metadata.json")
    site.flip("log.dat", end - 10)
    with pytest.raises(CorruptedLogError, match="index 6"):
        site.open(NO_SNAPSHOTS)


def test_adoption_writes_the_same_bytes_again(site: EngineSite) -> None:
    """After a failed sync the cache may show what the disk does not hold."""
    offsets = three_frames(site, clean=False)
    before = site.read("log.dat")
    store = site.open()
    adopted = [s for s in store.recovery_report.steps if s.action is RecoveryAction.ADOPTED]
    assert [step.path for step in adopted] == [site.path("log.dat")]
    written = [(call.kind, call.length) for call in site.calls() if call.name == "log.dat"]
    assert written == [
        ("fsync", 0),
        ("pwrite", offsets[3] - offsets[2] + 72),
        ("fsync", 0),
    ]
    assert site.read("log.dat").rstrip(b"\0") == before.rstrip(b"\0")


@examples(150)
@given(
    name=st.sampled_from(["log.dat", "state.json", "metadata.json", "snapshot.dat", "LOCK"]),
    content=st.one_of(
        st.binary(max_size=300),
        st.integers(1, 4000).map(lambda depth: b"[" * depth),
        st.integers(1, 6000).map(lambda digits: b'{"version":' + b"9" * digits + b"}"),
    ),
    keep_head=st.booleans(),
)
def test_hostile_files_give_a_typed_error_or_the_truth(
    name: str, content: bytes, *, keep_head: bool
) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    with site.open() as store:
        store.save_state(PersistentState(4, "a"))
        store.append_log_entries(entries(1, 5))
        store.save_snapshot(SnapshotMetadata(3, 1), b"three")
    head = site.read(name)[:48] if keep_head else b""
    site.write(name, head + content)
    refusal: StorageError | None = None
    try:
        store = site.open()
        assert store.load_state() == PersistentState(4, "a")
        assert store.get_log_entries(4, 6) == entries(4, 5)
        assert store.load_snapshot() == (SnapshotMetadata(3, 1), b"three")
    except StorageError as error:
        refusal = error
    if isinstance(refusal, CorruptedError):
        assert name in {"log.dat", "snapshot.dat"}
    elif refusal is not None:
        assert "version" in str(refusal)


def test_a_length_beyond_the_file_is_refused_before_memory_is_taken(site: EngineSite) -> None:
    """The header's checksum holds; the payload it announces is not there."""
    store = site.open()
    store.append_log_entries(entries(1, 1, size=50_000_000))
    site.kill()
    site.write("log.dat", site.read("log.dat")[:1000])
    tracemalloc.start()
    try:
        assert site.open().last_log_index == 0
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "count", [100_000, pytest.param(1_000_000, marks=pytest.mark.minutes)], ids=str
)
def test_a_long_log_opens_without_its_commands_in_memory(site: EngineSite, count: int) -> None:
    store = site.open()
    for first in range(1, count, 1000):
        store.append_log_entries(entries(first, first + 999, size=SMALL))
    store.close()
    tracemalloc.start()
    try:
        store = site.open()
        assert store.get_log_entry(count // 2).index == count // 2
        assert store.last_log_index == count
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()
