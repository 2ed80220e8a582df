"""A mistake in the test's own workload or check is told as such, before anything is explored."""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from wavetank.scenarios import (
    CheckError,
    CrashReport,
    CrashTestWarning,
    EmptyWorkloadError,
    WorkloadError,
    crash_test,
)

Acknowledge = Callable[[object], None]
Workload = Callable[[Any, Acknowledge], object]
Check = Callable[[Any, list[object]], Any]


def write(directory: str, ack: Acknowledge) -> None:
    """Write a file that a power cut may leave empty, and a kill never."""
    new = Path(directory, "new")
    new.write_text("1")
    new.replace(Path(directory, "number"))
    ack(1)


def read(directory: str) -> str:
    return Path(directory, "number").read_text()


def explored(check: Check, check_limit_s: float = 60) -> CrashReport:
    return crash_test(
        write,
        check,
        profiles=["lazyfs"],
        raise_on_finding=False,
        check_limit_s=check_limit_s,
    )


def refused(check: Check) -> str:
    with pytest.raises(CheckError) as caught:
        explored(check)
    return str(caught.value)


# A check that is wrong without any crash.


def names_nothing(_directory: str, _acked: list[object]) -> str | None:
    return misspelt  # type: ignore[name-defined,no-any-return]  # noqa: F821 - the mistake


def imports_nothing(_directory: str, _acked: list[object]) -> str | None:
    import no_such_module  # type: ignore[import-not-found]  # noqa: PLC0415 - the mistake

    return str(no_such_module)


def asserts_wrongly(directory: str, acked: list[object]) -> None:
    assert not acked or read(directory) == "2"


def fails_by_pytest(_directory: str, _acked: list[object]) -> None:
    pytest.fail("the fixture is broken")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "told"),
    [
        (names_nothing, "NameError: name 'misspelt' is not defined"),
        (imports_nothing, "ModuleNotFoundError: No module named 'no_such_module'"),
        (asserts_wrongly, "AssertionError"),
        (fails_by_pytest, "Failed: the fixture is broken"),
    ],
)
def test_an_error_without_a_crash_is_told_with_its_traceback(check: Check, told: str) -> None:
    message = refused(check)
    assert told in message
    assert "what the workload left, without any crash" in message
    assert f"in {check.__name__}" in message
    assert "judging.py" not in message, "our own lines are of no use to the user"


@pytest.mark.slow
def test_a_check_with_wrong_parameters_is_told_how_it_is_called() -> None:
    message = refused(lambda _directory: None)  # type: ignore[arg-type,misc] # the mistake
    assert "takes 1 positional argument but 2 were given" in message
    assert message.endswith("it is called as check(directory, acked)")


@pytest.mark.slow
def test_a_sentence_without_a_crash_is_no_finding() -> None:
    assert "it returned 'never right'" in refused(lambda _, acked: "never right" if acked else None)


@pytest.mark.parametrize(
    "check",
    [
        lambda directory, _acked: None if os.listdir(directory) else "nothing is there",
        lambda directory, _acked: None if read(directory) else "nothing is there",
    ],
    ids=["sentence", "error"],
)
def test_a_check_must_be_content_with_an_empty_directory(check: Check) -> None:
    message = refused(check)
    assert "an empty directory, as a crash before the first write leaves it" in message


@pytest.mark.slow
def test_nothing_is_explored_with_a_wrong_check() -> None:
    runs = []

    def check(_directory: str, acked: list[object]) -> None:
        runs.append(acked)
        assert 1 / 0

    with pytest.raises(CheckError, match="ZeroDivisionError: division by zero"):
        crash_test(write, check, isolation="none")
    assert runs == [[1]]


@pytest.mark.slow
def test_a_wrong_name_is_a_mistake_wherever_it_stands() -> None:
    def check(directory: str, acked: list[object]) -> None:
        if acked and not read(directory):
            raise Missing  # type: ignore[name-defined]  # noqa: F821 - the mistake

    message = refused(check)
    assert "NameError: name 'Missing' is not defined" in message


# What raises on a crashed image alone is a finding.


def decodes(directory: str, acked: list[object]) -> None:
    if acked:
        json.loads(read(directory))


def asserts(directory: str, acked: list[object]) -> None:
    assert not acked or read(directory) == "1"


def fails(directory: str, acked: list[object]) -> None:
    if acked and not read(directory):
        pytest.fail("it is empty")


def recovers_with_a_bug(directory: str, acked: list[object]) -> None:
    if acked:
        recover(read(directory))


def recover(text: str) -> None:
    if not text:
        misspelt()  # type: ignore[name-defined]  # noqa: F821 - a bug of the code under test


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (decodes, "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        (asserts, "AssertionError: assert (not [1] or '' == '1'"),
        (fails, "Failed: it is empty"),
        (recovers_with_a_bug, "NameError: name 'misspelt' is not defined"),
    ],
)
def test_an_error_after_a_crash_is_a_finding(check: Check, sentence: str) -> None:
    (finding,) = explored(check).findings
    assert (finding.kind, finding.sentence[: len(sentence)]) == ("lost", sentence)
    where = "recover" if check is recovers_with_a_bug else check.__name__
    assert finding.raised_at.startswith("test_own_mistakes.py:")
    assert finding.raised_at.endswith(f"in {where}")
    assert f"raised   at {finding.raised_at}" in finding.story()


# Checks that refuse nothing, and checks that take too long.


def accepts_a_missing_file(directory: str, _acked: list[object]) -> str | None:
    path = Path(directory, "number")
    return "damaged" if path.exists() and path.read_text() not in {"", "1"} else None


@pytest.mark.slow
@pytest.mark.parametrize("check", [lambda _directory, _acked: None, accepts_a_missing_file])
def test_a_check_that_does_not_miss_what_was_acknowledged_is_refused(check: Check) -> None:
    message = refused(check)
    assert "with all 1 tokens acknowledged, but it accepted that" in message
    assert "acknowledge nothing if nothing that was written must survive" in message


def write_unacknowledged(directory: str, _ack: Acknowledge) -> None:
    write(directory, lambda _: None)


def wants_the_file(directory: str, acked: list[object]) -> str | None:
    return "gone" if acked and not os.listdir(directory) else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "check"), [(write_unacknowledged, accepts_a_missing_file), (write, wants_the_file)]
)
def test_a_check_that_refuses_anything_is_left_alone(workload: Workload, check: Check) -> None:
    report = crash_test(workload, check, profiles=["process-kill"])
    assert (report.outcome, report.check_refuses) == ("pass", True)
    assert report.notes() == ()


@pytest.mark.slow
def test_without_an_acknowledgement_a_content_check_is_told_in_the_report_only() -> None:
    report = crash_test(lambda d, _: Path(d, "f").touch(), lambda _d, _acked: None)
    assert not report.check_refuses
    (note,) = report.notes()
    assert note.endswith("it accepted each file cut in half, and each with its bits flipped")


def never_ends(directory: str, acked: list[object]) -> None:
    if acked and not read(directory):
        for _ in itertools.count():
            pass


def polls_for_ever(directory: str, acked: list[object]) -> None:
    while acked and not read(directory):
        pass


@pytest.mark.slow
def test_too_much_real_time_is_no_damage() -> None:
    with pytest.warns(CrashTestWarning, match="raise check_limit_s= if it needs longer") as warned:
        report = explored(never_ends, check_limit_s=0.1)
    assert [each.filename for each in warned] == [__file__]
    (verdict,) = report.verdicts.values()
    assert (verdict.outcome, verdict.findings, verdict.complete) == ("inconclusive", (), False)
    assert verdict.too_slow == 1
    assert "it was stopped after 0.1 s of real time" in report.story()


@pytest.mark.slow
def test_a_check_that_is_too_slow_without_a_crash_leaves_the_answer_open() -> None:
    with pytest.warns(CrashTestWarning, match="too slow"):
        report = explored(lambda _, _acked: sum(1 for _ in itertools.count()), check_limit_s=0.1)
    assert report.outcome == "inconclusive"
    assert report.checks == 1


@pytest.mark.slow
def test_too_many_calls_are_a_finding_on_any_machine() -> None:
    (finding,) = explored(polls_for_ever).findings
    assert finding.sentence.startswith("the check did not end: expected an end within 20,000")


@pytest.mark.slow
def test_a_check_may_ask_for_the_time_and_sleep() -> None:
    import time  # noqa: PLC0415 - it is replaced while the test runs

    def check(directory: str, acked: list[object]) -> str | None:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            time.sleep(1)
        return wants_the_file(directory, acked)

    assert crash_test(write, check, profiles=["process-kill"]).outcome == "pass"


@pytest.mark.slow
def test_endless_checks_end_after_a_few() -> None:
    def many(directory: str, _ack: Acknowledge) -> None:
        for number in range(20):
            Path(directory, str(number)).touch()

    def check(directory: str, _acked: list[object]) -> None:
        while 0 < len(os.listdir(directory)) < 20:
            pass

    report = crash_test(many, check, profiles=["process-kill"], raise_on_finding=False)
    (verdict,) = report.verdicts.values()
    assert (verdict.outcome, verdict.images, verdict.unjudged) == ("fail", 5, 16)
    assert "16 left unjudged" in report.story()
    assert [(each.kind, each.count) for each in verdict.kinds] == [("damaged", 3)]


@pytest.mark.parametrize("given", [0, -1, float("inf"), float("nan")])
def test_the_limit_is_a_time(given: float) -> None:
    with pytest.raises(ValueError, match="check_limit_s: expected seconds > 0 but got"):
        explored(wants_the_file, check_limit_s=given)


# Workloads and checks that never run; coroutines are run.


def generator(directory: str, ack: Acknowledge) -> Iterator[None]:
    write(directory, ack)
    yield


async def coroutine(directory: str, ack: Acknowledge) -> None:
    write(directory, ack)


async def async_generator(directory: str, ack: Acknowledge) -> AsyncIterator[None]:
    write(directory, ack)
    yield


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "told"),
    [
        (generator, "it returned a generator"),
        (async_generator, "it returned an async generator"),
        (lambda d, ack: map(write, [d], [ack]), "it returned an iterator"),
    ],
    ids=["generator", "async generator", "map"],
)
def test_a_workload_that_has_not_run_is_refused(workload: Workload, told: str) -> None:
    with pytest.raises(WorkloadError, match=told):
        crash_test(workload, wants_the_file)


@pytest.mark.slow
def test_a_check_that_has_not_run_is_refused() -> None:
    def check(_directory: str, _acked: list[object]) -> Iterator[None]:
        yield None

    assert "check: expected a function that runs when it is called but" in refused(check)


async def async_check(directory: str, acked: list[object]) -> str | None:
    await asyncio.sleep(0)
    return wants_the_file(directory, acked)


@pytest.mark.slow
@pytest.mark.parametrize(
    "workload", [coroutine, lambda directory, ack: asyncio.run(coroutine(directory, ack))]
)
@pytest.mark.parametrize("check", [wants_the_file, async_check])
def test_coroutines_are_run(workload: Workload, check: Check) -> None:
    report = crash_test(workload, check, profiles=["process-kill"])
    assert (report.outcome, report.acked, report.check_refuses) == ("pass", 1, True)


@pytest.mark.slow
@pytest.mark.parametrize("workload", [lambda _d, _ack: None, lambda d, ack: ack(os.listdir(d))])
def test_a_workload_that_changes_nothing_is_refused(workload: Workload) -> None:
    with pytest.raises(EmptyWorkloadError, match="nothing was changed on the simulated disk"):
        crash_test(workload, wants_the_file)


@pytest.mark.parametrize("name", ["workload", "check"])
def test_both_must_be_functions(name: str) -> None:
    functions: dict[str, Any] = {"workload": write, "check": wants_the_file, name: "main"}
    with pytest.raises(TypeError, match=f"{name}: expected a function but got 'main'"):
        crash_test(**functions)


# Programs that end by an exit.


def leave(status: object) -> NoReturn:
    sys.exit(status)  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_exit_without_an_error_ends_workload_and_check() -> None:
    def workload(directory: str, ack: Acknowledge) -> None:
        write(directory, ack)
        leave(None)

    def check(directory: str, acked: list[object]) -> None:
        if not acked or read(directory) == "1":
            leave(0)
        leave(3)

    report = crash_test(workload, check, profiles=["lazyfs"], raise_on_finding=False)
    assert [(each.kind, each.sentence) for each in report.findings] == [("lost", "SystemExit: 3")]


@pytest.mark.slow
def test_an_exit_with_an_error_is_no_workload() -> None:
    def workload(directory: str, ack: Acknowledge) -> None:
        write(directory, ack)
        leave("no disk")

    with pytest.raises(WorkloadError, match="it raised SystemExit: no disk"):
        crash_test(workload, wants_the_file)


@pytest.mark.slow
def test_what_a_program_leaves_open_is_flushed_at_its_end() -> None:
    """The buffer is lost to a kill after the acknowledgement, and written at the normal end."""
    kept = []

    def workload(directory: str, ack: Acknowledge) -> None:
        file = open(f"{directory}/number", "w")  # noqa: SIM115 - left open, as many programs do
        kept.append(file)
        file.write("1")
        ack(1)

    report = crash_test(workload, asserts, profiles=["process-kill"], raise_on_finding=False)
    (finding,) = report.findings
    assert finding.cure == "flush /simulated/number before acknowledging what stands in it"
