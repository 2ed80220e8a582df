"""Snapshots in chunks: larger than memory, and never taken for sound before their end."""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_site import INLINE, EngineSite
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedSnapshotError,
    FileStorage,
    FileStorageOptions,
    OsFileSystem,
    SnapshotMetadata,
    SnapshotStream,
    StorageClosedError,
    StorageIOError,
    ThreadRuntime,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

KEEPER = Path(__file__).with_name("_snapshot_keeper.py")
KIB = 1024
CHUNK = 512
OPTIONS = FileStorageOptions(chunk_size=CHUNK, retained_log_size=0, features=INLINE)
METADATA = SnapshotMetadata(5, 1)
DATA = bytes(range(256)) * 8
"""Four chunks."""


def saved(site: EngineSite) -> FileStorage:
    store = site.open(OPTIONS)
    store.save_snapshot(METADATA, DATA)
    return store


# Damage


def simulated() -> EngineSite:
    return EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")


def drained(stream: SnapshotStream) -> list[bytes]:
    """Read a damaged stream and return what it gave before it said so."""
    given: list[bytes] = []
    with pytest.raises(CorruptedSnapshotError, match="snapshot of index 5 is damaged"):
        given.extend(stream)
    for _ in range(2):
        with pytest.raises(CorruptedSnapshotError):
            next(stream)
    return given


@examples(60)
@given(
    damage=st.one_of(
        st.tuples(st.just("flip"), st.integers(0, len(DATA) - 1)),
        st.tuples(st.just("cut"), st.integers(0, len(DATA) - 1)),
        st.tuples(st.just("grow"), st.integers(1, 3 * CHUNK)),
    ),
    read_before=st.integers(0, 4),
)
def test_damage_shows_before_the_end_whenever_it_comes(
    damage: tuple[str, int], read_before: int
) -> None:
    site = simulated()
    store = saved(site)
    kind, number = damage
    damaged = {
        "flip": DATA[:number] + bytes([DATA[number % len(DATA)] ^ 1]) + DATA[number + 1 :],
        "cut": DATA[:number],
        "grow": DATA + bytes(number),
    }[kind]
    stream = store.open_snapshot()
    begun = [next(stream) for _ in range(read_before)]
    site.write("snapshot.dat", damaged)
    if kind == "flip" and number < read_before * CHUNK:
        # What was read is what was saved, and so is the rest.
        assert b"".join([*begun, *stream]) == DATA
    else:
        read = b"".join(begun + drained(stream))
        assert read == (DATA[: read_before * CHUNK] + damaged[read_before * CHUNK :])[: len(read)]
    drained(store.open_snapshot())
    with pytest.raises(CorruptedSnapshotError):
        store.load_snapshot()


# Ends that are none


def test_a_stream_that_was_closed_early_does_not_seem_to_have_ended(site: EngineSite) -> None:
    with saved(site).open_snapshot() as stream:
        assert next(stream) == DATA[:CHUNK]
    for _ in range(2):
        with pytest.raises(StorageClosedError, match="before its end"):
            next(stream)
    stream.close()


def test_a_stream_that_has_ended_stays_ended(site: EngineSite) -> None:
    stream = saved(site).open_snapshot()
    assert b"".join(stream) == DATA
    stream.close()
    assert list(stream) == []


def test_a_read_that_the_filesystem_refuses_can_be_tried_again(site: EngineSite) -> None:
    stream = saved(site).open_snapshot()
    begun = next(stream)
    site.watched.refuse = lambda call: 5 if call.kind in ("pread", "size") else None
    for _ in range(2):
        with pytest.raises(StorageIOError):
            next(stream)
    site.heal()
    assert begun + b"".join(stream) == DATA


# Memory


def most_memory(action: Callable[[], object]) -> int:
    """Return how many bytes an action has had allocated at once, beyond what was there before."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_snapshot_is_saved_recovered_and_loaded_a_chunk_at_a_time(tmp_path: Path) -> None:
    count, length = 128, 64 * KIB
    options = FileStorageOptions(chunk_size=length)
    site = EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    store = site.open(options)

    def pieces() -> Iterator[bytes]:
        return (bytes([number]) * length for number in range(count))

    def load() -> None:
        with store.open_snapshot() as stream:
            for number, chunk in enumerate(stream):
                assert chunk == bytes([number]) * length

    few = 8 * length
    assert most_memory(lambda: store.save_snapshot(METADATA, pieces())) < few
    assert most_memory(load) < few
    assert most_memory(store.verify) < few
    assert most_memory(store.load_snapshot) >= count * length
    site.kill()
    assert most_memory(lambda: site.open(options)) < few


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc/self/status")
@pytest.mark.parametrize("mebibytes", [64, pytest.param(1024, marks=pytest.mark.minutes)])
def test_a_large_snapshot_is_saved_and_loaded_within_64_mib(tmp_path: Path, mebibytes: int) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        for action in ("save", "load"):
            command = [sys.executable, str(KEEPER), action, str(tmp_path), str(mebibytes)]
            done = subprocess.run(command, env=environment, capture_output=True, check=True)
            peak_kib = json.loads(done.stdout)
            assert peak_kib["in_all"] <= 64 * KIB
            assert peak_kib["in_all"] - peak_kib["before"] <= 8 * KIB
    finally:
        (tmp_path / "snapshot.dat").unlink()
