"""Plans stopped early or interrupted: what is kept depends on the plan alone."""

import errno

import pytest
from attrs import evolve

from wavetank.reports.runs.session import Session, Unit, compare, run_session, untouched
from wavetank.reports.telling.next_commands import remaining_commands
from wavetank.scenarios import (
    Event,
    News,
    RunPlan,
    RunResult,
    ScenarioFinished,
    Verdict,
    events_of,
    run,
)

PLAN = RunPlan(
    scenarios=("install-snapshot", "leader-steady"),
    seeds=(0, 1),
    profiles=("sequential",),
    backend="raftlock-published",
    max_images=10,
)
UNITS = tuple(Unit(scenario=name, seed=seed) for name in PLAN.scenarios for seed in PLAN.seeds)


class Audience:
    """A listener that remembers, and may press Ctrl-C or fail after so many results."""

    def __init__(
        self, interrupt_after: int | None = None, error: BaseException | None = None
    ) -> None:
        self.calls: list[str] = []
        self._interrupt_after = interrupt_after
        self._error = error or KeyboardInterrupt()

    def start(self, plan: RunPlan) -> None:
        self.calls.append(f"start {len(plan.scenarios)}")

    def handle(self, event: News) -> None:
        if isinstance(event, ScenarioFinished):
            self.calls.append(f"{event.result.name} {event.result.seed}")
            if len(self.calls) - 1 == self._interrupt_after:
                raise self._error

    def finish(self, result: RunResult) -> None:
        self.calls.append(f"finish {len(result.results)}")


def units(session: Session) -> tuple[Unit, ...]:
    return tuple(Unit(scenario=each.name, seed=each.seed) for each in session.result.results)


@pytest.mark.minutes
@pytest.mark.parametrize("workers", [1, 2])
def test_a_whole_plan_gives_what_running_it_gives(workers: int) -> None:
    audience = Audience()
    ticks = iter([10.0, 12.5])
    session = run_session(PLAN, workers=workers, listener=audience, clock=lambda: next(ticks))
    assert session.result == run(PLAN)
    assert session.remaining == ()
    assert not session.interrupted
    assert session.elapsed_s == 2.5
    assert session.workers == workers
    assert audience.calls[0] == "start 2"
    assert sorted(audience.calls[1:-1]) == sorted(f"{u.scenario} {u.seed}" for u in UNITS)
    assert audience.calls[-1] == "finish 4"


def test_no_more_workers_than_units_are_used() -> None:
    plan = evolve(PLAN, scenarios=("install-snapshot",), seeds=(0,))
    assert run_session(plan, workers=64, listener=Audience()).workers == 1


@pytest.mark.minutes
@pytest.mark.parametrize("workers", [1, 2])
def test_an_early_stop_keeps_the_beginning_of_the_plan(workers: int) -> None:
    whole = run(PLAN)
    found = [len(result.violations) for result in whole.results]
    session = run_session(PLAN, workers=workers, listener=Audience(), max_failures=found[0] + 1)
    assert session.result.results == whole.results[:2]
    assert session.result.digest == ""
    assert session.remaining == UNITS[2:]
    assert session.verdict is Verdict.FAIL
    assert not session.interrupted


def test_as_many_failures_as_there_are_stop_nothing() -> None:
    whole = run(PLAN)
    found = sum(len(result.violations) for result in whole.results)
    session = run_session(PLAN, workers=1, listener=Audience(), max_failures=found)
    assert session.result == whole
    assert session.remaining == ()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_plan_keeps_what_was_finished(workers: int) -> None:
    audience = Audience(interrupt_after=2)
    session = run_session(PLAN, workers=workers, listener=audience)
    assert session.interrupted
    assert len(session.result.results) == 1
    assert set(units(session)) | set(session.remaining) == set(UNITS)
    assert len(session.remaining) == 3
    assert session.result.digest == ""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_plan_that_an_error_ends_keeps_what_was_finished(workers: int) -> None:
    error = RuntimeError("a worker died")
    session = run_session(PLAN, workers=workers, listener=Audience(2, error))
    assert (session.error, session.interrupted, session.is_broken_off) == (error, False, True)
    assert len(session.result.results) == 1
    assert len(session.remaining) == 3


def test_what_takes_the_events_may_fail_and_the_results_are_kept() -> None:
    def full(_: Event) -> None:
        raise OSError(errno.ENOSPC, "no room")

    session = run_session(PLAN, workers=1, listener=Audience(), on_event=full)
    assert isinstance(session.error, OSError)
    assert session.remaining == UNITS


def test_an_interrupted_plan_without_violations_is_inconclusive() -> None:
    session = untouched(PLAN)
    assert session.verdict is Verdict.INCONCLUSIVE
    assert session.remaining == UNITS


def test_one_command_per_range_of_seeds_runs_the_rest() -> None:
    left = (UNITS[0], UNITS[2], UNITS[3])
    session = evolve(untouched(PLAN), remaining=left)
    options = "--profile sequential --backend raftlock-published --max-images 10"
    assert remaining_commands(session) == (
        f"wavetank run install-snapshot --seed 0 {options}",
        f"wavetank run leader-steady --seeds 0:2 {options}",
    )
    assert remaining_commands(untouched(PLAN)) == (
        f"wavetank run install-snapshot leader-steady --seeds 0:2 {options}",
    )


def test_sessions_that_differ_are_told_apart_by_their_first_event() -> None:
    session = run_session(evolve(PLAN, seeds=(0,)), workers=1, listener=Audience())
    first, second = session.result.results
    assert compare(session, session, (1, 2)).difference == ""
    other = evolve(
        session, result=evolve(session.result, results=(first, evolve(second, digest="other")))
    )
    one, instead = compare(session, other, (1, 2)).difference.split(" and ")
    assert one.split("#") == [instead.split("#")[0], second.digest]
    assert one.split()[1:3] == ["end", "leader-steady/0/sequential"]
    assert instead.split("#")[1] == "other"
    shorter = evolve(session, result=evolve(session.result, results=(first,)))
    one, instead = compare(session, shorter, (1, 2)).difference.split(" and ")
    assert one.split()[1:3] == ["begin", "leader-steady/0"]
    assert instead.split()[1:] == [
        "done",
        "fail,",
        "1",
        "sweeps,",
        "7",
        "findings",
        f"#{session.result.digest}",
    ]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.minutes)])
@pytest.mark.parametrize("max_failures", [None, 3])
def test_events_come_in_the_order_of_the_plan_and_are_those_of_what_is_kept(
    workers: int, max_failures: int | None
) -> None:
    told: list[Event] = []
    session = run_session(
        PLAN,
        workers=workers,
        listener=Audience(),
        on_event=told.append,
        max_failures=max_failures,
    )
    assert told == list(events_of(session.result, remaining=len(session.remaining)))


def test_events_of_an_interrupted_plan_are_those_of_what_was_finished() -> None:
    told: list[Event] = []
    audience = Audience(interrupt_after=2)
    session = run_session(PLAN, workers=1, listener=audience, on_event=told.append)
    assert told == list(events_of(session.result, remaining=3))
    assert told[-1].kind == "run_finished"
