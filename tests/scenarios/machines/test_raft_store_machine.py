"""The machine finds planted bugs, makes them short, and reports nothing else."""

import subprocess
import sys
from collections.abc import Sequence

import pytest
from forgetful_store import FORGETS_ITS_BASE
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from wavetank.scenarios import BUILTIN, RAFTLOCK_PUBLISHED, Capability, StoreAdapter
from wavetank.scenarios.machines import BrokenPromiseError, RaftStoreMachine
from wavetank.scenarios.mutants import BUGS, RACES

# The machine draws its faults at random.
pytestmark = pytest.mark.idle_faults

STEPS_AT_MOST = 6

MANY = 2000

BUG_BACKENDS = {"S2": BUGS["S2"].backend, "A2": BUGS["A2"].backend, "T3": FORGETS_ITS_BASE}


def machine_of(backend: StoreAdapter, **attributes: object) -> type[RaftStoreMachine]:
    attributes = {
        "backend": backend,
        "capabilities": BUILTIN.capabilities,
        "schedules": 0,
    } | attributes
    return type("Machine", (RaftStoreMachine,), attributes)


def run(machine: type[RaftStoreMachine], examples: int, steps: int = 20) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


def printed(error: BaseException) -> Sequence[str]:
    """Return the program that hypothesis has printed, without what begins and ends every one."""
    lines = "\n".join(error.__notes__).splitlines()
    calls = [line for line in lines if line.startswith("state.")]
    assert calls[0].startswith("state.make_store(name='")
    assert calls[-1] == "state.teardown()"
    return calls[1:-1]


def is_found(bug: str, examples: int, **attributes: object) -> Sequence[str]:
    with pytest.raises(BrokenPromiseError) as caught:
        run(machine_of(BUG_BACKENDS[bug], **attributes), examples)
    return printed(caught.value)


FEW = 150
"""Examples that are enough to find S2 and T3."""

CUTS = ("cut_power", "cut_power_during")
COMPACTIONS = ("truncate_prefix", "save_snapshot", "install_snapshot")


@pytest.mark.slow
@pytest.mark.parametrize("bug", ["S2", "T3"])
def test_a_planted_bug_is_found_and_made_short(bug: str) -> None:
    assert 1 <= len(is_found(bug, FEW)) <= STEPS_AT_MOST


@pytest.mark.slow
def test_a_race_is_found_by_calls_beside_one_another() -> None:
    with pytest.raises(BrokenPromiseError, match="which no order of the calls explains") as caught:
        run(machine_of(RACES["L2"].backend, schedules=4), FEW)
    assert printed(caught.value) == [
        "state.work_beside(first='append', second='append', seed=0)",
    ]


@pytest.mark.slow
def test_what_takes_its_threads_from_elsewhere_is_not_asked_to_work_beside() -> None:
    declared = BUILTIN.capabilities - {Capability.SITE_RUNTIME}
    run(machine_of(RACES["L2"].backend, schedules=4, capabilities=declared), 30)


@pytest.mark.minutes
@pytest.mark.parametrize("fails", [True, False])
def test_a_tail_of_few_bytes_is_found_and_made_short(*, fails: bool) -> None:
    assert 2 <= len(is_found("A2", MANY, fails=fails)) <= STEPS_AT_MOST


@pytest.mark.minutes
@pytest.mark.parametrize(("bug", "rules"), [("S2", CUTS), ("T3", COMPACTIONS)])
def test_without_the_rules_that_it_needs_a_bug_survives(bug: str, rules: Sequence[str]) -> None:
    run(machine_of(BUG_BACKENDS[bug], **dict.fromkeys(rules)), FEW)


@pytest.mark.minutes
@pytest.mark.parametrize("rule", ["cut_power_during", "append_up_to_block"])
def test_without_a_rule_that_it_needs_a_tail_of_few_bytes_survives(rule: str) -> None:
    # A write that fails after one byte leaves such a tail, too.
    run(machine_of(BUG_BACKENDS["A2"], fails=False, **{rule: None}), MANY)


def test_the_engine_is_not_reported() -> None:
    run(machine_of(BUILTIN), 100)


@pytest.mark.minutes
def test_the_engine_is_not_reported_in_many_examples() -> None:
    run(machine_of(BUILTIN), 20_000)


def test_a_published_store_is_reported() -> None:
    capabilities = RAFTLOCK_PUBLISHED.capabilities
    with pytest.raises(BrokenPromiseError) as caught:
        run(machine_of(RAFTLOCK_PUBLISHED, capabilities=capabilities), 100)
    assert len(printed(caught.value)) <= STEPS_AT_MOST


@pytest.mark.slow
def test_the_same_seed_gives_the_same_program() -> None:
    assert is_found("S2", FEW) == is_found("S2", FEW)


@pytest.mark.slow
@pytest.mark.parametrize("bug", ["S2", "T3"])
def test_what_was_printed_runs_by_itself_and_fails_again(bug: str) -> None:
    with pytest.raises(BrokenPromiseError) as caught:
        run(machine_of(BUG_BACKENDS[bug]), FEW)
    program = [
        line for line in "\n".join(caught.value.__notes__).splitlines() if line.startswith("state")
    ]
    assert program[0] == "state = Machine()"
    with pytest.raises(BrokenPromiseError):
        exec("\n".join(program), {"Machine": machine_of(BUG_BACKENDS[bug])})


def test_who_does_not_ask_for_a_machine_needs_no_hypothesis() -> None:
    script = (
        "import sys\n"
        "import wavetank.scenarios as package\n"
        "print('hypothesis' in sys.modules)\n"
        "print(package.RaftStoreMachine.__name__, package.CrashingDiskMachine.__name__)\n"
        "print(hasattr(package, 'NoMachine'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "RaftStoreMachine", "CrashingDiskMachine", "False"]
