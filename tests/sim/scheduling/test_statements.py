"""Pauses before each statement: races between two lines are met, and nothing stays behind."""

import inspect
import sys

import pytest
import racy_counter
from racy_counter import Counter

from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.schedule import Grain
from wavetank.sim.scheduling.statements import StatementPauses, modules_below
from wavetank.sim.scheduling.strategies import RandomChoice

WAYS = ["increment", "increment_in_place", "increment_in_a_closure", "increasing"]


def count_twice(way: str, seed: int, pauses: StatementPauses | None) -> int:
    counter = Counter()
    with SimRuntime(RandomChoice(seed), grain=Grain.STATEMENTS) as runtime:
        if pauses is not None:
            pauses.call(runtime.pause)

        def work() -> None:
            if way == "increasing":
                with counter.increasing():
                    pass
            else:
                getattr(counter, way)()

        tasks = [runtime.spawn("counts", work) for _ in range(2)]
        for task in tasks:
            task.join()
    return counter.value


@pytest.mark.parametrize("way", WAYS)
def test_a_lost_update_is_met_between_two_statements_and_inside_one(way: str) -> None:
    with StatementPauses([racy_counter]) as pauses:
        met = {count_twice(way, seed, pauses) for seed in range(30)}
    assert met == {1, 2}


@pytest.mark.parametrize("way", WAYS)
def test_without_pauses_no_schedule_meets_it(way: str) -> None:
    assert {count_twice(way, seed, None) for seed in range(30)} == {2}


def test_the_code_is_as_before_behind_the_block() -> None:
    before = {name: getattr(Counter, name).__code__ for name in WAYS if name != "increasing"}
    lines = inspect.getsourcelines(Counter.increment)
    with StatementPauses([racy_counter]) as pauses:
        counts: list[int] = []
        pauses.call(lambda: counts.append(1))
        Counter().increment()
        assert len(counts) == 4  # two statements here, two in __init__
        assert Counter.increment.__code__.co_firstlineno == lines[1]
        during = {name: getattr(Counter, name).__code__ for name in before}
    assert {name: getattr(Counter, name).__code__ for name in before} == before
    assert all(during[name] is not before[name] for name in before)
    assert not [name for name in vars(racy_counter) if name.startswith("__wavetank")]


def test_modules_are_found_by_package() -> None:
    names = {module.__name__ for module in modules_below("wavetank.engine")}
    assert {"wavetank.engine.locker", "wavetank.engine.log.log"} <= names
    assert all(name.partition(".")[0] == "wavetank" for name in names)
    assert modules_below("wavetank.eng") == ()
    assert racy_counter in modules_below("racy_counter")
    assert sys.modules["racy_counter"] is racy_counter
