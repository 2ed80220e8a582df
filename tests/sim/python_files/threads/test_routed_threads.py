"""Threads of unmodified code under one scheduler: right and wrong programs, in virtual time."""

import concurrent.futures
import fcntl
import hashlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wavetank.sim import SimDisk
from wavetank.sim.python_files import PythonFiles, UnroutedCallError
from wavetank.sim.scheduling.strategies import RandomChoice, Strategy
from wavetank.sim.serial_runtime import DeadlockError

MODULE_LOCK = threading.Lock()
MODULE_CONDITION = threading.Condition()


Run = Callable[..., object]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run code as a process and return what it returns."""
    with PythonFiles() as files:

        def call(code: Callable[[Path], object], strategy: Strategy | None = None) -> object:
            with files.process(SimDisk(files.empty_image()), strategy=strategy):
                return code(Path(files.directory))

        yield call


def together(*works: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
def test_waits_take_virtual_time_and_end_when_they_say(run: Run) -> None:
    def code(_: Path) -> list[tuple[str, bool, float]]:
        told: list[tuple[str, bool, float]] = []
        start = time.monotonic()

        def note(name: str, came: bool) -> None:  # noqa: FBT001 - what a wait returns
            told.append((name, came, round(time.monotonic() - start)))

        event, lock, items = threading.Event(), threading.Lock(), queue.Queue[int]()
        threading.Timer(50, event.set).start()
        note("event", event.wait(20))
        note("event", event.wait())
        lock.acquire()
        note("lock", lock.acquire(timeout=100))
        with pytest.raises(queue.Empty):
            items.get(timeout=1000)
        note("queue", not items.empty())
        thread = threading.Thread(target=time.sleep, args=(5000,))
        thread.start()
        thread.join(2000)
        note("join", not thread.is_alive())
        thread.join()
        note("join", not thread.is_alive())
        return told

    before = time.perf_counter()
    assert run(code) == [
        ("event", False, 20),
        ("event", True, 50),
        ("lock", False, 150),
        ("queue", False, 1150),
        ("join", False, 3150),
        ("join", True, 6150),
    ]
    assert time.perf_counter() - before < 60


@pytest.mark.slow
def test_primitives_of_threading_do_what_they_say(run: Run) -> None:
    def code(_: Path) -> list[object]:
        told: list[object] = []
        barrier, gate = threading.Barrier(3), threading.Semaphore(1)
        lock = threading.RLock()

        def meet(number: int) -> None:
            barrier.wait()
            with gate, lock, lock:
                told.append(number)

        together(*[lambda number=number: meet(number) for number in range(3)])
        told.append(lock.acquire(blocking=False))
        items: queue.SimpleQueue[int] = queue.SimpleQueue()
        together(lambda: told.append(items.get()), lambda: items.put(7))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            told.append(list(pool.map(lambda number: number * number, range(5))))
            with pytest.raises(ZeroDivisionError):
                pool.submit(lambda: 1 // 0).result()
        return told

    assert run(code) == [2, 0, 1, True, 7, [0, 1, 4, 9, 16]]


def test_locks_from_before_the_process_are_scheduled_too(run: Run) -> None:
    def code(directory: Path) -> list[str]:
        seen: list[str] = []

        def work(name: str) -> None:
            with MODULE_LOCK:
                (directory / name).touch()
                seen.append(name)
                os.listdir(directory)
                seen.append(name)
            with MODULE_CONDITION:
                MODULE_CONDITION.notify_all()

        with MODULE_CONDITION:
            threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
            for thread in threads:
                thread.start()
            MODULE_CONDITION.wait()
        for thread in threads:
            thread.join()
        return seen

    for seed in range(5):
        assert run(code, RandomChoice(seed)) in (list("aabb"), list("bbaa"))
    with MODULE_CONDITION:
        assert MODULE_CONDITION.wait(0.001) is False


def test_a_lock_that_was_taken_before_is_named(run: Run) -> None:
    with MODULE_LOCK, pytest.raises(UnroutedCallError, match="was taken before the code under"):
        run(lambda _: MODULE_LOCK.acquire())
    assert MODULE_LOCK.acquire(blocking=False)
    MODULE_LOCK.release()


def test_a_deadlock_tells_who_waits_for_whom_and_where(run: Run) -> None:
    def code(_: Path) -> None:
        left, right, start = threading.Lock(), threading.Lock(), threading.Barrier(2)

        def one() -> None:
            start.wait()
            with left, right:
                pass

        def other() -> None:
            start.wait()
            with right, left:
                pass

        together(one, other)

    run(code)
    with pytest.raises(DeadlockError) as caught:  # noqa: PT012 - one of these seeds
        for seed in range(20):
            run(code, RandomChoice(seed))
    lines = str(caught.value).splitlines()
    assert lines[0] == "deadlock: no task is ready and no timer runs"
    waits = [line.strip() for line in lines if "waits for" in line]
    assert waits[0].startswith("the run waits for lock ")
    assert [each.rpartition(", which ")[2] for each in waits[1:]] == [
        "task 2 'Thread-2 (other)' holds",
        "task 1 'Thread-1 (one)' holds",
    ]
    assert [line.strip().partition(" in ")[2] for line in lines if "at test_" in line][:2] == [
        "together, in Thread.join",
        "code",
    ]


def test_a_file_object_that_threads_share_is_used_by_one_at_a_time(run: Run) -> None:
    def code(directory: Path) -> list[str]:
        with (directory / "log").open("w", buffering=1) as file:
            together(
                lambda: [file.write(f"a{number}\n") for number in range(5)],
                lambda: [file.write(f"b{number}\n") for number in range(5)],
            )
        return (directory / "log").read_text().splitlines()

    orders = set()
    for seed in range(8):
        lines = run(code, RandomChoice(seed))
        assert isinstance(lines, list)
        assert sorted(lines) == sorted(f"{name}{number}" for name in "ab" for number in range(5))
        orders.add(tuple(lines))
    assert len(orders) > 1


def test_flock_is_waited_for(run: Run) -> None:
    def code(directory: Path) -> list[str]:
        told: list[str] = []

        def hold(name: str) -> None:
            with (directory / "lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                told.append(name)
                time.sleep(1)
                told.append(name)

        together(lambda: hold("a"), lambda: hold("b"))
        return told

    for seed in range(4):
        assert run(code, RandomChoice(seed)) in (list("aabb"), list("bbaa"))


def test_flock_of_two_opens_in_one_thread_is_a_deadlock(run: Run) -> None:
    def code(directory: Path) -> None:
        with (directory / "lock").open("w") as one, (directory / "lock").open("w") as other:
            fcntl.flock(one, fcntl.LOCK_EX)
            fcntl.flock(other, fcntl.LOCK_EX)

    with pytest.raises(DeadlockError, match="the lock of /simulated/lock, which another open"):
        run(code)


def lost_update(directory: Path) -> str:
    path = directory / "count"
    path.write_text("0")

    def increment() -> None:
        number = int(path.read_text() or "0")
        path.write_text(str(number + 1))

    together(increment, increment)
    return path.read_text()


def test_an_update_without_a_lock_is_lost_in_some_schedule(run: Run) -> None:
    assert run(lost_update) == "2"
    assert {run(lost_update, RandomChoice(seed)) for seed in range(10)} == {"1", "2"}


@pytest.mark.slow
def test_a_thread_that_polls_lets_others_come(run: Run) -> None:
    def code(directory: Path) -> bool:
        def write() -> None:
            time.sleep(1)
            (directory / "ready").touch()

        thread = threading.Thread(target=write)
        thread.start()
        while not (directory / "ready").exists():
            pass
        return True

    assert run(code)


def test_threads_end_with_their_process(run: Run) -> None:
    cleaned: list[str] = []

    def code(directory: Path) -> None:
        def wait() -> None:
            try:
                threading.Event().wait()
            finally:
                cleaned.append("wait")
                (directory / "late").touch()

        threading.Thread(target=wait).start()

    before = threading.active_count()
    run(code)
    assert cleaned == ["wait"]
    assert threading.active_count() == before


PROGRAM = """
import sys
sys.path[:0] = {path!r}
from test_routed_threads import digest
print(digest())
"""


def digest() -> str:
    """Return a hash of what threads, pools and queues do under a random schedule."""

    def code(directory: Path) -> object:
        lost_update(directory)
        log: list[object] = []

        def work(name: str) -> None:
            for number in range(3):
                (directory / f"{name}{number}").write_text(threading.current_thread().name)
                log.append((name, number, time.monotonic()))
                time.sleep(0.5)

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(work, ["x", "y", "z"]))
        return log

    hashed = hashlib.blake2b()
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk, strategy=RandomChoice(3)):
            hashed.update(repr(code(Path(files.directory))).encode())
    for record in disk.log:
        hashed.update(repr(record).encode())
    return hashed.hexdigest()


@pytest.mark.slow
def test_two_processes_with_other_hash_seeds_do_the_same() -> None:
    program = PROGRAM.format(path=[str(Path(__file__).parent), *sys.path])
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert len(told) == 1
