"""The loop of the fuzzer: what it finds, and that equal plans have equal results."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

import pytest
from attrs import evolve

from wavetank.scenarios import Fuzzer, FuzzPlan, FuzzResult, OwnProfile
from wavetank.sim import POSIX, SAFE_PROFILES

_P = ParamSpec("_P")
_T = TypeVar("_T")

PLAN = FuzzPlan(
    seed=3,
    backend="builtin",
    profiles=tuple(OwnProfile(profile, "") for profile in SAFE_PROFILES),
    runs=12,
    images=10,
)
BROKEN = evolve(PLAN, backend="wrong_stores:unsynced_names", profiles=(OwnProfile(POSIX, ""),))

# Most runs are too short for the faults that are drawn.
pytestmark = pytest.mark.idle_faults


class LastFirst(Executor):
    """Runs what it is given only when a result is asked for, what came last first."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future: _Late[_T] = _Late(self)
        self._waiting.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future

    def work(self) -> None:
        while self._waiting:
            self._waiting.pop()()


class _Late(Future[_T]):
    def __init__(self, executor: LastFirst) -> None:
        super().__init__()
        self._executor = executor

    def done(self) -> bool:
        if not super().done():
            self._executor.work()
        return super().done()


def fuzzed(plan: FuzzPlan, executor: Executor | None = None) -> FuzzResult:
    fuzzer = Fuzzer(plan)
    fuzzer.run(executor=executor)
    return fuzzer.result()


def test_the_engine_passes_and_equal_plans_have_equal_results() -> None:
    first = fuzzed(PLAN)
    assert (first.findings, first.broken, first.counts.runs) == ((), (), 12)
    assert first == fuzzed(PLAN, LastFirst())
    assert len(first.coverage) == sum(1 for _ in first.coverage.runs)
    assert first.digest != fuzzed(evolve(PLAN, seed=4)).digest


def test_a_planted_bug_is_found_and_told_once() -> None:
    plan = evolve(BROKEN, runs=9)
    result = fuzzed(plan)
    keys = [finding.key for finding in result.findings]
    assert len(keys) == len(set(keys)) == len(result.seen)
    assert ("O1", "term went back") in {key[:2] for key in keys}
    assert result.counts.wrong >= max(result.seen)


def test_it_ends_with_as_many_findings_as_were_asked_for() -> None:
    plan = evolve(BROKEN, runs=50, max_findings=1)
    assert fuzzed(plan).counts.runs < 20


def test_it_ends_when_it_is_over_and_keeps_what_it_has() -> None:
    left = iter([False, False, False, True])
    fuzzer = Fuzzer(evolve(PLAN, runs=None))
    fuzzer.run(is_over=lambda: next(left))
    assert fuzzer.result().counts.runs == 3


@pytest.mark.slow
def test_inputs_of_earlier_runs_are_changed_further() -> None:
    corpus = fuzzed(PLAN).corpus
    fuzzer = Fuzzer(evolve(PLAN, seed=5, runs=4), corpus)
    fuzzer.run()
    assert fuzzer.result().corpus[: len(corpus)] == corpus


def test_a_run_that_breaks_off_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a door is stuck")

    monkeypatch.setattr("wavetank.scenarios.fuzzing.step_trial.record", broken)
    result = fuzzed(evolve(PLAN, runs=4))
    assert result.counts.runs == 4
    assert {run.error.partition(" (")[0] for run in result.broken} == {
        "RuntimeError: a door is stuck"
    }
