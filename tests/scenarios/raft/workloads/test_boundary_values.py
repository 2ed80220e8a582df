"""Values at their boundaries: where frames end, and what a store takes or refuses."""

from collections.abc import Callable

import pytest

from wavetank.engine import (
    EmptyEntriesError,
    FileStorageOptions,
    IndexOutOfRangeError,
    LogEntry,
    NonContiguousEntriesError,
    OutOfOrderEntriesError,
    PersistentState,
    SnapshotMetadata,
    SnapshotMismatchError,
    Storage,
    StorageError,
)
from wavetank.scenarios import (
    BUILTIN,
    EMPTY,
    SCENARIOS,
    STORE_DIRECTORY,
    Append,
    Limits,
    ModelState,
    SaveSnapshot,
    SaveState,
    Site,
    explore,
    record,
)
from wavetank.scenarios.raft.workloads.actions import new_work
from wavetank.scenarios.raft.workloads.boundary_values import (
    COMMAND_SIZES,
    DEEP_DIRECTORY,
    INDICES,
    LARGEST,
    NAMES,
    TERMS,
    TOO_LARGE,
    LogFill,
    command_size_to_end_at,
)
from wavetank.sim import (
    BLOCK_SIZE,
    POSIX,
    SECTOR_SIZE,
    SEQUENTIAL,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)

CHUNK_BYTES = SCENARIOS["boundary-commands"].workload(0).options.chunk_size


def open_store(disk: SimDisk, directory: str = STORE_DIRECTORY) -> Storage:
    options = FileStorageOptions(retained_log_size=0)
    site = Site(
        fs=SimFileSystem(disk), runtime=SerialRuntime(), directory=directory, options=options
    )
    return BUILTIN.open(site)


def log_size(disk: SimDisk) -> int:
    return SimFileSystem(disk).stat(f"{STORE_DIRECTORY}/log.dat").size


@pytest.mark.parametrize("unit", [SECTOR_SIZE, CHUNK_BYTES, BLOCK_SIZE])
@pytest.mark.parametrize("past", [-1, 0, 1])
def test_a_frame_ends_where_it_is_asked_to(unit: int, past: int) -> None:
    disk = SimDisk()
    store = open_store(disk)
    fill = LogFill()
    assert fill.end == log_size(disk)
    store.append_log_entries([LogEntry(1, 1, bytes(fill.to_end_at(unit, past=past)))])
    store.close()
    assert (log_size(disk) - past) % unit == 0
    assert log_size(disk) == fill.end


def test_other_commands_of_a_batch_count() -> None:
    size = command_size_to_end_at(0, SECTOR_SIZE, others=(7, 0))
    fill = LogFill()
    start = fill.end
    fill.add(size, 7, 0)
    assert (fill.end - start) % SECTOR_SIZE == 0


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("size", [0, 1])
def test_every_term_comes_back_with_its_entry_and_vote(term: int, size: int) -> None:
    disk = SimDisk()
    store = open_store(disk, DEEP_DIRECTORY)
    batch = [LogEntry(1, 0, b""), LogEntry(2, term, bytes(size))]
    store.append_log_entries(batch)
    store.save_state(PersistentState(term, "node"))
    store = open_store(disk.process_kill(), DEEP_DIRECTORY)
    assert store.get_log_entries(1, 3) == batch
    assert (store.last_log_term, store.load_state()) == (term, PersistentState(term, "node"))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_comes_back(name: str) -> None:
    disk = SimDisk()
    open_store(disk).save_state(PersistentState(1, name))
    assert open_store(disk.process_kill()).load_state() == PersistentState(1, name)


@pytest.mark.parametrize("number", TOO_LARGE)
def test_a_number_beyond_64_bits_makes_no_value(number: int) -> None:
    for make in (
        lambda: LogEntry(number, 1, b""),
        lambda: LogEntry(1, number, b""),
        lambda: PersistentState(number),
        lambda: SnapshotMetadata(number, 1),
        lambda: SnapshotMetadata(1, number),
    ):
        with pytest.raises(ValueError, match=f"got {number}"):
            make()


def test_what_is_refused_is_refused_before_anything_is_touched() -> None:
    disk = SimDisk()
    store = open_store(disk)
    store.append_log_entries([LogEntry(1, 2**63, b"")])
    store.save_snapshot(SnapshotMetadata(1, 2**63), b"")
    # Background compaction has run once this has returned.
    store.truncate_log_prefix(2)
    before = len(disk.log)
    refused: tuple[tuple[type[Exception], Callable[[], None]], ...] = (
        (ValueError, lambda: store.save_state(PersistentState(1, "n" * 2**20))),
        (OutOfOrderEntriesError, lambda: store.append_log_entries([LogEntry(2, 2**63 - 1, b"")])),
        (
            NonContiguousEntriesError,
            lambda: store.append_log_entries([LogEntry(9, 2**63, b"")]),
        ),
        (EmptyEntriesError, lambda: store.append_log_entries([])),
        (IndexOutOfRangeError, lambda: store.truncate_log_suffix(LARGEST + 1)),
        (StorageError, lambda: store.truncate_log_prefix(LARGEST + 1)),
        (ValueError, lambda: store.save_snapshot(SnapshotMetadata(0, 0), b"")),
        (SnapshotMismatchError, lambda: store.save_snapshot(SnapshotMetadata(1, 1), b"")),
    )
    for error, act in refused:
        with pytest.raises(error):
            act()
    assert len(disk.log) == before


def test_new_work_leaves_out_what_has_no_next_number() -> None:
    def kinds(shown: ModelState) -> list[type]:
        return [type(step) for step in new_work(shown, b"", has_votes=True)]

    largest = PersistentState(LARGEST, "node")
    assert kinds(EMPTY) == [Append, SaveState]
    assert kinds(ModelState(state=largest)) == [Append]
    assert kinds(ModelState(state=PersistentState(LARGEST))) == [Append, SaveState]
    assert kinds(ModelState(base_index=LARGEST)) == [SaveState]
    (step,) = new_work(ModelState(state=largest), b"x", has_votes=True)
    assert step == Append((LogEntry(1, LARGEST, b"x"),))


def test_the_scenarios_take_the_boundaries_that_they_promise() -> None:
    def steps(name: str) -> list[object]:
        return list(SCENARIOS[name].workload(0).steps)

    batches = [each.entries for each in steps("large-batches") if isinstance(each, Append)]
    assert {len(entry.command) for batch in batches for entry in batch} >= set(COMMAND_SIZES)
    assert max(map(len, batches)) == 2049
    states = [each.state for each in steps("boundary-state") if isinstance(each, SaveState)]
    assert {state.current_term for state in states} == set(TERMS[1:])
    assert {state.voted_for for state in states} == set(NAMES)
    far = [each for each in steps("far-indices") if isinstance(each, SaveSnapshot)]
    assert [each.metadata.last_included_index for each in far] == [*INDICES, LARGEST]
    sizes = [len(e.data) for e in steps("boundary-snapshots") if isinstance(e, SaveSnapshot)]
    assert sizes == [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES]


def test_crashes_are_explored_from_the_step_on_that_a_workload_names() -> None:
    recording = record(SCENARIOS["far-indices"].workload(0), BUILTIN)
    first = recording.workload.crashes_from
    assert first > 0
    whole = explore(recording, SEQUENTIAL)
    late = explore(recording, SEQUENTIAL, limits=Limits(from_step=first))
    assert (whole.findings, late.findings, late.complete) == ((), (), True)
    assert 0 < late.crash_points < whole.crash_points
    positions = range(len(recording.log) + 1)
    assert sum(recording.interval_at(each).step >= first for each in positions) >= late.crash_points


@pytest.mark.minutes
@pytest.mark.parametrize("name", [name for name in SCENARIOS if SCENARIOS[name].unusual])
def test_every_image_of_a_boundary_scenario_is_judged(name: str) -> None:
    recording = record(SCENARIOS[name].workload(0), BUILTIN)
    limits = Limits(from_step=recording.workload.crashes_from)
    found = explore(recording, POSIX, limits=limits)
    assert (found.findings, found.complete) == ((), True)
