"""After a crash there is another process: nothing of the one before is in its memory."""

import functools
import os
import queue
import random
import secrets
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest

from wavetank.scenarios import CheckError, CrashReport, WorkloadError, crash_test
from wavetank.sim.python_files import SimulatedDirectory

Acknowledge = Callable[[object], None]
Workload = Callable[[SimulatedDirectory, Acknowledge], object]
Check = Callable[[SimulatedDirectory, list[object]], object]


def outcomes(workload: Workload, check: Check, **options: Any) -> dict[str, str]:  # noqa: ANN401 - as crash_test
    report = crash_test(
        workload, check, profiles=["process-kill", "lazyfs"], raise_on_finding=False, **options
    )
    return {name: verdict.outcome for name, verdict in report.verdicts.items()}


LOSES = {"process-kill": "pass", "lazyfs": "fail"}
KEEPS = {"process-kill": "pass", "lazyfs": "pass"}


def sync(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def save(directory: SimulatedDirectory, ack: Acknowledge) -> None:
    """Write a file that lazyfs may leave empty."""
    (directory / "settings").write_text("blue")
    ack("settings")


# What a module keeps.

CACHE: dict[str, str] = {}


class Settings:
    cache: str | None = None


@functools.lru_cache
def load(path: str) -> str:
    return Path(path).read_text()


def read_by_dict(path: Path) -> str:
    if str(path) not in CACHE:
        CACHE[str(path)] = path.read_text()
    return CACHE[str(path)]


def read_by_class(path: Path) -> str:
    if Settings.cache is None:
        Settings.cache = path.read_text()
    return Settings.cache


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(read_by_dict, id="dict"),
        pytest.param(read_by_class, id="class", marks=pytest.mark.slow),
        pytest.param(lambda path: load(str(path)), id="lru", marks=pytest.mark.slow),
    ],
)
def test_a_cache_is_empty_after_a_crash(read: Callable[[Path], str]) -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        save(directory, ack)
        read(directory / "settings")

    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        return "gone" if acked and read(directory / "settings") != "blue" else None

    assert outcomes(workload, check) == LOSES
    assert not CACHE, "nothing has run in this process"


@pytest.mark.slow
def test_without_isolation_memory_outlives_the_crash() -> None:
    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        return "gone" if acked and read_by_dict(directory / "settings") != "blue" else None

    try:
        # Even the emptied directory is served from memory.
        with pytest.raises(CheckError, match="expected a complaint about the directory as it was"):
            outcomes(save, check, isolation="none")
    finally:
        CACHE.clear()


# Pools and threads.

POOLS: list[ThreadPoolExecutor] = []


def lazy_pool() -> ThreadPoolExecutor:
    if not POOLS:
        POOLS.append(ThreadPoolExecutor(1))
    return POOLS[0]


@pytest.mark.slow
def test_a_pool_is_made_anew_after_a_crash() -> None:
    def look(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        return "gone" if acked and (directory / "settings").read_text() != "blue" else None

    def look_in_pool(directory: SimulatedDirectory, acked: list[object]) -> object:
        return lazy_pool().submit(look, directory, acked).result()

    assert outcomes(save, look_in_pool) == LOSES
    assert not POOLS


@pytest.fixture
def pool_from_before() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, thread_name_prefix="early") as pool:
        pool.submit(int).result()
        yield pool


@pytest.mark.slow
def test_a_pool_from_before_is_told_and_writes_nothing(
    pool_from_before: ThreadPoolExecutor,
) -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        pool_from_before.submit(save, directory, ack).result()

    with pytest.raises(WorkloadError, match="make the pool inside the workload"):
        outcomes(workload, lambda _d, acked: "gone" if acked else None)
    assert not Path("/simulated").exists()
    assert pool_from_before.submit(int).result() == 0, "the pool itself goes on"


@pytest.mark.slow
def test_a_thread_from_before_that_is_waited_for_is_named() -> None:
    todo: queue.Queue[Callable[[], None] | None] = queue.Queue()

    def serve() -> None:
        while (job := todo.get()) is not None:
            job()

    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        done = threading.Event()

        def job() -> None:
            save(directory, ack)
            done.set()

        todo.put(job)
        done.wait()

    server = threading.Thread(target=serve, name="early server")
    server.start()
    try:
        with pytest.raises(WorkloadError, match=r"it waits for ever; .*early server"):
            outcomes(workload, lambda _d, acked: "gone" if acked else None)
    finally:
        todo.put(None)
        server.join()


@pytest.mark.slow
@pytest.mark.parametrize("ended_by_itself", ["pool", "daemon"])
def test_threads_that_end_with_the_interpreter_are_no_error(ended_by_itself: str) -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        if ended_by_itself == "pool":
            lazy_pool().submit(save, directory, lambda _: None).result()
        else:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            save(directory, lambda _: None)
        ack("settings")

    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        return "gone" if acked and (directory / "settings").read_text() != "blue" else None

    assert outcomes(workload, check) == LOSES


# Chance, time, numbers of processes.


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [
        lambda: uuid.uuid4().hex,
        lambda: secrets.token_hex(8),
        lambda: f"{random.getrandbits(64):x}",
        lambda: f"{time.time_ns():020d}",
        lambda: f"{os.getpid()}",
    ],
    ids=["uuid4", "secrets", "random", "clock", "pid"],
)
def test_another_process_draws_other_names(draw: Callable[[], str]) -> None:
    def add(directory: SimulatedDirectory, value: str) -> None:
        with open(directory / f"{draw()}.{value}", "x") as file:
            file.flush()
            os.fsync(file.fileno())
        sync(directory)

    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        add(directory, "first")
        ack("first")

    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        before = [name.partition(".")[0] for name in os.listdir(directory)]
        if draw() in before:
            return "drawn again"
        return "gone" if len(before) < len(acked) else None

    assert outcomes(workload, check) == KEEPS


def test_the_clock_goes_on_from_the_crash() -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        time.sleep(3600)
        (directory / "time").write_text(str(time.time_ns()))
        sync(directory / "time")
        sync(directory)
        ack("time")

    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        if not acked:
            return None
        return None if int((directory / "time").read_text()) < time.time_ns() else "went back"

    assert outcomes(workload, check) == KEEPS


# Processes that do not end well.


@pytest.mark.slow
def test_a_check_whose_process_ends_is_told() -> None:
    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        if acked and not (directory / "settings").read_text():
            signal.raise_signal(signal.SIGKILL)
        return None if not acked or (directory / "settings").exists() else "gone"

    report = crash_test(save, check, profiles=["lazyfs"], raise_on_finding=False)
    assert [each.sentence for each in report.findings] == [
        "the process of the check was killed by SIGKILL"
    ]


@pytest.mark.slow
def test_a_workload_whose_process_ends_is_told() -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        save(directory, ack)
        signal.raise_signal(signal.SIGKILL)

    with pytest.raises(WorkloadError, match="its process was killed by SIGKILL"):
        outcomes(workload, lambda _d, acked: "gone" if acked else None)


@pytest.mark.slow
def test_a_check_that_waits_for_ever_is_told() -> None:
    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        if acked and not (directory / "settings").read_text():
            never = threading.Event()
            never.wait()
        return None if not acked or (directory / "settings").exists() else "gone"

    report = crash_test(save, check, profiles=["lazyfs"], raise_on_finding=False)
    (finding,) = report.findings
    assert finding.sentence.startswith("the check did not end: it waits for ever")


# What goes from one process to another.


@pytest.mark.slow
def test_a_token_is_taken_as_it_is_when_it_is_acknowledged() -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        done: list[int] = []
        for number in range(2):
            (directory / str(number)).touch()
            done.append(number)
            ack(done)

    def check(directory: SimulatedDirectory, acked: list[Any]) -> str | None:
        names = os.listdir(directory)
        wanted = acked[-1] if acked else []
        return next((f"{each} is gone" for each in wanted if str(each) not in names), None)

    report = crash_test(workload, check, profiles=["process-kill"])
    assert report.outcome == "pass"


@pytest.mark.slow
def test_a_token_that_cannot_be_sent_is_refused_at_once() -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        (directory / "f").touch()
        ack(threading.Lock())

    with pytest.raises(WorkloadError, match="ack: expected a token that can be sent to another"):
        outcomes(workload, lambda _d, acked: "gone" if acked else None)


@pytest.mark.slow
def test_both_ways_to_isolate_see_the_same_of_code_without_memory() -> None:
    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        return "gone" if acked and (directory / "settings").read_text() != "blue" else None

    def report(isolation: Literal["fork", "none"]) -> CrashReport:
        return crash_test(save, check, isolation=isolation, raise_on_finding=False)

    fork, none = report("fork"), report("none")
    assert fork.verdicts == none.verdicts
    assert (fork.isolated, none.isolated) == (True, False)


def test_there_are_two_ways_to_isolate() -> None:
    with pytest.raises(ValueError, match=r"isolation: expected .fork. or .none. but got 'spawn'"):
        crash_test(save, lambda _d, _a: None, isolation="spawn")  # type: ignore[arg-type]


@pytest.mark.slow
def test_runs_that_differ_are_told() -> None:
    numbers = iter(os.urandom(64))

    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        real = Path("/proc/self/stat").read_text().split()[0]
        (directory / "f").write_text(real + str(next(numbers)))
        ack(1)

    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        return None if not acked or (directory / "f").exists() else "gone"

    report = crash_test(workload, check, profiles=["process-kill"])
    assert "(/simulated/f)" in report.difference
    assert "note: the workload is not the same each time: write at test_" in report.story()


@pytest.mark.slow
def test_an_error_of_the_check_comes_from_the_process_as_it_was() -> None:
    def check(_directory: SimulatedDirectory, acked: list[object]) -> None:
        assert acked != ["settings"], "never right"

    with pytest.raises(CheckError, match="AssertionError: never right"):
        outcomes(save, check)
