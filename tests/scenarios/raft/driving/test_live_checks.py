"""What is held of a running store beside its answers: descriptors, metrics, verify and dump."""

import pytest
from attrs import evolve

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    OpenFlag,
    PersistentState,
    Storage,
    StorageConfig,
    StorageError,
    StorageFeatureFlags,
)
from wavetank.faults import fault_plan
from wavetank.scenarios import (
    BUILTIN,
    EMPTY,
    SCENARIOS,
    STORE_DIRECTORY,
    Append,
    OpenStore,
    Site,
    Workload,
    record,
)
from wavetank.scenarios.raft.driving.live_checks import (
    MeteredStore,
    descriptor_problems,
    metered,
    metrics_problems,
    report_problems,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

FEW_STEPS = Workload(
    name="few-steps",
    seed=0,
    steps=(OpenStore(), Append((LogEntry(1, 1, b"x"),))),
    options=FileStorageOptions(),
)


def open_engine(disk: SimDisk, options: FileStorageOptions | None = None) -> FileStorage:
    return FileStorage(
        StorageConfig(directory=STORE_DIRECTORY),
        options or FileStorageOptions(),
        fs=SimFileSystem(disk),
        runtime=SerialRuntime(),
    )


def test_the_account_of_calls_is_that_of_the_metrics() -> None:
    store = metered(open_engine(SimDisk()), SerialRuntime())
    store.append_log_entries([LogEntry(1, 1, b"abc"), LogEntry(2, 1, b"")])
    store.save_state(PersistentState(2, "node-a"))
    for refused in (
        lambda: store.append_log_entries([LogEntry(9, 1, b"")]),
        lambda: store.get_log_entry(9),
        store.load_snapshot,
        lambda: store.save_state(PersistentState(1)),
    ):
        with pytest.raises(StorageError):
            refused()
    store.get_log_entries(1, 3)
    store.truncate_log_suffix(2)
    store.truncate_log_prefix(1)
    assert isinstance(store, MeteredStore)
    assert dict(store.account.counts) == {
        "append_ops": 2,
        "append_bytes": 3,
        "append_errors": 1,
        "read_ops": 2,
        "read_errors": 1,
        "read_entries": 2,
        "read_bytes": 3,
        "state_ops": 2,
        "state_errors": 1,
        "snapshot_load_ops": 1,
        "snapshot_errors": 1,
        "truncate_suffix_ops": 1,
        "truncate_prefix_ops": 1,
    }
    assert list(metrics_problems(store)) == []
    store.inner.reset_metrics()
    assert [each.kind for each in metrics_problems(store)][:2] == [
        "append_ops is wrong",
        "append_bytes is wrong",
    ]


def test_a_store_without_metrics_or_of_other_people_is_not_asked() -> None:
    flags = StorageFeatureFlags(metrics=False)
    silent = open_engine(SimDisk(), FileStorageOptions(features=flags))
    assert metered(silent, SerialRuntime()) is silent
    assert list(metrics_problems(silent)) == []


def test_a_dump_that_shows_something_else_is_told() -> None:
    disk = SimDisk()
    store = metered(open_engine(disk), SerialRuntime())
    fs = SimFileSystem(disk)
    assert list(report_problems(store, EMPTY, fs, STORE_DIRECTORY)) == []
    store.save_state(PersistentState(1, "node-a"))
    store.append_log_entries([LogEntry(1, 1, b"")])
    shown = evolve(EMPTY, entries=(LogEntry(1, 1, b""),), state=PersistentState(1, "node-a"))
    assert list(report_problems(store, shown, fs, STORE_DIRECTORY)) == []
    kinds = [each.kind for each in report_problems(store, EMPTY, fs, STORE_DIRECTORY)]
    assert kinds == ["dump shows another state"] * 2 + ["dump shows another log"]
    log = fs.open(f"{STORE_DIRECTORY}/log.dat", OpenFlag.WRITE)
    log.pwrite(b"?", 60)
    kinds = [each.kind for each in report_problems(store, shown, fs, STORE_DIRECTORY)]
    assert kinds[0] == "verify finds damage"
    assert "dump shows damage" in kinds


def test_descriptors_and_locks_are_told_by_name() -> None:
    disk = SimDisk()
    store = open_engine(disk)
    (left,) = descriptor_problems(disk, "after a close")
    assert (left.invariant, left.kind) == ("O16", "descriptors left after a close")
    assert left.summary == (
        "after a close, /store/LOCK is still open and /store/log.dat is still open "
        "and a lock is still held"
    )
    store.close()
    assert descriptor_problems(disk, "after a close") == ()
    assert disk.process_kill().open_paths == ()


def test_an_open_that_fails_and_keeps_its_lock_is_told() -> None:
    def open_store(site: Site) -> Storage:
        site.fs.open("/lock", OpenFlag.WRITE | OpenFlag.CREATE)
        return BUILTIN.open(site)

    keeps = evolve(BUILTIN, name="keeps", factory=open_store)
    workload = evolve(FEW_STEPS, faults=fault_plan(["write state.json.tmp: fail ENOSPC"]))
    kinds = [each.problem.kind for each in record(workload, keeps).problems]
    assert kinds == ["descriptors left after a failed open", "descriptors left after a close"]
    assert record(workload, BUILTIN).problems == ()


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_end_of_a_run_is_looked_at_and_leaves_no_trace_in_its_log(name: str) -> None:
    recording = record(SCENARIOS[name].workload(0), BUILTIN)
    assert recording.problems == ()
    assert recording.history[-1].position <= len(recording.log)
    assert not recording.history[-1].knowledge.closed
