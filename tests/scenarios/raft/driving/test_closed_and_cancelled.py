"""What the driver asks of an engine that was closed, or that was told to stop."""

import pytest

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogBounds,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
)
from wavetank.scenarios import (
    BUILTIN,
    Append,
    Cancelled,
    Inspect,
    OpenStore,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    Workload,
    record,
)
from wavetank.sim import SimFileSystem

STATE = SaveState(PersistentState(1, "n"))
APPEND = Append((LogEntry(1, 1, b"a"),))
SNAPSHOT = SaveSnapshot(SnapshotMetadata(1, 1), b"0123456789")


def kinds(*steps: Step) -> list[tuple[str, str]]:
    workload = Workload(
        name="asked", seed=0, steps=(OpenStore(), *steps), options=FileStorageOptions()
    )
    return [
        (live.problem.invariant, live.problem.kind) for live in record(workload, BUILTIN).problems
    ]


def test_the_engine_ends_calls_and_refuses_them_once_it_is_closed() -> None:
    cancelled = (Cancelled(STATE), Cancelled(APPEND), Cancelled(SNAPSHOT, in_data=True))
    assert kinds(*cancelled, Inspect(backup=True), Reopen()) == []


def test_a_closed_store_that_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def bounds(_: FileStorage) -> LogBounds:
        return LogBounds(first_index=1, last_index=0, last_term=0)

    monkeypatch.setattr(FileStorage, "log_bounds", bounds)
    assert kinds(Reopen()) == [
        ("O16", "a closed store is asked for the bounds"),
        ("O16", "a closed store is asked for the length"),
        ("O16", "a closed store is asked for iteration"),
    ]


def test_a_call_that_goes_on_though_it_is_cancelled_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = FileStorage.save_state

    def deaf(self: FileStorage, state: PersistentState, **_: object) -> None:
        save(self, state)

    monkeypatch.setattr(FileStorage, "save_state", deaf)
    assert kinds(Cancelled(STATE)) == [("O21", "SaveState went on though it was cancelled")]


def test_which_tokens_must_end_a_call() -> None:
    assert Cancelled(STATE).must_end
    assert not Cancelled(STATE, looks=1).must_end
    assert not Cancelled(STATE, in_data=True).must_end
    assert Cancelled(SNAPSHOT, in_data=True).must_end
    assert not Cancelled(SaveSnapshot(SnapshotMetadata(1, 1), b"0"), in_data=True).must_end


def test_a_backup_whose_names_are_not_durable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = SimFileSystem.fsync_dir

    def forgetful(self: SimFileSystem, path: str) -> None:
        if not path.startswith("/copy"):
            sync(self, path)

    monkeypatch.setattr(SimFileSystem, "fsync_dir", forgetful)
    found = kinds(APPEND, Inspect(backup=True))
    assert found == [("O6", "a backup after a power cut shows something else")]
