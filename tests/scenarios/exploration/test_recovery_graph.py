"""Crashes inside recoveries, and after a kill: what they find, and what they leave alone."""

import gc
import sys
from itertools import islice
from types import FunctionType, ModuleType

import pytest
from attrs import evolve
from sick_filesystems import builtin_over
from wrong_stores import ForgetfulRecovery, NoDirectorySyncOnceMade

from wavetank.engine import (
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    Storage,
)
from wavetank.scenarios import (
    SCENARIOS,
    Append,
    Exploration,
    KillProcess,
    Limits,
    OpenStore,
    Recording,
    SaveSnapshot,
    SaveState,
    Site,
    TruncateSuffix,
    Workload,
    explain,
    explore,
    find_store,
    judge_crash,
    record,
)
from wavetank.scenarios.exploration.recovery_graph import RecoveryGraph, images_during
from wavetank.sim import (
    BTRFS,
    EXT4,
    EXT4_ORDERED,
    POSIX,
    SEQUENTIAL,
    XFS,
    DiskImage,
    Mark,
    PendingOps,
    Profile,
    Sync,
    all_images,
    newest_images,
)

BUILTIN = find_store("builtin")
FIXPOINT = Limits(depth=None)

FEW_STEPS = Workload(
    name="few-steps",
    seed=0,
    steps=(
        OpenStore(),
        SaveState(PersistentState(1, "node-a")),
        Append((LogEntry(1, 1, b"one"), LogEntry(2, 1, b"two"))),
        KillProcess(),
        TruncateSuffix(2),
        Append((LogEntry(2, 1, b"other"),)),
        SaveSnapshot(SnapshotMetadata(2, 1), b"snapshot"),
    ),
    options=FileStorageOptions(retained_log_size=0),
)


@pytest.fixture(scope="module")
def unsynced_names() -> tuple[Recording, Exploration]:
    """The engine whose directory syncs are forgotten, with crashes inside its recoveries."""
    workload = evolve(FEW_STEPS, steps=FEW_STEPS.steps[:2])
    recording = record(workload, builtin_over(NoDirectorySyncOnceMade))
    return recording, explore(recording, BTRFS, limits=Limits(depth=1))


@pytest.mark.parametrize(
    "profile", [SEQUENTIAL, EXT4_ORDERED, BTRFS], ids=lambda profile: profile.name
)
def test_the_engine_converges_and_is_never_reported_at_any_depth(profile: Profile) -> None:
    recording = record(FEW_STEPS, BUILTIN)
    found = explore(recording, profile, limits=FIXPOINT)
    assert found.findings == ()
    assert found.complete
    assert found.depth <= 4


@pytest.mark.minutes
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_engine_converges_on_the_catalogue(name: str) -> None:
    found = explore(record(SCENARIOS[name].workload(0), BUILTIN), POSIX, limits=FIXPOINT)
    assert found.findings == ()
    assert found.complete


def test_depth_zero_looks_at_no_crash_inside_a_recovery() -> None:
    recording = record(FEW_STEPS, BUILTIN)
    shallow = explore(recording, BTRFS)
    deep = explore(recording, BTRFS, limits=Limits(depth=1))
    assert (shallow.depth, deep.depth) == (0, 1)
    assert deep.distinct > shallow.distinct


def test_a_recovery_that_only_a_second_crash_breaks_is_found_at_depth_one_alone() -> None:
    backend = builtin_over(ForgetfulRecovery)
    recording = record(evolve(FEW_STEPS, steps=FEW_STEPS.steps[:3]), backend)
    assert recording.problems == ()
    assert explore(recording, SEQUENTIAL).findings == ()
    found = explore(recording, SEQUENTIAL, limits=Limits(depth=1)).findings
    assert {finding.problem.invariant for finding in found} == {"O9"}
    assert all(finding.crash.then or finding.crash.killed_at for finding in found)


def test_names_that_a_recovery_shows_and_does_not_sync_are_missed_after_the_next_crash(
    unsynced_names: tuple[Recording, Exploration],
) -> None:
    _, found = unsynced_names
    assert {"O9", "O15"} <= {finding.problem.invariant for finding in found.findings}


@pytest.mark.slow
def test_the_same_is_asked_after_a_power_cut_without_any_kill() -> None:
    """A planted bug: each opening takes a new term, shows it, and leaves its name unsynced."""
    inner = builtin_over(NoDirectorySyncOnceMade)

    def open_in_a_new_term(site: Site) -> Storage:
        store = inner.open(site)
        store.save_state(PersistentState(store.load_state().current_term + 1, ""))
        return store

    backend = evolve(BUILTIN, name="new-term", summary="restless", factory=open_in_a_new_term)
    recording = record(evolve(FEW_STEPS, steps=FEW_STEPS.steps[:1]), backend)
    found = explore(recording, BTRFS, limits=Limits(depth=1)).findings
    kinds = {f.problem.kind for f in found if f.problem.invariant == "O15" and f.crash.then}
    assert "after an opening: O1 term never saved" in kinds


def test_every_finding_can_be_judged_again_from_its_name_alone(
    unsynced_names: tuple[Recording, Exploration],
) -> None:
    recording, found = unsynced_names
    assert any(finding.crash.then for finding in found.findings)
    assert any(finding.crash.killed_at is not None for finding in found.findings)
    for finding in found.findings:
        kinds = {
            (problem.invariant, problem.kind)
            for problem in judge_crash(recording, BTRFS, finding.crash)
        }
        assert (finding.problem.invariant, finding.problem.kind) in kinds


def test_a_chain_of_crashes_is_told_step_by_step() -> None:
    backend = builtin_over(ForgetfulRecovery)
    recording = record(evolve(FEW_STEPS, steps=FEW_STEPS.steps[:3]), backend)
    found = explore(recording, SEQUENTIAL, limits=Limits(depth=1)).findings
    chained = next(finding for finding in found if finding.crash.then)
    story = explain(recording, SEQUENTIAL, chained)
    assert story.steps[-1].startswith("power cut at op ")
    assert "sequential" in story.profiles
    killed = next(finding for finding in found if finding.crash.killed_at is not None)
    told = explain(recording, SEQUENTIAL, killed).steps
    assert any(step.startswith("the process is killed") for step in told)


@pytest.mark.minutes
def test_equal_sweeps_are_equal_at_depth() -> None:
    recording = record(FEW_STEPS, BUILTIN)
    first = explore(recording, BTRFS, limits=FIXPOINT)
    assert explore(recording, BTRFS, limits=FIXPOINT) == first


def test_recoveries_may_be_crashed_on_a_few_images_alone() -> None:
    recording = record(FEW_STEPS, BUILTIN)
    all_of_them = explore(recording, BTRFS, limits=Limits(depth=1))
    few = explore(recording, BTRFS, limits=Limits(depth=1, max_crashed=10))
    assert (all_of_them.uncrashed, all_of_them.complete) == (0, True)
    assert (few.crashed, few.complete) == (10, False)
    assert few.crashed < few.crashed + few.uncrashed < all_of_them.crashed
    without = {point.position: point.images for point in explore(recording, BTRFS).points}
    nested = {each.position for each in few.points if each.images > without[each.position]}
    assert len({recording.interval_at(position).step for position in nested}) > 2


def test_a_budget_holds_at_depth_too() -> None:
    recording = record(FEW_STEPS, BUILTIN)
    cut = explore(recording, BTRFS, limits=Limits(depth=None, max_images=40))
    assert cut.judged == 40
    assert cut.unjudged > 0
    assert not cut.complete


@pytest.mark.minutes
def test_rules_that_would_forbid_an_image_are_found_by_trying() -> None:
    recording = record(FEW_STEPS, builtin_over(NoDirectorySyncOnceMade))
    finding = next(
        finding
        for finding in explore(recording, POSIX).findings
        if finding.problem.kind == "term went back"
    )
    rules = explain(recording, POSIX, finding).rules
    assert "fsync_file_covers = all" in rules
    assert "appends_atomic" not in rules


def reached(root: object, known: dict[int, object]) -> dict[int, object]:
    """Return all values that can be reached from `root` and not from what is known, by identity."""
    found: dict[int, object] = {}
    todo = [root]
    while todo:
        each = todo.pop()
        if id(each) in known or id(each) in found:
            continue
        if not isinstance(each, (type, ModuleType, FunctionType)):
            found[id(each)] = each
            todo += gc.get_referents(each)
    return found


@pytest.mark.minutes
def test_an_image_is_remembered_in_two_kibibytes() -> None:
    """Its outcome, edges and what stores do on it, block contents included."""
    recording = record(SCENARIOS["election-storm"].workload(0), BUILTIN)
    pending = PendingOps(recording.image, POSIX)
    graph = RecoveryGraph(recording.subject(), POSIX, Limits(depth=None), lambda _: None)
    images: list[DiskImage] = []
    for each in islice(recording.log, 60):
        pending.take(each)
        if pending.whole:
            found = newest_images(pending, limit=512).images
            images += [pending.image(kept) for kept in found]
    for image in images:
        graph.meet(image.digest(), image)
    known = reached([recording, images], {})
    retained_bytes = sum(map(sys.getsizeof, reached(graph, known).values()))
    assert len(graph) > 1000
    assert retained_bytes <= 2048 * len(graph)


def images_within(recording: Recording, profile: Profile, depth: int) -> set[bytes]:
    """Return the names of all images that a crash and `depth` more crashes may leave, by trying.

    Nothing is remembered but what has been met at each depth.
    """
    subject, limits = recording.subject(), Limits()
    met: dict[bytes, DiskImage] = {}
    pending = PendingOps(recording.image, profile)
    for each in (None, *recording.log):
        if each is not None:
            pending.take(each)
        if not pending.whole:
            continue
        for kept in all_images(pending, limit=512).images:
            image = pending.image(kept)
            met[image.digest()] = image
        if each is None or isinstance(each, (Sync, Mark)):
            continue
        run = subject.recover(pending.full, first=len(recording.log))
        for inner in images_during(pending.fork(), run.log, limits)[0]:
            met[inner.name] = inner.image
    for _ in range(depth):
        for image in tuple(met.values()):
            log = subject.recover(image).log
            for inner in images_during(PendingOps(image, profile), log, limits)[0]:
                met[inner.name] = inner.image
    return set(met)


@pytest.mark.parametrize("profile", [SEQUENTIAL, XFS, EXT4], ids=lambda profile: profile.name)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.slow
def test_every_image_within_so_many_crashes_is_judged(profile: Profile, depth: int) -> None:
    """Some are met at the depth limit first, and by a shorter way later."""
    workload = evolve(FEW_STEPS, steps=FEW_STEPS.steps[:1])
    recording = record(workload, builtin_over(ForgetfulRecovery))
    found = explore(recording, profile, limits=Limits(depth=depth))
    assert found.complete
    assert found.judged == len(images_within(recording, profile, depth))
