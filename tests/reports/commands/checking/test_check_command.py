"""`wavetank check --command`: stores in other languages, and the page that tells of them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from compiled_drivers import (
    journal,
    needs_gcc,
    needs_go,
    needs_strace,
    python_driver,
    renames,
)

from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.scenarios.stores.command import DRIVER_CAPABILITIES

PAGE = Path(__file__).parents[4] / "docs" / "driver-protocol.md"
CONFORMANCE = ("basics", "truncate", "vote", "snapshot", "open_close")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(command: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", "--command", command, *arguments])


def outcomes(done: Result) -> dict[str, str]:
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema("check"))
    return {f"{each['group']}.{each['name']}": each["outcome"] for each in document["checks"]}


def example() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@needs_strace
@needs_gcc
def test_a_right_driver_in_c_passes_every_check_that_it_declares() -> None:
    done = check(f"{journal()} {{dir}}", *CONFORMANCE, "torn.cut_*", "--format", "json")
    assert done.exit_code == 0
    came = outcomes(done)
    assert "fail" not in came.values()
    passed = [name.partition(".")[0] for name, outcome in came.items() if outcome == "pass"]
    assert {group: passed.count(group) for group in (*CONFORMANCE, "torn")} == {
        "basics": 17,
        "truncate": 5,
        "vote": 5,
        "snapshot": 0,
        "open_close": 6,
        "torn": 1,
    }


@pytest.mark.slow
@needs_strace
@needs_gcc
@pytest.mark.parametrize(
    ("forgotten", "code", "word"),
    [
        ("", 0, "PASS"),
        (" forget-directory", 1, "cure: a sync of the directory /store right after the name"),
        (" forget-file", 1, "cure: a sync of the file /store/journal right after size"),
    ],
)
def test_the_crash_part_finds_a_sync_that_a_driver_in_c_forgets(
    forgotten: str, code: int, word: str
) -> None:
    arguments = ("crash", "--profile", "posix", "--max-images", "40")
    done = check(f"{journal()} {{dir}}{forgotten}", *arguments)
    assert done.exit_code == code
    assert word in done.output
    assert ("FAIL  crash.acked_survives: under posix: expected term 1" in done.output) is bool(code)


@needs_strace
@needs_go
@pytest.mark.minutes
@pytest.mark.parametrize(("forgotten", "code"), [("", 0), (" forget-directory", 1)])
def test_the_crash_part_finds_a_sync_that_a_driver_in_go_forgets(forgotten: str, code: int) -> None:
    arguments = ("vote.durable_before_return", "crash", "--profile", "posix", "--max-images", "15")
    done = check(f"{renames()} {{dir}}{forgotten}", *arguments)
    assert done.exit_code == code
    assert ("FAIL  vote.durable_before_return" in done.output) is bool(code)
    assert ("cure: a sync of the directory /store right after" in done.output) is bool(code)


@needs_go
def test_a_right_driver_in_go_passes_what_needs_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"{renames()} {{dir}}"
    monkeypatch.setenv("PATH", "")
    done = check(command, *CONFORMANCE, "--format", "json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    reasons = {each["name"]: each["reason"] for each in document["checks"]}
    assert document["counts"] == {"pass": 40, "fail": 0, "skip": 18}
    assert reasons["durable_before_return"] == (
        "needs a trace of what the store does: expected strace but there is none: apt-get install "
        "strace"
    )


@pytest.mark.slow
def test_the_driver_of_the_page_passes(tmp_path: Path) -> None:
    command = python_driver(tmp_path / "driver.py", example())
    done = check(command, "basics", "open_close", "crash", "--max-images", "10")
    assert done.exit_code == 0, done.output


def test_the_page_names_every_capability_that_a_driver_may_declare() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [word for word in DRIVER_CAPABILITIES if f"`{word}`" not in page] == ["durable-appends"]
    assert "ready 1 votes truncate-suffix durable-appends" in page


def test_what_a_driver_does_wrong_fails_the_check_with_what_came(tmp_path: Path) -> None:
    code = example().replace('answer += ["1", str(len(log))]', 'answer += ["one"]')
    done = check(python_driver(tmp_path / "driver.py", code), "basics.empty_store_has_no_bounds")
    assert done.exit_code == 1
    assert (
        "FAIL  basics.empty_store_has_no_bounds: DriverAnswerError: bounds: expected 'ok' and 2 "
        "decimal numbers but the driver wrote 'ok one'\n"
    ) in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected BACKEND or --command but got neither"),
        (("--command", "true"), "expected a program and, among its arguments, {dir}"),
        (("--command", "./no-such-driver {dir}"), "No such file or directory"),
        (("--command", "true {dir}"), "start: expected an answer of true but it ended"),
        (("--command", "true {dir}", "vots"), "start: expected an answer of true"),
    ],
)
def test_a_command_that_starts_no_driver_exits_2(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(cli, ["check", *arguments])
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("end", ["limit", "interrupt"])
def test_nothing_is_left_running(tmp_path: Path, end: str) -> None:
    """A driver that hangs, and ignores the end of its input, is killed with the check."""
    pids = tmp_path / "pids"
    hang = (
        "import time; "
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); "
        "time.sleep(60)\n        "
    )
    code = example().replace("added = [words", f"{hang}added = [words")
    command = python_driver(tmp_path / "driver.py", code)
    limit = ["--limit", "1"] if end == "limit" else []
    process = subprocess.Popen(
        [sys.executable, "-m", "wavetank", "check", "--command", command, *limit,
         "basics.append_read_each"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    for _ in range(2000):
        if pids.exists() and pids.read_text():
            break
        time.sleep(0.01)
    if end == "interrupt":
        os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == {"limit": 1, "interrupt": 130}[end], output
    for pid in pids.read_text().split():
        assert not Path(f"/proc/{pid}").exists()
