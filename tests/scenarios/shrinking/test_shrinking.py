"""Findings made small: the same invariant, never larger, repeatable, resumable, at rest."""

from functools import cache

import pytest
from attrs import evolve

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.faults import fault_plan
from wavetank.scenarios import (
    CONCURRENT_SCENARIOS,
    SCENARIOS,
    Append,
    Case,
    OpenStore,
    Read,
    Refused,
    SaveSnapshot,
    SaveState,
    Step,
    StoreAdapter,
    TruncatePrefix,
    TruncateSuffix,
    find_store,
    judge_again,
    with_overrides,
)
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.schedules import Player, portfolio_runs
from wavetank.scenarios.mutants import BUGS, small_repro
from wavetank.scenarios.mutants.hunt import hunt
from wavetank.scenarios.shrinking import NotShownError, Shrinking, look_for, note_of, shrink
from wavetank.scenarios.shrinking.refitting import is_legal, refitted, states_before
from wavetank.sim import BTRFS, POSIX, SEQUENTIAL, Profile
from wavetank.sim.scheduling.schedule import Schedule

NAMES = ["lost vote", "entries back", "wrong metrics"]


def store_of(name: str) -> StoreAdapter:
    if name == "lost vote":
        return find_store("raftlock-published")
    return BUGS["T1" if name == "entries back" else "W17"].backend


@cache
def found(name: str) -> Case:
    """Return a finding of one of the scenarios that ship, with options and a fault in its way."""
    if name == "lost vote":
        return look_for(
            Case(
                workload=SCENARIOS["follower-catchup"].workload(seed=3),
                store="raftlock-published",
                profile=SEQUENTIAL,
                invariant="O1",
                kind="term went back",
            )
        )
    store, workload = store_of(name), SCENARIOS["mixed"].workload(seed=3)
    choices = ("json_log", "small_chunks")
    is_live = name == "wrong metrics"
    return look_for(
        Case(
            workload=evolve(
                workload,
                options=with_overrides(workload.options, choices),
                overrides=choices,
                faults=fault_plan(["fsync #1: stall 250 ms"]),
            ),
            store=store.name,
            profile=POSIX,
            invariant="O17" if is_live else "O3",
            kind="append_bytes is wrong" if is_live else "removed entry returned",
        ),
        store=store,
    )


@cache
def small(name: str) -> Shrinking:
    return shrink(found(name), budget=20_000, store=store_of(name))


SMALLEST = {
    "lost vote": (["open the store", "save state: term 1, vote for nobody"], (9, 1)),
    "entries back": (
        ["open the store", "append entry 1 of term 1", "truncate suffix from 1"],
        (2, 1),
    ),
    "wrong metrics": (["open the store", "append entries 1..2 of term 1"], (0, 0)),
}


@pytest.mark.parametrize("name", NAMES)
def test_little_is_left(name: str) -> None:
    now = small(name)
    case, note = now.case, note_of(found(name), now, store=store_of(name))
    steps, lost = SMALLEST[name]
    assert [str(step) for step in case.workload.steps] == steps
    assert (note.steps_before, note.steps) == (len(found(name).workload.steps), len(steps))
    assert (note.lost_before, note.lost) == lost
    assert case.profile is SEQUENTIAL
    assert case.workload.options == FileStorageOptions()
    assert (case.workload.overrides, case.workload.faults.faults) == ((), ())
    assert (case.workload.seed, now.is_finished) == (0, True)


@pytest.mark.parametrize("name", NAMES)
def test_the_small_case_breaks_the_same_invariant_in_the_same_way(name: str) -> None:
    case = small(name).case
    assert (case.invariant, case.kind) == (found(name).invariant, found(name).kind)
    shown = judge_again(case, store=store_of(name))
    assert {(each.invariant, each.kind) for each in shown} == {(case.invariant, case.kind)}
    assert Case.from_text(case.to_text()) == case


@pytest.mark.parametrize("name", NAMES)
def test_what_is_small_stays_as_it_is(name: str) -> None:
    again = shrink(small(name).case, budget=20_000, store=store_of(name))
    assert (again.case, again.is_finished) == (small(name).case, True)
    assert shrink(small(name), budget=100, store=store_of(name)).case == small(name).case


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parts", [(8, 8), (1, 15), (3, 5, 8)])
@pytest.mark.slow
def test_parts_of_a_budget_do_what_the_whole_does(name: str, parts: tuple[int, ...]) -> None:
    whole = shrink(found(name), budget=sum(parts), store=store_of(name))
    now = Shrinking(case=found(name))
    for budget in parts:
        now = shrink(now, budget=budget, store=store_of(name))
    assert now == whole


@pytest.mark.parametrize("name", NAMES)
def test_more_budget_never_makes_it_larger(name: str) -> None:
    now, steps = Shrinking(case=found(name)), [len(found(name).workload.steps)]
    for _ in range(6):
        now = shrink(now, budget=5, store=store_of(name))
        steps.append(len(now.case.workload.steps))
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < steps[0]


def test_a_case_that_shows_nothing_is_refused() -> None:
    case = evolve(small("lost vote").case, store="builtin")
    with pytest.raises(NotShownError, match="expected one that still breaks O1, got follower-"):
        shrink(case, budget=10)


REPROS = {
    "S2": (BTRFS, ["0: open the store", "1: save state: term 1, vote for nobody"], 2),
    "W12": (POSIX, ["0: open the store", "1: close the store and open it again"], 1),
    "R3": (POSIX, ["0: open the store", "power cut at op 2 of the recovery"], 0),
}


@pytest.mark.parametrize("bug", REPROS)
def test_planted_bugs_have_tiny_repros(bug: str) -> None:
    profile: Profile
    profile, steps, lost = REPROS[bug]
    kill = hunt(BUGS[bug].backend, BUGS[bug].trial, profile)
    repro = small_repro(BUGS[bug], [kill])
    assert repro is not None
    assert (list(repro.story.steps), repro.note.lost) == (steps, lost)
    assert repro.note.is_finished


def entries(first: int, count: int = 1, term: int = 1) -> Append:
    return Append(tuple(LogEntry(index, term, b"x") for index in range(first, first + count)))


def saved(index: int, term: int = 1) -> SaveSnapshot:
    return SaveSnapshot(SnapshotMetadata(index, term), b"data")


OPEN = OpenStore()


@pytest.mark.parametrize(
    ("steps", "legal"),
    [
        ([OPEN], True),
        ([], False),
        ([entries(1)], False),
        ([OPEN, OPEN], False),
        ([OPEN, entries(1, 3), TruncateSuffix(2), entries(2)], True),
        ([OPEN, entries(1, 3), TruncateSuffix(4)], True),
        ([OPEN, entries(1, 3), TruncateSuffix(5)], False),
        ([OPEN, entries(1, term=2), entries(2, term=1)], False),
        ([OPEN, entries(1, 3), Read(1, 4)], True),
        ([OPEN, entries(1, 3), Read(1, 5)], False),
        ([OPEN, entries(1, 3), saved(2), TruncatePrefix(3)], True),
        ([OPEN, entries(1, 3), saved(2), TruncatePrefix(4)], False),
        ([OPEN, entries(1, 3), saved(2), TruncateSuffix(2)], False),
        ([OPEN, entries(1, 3), saved(2), saved(2)], True),
        ([OPEN, entries(1, 3), saved(2), saved(1)], False),
        ([OPEN, entries(1, 3), Refused(Read(1, 5))], True),
        ([OPEN, entries(1, 3), Refused(Read(1, 4))], False),
        ([OPEN, entries(1, 3, term=2), saved(2, term=1)], True),
        ([OPEN, saved(2, term=2), entries(3, 3, term=2), saved(4, term=1)], False),
        ([OPEN, entries(1, 3), saved(2, term=2)], True),
        ([OPEN, saved(5, term=2)], True),
        ([OPEN, SaveState(PersistentState(2, "a")), SaveState(PersistentState(2, "b"))], False),
        ([OPEN, SaveState(PersistentState(2, "")), SaveState(PersistentState(2, "b"))], True),
        ([OPEN, SaveState(PersistentState(2, "")), SaveState(PersistentState(1, ""))], False),
    ],
)
def test_what_a_node_may_ask(steps: list[Step], legal: bool) -> None:  # noqa: FBT001 - a column
    assert is_legal(steps, FileStorageOptions()) is legal


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenarios_that_ship_are_legal(scenario: str) -> None:
    workload = SCENARIOS[scenario].workload(seed=1)
    assert is_legal(workload.steps, workload.options)


def test_indices_move_with_the_steps_before_them() -> None:
    options = FileStorageOptions()
    steps: list[Step] = [
        OPEN,
        entries(1, 3),
        entries(4, 2),
        saved(4),
        Read(4, 6),
        TruncateSuffix(5),
        entries(5),
    ]
    pairs = list(zip(steps, states_before(steps, options), strict=True))
    assert refitted(pairs, options) == tuple(steps)
    assert refitted([pairs[0], *pairs[2:]], options) == (
        OPEN,
        entries(1, 2),
        saved(1),
        Read(1, 3),
        TruncateSuffix(2),
        entries(2),
    )


@cache
def race() -> Case:
    """Return a race that a schedule of many departures shows, with tasks and calls in its way."""
    store = find_store("racy_stores:EARLY_INDEX")
    workload = CONCURRENT_SCENARIOS["concurrent-readers"].workload(seed=0)
    with Player(start_of(workload, store)) as player:
        for run in portfolio_runs(player, seed=1, count=40):
            problem = run.problem
            if problem is not None and len(run.schedule.departures) > 9:
                return Case(
                    workload=workload,
                    store=store.name,
                    profile=POSIX,
                    invariant=problem.invariant,
                    kind=problem.kind,
                    trace=run.digest,
                    schedule=run.schedule,
                )
    raise AssertionError("no schedule shows the race")


@pytest.mark.minutes
def test_a_race_is_three_calls_and_one_departure() -> None:
    now = shrink(race(), budget=10_000)
    workload, schedule = now.case.workload, now.case.schedule
    assert now.is_finished
    assert isinstance(schedule, Schedule)
    assert len(schedule.departures) == 1
    assert [len(task.steps) for task in workload.tasks] == [1, 2]
    assert workload.after == ()
    shown = judge_again(now.case)
    assert [(each.invariant, each.kind) for each in shown] == [(race().invariant, race().kind)]
    assert shrink(now.case, budget=10_000).case == now.case


@pytest.mark.slow
def test_parts_of_a_budget_shrink_a_race_as_the_whole_does() -> None:
    half = shrink(race(), budget=60)
    assert shrink(half, budget=60) == shrink(race(), budget=120)
