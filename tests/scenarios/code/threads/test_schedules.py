"""Crash tests of workloads with threads: schedules, their findings, and the fewest departures."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wavetank.scenarios import CrashFinding, InterleavingFinding, WorkloadError, crash_test
from wavetank.scenarios.code.user_code import Acknowledge
from wavetank.sim.python_files import SimulatedDirectory
from wavetank.sim.scheduling.schedule import ScheduleError

PROFILES = ["posix"]


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


class Journal:
    """Appends records; one sync serves all that wait for it."""

    def __init__(self, directory: SimulatedDirectory, *, right: bool) -> None:
        self.path = directory / "journal"
        self.file = self.path.open("ab", buffering=0)
        sync(self.path.parent)
        self.right = right
        self.is_syncing = False

    def append(self, record: bytes) -> None:
        self.file.write(record)
        if self.right or not self.is_syncing:
            self.is_syncing = True
            os.fsync(self.file.fileno())
            self.is_syncing = False
        # Else another writer syncs; but its sync may not have come yet.


def workload(*, right: bool) -> Callable[[SimulatedDirectory, Acknowledge], None]:
    def run(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        journal = Journal(directory, right=right)

        def write(record: bytes) -> None:
            journal.append(record)
            ack(record)

        threads = [threading.Thread(target=write, args=(each,)) for each in (b"a", b"b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
    path = directory / "journal"
    content = path.read_bytes() if path.exists() else b""
    lost = [each for each in acked if each not in (content[:1], content[1:2])]
    return f"lost {lost}" if lost else None


@pytest.mark.slow
def test_a_finding_of_a_schedule_names_it_and_comes_again() -> None:
    assert crash_test(workload(right=False), check, profiles=PROFILES).outcome == "pass"
    with pytest.raises(CrashFinding) as caught:
        crash_test(workload(right=False), check, profiles=PROFILES, schedules=30)
    report = caught.value.report
    finding = report.findings[0]
    assert report.schedules == 30
    assert 1 < report.distinct < 30
    assert 1 <= len(finding.departures) <= 5
    assert "in append" in " ".join(finding.departures)
    assert f"  schedule {finding.schedule}" in str(caught.value)
    with pytest.raises(CrashFinding) as again:
        crash_test(workload(right=False), check, profiles=PROFILES, schedule=finding.schedule)
    assert again.value.report.findings[0] == finding


def test_the_right_twin_passes_under_all_schedules() -> None:
    report = crash_test(workload(right=True), check, profiles=PROFILES, schedules=30)
    assert (report.outcome, report.schedules) == ("pass", 30)
    assert report.distinct > 1


def racing(directory: SimulatedDirectory, ack: Acknowledge) -> None:
    path = directory / "count"
    path.write_text("0")

    def increment() -> None:
        number = int(path.read_text() or "0")
        path.write_text(str(number + 1))

    threads = [threading.Thread(target=increment) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sync(path)
    sync(path.parent)
    ack("two")


def counts(directory: SimulatedDirectory, acked: list[object]) -> str | None:
    path = directory / "count"
    shown = path.read_text() if path.exists() else "nothing"
    return f"{shown} came back" if acked and shown != "2" else None


@pytest.mark.slow
def test_what_is_wrong_without_a_crash_is_the_finding_of_its_schedule() -> None:
    crash_test(racing, counts, profiles=PROFILES)
    with pytest.raises(InterleavingFinding, match="CheckError: ") as caught:
        crash_test(racing, counts, profiles=PROFILES, schedules=20)
    assert 1 <= len(caught.value.places) <= 2
    assert str(caught.value).splitlines()[-1] == (
        f"  again     crash_test(..., schedule={caught.value.schedule!r})"
    )
    with pytest.raises(InterleavingFinding, match="CheckError: "):
        crash_test(racing, counts, profiles=PROFILES, schedule=caught.value.schedule)


def deadlocking(directory: SimulatedDirectory, ack: Acknowledge) -> None:
    left, right = threading.Lock(), threading.Lock()

    def move(first: threading.Lock, second: threading.Lock) -> None:
        with first:
            (directory / "moved").touch()
            with second:
                pass

    threads = [threading.Thread(target=move, args=pair) for pair in ((left, right), (right, left))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ack("moved")


@pytest.mark.slow
def test_a_deadlock_is_the_finding_of_its_schedule() -> None:
    with pytest.raises(InterleavingFinding, match="deadlock") as caught:
        crash_test(deadlocking, profiles=PROFILES, schedules=20)
    assert 1 <= len(caught.value.places) <= 2


@pytest.mark.slow
def test_what_fails_in_the_usual_schedule_is_no_finding() -> None:
    def fails(directory: SimulatedDirectory, _: Acknowledge) -> None:
        (directory / "f").touch()
        raise ValueError("always")

    with pytest.raises(WorkloadError, match="ValueError: always"):
        crash_test(fails, profiles=PROFILES, schedules=5)


@pytest.mark.slow
def test_coroutines_sleep_in_virtual_time() -> None:
    async def write(directory: SimulatedDirectory, _: Acknowledge) -> None:
        import asyncio  # noqa: PLC0415 - as a user would

        async def save(name: str, delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            await asyncio.to_thread((directory / name).mkdir)

        await asyncio.gather(save("late", 5000), save("early", 1000))

    report = crash_test(write, profiles=["process-kill"])
    assert (report.outcome, report.difference) == ("pass", "")


@pytest.mark.slow
def test_threads_are_repeatable_and_daemons_that_write_on_are_cut() -> None:
    def write(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        def log() -> None:
            for number in range(1000):
                (directory / "log").write_text(str(number))
                time.sleep(1)

        threading.Thread(target=log, daemon=True).start()
        time.sleep(2.5)
        ack("done")

    report = crash_test(write, profiles=["process-kill"], raise_on_finding=False)
    assert report.difference == ""


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="schedules: expected a number >= 1 but got 0"):
        crash_test(racing, counts, schedules=0)
    with pytest.raises(ScheduleError, match="expected one of"):
        crash_test(racing, counts, schedule="often")
