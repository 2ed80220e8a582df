"""Scenarios whose filesystem fails: the engine stands it, and what does not is found out."""

from collections.abc import Callable
from typing import Final

import pytest
from attrs import evolve
from sick_filesystems import builtin_over

from wavetank.engine import Buffer, File, FileSystem, OpenFlag
from wavetank.faults import VOCABULARY, CrashEnd, FaultSyntaxError
from wavetank.scenarios import (
    LiveProblem,
    Recording,
    ReplayVerdict,
    RunPlan,
    ScenarioResult,
    StoreAdapter,
    Verdict,
    explore,
    find_store,
    log_digest,
    record,
    replay,
    run,
    workload_of,
)
from wavetank.sim import POSIX, PendingOps, Sync, all_images

FAILING_SYNC: Final = "fsync log.dat #3: fail EIO ext4"
PUBLISHED: Final = "raftlock-published"


def recorded(
    *lines: str, scenario: str = "mixed", backend: StoreAdapter | None = None
) -> Recording:
    return record(workload_of(scenario, 0, (), lines), backend or find_store("builtin"))


def kinds(problems: tuple[LiveProblem, ...]) -> list[tuple[int, str]]:
    return [(each.step, each.problem.kind) for each in problems]


# Every operation in turn fails in test_operation_sweep.py.
@pytest.mark.parametrize(
    "matcher",
    [
        *("open #20", "read #30", "write #40", "fsync #9", "datasync #9", "fsync_dir #9"),
        *("rename #9", "unlink #2", "mkdir", "list #9", "stat #9", "lock #9", "close #9"),
        *("size log.dat #9", "truncate", "advise #2"),
    ],
)
def test_the_engine_gets_well_after_an_operation_that_fails(matcher: str) -> None:
    line = f"{matcher}: fail EIO"
    recording = recorded(line, scenario="restart-loop")
    assert recording.problems == ()
    assert recording.steps_run == len(recording.workload.steps)
    assert recording.faults_fired == {line: 1}


@pytest.mark.parametrize(
    "line",
    [
        "rename #9: fail EROFS after effect",
        "write #40: fail ENOSPC from now on",
        "any #99: fail EIO after effect",
        "fsync: fail EIO btrfs from now on",
        "fsync #7: fail EIO ext4 3 times",
        "any: fail ENOSPC from 3000 bytes written",
        "write: short 5 bytes from now on",
        "read: short 5 bytes from now on",
        "write log.dat #9: fail EIO after 20 bytes",
    ],
)
def test_the_engine_gets_well_after_faults_of_every_form(line: str) -> None:
    recording = recorded(line)
    assert recording.problems == ()
    assert recording.steps_run == len(recording.workload.steps)
    assert recording.faults_fired[line] > 0


@pytest.mark.minutes
@pytest.mark.idle_faults("mkdir #9: fail EIO")
def test_a_run_under_a_failing_sync_is_swept_and_counted() -> None:
    lines = (FAILING_SYNC, "mkdir #9: fail EIO")
    plan = RunPlan(
        scenarios=("election-storm",),
        seeds=(0,),
        profiles=("posix",),
        backend="builtin",
        faults=lines,
    )
    outcome = run(plan)
    (result,) = outcome.results
    assert outcome.verdict is Verdict.PASS
    assert result.complete
    recording = recorded(*lines, scenario="election-storm")
    assert recording.faults_fired == {FAILING_SYNC: 1, "mkdir #9: fail EIO": 0}
    # Recoveries from crashes before the third sync count on, and meet it too.
    sweep = explore(recording, POSIX)
    assert sweep.faults_fired[FAILING_SYNC] > 0
    assert result.faults_fired == (
        (FAILING_SYNC, 1 + sweep.faults_fired[FAILING_SYNC]),
        ("mkdir #9: fail EIO", 0),
    )
    assert sum(record.failed for record in recording.log if isinstance(record, Sync)) == 1


@pytest.mark.idle_faults("mkdir #99: fail EIO")
def test_without_faults_that_fire_a_run_is_the_same_to_the_last_op() -> None:
    assert log_digest(recorded("mkdir #99: fail EIO")) == log_digest(recorded())


class DeafFile:
    """A file whose failed syncs nobody hears of."""

    def __init__(self, inner: File) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def datasync(self) -> None:
        try:
            self._inner.datasync()
        except OSError:
            return


class ShoutingFile:
    """A file whose failed writes leave as an error that is none of a store's."""

    def __init__(self, inner: File) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def append(self, data: Buffer) -> int:
        try:
            return self._inner.append(data)
        except OSError as error:
            raise KeyError("lost for words") from error

    def pwrite(self, data: Buffer, offset: int) -> int:
        try:
            return self._inner.pwrite(data, offset)
        except OSError as error:
            raise KeyError("lost for words") from error


class Wrapped:
    """A filesystem whose files are wrapped."""

    def __init__(self, inner: FileSystem, wrap: Callable[[File], object]) -> None:
        self._inner = inner
        self._wrap = wrap

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def open(self, path: str, flags: OpenFlag) -> object:
        return self._wrap(self._inner.open(path, flags))


class Grudging:
    """A filesystem that syncs no directory any more once one sync of a directory has failed."""

    failed = False

    def __init__(self, inner: FileSystem) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def fsync_dir(self, path: str) -> None:
        try:
            self._inner.fsync_dir(path)
        except OSError:
            Grudging.failed = True
            raise
        if Grudging.failed:
            raise OSError(5, "never again", path)


def test_a_store_that_does_not_hear_of_a_failed_sync_is_found_out() -> None:
    deaf = builtin_over(lambda fs: Wrapped(fs, DeafFile))
    assert explore(recorded(scenario="election-storm", backend=deaf), POSIX).findings == ()
    recording = recorded(FAILING_SYNC, scenario="election-storm", backend=deaf)
    assert recording.faults_fired == {FAILING_SYNC: 1}
    found = {finding.problem.kind for finding in explore(recording, POSIX).findings}
    assert "acknowledged entry lost" in found


def test_a_store_that_does_not_get_well_once_nothing_fails_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Grudging, "failed", False)
    recording = recorded("fsync_dir #4: fail EIO", backend=builtin_over(Grudging))
    ((step, kind),) = kinds(recording.problems)
    assert kind.endswith(" refused after a fault: StorageIOError")
    assert recording.steps_run == step


def test_an_error_that_is_not_typed_is_a_violation() -> None:
    shouting = builtin_over(lambda fs: Wrapped(fs, ShoutingFile))
    recording = recorded("write log.dat #4: fail EIO", backend=shouting)
    assert [kind for _, kind in kinds(recording.problems)][:1] == [
        "Append refused after a fault: KeyError"
    ]


@pytest.mark.idle_faults("stat #999: fail EIO")
def test_a_typed_error_before_any_fault_has_fired_is_a_problem() -> None:
    class Failing:
        def __init__(self, inner: FileSystem) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def rename(self, source: str, target: str) -> None:
            raise OSError(5, "broken", f"{source} {target}")

    recording = recorded("stat #999: fail EIO", backend=builtin_over(Failing))
    assert kinds(recording.problems) == [(0, "OpenStore refused without a crash: StorageIOError")]


def test_an_error_in_background_work_is_a_violation_and_not_the_end_of_the_run() -> None:
    class ClosedBadly(DeafFile):
        def close(self) -> None:
            try:
                self._inner.close()
            except OSError as error:
                raise KeyError("lost for words") from error

    sick = builtin_over(lambda fs: Wrapped(fs, ClosedBadly))
    recording = recorded("close log.dat: fail EIO from now on", backend=sick)
    assert kinds(recording.problems)[-1][1] == "Append refused after a fault: KeyError"


def test_a_plan_with_a_line_that_is_no_fault_is_refused_before_anything_runs() -> None:
    plan = RunPlan(
        scenarios=("mixed",), seeds=(0,), profiles=("posix",), backend="builtin", faults=("x",)
    )
    with pytest.raises(FaultSyntaxError):
        run(plan)


@pytest.mark.slow
def test_a_finding_is_replayed_with_its_faults() -> None:
    line = "fsync log.dat #2: fail EIO ext4"
    plan = RunPlan(
        scenarios=("election-storm",),
        seeds=(0,),
        profiles=("sequential",),
        backend="raftlock-published",
        max_images=40,
        faults=(line,),
    )
    cases = [case for result in run(plan).results for case in result.cases]
    assert cases
    for case in cases:
        assert tuple(map(str, case.workload.faults.faults)) == (line,)
        answer = replay(case)
        assert answer.verdict is ReplayVerdict.FAILED
        told = "the op log is the same" if case.crash else "the run without a crash ran again"
        assert told in answer.explanation


PAYLOAD_BIT: Final = "read log.dat: flip bit 0 at 60"


def swept(line: str, backend: str, scenario: str = "election-storm") -> ScenarioResult:
    plan = RunPlan(
        scenarios=(scenario,),
        seeds=(0,),
        profiles=("sequential",),
        backend=backend,
        max_images=300,
        faults=(line,),
    )
    (result,) = run(plan).results
    return result


@pytest.mark.minutes
@pytest.mark.parametrize(
    "line",
    [
        PAYLOAD_BIT,
        pytest.param("read log.dat: flip bit 0 at 3", marks=pytest.mark.minutes),
        pytest.param("read log.dat: flip bit 6 at 500", marks=pytest.mark.minutes),
        "read state.json: flip bit 2 at 40",
        pytest.param("read state*: flip bit 2 at 40", marks=pytest.mark.minutes),
        "read metadata.json: flip bit 2 at 40",
        "read snapshot*: flip bit 0 at 10",
        pytest.param("read: flip bit 0 at 100", marks=pytest.mark.minutes),
    ],
)
def test_the_engine_stands_every_flipped_bit(line: str) -> None:
    result = swept(line, "builtin", "mixed")
    assert result.violations == ()
    assert result.relaxed == ("media_sound",)
    assert dict(result.faults_fired)[line] > 0


@pytest.mark.slow
def test_a_store_that_takes_a_flipped_byte_for_what_was_written_is_found_out() -> None:
    found = {(each.invariant, each.kind): each for each in swept(PAYLOAD_BIT, PUBLISHED).violations}
    wrong = found["O2", "wrong bytes accepted: acknowledged entry altered"]
    assert "index 1 (the disk shows damaged bytes" in wrong.summary
    # What is wrong without the damage keeps its name.
    assert ("O1", "term went back") in found
    assert not [kind for _, kind in found if kind.endswith(": term went back")]


@pytest.mark.parametrize(
    "line",
    [
        "write log.dat #9: lost",
        pytest.param("write log.dat #9: torn first 0 sectors", marks=pytest.mark.minutes),
        "write log.dat #9: misdirected to 100",
        pytest.param("write state*: lost from now on", marks=pytest.mark.minutes),
        pytest.param("read log.dat: unreadable 300..400", marks=pytest.mark.minutes),
        pytest.param("read log.dat #5: zeroed 0..4096", marks=pytest.mark.minutes),
        "read state.json: stale 0..4096",
        "open snapshot.dat: missing",
        pytest.param("open log.dat #4: shortened to 300 bytes", marks=pytest.mark.minutes),
        pytest.param("open *: lengthened by 49 bytes from now on", marks=pytest.mark.minutes),
        # The loss was told by an opening whose first look was then refused.
        "read log.dat #13: misdirected to 10 2 times",
    ],
)
def test_the_engine_stands_every_damage(line: str) -> None:
    result = swept(line, "builtin", "mixed")
    assert result.violations == ()
    assert result.relaxed == ("media_sound",)
    assert dict(result.faults_fired)[line] > 0


def test_a_store_may_refuse_for_damage_that_work_in_the_background_met() -> None:
    line = "write log* #13: torn last 1 sectors"
    assert recorded(line, scenario="snapshot-compaction").problems == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "fsync log.dat #9: lie",
        "fsync: lie from now on",
        "fsync_dir: lie from now on",
        "fsync: fail EIO ext4-data-journal 3 times",
    ],
)
def test_the_engine_shows_what_once_was_after_a_sync_that_lied(line: str) -> None:
    result = swept(line, "builtin", "mixed")
    assert result.violations == ()
    assert result.relaxed == ("syncs_honest",)
    assert dict(result.faults_fired)[line] > 0


@pytest.mark.minutes
def test_where_syncs_lie_from_now_on_fewer_images_are_chosen_and_none_reports_the_engine() -> None:
    plan = RunPlan(
        scenarios=("restart-loop",),
        seeds=(0,),
        profiles=("posix",),
        backend="builtin",
        max_images=200,
        faults=("fsync log.dat #3: lie from now on",),
    )
    (result,) = run(plan).results
    assert result.violations == ()
    assert result.judged == 200
    assert not result.complete


@pytest.mark.parametrize("moment", ["before", "inside", "after"])
def test_a_crash_of_the_plan_is_the_only_one_and_judged_with_all_its_images(moment: str) -> None:
    line = f"rename state.json #2: crash {moment}"
    recording = recorded(line)
    assert recording.ended_by is CrashEnd.POWER_CUT
    assert recording.steps_run < len(recording.workload.steps)
    sweep = explore(recording, POSIX)
    assert (sweep.crash_points, sweep.findings, sweep.complete) == (1, (), True)
    pending = PendingOps(recording.image, POSIX)
    pending.take_all(recording.log)
    assert sweep.judged == len(
        {pending.image(kept).digest() for kept in all_images(pending, limit=512).images}
    )


def test_a_kill_of_the_plan_is_survived_and_the_run_goes_on() -> None:
    for line in ("write log.dat #9: kill inside", "any: kill before from now on"):
        recording = recorded(line)
        assert recording.problems == ()
        assert recording.steps_run == len(recording.workload.steps)
        assert recording.ended_by is None
        assert recording.faults_fired[line] > 0


def test_after_a_kill_the_power_goes_while_the_next_process_recovers() -> None:
    recording = recorded("write log.dat #9: kill inside then power cut")
    assert recording.ended_by is CrashEnd.KILL_THEN_POWER_CUT
    sweep = explore(recording, POSIX)
    assert (sweep.crash_points, sweep.findings) == (1, ())
    assert sweep.judged > 1


def test_a_crash_of_the_plan_finds_what_a_store_that_is_wrong_loses() -> None:
    recording = recorded("rename state.json #2: crash after", backend=find_store(PUBLISHED))
    found = explore(recording, POSIX).findings
    assert {each.crash.position for each in found} == {len(recording.log)}
    assert ("O1", "term went back") in {
        (each.problem.invariant, each.problem.kind) for each in found
    }


@pytest.mark.slow
def test_a_store_that_cuts_its_log_at_damage_and_calls_that_success_is_found_out() -> None:
    line = "read log.dat: flip bit 0 at 606"
    plan = RunPlan(
        scenarios=("restart-loop",),
        seeds=(0,),
        profiles=("process-kill",),
        backend=PUBLISHED,
        faults=(line,),
    )
    outcome = run(plan)
    cases = {case.kind: case for result in outcome.results for case in result.cases}
    summaries = {each.kind: each.summary for each in outcome.results[0].violations}
    kind = "silent loss: acknowledged entry lost"
    assert "entries 4..5 were cut silently (the disk is damaged" in summaries[kind]
    assert replay(cases[kind]).verdict is ReplayVerdict.FAILED
    assert run(evolve(plan, backend="builtin")).verdict is Verdict.PASS


# The scenario writes less than this line lets it.
ROOM_ENOUGH: Final = "any: fail ENOSPC from 65536 bytes written"


@pytest.mark.parametrize(
    "line", [words.example for words in VOCABULARY if words.example != ROOM_ENOUGH]
)
@pytest.mark.slow
def test_the_engine_is_right_under_each_line_of_the_vocabulary(line: str) -> None:
    plan = RunPlan(
        scenarios=("mixed",),
        seeds=(0,),
        profiles=("posix",),
        backend="builtin",
        max_images=15,
        faults=(line,),
    )
    (result,) = run(plan).results
    assert result.violations == ()
    assert dict(result.faults_fired)[line] > 0


@pytest.mark.parametrize(
    ("scenario", "lines"),
    [
        ("mixed", ("any * #13: fail EIO after effect", "write *.tmp #11: lost")),
        ("mixed", ("read * #9: zeroed 100..4096", "any log.dat #22: crash inside")),
        (
            "mixed",
            ("fsync log.dat #25: fail EIO ext4-data-journal", "read * #22: flip bit 3 at 10"),
        ),
        ("mixed", ("open log.dat #2: shortened to 100 bytes", "read * #2: misdirected to 0")),
        (
            "restart-loop",
            ("read metadata.json #2: flip bit 3 at 0", "write log.dat #3: torn first 1 sectors"),
        ),
        ("restart-loop", ("fsync snapshot*: fail EIO btrfs", "any snapshot* #17: kill before")),
        (
            "install-snapshot",
            ("open log.dat #4: shortened to 100 bytes", "read * #28: unreadable 100..4096"),
        ),
        ("install-snapshot", ("read snapshot* #14: zeroed 0..4096", "write *.tmp #2: lost")),
        (
            "install-snapshot",
            (
                "read snapshot* #2: unreadable 10..4096",
                "rename *.tmp #14: kill after then power cut",
            ),
        ),
        (
            "install-snapshot",
            ("any *.tmp #20: kill before", "write log.dat #14: misdirected to 100"),
        ),
        (
            "install-snapshot",
            ("write *.tmp #23: misdirected to 0", "any snapshot* #26: fail EIO after effect"),
        ),
        (
            "log-conflict",
            ("read log.dat #26: misdirected to 60", "any state*.json #8: crash inside"),
        ),
        (
            "log-conflict",
            ("write log.dat #26: torn first 1 sectors", "fsync log.dat #6: fail EIO btrfs"),
        ),
        (
            "log-conflict",
            ("fsync * #13: fail EIO ext4-data-journal", "rename * #20: kill after then power cut"),
        ),
    ],
)
@pytest.mark.slow
def test_the_engine_is_right_under_two_faults(scenario: str, lines: tuple[str, ...]) -> None:
    plan = RunPlan(
        scenarios=(scenario,),
        seeds=(0,),
        profiles=("posix",),
        backend="builtin",
        max_images=30,
        faults=lines,
    )
    (result,) = run(plan).results
    assert result.violations == ()
