"""What is written as a file reads as the same scenario, and makes the same workload."""

from random import Random
from typing import get_args

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    FileStorageOptions,
    LogEntry,
    PersistentState,
    RecoveryMode,
    SnapshotMetadata,
)
from wavetank.faults import FaultPlan
from wavetank.faults.strategies import fault_plans
from wavetank.scenarios import (
    BUILTIN,
    AfterFailure,
    Append,
    Cancel,
    Cancelled,
    Close,
    ClusterPlan,
    Dump,
    Inspect,
    KillProcess,
    OpenAgain,
    OwnProfile,
    Read,
    ReadBounds,
    ReadSnapshot,
    ReadState,
    Refused,
    Reopen,
    SaveSnapshot,
    SaveState,
    Scenario,
    SlowCall,
    Step,
    TaskPlan,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Verify,
    Wait,
    Workload,
    fault_plan,
    scenario_from_toml,
    scenario_to_toml,
)
from wavetank.scenarios.fuzzing.inputs import InputDrawer
from wavetank.scenarios.scenario_files import amounts, moves
from wavetank.scenarios.strategies import workloads
from wavetank.sim import POSIX

NUMBERS = st.integers(1, 2**64 - 2)
SMALL = st.integers(1, 9)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
CONTENTS = st.binary(max_size=12) | WORDS.map(str.encode)
SAVES = st.builds(lambda term, vote: SaveState(PersistentState(term, vote)), NUMBERS, WORDS)
SNAPSHOTS = st.builds(
    lambda index, term, data, chunk: SaveSnapshot(SnapshotMetadata(index, term), data, chunk),
    *(NUMBERS, NUMBERS, CONTENTS, st.sampled_from([0, 0, 7])),
)
EXACT = st.one_of(
    SAVES,
    SNAPSHOTS,
    st.lists(st.builds(LogEntry, NUMBERS, NUMBERS, CONTENTS), min_size=1, max_size=3).map(
        lambda entries: Append(tuple(entries))
    ),
    st.builds(Read, NUMBERS, NUMBERS),
    st.builds(TruncateSuffix, NUMBERS),
    st.builds(TruncatePrefix, NUMBERS),
)
CALLS = EXACT | st.sampled_from(
    [ReadState(), ReadBounds(), ReadSnapshot(), Verify(), Dump(), Close(), OpenAgain()]
)
TASK_STEPS = st.builds(
    TaskStep,
    call=CALLS | st.builds(Wait, st.floats(0, 100)) | st.builds(Cancel, WORDS),
    timeout_s=st.none() | st.floats(0, 100),
    token=WORDS,
)
TASKS = st.lists(
    st.builds(TaskPlan, name=st.sampled_from("abc"), steps=st.lists(TASK_STEPS).map(tuple)),
    min_size=1,
    max_size=2,
    unique_by=lambda task: task.name,
).map(tuple)
SLOW = st.builds(SlowCall, call=st.just("fsync"), nth=SMALL, duration_s=st.floats(0, 9))
OPTIONS = st.builds(
    FileStorageOptions,
    sync_on_append=st.booleans(),
    recovery_mode=st.sampled_from(RecoveryMode),
    retained_log_size=st.integers(0, 9),
    lock_timeout=st.floats(0.001, 9),
    preallocate=st.none() | st.integers(0, 4096),
)
AMOUNTS = st.one_of(
    SMALL,
    st.builds(lambda low, more: amounts.Draw(low, low + more), SMALL, SMALL),
    st.lists(SMALL, min_size=1, max_size=3).map(lambda each: amounts.ByRound(tuple(each))),
)
MOVES = st.one_of(
    st.sampled_from([moves.Campaign(), moves.GrantVote(), moves.Compact(), moves.StaleSnapshot()]),
    st.sampled_from([Reopen(), KillProcess(), moves.StaleVoteRequest(), moves.BeginCrashes()]),
    st.builds(moves.SeeTerm, AMOUNTS),
    st.builds(moves.AppendEntries, AMOUNTS),
    st.builds(moves.ReadBack, AMOUNTS),
    st.builds(moves.Conflict, AMOUNTS),
    st.builds(moves.ReplaceBranch, AMOUNTS),
    st.builds(moves.TakeSnapshot, behind=AMOUNTS, size=st.none() | AMOUNTS),
    st.builds(moves.InstallSnapshot, ahead=AMOUNTS, size=st.none() | AMOUNTS),
    st.builds(moves.Fill, entries=SMALL, frames=SMALL),
    st.lists(
        AMOUNTS
        | st.builds(amounts.FrameOf, st.integers(64, 99))
        | st.builds(amounts.Times, SMALL, st.lists(SMALL).map(tuple)),
        min_size=1,
        max_size=3,
    ).map(lambda sizes: moves.AppendSizes(tuple(sizes))),
    EXACT.map(Refused),
    st.builds(
        Cancelled, EXACT.filter(lambda step: not isinstance(step, Read)), looks=st.integers(0, 9)
    ),
    st.builds(Inspect, backup=st.booleans()),
    st.sampled_from([Reopen(("json_log",)), KillProcess(("chunk_size=1024", "json_log"))]),
)

PLANS = fault_plans().map(lambda plan: fault_plan(map(str, plan.faults)))
"""As the language makes them: a fault that comes twice counts once."""


def several(steps: st.SearchStrategy[moves.ScriptStep]) -> st.SearchStrategy[moves.ScriptStep]:
    whole = st.lists(steps, min_size=1, max_size=3).map(tuple)
    plain = steps.filter(lambda step: not isinstance(step, moves.When))
    return st.one_of(
        st.builds(moves.Repeat, steps=whole, times=st.none() | SMALL),
        st.builds(moves.When, step=plain, every=st.integers(2, 5)),
        st.builds(moves.When, step=plain, rounds=st.lists(SMALL, min_size=1).map(tuple)),
        st.lists(
            st.builds(moves.Alternative, step=steps, weight=SMALL), min_size=1, max_size=3
        ).map(lambda each: moves.Choose(tuple(each))),
    )


SCRIPTS = st.lists(st.recursive(MOVES, several, max_leaves=5), min_size=1, max_size=5).map(tuple)


def again(scenario: Scenario) -> Scenario:
    return scenario_from_toml(scenario_to_toml(scenario))


@examples(200)
@given(workload=workloads(options=FileStorageOptions(retained_log_size=0)), plan=PLANS)
def test_any_workload_of_a_node_is_that_of_its_file(workload: Workload, plan: FaultPlan) -> None:
    faulty = evolve(workload, faults=plan, after_failure=AfterFailure.RETRY)
    held = evolve(
        workload,
        seed=5,
        crashes_from=len(workload.steps) // 2,
        directory="/store/below",
        invariants=("O2", "O7"),
        contract=(("appends_durable", True), ("opens_always", False)),
    )
    for each in (workload, faulty, held):
        scenario = Scenario.of(each)
        assert again(scenario) == scenario
        assert list(again(scenario).workloads(each.seed)) == [each]


@examples(100)
@given(tasks=TASKS, after=st.lists(TASK_STEPS).map(tuple), slow=st.lists(SLOW).map(tuple))
def test_any_tasks_are_those_of_their_file(
    tasks: tuple[TaskPlan, ...], after: tuple[TaskStep, ...], slow: tuple[SlowCall, ...]
) -> None:
    scenario = Scenario(name="tasks", tasks=tasks, after=after, slow_calls=slow)
    assert again(scenario) == scenario
    (workload,) = scenario.workloads(3)
    assert list(again(Scenario.of(workload)).workloads(3)) == [workload]


@examples(200)
@given(steps=SCRIPTS)
def test_any_script_is_that_of_its_file(steps: tuple[moves.ScriptStep, ...]) -> None:
    scenario = Scenario(name="script", steps=steps, stream="dice")
    assert again(scenario) == scenario


@examples(100)
@given(options=OPTIONS)
def test_any_options_are_those_of_their_file(options: FileStorageOptions) -> None:
    workload = evolve(Scenario(name="o", steps=(Reopen(),)).workload(0), options=options)
    assert again(Scenario.of(workload)).workload(0).options == options


def test_how_it_is_run_and_a_cluster_are_written_too() -> None:
    scenario = Scenario(
        name="whole",
        summary='in "quotes"',
        cluster=ClusterPlan(nodes=5, loss=0.5, keeps_majority=False),
        invariants=("C1",),
        store="builtin",
        profiles=("posix", "mine"),
        own_profiles=(evolve(POSIX, name="mine", rename_atomic=True),),
        seeds=(0, 7),
        depth="fixpoint",
        schedules=3,
        cluster_runs=4,
        max_images=5,
    )
    assert again(scenario) == scenario


def test_whatever_the_fuzzer_draws_is_that_of_its_file() -> None:
    drawer = InputDrawer(store=BUILTIN, profiles=(OwnProfile(POSIX, ""),), names=("log.dat",))
    seen: set[type] = set()
    for number in range(60):
        workload = evolve(drawer.new(Random(number), number).workload, overrides=())
        scenario = Scenario.of(workload)
        assert again(scenario) == scenario
        # A scenario with tasks says for people why it ends as it does.
        made = evolve(again(scenario).workload(number), unusual=workload.unusual)
        assert made == workload
        seen |= {type(step) for step in workload.steps}
    assert seen == set(get_args(Step))
