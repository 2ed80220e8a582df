"""Opening stores: what is remembered is what would come, and is shared by all profiles."""

from collections.abc import Iterator

import pytest
from attrs import evolve

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios import (
    SCENARIOS,
    Append,
    Limits,
    OpenStore,
    Recording,
    RecoveryCache,
    SaveSnapshot,
    SaveState,
    Workload,
    explore,
    find_store,
    record,
)
from wavetank.sim import (
    EXT4_OBSERVED,
    POSIX,
    SEQUENTIAL,
    DiskImage,
    PendingOps,
    ReadTrace,
    all_images,
)

BACKENDS = ["builtin", "raftlock-published"]

FEW_STEPS = Workload(
    name="few-steps",
    seed=0,
    steps=(
        OpenStore(),
        SaveState(PersistentState(1, "node-a")),
        Append((LogEntry(1, 1, b"one"), LogEntry(2, 1, b"two"))),
        SaveState(PersistentState(2, "node-b")),
        SaveSnapshot(SnapshotMetadata(1, 1), b"snapshot"),
        Append((LogEntry(3, 2, b"three"),)),
    ),
    options=FileStorageOptions(retained_log_size=0),
)


def recording_of(backend: str) -> Recording:
    return record(FEW_STEPS, find_store(backend))


def images_of(recording: Recording) -> Iterator[DiskImage]:
    pending = PendingOps(recording.image, POSIX)
    met: set[bytes] = set()
    for each in recording.log:
        pending.take(each)
        if pending.whole:
            for kept in all_images(pending, limit=512).images:
                image = pending.image(kept)
                if image.digest() not in met:
                    met.add(image.digest())
                    yield image


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("first", [0, 500])
def test_what_is_remembered_is_what_a_store_opened_anew_does(backend: str, first: int) -> None:
    recording = recording_of(backend)
    cache = RecoveryCache(recording.workload, recording.backend)
    images = list(images_of(recording))
    for image in images:
        anew = RecoveryCache(recording.workload, recording.backend).open(image, first=first)
        assert evolve(cache.open(image, first=first), live=None) == evolve(anew, live=None)
    assert cache.count < len(images) / 2


def test_a_live_store_is_given_only_where_one_was_opened() -> None:
    recording = recording_of("builtin")
    cache = RecoveryCache(recording.workload, recording.backend)
    image = next(images_of(recording))
    assert cache.open(image).live is not None
    assert cache.open(image).live is None
    assert cache.open_anew(image).live is not None
    assert cache.count == 2


def test_a_refusal_is_remembered_without_a_store() -> None:
    recording = recording_of("raftlock-published")
    cache = RecoveryCache(recording.workload, recording.backend)
    refused = [
        opening for opening in map(cache.open, images_of(recording)) if opening.refusal is not None
    ]
    assert refused
    assert all(each.live is None and each.observation is None for each in refused)
    assert {each.problems[0].invariant for each in refused} == {"O7"}


def test_whoever_counts_the_looks_gets_all_of_them() -> None:
    recording = recording_of("builtin")
    image = next(images_of(recording))
    traces = [ReadTrace(), ReadTrace()]
    for trace in traces:
        cache = RecoveryCache(recording.workload, recording.backend, reads=trace)
        cache.open(image)
    cache.open(image)
    assert cache.count == 2
    assert traces[0].cells
    assert traces[0].cells == traces[1].cells


@pytest.mark.minutes
@pytest.mark.parametrize(
    ("backend", "depth"),
    [pytest.param("builtin", 1, marks=pytest.mark.minutes), ("raftlock-published", 0)],
)
def test_profiles_share_openings_and_no_verdict_changes(backend: str, depth: int) -> None:
    recording = recording_of(backend)
    shared = recording.subject()
    limits = Limits(depth=depth)
    for profile in (SEQUENTIAL, EXT4_OBSERVED, POSIX):
        alone = explore(recording, profile, limits=limits)
        together = explore(recording, profile, limits=limits, subject=shared)
        assert evolve(together, recoveries=0) == evolve(alone, recoveries=0)
        assert together.recoveries <= alone.recoveries
    again = explore(recording, POSIX, limits=limits, subject=shared)
    # Only stores that are given work are opened again.
    assert again.recoveries < together.recoveries


def test_far_fewer_stores_are_opened_than_images_judged() -> None:
    recording = record(SCENARIOS["election-storm"].workload(0), find_store("builtin"))
    sweep = explore(recording, POSIX)
    assert sweep.recoveries < sweep.judged * 0.8
