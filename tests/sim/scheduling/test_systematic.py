"""Every schedule that can differ, held to a search of all schedules there are."""

from functools import partial
from itertools import pairwise
from random import Random
from typing import TypeAlias

import pytest

from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.scheduler import Access
from wavetank.sim.scheduling.systematic import (
    Certificate,
    NotDeterministicError,
    Systematic,
    explore_all,
)

Plan: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]
"""For each task its steps: read, write or lock a place, by name."""

ALL = 99
"""More preemptions than any of these programs can have."""


def random_plan(seed: int) -> Plan:
    random = Random(seed)
    tasks = random.randint(2, 3)
    places = "xyz" if tasks == 2 else "xy"
    return tuple(
        tuple(
            (random.choice(["read", "write", "write", "lock"]), random.choice(places))
            for _ in range(random.randint(1, 3 if tasks == 2 else 2))
        )
        for _ in range(tasks)
    )


def outcomes(plan: Plan, *, preemptions: int | None) -> tuple[set[object], Certificate]:
    """Run a plan under all schedules; return all that can come of it."""
    seen: set[object] = set()

    def run(strategy: Systematic) -> None:
        with SimRuntime(strategy) as runtime:
            memory: dict[str, tuple[int, ...]] = {}
            read: list[list[object]] = [[] for _ in plan]
            locks = {place: runtime.lock() for place in "xyz"}

            def write(task: int, place: str) -> None:
                runtime.pause(Access.to(place))
                memory[place] = (*memory.get(place, ()), task)

            def work(task: int) -> None:
                for step, place in plan[task]:
                    if step == "read":
                        runtime.pause(Access.reading(place))
                        read[task].append(memory.get(place))
                    elif step == "write":
                        write(task, place)
                    else:
                        with locks[place]:
                            write(task, f"locked {place}")

            tasks = [
                runtime.spawn(f"task {number}", partial(work, number))
                for number in range(len(plan))
            ]
            for task in tasks:
                task.join()
            seen.add((tuple(sorted(memory.items())), tuple(map(tuple, read))))

    return seen, explore_all(run, preemptions=preemptions, limit=20_000)


@pytest.mark.parametrize(
    "seeds",
    [range(20), pytest.param(range(20, 120), marks=pytest.mark.minutes)],
    ids=["few", "more"],
)
def test_the_reduction_misses_nothing_that_all_schedules_show(seeds: range) -> None:
    reduced = every = 0
    for seed in seeds:
        plan = random_plan(seed)
        wanted, all_of_them = outcomes(plan, preemptions=ALL)
        seen, certificate = outcomes(plan, preemptions=None)
        assert certificate.complete, plan
        assert seen <= wanted, plan
        if all_of_them.complete:
            assert seen == wanted, plan
            reduced += certificate.runs
            every += all_of_them.runs
    assert every > 10 * reduced


def test_independent_tasks_need_one_run() -> None:
    plan = ((("write", "x"),) * 3, (("write", "y"),) * 3)
    assert outcomes(plan, preemptions=None)[1] == Certificate(
        runs=1, complete=True, preemptions=None
    )


def test_readers_of_the_same_need_one_run() -> None:
    plan = ((("read", "x"),) * 3, (("read", "x"),) * 3)
    assert outcomes(plan, preemptions=None)[1].runs == 1


def test_two_writers_need_a_run_for_each_order_of_their_writes() -> None:
    plan = ((("write", "x"),) * 2, (("write", "x"),) * 2)
    seen, certificate = outcomes(plan, preemptions=None)
    assert (len(seen), certificate.runs) == (6, 6)  # 4 over 2


def test_a_bound_of_preemptions_widens_what_is_seen() -> None:
    plan = ((("write", "x"),) * 3, (("write", "x"),) * 3)
    found = [outcomes(plan, preemptions=bound) for bound in range(4)]
    sizes = [len(seen) for seen, _ in found]
    assert sizes == sorted(sizes)
    assert sizes[0] == 2
    assert sizes[-1] > sizes[1] > sizes[0]
    assert all(certificate.complete for _, certificate in found)
    for (narrow, _), (wide, _) in pairwise(found):
        assert narrow <= wide


def test_a_limit_ends_the_search_and_says_so() -> None:
    runs: list[int] = []

    def run(strategy: Systematic) -> None:
        runs.append(1)
        with SimRuntime(strategy) as runtime:

            def write() -> None:
                for _ in range(4):
                    runtime.pause(Access.to("x"))

            tasks = [runtime.spawn("t", write) for _ in range(2)]
            for task in tasks:
                task.join()

    assert explore_all(run, limit=5) == Certificate(runs=5, complete=False, preemptions=None)
    assert len(runs) == 5


def test_a_program_that_differs_from_run_to_run_is_refused() -> None:
    runs: list[int] = []

    def run(strategy: Systematic) -> None:
        runs.append(1)
        with SimRuntime(strategy) as runtime:
            tasks = [
                runtime.spawn("t", lambda: runtime.pause(Access.to("x")))
                for _ in range(1 + len(runs) % 3)
            ]
            for task in tasks:
                task.join()

    with pytest.raises(NotDeterministicError, match="must do the same"):
        explore_all(run)
