"""Tasks under a scheduler: turns, virtual time, deadlocks, power cuts, and both carriers alike."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import islice
from random import Random

import pytest

from wavetank.engine import OpenFlag
from wavetank.sim import DeadlockError, SimDisk, SimFileSystem
from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.schedule import Departure, Grain, Schedule, ScheduleError
from wavetank.sim.scheduling.scheduled_filesystem import ScheduledFileSystem, Stall
from wavetank.sim.scheduling.scheduler import PowerCutError
from wavetank.sim.scheduling.strategies import (
    Pct,
    RandomChoice,
    Replay,
    RoundRobin,
    Sticky,
    Strategy,
    UntilItWaits,
    portfolio,
)
from wavetank.sim.scheduling.switching import BatonThreads, Greenlets, Switching

CARRIERS = [Greenlets, BatonThreads]
STRATEGIES: dict[str, Callable[[int], Strategy]] = {
    "until it waits": lambda _: UntilItWaits(),
    "random": RandomChoice,
    "sticky": Sticky,
    "in turns": lambda seed: RoundRobin(1 + seed % 3),
    "pct": lambda seed: Pct(seed, steps=200, depth=3),
}


def bounded_queue(runtime: SimRuntime) -> list[str]:
    """Let producers and consumers share a queue of two places; return what happened, in order."""
    told: list[str] = []
    changed, items = runtime.condition(), list[int]()

    def produce(name: str) -> None:
        for number in range(3):
            with changed:
                while len(items) >= 2:
                    changed.wait()
                items.append(number)
                told.append(f"{name} puts {number} at {runtime.monotonic()}")
                changed.notify_all()
            runtime.sleep(0.5)

    def consume(name: str) -> None:
        for _ in range(3):
            with changed:
                while not items:
                    told.append(f"{name} waits: {changed.wait(0.25)}")
                told.append(f"{name} takes {items.pop(0)}")
                changed.notify_all()

    tasks = [
        runtime.spawn(f"{work.__name__}-{name}", partial(work, name))
        for name in "ab"
        for work in (produce, consume)
    ]
    for task in tasks:
        task.join()
    return told


def run_queue(strategy: Strategy, switching: Switching) -> tuple[list[str], Schedule, float, int]:
    with SimRuntime(strategy, switching=switching) as runtime:
        told = bounded_queue(runtime)
        return told, runtime.schedule, runtime.monotonic(), runtime.steps


@pytest.mark.parametrize("name", STRATEGIES)
def test_greenlets_and_threads_do_the_same_under_the_same_strategy(name: str) -> None:
    for seed in range(8):
        make = STRATEGIES[name]
        assert run_queue(make(seed), Greenlets()) == run_queue(make(seed), BatonThreads())


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_schedule_replays_its_run_from_its_text(name: str) -> None:
    for seed in range(8):
        told, schedule, now_s, steps = run_queue(STRATEGIES[name](seed), Greenlets())
        again = Replay(Schedule.from_text(str(schedule)))
        assert run_queue(again, Greenlets()) == (told, schedule, now_s, steps)


def test_the_usual_schedule_has_no_departures_and_others_have() -> None:
    assert run_queue(UntilItWaits(), Greenlets())[1].departures == ()
    seen = {tuple(run_queue(RandomChoice(seed), Greenlets())[0]) for seed in range(10)}
    assert len(seen) == 10


def test_time_passes_only_where_all_wait() -> None:
    with SimRuntime() as runtime:
        seen: list[tuple[str, float]] = []

        def sleeper(duration_s: float) -> None:
            runtime.sleep(duration_s)
            seen.append((f"slept {duration_s}", runtime.monotonic()))

        tasks = [runtime.spawn("sleeper", partial(sleeper, after_s)) for after_s in (5.0, 1.0, 3.0)]
        for _ in range(100):
            runtime.pause()
        assert runtime.monotonic() == 0.0
        for task in tasks:
            task.join()
        assert seen == [("slept 1.0", 1.0), ("slept 3.0", 3.0), ("slept 5.0", 5.0)]


def test_a_timeout_fires_although_the_lock_was_free_for_a_moment() -> None:
    """A waiter that was woken and found the lock taken again still gives up in time."""

    def hurry_beside_holders(seed: int) -> tuple[bool, float]:
        results: list[tuple[bool, float]] = []
        with SimRuntime(RandomChoice(seed)) as runtime:
            lock = runtime.lock()

            def hold() -> None:
                for _ in range(4):
                    with lock:
                        runtime.sleep(1.0)

            def hurry() -> None:
                results.append((lock.acquire(2.5), runtime.monotonic()))
                if results[-1][0]:
                    lock.release()

            holders = [runtime.spawn("holder", hold) for _ in range(2)]
            for task in (*holders, runtime.spawn("hasty", hurry)):
                task.join()
        return results[0]

    results = [hurry_beside_holders(seed) for seed in range(40)]
    assert {took for took, _ in results} == {True, False}
    assert all(when == 2.5 for took, when in results if not took)
    assert all(when <= 2.5 for _, when in results)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_deadlock_tells_who_waits_for_whom_and_where(carrier: Callable[[], Switching]) -> None:
    def run(seed: int) -> None:
        with SimRuntime(RandomChoice(seed), switching=carrier()) as runtime:
            first, second = runtime.lock(), runtime.lock()

            def forwards() -> None:
                with first, second:
                    pass

            def backwards() -> None:
                with second, first:
                    pass

            tasks = [runtime.spawn("forwards", forwards), runtime.spawn("backwards", backwards)]
            for task in tasks:
                task.join()

    texts = []
    for seed in range(20):
        try:
            run(seed)
        except DeadlockError as error:
            texts.append(str(error))
    assert 0 < len(texts) < 20
    for text in texts:
        assert "task 1 'forwards' waits for lock 2, which task 2 'backwards' holds" in text
        assert "task 2 'backwards' waits for lock 1, which task 1 'forwards' holds" in text
        assert "the run waits for the end of task 1 'forwards'" in text
        assert "at test_scheduler.py" in text
        assert " in backwards" in text


@pytest.mark.parametrize("carrier", CARRIERS)
def test_after_a_power_cut_no_task_does_anything_more(carrier: Callable[[], Switching]) -> None:
    """The image is taken before anything unwinds, and what unwinding writes has no effect."""

    def ops_at_cut_and_after(step: int) -> tuple[list[int], int]:
        disk, at_cut = SimDisk(), list[int]()
        with SimRuntime(RoundRobin(), switching=carrier()) as runtime:
            fs = ScheduledFileSystem(SimFileSystem(disk), runtime)
            file = fs.open("/f", OpenFlag.WRITE | OpenFlag.CREATE)
            runtime.cut_power_at(runtime.steps + step, lambda: at_cut.append(len(disk.log)))

            def write() -> None:
                try:
                    for number in range(6):
                        file.pwrite(b"x", number)
                finally:
                    file.pwrite(b"unwinding", 100)

            tasks = [runtime.spawn("writer", write) for _ in range(2)]
            runtime.sleep(1.0)
            for task in tasks:
                with suppress(PowerCutError):
                    task.join()
            assert all(task.done() for task in tasks)
        return at_cut, len(disk.log)

    seen = [ops_at_cut_and_after(step) for step in range(1, 30)]
    cut = [(at_cut, after) for at_cut, after in seen if at_cut]
    assert all(at_cut == [after] for at_cut, after in cut)
    assert len({after for _, after in cut}) > 8


def test_a_stalled_call_lets_others_run_and_their_timeouts_fire() -> None:
    with SimRuntime() as runtime:
        stalls = [Stall(call="fsync", nth=2, duration_s=10.0)]
        fs = ScheduledFileSystem(SimFileSystem(SimDisk()), runtime, stalls)
        file = fs.open("/f", OpenFlag.WRITE | OpenFlag.CREATE)
        lock = runtime.lock()
        took: list[bool] = []

        def sync() -> None:
            with lock:
                file.fsync()
                file.fsync()

        syncing = runtime.spawn("sync", sync)
        hasty = runtime.spawn("hasty", lambda: took.append(lock.acquire(3.0)))
        hasty.join()
        assert (took, runtime.monotonic()) == ([False], 3.0)
        syncing.join()
        assert runtime.monotonic() == 10.0


def test_an_unfinished_task_ends_with_the_run() -> None:
    ended: list[str] = []
    with SimRuntime() as runtime:
        condition = runtime.condition()

        def wait() -> None:
            try:
                with condition:
                    condition.wait()
            finally:
                ended.append("unwound")

        runtime.spawn("waits for ever", wait)
        runtime.sleep(1.0)
        assert ended == []
    assert ended == ["unwound"]


def test_schedules_round_trip_and_others_are_refused() -> None:
    random = Random(7)
    for _ in range(200):
        steps = sorted(random.sample(range(1, 10_000), random.randrange(12)))
        departures = tuple(Departure(step, random.randrange(9)) for step in steps)
        schedule = Schedule(random.choice(list(Grain)), departures)
        assert Schedule.from_text(str(schedule)) == schedule
    for text in ("", "12>2", "words 1>2", "calls 1-2", "calls 0>1", "calls 2>1 1>2", "calls 1>-1"):
        with pytest.raises(ScheduleError, match="schedule: expected"):
            Schedule.from_text(text)


@pytest.mark.parametrize("grain", list(Grain))
def test_a_portfolio_begins_with_the_usual_schedule_and_repeats_none(grain: Grain) -> None:
    chosen = list(islice(portfolio(grain, 3, steps=300), 40))
    assert isinstance(chosen[0], UntilItWaits)
    kinds = {type(each) for each in chosen}
    assert {Pct, Sticky, RoundRobin} <= kinds
    schedules = [str(run_queue(each, Greenlets())[1]) for each in chosen]
    again = islice(portfolio(grain, 3, steps=300), 40)
    assert schedules == [str(run_queue(each, Greenlets())[1]) for each in again]
    assert len(set(schedules)) > 30


def test_a_forced_switch_costs_no_thread() -> None:
    """Greenlets share one thread: a thousand switches start none."""
    before = threading.active_count()

    def pause() -> None:
        for _ in range(500):
            runtime.pause()

    with SimRuntime(RoundRobin()) as runtime:
        tasks = [runtime.spawn("t", pause) for _ in range(3)]
        for task in tasks:
            task.join()
        assert len(runtime.schedule.departures) > 1_000
    assert threading.active_count() == before
