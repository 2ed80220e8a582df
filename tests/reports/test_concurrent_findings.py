"""A race from the command line: found, stored, replayed, drawn, and kept as a test."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.reports.exit_codes import ExitCode
from wavetank.scenarios import Case, judge_again

RUN = (
    "run", "concurrent-readers", "--backend", "racy_stores:EARLY_INDEX", "--profile", "posix",
    "--schedules", "40", "--workers", "1", "--format", "json",
)  # fmt: skip


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("races")


@pytest.fixture(scope="module")
def document(directory: Path) -> dict[str, Any]:
    """Run once; its failures lie in the directory, where the tests go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        done = invoke(*RUN)
    assert done.exit_code == ExitCode.VIOLATION, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def race(
    document: dict[str, Any], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The first finding that needs no crash."""
    monkeypatch.chdir(directory)
    (scenario,) = document["scenarios"]
    found: dict[str, Any] = next(
        each for each in scenario["violations"] if each["invariant"] == "O13"
    )
    return found


@pytest.mark.slow
def test_the_document_tells_schedule_and_calls(
    document: dict[str, Any], race: dict[str, Any]
) -> None:
    jsonschema.validate(document, schema("run"))
    (scenario,) = document["scenarios"]
    assert 0 < scenario["schedules"] <= 40
    assert (scenario["workloads"], scenario["every_schedule"]) == (1, 0)
    assert race["schedule"].split()[0] in ("calls", "stores", "statements")
    assert len(race["schedule"].split()) <= 4, "it has been made small"
    assert {call["task"] for call in race["calls"]} <= {"writer", "reader", "tail"}
    assert all(call["result"] is not None for call in race["calls"])


@pytest.mark.slow
def test_replay_runs_the_same_schedule(race: dict[str, Any]) -> None:
    done = invoke("replay", race["id"])
    assert done.exit_code == ExitCode.VIOLATION
    assert f"FAILED {race['id']}: the same schedule ran again: it breaks O13 again" in done.stdout


@pytest.mark.slow
def test_show_draws_the_calls_as_lanes(race: dict[str, Any]) -> None:
    shown = invoke("show", race["id"]).stdout
    assert "<- impossible here" in shown
    assert f"schedule  {race['schedule']}" in shown
    assert "no crash is needed: tasks were switched from" in shown
    assert "cure" not in shown
    assert all(len(line) <= 100 for line in shown.splitlines() if "Elsewhere" not in line)


@pytest.mark.slow
def test_the_written_test_fails_on_the_store_and_passes_on_the_engine(race: dict[str, Any]) -> None:
    source = invoke("show", race["id"], "--as", "pytest").stdout
    written: dict[str, Any] = {}
    exec(compile(source, "written.py", "exec"), written)
    case: Case = written["CASE"]
    assert [each.invariant for each in judge_again(case)] == ["O13"]
    exec(compile(source.replace(case.store, "builtin"), "written.py", "exec"), written)
    assert judge_again(written["CASE"]) == ()


def test_scenarios_with_tasks_refuse_what_cannot_be_scheduled() -> None:
    done = invoke("run", "concurrent-votes", "--backend", "sqlite:wal-full")
    assert done.exit_code == ExitCode.USAGE
    assert "'site runtime'" in done.stderr
    done = invoke("run", "concurrent-votes", "--fault", "fsync * #1: fail EIO")
    assert done.exit_code == ExitCode.USAGE
    assert "takes no --fault" in done.stderr
