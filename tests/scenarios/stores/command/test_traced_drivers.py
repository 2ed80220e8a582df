"""Traced drivers: what they do in a real directory is done to the simulated disk."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve
from compiled_drivers import journal, needs_gcc, needs_strace, python_driver

from wavetank.engine import FileStorageOptions, LogEntry, Storage
from wavetank.scenarios import (
    SCENARIOS,
    Site,
    StoreAdapter,
    Workload,
    explain,
    explore,
    find_store,
    on_simulated_disk,
    record,
)
from wavetank.scenarios.conformance import BackendError
from wavetank.scenarios.stores.command import DriverEndedError, command_store
from wavetank.sim import (
    POSIX,
    PROCESS_KILL,
    Data,
    Dirent,
    DiskImage,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
    Size,
    Sync,
)

pytestmark = needs_strace

READY = "print('ready 1', flush=True)\n"


def opened(store: StoreAdapter, disk: SimDisk) -> Storage:
    return store.open(
        Site(
            fs=SimFileSystem(disk),
            runtime=SerialRuntime(),
            directory="/store",
            options=FileStorageOptions(),
        )
    )


def start_of(workload: Workload, steps: int) -> Workload:
    return evolve(workload, steps=workload.steps[:steps])


def told(disk: SimDisk, start: int = 0) -> list[str]:
    """Return the op log in words."""
    words = []
    for each in list(disk.log)[start:]:
        match each:
            case Dirent():
                words.append(f"name {each.path}")
            case Data():
                words.append(f"data {each.path}")
            case Size():
                words.append(f"size {each.size}")
            case Sync():
                words.append(f"{each.kind.value} {each.path}")
    return words


@needs_gcc
def test_each_answer_leaves_the_op_log_as_it_was_when_the_driver_wrote_it() -> None:
    disk = SimDisk()
    with on_simulated_disk(find_store(f"command:{journal()} {{dir}}")) as adapter:
        store = opened(adapter, disk)
        assert told(disk) == [
            "name /store",
            "fsync_dir /",
            "name /store/journal",
            "fsync /store/journal",
            "fsync_dir /store",
        ]
        before = len(disk.log)
        store.append_log_entries([LogEntry(1, 1, b"x")])
        assert told(disk, before) == [
            "data /store/journal",
            "size 23",
            "fdatasync /store/journal",
        ]
        before = len(disk.log)
        assert store.last_log_index == 1
        store.close()
        assert told(disk, before) == []
    assert SimFileSystem(disk).stat("/store/journal").size == 23


@needs_gcc
def test_a_crash_image_is_laid_out_for_the_next_driver() -> None:
    with on_simulated_disk(find_store(f"command:{journal()} {{dir}}")) as adapter:
        disk = SimDisk()
        first = opened(adapter, disk)
        first.append_log_entries([LogEntry(1, 1, b"x")])
        with_more = disk.process_kill()
        second = opened(adapter, with_more)
        second.append_log_entries([LogEntry(2, 1, b"y")])
        third = opened(adapter, disk.process_kill())
        assert (third.last_log_index, third.get_log_entry(1)) == (1, LogEntry(1, 1, b"x"))
        assert opened(adapter, SimDisk(DiskImage.empty())).last_log_index == 0
        with pytest.raises(DriverEndedError, match="expected a driver that runs but it is gone"):
            second.load_state()


@pytest.mark.slow
@needs_gcc
def test_a_right_driver_has_no_findings_and_every_run_is_the_same() -> None:
    store = find_store(f"command:{journal()} {{dir}}")
    workload = start_of(SCENARIOS["leader-steady"].workload(seed=0), 8)
    one, other = record(workload, store), record(workload, store)
    assert one.problems == ()
    assert list(one.log) == list(other.log)
    for profile in (PROCESS_KILL, POSIX):
        assert explore(one, profile).findings == ()


@needs_gcc
@pytest.mark.parametrize(
    ("forgotten", "cure"),
    [
        ("forget-directory", "a sync of the directory /store right after the name /store/journal"),
        ("forget-file", "a sync of the file /store/journal right after size"),
    ],
)
def test_a_forgotten_sync_is_found_and_its_cure_named(forgotten: str, cure: str) -> None:
    store = find_store(f"command:{journal()} {{dir}} {forgotten}")
    recording = record(start_of(SCENARIOS["leader-steady"].workload(seed=0), 4), store)
    assert recording.problems == ()
    findings = explore(recording, POSIX).findings
    assert {finding.problem.invariant for finding in findings} >= {"O1"}
    story = explain(recording, POSIX, findings[0])
    assert story.cure is not None
    assert str(story.cure).startswith(cure)


@needs_gcc
def test_a_killed_driver_is_reaped() -> None:
    """A container may have nobody who reaps orphans, and only so many process numbers."""
    with on_simulated_disk(find_store(f"command:{journal()} {{dir}}")) as adapter:
        before = _defunct()
        for _ in range(5):
            opened(adapter, SimDisk())
    assert _defunct() - before == set()


def _defunct() -> set[str]:
    """Return the numbers of the drivers that have ended and are still there."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = status.read_text().partition("(")[2].rpartition(")")
            if (name, rest.split()[0]) == ("journal", "Z"):
                found.add(status.parent.name)
    return found


def test_a_shared_mapping_is_refused(tmp_path: Path) -> None:
    code = (
        "import mmap, os, sys\n"
        "file = os.open(sys.argv[1] + '/log', os.O_RDWR | os.O_CREAT)\n"
        "os.ftruncate(file, 4096)\n"
        "mapping = mmap.mmap(file, 4096)\n"
        f"{READY}input()\nprint('ok', flush=True)"
    )
    store = command_store(python_driver(tmp_path / "driver.py", code))
    with on_simulated_disk(store) as adapter, pytest.raises(BackendError, match="mmap"):
        opened(adapter, SimDisk())


def test_what_the_trace_does_not_explain_is_refused_at_the_close(tmp_path: Path) -> None:
    """Another process, which is not traced, writes into the directory."""
    told_place = tmp_path / "place"
    code = (
        f"import sys\nopen({str(told_place)!r}, 'w').write(sys.argv[1])\n"
        f"{READY}input()\nprint('ok', flush=True)"
    )
    store = command_store(python_driver(tmp_path / "driver.py", code))
    with on_simulated_disk(store) as adapter:
        opening = opened(adapter, SimDisk())
        (Path(told_place.read_text()) / "foreign").write_text("x")
        with pytest.raises(BackendError, match="the trace does not lead to the directory as it is"):
            opening.close()


def test_a_driver_that_starts_another_program_is_seen_as_a_whole(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.run(['sh', '-c', f'echo x > {sys.argv[1]}/made'], check=True)\n"
        f"{READY}input()\nprint('ok', flush=True)"
    )
    script = tmp_path / "driver.py"
    script.write_text(code)
    store = command_store(f"{sys.executable} -E {script} {{dir}}")
    disk = SimDisk()
    with on_simulated_disk(store) as adapter:
        opened(adapter, disk).close()
    file = SimFileSystem(disk).stat("/store/made")
    assert file.size == 2
