"""`evidence_of` says of every op what became of it, and shows what was promised and what came."""

import pytest
from attrs import evolve

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, RecoveryMode
from wavetank.scenarios import (
    CLUSTER_SCENARIOS,
    Append,
    Case,
    ChangedFile,
    Evidence,
    Fate,
    FileSeen,
    OpenStore,
    SaveState,
    Span,
    Step,
    SyncCall,
    Workload,
    evidence_of,
    explore,
    find_store,
    record,
)
from wavetank.scenarios.case import AtRest
from wavetank.scenarios.cluster.exploration import case_of_run
from wavetank.scenarios.runs.unit import found_case
from wavetank.sim import POSIX, SEQUENTIAL, Profile

VOTE = SaveState(PersistentState(1, "node-d"))
ENTRY = Append((LogEntry(1, 1, b"x"),))
CONTROL = "raftlock-published"


def life(*steps: Step) -> Workload:
    return Workload(name="life", seed=0, steps=(OpenStore(), *steps), options=FileStorageOptions())


def shown(workload: Workload, profile: Profile, invariant: str) -> Evidence:
    """The evidence of the control's first finding that breaks an invariant."""
    recording = record(workload, find_store(CONTROL))
    case = Case(workload=workload, store=CONTROL, profile=profile)
    finding = next(
        each for each in explore(recording, profile).findings if each.problem.invariant == invariant
    )
    return evidence_of(found_case(case, recording, finding))


def fates(evidence: Evidence) -> list[tuple[str, Fate, int | None, int | None]]:
    *_, last = evidence.stretches
    return [(op.text, op.fate, op.durable_at, op.step) for op in last.ops]


def test_a_lost_rename_is_told_op_by_op() -> None:
    evidence = shown(life(VOTE), SEQUENTIAL, "O1")

    [stretch] = evidence.stretches
    assert (stretch.title, stretch.crash_at, stretch.is_cut) == ("the workload", 12, True)
    assert stretch.spans == (
        Span(label="0: open the store", start=0, end=6, acknowledged=True, lane="client"),
        Span(
            label="1: save state: term 1, vote for node-d",
            start=6,
            end=12,
            acknowledged=True,
            lane="client",
        ),
    )
    assert stretch.syncs == ()
    rename = "the rename of /store/state.json.tmp to /store/state.json"
    assert fates(evidence)[-5:] == [
        ("the name /store/state.json.tmp", Fate.KEPT, None, 1),
        ("bytes 0..38 of /store/state.json.tmp", Fate.KEPT, None, 1),
        ("size 39 of /store/state.json.tmp", Fate.KEPT, None, 1),
        (rename, Fate.LOST, None, 1),
        (rename, Fate.LOST, None, 1),
    ]
    assert evidence.promised == ("term 1, vote for 'node-d'", "no log entry", "no snapshot")
    assert evidence.shown == ("term 0, no vote", "no log entry", "no snapshot")


def test_the_directory_is_shown_before_and_after_the_crash() -> None:
    evidence = shown(life(VOTE), SEQUENTIAL, "O1")

    content = b'{"current_term":1,"voted_for":"node-d"}'
    directory = FileSeen(path="/store", size=None, digest="")
    [was] = [each for each in evidence.before if each.size is not None]
    [left] = [each for each in evidence.after if each.size is not None]
    assert (directory in evidence.before, directory in evidence.after) == (True, True)
    assert (was.path, left.path) == ("/store/state.json", "/store/state.json.tmp")
    assert (was.size, was.digest) == (left.size, left.digest)
    assert evidence.changed == (
        ChangedFile(
            path="/store/state.json",
            start=0,
            before=content,
            after=b"",
            size_before=39,
            size_after=None,
        ),
    )


def test_a_sync_is_named_by_all_that_it_made_durable() -> None:
    evidence = shown(life(ENTRY), POSIX, "O2")

    [stretch] = evidence.stretches
    assert stretch.syncs == (
        SyncCall(position=11, kind="fsync", path="/store/log.dat", failed=False, step=1),
    )
    durable = [op.text for op in stretch.ops if op.durable_at == 11]
    assert durable == [
        "bytes 0..3 of /store/log.dat",
        "size 4 of /store/log.dat",
        "bytes 4..28 of /store/log.dat",
        "size 29 of /store/log.dat",
    ]
    assert [op.text for op in stretch.ops if op.fate is Fate.LOST] == [
        "the removal of the name /store/recovery.marker",
        "the name /store/log.dat",
    ]


def test_new_work_that_a_second_crash_loses_is_a_stretch_of_its_own() -> None:
    evidence = shown(life(), SEQUENTIAL, "O8")

    first, second = evidence.stretches
    assert (first.title, second.title) == ("the workload", "the recovery and new work")
    assert [(span.label, span.lane) for span in second.spans] == [
        ("recovery", "engine"),
        ("new work", "client"),
    ]
    assert {op.step for op in second.ops} == {None}
    assert evidence.promised[0] == "term 1, vote for 'second-generation'"
    assert evidence.shown[0] == "term 0, no vote"


def test_a_problem_without_a_crash_has_its_work_and_no_power_cut() -> None:
    workload = life(VOTE, SaveState(PersistentState(2, "node-a")))
    case = Case(
        workload=workload, store="builtin", profile=POSIX, invariant="O1", kind="term went back"
    )

    evidence = evidence_of(case)

    [stretch] = evidence.stretches
    assert not stretch.is_cut
    assert [span.acknowledged for span in stretch.spans] == [True, True, True]
    assert {op.fate for op in stretch.ops} <= {Fate.DURABLE, Fate.KEPT}
    assert (evidence.before, evidence.changed, evidence.shown) == ((), (), ())


def test_damage_at_rest_shows_the_bytes_and_the_refusal() -> None:
    at_rest = AtRest(
        closed=True,
        damages=("missing: log.dat at 0 (whole file)",),
        mode=RecoveryMode.CONSERVATIVE.value,
    )
    case = Case(
        workload=life(VOTE, ENTRY),
        store="builtin",
        profile=POSIX,
        at_rest=at_rest,
        invariant="D1",
        kind="anything",
    )

    evidence = evidence_of(case)

    [changed] = evidence.changed
    assert (changed.path, changed.size_after) == ("/store/log.dat", None)
    assert evidence.promised == (
        "term 1, vote for 'node-d'",
        "log 1..1, last term 1",
        "no snapshot",
    )
    assert evidence.shown[0].startswith("the store does not open: CorruptedLogError")
    with pytest.raises(ValueError, match="no place for this damage"):
        evidence_of(evolve(case, at_rest=evolve(at_rest, damages=("nonsense",))))


def test_a_cluster_shows_the_disk_of_the_node_that_lost_something() -> None:
    workload = CLUSTER_SCENARIOS["cluster-3"].workload(seed=0)
    whole = Case(workload=workload, store=CONTROL, profile=POSIX)

    evidence = evidence_of(case_of_run(whole, 13))

    [stretch] = evidence.stretches
    node = stretch.spans[0].lane
    assert stretch.title.startswith(f"{node} up to the power cut at ")
    assert stretch.spans[0].acknowledged
    assert len({span.lane for span in stretch.spans}) > 1
    assert evidence.promised != evidence.shown
