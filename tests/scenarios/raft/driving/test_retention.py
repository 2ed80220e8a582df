"""What a compaction leaves is held to what the options retain."""

from wavetank.engine import FileStorageOptions, LogBounds, LogEntry, SnapshotMetadata
from wavetank.scenarios import (
    EMPTY,
    Append,
    KillProcess,
    SaveSnapshot,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    acknowledge,
)
from wavetank.scenarios.raft.driving.retention import Retention
from wavetank.scenarios.raft.model import Possible

OPTIONS = FileStorageOptions(retained_log_size=1)
FIVE = Append(tuple(LogEntry(index, 1, b"") for index in range(1, 6)))


def snapshot(index: int) -> SaveSnapshot:
    return SaveSnapshot(SnapshotMetadata(index, 1), b"")


def complaint(*steps: Step) -> str:
    """Return what is said of a log that begins at 1 once all steps have returned."""
    retention = Retention(OPTIONS)
    possible: Possible = (EMPTY,)
    for step in steps:
        possible = acknowledge(possible, step, OPTIONS)
        retention.take(step, possible[-1])
    found = [
        each.summary
        for each in retention.problems(LogBounds(first_index=1, last_index=5, last_term=1))
    ]
    return found[0].partition(" or behind")[0] if found else ""


def test_a_prefix_truncation_has_ended_when_it_returns() -> None:
    asked = "expected a log that begins at 3"
    assert complaint(FIVE, snapshot(2), TruncatePrefix(3)) == asked


def test_a_compaction_behind_a_snapshot_has_ended_one_step_later() -> None:
    assert complaint(FIVE, snapshot(5)) == ""
    assert complaint(FIVE, snapshot(5), snapshot(5)) == "expected a log that begins at 5"


def test_what_the_options_retain_may_stay() -> None:
    idle = TruncateSuffix(6)
    assert complaint(FIVE, snapshot(1), idle) == "expected a log that begins at 2"
    # The compaction may have run behind the truncation, which left two entries.
    cut = TruncateSuffix(3)
    assert complaint(FIVE, snapshot(2), cut) == "expected a log that begins at 2"


def test_a_compaction_that_the_process_did_not_live_to_see_is_not_asked_for() -> None:
    assert complaint(FIVE, snapshot(5), KillProcess()) == ""
