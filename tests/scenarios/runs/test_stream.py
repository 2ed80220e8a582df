"""The event stream: everything that happened, in the order of the plan, however it was run."""

from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context

import pytest
from attrs import evolve

from wavetank.scenarios import (
    BUILTIN,
    SCENARIOS,
    ClusterRunEvent,
    DamageEvent,
    Event,
    FindingEvent,
    OpEvent,
    PointOutcome,
    RunFinishedEvent,
    RunPlan,
    RunResult,
    RunStartedEvent,
    ScenarioStartedEvent,
    ScheduleRun,
    StepEvent,
    SyncEvent,
    events_of,
    record,
    run,
)
from wavetank.sim import Mark, Sync

PLAN = RunPlan(
    scenarios=("leader-steady", "crash-in-recovery"),
    seeds=(0,),
    profiles=("sequential", "ext4"),
    backend="builtin",
)
CANARY = RunPlan(
    scenarios=("follower-catchup",),
    seeds=(0,),
    profiles=("sequential",),
    backend="raftlock-published",
)


@pytest.fixture(scope="module")
def result() -> RunResult:
    return run(PLAN)


@pytest.fixture(scope="module")
def events(result: RunResult) -> list[Event]:
    return list(events_of(result))


def test_events_are_numbered_and_stand_in_the_order_of_the_plan(events: list[Event]) -> None:
    assert [event.number for event in events] == list(range(len(events)))
    assert events[0].what == RunStartedEvent(PLAN)
    told = [
        (event.kind, event.scenario, event.profile)
        for event in events
        if event.kind in {"scenario_started", "scenario_finished"}
    ]
    assert told == [
        ("scenario_started", "leader-steady", ""),
        ("scenario_finished", "leader-steady", "sequential"),
        ("scenario_finished", "leader-steady", "ext4"),
        # It has a profile of its own.
        ("scenario_started", "crash-in-recovery", ""),
        ("scenario_finished", "crash-in-recovery", "ext4"),
    ]
    what = ScenarioStartedEvent(backend="builtin", profiles=("sequential", "ext4"), workloads=1)
    assert events[1].what == what


def test_the_last_event_sums_up(events: list[Event], result: RunResult) -> None:
    assert events[-1].what == RunFinishedEvent(
        verdict="pass", digest=result.digest, sweeps=3, findings=0, remaining=0
    )


def test_every_op_and_sync_of_the_log_is_an_event_once(events: list[Event]) -> None:
    recording = record(SCENARIOS["leader-steady"].workload(0), BUILTIN)
    told = [
        (event.profile, event.what)
        for event in events
        if event.scenario == "leader-steady" and isinstance(event.what, OpEvent | SyncEvent)
    ]
    records = [each for each in recording.log if not isinstance(each, Mark)]
    assert len(told) == len(records) == 194
    for (profile, what), each in zip(told, records, strict=True):
        assert profile == ""
        assert isinstance(what, SyncEvent) == isinstance(each, Sync)
        assert isinstance(what, OpEvent | SyncEvent)
        assert (what.call, what.path) == (each.call, each.path)


@pytest.mark.slow
def test_steps_begin_and_end_around_their_ops(events: list[Event]) -> None:
    steps = [
        event.what
        for event in events
        if isinstance(event.what, StepEvent) and event.scenario == "leader-steady"
    ]
    assert [(each.step, each.returned) for each in steps] == [
        (step, returned) for step in range(41) for returned in (False, True)
    ]
    assert steps[0].text == "open the store"
    positions = [each.position for each in steps]
    assert positions == sorted(positions)


def test_each_image_is_counted_at_the_crash_point_that_met_it_first(result: RunResult) -> None:
    for each in result.results[:2]:
        assert sum(point.images for point in each.points) == each.judged
        positions = [point.position for point in each.points]
        assert positions == sorted(set(positions))
        assert {point.broken for point in each.points} == {()}


@pytest.mark.slow
def test_a_crash_point_names_the_invariants_that_its_images_broke() -> None:
    (result,) = run(CANARY).results
    broken = [point for point in result.points if point.broken]
    assert broken[0] == PointOutcome(position=0, step=0, images=1, broken=("O8",))
    assert next(point for point in broken if "O1" in point.broken).position == 12
    assert {each for point in broken for each in point.broken} == {
        violation.invariant for violation in result.violations
    }
    found = [event.what for event in events_of(run(CANARY)) if event.kind == "finding"]
    second = found[1]
    assert isinstance(second, FindingEvent)
    assert (second.id, second.invariant) == (result.violations[1].id, "O1")
    assert (second.position, second.killed_at, second.nested) == (12, None, 0)


def test_schedules_and_cluster_runs_are_events_of_their_profile() -> None:
    plan = evolve(PLAN, scenarios=("concurrent-votes", "cluster-3"), schedules=6, cluster_runs=2)
    events = list(events_of(run(plan)))
    schedules = [event for event in events if isinstance(event.what, ScheduleRun)]
    assert [event.profile for event in schedules] == ["sequential"] * 3 + ["ext4"] * 3
    clusters = [event for event in events if isinstance(event.what, ClusterRunEvent)]
    assert [(event.profile, event.time_ns and event.time_ns > 0) for event in clusters] == [
        ("sequential", True),
        ("ext4", True),
    ]


@pytest.mark.slow
def test_workloads_of_a_family_are_numbered() -> None:
    plan = evolve(PLAN, scenarios=("exhaustive-2",), profiles=("sequential",))
    events = [event.what for event in events_of(run(plan))]
    workloads = [each.workload for each in events if isinstance(each, StepEvent)]
    assert [number for number, _ in groupby(workloads)] == list(range(workloads[-1] + 1))


@pytest.mark.slow
def test_other_processes_give_the_same_events(events: list[Event]) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert list(events_of(run(PLAN, executor=executor))) == events


def test_every_damage_to_a_store_at_rest_is_an_event() -> None:
    plan = evolve(PLAN, scenarios=("damaged-store",), profiles=("sequential",))
    result = run(plan)
    damages = [each.what for each in events_of(result) if isinstance(each.what, DamageEvent)]
    assert len(damages) == result.results[0].judged == 540
    assert {each.problem for each in damages} == {""}
