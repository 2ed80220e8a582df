"""The cheapest cure: a sync, an order, several syncs, or what helps where no sync does."""

import pytest
from attrs import evolve

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState
from wavetank.scenarios import (
    Append,
    Breach,
    BrokenPromise,
    Chain,
    Cure,
    CureKind,
    Limits,
    OpenStore,
    PromiseKind,
    SaveState,
    Workload,
    explain_case,
    explore,
    find_store,
    record,
)
from wavetank.scenarios.exploration.explaining.explain import explain
from wavetank.scenarios.mutants import planted_case, store_name
from wavetank.sim import POSIX


def chain_of(bug: str) -> Chain:
    case = planted_case(bug)
    assert case is not None
    chain = explain_case(case).chain
    assert chain is not None
    return chain


def test_the_missing_sync_of_a_directory_is_named() -> None:
    chain = chain_of("S2")
    assert chain.broken == BrokenPromise(
        kind=PromiseKind.VOTE, breach=Breach.GONE, term=1, voted_for="node-a", came="term 0"
    )
    assert chain.promised_in == (1, "save state: term 1, vote for node-a")
    assert [(each.path, each.needs, each.synced_in) for each in chain.lost] == [
        ("/store/state.json", "/store", None),
        ("/store/state.copy.json", "/store", None),
    ]
    assert chain.cure == Cure(
        kind=CureKind.SYNC,
        target="/store",
        is_directory=True,
        after="the rename of /store/state.json.tmp to /store/state.json over what was there",
        by="step 1",
        added=2,
        is_verified=True,
    )


def test_two_names_without_a_commit_point_are_told_as_such() -> None:
    cure = chain_of("N4").cure
    assert cure is not None
    assert (cure.kind, cure.target) == (
        CureKind.COMMIT_POINT,
        "/store/snapshot.dat, /store/snapshot_meta.json",
    )


@pytest.mark.parametrize(
    ("bug", "kind", "target"),
    [
        ("S1", CureKind.SYNC, "/store/state.json.tmp"),
        ("S4", CureKind.ORDER, "/store"),
        ("A2", CureKind.READING, ""),
        ("A7", CureKind.SYNC, "/store/log.dat"),
        ("T1", CureKind.SYNC, "/store"),
        ("R3", CureKind.NEW_FILE, "/store/log.dat"),
        ("W4", CureKind.SYNC, "/store"),
        ("W6", CureKind.READING, ""),
        ("W11", CureKind.COMMIT_POINT, "/store/log.dat"),
        ("W15", CureKind.SYNC, "/store/log.dat"),
    ],
)
def test_each_kind_of_cure(bug: str, kind: CureKind, target: str) -> None:
    cure = chain_of(bug).cure
    assert cure is not None
    assert (cure.kind, cure.target) == (kind, target)


def test_a_recovery_makes_the_sync_of_what_it_found() -> None:
    cure = chain_of("W15").cure
    assert cure is not None
    assert (cure.by, cure.added, cure.is_verified) == ("the recovery", 1, True)


def test_several_syncs_are_named_where_one_leaves_other_images() -> None:
    steps = (
        OpenStore(),
        SaveState(PersistentState(1, "node-d")),
        Append((LogEntry(1, 1, b"x"),)),
    )
    workload = Workload(name="life", seed=0, steps=steps, options=FileStorageOptions())
    recording = record(workload, find_store("raftlock-published"))
    findings = explore(recording, POSIX, limits=Limits(from_step=1)).findings
    vote = next(each for each in findings if each.problem.invariant == "O1")

    chain = explain(recording, POSIX, vote, thorough=True).chain

    assert chain is not None
    cure = chain.cure
    assert cure is not None
    assert cure.is_verified
    assert [(each.target, each.by) for each in (cure, *cure.also)] == [
        ("/store", "step 1"),
        ("/", "step 0"),
    ]


def test_the_store_of_a_bug_is_found_by_name() -> None:
    case = planted_case("S2")
    assert case is not None
    assert find_store(case.store).name == store_name("S2")
    assert evolve(case, store="builtin").store != case.store
    with pytest.raises(KeyError):
        planted_case("nothing")
