"""`observe=` and no check at all: right is what was shown at a moment without a crash."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wavetank.scenarios import CheckError, CrashReport, crash_test
from wavetank.sim.python_files import SimulatedDirectory

Acknowledge = Callable[[object], None]
Workload = Callable[[SimulatedDirectory, Acknowledge], object]
Observe = Callable[[SimulatedDirectory], object] | None
PROFILES = ["process-kill", "lazyfs", "posix"]


def explored(workload: Workload, observe: Observe = None, **options: Any) -> CrashReport:  # noqa: ANN401 - as crash_test
    return crash_test(
        workload, observe=observe, profiles=PROFILES, raise_on_finding=False, **options
    )


def outcomes(report: CrashReport) -> list[str]:
    return [verdict.outcome for verdict in report.verdicts.values()]


def sync(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def save_safely(directory: SimulatedDirectory, value: object) -> None:
    new = directory / "new"
    with open(new, "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(directory / "config")
    sync(directory)


def save_unsynced(directory: SimulatedDirectory, value: object) -> None:
    (directory / "new").write_text(json.dumps(value))
    (directory / "new").replace(directory / "config")


def save_in_place(directory: SimulatedDirectory, value: object) -> None:
    with open(directory / "config", "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    sync(directory)


def saving(
    save: Callable[[SimulatedDirectory, object], None], *, acks: bool
) -> Callable[..., None]:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        for number in range(3):
            save(directory, {"number": number})
            if acks:
                ack(number)

    return workload


def load(directory: SimulatedDirectory) -> object:
    path = directory / "config"
    return json.loads(path.read_text()) if path.exists() else None


@pytest.mark.parametrize("observe", [load, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("acks", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("save", "expected"),
    [
        (save_safely, ["pass", "pass", "pass"]),
        (save_unsynced, ["pass", "fail", "fail"]),
        (save_in_place, ["fail", "fail", "fail"]),
    ],
)
def test_nobody_has_to_know_what_to_check(
    save: Callable[[SimulatedDirectory, object], None],
    expected: list[str],
    observe: Observe,
    *,
    acks: bool,
) -> None:
    assert outcomes(explored(saving(save, acks=acks), observe)) == expected


@pytest.mark.slow
def test_what_never_was_is_shown_beside_what_was_possible() -> None:
    report = explored(saving(save_in_place, acks=True), load)
    finding = report.findings[0]
    assert finding.kind == "damaged"
    assert finding.sentence == (
        "JSONDecodeError: Expecting value: line 1 column 1 (char 0) came back, expected None or "
        "{'number': 0}"
    )
    assert finding.differs == (
        "-{'number': 0}",
        "+JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
    )
    assert "-{'number': 0}" in finding.story()


@pytest.mark.slow
def test_an_older_state_is_a_loss_once_a_newer_was_acknowledged() -> None:
    report = crash_test(
        saving(save_unsynced, acks=True), observe=load, profiles=["posix"], raise_on_finding=False
    )
    kinds = {(each.kind, each.sentence) for each in report.verdicts["posix"].kinds}
    assert ("lost", "None came back, expected {'number': 0} or {'number': 1}") in kinds


@pytest.mark.slow
def test_without_an_acknowledgement_an_older_state_is_right() -> None:
    def rename_only(directory: SimulatedDirectory, value: object) -> None:
        with open(directory / "new", "w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        (directory / "new").replace(directory / "config")

    assert outcomes(explored(saving(rename_only, acks=False), load)) == ["pass", "pass", "pass"]
    assert outcomes(explored(saving(rename_only, acks=True), load)) == ["pass", "pass", "fail"]


@pytest.mark.slow
def test_an_error_in_the_middle_of_the_work_is_no_state_of_the_program() -> None:
    """The workload itself opens the file, which is empty until it has written."""

    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        for number in range(2):
            with open(directory / "config", "w") as file:
                json.dump({"number": number}, file)

    report = explored(workload, load)
    assert outcomes(report) == ["fail", "fail", "fail"]
    assert report.findings[0].sentence.startswith("JSONDecodeError")


@pytest.mark.slow
def test_two_files_that_belong_together_must_not_be_mixed() -> None:
    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        for value in ("a", "b"):
            save_both(directory, value)

    def save_both(directory: SimulatedDirectory, value: str) -> None:
        save_safely(directory, value)
        (directory / "copy").write_bytes((directory / "config").read_bytes())
        sync(directory / "copy")
        sync(directory)

    def both(directory: SimulatedDirectory) -> list[str]:
        return [path.read_text() for path in sorted(directory.glob("co*"))]

    report = explored(workload, both)
    assert outcomes(report) == ["fail", "fail", "fail"]
    assert report.findings[0].kind == "damaged"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("observe", "told"),
    [
        (lambda _: 1, "expected what changes with the work but it showed 1 at all 7 moments"),
        (lambda d: (d / "none").read_text(), "FileNotFoundError"),
        (lambda _: misspelt, "NameError: name 'misspelt' is not defined"),  # type: ignore[name-defined]  # noqa: F821
        (lambda d: os.listdir(d) and object(), "expected the same each time for the same files"),
        (
            lambda _: threading.Lock(),
            "expected what can be sent to another process but it returned",
        ),
    ],
    ids=["constant", "raises", "misspelt", "incomparable", "unpicklable"],
)
def test_an_observer_that_tells_nothing_is_an_error(observe: Observe, told: str) -> None:
    with pytest.raises(CheckError, match=told):
        explored(saving(save_safely, acks=True), observe)


def test_a_check_and_an_observer_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="expected a check or an observe function but got both"):
        crash_test(saving(save_safely, acks=True), lambda _d, _a: None, observe=load)


@pytest.mark.slow
def test_a_workload_of_one_step_is_told_as_that() -> None:
    """Its second save shows what no moment showed; the story says why that counts as wrong."""

    def main(directory: SimulatedDirectory) -> None:
        for number in range(3):
            save_safely(directory, number)

    report = explored(lambda directory, _: main(directory), load)
    assert report.one_step
    assert "note: the workload made one call that changed the disk" in report.story()
    assert not explored(saving(save_safely, acks=False), load).one_step


@pytest.mark.slow
def test_an_acknowledgement_of_nothing_written_is_told() -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        with open(directory / "config", "w") as file:
            ack("opened")
            file.write("1")
            ack("written")

    with pytest.warns(
        UserWarning, match="when 'written' was acknowledged, nothing had been written"
    ):
        report = explored(workload, load)
    assert report.idle_acks == ("written",)


# What a test begins with, and what a crash left.


@pytest.mark.slow
def test_what_is_there_at_the_beginning_is_durable() -> None:
    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        save_unsynced(directory, {"number": 1})

    initial = {"config": '{"number": 0}', "cache/old": b"x", "empty": None}
    report = explored(workload, load, initial=initial)
    assert outcomes(report) == ["pass", "fail", "fail"]
    assert report.findings[0].others == ()
    assert dict(report.findings[0].files)["/simulated/cache/old"] == 1


@pytest.mark.slow
def test_a_real_directory_can_be_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "config").write_text('{"number": 0}')
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "link").symlink_to("../config")

    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        assert (directory / "below" / "link").read_text() == '{"number": 0}'
        save_safely(directory, {"number": 1})

    assert outcomes(explored(workload, load, initial=tmp_path)) == ["pass", "pass", "pass"]
    assert (tmp_path / "config").read_text() == '{"number": 0}'


@pytest.mark.slow
def test_pyfakefs_can_be_the_beginning_and_the_end() -> None:
    fake_filesystem = pytest.importorskip("pyfakefs.fake_filesystem")
    fs = fake_filesystem.FakeFilesystem()
    fs.create_file("/config", contents='{"number": 0}')
    report = explored(saving(save_in_place, acks=False), load, initial=fs)
    finding = report.findings[0]
    finding.lay_out_into(fs, "/left")
    assert fs.get_object("/left/config").contents == ""


@pytest.mark.slow
def test_what_a_crash_left_is_laid_out_as_a_directory(tmp_path: Path) -> None:
    finding = explored(saving(save_in_place, acks=False), load).findings[0]
    finding.lay_out(tmp_path / "left")
    assert [path.name for path in (tmp_path / "left").iterdir()] == ["config"]
    with pytest.raises(FileExistsError, match="expected an empty directory"):
        finding.lay_out(tmp_path / "left")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("initial", "error", "told"),
    [
        ({"/etc/passwd": b""}, ValueError, "expected a path below the directory"),
        ({"../f": b""}, ValueError, "expected a path below the directory"),
        ({"f": b"", "f/g": b""}, ValueError, "expected 'f' to be a directory in 'f/g'"),
        (7, TypeError, "expected a mapping of paths to contents, a directory, or a pyfakefs"),
        ("/no/such/directory", NotADirectoryError, "expected a directory"),
    ],
)
def test_a_wrong_beginning_is_refused(initial: object, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        explored(saving(save_safely, acks=True), load, initial=initial)


# How long it takes.


def rewrite(directory: SimulatedDirectory, ack: Acknowledge) -> None:
    for value in (b"a", b"b"):
        with open(directory / "x", "r+b" if value == b"b" else "wb") as file:
            file.write(value * 32 * 1024)
            file.flush()
            os.fsync(file.fileno())
        ack(value)


# Hundreds of images that are shown in a process each; right code below ends by the same budget.
@pytest.mark.minutes
def test_a_large_rewrite_is_found_within_a_few_images() -> None:
    report = crash_test(
        rewrite, observe=lambda d: (d / "x").read_bytes(), profiles=["ext4"], raise_on_finding=False
    )
    verdict = report.verdicts["ext4"]
    assert (verdict.outcome, verdict.stopped, verdict.complete) == ("fail", True, False)
    assert verdict.images < 700
    assert "stopped after the first findings" in verdict.line()


@pytest.mark.slow
def test_right_code_with_many_images_ends_too() -> None:
    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        rewrite(directory, lambda _: None)

    def check(directory: SimulatedDirectory, _acked: list[object]) -> str | None:
        path = directory / "x"
        return "too long" if path.exists() and path.stat().st_size > 32 * 1024 else None

    verdict = crash_test(workload, check, profiles=["ext4"]).verdicts["ext4"]
    assert (verdict.outcome, verdict.complete, verdict.images) == ("pass", False, 3000)


@pytest.mark.slow
def test_the_time_can_be_limited() -> None:
    with pytest.raises(ValueError, match="max_seconds: expected seconds > 0 but got 0"):
        explored(rewrite, max_seconds=0)
    report = explored(rewrite, lambda d: len(os.listdir(d)), max_seconds=1e-9)
    assert outcomes(report) == ["inconclusive"] * 3
