"""Interleavings are driven from one thread where one suffices; threads prove what needs them."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from math import inf, nan
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine.errors import LockTimeoutError, OperationCancelledError
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.runtime import Condition
from wavetank.engine.thread_runtime import ThreadRuntime


class EndlessWaitError(Exception):
    """A wait that nothing could ever end."""


class LoneCondition:
    """A condition with one thread only: a timed wait passes the time, an untimed one raises.

    What the rest of the world does meanwhile stands in `runtime.meanwhile`; the wait ends behind
    the first of these calls that notifies.
    """

    def __init__(self, runtime: "LoneRuntime") -> None:
        self.runtime = runtime
        self.held = False
        self.notified = False

    def __enter__(self) -> bool:
        assert not self.held, "one thread cannot wait for itself"
        self.held = True
        return True

    def __exit__(self, *_: object) -> None:
        self.held = False

    def wait(self, timeout_s: float | None = None) -> bool:
        self.runtime.waits.append(timeout_s)
        self.notified = False
        while self.runtime.meanwhile and not self.notified:
            self.held = False
            self.runtime.meanwhile.pop(0)(self)
            self.held = True
        if not self.notified and timeout_s is None:
            raise EndlessWaitError
        if not self.notified and self.runtime.clock_moves:
            self.runtime.now_s += timeout_s or 0
        return self.notified

    def notify_all(self) -> None:
        assert self.held
        self.notified = True


class LoneRuntime(ThreadRuntime):
    """A runtime with one thread and a clock that moves only while that thread waits."""

    def __init__(self, *, clock_moves: bool = True) -> None:
        self.clock_moves = clock_moves
        self.now_s = 1000.0
        self.waits: list[float | None] = []
        self.meanwhile: list[Callable[[LoneCondition], object]] = []

    def condition(self) -> Condition:
        return cast("Condition", LoneCondition(self))

    def monotonic(self) -> float:
        return self.now_s


def make(
    runtime: LoneRuntime | None = None, default_timeout_s: float | None = 5.0
) -> RWOperationLocker:
    return RWOperationLocker(
        runtime or LoneRuntime(), name="log", default_timeout_s=default_timeout_s
    )


def succeeds(hold: AbstractContextManager[None]) -> bool:
    try:
        with hold:
            return True
    except LockTimeoutError:
        return False


def is_untouched(locker: RWOperationLocker) -> bool:
    """Whether every mode is free, which it is not if anything was left behind."""
    with locker.update(0):
        return succeeds(locker.exclusive(0)) and succeeds(locker.read(0))


# --- the modes


def test_an_uncontended_lock_never_waits() -> None:
    runtime = LoneRuntime()
    locker = make(runtime, default_timeout_s=None)
    with locker.read(), locker.read(), locker.update(), locker.read():
        pass
    with locker.update():
        with locker.exclusive():
            pass
        with locker.exclusive():
            pass
    assert is_untouched(locker)
    assert runtime.waits == []


class Model:
    """Who is inside, and hence who may enter."""

    def __init__(self) -> None:
        self.inside: list[str] = []

    def may_enter(self, mode: str) -> bool:
        match mode:
            case "read":
                return "exclusive" not in self.inside
            case "update":
                return "update" not in self.inside
            case _:
                return "read" not in self.inside

    def may_ask(self, mode: str) -> bool:
        """Exclusive belongs to the holder of update; what it encloses ends within it."""
        if mode == "exclusive":
            return "update" in self.inside and "exclusive" not in self.inside
        return True

    def may_leave(self, mode: str) -> bool:
        if mode == "update" and "exclusive" in self.inside:
            return False
        return mode in self.inside


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["read", "update", "exclusive"]))))
def test_who_may_enter_depends_on_who_is_inside(steps: list[tuple[bool, str]]) -> None:
    locker, model = make(), Model()
    modes: dict[str, Callable[[float], AbstractContextManager[None]]] = {
        "read": locker.read,
        "update": locker.update,
        "exclusive": locker.exclusive,
    }
    holds: list[tuple[str, AbstractContextManager[None]]] = []
    for entering, mode in steps:
        if not entering:
            if model.may_leave(mode):
                left = next(hold for hold in holds if hold[0] == mode)
                left[1].__exit__(None, None, None)
                holds.remove(left)
                model.inside.remove(mode)
        elif model.may_ask(mode):
            hold = modes[mode](0)
            try:
                hold.__enter__()
            except LockTimeoutError:
                assert not model.may_enter(mode)
            else:
                assert model.may_enter(mode)
                holds.append((mode, hold))
                model.inside.append(mode)


@pytest.mark.parametrize("misuse", ["without update", "twice"])
def test_exclusive_belongs_to_the_holder_of_update(misuse: str) -> None:
    locker = make()
    with ExitStack() as stack:
        if misuse == "twice":
            stack.enter_context(locker.update())
            stack.enter_context(locker.exclusive())
        with (
            pytest.raises(RuntimeError, match="log: exclusive needs update"),
            locker.exclusive(),
        ):
            pass
    assert is_untouched(locker)


def test_an_exception_inside_passes_and_frees_the_lock() -> None:
    locker = make()
    with pytest.raises(KeyError), locker.update(), locker.exclusive():
        raise KeyError
    with pytest.raises(KeyError), locker.read():
        raise KeyError
    assert is_untouched(locker)


# --- waiting


class Contest:
    """A lock whose `mode` is not to be had until `obstacle` is closed; `outer` does not matter."""

    def __init__(self, locker: RWOperationLocker, mode: str) -> None:
        self.outer, self.obstacle = ExitStack(), ExitStack()
        if mode != "update":
            self.outer.enter_context(locker.update())
        obstacles = {"read": locker.exclusive, "update": locker.update, "exclusive": locker.read}
        self.obstacle.enter_context(obstacles[mode]())

    def close(self) -> None:
        self.obstacle.close()
        self.outer.close()


def enter(locker: RWOperationLocker, mode: str, timeout_s: float | None = None) -> None:
    holds = {"read": locker.read, "update": locker.update, "exclusive": locker.exclusive}
    holds[mode](timeout_s).__enter__()


MODES = ["read", "update", "exclusive"]


@pytest.mark.parametrize("clock_moves", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_a_timeout_names_lock_mode_and_seconds_and_leaves_nothing_behind(
    mode: str, *, clock_moves: bool
) -> None:
    runtime = LoneRuntime(clock_moves=clock_moves)
    locker = make(runtime, default_timeout_s=2.5)
    contest = Contest(locker, mode)
    with pytest.raises(LockTimeoutError, match=rf"log: expected the {mode} lock within 2\.5 s"):
        enter(locker, mode)
    assert runtime.waits == [2.5]
    assert succeeds(locker.read(0)) == (mode != "read")
    contest.close()
    assert is_untouched(locker)


@pytest.mark.parametrize("mode", MODES)
def test_a_timeout_of_zero_tries_once_and_never_waits(mode: str) -> None:
    runtime = LoneRuntime()
    locker = make(runtime)
    contest = Contest(locker, mode)
    with pytest.raises(LockTimeoutError, match="within 0 s"):
        enter(locker, mode, 0)
    assert runtime.waits == []
    contest.close()
    assert is_untouched(locker)


@pytest.mark.parametrize("mode", MODES)
def test_wakings_for_nothing_do_not_stretch_the_timeout(mode: str) -> None:
    runtime = LoneRuntime()
    locker = make(runtime, default_timeout_s=3.0)
    contest = Contest(locker, mode)

    def wake_after_a_second(condition: LoneCondition) -> None:
        runtime.now_s += 1.0
        condition.notified = True

    runtime.meanwhile = [wake_after_a_second] * 10
    with pytest.raises(LockTimeoutError):
        enter(locker, mode)
    assert runtime.waits == [3.0, 2.0, 1.0]
    contest.close()
    assert is_untouched(locker)


@pytest.mark.parametrize("default_timeout_s", [None, inf])
@pytest.mark.parametrize("mode", MODES)
def test_a_wait_that_the_runtime_breaks_off_leaves_nothing_behind(
    mode: str, default_timeout_s: float | None
) -> None:
    runtime = LoneRuntime()
    locker = make(runtime, default_timeout_s=default_timeout_s)
    contest = Contest(locker, mode)
    with pytest.raises(EndlessWaitError):
        enter(locker, mode)
    assert runtime.waits == [None]
    contest.close()
    assert is_untouched(locker)


@pytest.mark.parametrize("mode", MODES)
def test_whoever_waits_is_woken_when_the_way_becomes_free(mode: str) -> None:
    runtime = LoneRuntime()
    locker = make(runtime, default_timeout_s=None)
    contest = Contest(locker, mode)
    runtime.meanwhile = [lambda _: contest.obstacle.close()]
    enter(locker, mode)
    assert runtime.waits == [None]


def test_new_readers_queue_while_an_exclusive_waits_and_go_on_if_it_gives_up() -> None:
    runtime = LoneRuntime()
    locker = make(runtime, default_timeout_s=1.0)
    found: list[bool] = []

    def come_as_new_reader(_: LoneCondition | None = None) -> None:
        found.append(succeeds(locker.read(0)))

    def leave(_: LoneCondition) -> None:
        reader.__exit__(None, None, None)

    reader = locker.read()
    reader.__enter__()
    with locker.update():
        runtime.meanwhile = [come_as_new_reader]
        assert not succeeds(locker.exclusive())
        come_as_new_reader()
        runtime.meanwhile = [come_as_new_reader, leave]
        with locker.exclusive():
            come_as_new_reader()
    come_as_new_reader()
    assert found == [False, True, False, False, True]


# --- arguments and cancellation


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("timeout_s", "error", "message"),
    [
        ("5", TypeError, r"timeout_s: expected seconds as a number but got '5' \(str\)"),
        (True, TypeError, r"timeout_s: expected seconds as a number but got True \(bool\)"),
        (-0.1, ValueError, r"timeout_s: expected seconds >= 0 but got -0\.1"),
        (nan, ValueError, r"timeout_s: expected seconds >= 0 but got nan"),
        (-inf, ValueError, r"timeout_s: expected seconds >= 0 but got -inf"),
    ],
)
def test_a_timeout_that_is_no_duration_is_refused_by_the_call_itself(
    mode: str, timeout_s: float, error: type[Exception], message: str
) -> None:
    locker = make()
    with pytest.raises(error, match=message):
        getattr(locker, mode)(timeout_s)
    with pytest.raises(error, match="default_" + message):
        make(default_timeout_s=timeout_s)


class Token:
    """Is set from its nth look on."""

    def __init__(self, looks_before: int) -> None:
        self.looks_left = looks_before

    def is_set(self) -> bool:
        self.looks_left -= 1
        return self.looks_left < 0


@pytest.mark.parametrize("mode", ["read", "update"])
@pytest.mark.parametrize("looks_before", [0, 1])
def test_a_token_set_before_or_while_entering_cancels_and_frees_the_lock(
    mode: str, looks_before: int
) -> None:
    locker = make()
    with pytest.raises(OperationCancelledError):
        getattr(locker, mode)(None, Token(looks_before)).__enter__()
    assert is_untouched(locker)
    with getattr(locker, mode)(None, Token(2)):
        pass
    assert is_untouched(locker)


def test_a_token_set_already_cancels_without_a_wait() -> None:
    runtime = LoneRuntime()
    locker = make(runtime)
    token = threading.Event()
    token.set()
    with (
        locker.update(),
        pytest.raises(OperationCancelledError),
        locker.update(cancel=token),
    ):
        pass
    assert runtime.waits == []


@pytest.mark.parametrize("mode", ["read", "update"])
def test_a_token_that_fails_frees_the_lock(mode: str) -> None:
    class FailingToken(Token):
        def is_set(self) -> bool:
            if super().is_set():
                raise KeyError
            return False

    locker = make()
    with pytest.raises(KeyError):
        getattr(locker, mode)(None, FailingToken(1)).__enter__()
    assert is_untouched(locker)


def test_a_token_that_cannot_be_asked_is_refused() -> None:
    with pytest.raises(TypeError, match=r"cancel: expected a token with is_set\(\) but got 3"):
        make().read(cancel=3)  # type: ignore[arg-type]


# --- real threads


def make_threaded() -> tuple[ThreadRuntime, RWOperationLocker]:
    runtime = ThreadRuntime()
    return runtime, RWOperationLocker(runtime, name="log", default_timeout_s=None)


def test_readers_stand_side_by_side_within_an_update() -> None:
    runtime, locker = make_threaded()
    together = threading.Barrier(4)

    def read() -> None:
        with locker.read():
            together.wait()

    def update() -> None:
        with locker.update():
            together.wait()

    tasks = [runtime.spawn(f"reader-{number}", read) for number in range(3)]
    tasks.append(runtime.spawn("updater", update))
    assert [task.join() for task in tasks] == [True] * 4


def test_a_waiting_exclusive_is_not_starved_by_readers_that_hand_over_to_each_other() -> None:
    runtime, locker = make_threaded()
    alone: list[str] = []

    def update() -> None:
        with locker.update(), locker.exclusive():
            alone.append("exclusive")

    with locker.read():
        updater = runtime.spawn("updater", update)
        # A new reader that finds no room proves that the exclusive waits.
        while succeeds(locker.read(0)):
            pass
        assert alone == []
        follower = runtime.spawn("follower", lambda: read_after(locker, alone))
    assert updater.join()
    assert follower.join()
    assert alone == ["exclusive", "follower"]


def read_after(locker: RWOperationLocker, order: list[str]) -> None:
    with locker.read():
        order.append("follower")


class HandTimedCondition:
    """A real condition whose timed waits end when the test says so, and not by any clock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.timed = threading.Condition(self.lock)
        self.untimed = threading.Condition(self.lock)
        self.waiting: list[float | None] = []

    def __enter__(self) -> bool:
        return self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def wait(self, timeout_s: float | None = None) -> bool:
        self.waiting.append(timeout_s)
        (self.untimed if timeout_s is None else self.timed).wait()
        return timeout_s is None

    def notify_all(self) -> None:
        self.untimed.notify_all()


class HandTimedRuntime(ThreadRuntime):
    """Real threads whose clock stands still."""

    def __init__(self) -> None:
        self.only = HandTimedCondition()

    def condition(self) -> Condition:
        return cast("Condition", self.only)

    def monotonic(self) -> float:
        return 1000.0

    def until_waiting(self, timeouts_s: list[float | None]) -> None:
        """Return once as many threads wait; inside the lock, for then they have all let go."""
        while True:
            with self.only:
                if len(self.only.waiting) == len(timeouts_s):
                    assert self.only.waiting == timeouts_s
                    return


def test_readers_queued_behind_an_exclusive_go_on_as_soon_as_it_gives_up() -> None:
    runtime = HandTimedRuntime()
    locker = RWOperationLocker(runtime, name="log", default_timeout_s=None)
    order: list[str] = []
    followed = threading.Event()

    def give_up() -> None:
        with locker.update():
            assert not succeeds(locker.exclusive(100.0))
            followed.wait()

    with locker.read():
        updater = runtime.spawn("updater", give_up)
        runtime.until_waiting([100.0])
        follower = runtime.spawn("follower", lambda: read_after(locker, order))
        runtime.until_waiting([100.0, None])
        with runtime.only:
            runtime.only.timed.notify_all()
        assert follower.join()
        followed.set()
        assert updater.join()
    assert order == ["follower"]
    assert is_untouched(locker)


def test_under_load_updates_are_alone_among_updates_and_exclusives_alone_altogether() -> None:
    """The pair is torn between two steps of an exclusive; no reader may ever see it so."""
    runtime, locker = make_threaded()
    pair, updaters_inside, torn = [0, 0], [0], list[str]()
    start = threading.Barrier(6)

    def update() -> None:
        start.wait()
        for _ in range(300):
            with locker.update():
                updaters_inside[0] += 1
                if updaters_inside[0] != 1:
                    torn.append("two updaters")
                with locker.exclusive():
                    pair[0] += 1
                    runtime.sleep(0)
                    pair[1] += 1
                updaters_inside[0] -= 1

    def read() -> None:
        start.wait()
        for _ in range(300):
            with locker.read():
                first = pair[0]
                runtime.sleep(0)
                if pair[1] != first:
                    torn.append("a reader within an exclusive")

    tasks = [runtime.spawn(f"updater-{number}", update) for number in range(2)]
    tasks += [runtime.spawn(f"reader-{number}", read) for number in range(4)]
    assert [task.join() for task in tasks] == [True] * 6
    assert torn == []
    assert pair == [600, 600]
