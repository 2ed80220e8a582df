"""Faults drawn at random: every word is drawn, and every plan does only what it may."""

import subprocess
import sys
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import File, OpenFlag
from wavetank.faults import (
    CrashSignal,
    Fault,
    FaultInjector,
    FaultPlan,
    FaultyFileSystem,
    What,
)
from wavetank.faults.strategies import fault_plans, faults
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

pytestmark = pytest.mark.idle_faults


def draw(strategy: st.SearchStrategy[Fault], number: int) -> list[Fault]:
    """Return 100 faults, others for each number."""
    drawn = []

    @seed(number)
    @settings(max_examples=100, phases=[Phase.generate], database=None)
    @given(fault=strategy)
    def keep(fault: Fault) -> None:
        drawn.append(fault)

    keep()
    return drawn


def test_every_effect_is_drawn() -> None:
    missing = set(get_args(What))
    for number in range(20):
        drawn = draw(faults(names=st.just("f"), max_number=3), number)
        missing -= {type(fault.what) for fault in drawn}
        if not missing:
            break
    assert missing == set()


def test_every_clause_is_drawn() -> None:
    drawn = draw(faults(), 0)
    assert any(fault.matcher.offset is not None for fault in drawn)
    assert any(fault.matcher.caller is not None for fault in drawn)
    assert any(fault.matcher.condition is not None for fault in drawn)
    assert any(fault.trigger.chance is not None for fault in drawn)
    assert any(fault.trigger.first > 1 for fault in drawn)


@given(plan=fault_plans(names=st.sampled_from(["f", "g"]), max_number=9, max_size=2))
def test_names_and_numbers_are_those_asked_for(plan: FaultPlan) -> None:
    assert len(plan.faults) <= 2
    for fault in plan.faults:
        assert fault.matcher.path in (None, "f", "g")
        assert fault.matcher.caller is None
        assert fault.trigger.first <= 9
        condition = fault.matcher.condition
        if condition is not None:
            assert condition.path in ("f", "g")
            assert (condition.size_bytes or 0) <= 9


def test_faults_need_no_hypothesis() -> None:
    script = "import sys, wavetank.faults; print('hypothesis' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


Call = Callable[[FaultyFileSystem, File], object]


READ_WRITE = OpenFlag.READ | OpenFlag.WRITE


NAMES = ["/f", "/g"]


names = st.sampled_from(NAMES)


places = st.integers(0, 1200)


contents = st.binary(max_size=1200)


calls: st.SearchStrategy[Call] = st.one_of(
    st.builds(lambda n, at: lambda _, file: file.pread(n, at), places, places),
    st.builds(lambda data, at: lambda _, file: file.pwrite(data, at), contents, places),
    st.builds(lambda data: lambda _, file: file.append(data), contents),
    st.builds(lambda size: lambda _, file: file.truncate(size), places),
    st.just(lambda _, file: file.size()),
    st.just(lambda _, file: file.fsync()),
    st.builds(lambda size: lambda _, file: file.preallocate(0, size), st.integers(1, 1200)),
    st.builds(lambda name: lambda fs, _: fs.stat(name).size, names),
    st.just(lambda fs, _: sorted(fs.listdir("/"))),
    st.builds(lambda one, other: lambda fs, _: fs.rename(one, other), names, names),
    st.builds(lambda one, other: lambda fs, _: fs.link(one, other), names, names),
    st.builds(lambda name: lambda fs, _: fs.unlink(name), names),
    st.builds(
        lambda name, extra: lambda fs, _: fs.open(name, READ_WRITE | extra).close(),
        names,
        st.sampled_from([OpenFlag(0), OpenFlag.CREATE, OpenFlag.CREATE | OpenFlag.TRUNCATE]),
    ),
    st.just(lambda fs, _: fs.fsync_dir("/")),
)


plans = fault_plans(names=st.sampled_from(["f", "g", "*"]), max_number=1200)


class Run:
    """Some calls on a new disk, under a plan."""

    def __init__(self, plan: FaultPlan, work: list[Call]) -> None:
        self.disk = SimDisk()
        self.below = SimFileSystem(self.disk)
        self.injector = FaultInjector(plan, seed=7)
        self.clock = SerialRuntime()
        fs = FaultyFileSystem(self.below, self.injector, self.disk, self.clock)
        self.injector.lifted = True
        self.file = fs.open("/f", READ_WRITE | OpenFlag.CREATE)
        self.file.pwrite(b"0123456789" * 100, 0)
        self.injector.lifted = False
        closing: list[Call] = [lambda _, file: file.close()]
        self.seen = [self._end_of(call, fs) for call in (*work, *closing)]

    def _end_of(self, call: Call, fs: FaultyFileSystem) -> object:
        try:
            return call(fs, self.file)
        except OSError as error:
            return error.errno
        except CrashSignal as signal:
            return str(signal)


@examples(40)
@given(plan=plans, work=st.lists(calls, max_size=12))
def test_a_run_is_the_same_each_time_and_ends_in_nothing_but_errors_and_signals(
    plan: FaultPlan, work: list[Call]
) -> None:
    one, other = Run(plan, work), Run(plan, work)
    assert one.seen == other.seen
    assert one.injector.state == other.injector.state
    assert one.injector.fired() == other.injector.fired()
    assert one.clock.wall_clock() == other.clock.wall_clock()


@examples(40)
@given(plan=plans, work=st.lists(calls, max_size=12))
def test_what_never_fired_has_changed_nothing(plan: FaultPlan, work: list[Call]) -> None:
    run, truth = Run(plan, work), Run(FaultPlan(), work)
    if not any(run.injector.fired().values()):
        assert run.seen == truth.seen
        assert list(run.disk.log) == list(truth.disk.log)


@examples(40)
@given(plan=plans, work=st.lists(calls, max_size=12))
def test_faults_that_are_lifted_show_what_is_below(plan: FaultPlan, work: list[Call]) -> None:
    run = Run(plan, work)
    run.injector.lifted = True
    fs = FaultyFileSystem(run.below, run.injector, run.disk, run.clock)
    assert sorted(fs.listdir("/")) == sorted(run.below.listdir("/"))
    for name in run.below.listdir("/"):
        path = f"/{name}"
        assert fs.stat(path) == run.below.stat(path)
        assert content(fs, path) == content(run.below, path)


def content(fs: FaultyFileSystem | SimFileSystem, path: str) -> bytes:
    return fs.open(path, OpenFlag.READ).pread(1 << 20, 0)
