"""Without chunked_io every file is read and written in one call; with it, a chunk at a time."""

from engine_site import INLINE, EngineSite, entries

from wavetank.engine import FileStorageOptions, SnapshotMetadata, StorageFeatureFlags

CHUNKED = FileStorageOptions(retained_log_size=0, chunk_size=512, preallocate=0, features=INLINE)
WHOLE = FileStorageOptions(
    preallocate=0,
    retained_log_size=0,
    chunk_size=512,
    features=StorageFeatureFlags(async_truncation=False, chunked_io=False),
)
DATA = bytes(range(256)) * 12


def transfers(site: EngineSite, name: str) -> list[tuple[str, int]]:
    calls = site.calls(frozenset({"pread", "pwrite"}))
    return [(call.kind, call.length) for call in calls if call.name == name]


def pieces() -> list[bytes]:
    return [DATA[offset : offset + 100] for offset in range(0, len(DATA), 100)]


def test_a_snapshot_moves_as_a_whole_however_it_comes(site: EngineSite) -> None:
    store = site.open(WHOLE)
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(5, 1), pieces())
    assert transfers(site, "snapshot.dat.tmp") == [("pwrite", len(DATA))]
    assert store.load_snapshot() == (SnapshotMetadata(5, 1), DATA)
    assert transfers(site, "snapshot.dat") == [("pread", len(DATA))]


def test_a_snapshot_moves_in_chunks_of_the_options_size_however_it_comes(site: EngineSite) -> None:
    store = site.open(CHUNKED)
    store.append_log_entries(entries(1, 5))
    store.save_snapshot(SnapshotMetadata(5, 1), pieces())
    assert transfers(site, "snapshot.dat.tmp") == [("pwrite", 512)] * 6
    assert store.load_snapshot() == (SnapshotMetadata(5, 1), DATA)
    assert transfers(site, "snapshot.dat") == [("pread", 512)] * 6


def test_the_log_is_read_and_copied_as_a_whole(site: EngineSite) -> None:
    store = site.open(WHOLE)
    for first in range(1, 40, 3):
        store.append_log_entries(entries(first, first + 2, size=200))
    size = len(site.read("log.dat"))
    site.forget()
    assert store.get_log_entries(1, 40) == entries(1, 39, size=200)
    assert transfers(site, "log.dat") == [("pread", size - 48)]
    store = site.reopen(WHOLE)
    assert transfers(site, "log.dat")[0] == ("pread", size)
    store.save_snapshot(SnapshotMetadata(3, 1), b"")
    header, content = transfers(site, "log.dat.tmp")
    assert header == ("pwrite", 48)
    assert content[1] > size - 48 - 3 * 300
    assert site.reopen(CHUNKED).get_log_entries(4, 40) == entries(4, 39, size=200)


def test_the_log_is_read_and_copied_in_chunks(site: EngineSite) -> None:
    store = site.open(CHUNKED)
    for first in range(1, 40, 3):
        store.append_log_entries(entries(first, first + 2, size=200))
    site.forget()
    store.get_log_entries(1, 40)
    store.save_snapshot(SnapshotMetadata(3, 1), b"")
    lengths = [length for _, length in transfers(site, "log.dat") + transfers(site, "log.dat.tmp")]
    assert len(lengths) > 20
    assert max(lengths) < 2 * 1024
