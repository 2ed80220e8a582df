import threading
from math import inf, nan

import pytest

from wavetank.engine.runtime import Condition, Lock
from wavetank.engine.thread_runtime import ThreadRuntime

runtime = ThreadRuntime()


def taken_elsewhere(lock: Lock) -> bool:
    """Whether another thread finds the lock taken."""
    found: list[bool] = []

    def attempt() -> None:
        free = lock.acquire(0)
        if free:
            lock.release()
        found.append(not free)

    assert runtime.spawn("attempt", attempt).join()
    return found[0]


@pytest.mark.parametrize("lock", [runtime.lock(), runtime.rlock(), runtime.condition()])
def test_a_lock_is_taken_inside_with_and_free_behind_it(lock: Lock) -> None:
    with lock as entered:
        assert entered
        assert taken_elsewhere(lock)
    assert not taken_elsewhere(lock)


@pytest.mark.parametrize("timeout_s", [None, 0, 1, inf])
def test_a_free_lock_is_taken_whatever_the_timeout(timeout_s: float | None) -> None:
    for lock in (runtime.lock(), runtime.rlock(), runtime.condition()):
        assert lock.acquire(timeout_s)
        assert taken_elsewhere(lock)
        lock.release()
        assert not taken_elsewhere(lock)


def test_only_a_reentrant_lock_lets_its_holder_in_again() -> None:
    with runtime.lock() as _, (plain := runtime.lock()):
        assert not plain.acquire(0)
    reentrant = runtime.rlock()
    with reentrant:
        with reentrant:
            assert taken_elsewhere(reentrant)
        assert taken_elsewhere(reentrant)
    assert not taken_elsewhere(reentrant)


@pytest.mark.parametrize("timeout_s", [-1, -0.5, nan])
def test_a_duration_below_zero_is_refused(timeout_s: float) -> None:
    lock, condition = runtime.lock(), runtime.condition()
    task = runtime.spawn("nothing", lambda: None)
    with condition:
        for call in (lock.acquire, condition.wait, task.join, runtime.sleep):
            with pytest.raises(ValueError, match="duration: expected seconds >= 0 but got"):
                call(timeout_s)
        assert not taken_elsewhere(lock)
        assert taken_elsewhere(condition)
    assert task.join()


def test_a_waiter_sees_what_the_notifier_changed() -> None:
    condition = runtime.condition()
    handed: list[str] = []
    received: list[str] = []

    def wait_for_all() -> None:
        with condition:
            while len(handed) < 2:
                condition.wait()
            received.extend(handed)

    waiters = [runtime.spawn(f"waiter-{number}", wait_for_all) for number in range(2)]
    with condition:
        handed.append("one")
        condition.notify()
    with condition:
        handed.append("two")
        condition.notify_all()
    assert [waiter.join() for waiter in waiters] == [True, True]
    assert received == ["one", "two", "one", "two"]


def test_a_wait_that_nobody_ends_runs_out_and_holds_the_lock_again() -> None:
    condition = runtime.condition()
    with condition:
        assert not condition.wait(0)
        assert taken_elsewhere(condition)
    assert not taken_elsewhere(condition)


@pytest.mark.parametrize("name", ["wait", "notify", "notify_all"])
def test_a_condition_is_used_by_its_holder_only(name: str) -> None:
    condition: Condition = runtime.condition()
    with pytest.raises(RuntimeError):
        getattr(condition, name)()


def test_spawned_work_runs_beside_its_spawner_in_a_daemon_thread_of_that_name() -> None:
    proceed = threading.Event()
    seen: list[tuple[str, bool]] = []

    def work() -> None:
        proceed.wait()
        current = threading.current_thread()
        seen.append((current.name, current.daemon))

    task = runtime.spawn("compactor", work)
    assert not task.done()
    assert not task.join(0)
    proceed.set()
    assert task.join()
    assert task.done()
    assert seen == [("compactor", True)]


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3), KeyboardInterrupt()])
def test_an_exception_in_spawned_work_waits_for_every_join(error: BaseException) -> None:
    proceed = threading.Event()

    def work() -> None:
        proceed.wait()
        raise error

    task = runtime.spawn("failing", work)
    assert not task.join(0)
    proceed.set()
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            task.join()
        assert caught.value is error
    assert task.done()


def test_the_clock_never_goes_back_and_sleep_lets_time_pass() -> None:
    before = runtime.monotonic()
    runtime.sleep(0)
    runtime.sleep(0.001)
    assert runtime.monotonic() >= before + 0.001
    assert runtime.wall_clock() > 1_700_000_000


@pytest.mark.parametrize("count", [1, 8, 64])
def test_random_bits_stay_within_their_count_and_differ(count: int) -> None:
    drawn = {runtime.random_bits(count) for _ in range(200)}
    assert all(0 <= number < 2**count for number in drawn)
    assert len(drawn) > 1
