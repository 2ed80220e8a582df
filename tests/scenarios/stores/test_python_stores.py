"""Stores of plain Python run on the simulated disk, whoever drives them, or are refused."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from plain_stores import (
    PLAIN,
    PLAIN_STORE,
    PLAIN_WITHOUT_DIRECTORY_SYNC,
    PlainStore,
    in_place,
)

from wavetank.engine import FileStorageOptions, LogEntry
from wavetank.faults import parse_fault, parse_plan
from wavetank.scenarios import (
    Append,
    Limits,
    OpenStore,
    PlainStoreError,
    Reopen,
    RunPlan,
    Site,
    StoreLife,
    TruncateSuffix,
    Workload,
    explain,
    explore,
    judge_crash,
    on_simulated_disk,
    record,
    run,
    sweep_operations,
)
from wavetank.scenarios.conformance import Capability
from wavetank.scenarios.machines import BrokenPromiseError, RaftStoreMachine
from wavetank.sim import POSIX, SEQUENTIAL, SerialRuntime, SimDisk, SimFileSystem

REAL = Path("/store")
"""Where a store lives on the simulated disk, and must not come to be."""

OPTIONS = FileStorageOptions(compaction_requires_snapshot=False, auto_truncate_on_snapshot=False)
BATCH = (LogEntry(1, 1, b"one"), LogEntry(2, 1, b"two"))
FEW_STEPS = Workload(
    name="few",
    seed=0,
    steps=(OpenStore(), Append(BATCH), TruncateSuffix(2), Reopen(), Append(BATCH[1:])),
    options=OPTIONS,
    has_votes=False,
)


class NotingStore(PlainStore):
    """Notes in the background that its log has grown."""

    capabilities = PLAIN

    def __init__(self, site: Site) -> None:
        super().__init__(site.directory)
        self._spawn = site.runtime.spawn

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        super().append_log_entries(entries)
        self._spawn("note", self._note)

    def _note(self) -> None:
        Path(self.directory, "grown").write_bytes(b"yes")


@pytest.mark.slow
def test_a_plain_store_and_what_it_spawns_are_recorded_on_the_simulated_disk() -> None:
    recording = record(FEW_STEPS, NotingStore)
    assert recording.problems == ()
    assert recording.steps_run == len(FEW_STEPS.steps)
    paths = {getattr(entry, "path", "") for entry in recording.log}
    assert paths >= {"/store/log.jsonl", "/store/grown"}
    assert not REAL.exists()


class ReadingStore(PlainStore):
    """Reads the last term from its directory each time that it is asked."""

    capabilities = PLAIN

    def __init__(self, site: Site) -> None:
        super().__init__(site.directory)

    @property
    def last_log_term(self) -> int:
        assert Path(self.directory).is_dir(), "asked outside the simulation"
        last = self.last_log_index
        return self.get_log_entries(last, last + 1)[0].term if last >= self.first_log_index else 0


@pytest.mark.slow
def test_a_property_that_reads_files_finds_those_of_the_simulated_disk() -> None:
    recording = record(FEW_STEPS, ReadingStore)
    assert (recording.problems, recording.steps_run) == ((), len(FEW_STEPS.steps))


@pytest.mark.slow
def test_a_finding_on_a_plain_store_is_found_told_and_judged_again() -> None:
    recording = record(FEW_STEPS, PLAIN_WITHOUT_DIRECTORY_SYNC)
    sweep = explore(recording, SEQUENTIAL)
    assert {finding.problem.invariant for finding in sweep.findings} >= {"O2", "O8"}
    finding = next(each for each in sweep.findings if each.problem.invariant == "O2")
    assert explain(recording, SEQUENTIAL, finding).lost
    kinds = {each.kind for each in judge_crash(recording, SEQUENTIAL, finding.crash)}
    assert finding.problem.kind in kinds
    assert not REAL.exists()


@pytest.mark.slow
def test_no_cure_lies_inside_one_write_or_right_before_the_crash() -> None:
    other = LogEntry(2, 2, b"TWO")
    workload = evolve(FEW_STEPS, steps=(*FEW_STEPS.steps[:3], Append((other,))))
    with on_simulated_disk(evolve(PLAIN_STORE, factory=in_place)) as store:
        recording = record(workload, store)
        findings = explore(recording, POSIX).findings
        back = next(each for each in findings if each.problem.kind == "removed entry returned")
        story = explain(recording, POSIX, back)
    # The removed line stands where the write of the new one, one call, did not arrive.
    assert len(story.lost) == 1
    assert story.lost[0].startswith("step 3: bytes ")
    assert story.cure == ""


def test_whoever_drives_a_plain_store_keeps_the_real_machine(tmp_path: Path) -> None:
    note = tmp_path / "progress"
    seen: list[float] = []

    def tell(judged: int) -> None:
        note.write_text(str(judged), encoding="ascii")
        seen.append(time.time())

    began = time.time()
    with on_simulated_disk(PLAIN_STORE) as store:
        limits = Limits(max_images=50, depth=1)
        explore(record(FEW_STEPS, store), POSIX, limits=limits, on_progress=tell)
        assert note.read_text(encoding="ascii") == "50"
    # The clock of a simulated process is not that of the machine.
    assert began <= seen[0] <= time.time()


def test_outside_the_simulation_a_plain_store_is_refused_before_anything_is_touched() -> None:
    message = "its `open` and `os` would reach the real /store; open it inside `with on_simulated"
    with pytest.raises(PlainStoreError, match=message):
        StoreLife(PLAIN_STORE, OPTIONS, POSIX)
    site = Site(
        fs=SimFileSystem(SimDisk()), runtime=SerialRuntime(), directory="/store", options=OPTIONS
    )
    with pytest.raises(PlainStoreError, match=message):
        PLAIN_STORE.open(site)
    assert not REAL.exists()


@pytest.mark.slow
def test_in_a_real_directory_a_plain_store_is_a_store_like_any_other(tmp_path: Path) -> None:
    site = Site(
        fs=SimFileSystem(SimDisk()),
        runtime=SerialRuntime(),
        directory=str(tmp_path / "log"),
        options=OPTIONS,
    )
    with on_simulated_disk(PLAIN_STORE) as store:
        store.open(site).append_log_entries(BATCH)
    assert [each.name for each in Path(site.directory).iterdir()] == ["log.jsonl"]


def test_operations_of_a_plain_store_cannot_be_made_to_fail() -> None:
    message = "faults strike what goes through that"
    faulty = evolve(FEW_STEPS, faults=parse_plan("fsync: fail EIO"))
    with pytest.raises(PlainStoreError, match=message):
        record(faulty, PLAIN_STORE)
    with pytest.raises(PlainStoreError, match=message):
        sweep_operations(FEW_STEPS, PLAIN_STORE, [parse_fault("write: fail EIO")])
    with pytest.raises(PlainStoreError, match=message):
        run(
            RunPlan(
                scenarios=("mixed",),
                seeds=(0,),
                profiles=("posix",),
                backend="plain_stores:PLAIN_STORE",
                faults=("fsync: lie",),
            )
        )
    assert not REAL.exists()


@pytest.mark.slow
def test_a_process_ends_when_a_store_is_opened_on_another_disk() -> None:
    def site() -> Site:
        fs = SimFileSystem(SimDisk())
        return Site(fs=fs, runtime=SerialRuntime(), directory="/store", options=OPTIONS)

    with on_simulated_disk(PLAIN_STORE) as store:
        first = store.open(site())
        first.append_log_entries(BATCH)
        second = store.open(site())
        assert second.last_log_index == 0
        with pytest.raises(Exception, match="whose process runs but it was killed"):
            first.append_log_entries(BATCH)


def machine_runs(store: object, examples: int) -> None:
    machine = type("Machine", (RaftStoreMachine,), {"backend": store, "profiles": (SEQUENTIAL,)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=8,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.minutes
def test_a_machine_drives_a_plain_store_and_finds_its_bug() -> None:
    machine_runs(PLAIN_STORE, 1)
    with pytest.raises(BrokenPromiseError):
        machine_runs(PLAIN_WITHOUT_DIRECTORY_SYNC, 20)
    assert not REAL.exists()


def test_a_store_on_site_fs_is_given_back_as_it_is() -> None:
    declared = evolve(PLAIN_STORE, capabilities=[Capability.SITE_FILESYSTEM])
    with on_simulated_disk(declared, faults=True) as store:
        assert store is declared
