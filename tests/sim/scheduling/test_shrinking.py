"""The fewest departures, held to a search of all schedules there are."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import TypeAlias

import pytest

from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.schedule import Schedule
from wavetank.sim.scheduling.shrinking import ReplaySwitches, Switches, fewest_departures
from wavetank.sim.scheduling.strategies import RandomChoice, Replay, Strategy

Plan: TypeAlias = tuple[tuple[str, ...], ...]
"""For each task its steps."""
Outcome: TypeAlias = tuple[int, ...]
"""Who told, in order."""


def random_plan(seed: int) -> Plan:
    random = Random(seed)
    return tuple(
        tuple(random.choice(["see", "locked"]) for _ in range(random.randint(1, 2)))
        for _ in range(2)
    )


def run_plan(plan: Plan, strategy: Strategy) -> tuple[Outcome, Schedule]:
    """Run tasks that tell what they have seen of one another."""
    told: list[int] = []
    with SimRuntime(strategy) as runtime:
        lock = runtime.lock()

        def work(task: int) -> None:
            for step in plan[task]:
                if step == "see":
                    runtime.pause()
                    told.append(task)
                else:
                    with lock:
                        told.append(task)
                        runtime.pause()
                        told.append(task)

        tasks = [runtime.spawn(f"task {n}", partial(work, n)) for n in range(len(plan))]
        for task in tasks:
            task.join()
        return tuple(told), runtime.schedule


class Scripted:
    """Chooses as a script says, then the usual task; notes between how many it could choose."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.widths: list[int] = []

    def next_look(self, step: int) -> int:
        return step

    def choose(self, _: int, __: int | None, ready: Sequence[int], usual: int) -> int:
        place = len(self.widths)
        self.widths.append(len(ready))
        choice = self.script[place] if place < len(self.script) else 0
        return sorted(ready, key=lambda task: task != usual)[choice]


def all_outcomes(plan: Plan) -> dict[Outcome, tuple[int, Schedule]]:
    """Return for each outcome the fewest departures with which it comes, and the most."""
    found: dict[Outcome, tuple[int, Schedule]] = {}
    scripts: list[list[int]] = [[]]
    while scripts:
        strategy = Scripted(scripts.pop())
        outcome, schedule = run_plan(plan, strategy)
        count = len(schedule.departures)
        fewest, longest = found.get(outcome, (count, schedule))
        longest = max(longest, schedule, key=lambda each: len(each.departures))
        found[outcome] = min(fewest, count), longest
        for place in range(len(strategy.script), len(strategy.widths)):
            before = strategy.script + [0] * (place - len(strategy.script))
            scripts += [[*before, choice] for choice in range(1, strategy.widths[place])]
    return found


def replaying(plan: Plan, wanted: Outcome) -> Callable[[ReplaySwitches], tuple[bool, Switches]]:
    def replay(strategy: ReplaySwitches) -> tuple[bool, Switches]:
        outcome, schedule = run_plan(plan, strategy)
        assert schedule.departures == strategy.switches.departures
        return outcome == wanted, strategy.switches

    return replay


@pytest.mark.parametrize(
    "seeds",
    [range(12), pytest.param(range(12, 40), marks=pytest.mark.minutes)],
    ids=["few", "more"],
)
def test_with_enough_runs_no_schedule_has_fewer(seeds: range) -> None:
    for seed in seeds:
        plan = random_plan(seed)
        for outcome, (fewest, schedule) in all_outcomes(plan).items():
            found = fewest_departures(schedule.departures, replaying(plan, outcome), runs=50_000)
            assert len(found) == fewest, (seed, plan, outcome, schedule)
            again, same = run_plan(plan, Replay(Schedule(departures=found)))
            assert (again, same.departures) == (outcome, found)


@pytest.mark.parametrize("runs", [0, 1, 2, 7])
def test_no_more_runs_are_made_than_allowed(runs: int) -> None:
    plan: Plan = (("see",) * 3, ("see",) * 3, ("locked",))
    outcome, schedule = run_plan(plan, RandomChoice(3))
    made: list[bool] = []

    def replay(strategy: ReplaySwitches) -> tuple[bool, Switches]:
        fails, switches = replaying(plan, outcome)(strategy)
        made.append(fails)
        return fails, switches

    found = fewest_departures(schedule.departures, replay, runs=runs)
    assert len(made) == runs
    assert len(found) <= len(schedule.departures)


def test_a_run_that_does_not_fail_again_is_left_as_it_is() -> None:
    departures = Schedule.from_text("calls 2>1 3>0").departures
    assert fewest_departures(departures, lambda _: (False, Switches()), runs=9) == departures


def opposite_order(strategy: Strategy) -> tuple[bool, Schedule]:
    """Return whether two tasks that take two locks in opposite order wait for one another."""
    with SimRuntime(strategy) as runtime:
        left, right = runtime.lock(), runtime.lock()
        ended: list[int] = []

        def move(number: int) -> None:
            first, second = (left, right) if number else (right, left)
            with first:
                for _ in range(5):
                    runtime.pause()
                with second:
                    ended.append(number)

        for number in range(2):
            runtime.spawn(f"task {number}", partial(move, number))
        runtime.sleep(1)
        return not ended, runtime.schedule


@pytest.mark.parametrize("seed", range(4))
def test_a_deadlock_of_two_locks_needs_one_departure(seed: int) -> None:
    deadlocks, schedule = opposite_order(RandomChoice(seed))
    assert deadlocks
    assert len(schedule.departures) > 4
    found = fewest_departures(
        schedule.departures,
        lambda strategy: (opposite_order(strategy)[0], strategy.switches),
        runs=40,
    )
    assert len(found) == 1
    assert not opposite_order(Replay(Schedule()))[0]
