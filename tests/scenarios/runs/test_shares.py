"""A large exploration is cut into shares; their outcomes make the result of the whole."""

import pickle
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from attrs import define, evolve, field
from killing import KillsOnePool

from wavetank.scenarios import (
    FindingFound,
    LostShareError,
    News,
    OwnScenario,
    RunPlan,
    RunResult,
    ScenarioFinished,
    Share,
    ShareOutcome,
    Verdict,
    Workers,
    count_shares,
    events_of,
    run,
    scenario_from_toml,
    units_of,
)
from wavetank.scenarios.runs.shares import ExploredPart, UnitCuts, run_share

P = ParamSpec("P")
T = TypeVar("T")

SHORT = scenario_from_toml(
    """
name = "short-life"
summary = "a few appends, a vote, a kill and a snapshot"
options = ["retained_log_size=1"]
steps = [
    {campaign = true}, {append = 2}, {kill = true}, {append = 3}, {grant_vote = true},
    {append = 1}, {take_snapshot = true}, {compact = true}, {append = 2},
]
"""
)
WHOLE = RunPlan(
    scenarios=("short-life",),
    own_scenarios=(OwnScenario(SHORT),),
    seeds=(0,),
    profiles=("sequential", "ext4"),
    backend="builtin",
    part_images=1_000_000,
)
CUT = evolve(WHOLE, part_images=40)
BROKEN = evolve(CUT, backend="raftlock-published", profiles=("ext4",), max_after_first=20)


@cache
def result_of(plan: RunPlan) -> RunResult:
    return run(plan)


def without_recoveries(result: RunResult) -> list[object]:
    """Return all that the results tell, but for how often a store was opened and the events."""
    return [evolve(each, recoveries=0) for each in result.results]


@define
class Kept:
    """Keeps outcomes as the command line does: pickled."""

    outcomes: dict[str, bytes] = field(factory=dict)
    loaded: Counter[str] = field(factory=Counter)

    def load(self, share: Share) -> ShareOutcome | None:
        data = self.outcomes.get(share.key)
        if data is None:
            return None
        self.loaded[share.key] += 1
        outcome: ShareOutcome = pickle.loads(data)
        return outcome

    def save(self, share: Share, outcome: ShareOutcome) -> None:
        self.outcomes[share.key] = pickle.dumps(outcome)


class Heard:
    """A listener that keeps the news, and may end the run after so many outcomes of parts."""

    def __init__(self) -> None:
        self.news: list[News] = []

    def start(self, plan: RunPlan) -> None: ...

    def handle(self, news: News) -> None:
        self.news.append(news)

    def finish(self, result: RunResult) -> None: ...


def test_the_results_of_the_parts_are_those_of_the_whole() -> None:
    (unit,) = units_of(CUT)
    assert count_shares(unit) > 3
    assert count_shares(next(units_of(WHOLE))) == 1
    assert result_of(CUT).digest == result_of(WHOLE).digest
    assert without_recoveries(result_of(CUT)) == without_recoveries(result_of(WHOLE))
    assert all(each.complete and each.legal for each in result_of(CUT).results)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(evolve(CUT, profiles=("posix",)), marks=pytest.mark.slow),
        evolve(CUT, profiles=("ext4",), faults=("fsync log.dat #3: fail EIO ext4",)),
        pytest.param(evolve(CUT, depth=1, part_images=25), marks=pytest.mark.slow),
        pytest.param(evolve(CUT, depth=None, part_images=25), marks=pytest.mark.slow),
        pytest.param(evolve(CUT, scenarios=("mixed",)), marks=pytest.mark.slow),
        pytest.param(evolve(CUT, scenarios=("options-unsynced",)), marks=pytest.mark.slow),
    ],
    ids=["posix", "faults", "depth-1", "fixpoint", "mixed", "unsynced"],
)
def test_parts_make_the_whole_with_faults_depths_and_options_too(cut: RunPlan) -> None:
    whole = evolve(cut, part_images=WHOLE.part_images)
    assert count_shares(next(units_of(cut))) > 1
    assert without_recoveries(run(cut)) == without_recoveries(run(whole))


def test_any_executor_gives_the_result_and_the_events_of_a_run_here() -> None:
    with ThreadPoolExecutor(2) as executor:
        result = run(CUT, executor=executor)
    assert result == result_of(CUT)
    assert list(events_of(result)) == list(events_of(result_of(CUT)))


def test_where_a_part_finds_something_the_unit_is_run_as_a_whole() -> None:
    heard = Heard()
    with ThreadPoolExecutor(2) as executor:
        result = run(BROKEN, executor=executor, listeners=[heard])
    assert count_shares(next(units_of(BROKEN))) > 1
    assert result.verdict is Verdict.FAIL
    whole = run(evolve(BROKEN, part_images=WHOLE.part_images))
    assert (result.digest, result.results) == (whole.digest, whole.results)
    found = [each.case for each in heard.news if isinstance(each, FindingFound)]
    finished = [each for each in heard.news if isinstance(each, ScenarioFinished)]
    kinds = [(case.invariant, case.kind) for case in found]
    assert len(finished) == 1
    assert len(kinds) == len(set(kinds)), "a finding was told by its part and by the whole"


def test_what_was_finished_before_is_not_run_again() -> None:
    kept = Kept()
    assert run(CUT, finished=kept) == result_of(CUT)
    assert not kept.loaded
    parts = [key for key in kept.outcomes if "-" in key]
    assert len(parts) == count_shares(next(units_of(CUT)))
    del kept.outcomes[parts[1]]
    assert run(CUT, finished=kept) == result_of(CUT)
    assert kept.loaded == Counter({key: 1 for key in kept.outcomes if key != parts[1]})


def test_shares_that_were_finished_are_not_given_to_an_executor_that_takes_all_at_once() -> None:
    kept = Kept()
    run(CUT, finished=kept)
    first, *others = part_keys()
    del kept.outcomes[first]
    started: list[str] = []
    workers = Workers(executor=Deadly(Counter(), started))
    assert run(CUT, executor=workers, finished=kept) == result_of(CUT)
    assert started == [first]
    assert all(kept.loaded[key] for key in others)


def test_an_outcome_tells_of_each_image_by_a_few_bytes() -> None:
    (unit,) = units_of(CUT)
    cuts = run_share(Share(number=0, unit=unit))
    assert isinstance(cuts, UnitCuts)
    part = run_share(Share(number=0, unit=unit, positions=cuts.parts[-1]))
    assert isinstance(part, ExploredPart)
    images = sum(len(each.names) for each in part.seen)
    assert images >= 20
    assert len(pickle.dumps(part)) < 2000 + 40 * images + 150 * len(part.seen[0].points)


class Deadly(Executor):
    """Runs shares in this thread, but breaks as a process pool does at some of them.

    Args:
        deadly: keys of shares, and how many workers each of them still ends.
        started: takes the key of each share that is submitted.
    """

    def __init__(self, deadly: Counter[str], started: list[str]) -> None:
        self._deadly = deadly
        self._started = started
        self._broken = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self._broken:
            raise BrokenProcessPool("a child process terminated abruptly")
        share, *_ = args
        assert isinstance(share, Share)
        self._started.append(share.key)
        future: Future[T] = Future()
        if self._deadly[share.key]:
            self._deadly[share.key] -= 1
            self._broken = True
            future.set_exception(BrokenProcessPool("a child process terminated abruptly"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def deadly_workers(deadly: Counter[str], started: list[str]) -> Workers:
    return Workers(
        executor=Deadly(deadly, started), at_once=3, renew=lambda: Deadly(deadly, started)
    )


def part_keys() -> list[str]:
    (unit,) = units_of(CUT)
    cuts = run_share(Share(number=0, unit=unit))
    assert isinstance(cuts, UnitCuts)
    return [Share(number=0, unit=unit, positions=each).key for each in cuts.parts]


@pytest.mark.parametrize("times", [1, 2])
def test_the_share_of_a_lost_worker_runs_again(times: int) -> None:
    first, second, *_ = part_keys()
    started: list[str] = []
    workers = deadly_workers(Counter({second: times}), started)
    assert run(CUT, executor=workers) == result_of(CUT)
    assert started.count(second) == times + 1
    assert started.count(first) == 1


def test_a_share_that_ends_its_worker_each_time_is_told_by_name() -> None:
    _, second, *_ = part_keys()
    started: list[str] = []
    with pytest.raises(LostShareError, match=r"3 workers ended .* short-life seed 0, crash points"):
        run(CUT, executor=deadly_workers(Counter({second: 100}), started))
    assert started.count(second) == 3
    assert started[-1] == second, "in the end it runs alone"


def test_a_broken_executor_without_another_one_is_told() -> None:
    workers = Workers(executor=Deadly(Counter({"0": 1}), []))
    with pytest.raises(LostShareError, match="there is no other; give Workers a function `renew`"):
        run(CUT, executor=workers)


def test_a_process_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    def new_pool() -> KillsOnePool:
        pools.append(KillsOnePool(str(tmp_path / "killed")))
        return pools[-1]

    pools: list[KillsOnePool] = []
    workers = Workers(executor=new_pool(), at_once=2, renew=new_pool)
    try:
        assert run(CUT, executor=workers) == result_of(CUT)
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)
    assert (tmp_path / "killed").exists()
    assert len(pools) == 2
