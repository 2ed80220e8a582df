"""What is drawn: legal lives, whose cases are texts, with everything in them sooner or later."""

from random import Random

import pytest

from wavetank.faults import FaultPlan
from wavetank.scenarios import BUILTIN, Case, OwnProfile, find_store, record
from wavetank.scenarios.fuzzing.inputs import InputDrawer
from wavetank.scenarios.fuzzing.probing import drawer_for, names_of
from wavetank.scenarios.fuzzing.swarm import OPERATIONS, draw_swarm
from wavetank.sim import POSIX

DRAWER = InputDrawer(store=BUILTIN, profiles=(OwnProfile(POSIX, ""),), names=("log.dat",))


def drawn(count: int) -> list[Case]:
    cases: list[Case] = []
    for number in range(count):
        random = Random(number)
        is_new = not cases or number % 2
        cases.append(
            DRAWER.new(random, number) if is_new else DRAWER.changed(random, cases[-1], number)
        )
    return cases


def test_every_input_is_a_text() -> None:
    for case in drawn(200):
        assert Case.from_text(case.to_text()) == case


def test_all_kinds_of_inputs_are_drawn() -> None:
    cases = drawn(400)
    steps = {type(step).__name__ for case in cases for step in case.workload.steps}
    assert steps == {
        *("OpenStore", "SaveState", "Append", "Read", "TruncateSuffix", "TruncatePrefix"),
        *("SaveSnapshot", "Reopen", "KillProcess", "Refused", "Cancelled", "Inspect"),
        "Interrupted",
    }
    assert any(case.workload.tasks for case in cases)
    assert any(case.at_rest is not None for case in cases)
    assert any(case.workload.faults.faults for case in cases)
    assert {case.depth for case in cases} == {0, 1, 2}


def test_a_swarm_leaves_things_out() -> None:
    swarms = [draw_swarm(Random(number), faults=True) for number in range(50)]
    assert all(set(swarm.operations) < set(OPERATIONS) for swarm in swarms)
    assert {bool(swarm.faults) for swarm in swarms} == {False, True}
    assert not any(draw_swarm(Random(n), faults=False).faults for n in range(50))


@pytest.mark.slow
def test_a_store_that_does_little_is_asked_for_little() -> None:
    store = find_store("plain_stores:PLAIN_STORE")
    drawer = InputDrawer(store=store, profiles=DRAWER.profiles, names=())
    for number in range(5):
        case = drawer.new(Random(number), number)
        assert not case.workload.faults.faults
        assert record(case.workload, store).problems == ()


@pytest.mark.slow
def test_a_store_gets_numbers_and_directories_that_it_takes() -> None:
    plain = drawer_for(find_store("plain_stores:PLAIN_STORE"), DRAWER.profiles)
    assert (plain.largest, plain.deep, plain.has_faults) == (2**64 - 1, True, False)
    sqlite = drawer_for(find_store("sqlite:wal-full"), DRAWER.profiles)
    assert sqlite.largest == 2**63 - 1
    assert not any("max_entry_size" in word for n in range(99) for word in _words(sqlite, n))


def _words(drawer: InputDrawer, number: int) -> tuple[str, ...]:
    return drawer.swarm(Random(number)).overrides


def test_healthy_lives_are_legal() -> None:
    for case in drawn(60):
        workload = case.workload
        if workload.faults == FaultPlan() and not workload.tasks:
            assert record(workload, BUILTIN).problems == (), case.id


def test_the_names_of_files_are_learnt() -> None:
    names = names_of(BUILTIN)
    assert {"log.dat", "state.json", "snapshot.dat.tmp", "recovery.marker"} <= set(names)
