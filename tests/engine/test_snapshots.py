"""Snapshots: one atomic unit, what it means for the log, and streaming."""

import errno
from collections.abc import Iterator

import pytest
from engine_site import INLINE, NOTHING_RETAINED, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedSnapshotError,
    FileStorage,
    FileStorageOptions,
    LogBounds,
    NoSnapshotError,
    OperationCancelledError,
    PersistentState,
    SnapshotMetadata,
    SnapshotMismatchError,
    SnapshotOutOfDateError,
    StorageIOError,
    StoragePoisonedError,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

SMALL_CHUNKS = FileStorageOptions(chunk_size=512, retained_log_size=0, features=INLINE)


def bounds(first: int, last: int, term: int) -> LogBounds:
    return LogBounds(first_index=first, last_index=last, last_term=term)


def with_log(site: EngineSite, options: FileStorageOptions = NOTHING_RETAINED) -> FileStorage:
    store = site.open(options)
    store.append_log_entries(entries(1, 6))
    store.append_log_entries(entries(7, 10, term=2))
    return store


def test_without_a_snapshot_there_is_none(site: EngineSite) -> None:
    store = site.open()
    with pytest.raises(NoSnapshotError):
        store.load_snapshot()
    with pytest.raises(NoSnapshotError):
        store.open_snapshot()


@pytest.mark.parametrize("data", [b"", b"x", b"d" * 3000], ids=["empty", "small", "chunks"])
def test_a_snapshot_survives_close_and_kill(site: EngineSite, data: bytes) -> None:
    store = with_log(site, SMALL_CHUNKS)
    store.save_snapshot(SnapshotMetadata(5, 1), data)
    for end in ("close", "kill", "kill"):
        assert store.load_snapshot() == (SnapshotMetadata(5, 1), data)
        if end == "close":
            store.close()
        store = site.reopen(SMALL_CHUNKS)


@examples(40)
@given(
    chunks=st.lists(st.binary(max_size=1500), max_size=6),
    wrap=st.sampled_from([bytes, bytearray, memoryview]),
)
def test_chunks_of_any_size_are_saved_as_their_concatenation(
    chunks: list[bytes], wrap: type[bytes]
) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    store = with_log(site, SMALL_CHUNKS)
    store.save_snapshot(SnapshotMetadata(5, 1), (wrap(chunk) for chunk in chunks))
    store = site.reopen(SMALL_CHUNKS)
    assert store.load_snapshot()[1] == b"".join(chunks)
    with store.open_snapshot() as stream:
        assert (stream.metadata, stream.size) == (SnapshotMetadata(5, 1), len(b"".join(chunks)))
        streamed = list(stream)
    assert b"".join(streamed) == b"".join(chunks)
    assert all(len(chunk) <= 512 for chunk in streamed)


def test_index_zero_older_ones_and_other_terms_are_refused(site: EngineSite) -> None:
    store = with_log(site)
    with pytest.raises(ValueError, match="last_included_index >= 1"):
        store.save_snapshot(SnapshotMetadata(0, 0), b"")
    store.save_snapshot(SnapshotMetadata(5, 1), b"five")
    site.forget()
    with pytest.raises(SnapshotOutOfDateError, match=">= 5"):
        store.save_snapshot(SnapshotMetadata(4, 1), b"four")
    with pytest.raises(SnapshotMismatchError, match="term 1"):
        store.save_snapshot(SnapshotMetadata(5, 2), b"other")
    assert site.calls() == []
    assert store.load_snapshot() == (SnapshotMetadata(5, 1), b"five")
    store.save_snapshot(SnapshotMetadata(5, 1), b"again")
    assert site.reopen().load_snapshot() == (SnapshotMetadata(5, 1), b"again")


@pytest.mark.parametrize("data", ["text", 5, None, ["text"], [b"a", 5]])
def test_what_is_no_data_is_a_type_error_and_leaves_nothing(site: EngineSite, data: object) -> None:
    store = with_log(site)
    with pytest.raises(TypeError, match="data"):
        store.save_snapshot(SnapshotMetadata(5, 1), data)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="metadata"):
        store.save_snapshot((5, 1), b"")  # type: ignore[arg-type]
    assert "snapshot.dat.tmp" not in site.names()
    store.save_snapshot(SnapshotMetadata(5, 1), b"fine")


def test_data_that_raises_ends_the_save_without_a_trace(site: EngineSite) -> None:
    def failing() -> Iterator[bytes]:
        yield b"some"
        raise LookupError("the state machine is gone")

    store = with_log(site)
    with pytest.raises(LookupError):
        store.save_snapshot(SnapshotMetadata(5, 1), failing())
    assert "snapshot.dat.tmp" not in site.names()
    store.save_snapshot(SnapshotMetadata(5, 1), b"fine")


def test_a_save_is_cancelled_between_chunks(site: EngineSite) -> None:
    class Token:
        wanted = True

        def is_set(self) -> bool:
            return not self.wanted

    token = Token()

    def data() -> Iterator[bytes]:
        yield b"first"
        token.wanted = False
        yield b"second"

    store = with_log(site)
    with pytest.raises(OperationCancelledError):
        store.save_snapshot(SnapshotMetadata(5, 1), data(), cancel=token)
    assert "snapshot.dat.tmp" not in site.names()
    with pytest.raises(NoSnapshotError):
        store.load_snapshot()
    store.save_snapshot(SnapshotMetadata(5, 1), b"fine")


# What a snapshot means for the log


def test_the_log_is_compacted_behind_a_snapshot(site: EngineSite) -> None:
    store = with_log(site)
    store.save_snapshot(SnapshotMetadata(8, 2), b"s")
    assert store.log_bounds() == bounds(9, 10, 2)
    store = site.reopen()
    assert store.get_log_entries(9, 11) == entries(9, 10, term=2)


def test_without_auto_truncation_the_log_stays(site: EngineSite) -> None:
    options = FileStorageOptions(auto_truncate_on_snapshot=False, retained_log_size=0)
    store = with_log(site, options)
    store.save_snapshot(SnapshotMetadata(8, 2), b"s")
    assert store.log_bounds() == bounds(1, 10, 2)
    store.truncate_log_prefix(9)
    assert store.log_bounds() == bounds(9, 10, 2)


@pytest.mark.parametrize("metadata", [SnapshotMetadata(11, 2), SnapshotMetadata(50, 9)])
def test_a_snapshot_beyond_the_log_replaces_it(
    site: EngineSite, metadata: SnapshotMetadata
) -> None:
    store = with_log(site)
    index, term = metadata.last_included_index, metadata.last_included_term
    store.save_snapshot(metadata, b"installed")
    for _ in range(2):
        assert store.log_bounds() == bounds(index + 1, index, term)
        assert store.load_snapshot() == (metadata, b"installed")
        store = site.reopen()
    store.append_log_entries(entries(index + 1, index + 2, term=term))


def test_a_log_of_another_branch_is_discarded_whole(site: EngineSite) -> None:
    store = with_log(site, FileStorageOptions(features=INLINE))
    store.save_snapshot(SnapshotMetadata(8, 3), b"installed")
    for _ in range(2):
        assert store.log_bounds() == bounds(9, 8, 3)
        store = site.reopen()


def test_recovery_finishes_what_a_snapshot_does_to_the_log(site: EngineSite) -> None:
    """The process ends between the durable snapshot and the new log."""
    store = with_log(site)
    site.watched.refuse = lambda call: (
        errno.EIO if (call.kind, call.name) == ("create", "log.dat.tmp") else None
    )
    with pytest.raises(StorageIOError):
        store.save_snapshot(SnapshotMetadata(50, 9), b"installed")
    assert store.log_bounds() == bounds(1, 10, 2)
    site.heal()
    store = site.reopen()
    assert store.log_bounds() == bounds(51, 50, 9)
    assert store.load_snapshot() == (SnapshotMetadata(50, 9), b"installed")
    report = store.recovery_report
    store = site.reopen()
    assert report.steps
    assert store.log_bounds() == bounds(51, 50, 9)
    assert store.recovery_report.steps == ()


# The commit


def test_the_snapshot_is_durable_before_the_log_is_touched(site: EngineSite) -> None:
    store = with_log(site)
    site.forget()
    store.save_snapshot(SnapshotMetadata(5, 1), b"five")
    order = [(call.kind, call.name) for call in site.calls()]
    assert order[:13] == [
        ("create", "snapshot.dat.tmp"),
        ("pwrite", "snapshot.dat.tmp"),
        ("fsync", "snapshot.dat.tmp"),
        ("create", "snapshot_meta.json.tmp"),
        ("pwrite", "snapshot_meta.json.tmp"),
        ("fsync", "snapshot_meta.json.tmp"),
        ("create", "snapshot.marker"),
        ("fsync_dir", "store"),
        ("rename", "snapshot.dat"),
        ("rename", "snapshot_meta.json"),
        ("fsync_dir", "store"),
        ("unlink", "snapshot.marker"),
        ("create", "log.dat.tmp"),
    ]


@pytest.mark.parametrize("step", range(12))
def test_a_save_that_fails_anywhere_leaves_one_whole_snapshot(site: EngineSite, step: int) -> None:
    store = with_log(site)
    store.save_snapshot(SnapshotMetadata(5, 1), b"five")
    site.fail_change(step)
    with pytest.raises(StorageIOError):
        store.save_snapshot(SnapshotMetadata(8, 2), b"eight")
    assert store.load_snapshot() == (SnapshotMetadata(5, 1), b"five")
    with pytest.raises(StoragePoisonedError):
        store.save_state(PersistentState(1, "a"))
    site.heal()
    store = site.reopen()
    committed = step >= 7
    expected = (
        (SnapshotMetadata(8, 2), b"eight") if committed else (SnapshotMetadata(5, 1), b"five")
    )
    assert store.load_snapshot() == expected
    assert not {name for name in site.names() if name.endswith(".tmp")}
    assert "snapshot.marker" not in site.names()
    store.save_snapshot(SnapshotMetadata(9, 2), b"nine")
    assert site.reopen().load_snapshot() == (SnapshotMetadata(9, 2), b"nine")


def test_a_stream_outlives_its_replacement_and_its_store(site: EngineSite) -> None:
    store = with_log(site, SMALL_CHUNKS)
    store.save_snapshot(SnapshotMetadata(5, 1), b"5" * 2000)
    stream = store.open_snapshot()
    begun = next(stream)
    store.save_snapshot(SnapshotMetadata(8, 2), b"8" * 2000)
    store.close()
    assert begun + b"".join(stream) == b"5" * 2000


# Damage


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("name", ["snapshot.dat", "snapshot_meta.json"])
@pytest.mark.parametrize("damage", ["flipped", "removed", "shortened", "lengthened"])
def test_a_damaged_snapshot_is_an_error_and_never_no_snapshot(
    site: EngineSite, name: str, damage: str, *, clean: bool
) -> None:
    store = with_log(site)
    store.save_snapshot(SnapshotMetadata(5, 1), b"some snapshot data")
    if clean:
        store.close()
    site.kill()
    content = site.read(name)
    if damage == "flipped":
        site.flip(name, -5)
    elif damage == "removed":
        site.remove(name)
    else:
        site.write(name, content[:-1] if damage == "shortened" else content + b"!")
    before = site.content()
    with pytest.raises(CorruptedSnapshotError) as caught:
        site.open().load_snapshot()
    site.kill()
    assert caught.value.path == site.path(name)
    assert {key: site.read(key) for key in before if key != "log.dat"} == {
        key: value for key, value in before.items() if key != "log.dat"
    }


def test_data_of_another_generation_is_never_taken(site: EngineSite) -> None:
    store = with_log(site, FileStorageOptions())
    store.save_snapshot(SnapshotMetadata(5, 1), b"five!")
    older = site.read("snapshot_meta.json")
    store.save_snapshot(SnapshotMetadata(8, 2), b"eight")
    site.kill()
    site.write("snapshot_meta.json", older)
    with pytest.raises(CorruptedSnapshotError):
        site.open()


def test_a_compacted_log_needs_its_snapshot(site: EngineSite) -> None:
    store = with_log(site)
    store.save_snapshot(SnapshotMetadata(8, 2), b"s")
    store.close()
    for name in ("snapshot.dat", "snapshot_meta.json"):
        site.remove(name)
    with pytest.raises(CorruptedSnapshotError, match="behind index 8"):
        site.open()
    site.kill()
    relaxed = FileStorageOptions(compaction_requires_snapshot=False)
    assert site.open(relaxed).log_bounds() == bounds(9, 10, 2)


def test_a_log_that_has_no_place_left_is_closed_cleanly_and_sound(site: EngineSite) -> None:
    last = 2**64 - 1
    with site.open() as store:
        store.save_snapshot(SnapshotMetadata(last, last), b"")
        assert store.log_bounds() == LogBounds(
            first_index=last + 1, last_index=last, last_term=last
        )
        assert store.verify().sound
    with site.open() as store:
        assert store.recovery_report.clean
        assert store.load_snapshot() == (SnapshotMetadata(last, last), b"")
