"""A caller that tries a failed call again in the same process and goes on there."""

import pytest
from attrs import evolve

from wavetank.engine import (
    CancelToken,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotOutOfDateError,
    Storage,
    StorageConfig,
    StorageIOError,
)
from wavetank.faults import fault_plan, parse_fault
from wavetank.scenarios import (
    BUILTIN,
    SCENARIOS,
    AfterFailure,
    Append,
    OpenStore,
    Recording,
    SaveState,
    Site,
    StoreAdapter,
    Workload,
    explore,
    record,
    sweep_operations,
)
from wavetank.sim import POSIX

RETRY, REOPEN = AfterFailure.RETRY, AfterFailure.REOPEN


def workload(*faults: str, after: AfterFailure = RETRY) -> Workload:
    return Workload(
        name="going-on",
        seed=0,
        steps=(
            OpenStore(),
            SaveState(PersistentState(1, "node-a")),
            Append((LogEntry(1, 1, b"x"),)),
            SaveState(PersistentState(2, "node-a")),
            Append((LogEntry(2, 2, b"y"),)),
        ),
        options=FileStorageOptions(),
        faults=fault_plan(faults),
        after_failure=after,
    )


def store_of(kind: type[FileStorage]) -> StoreAdapter:
    def open_store(site: Site) -> Storage:
        config = StorageConfig(directory=site.directory)
        return kind(config, site.options, fs=site.fs, runtime=site.runtime)

    return evolve(BUILTIN, name=kind.__name__, factory=open_store)


def run_counted(faults: Workload) -> tuple[Recording, int]:
    opened: list[Site] = []

    def open_store(site: Site) -> Storage:
        opened.append(site)
        return BUILTIN.open(site)

    return record(faults, evolve(BUILTIN, factory=open_store)), len(opened)


class _TakesFailureForSuccess(FileStorage):
    """Believes that a state is saved once it has tried to."""

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        if getattr(self, "tried", None) == state:
            return
        self.tried = state
        super().save_state(state, timeout=timeout, cancel=cancel)


class _RefusesForNoReason(FileStorage):
    """After a failed save of the state refuses every other one with a wrong reason."""

    def save_state(
        self,
        state: PersistentState,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        if getattr(self, "has_failed", False):
            raise SnapshotOutOfDateError("there is no such thing here")
        try:
            super().save_state(state, timeout=timeout, cancel=cancel)
        except StorageIOError:
            self.has_failed = True
            raise


@pytest.mark.parametrize(
    ("fault", "after", "openings"),
    [
        ("write state.json.tmp #2: fail ENOSPC", RETRY, 1),
        ("write state.json.tmp #2: fail ENOSPC", REOPEN, 2),
        ("write log.dat in append_log_entries #2: fail ENOSPC", RETRY, 2),
        ("write state.json.tmp #2: fail EIO", RETRY, 2),
    ],
    ids=["not poisoned", "reopened", "append poisons", "EIO poisons"],
)
def test_only_a_store_that_asks_for_it_is_opened_again(
    fault: str, after: AfterFailure, openings: int
) -> None:
    recording, opened = run_counted(workload(fault, after=after))
    assert (recording.problems, recording.steps_run) == ((), 5)
    assert (dict(recording.faults_fired), opened) == ({fault: 1}, openings)
    (end,) = recording.history[-1].knowledge.possible
    assert (end.last_index, end.state) == (2, PersistentState(2, "node-a"))
    assert explore(recording, POSIX).findings == ()


def test_a_success_that_nothing_stands_behind_shows_only_where_the_process_goes_on() -> None:
    fault, store = "write state.json.tmp #2: fail ENOSPC", store_of(_TakesFailureForSuccess)
    assert record(workload(fault, after=REOPEN), store).problems == ()
    found, *metrics = record(workload(fault), store).problems
    assert (found.step, found.problem.invariant, found.problem.kind) == (1, "O1", "term went back")
    assert {each.problem.invariant for each in metrics} == {"O17"}


def test_a_second_refusal_needs_a_reason() -> None:
    fault, store = "write state.json.tmp #2: fail ENOSPC", store_of(_RefusesForNoReason)
    found, *_ = record(workload(fault), store).problems
    assert (found.step, found.problem.invariant) == (1, "O8")
    assert found.problem.kind == (
        "SaveState refused a second time, after a fault: SnapshotOutOfDateError"
    )


@pytest.mark.idle_faults  # a sweep ends with the first fault that strikes nothing
def test_the_fault_sweep_goes_on_too() -> None:
    faults = [parse_fault("any: fail ENOSPC")]
    assert sweep_operations(workload(), BUILTIN, faults).problems == ()
    found = sweep_operations(workload(), store_of(_TakesFailureForSuccess), faults).problems
    assert any("O1: expected term 2" in each.problem for each in found)


@pytest.mark.parametrize("name", ["full-disk", "failing-disk"])
def test_every_fault_of_the_scenarios_strikes_once(name: str) -> None:
    recording = record(SCENARIOS[name].workload(0), BUILTIN)
    assert set(recording.faults_fired.values()) == {1}
    assert len(recording.faults_fired) == len(SCENARIOS[name].faults) >= 6
