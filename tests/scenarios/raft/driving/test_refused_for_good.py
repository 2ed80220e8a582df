"""What was refused by an engine that is not poisoned stays undone, also over a power cut."""

from wavetank.engine import FileStorageOptions, LogEntry, SnapshotMetadata
from wavetank.faults import fault_plan
from wavetank.scenarios import (
    BUILTIN,
    AfterFailure,
    Append,
    OpenStore,
    SaveSnapshot,
    Workload,
    explore,
    record,
)
from wavetank.sim import POSIX

FAULT = "open snapshot.marker: fail ENOSPC after effect"
WORKLOAD = Workload(
    name="refused",
    seed=0,
    steps=(
        OpenStore(),
        Append((LogEntry(1, 1, b"a"),)),
        SaveSnapshot(SnapshotMetadata(1, 1), b"x"),
    ),
    options=FileStorageOptions(),
    faults=fault_plan([FAULT]),
    after_failure=AfterFailure.RETRY,
)


def test_a_marker_that_is_taken_back_is_durably_gone() -> None:
    recording = record(WORKLOAD, BUILTIN)
    assert (recording.problems, recording.faults_fired) == ((), {FAULT: 1})
    assert explore(recording, POSIX).findings == ()


def test_between_the_refusal_and_the_next_call_only_the_state_before_is_possible() -> None:
    snapshots = [
        (each.step, [state.snapshot is not None for state in each.knowledge.possible])
        for each in record(WORKLOAD, BUILTIN).history
    ]
    assert snapshots[-4:] == [
        (2, [False, True]),
        (2, [False]),
        (2, [False, True]),
        (2, [True]),
    ]
