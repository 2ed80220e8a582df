"""Schedules of one's own threads: each wrong program is found out, and its right twin passes."""

import asyncio
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wavetank.scenarios import InterleavedDisk, InterleavingFinding, explore_interleavings
from wavetank.sim.scheduling.schedule import ScheduleError

SCHEDULES = 60


class Counter:
    """Counts in memory and on the disk."""

    def __init__(self, directory: str, *, locked: bool) -> None:
        self.path = Path(directory, "count")
        self.number = 0
        self.lock = threading.Lock() if locked else None

    def increment(self) -> None:
        if self.lock is None:
            self._increment()
        else:
            with self.lock:
                self._increment()

    def _increment(self) -> None:
        number = self.number
        self.number = number + 1


def lost_update(disk: InterleavedDisk, *, right: bool) -> None:
    counter = Counter(disk.directory, locked=right)
    disk.together(counter.increment, counter.increment)
    assert counter.number == 2


def check_then_act(disk: InterleavedDisk, *, right: bool) -> None:
    made: list[str] = []

    def make(name: str) -> None:
        path = disk.directory / "lock"
        if right:
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            made.append(name)
        elif not path.exists():
            path.touch()
            made.append(name)

    disk.together(lambda: make("a"), lambda: make("b"))
    assert len(made) == 1


def lock_order(disk: InterleavedDisk, *, right: bool) -> None:
    left, other = threading.Lock(), threading.Lock()

    def move(first: threading.Lock, second: threading.Lock) -> None:
        with first, second:
            (disk.directory / "moved").touch()

    pair = (left, other) if right else (other, left)
    disk.together(lambda: move(left, other), lambda: move(*pair))


def writer_not_joined(disk: InterleavedDisk, *, right: bool) -> None:
    path = disk.directory / "log"
    writer = threading.Thread(target=lambda: path.write_text("all"))
    writer.start()
    if right:
        writer.join()
    assert path.exists()
    assert path.read_text() == "all"


def queue_worker(disk: InterleavedDisk, *, right: bool) -> None:
    items: queue.Queue[str | None] = queue.Queue()
    done: list[str] = []

    def work() -> None:
        while (item := items.get()) is not None:
            if not right:
                items.task_done()
            (disk.directory / item).touch()
            done.append(item)
            if right:
                items.task_done()

    threading.Thread(target=work, daemon=True).start()
    items.put("a")
    items.put("b")
    items.join()
    assert done == ["a", "b"]
    items.put(None)


def pool_map(disk: InterleavedDisk, *, right: bool) -> None:
    written: list[int] = []

    def write(number: int) -> int:
        (disk.directory / str(number)).touch()
        written.append(number)
        return number

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(write, range(4)))
    assert (results if right else written) == [0, 1, 2, 3]


def asyncio_writer(disk: InterleavedDisk, *, right: bool) -> None:
    path = disk.directory / "total"

    async def add(lock: asyncio.Lock, number: int) -> None:
        if right:
            await lock.acquire()
        total = int(path.read_text()) if path.exists() else 0
        await asyncio.sleep(1)
        path.write_text(str(total + number))
        if right:
            lock.release()

    async def main() -> None:
        lock = asyncio.Lock()
        await asyncio.gather(add(lock, 1), add(lock, 2))

    asyncio.run(main())
    assert path.read_text() == "3"


def timeout_that_fires(disk: InterleavedDisk, *, right: bool) -> None:
    ready = threading.Event()

    def write() -> None:
        time.sleep(10)
        (disk.directory / "ready").touch()
        ready.set()

    threading.Thread(target=write).start()
    assert ready.wait(11 if right else 10)


PROGRAMS = [
    (lost_update, "AssertionError"),
    (check_then_act, "AssertionError"),
    (lock_order, "DeadlockError"),
    (writer_not_joined, "AssertionError"),
    (queue_worker, "AssertionError"),
    (pool_map, "AssertionError"),
    (asyncio_writer, "AssertionError"),
    (timeout_that_fires, "AssertionError"),
]


@pytest.mark.parametrize(
    ("program", "error"),
    [
        pytest.param(*each, id=each[0].__name__, marks=pytest.mark.slow if number else ())
        for number, each in enumerate(PROGRAMS)
    ],
)
def test_wrong_programs_fail_and_right_ones_pass(program: Callable[..., None], error: str) -> None:
    def right(disk: InterleavedDisk) -> None:
        program(disk, right=True)

    def wrong(disk: InterleavedDisk) -> None:
        program(disk, right=False)

    assert explore_interleavings(right, schedules=SCHEDULES).schedules == SCHEDULES
    with pytest.raises(InterleavingFinding, match=f"fails: {error}") as caught:
        explore_interleavings(wrong, schedules=SCHEDULES)
    assert len(caught.value.places) <= 6
    with pytest.raises(InterleavingFinding) as again:
        explore_interleavings(wrong, schedule=caught.value.schedule)
    assert (again.value.schedule, again.value.places) == (
        caught.value.schedule,
        caught.value.places,
    )


@pytest.mark.slow
def test_a_failure_tells_its_schedule_and_where_it_departs() -> None:
    def run(disk: InterleavedDisk) -> None:
        lost_update(disk, right=False)

    with pytest.raises(InterleavingFinding) as caught:
        explore_interleavings(run, schedules=SCHEDULES)
    lines = str(caught.value).splitlines()
    assert lines[1].startswith("  raised    at test_interleavings.py:")
    assert lines[2] == f"  schedule  {caught.value.schedule}"
    assert caught.value.schedule.startswith("statements ")
    assert re.fullmatch(
        r"            step [0-9]+: from '0 increment' to '1 increment' "
        r"at test_interleavings.py:[0-9]+ in _increment",
        lines[-2],
    )
    assert lines[-1] == f"  again     explore(..., schedule='{caught.value.schedule}')"
    assert isinstance(caught.value.__cause__, AssertionError)


@pytest.mark.slow
def test_a_thread_that_ends_with_an_error_fails() -> None:
    def run(disk: InterleavedDisk) -> None:
        thread = threading.Thread(target=(disk.directory / "none").read_text)
        thread.start()
        thread.join()

    threading.excepthook, hook = lambda _: None, threading.excepthook
    try:
        with pytest.raises(InterleavingFinding, match="fails: FileNotFoundError"):
            explore_interleavings(run, schedules=1)
    finally:
        threading.excepthook = hook


@pytest.mark.slow
def test_two_explorations_are_equal_and_another_seed_is_another_one() -> None:
    def run(disk: InterleavedDisk) -> None:
        def write(name: str) -> None:
            (disk.directory / name).write_text(threading.current_thread().name)

        disk.together(lambda: write("a"), lambda: write("b"))

    once = explore_interleavings(run, schedules=20)
    assert once == explore_interleavings(run, schedules=20)
    assert once.distinct > 1
    assert once.digest != explore_interleavings(run, schedules=20, seed=1).digest


@pytest.mark.slow
def test_what_calls_return_comes_back_in_their_order() -> None:
    def run(disk: InterleavedDisk) -> None:
        assert disk.together(lambda: 1, lambda: 2) == [1, 2]
        with pytest.raises(ZeroDivisionError):
            disk.together(lambda: 1, lambda: 1 // 0)

    explore_interleavings(run, schedules=3)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="schedules: expected a number >= 1 but got 0"):
        explore_interleavings(lambda _: None, schedules=0)
    with pytest.raises(ScheduleError, match="expected one of"):
        explore_interleavings(lambda _: None, schedule="often")
