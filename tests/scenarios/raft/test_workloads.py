"""The workloads are what they claim to be, and legal for every seed."""

import pytest

from wavetank.scenarios import (
    SCENARIOS,
    Append,
    OpenStore,
    SaveSnapshot,
    StoreAdapter,
    TruncatePrefix,
    find_store,
    record,
    runnable_scenarios,
)

NAMES = (
    "leader-steady",
    "follower-catchup",
    "election-storm",
    "log-conflict",
    "snapshot-compaction",
    "install-snapshot",
    "restart-loop",
    "mixed",
)
FAULTY = ("full-disk", "failing-disk", "short-transfers", "poisoned-store", "slow-disk")
SMALL = (
    "boundary-commands",
    "boundary-state",
    "boundary-snapshots",
    "far-indices",
    "large-batches",
    "first-entries",
    "other-branches",
    "boundary-names",
    "refused-calls",
    "cancelled-calls",
    "every-look",
    "real-calls",
    "options-json",
    "options-unsynced",
    "options-unindexed",
    "options-strict",
    "crash-in-recovery",
    *FAULTY,
    "damaged-store",
)
BUILTIN = find_store("builtin")


def test_a_store_of_plain_python_runs_all_but_those_with_faults_or_another_store() -> None:
    plain = StoreAdapter(name="plain", factory=lambda _: None)
    assert set(SCENARIOS) - set(runnable_scenarios(plain)) == {
        *FAULTY,
        "real-calls",
        "damaged-store",
    }
    assert runnable_scenarios(BUILTIN) == tuple(SCENARIOS)


def test_the_catalogue_is_complete() -> None:
    assert tuple(SCENARIOS) == (*NAMES, *SMALL)
    assert [name for name in SCENARIOS if SCENARIOS[name].unusual] == list(SMALL)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_enough_work_of_enough_kinds(name: str) -> None:
    workload = SCENARIOS[name].workload(seed=0)
    operations = [step for step in workload.steps if not isinstance(step, OpenStore)]
    assert len(operations) >= 30
    assert len({type(step) for step in operations}) >= 5
    assert workload.options.retained_log_size <= 4


@pytest.mark.parametrize("name", NAMES)
def test_each_compacts_and_ends_with_twenty_entries_in_eight_frames_and_a_snapshot(
    name: str,
) -> None:
    workload = SCENARIOS[name].workload(seed=0)
    recording = record(workload, BUILTIN)
    assert recording.compactions >= 1
    (end,) = recording.history[-1].knowledge.possible
    assert len(end.entries) >= 20
    assert end.snapshot is not None
    compacting = (SaveSnapshot, TruncatePrefix)
    last = max(n for n, step in enumerate(workload.steps) if isinstance(step, compacting))
    frames = [step for step in workload.steps[last:] if isinstance(step, Append)]
    assert len(frames) >= 8
    assert sum(len(step.entries) for step in frames) >= 20


@pytest.mark.parametrize(
    "seeds", [range(5), pytest.param(range(5, 25), marks=pytest.mark.minutes)], ids=["few", "more"]
)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_seed_gives_a_workload_that_a_right_store_can_do(name: str, seeds: range) -> None:
    for seed in seeds if name in NAMES else seeds[:3]:
        recording = record(SCENARIOS[name].workload(seed), BUILTIN)
        assert recording.problems == ()
        assert recording.steps_run == len(recording.workload.steps)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_names_one_workload(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.workload(3) == scenario.workload(3)
    assert scenario.workload(3) != scenario.workload(4)
