"""The zoo: every planted bug is killed by the oracle, fairly, and the engine is never reported."""

from pathlib import Path

import pytest
from attrs import evolve

from wavetank.engine import FileStorage, OpenFlag, Storage
from wavetank.scenarios import (
    INVARIANTS,
    SCENARIOS,
    Limits,
    Recording,
    Reopen,
    Site,
    StoreAdapter,
    explore,
    find_store,
    judge_crash,
    log_digest,
    record,
)
from wavetank.scenarios.mutants import (
    BUGS,
    SYNC_TRIALS,
    BugResult,
    Necessity,
    PlantedBug,
    SyncSite,
    Trial,
    ZooResult,
    missed_without,
    need_of,
    record_trial,
    run_zoo,
    sync_sites,
    without,
)
from wavetank.sim import POSIX, SAFE_PROFILES, WRITEBACK, Data, Mark, PendingOps

BUILTIN = find_store("builtin")

EVERYWHERE = (
    "sequential data-journal ext3-ordered ext4-ordered xfs ext4-observed btrfs writeback ext4 posix"
)

# Which invariants report it under posix, and which safe profiles allow an image that kills it.
EXPECTED = {
    "S1": ("O7 O8", "ext4-ordered xfs ext4-observed btrfs writeback ext4 posix lazyfs"),
    "S2": ("O1 O8", "btrfs posix"),
    "S4": ("O7", "btrfs posix"),
    "A1": ("O2 O7", "btrfs posix"),
    "A2": ("O8", f"{EVERYWHERE} process-kill"),
    "A7": ("O2 O8", f"{EVERYWHERE} lazyfs"),
    "T1": ("O2 O3", EVERYWHERE),
    "T2": ("O5 O8", f"{EVERYWHERE} process-kill lazyfs"),
    "T4": ("O2 O7", "xfs ext4-observed writeback ext4 posix lazyfs"),
    "N2": ("O7", f"{EVERYWHERE} process-kill lazyfs"),
    "N4": ("O7", f"{EVERYWHERE} process-kill lazyfs"),
    "R3": ("O9", f"{EVERYWHERE} process-kill"),
    "W3": ("O3", f"{EVERYWHERE} lazyfs"),
    "W4": ("O4 O7", EVERYWHERE),
    "W6": ("O6", "ext4-observed writeback ext4 posix"),
    "W10": ("O10", f"{EVERYWHERE} process-kill lazyfs"),
    "W11": ("O11", f"{EVERYWHERE} process-kill"),
    "W12": ("O12", EVERYWHERE),
    "W15": ("O15", f"{EVERYWHERE} lazyfs"),
    "W16": ("O16", f"{EVERYWHERE} process-kill lazyfs"),
    "W17": ("O17", f"{EVERYWHERE} process-kill lazyfs"),
    "W18": ("O18", f"{EVERYWHERE} process-kill lazyfs"),
}

# What goes unseen with an invariant switched off.
MISSED = {
    "O1": ["S2"],
    "O2": ["A2", "A7", "W15"],
    "O3": ["T1", "W3"],
    "O4": ["W4"],
    "O5": ["T2"],
    "O6": ["W6"],
    "O7": ["S1", "S4", "T4", "N2", "N4", "R3"],
    "O8": ["A2"],
    "O9": ["R3"],
    "O10": ["W10"],
    "O11": ["W11"],
    "O12": ["W12"],
    "O15": ["W15"],
    "O16": ["W16"],
    "O17": ["W17"],
    "O18": ["W18"],
}

# Syncs that no power cut and no process kill shows to be needed; docs/zoo.md has the reasons.
REDUNDANT = {
    ("compaction", "metadata.json.tmp", "publish_metadata", 1),
    ("creation", ".", "Repair.run", 2),
    ("creation", "..", "make_durably", 1),
    ("creation", "log.dat", "repair_log", 1),
    ("creation", "metadata.json.tmp", "publish_metadata", 1),
    ("opening", "log.dat", "drop_from_cache", 1),
    ("opening", "log.dat", "repair_log", 1),
    ("opening", "log.dat", "repair_log", 2),
    ("opening", "metadata.json.tmp", "publish_metadata", 1),
    ("opening", "state.copy.json.tmp", "Repair._repair_names", 1),
    ("opening", "state.json.tmp", "Repair._repair_names", 1),
    ("save_snapshot", "metadata.json.tmp", "publish_metadata", 1),
    ("truncate_log_prefix", "metadata.json.tmp", "publish_metadata", 1),
}


@pytest.fixture(scope="module")
def whole() -> ZooResult:
    return run_zoo(list(BUGS))


def each_bug() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bug", BUGS.values(), ids=lambda bug: bug.id)


@pytest.mark.minutes
def test_every_bug_is_killed_where_it_can_be_and_the_engine_is_never_reported(
    whole: ZooResult,
) -> None:
    killed = {result.id: {hunt.profile for hunt in result.killed_by} for result in whole.bugs}
    assert killed == {bug: set(profiles.split()) for bug, (_, profiles) in EXPECTED.items()}
    assert (whole.survivors, whole.false_alarms, whole.passed) == ((), (), True)


SHOW_IT_AT_ONCE = {
    *("refused-calls", "every-look", "cancelled-calls", "options-unindexed"),
    *("other-branches", "damaged-store", "real-calls"),
}
"""A backup shows S4; a refusal, a cancelled snapshot and one that compacts nothing show T2."""


@each_bug()
@pytest.mark.slow
def test_a_variant_is_right_without_crashes(bug: PlantedBug) -> None:
    if not bug.trial.needs_crash:
        pytest.skip("it is wrong while it runs")
    for name, scenario in SCENARIOS.items():
        if scenario.faults or name in SHOW_IT_AT_ONCE:
            continue
        recording = record(scenario.workload(0), bug.backend)
        assert recording.problems == ()
        assert recording.steps_run == len(recording.workload.steps)


@each_bug()
@pytest.mark.slow
def test_a_kill_is_an_invariant_broken_on_a_legal_image(bug: PlantedBug) -> None:
    if not bug.trial.needs_crash:
        pytest.skip("it needs no image")
    recording = record_trial(bug.trial, bug.backend)
    sweep = explore(recording, POSIX, limits=Limits(depth=bug.trial.depth))
    assert {each.problem.invariant for each in sweep.findings} == set(EXPECTED[bug.id][0].split())
    for finding in sweep.findings:
        assert "untyped" not in finding.problem.summary
        again = judge_crash(recording, POSIX, finding.crash)
        kinds = {(problem.invariant, problem.kind) for problem in again}
        assert (finding.problem.invariant, finding.problem.kind) in kinds


@pytest.mark.parametrize("name", ["W16", "W17", "W18"])
def test_what_is_wrong_while_it_runs_breaks_one_invariant_alone(name: str) -> None:
    bug = BUGS[name]
    recording = record_trial(bug.trial, bug.backend)
    assert {live.problem.invariant for live in recording.problems} == {EXPECTED[name][0]}
    assert explore(recording, POSIX).findings == ()
    assert record_trial(bug.trial, BUILTIN).problems == ()
    (result,) = run_zoo([name]).bugs
    assert result.shortest is not None
    assert result.shortest.kill is not None
    assert (result.shortest.kill.invariant, result.shortest.kill.lost) == (EXPECTED[name][0], ())


@each_bug()
def test_each_opening_of_a_variant_opens_the_engine(bug: PlantedBug) -> None:
    """A planted bug is a variant of the engine, not a store of another kind."""
    stores: list[Storage] = []

    def open_store(site: Site) -> Storage:
        stores.append(bug.backend.open(site))
        return stores[-1]

    watched = evolve(BUILTIN, name="watched", factory=open_store)
    record_trial(bug.trial, watched)
    assert stores
    assert all(isinstance(store, FileStorage) for store in stores)


@pytest.mark.minutes
def test_with_an_invariant_switched_off_a_bug_survives(whole: ZooResult) -> None:
    missed = {
        invariant: [bug for bug, _ in missed_without(invariant, whole.bugs).survivors]
        for invariant in INVARIANTS
    }
    assert missed == MISSED


@pytest.mark.minutes
def test_the_whole_tester_switched_off_reports_nobody() -> None:
    off = Limits(depth=1, disabled=frozenset(INVARIANTS))
    for bug in BUGS.values():
        if not bug.trial.from_step:
            continue
        recording = record_trial(bug.trial, bug.backend)
        assert explore(recording, POSIX, limits=off).findings == ()


def test_nothing_pending_is_lost_when_a_trial_begins_late() -> None:
    """A trial that begins late judges exactly as the same crash points of the whole."""
    late = record_trial(Trial(workload=BUGS["A7"].trial.workload, from_step=1), BUGS["A7"].backend)
    whole = record_trial(Trial(workload=BUGS["A7"].trial.workload), BUGS["A7"].backend)
    kinds = [
        {(each.problem.invariant, each.problem.kind) for each in explore(one, POSIX).findings}
        for one in (late, whole)
    ]
    assert kinds[0] == kinds[1] != set()


def test_a_trial_does_not_begin_where_something_is_pending() -> None:
    with pytest.raises(ValueError, match="from_step: expected a step before which all is durable"):
        record_trial(Trial(workload=BUGS["A7"].trial.workload, from_step=2), BUGS["A7"].backend)


@pytest.fixture(scope="module")
def sites() -> dict[tuple[str, str, str], tuple[SyncSite, tuple[int, ...]]]:
    return {
        (site.operation, site.target, site.function): (site, numbers)
        for site, numbers in sync_sites().items()
    }


@pytest.mark.slow
def test_every_kind_of_sync_is_reached(
    sites: dict[tuple[str, str, str], tuple[SyncSite, tuple[int, ...]]],
) -> None:
    operations = {operation for operation, _, _ in sites}
    assert operations == {
        "append_log_entries",
        "close",
        "compaction",
        "creation",
        "opening",
        "save_snapshot",
        "save_state",
        "truncate_log_prefix",
        "truncate_log_suffix",
    }


def test_a_filesystem_that_misleads_nobody_changes_nothing() -> None:
    nowhere = SyncSite(operation="none", function="none", line=0, target="none")
    workload = SCENARIOS["mixed"].workload(0)
    assert log_digest(record(workload, without(nowhere))) == log_digest(record(workload, BUILTIN))


@pytest.mark.minutes
@pytest.mark.parametrize(
    ("key", "necessity", "profiles"),
    [
        (("save_state", ".", "StateStore._write"), Necessity.NECESSARY, ("btrfs", "posix")),
        (("creation", "..", "Repair.run"), Necessity.NECESSARY, ("btrfs", "posix")),
        (("opening", ".", "Repair.run"), Necessity.NECESSARY, ("btrfs", "posix")),
        (("close", ".", "FileStorage._finish"), Necessity.NECESSARY, tuple(EVERYWHERE.split())),
        (("opening", "log.dat", "drop_from_cache"), Necessity.REDUNDANT, ()),
    ],
)
def test_a_sync_is_necessary_or_redundant(
    sites: dict[tuple[str, str, str], tuple[SyncSite, tuple[int, ...]]],
    key: tuple[str, str, str],
    necessity: Necessity,
    profiles: tuple[str, ...],
) -> None:
    result = need_of(*sites[key])
    assert (result.necessity, result.profiles) == (necessity, profiles)
    assert (result.kill is None) == (necessity is Necessity.REDUNDANT)


@pytest.mark.minutes
def test_the_engine_without_one_sync_is_right_without_crashes(
    sites: dict[tuple[str, str, str], tuple[SyncSite, tuple[int, ...]]],
) -> None:
    for site, _ in sites.values():
        for name in ("snapshot-compaction", "install-snapshot", "restart-loop"):
            assert record(SCENARIOS[name].workload(0), without(site)).problems == ()


@pytest.mark.minutes
def test_the_engine_is_not_reported_on_any_trial_of_its_syncs() -> None:
    for trial in SYNC_TRIALS:
        sweep = explore(record_trial(trial, BUILTIN), POSIX, limits=Limits(depth=trial.depth))
        assert (sweep.findings, sweep.complete) == ((), True)


@pytest.mark.minutes
def test_the_necessity_of_every_sync() -> None:
    results = run_zoo().necessity
    assert {
        (each.site.operation, each.site.target, each.site.function, each.ordinal)
        for each in results
        if each.necessity is Necessity.REDUNDANT
    } == REDUNDANT
    assert all(each.necessity is not Necessity.UNDECIDED for each in results)


def test_a_store_counts_as_closed_until_the_next_opening_does_something() -> None:
    recording = record(SCENARIOS["restart-loop"].workload(0), BUILTIN)
    closed = _closed(recording)
    reopened = [step for step in recording.workload.steps if isinstance(step, Reopen)]
    assert len(closed) == len(reopened) > 0
    records = list(recording.log)
    assert all(isinstance(records[position - 1], Mark) for position in closed)


def test_after_a_close_only_what_programs_can_see_counts() -> None:
    """What was written to a file, never synced and cut off again is nothing more to lose."""

    def open_store(site: Site) -> Storage:
        scratch = site.fs.open("/scratch", OpenFlag.WRITE | OpenFlag.CREATE)
        scratch.append(b"notes")
        scratch.truncate(0)
        return BUILTIN.open(site)

    scribbler = evolve(BUILTIN, name="scribbler", summary="leaves notes", factory=open_store)
    recording = record(BUGS["W12"].trial.workload, scribbler)
    (closed,) = _closed(recording)
    pending = PendingOps(recording.image, WRITEBACK)
    pending.take_all(list(recording.log)[:closed])
    assert any(isinstance(op, Data) for op in pending.ops)
    assert explore(recording, WRITEBACK).findings == ()


def _closed(recording: Recording) -> list[int]:
    return [
        position
        for position in range(len(recording.log) + 1)
        if recording.interval_at(position).knowledge.closed
    ]


def test_a_survivor_or_a_false_alarm_fails_the_zoo() -> None:
    def result(*bugs: BugResult, alarms: tuple[str, ...] = ()) -> ZooResult:
        return ZooResult(bugs=bugs, false_alarms=alarms, necessity=(), witnesses=())

    assert result().passed
    assert not result(alarms=("the engine under posix",)).passed
    survivor = result(BugResult(id="S1", hunts=()))
    assert (survivor.passed, survivor.survivors) == (False, ("S1",))


def test_the_paper_has_every_bug_and_no_other() -> None:
    paper = Path(__file__).parents[3] / "docs" / "zoo.md"
    lines = paper.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    told = [cells[:4] for cells in rows if len(cells) == 5 and cells[0] in EXPECTED]
    assert told == [
        [bug.id, bug.summary, bug.cost, EXPECTED[bug.id][0].replace(" ", ", ")]
        for bug in BUGS.values()
    ]


def test_an_unknown_bug_is_refused() -> None:
    with pytest.raises(KeyError):
        run_zoo(["S99"])


def test_every_profile_is_hunted_under() -> None:
    (result,) = run_zoo(["S2"]).bugs
    assert [hunt.profile for hunt in result.hunts] == [each.name for each in SAFE_PROFILES]


def test_a_backend_of_the_zoo_says_what_is_wrong_with_it() -> None:
    backends: list[StoreAdapter] = [bug.backend for bug in BUGS.values()]
    assert [backend.name for backend in backends] == [f"builtin-{bug}" for bug in BUGS]
    assert [backend.summary for backend in backends] == [bug.summary for bug in BUGS.values()]
