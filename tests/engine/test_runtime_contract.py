"""The contract of `Runtime` on real threads and in simulation; at the end, what only one has.

A test of the contract never relies on a work running before somebody waits for it, nor on it not
having run: threads begin it when they like, a simulation when it is waited for.
"""

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from math import inf, nan

import pytest

from wavetank.engine import Condition, Lock, Runtime, ThreadRuntime
from wavetank.sim import DeadlockError, SerialRuntime
from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.strategies import RandomChoice, RoundRobin
from wavetank.sim.scheduling.switching import BatonThreads

LOCKS = ("lock", "rlock", "condition")
NOT_REENTRANT = ("lock", "condition")
ERRORS = [ValueError("boom"), MemoryError(), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]


def on_threads(seed: int) -> SimRuntime:
    return SimRuntime(RandomChoice(seed), switching=BatonThreads())


@pytest.fixture(
    params=[
        pytest.param(ThreadRuntime, id="ThreadRuntime"),
        pytest.param(SerialRuntime, id="SerialRuntime"),
        pytest.param(SimRuntime, id="SimRuntime"),
        pytest.param(lambda: SimRuntime(RoundRobin()), id="SimRuntime-in-turns"),
        pytest.param(lambda: SimRuntime(RandomChoice(1)), id="SimRuntime-random-1"),
        pytest.param(lambda: SimRuntime(RandomChoice(2)), id="SimRuntime-random-2"),
        pytest.param(lambda: on_threads(3), id="SimRuntime-on-threads"),
    ]
)
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    made: Runtime = request.param()
    yield made
    if isinstance(made, SimRuntime):
        made.stop()


def make(runtime: Runtime, kind: str) -> Lock:
    lock: Lock = getattr(runtime, kind)()
    return lock


def plainly(call: Callable[[], object]) -> Callable[[], None]:
    """Make work of a call, without its result."""

    def work() -> None:
        call()

    return work


def in_other_work(runtime: Runtime, call: Callable[[], object]) -> object:
    """Return what a call returns, or the error that it raises, in work of its own."""
    results: list[object] = []

    def work() -> None:
        try:
            results.append(call())
        except RuntimeError as error:
            results.append(error)

    assert runtime.spawn("other", work).join()
    (result,) = results
    return result


def is_taken(runtime: Runtime, lock: Lock) -> bool:
    """Whether other work finds the lock taken."""

    def attempt() -> bool:
        free = lock.acquire(0)
        if free:
            lock.release()
        return not free

    return in_other_work(runtime, attempt) is True


# --- locks


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_is_taken_inside_with_and_free_behind_it(runtime: Runtime, kind: str) -> None:
    lock = make(runtime, kind)
    with lock as entered:
        assert entered is True
        assert is_taken(runtime, lock)
    assert not is_taken(runtime, lock)


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_is_free_again_behind_a_with_that_raises(runtime: Runtime, kind: str) -> None:
    lock = make(runtime, kind)
    with pytest.raises(KeyboardInterrupt), lock:
        raise KeyboardInterrupt
    assert not is_taken(runtime, lock)


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("timeout_s", [None, 0, 1, inf])
def test_a_free_lock_is_taken_whatever_the_timeout(
    runtime: Runtime, kind: str, timeout_s: float | None
) -> None:
    lock = make(runtime, kind)
    assert lock.acquire(timeout_s) is True
    assert is_taken(runtime, lock)
    lock.release()
    assert not is_taken(runtime, lock)


@pytest.mark.parametrize("kind", NOT_REENTRANT)
@pytest.mark.parametrize("timeout_s", [0, 0.01])
def test_a_holder_does_not_get_a_plain_lock_again(
    runtime: Runtime, kind: str, timeout_s: float
) -> None:
    lock = make(runtime, kind)
    with lock:
        before_s = runtime.monotonic()
        assert lock.acquire(timeout_s) is False
        assert runtime.monotonic() - before_s >= timeout_s
        assert is_taken(runtime, lock)
    assert not is_taken(runtime, lock)


def test_a_reentrant_lock_is_free_after_as_many_releases_as_acquires(runtime: Runtime) -> None:
    lock = runtime.rlock()
    with lock:
        with lock:
            assert lock.acquire(0) is True
            lock.release()
            assert is_taken(runtime, lock)
        assert is_taken(runtime, lock)
    assert not is_taken(runtime, lock)


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_that_nobody_holds_cannot_be_released(runtime: Runtime, kind: str) -> None:
    lock = make(runtime, kind)
    with pytest.raises(RuntimeError):
        lock.release()
    with lock:
        pass
    with pytest.raises(RuntimeError):
        lock.release()
    assert lock.acquire(0)


def test_only_its_holder_can_release_a_reentrant_lock(runtime: Runtime) -> None:
    lock = runtime.rlock()
    with lock:
        assert isinstance(in_other_work(runtime, lock.release), RuntimeError)
        assert is_taken(runtime, lock)


@pytest.mark.parametrize("kind", NOT_REENTRANT)
def test_anybody_can_release_a_plain_lock(runtime: Runtime, kind: str) -> None:
    lock = make(runtime, kind)
    lock.acquire()
    assert in_other_work(runtime, lock.release) is None
    assert not is_taken(runtime, lock)


@pytest.mark.parametrize("kind", LOCKS)
def test_work_waits_for_a_lock_that_its_spawner_holds(runtime: Runtime, kind: str) -> None:
    lock = make(runtime, kind)
    order: list[str] = []

    def work() -> None:
        with lock:
            order.append("work")

    with lock:
        task = runtime.spawn("work", work)
        order.append("spawner")
        assert not task.done()
    assert task.join()
    assert order == ["spawner", "work"]


# --- conditions


def test_a_waiter_sees_what_the_notifier_changed(runtime: Runtime) -> None:
    condition = runtime.condition()
    given: list[str] = []
    received: list[str] = []

    def wait_for_all() -> None:
        with condition:
            while len(given) < 2:
                condition.wait()
            received.extend(given)

    waiters = [runtime.spawn(f"waiter-{number}", wait_for_all) for number in range(2)]
    with condition:
        given.append("one")
        condition.notify()
    with condition:
        given.append("two")
        condition.notify_all()
    assert [waiter.join() for waiter in waiters] == [True, True]
    assert received == ["one", "two", "one", "two"]


@pytest.mark.parametrize("call", ["notify", "notify_all"])
@pytest.mark.parametrize("timeout_s", [None, inf])
def test_a_wait_ends_when_spawned_work_notifies(
    runtime: Runtime, call: str, timeout_s: float | None
) -> None:
    condition = runtime.condition()

    def work() -> None:
        with condition:
            getattr(condition, call)()

    with condition:
        task = runtime.spawn("notifier", work)
        assert condition.wait(timeout_s) is True
        assert is_taken(runtime, condition)
    assert task.join()


def test_a_wait_that_nobody_ends_times_out_and_holds_the_lock_again(runtime: Runtime) -> None:
    condition = runtime.condition()
    with condition:
        before_s = runtime.monotonic()
        assert condition.wait(0) is False
        assert condition.wait(0.01) is False
        assert runtime.monotonic() - before_s >= 0.01
        assert is_taken(runtime, condition)
    assert not is_taken(runtime, condition)


def test_a_notification_is_for_those_who_wait_already(runtime: Runtime) -> None:
    condition = runtime.condition()
    with condition:
        condition.notify()
        condition.notify_all()
        assert condition.wait(0) is False


@pytest.mark.parametrize("call", ["wait", "notify", "notify_all"])
def test_a_condition_that_nobody_holds_is_refused(runtime: Runtime, call: str) -> None:
    condition: Condition = runtime.condition()
    with pytest.raises(RuntimeError) as caught:
        getattr(condition, call)()
    assert not isinstance(caught.value, DeadlockError)
    assert not is_taken(runtime, condition)


# --- durations


@pytest.mark.parametrize("duration_s", [-1, -0.5, nan, -inf])
def test_a_duration_that_is_negative_or_nan_is_refused(runtime: Runtime, duration_s: float) -> None:
    lock, rlock, condition = runtime.lock(), runtime.rlock(), runtime.condition()
    task = runtime.spawn("nothing", lambda: None)
    calls = (
        *(lock.acquire, rlock.acquire, condition.acquire, condition.wait),
        *(task.join, runtime.sleep),
    )
    for call in calls:
        with pytest.raises(ValueError, match="duration: expected seconds >= 0 but got"):
            call(duration_s)
    assert not any(is_taken(runtime, each) for each in (lock, rlock, condition))
    with lock, rlock, condition:
        for call in calls:
            with pytest.raises(ValueError, match="duration: expected seconds >= 0 but got"):
                call(duration_s)
        assert all(is_taken(runtime, each) for each in (lock, rlock, condition))
    assert task.join()


# --- spawned work


def test_spawn_waits_for_nothing_and_each_work_runs_once(runtime: Runtime) -> None:
    gate = runtime.lock()
    order: list[int] = []

    def work(number: int) -> None:
        with gate:
            order.append(number)

    with gate:
        tasks = [runtime.spawn(f"work-{number}", lambda n=number: work(n)) for number in range(3)]  # type: ignore[misc]
        assert not any(task.done() for task in tasks)
        assert order == []
    assert [task.join() for task in reversed(tasks)] == [True] * 3
    assert [task.join() for task in tasks] == [True] * 3
    assert all(task.done() for task in tasks)
    assert sorted(order) == [0, 1, 2]


@pytest.mark.parametrize("timeout_s", [None, 60, inf])
def test_join_waits_for_the_end(runtime: Runtime, timeout_s: float | None) -> None:
    ended: list[bool] = []
    task = runtime.spawn("work", lambda: ended.append(True))
    assert task.join(timeout_s) is True
    assert ended == [True]
    assert task.done()
    assert task.join(0) is True


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_every_join_raises_what_ended_the_work(runtime: Runtime, error: BaseException) -> None:
    def work() -> None:
        raise error

    task = runtime.spawn("failing", work)
    for timeout_s in (None, 60, 0):
        with pytest.raises(type(error)) as caught:
            task.join(timeout_s)
        assert caught.value is error
        assert task.done() is True


def test_work_that_fails_leaves_its_neighbours_alone(runtime: Runtime) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    failing, after = runtime.spawn("failing", fail), runtime.spawn("after", lambda: None)
    assert after.join()
    with pytest.raises(KeyboardInterrupt):
        failing.join()
    assert runtime.spawn("later", lambda: None).join()


def test_work_can_spawn_and_join_work(runtime: Runtime) -> None:
    order: list[str] = []

    def outer() -> None:
        order.append("outer begins")
        runtime.spawn("inner", lambda: order.append("inner")).join()
        order.append("outer ends")

    assert runtime.spawn("outer", outer).join()
    assert order == ["outer begins", "inner", "outer ends"]


def test_an_error_of_inner_work_ends_the_work_that_joins_it(runtime: Runtime) -> None:
    def fail() -> None:
        raise MemoryError

    outer = runtime.spawn("outer", plainly(lambda: runtime.spawn("inner", fail).join()))
    for _ in range(2):
        with pytest.raises(MemoryError):
            outer.join()


def test_work_is_not_done_while_it_runs_and_cannot_join_itself(runtime: Runtime) -> None:
    known = runtime.lock()
    results: list[bool] = []
    own: list[object] = []

    def work() -> None:
        with known:  # waits until the spawner has stored the task
            (task,) = tasks
        results.append(task.done())
        for timeout_s in (None, 0):
            try:
                own.append(task.join(timeout_s))
            except RuntimeError:
                own.append("refused")

    with known:
        tasks = [runtime.spawn("work", work)]
    assert tasks[0].join()
    assert (results, own) == ([False], ["refused", "refused"])


def test_an_ended_task_keeps_nothing_of_its_work_alive(runtime: Runtime) -> None:
    class Resource:
        def use(self) -> None:
            pass

    resource = Resource()
    task = runtime.spawn("user", resource.use)
    assert task.join()
    gone = weakref.ref(resource)
    gc.disable()
    try:
        del resource
        assert gone() is None
    finally:
        gc.enable()


# --- clocks, random bits, process


def test_the_monotonic_clock_never_goes_back_and_sleep_lets_time_pass(runtime: Runtime) -> None:
    before_s, before_wall_s = runtime.monotonic(), runtime.wall_clock()
    runtime.sleep(0)
    runtime.sleep(0.001)
    assert runtime.monotonic() >= before_s + 0.001
    assert runtime.wall_clock() >= before_wall_s


@pytest.mark.parametrize("count", [1, 8, 64])
def test_random_bits_stay_within_their_count_and_differ(runtime: Runtime, count: int) -> None:
    drawn = {runtime.random_bits(count) for _ in range(200)}
    assert all(0 <= number < 2**count for number in drawn)
    assert len(drawn) > 1


def test_random_bits_of_no_count(runtime: Runtime) -> None:
    assert runtime.random_bits(0) == 0
    with pytest.raises(ValueError, match="non-negative"):
        runtime.random_bits(-1)


def test_a_process_has_one_number(runtime: Runtime) -> None:
    assert runtime.process_id() > 0
    assert in_other_work(runtime, runtime.process_id) == runtime.process_id()


# --- threads alone


def test_threads_run_beside_their_spawner_in_daemon_threads_of_the_given_names() -> None:
    runtime = ThreadRuntime()
    proceed = threading.Event()
    seen: list[tuple[str, bool]] = []

    def work() -> None:
        proceed.wait()
        current = threading.current_thread()
        seen.append((current.name, current.daemon))

    task = runtime.spawn("compactor", work)
    assert not task.done()
    assert task.join(0) is False
    assert task.join(0.01) is False
    proceed.set()
    assert task.join()
    assert seen == [("compactor", True)]


def test_failed_work_on_a_thread_is_freed_without_the_cycle_collector() -> None:
    class Resource:
        def fail(self) -> None:
            raise ValueError("boom")

    resource = Resource()
    gone = weakref.ref(resource)
    task = ThreadRuntime().spawn("failing", resource.fail)
    del resource
    gc.disable()
    try:
        with pytest.raises(ValueError, match="boom") as caught:
            task.join()
        assert gone() is not None, "the traceback still shows it"
        del task, caught
        assert gone() is None
    finally:
        gc.enable()


def test_threads_have_the_clocks_and_the_process_of_the_machine() -> None:
    runtime = ThreadRuntime()
    assert runtime.wall_clock() > 1_700_000_000
    assert runtime.process_id() == os.getpid()


# --- simulation alone


@pytest.mark.parametrize("kind", NOT_REENTRANT)
@pytest.mark.parametrize("timeout_s", [None, inf])
def test_simulation_refuses_a_holder_that_would_wait_for_itself(
    kind: str, timeout_s: float | None
) -> None:
    runtime = SerialRuntime()
    lock = make(runtime, kind)
    with lock:
        with pytest.raises(DeadlockError, match="the run waits for a lock it holds itself"):
            lock.acquire(timeout_s)
        with pytest.raises(DeadlockError, match="it holds itself"), lock:
            pass  # pragma: no cover
        assert is_taken(runtime, lock)
    assert not is_taken(runtime, lock)


@pytest.mark.parametrize("kind", LOCKS)
def test_simulation_refuses_work_that_waits_for_the_lock_of_its_joiner(kind: str) -> None:
    runtime = SerialRuntime()
    lock = make(runtime, kind)
    task = runtime.spawn("compactor", plainly(lock.acquire))
    with lock, pytest.raises(DeadlockError, match="work 'compactor' waits for a lock whose holder"):
        task.join()
    assert runtime.monotonic() == 0


def test_simulation_refuses_a_wait_that_no_work_is_left_to_end() -> None:
    runtime = SerialRuntime()
    condition = runtime.condition()
    ran: list[str] = []
    with condition:
        runtime.spawn("first", lambda: ran.append("first"))
        runtime.spawn("second", lambda: ran.append("second"))
        with pytest.raises(DeadlockError, match="the run waits, and no work is left"):
            condition.wait()
        assert ran == ["first", "second"]
        assert is_taken(runtime, condition)
        condition.notify()
        assert condition.wait(0) is False, "the wait that was given up is forgotten"


def test_simulation_refuses_works_that_join_each_other() -> None:
    runtime = SerialRuntime()

    def join_second() -> None:
        second.join()

    first = runtime.spawn("first", join_second)
    second = runtime.spawn("second", plainly(first.join))
    with pytest.raises(DeadlockError, match="work 'second' joins work 'first', which waits for it"):
        first.join()
    assert first.done()
    assert second.done()


def test_simulation_lets_a_join_of_suspended_work_time_out() -> None:
    runtime = SerialRuntime()
    seen: list[bool] = []

    def join_second() -> None:
        second.join()

    first = runtime.spawn("first", join_second)
    second = runtime.spawn("second", lambda: seen.append(first.join(2.5)))
    assert first.join()
    assert (seen, runtime.monotonic()) == ([False], 2.5)


def test_simulation_runs_pending_work_oldest_first_and_only_so_much() -> None:
    runtime = SerialRuntime()
    order: list[int] = []
    tasks = [runtime.spawn("work", lambda n=n: order.append(n)) for n in range(4)]  # type: ignore[misc]
    assert (runtime.pending(), order) == (4, [])
    tasks[1].join()
    runtime.run_pending(2)
    assert (runtime.pending(), order) == (1, [1, 0, 2])
    runtime.run_pending(9)
    assert (runtime.pending(), order) == (0, [1, 0, 2, 3])


def test_simulation_tells_the_run_of_pending_work_that_fails() -> None:
    runtime = SerialRuntime()

    def fail() -> None:
        raise KeyboardInterrupt

    failing = runtime.spawn("failing", fail)
    runtime.spawn("behind", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        runtime.run_pending(2)
    assert runtime.pending() == 1
    with pytest.raises(KeyboardInterrupt):
        failing.join()


def test_simulation_passes_time_only_in_sleeps_and_timeouts() -> None:
    runtime = SerialRuntime()
    runtime.sleep(1.5)
    runtime.jump_wall_clock(-1)
    assert (runtime.monotonic(), runtime.wall_clock()) == (1.5, 0.5)
    with pytest.raises(DeadlockError, match="the run sleeps for ever"):
        runtime.sleep(inf)


def test_simulation_is_the_same_for_the_same_seed() -> None:
    def draw(seed: int) -> list[int]:
        runtime = SerialRuntime(seed)
        return [runtime.random_bits(64) for _ in range(8)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert SerialRuntime().process_id() == SerialRuntime().process_id()
