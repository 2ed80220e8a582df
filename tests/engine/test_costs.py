"""What one operation of the engine costs, counted: system calls, micro-ops, memory.

Counts do not depend on the machine's load, so each is held to the value that was seen, or to a
small margin above it. Python calls are counted in test_call_counts.py; what an image of a crash
costs, in tests/scenarios/exploration/test_costs.py.
"""

import gc
import shutil
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem, Sync

UNSYNCED: Final = FileStorageOptions(sync_on_append=False)
APPENDER: Final = """
import os, sys
from wavetank.engine import FileStorage, LogEntry, StorageConfig

with FileStorage(StorageConfig(directory=sys.argv[1])) as store:
    store.append_log_entries([LogEntry(1, 1, b"first")])
    batches = [[LogEntry(index, 1, b"c" * 128)] for index in range(2, 102)]
    os.access("begin", os.F_OK)
    for batch in batches:
        store.append_log_entries(batch)
    os.access("end", os.F_OK)
"""


def entries(first: int, last: int) -> list[LogEntry]:
    return [LogEntry(index, 1, b"c" * 128) for index in range(first, last + 1)]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_an_append_takes_three_system_calls(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-o", trace, sys.executable, "-c", APPENDER, tmp_path / "store"],
        check=True,
        capture_output=True,
    )
    lines = trace.read_text().splitlines()
    begin, end = (
        number for number, line in enumerate(lines) if '"begin"' in line or '"end"' in line
    )
    calls = Counter(line.split()[1].partition("(")[0] for line in lines[begin + 1 : end])
    # One in all of them reserves space ahead: of a kind that is not named here.
    assert (calls.pop("pwrite64"), calls.pop("fdatasync"), calls.pop("getpid")) == (100, 100, 100)
    assert calls.total() <= 4, calls


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk()


def costs_of(disk: SimDisk, operation: Callable[[], object]) -> tuple[int, int]:
    """Return how many micro-ops and how many syncs an operation takes."""
    before = len(disk.log)
    operation()
    records = disk.log.since(before)
    syncs = sum(isinstance(each, Sync) for each in records)
    return len(records) - syncs, syncs


def test_each_operation_takes_so_many_micro_ops_and_syncs(disk: SimDisk) -> None:
    opened: list[FileStorage] = []

    def reopen() -> None:
        fs = SimFileSystem(disk)
        runtime = SerialRuntime(0)
        opened.append(FileStorage(StorageConfig(directory="/store"), fs=fs, runtime=runtime))

    vote = PersistentState(current_term=1, voted_for="node-a")
    metadata = SnapshotMetadata(last_included_index=20, last_included_term=1)
    operations: dict[str, Callable[[], object]] = {
        "make": reopen,
        "append one": lambda: opened[0].append_log_entries(entries(1, 1)),
        "append hundred": lambda: opened[0].append_log_entries(entries(2, 101)),
        "save state": lambda: opened[0].save_state(vote),
        "truncate suffix": lambda: opened[0].truncate_log_suffix(51),
        "save snapshot": lambda: opened[0].save_snapshot(metadata, b"snapshot"),
        "read": lambda: opened[0].get_log_entries(21, 51),
        "close": lambda: opened.pop().close(),
        "open": reopen,
    }
    assert {name: costs_of(disk, operation) for name, operation in operations.items()} == {
        "make": (23, 8),
        "append one": (2, 1),
        # Four blocks of data, and the sizes that publish them.
        "append hundred": (8, 1),
        "save state": (12, 3),
        "truncate suffix": (2, 1),
        "save snapshot": (12, 4),
        "read": (0, 0),
        "close": (7, 2),
        "open": (1, 1),
    }


def test_an_append_of_128_bytes_takes_at_most_1024_bytes_of_memory_for_a_while(
    tmp_path: Path,
) -> None:
    with FileStorage(StorageConfig(directory=tmp_path / "store"), UNSYNCED) as store:
        batches = [[entry] for entry in entries(1, 300)]
        for batch in batches[:100]:
            store.append_log_entries(batch)
        peaks = []
        tracemalloc.start()
        try:
            for batch in batches[100:]:
                before, _ = tracemalloc.get_traced_memory()
                tracemalloc.reset_peak()
                store.append_log_entries(batch)
                peaks.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
    assert 128 < median(peaks) <= 1024


def test_an_append_leaves_no_object_behind(tmp_path: Path) -> None:
    with FileStorage(StorageConfig(directory=tmp_path / "store"), UNSYNCED) as store:
        batches = [[entry] for entry in entries(1, 4200)]
        for batch in batches[:200]:
            store.append_log_entries(batch)
        gc.collect()
        before = sys.getallocatedblocks()
        for batch in batches[200:]:
            store.append_log_entries(batch)
        gc.collect()
        # A few, for tables that grow now and then; one for each append would be 4,000.
        assert sys.getallocatedblocks() - before <= 400
