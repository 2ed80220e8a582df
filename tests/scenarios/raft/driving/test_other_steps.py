"""Steps beside plain calls: cancelled, interrupted, refused, other options, other ways to look."""

from collections.abc import Sequence

import pytest

from wavetank.engine import (
    CancelToken,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    OperationCancelledError,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
)
from wavetank.scenarios import BUILTIN, OpenStore, Recording, Site, Workload, record
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
    Inspect,
    Interrupted,
    KillProcess,
    Read,
    Refused,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
)
from wavetank.sim import POSIX

VOTE = SaveState(PersistentState(1, "node-a"))
ENTRIES = Append(tuple(LogEntry(index, 1, b"command") for index in (1, 2, 3)))
SNAPSHOT = SaveSnapshot(SnapshotMetadata(2, 1), b"abcdefgh", chunk_bytes=3)


def recorded(kind: type[FileStorage], *steps: Step) -> Recording:
    def open_store(site: Site) -> FileStorage:
        config = StorageConfig(directory=site.directory)
        return kind(config, site.options, fs=site.fs, runtime=site.runtime)

    workload = Workload(
        name="other", seed=0, steps=(OpenStore(), *steps), options=FileStorageOptions()
    )
    open_store.capabilities = BUILTIN.capabilities  # type: ignore[attr-defined]
    return record(workload, open_store)


def problems(kind: type[FileStorage], *steps: Step) -> set[tuple[str, str]]:
    found = recorded(kind, *steps).problems
    return {(each.problem.invariant, each.problem.kind) for each in found}


def test_the_engine_takes_all_of_them() -> None:
    run = recorded(
        FileStorage,
        Cancelled(VOTE),
        Cancelled(ENTRIES, looks=2),
        Reopen(("json_log", "chunk_size=512")),
        Interrupted(SNAPSHOT, POSIX, after=9, newest=3),
        Refused(Read(3, 6)),
        Refused(Append(())),
        KillProcess(("preallocate=4096",)),
        Inspect(backup=True),
    )
    assert (run.problems, run.steps_run) == ((), 9)


@pytest.mark.parametrize("after", range(8))
@pytest.mark.parametrize("newest", [0, 1, 2, 40])
def test_a_life_goes_on_behind_a_power_cut(after: int, newest: int) -> None:
    cut = Interrupted(ENTRIES, POSIX, after=after, newest=newest, torn_sectors=1)
    run = recorded(FileStorage, VOTE, cut, SNAPSHOT, Read(1, 4), Reopen())
    assert (run.problems, run.steps_run) == ((), 6)
    # The op log is that of the last process alone, on what the power cut has left.
    assert run.image.files()
    assert run.history[0].position == 0


class CancelsTooLate(FileStorage):
    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        super().save_state(state, timeout=timeout)
        if cancel is not None and cancel.is_set():
            raise OperationCancelledError("too late")


def test_a_call_that_was_cancelled_must_have_changed_nothing() -> None:
    assert problems(CancelsTooLate, Cancelled(VOTE)) == {
        ("O1", "term never saved"),
        ("O17", "state_errors is wrong"),
        ("O17", "error_rate_ppt is wrong"),
    }


class ReadsNothing(FileStorage):
    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[LogEntry]:
        if end > self.last_log_index + 1:
            return []
        return super().get_log_entries(start, end, timeout=timeout, cancel=cancel)


def test_a_call_that_must_be_refused_must_not_return() -> None:
    assert problems(ReadsNothing, ENTRIES, Refused(Read(3, 6))) == {
        ("O2", "Read was not refused"),
        ("O17", "read_ops is wrong"),
        ("O17", "error_rate_ppt is wrong"),
    }


class Miscounts(FileStorage):
    def __len__(self) -> int:
        return super().__len__() + 1


def test_the_length_is_held_against_the_log() -> None:
    assert problems(Miscounts, ENTRIES, Inspect()) == {("O6", "the length shows something else")}


class Litters(FileStorage):
    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        super().append_log_entries(entries, timeout=timeout, cancel=cancel)
        self._directory.create_temporary("log.dat").close()


def test_a_change_leaves_no_temporary_files() -> None:
    found = problems(Litters, ENTRIES)
    assert ("O10", "litter beside a running store") in found
