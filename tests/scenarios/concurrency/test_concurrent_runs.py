"""Tasks beside one another on the engine: right under all schedules, and races are found."""

from collections.abc import Callable

import pytest
from attrs import evolve
from racy_stores import DEADLOCKING, EARLY_INDEX

from wavetank.engine import PersistentState
from wavetank.scenarios import BUILTIN, CONCURRENT_SCENARIOS, StoreAdapter
from wavetank.scenarios.concurrency.concurrent_run import (
    ConcurrentRun,
    UnschedulableStoreError,
    require_schedulable,
    start_of,
)
from wavetank.scenarios.concurrency.crashes import recording_of
from wavetank.scenarios.concurrency.exploration import explore_tasks
from wavetank.scenarios.concurrency.schedules import (
    Player,
    explore_every_schedule,
    explore_schedules,
)
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.raft.steps import SaveState, TaskPlan, TaskStep, Workload
from wavetank.scenarios.stores.registry import find_store
from wavetank.sim import POSIX
from wavetank.sim.scheduling.schedule import Grain
from wavetank.sim.scheduling.strategies import Pct, RandomChoice, RoundRobin, Strategy, UntilItWaits
from wavetank.sim.scheduling.switching import BatonThreads

NAMES = list(CONCURRENT_SCENARIOS)


def player(name: str, store: StoreAdapter = BUILTIN) -> Player:
    return Player(start_of(CONCURRENT_SCENARIOS[name].workload(0), store))


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_is_right_under_schedules_at_both_grains(name: str) -> None:
    with player(name) as runs:
        seen = explore_schedules(runs, seed=7, count=40, keep=4)
    assert [failed.problem for failed in seen.failures] == []
    assert seen.runs == 40
    assert len(seen.distinct) >= 1


@pytest.mark.minutes
@pytest.mark.parametrize("name", NAMES)
def test_the_engine_is_right_under_many_schedules(name: str) -> None:
    with player(name) as runs:
        seen = explore_schedules(runs, seed=8, count=2_000)
    assert [failed.problem for failed in seen.failures] == []


@pytest.mark.parametrize("name", ["concurrent-compaction", "concurrent-close"])
@pytest.mark.parametrize(
    "make", [lambda: RandomChoice(3), lambda: Pct(3, steps=300, depth=3), RoundRobin]
)
def test_greenlets_and_threads_give_equal_runs(name: str, make: Callable[[], Strategy]) -> None:
    start = start_of(CONCURRENT_SCENARIOS[name].workload(0), BUILTIN)
    with Player(start) as green, Player(start, switching=BatonThreads) as threads:
        one, other = green.run(make()), threads.run(make())
    assert one.problem is None
    assert (one.digest, one.log_digest) == (other.digest, other.log_digest)
    assert one.schedule == other.schedule


@pytest.mark.parametrize("grain", list(Grain))
def test_a_run_replays_from_its_schedule(grain: Grain) -> None:
    with player("concurrent-observers") as runs:
        for seed in range(3):
            run = runs.run(RandomChoice(seed), grain)
            again = runs.replay(run.schedule)
            assert (run.digest, run.log_digest) == (again.digest, again.log_digest)


def votes(*states: PersistentState) -> Workload:
    """Let each state be saved by a task of its own."""
    workload = CONCURRENT_SCENARIOS["concurrent-votes"].workload(0)
    tasks = tuple(
        TaskPlan(name=f"voter {number}", steps=(TaskStep(call=SaveState(state)),))
        for number, state in enumerate(states)
    )

    return evolve(workload, tasks=tasks)


def test_every_schedule_of_two_votes_in_one_term_leaves_exactly_one() -> None:
    start = start_of(votes(PersistentState(2, "b"), PersistentState(2, "c")), BUILTIN)
    winners: set[str] = set()

    def take(run: ConcurrentRun) -> None:
        results = [call.result for call in run.history.calls]
        assert sorted(map(str, results)) == ["done", "refused"]
        winners.add(run.history.calls[results.index("done")].task)

    with Player(start) as runs:
        seen = explore_every_schedule(runs, limit=200, keep=200)
        for run in seen.distinct:
            take(run)
    assert seen.certificate is not None
    assert seen.certificate.complete
    assert winners == {"voter 0", "voter 1"}


def test_an_index_that_is_shown_before_its_entries_is_found_and_made_small() -> None:
    with player("concurrent-readers", EARLY_INDEX) as runs:
        seen = explore_schedules(runs, seed=0, count=100)
        (failed, *_) = seen.failures
        assert failed.problem is not None
        assert failed.problem.invariant == "O13"
        assert "no order of the calls explains" in failed.problem.kind
        assert 1 <= len(failed.schedule.departures) <= 2
        again = runs.replay(failed.schedule)
        assert again.problem == failed.problem
        assert again.impossible is not None
        assert 1 <= len(again.impossible.calls) < len(again.history.calls)
    assert seen.runs < 100, "it ends soon after the first failure"


def test_locks_in_two_orders_are_found_as_a_deadlock() -> None:
    with player("concurrent-readers", DEADLOCKING) as runs:
        seen = explore_schedules(runs, seed=0, count=200)
    deadlocks = [each.problem for each in seen.failures if each.problem is not None]
    assert [(each.invariant, each.kind) for each in deadlocks] == [("O14", "deadlock")]
    assert "waits for lock" in deadlocks[0].summary
    assert len(seen.failures[0].schedule.departures) <= 3


def test_crashes_of_a_concurrent_run_are_judged_with_calls_in_flight() -> None:
    """With both votes in flight either may be there, or none; with one acknowledged it is there."""
    start = start_of(votes(PersistentState(2, "b"), PersistentState(2, "c")), BUILTIN)
    with Player(start) as runs:
        recording = recording_of(runs.run(UntilItWaits()))
    terms = [
        sorted({state.state.voted_for for state in each.knowledge.possible})
        for each in recording.history
    ]
    assert terms[0] == ["node-a"]
    assert ["b", "c", "node-a"] not in terms[-1:]
    assert terms[-1] == ["b"]
    with Player(start) as runs:
        seen = explore_tasks(runs, POSIX, seed=0, schedules=20, limits=Limits())
    assert list(seen.findings()) == []
    assert sum(each.seen.judged for each in seen.crashed) > 20
    assert all(each.seen.complete for each in seen.crashed)


def test_a_store_that_takes_its_threads_from_elsewhere_is_refused() -> None:
    with pytest.raises(UnschedulableStoreError, match=r"'site runtime'.*wavetank check"):
        require_schedulable(find_store("sqlite:wal-full"))
