"""Every feature flag overridden: the crash sweep finds nothing beyond what the flag gives up."""

import pytest
from attrs import evolve

from wavetank.engine import FileStorageOptions, StorageFeatureFlags
from wavetank.scenarios import (
    SCENARIOS,
    Exploration,
    Limits,
    explore,
    find_store,
    record,
    workload_of,
)
from wavetank.sim import POSIX, SEQUENTIAL, PendingOps, Profile, newest_images

BUILTIN = find_store("builtin")


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.minutes)


FLAGS = ("binary_format", "index_map", "chunked_io", "metrics")


def sweep(
    name: str, options: FileStorageOptions, limits: Limits, profile: Profile = POSIX
) -> Exploration:
    workload = SCENARIOS[name].workload(1)
    options = evolve(options, retained_log_size=workload.options.retained_log_size)
    recording = record(evolve(workload, options=options), BUILTIN)
    assert recording.problems == ()
    return explore(recording, profile, limits=limits)


def turned_off(flag: str) -> FileStorageOptions:
    return FileStorageOptions(features=evolve(StorageFeatureFlags(), **{flag: False}))


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("leader-steady", SEQUENTIAL),
        # Ten seconds each, for the images of a disk that promises nothing.
        slow("leader-steady", POSIX),
        slow("mixed", POSIX),
        slow("snapshot-compaction", POSIX),
    ],
    ids=str,
)
@pytest.mark.parametrize("flag", FLAGS)
def test_without_an_optimisation_every_promise_holds(
    name: str, profile: Profile, flag: str
) -> None:
    result = sweep(name, turned_off(flag), Limits(), profile)
    assert result.findings == ()
    assert result.judged > 100


@pytest.mark.minutes
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("flag", FLAGS)
def test_so_it_does_when_the_recovery_crashes_too(name: str, flag: str) -> None:
    assert sweep(name, turned_off(flag), Limits(depth=1)).findings == ()


@pytest.mark.parametrize("preallocate", [1, slow(700), slow(4096)])
@pytest.mark.parametrize(
    "name", ["log-conflict", slow("snapshot-compaction"), slow("restart-loop")]
)
def test_with_space_reserved_ahead_every_promise_holds(name: str, preallocate: int) -> None:
    result = sweep(name, FileStorageOptions(preallocate=preallocate), Limits())
    assert result.findings == ()
    assert result.judged > 100


@pytest.mark.minutes
@pytest.mark.parametrize("name", SCENARIOS)
def test_so_they_do_when_the_recovery_crashes_too(name: str) -> None:
    assert sweep(name, FileStorageOptions(preallocate=700), Limits(depth=1)).findings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name if name == "leader-steady" else slow(name) for name in SCENARIOS]
)
def test_without_atomic_writes_an_open_shows_nothing_wrong(name: str) -> None:
    options = FileStorageOptions(features=StorageFeatureFlags(atomic_writes=False))
    assert sweep(name, options, Limits()).findings == ()


@pytest.mark.minutes
def test_without_atomic_writes_an_open_may_refuse_a_damaged_snapshot_and_nothing_else() -> None:
    """All that is given up is that the store opens (O7), and with it what needs an open store."""
    workload = workload_of("restart-loop", 1, ("in_place_writes",))
    recording = record(workload, BUILTIN)
    subject = recording.subject()
    pending = PendingOps(recording.image, POSIX)
    refusals = set()
    for entry in recording.log:
        pending.take(entry)
        if pending.whole:
            for kept in newest_images(pending, limit=512).images:
                refusals.add(subject.recover(pending.image(kept)).refusal)
    kinds = {(refusal.kind, refusal.is_allowed) for refusal in refusals - {None} if refusal}
    assert kinds == {("CorruptedSnapshotError", True)}


@pytest.mark.minutes
def test_without_atomic_writes_term_vote_and_log_survive_all_the_same() -> None:
    """One of the two copies of the state is whole at any moment, and the log is made anew aside."""
    workload = SCENARIOS["election-storm"].workload(1)
    steps = tuple(step for step in workload.steps if type(step).__name__ != "SaveSnapshot")
    options = FileStorageOptions(
        retained_log_size=0,
        compaction_requires_snapshot=False,
        features=StorageFeatureFlags(atomic_writes=False),
    )
    recording = record(evolve(workload, steps=steps, options=options), BUILTIN)
    assert recording.problems == ()
    result = explore(recording, POSIX, limits=Limits(depth=1))
    assert result.findings == ()
    assert result.judged > 100
