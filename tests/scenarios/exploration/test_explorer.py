"""The sweep: it reports forgotten syncs, and nothing else, and its shortcuts change no verdict."""

import order_rules
import pytest
from attrs import evolve
from sick_filesystems import NoDirectorySync, NoFileSync, builtin_over

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios import (
    SCENARIOS,
    Append,
    CrashPoint,
    Exploration,
    Limits,
    OpenStore,
    Problem,
    Recording,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncateSuffix,
    Workload,
    explain,
    explore,
    find_store,
    judge_crash,
    record,
)
from wavetank.scenarios.exploration.crash_point import pending_at
from wavetank.scenarios.mutants import BUGS, record_trial
from wavetank.sim import (
    BTRFS,
    EXT4_ORDERED,
    POSIX,
    PROCESS_KILL,
    SAFE_PROFILES,
    SEQUENTIAL,
    XFS,
    Kept,
    Mark,
    Profile,
    Sync,
    all_images,
)

BUILTIN = find_store("builtin")
PUBLISHED = find_store("raftlock-published")

FEW_STEPS = Workload(
    name="few-steps",
    seed=0,
    steps=(
        OpenStore(),
        SaveState(PersistentState(1, "node-a")),
        Append((LogEntry(1, 1, b"one"), LogEntry(2, 1, b"two"))),
        SaveState(PersistentState(2, "node-b")),
        SaveSnapshot(SnapshotMetadata(1, 1), b"snapshot"),
    ),
    options=FileStorageOptions(retained_log_size=0),
)


def invariants(sweep: Exploration) -> set[str]:
    return {finding.problem.invariant for finding in sweep.findings}


def kinds(sweep: Exploration) -> set[tuple[str, str]]:
    return {(finding.problem.invariant, finding.problem.kind) for finding in sweep.findings}


@pytest.mark.parametrize(
    "profile",
    [SEQUENTIAL, pytest.param(POSIX, marks=pytest.mark.minutes)],
    ids=lambda profile: profile.name,
)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_engine_is_never_reported(name: str, profile: Profile, seed: int) -> None:
    recording = record(SCENARIOS[name].workload(seed), BUILTIN)
    sweep = explore(recording, profile)
    assert recording.problems == ()
    assert sweep.findings == ()
    # A write, its sync, and the close of its file are three points that may leave one image.
    assert sweep.judged == sweep.distinct > sweep.crash_points / 3


@pytest.mark.minutes
def test_without_directory_syncs_votes_are_lost_where_nothing_else_syncs_names() -> None:
    backend = builtin_over(NoDirectorySync)
    recording = record(FEW_STEPS, backend)
    assert "O1" not in invariants(explore(recording, SEQUENTIAL))
    assert invariants(explore(recording, POSIX)) >= {"O1", "O2", "O4"}


@pytest.mark.slow
def test_without_log_syncs_acknowledged_entries_are_lost_wherever_a_crash_loses_anything() -> None:
    backend = builtin_over(lambda fs: NoFileSync(fs, "/store/log.dat"))
    recording = record(FEW_STEPS, backend)
    for profile in SAFE_PROFILES:
        if profile is not PROCESS_KILL:
            assert "O2" in invariants(explore(recording, profile))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "leader-steady" else [pytest.mark.minutes])
        for name in SCENARIOS
    ],
)
def test_the_published_store_is_reported_in_every_scenario(name: str) -> None:
    recording = record(SCENARIOS[name].workload(0), PUBLISHED)
    assert "O1" in invariants(explore(recording, POSIX, limits=Limits(max_images=400)))


@pytest.mark.minutes
def test_a_budget_leaves_the_rest_unjudged_and_says_so() -> None:
    recording = record(SCENARIOS["leader-steady"].workload(0), BUILTIN)
    whole, cut = explore(recording, POSIX), explore(recording, POSIX, limits=Limits(max_images=50))
    assert (cut.judged, cut.judged + cut.unjudged) == (50, whole.distinct)


def test_who_waits_for_one_problem_walks_no_further_than_the_budget() -> None:
    recording = record(SCENARIOS["leader-steady"].workload(0), BUILTIN)
    limits = Limits(max_images=5)
    counted = explore(recording, SEQUENTIAL, limits=limits)
    ended = explore(recording, SEQUENTIAL, limits=evolve(limits, max_after_first=0))
    assert (ended.judged, ended.unjudged, ended.complete) == (5, 1, False)
    assert ended.crash_points == 6
    assert counted.crash_points > 50
    assert counted.judged + counted.unjudged == explore(recording, SEQUENTIAL).distinct


def test_equal_sweeps_have_equal_digests_and_others_do_not() -> None:
    def digest(seed: int) -> str:
        return explore(record(SCENARIOS["log-conflict"].workload(seed), BUILTIN), SEQUENTIAL).digest

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_remembering_outcomes_changes_no_verdict() -> None:
    """Twin: judge each image of each point alone, from nothing, and collect what is wrong."""
    recording = record(SCENARIOS["leader-steady"].workload(0), PUBLISHED)
    found: set[Problem] = set()
    for position, entry in enumerate(recording.log, start=1):
        pending = pending_at(recording, SEQUENTIAL, position)
        if not isinstance(entry, Sync) and pending.whole:
            for kept in all_images(pending, limit=100).images:
                crash = CrashPoint(position=position, kept=kept)
                found.update(judge_crash(recording, SEQUENTIAL, crash))
    kinds = {(problem.invariant, problem.kind) for problem in found}
    sweep = explore(recording, SEQUENTIAL)
    assert kinds == {(f.problem.invariant, f.problem.kind) for f in sweep.findings}
    assert kinds


@pytest.mark.minutes
def test_a_finding_tells_what_was_lost_why_where_and_what_would_cure_it() -> None:
    """The forgotten directory sync behind a vote, told as the README promises."""
    backend = builtin_over(NoDirectorySync)
    recording = record(FEW_STEPS, backend)
    finding = next(
        finding
        for finding in explore(recording, POSIX).findings
        if finding.problem.kind == "term went back"
    )
    story = explain(recording, POSIX, finding)
    assert story.invariant == "O1"
    assert story.profiles == ("posix", "alice", "lying-fsync")
    assert "needed a sync of the directory /store, which had not come" in story.why
    assert any("to /store/state" in line for line in story.lost)
    assert story.steps[0] == "0: open the store"
    assert story.crash == finding.crash


def test_the_cure_is_found_by_trying() -> None:
    backend = builtin_over(lambda fs: NoFileSync(fs, "/store/log.dat"))
    recording = record(FEW_STEPS, backend)
    finding = next(
        finding
        for finding in explore(recording, POSIX).findings
        if finding.problem.kind == "acknowledged entry lost"
    )
    assert explain(recording, POSIX, finding).cure.startswith(
        "a sync of the file /store/log.dat right after "
    )


def unsynced_log(*steps: Step, sync_on_append: bool) -> Recording:
    """Record the engine without any sync of its log, with one entry before the steps."""
    return record(
        Workload(
            name="unsynced-log",
            seed=0,
            steps=(OpenStore(), Append((LogEntry(1, 1, b"a"),)), *steps),
            options=FileStorageOptions(sync_on_append=sync_on_append),
        ),
        builtin_over(lambda fs: NoFileSync(fs, "/store/log.dat")),
    )


def cures(recording: Recording) -> dict[str, str]:
    return {
        finding.problem.kind: explain(recording, POSIX, finding).cure
        for finding in explore(recording, POSIX).findings
    }


def test_a_cure_is_asked_of_the_step_that_has_promised_the_sync() -> None:
    close = "step 2 ('close the store and open it again')"
    log = "a sync of the file /store/log.dat"
    assert cures(unsynced_log(Reopen(), sync_on_append=False)) == {
        "does not open: CorruptedLogError": f"{log} before {close} does anything else",
        "work pending after a clean close": f"{log} before {close} returns",
    }
    at_once = cures(unsynced_log(Reopen(), sync_on_append=True))
    assert at_once["work pending after a clean close"] == (
        f"{log} right after size 137 of /store/log.dat in step 1"
    )


def test_a_cure_that_an_option_gave_up_is_asked_of_the_next_step_that_settles_the_log() -> None:
    steps = (Append((LogEntry(2, 1, b"b"),)), TruncateSuffix(2), SaveState(PersistentState(1, "")))
    found = cures(unsynced_log(*steps, sync_on_append=False))
    assert found["acknowledged entry lost"] == (
        "a sync of the file /store/log.dat before step 3 ('truncate suffix from 2') returns"
    )


def test_a_recovery_is_to_blame_for_what_it_found_of_a_step_that_had_not_returned() -> None:
    bug = BUGS["W15"]
    recording = record_trial(bug.trial, bug.backend)
    (finding,) = explore(recording, POSIX, limits=Limits(depth=1)).findings
    assert explain(recording, POSIX, finding).cure == (
        "a sync of the file /store/log.dat by the recovery, before it lets anybody see "
        "bytes 48..143 of /store/log.dat"
    )


@pytest.mark.slow
def test_a_sync_that_is_missing_names_the_file_as_it_was_called_at_the_write() -> None:
    backend = builtin_over(lambda fs: NoFileSync(fs, "/store/state.json.tmp"))
    recording = record(evolve(FEW_STEPS, steps=FEW_STEPS.steps[:2]), backend)
    (finding,) = explore(recording, POSIX).findings
    story = explain(recording, POSIX, finding)
    assert story.lost == ("step 0: size 119 of /store/state.json.tmp",)
    assert story.cure == (
        "a sync of the file /store/state.json.tmp (later /store/state.json) right after "
        "size 119 of /store/state.json.tmp in step 0"
    )


def test_the_cure_of_new_work_that_was_lost_is_searched_behind_the_recovery() -> None:
    recording = record(evolve(FEW_STEPS, steps=FEW_STEPS.steps[:2]), PUBLISHED)
    finding = next(
        each for each in explore(recording, SEQUENTIAL).findings if each.problem.invariant == "O8"
    )
    story = explain(recording, SEQUENTIAL, finding)
    rename = "the rename of /store/state.json.tmp to /store/state.json"
    assert story.lost == (f"new work: {rename}",)
    assert story.cure == f"a sync of the directory /store right after {rename} in the new work"
    assert story.why == (
        f"the store recovered from this crash and acknowledged new work; {rename} in the new work "
        "needed a sync of the directory /store, which had not come at the next power cut"
    )


@pytest.mark.parametrize(
    ("steps", "profile", "limit", "forked", "judged"),
    [
        (5, EXT4_ORDERED, 64, 1, (71, 71)),
        (5, XFS, 64, 3, (119, 112)),
        (4, BTRFS, 64, 1, (106, 106)),
        pytest.param(3, POSIX, 256, 5, (3613, 1513), marks=pytest.mark.minutes),
    ],
)
def test_images_chosen_by_what_is_read_show_all_that_can_go_wrong(
    steps: int, profile: Profile, limit: int, forked: int, judged: tuple[int, int]
) -> None:
    """Twin: the same sweep with every legal image."""
    recording = record(evolve(FEW_STEPS, steps=FEW_STEPS.steps[:steps]), PUBLISHED)
    every = explore(recording, profile, limits=Limits(max_sets_per_point=1024))
    some = explore(recording, profile, limits=Limits(max_sets_per_point=limit))
    assert (every.forked_points, some.forked_points) == (0, forked)
    assert every.complete
    assert some.complete
    assert (every.judged, some.judged) == judged
    assert (some.legal is None) == (forked > 0)
    assert kinds(every) == kinds(some) != set()


@pytest.mark.slow
def test_forked_points_are_not_complete_for_crashes_inside_recoveries() -> None:
    recording = record(FEW_STEPS, PUBLISHED)
    sweep = explore(recording, XFS, limits=Limits(max_sets_per_point=64, depth=1))
    assert (sweep.forked_points, sweep.unjudged, sweep.complete) == (3, 0, False)


def test_marks_are_no_crash_points() -> None:
    recording = record(SCENARIOS["leader-steady"].workload(0), BUILTIN)
    micro_ops = [r for r in recording.log if not isinstance(r, (Sync, Mark))]
    assert explore(recording, POSIX, limits=Limits(max_images=1)).crash_points == len(micro_ops)


@pytest.mark.parametrize(
    "profile", [SEQUENTIAL, EXT4_ORDERED, BTRFS], ids=lambda profile: profile.name
)
def test_verdicts_equal_those_of_all_subsets_tried_one_by_one(profile: Profile) -> None:
    """Brute-force twin: every subset that the rules read literally allow, judged alone."""
    backend = builtin_over(lambda fs: NoFileSync(fs, "/store/log.dat"))
    recording = record(evolve(FEW_STEPS, steps=FEW_STEPS.steps[:4]), backend)
    records = list(recording.log)
    literal: set[tuple[str, str]] = set()
    seen: set[tuple[int, bytes]] = set()
    for position in range(len(records) + 1):
        pending = pending_at(recording, profile, position)
        durable = order_rules.durable(records[:position], profile)
        if not pending.whole:
            continue
        for present in order_rules.legal_sets(records[:position], profile):
            waiting = {op.number for op in pending.ops}
            kept = Kept(tuple(sorted(number for number in present if number in waiting)))
            assert present - waiting <= durable | order_rules.idle_writes(records[:position])
            name = (recording.interval_at(position).position, pending.image(kept).digest())
            if name not in seen:
                seen.add(name)
                problems = judge_crash(recording, profile, CrashPoint(position=position, kept=kept))
                literal |= {(problem.invariant, problem.kind) for problem in problems}
    findings = explore(recording, profile).findings
    found = {(f.problem.invariant, f.problem.kind) for f in findings}
    untorn = {
        (f.problem.invariant, f.problem.kind)
        for f in findings
        if not f.crash.kept.tears and not f.crash.kept.stale
    }
    assert literal
    assert untorn <= literal <= found
