"""`crash_test` finds what is missing in code that writes files, says the cure, and no more."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wavetank.scenarios import CrashFinding, CrashReport, WorkloadError, crash_test
from wavetank.sim import SAFE_PROFILES, Tearing
from wavetank.sim.python_files import SimulatedDirectory, UnroutedCallError

Acknowledge = Callable[[object], None]
SAFE = [profile.name for profile in SAFE_PROFILES]


def swept(
    workload: Callable[[str, Acknowledge], object],
    check: Callable[[str, list[object]], str | None],
    *profiles: str,
) -> CrashReport:
    names = profiles or ("process-kill", "lazyfs", "ext4", "posix")
    return crash_test(workload, check, profiles=names, raise_on_finding=False)


def outcomes(report: CrashReport) -> dict[str, str]:
    return {name: verdict.outcome for name, verdict in report.verdicts.items()}


def write_and_rename(directory: str, ack: Acknowledge) -> None:
    for number in range(2):
        new = Path(directory, "config.tmp")
        new.write_text(json.dumps({"number": number}))
        new.replace(Path(directory, "config.json"))
        ack(number)


def write_safely(directory: str, ack: Acknowledge) -> None:
    for number in range(2):
        descriptor, name = tempfile.mkstemp(dir=directory)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"number": number}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, f"{directory}/config.json")
        opened = os.open(directory, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)
        ack(number)


def newest_config(directory: str, acked: list[object]) -> str | None:
    path = Path(directory, "config.json")
    if not path.exists():
        return "the configuration is gone" if acked else None
    number = json.loads(path.read_text())["number"]
    return f"an old configuration: {number}" if acked and number < acked[-1] else None


def lines_of_log(directory: str, acked: list[object]) -> str | None:
    path = Path(directory, "log")
    lines = path.read_text().split("\n") if path.exists() else []
    missing = [each for each in acked if each not in lines]
    return f"missing: {missing}" if missing else None


def test_a_rename_without_fsync_leaves_an_empty_file() -> None:
    report = swept(write_and_rename, newest_config)
    assert outcomes(report) == {
        "process-kill": "pass",
        "lazyfs": "fail",
        "ext4": "fail",
        "posix": "fail",
    }
    (finding,) = report.verdicts["lazyfs"].findings
    assert finding.kind == "damaged"
    assert finding.sentence.startswith("JSONDecodeError")
    assert (finding.operation, finding.path) == ("os.replace", "/simulated/config.json")
    assert finding.files == (("/simulated/config.json", 0),)
    assert finding.cure.startswith("fsync of /simulated/config.tmp after the write at ")
    assert finding.cure.endswith("before the os.replace that follows")


def test_a_rename_without_a_sync_of_the_directory_is_forgotten() -> None:
    report = swept(write_and_rename, newest_config, "xfs")
    lost = next(each for each in report.findings if each.kind == "lost")
    assert lost.sentence == "the configuration is gone"
    assert lost.acked == (0,)
    assert lost.cure.startswith("fsync of the directory /simulated after the os.replace")
    assert "0 was acknowledged" in lost.why
    assert "sequential" in lost.profiles
    assert "process-kill" not in lost.profiles


@pytest.mark.slow
def test_the_cure_really_cures() -> None:
    """What the findings ask for, all of it, is what `write_safely` does."""
    assert set(outcomes(swept(write_safely, newest_config, *SAFE)).values()) == {"pass"}


@pytest.mark.slow
def test_what_no_buffer_has_flushed_is_lost_to_a_kill() -> None:
    def workload(directory: str, ack: Acknowledge) -> None:
        with open(f"{directory}/log", "w") as file:
            file.write("one\n")
            ack("one")

    (finding,) = swept(workload, lines_of_log, "process-kill").findings
    assert (finding.kind, finding.lost) == ("lost", ())
    assert finding.cure == "flush /simulated/log before acknowledging what stands in it"


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_rewrite_needs_no_power_cut() -> None:
    def workload(directory: str, ack: Acknowledge) -> None:
        for text in ("one", "one\ntwo"):
            with open(f"{directory}/log", "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file)
            descriptor = os.open(directory, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            ack(text.split("\n")[-1])

    (finding,) = swept(workload, lines_of_log, "process-kill").findings
    assert (finding.kind, finding.operation, finding.path) == ("lost", "open", "/simulated/log")
    assert finding.cure.startswith("no sync: /simulated/log is written in place")


@pytest.mark.slow
def test_a_sector_of_garbage_is_reported_only_if_it_is_asked_for() -> None:
    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        for state in (b"0", b"1"):
            descriptor = os.open(directory / "state", os.O_CREAT | os.O_WRONLY | os.O_SYNC)
            os.write(descriptor, state)
            os.close(descriptor)

    def check(directory: SimulatedDirectory, _: list[object]) -> str | None:
        path = directory / "state"
        state = path.read_bytes() if path.exists() else b""
        return None if state in (b"", b"0", b"1") else f"damaged: {state!r}"

    plain = crash_test(workload, check, profiles=["ext4-ordered"])
    assert plain.outcome == "pass"
    with pytest.raises(CrashFinding, match="DAMAGED: damaged"):
        crash_test(workload, check, profiles=["ext4-ordered"], tearing=Tearing())


@pytest.mark.slow
def test_findings_are_raised_with_their_story() -> None:
    with pytest.raises(CrashFinding, match="LOST: the configuration is gone") as caught:
        crash_test(write_and_rename, newest_config)
    assert caught.value.report.outcome == "fail"
    assert len(str(caught.value).splitlines()) < 40


def test_nobody_who_does_not_ask_loads_the_machinery() -> None:
    script = "import sys, wavetank.scenarios; print('wavetank.sim.python_files' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


@pytest.mark.slow
def test_two_runs_are_equal() -> None:
    first, second = (swept(write_and_rename, newest_config, "lazyfs", "xfs") for _ in range(2))
    assert first == second
    assert set(outcomes(first).values()) == {"fail"}


@pytest.mark.slow
def test_two_processes_tell_the_same_story() -> None:
    """Nothing hangs on the hash seed, the clock or an address."""
    script = (
        "from python_packages import CASES\n"
        "from wavetank.scenarios import crash_test\n"
        "case = CASES['write_text, replace']\n"
        "report = crash_test(case.workload, case.check, raise_on_finding=False)\n"
        "print(report.checks, report.story())\n"
    )
    support = str(Path(__file__).parents[2] / "support")
    stories = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": os.pathsep.join([support, *sys.path]),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert stories[0] == stories[1]
    assert "LOST" in stories[0]


@pytest.mark.slow
def test_an_image_is_checked_once_for_all_profiles() -> None:
    xfs = swept(write_safely, newest_config, "xfs")
    twice = swept(write_safely, newest_config, "xfs", "data-journal", "sequential")
    assert xfs.checks == twice.checks


@pytest.mark.slow
def test_images_beyond_the_budget_are_counted_and_leave_the_answer_open() -> None:
    whole = swept(write_safely, newest_config, "posix").verdicts["posix"]
    report = crash_test(write_safely, newest_config, profiles=["posix"], max_images=10)
    verdict = report.verdicts["posix"]
    assert (verdict.outcome, verdict.images) == ("inconclusive", 10)
    assert verdict.unjudged == whole.images - 10


@pytest.mark.slow
def test_a_budget_that_is_too_small_for_all_images_lasts_to_the_last_crash_point() -> None:
    """The log that nobody syncs or reads gives each crash point more images than the budget has."""

    def workload(directory: str, ack: Acknowledge) -> None:
        with Path(directory, "log").open("ab", buffering=0) as log:
            for number in range(10):
                log.write(b"x" * 5000)
                Path(directory, f"{number}").touch()
        Path(directory, "new").write_text("important")
        Path(directory, "new").replace(Path(directory, "important"))
        ack("important")

    def check(directory: str, acked: list[object]) -> str | None:
        names = os.listdir(directory)
        return "lost" if acked and "important" not in names else None

    report = crash_test(
        workload, check, profiles=["posix"], max_images=60, isolation="none", raise_on_finding=False
    )
    verdict = report.verdicts["posix"]
    assert (verdict.outcome, verdict.images, verdict.crash_points) == ("fail", 60, 60)


# Each of its 1,313 images is another one to the check, which runs in a process each time.
@pytest.mark.minutes
def test_after_a_finding_too_many_sets_are_chosen_from() -> None:
    """Following the check's reads would judge 1,364 images here, with two runs for most of them."""

    def workload(directory: str, ack: Acknowledge) -> None:
        for number in range(6):
            Path(directory, str(number)).write_text("x")
            ack(number)

    def check(directory: str, acked: list[object]) -> str | None:
        names = os.listdir(directory)
        return next((f"{each} is gone" for each in acked if str(each) not in names), None)

    report = crash_test(
        workload, check, profiles=["posix"], exhaustive=True, raise_on_finding=False
    )
    verdict = report.verdicts["posix"]
    assert (verdict.outcome, verdict.images, verdict.complete) == ("fail", 808, False)
    early = swept(workload, check, "posix").verdicts["posix"]
    assert (early.outcome, early.images, early.stopped) == ("fail", 505, True)


@pytest.mark.slow
def test_a_workload_that_raises_is_no_finding() -> None:
    def workload(directory: str, _: Acknowledge) -> None:
        Path(directory, "missing").read_text()

    with pytest.raises(WorkloadError, match="FileNotFoundError"):
        swept(workload, newest_config)


@pytest.mark.slow
def test_a_database_in_c_is_refused() -> None:
    def workload(directory: str, _: Acknowledge) -> None:
        sqlite3 = pytest.importorskip("sqlite3")
        sqlite3.connect(f"{directory}/db")

    with pytest.raises(UnroutedCallError, match="VFS"):
        swept(workload, newest_config)


@pytest.mark.slow
def test_a_check_must_answer_with_a_sentence() -> None:
    with pytest.raises(TypeError, match="expected None or a sentence but it returned True"):
        swept(write_safely, lambda *_: True, "process-kill")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [[], "posix", ["ext5"]])
def test_profiles_are_a_sequence_of_names(given: list[str]) -> None:
    with pytest.raises(ValueError, match="profiles: expected"):
        crash_test(write_safely, newest_config, profiles=given)


def test_the_budget_is_a_number_of_images() -> None:
    with pytest.raises(ValueError, match="max_images: expected None or images >= 1 but got 0"):
        crash_test(write_safely, newest_config, max_images=0)
